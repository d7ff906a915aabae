package callsync

import (
	"context"
	"fmt"
	"reflect"

	"callsyncd/call"
)

// outcome claims the call and reads it, and the links the walks came upon, to
// store what became of a download in the call as it stands by now; also of one
// that came to its end while we are stopping.
func (h *hunt) outcome(ctx context.Context, fn func(context.Context) error) error {
	e, ids := h.d.e, []call.ID{h.key.ID}
	release, err := e.claims.take(ctx, ids)
	ctx = context.WithoutCancel(ctx)
	if err != nil { // whoever has claimed it is stopping as well
		soon, cancel := context.WithTimeout(ctx, saveRetry)
		defer cancel()
		if release, err = e.claims.take(soon, ids); err != nil {
			return err
		}
	}
	defer release()
	if err := h.reload(ctx); err != nil {
		return err
	}
	if link, ok := e.links.take(h.key.ID); ok && !link.FetchedAt.Before(h.link.FetchedAt) {
		h.link, h.ok, h.spare = link, true, true
	}
	return fn(ctx)
}

// reload reads the call as it is stored. Of its documents those at hand stay that
// are fresher: what they show only for a while is not stored with them.
func (h *hunt) reload(ctx context.Context) error {
	record, known, err := h.d.e.stored(ctx, h.key)
	if err != nil {
		return err
	}
	if record == nil {
		return fmt.Errorf("call %s: %w", h.key, call.ErrNotFound)
	}
	for name, doc := range h.known {
		if had, ok := known[name]; ok && !doc.FetchedAt.Before(had.FetchedAt) {
			known[name] = doc
		}
	}
	h.record, h.known = record, known
	return nil
}

// partOf is the state of one of a call's recordings; nil when it has none of that
// label.
func partOf(r *call.Record, label string) *call.Part {
	if label == "" {
		return r.MainPart()
	}
	if f := r.FurtherOf(label); f != nil {
		return &f.Part
	}
	return nil
}

// news reports whether the vendor has shown something of a recording that the
// attempt did not try yet.
func (h *hunt) news(t *errand) bool {
	link, _ := h.at(t.label)
	return replaced(t.link.Mark, link.Mark) || h.record.Call.Version != t.record.Call.Version || !reflect.DeepEqual(partOf(h.record, t.label), partOf(t.record, t.label))
}

// keep stores the fact that the file of an errand is safely on disk, whatever was
// decided about it meanwhile.
func (h *hunt) keep(ctx context.Context, t *errand, recording call.Recording) error {
	switch {
	case t.label != "":
		return h.keepFurther(ctx, t, recording)
	case hasFile(h.record):
		return h.keepReplacement(ctx, t, recording)
	}
	return h.keepRecording(ctx, t, recording)
}

// lookAgain decides about a main recording that has just come as if what the
// vendor has shown during the transfer came now: yet another recording, or
// another length of the call. That is to be fetched next.
func (h *hunt) lookAgain(next *call.Record) {
	e, part := h.d.e, next.MainPart()
	switch {
	case h.record.MainPart().State != call.Pending: // it was withdrawn
	case part.State == call.Stored && next.RecordingMark == "" && h.link.Mark != "" && e.mayRefetch(h.key.ID):
		// It came by a link that did not identify it: what was shown since may be another one.
		*part = fetchAgain(e.now().UTC())
	default:
		e.settleStored(next, call.PartEvidence{Evidence: call.EvidencePresent}, h.link.Mark, e.weather(&next.Call, e.now().UTC()))
	}
}

// miss stores what went wrong with an errand.
func (h *hunt) miss(ctx context.Context, t *errand, failure error) error {
	part := partOf(h.record, t.label)
	switch {
	case part == nil, part.State != call.Pending && t.fuse.IsZero():
		return nil // looking again showed that there is nothing to wait for, before any link was used
	case part.State != call.Pending:
		event := aboutRecording(t.label, part, nil)
		event.Note = "a download that was under way did not bring it: " + failureReason(failure)
		return h.d.e.write(ctx, call.Write{Record: *h.record, Events: []call.Event{event}})
	case t.label != "":
		return h.missFurther(ctx, t, failure)
	}
	return h.keepFailure(ctx, t, failure)
}
