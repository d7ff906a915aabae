package callsync

import (
	"context"
	"errors"
	"math"
	"sync"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

// keepRecording stores the fact that the main recording is safely on disk.
func (h *hunt) keepRecording(ctx context.Context, t *errand, recording call.Recording) error {
	e, next := h.d.e, *h.record
	recording.State, recording.EndUnproved, next.RecordingMark = call.Stored, t.short, t.link.Mark
	next.Call.Recording = &recording
	part := next.MainPart()
	*part = e.keptPart(t, part, &recording)
	kept := aboutRecording("", part, recording.SHA256)
	h.lookAgain(&next)
	next.Join()
	next.Mirror()
	crashpoint.Reach(crashpoint.RecordingKeeping)
	w := call.Write{Record: next, Kind: call.ChangeRecording}
	if len(next.Further) > 0 || part.State != call.Stored {
		w.Events = []call.Event{kept}
	}
	return e.write(ctx, w)
}

// endUnproved is the reason of a recording that is here, seems to lack its end,
// and is fetched again until the late horizon has passed.
const endUnproved = "end_unproved"

// keptPart is the state of a recording that is on disk now.
func (e *Engine) keptPart(t *errand, had *call.Part, r *call.Recording) call.Part {
	if !r.EndUnproved {
		return call.Part{State: call.Stored, Attempts: had.Attempts, Reason: e.oddLength(t, r)}
	}
	e.log.Warn("recording seems to lack its end", "call_id", string(t.key.ID), "label", t.label, "attempt", had.Attempts+1)
	part, w := *had, e.weather(&t.record.Call, e.now().UTC())
	part.Attempts++
	if w.waited(w.base()) {
		return lost(part, endUnproved)
	}
	return waiting(part, endUnproved, w, w.over())
}

// oddLength is the reason of a stored recording that is not as long as it should
// be; empty for the others.
func (e *Engine) oddLength(t *errand, r *call.Recording) string {
	want := t.seconds()
	if plausible(want, r.DurationSeconds) {
		return ""
	}
	e.log.Warn("recording is not as long as its call", "call_id", string(t.key.ID), "label", t.label, "call_seconds", *want, "audio_seconds", *r.DurationSeconds)
	return lengthDiffers
}

// aboutRecording is the event of one of several recordings.
func aboutRecording(label string, part *call.Part, sha256 *string) call.Event {
	event := call.Event{Kind: call.EventParts, Parts: []call.PartEvent{{Part: call.PartRecording, Label: label, State: part.State, Reason: part.Reason, Attempts: part.Attempts}}}
	if sha256 != nil {
		event.SHA256 = *sha256
	}
	return event
}

// doubted names a recording of a call.
type doubted struct {
	id    call.ID
	label string
}

// doubts remembers the recordings that were not as long as they should be. What
// comes a second time, byte for byte, is what the vendor has.
type doubts struct {
	mu   sync.Mutex
	sums map[doubted]string
}

func (d *doubts) twice(r doubted, sum string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sums[r] == sum {
		delete(d.sums, r)
		return true
	}
	if d.sums == nil {
		d.sums = make(map[doubted]string)
	}
	d.sums[r] = sum
	return false
}

// lengthDiffers is the reason of a stored recording that is not as long as it
// should be.
const lengthDiffers = "length_differs"

// odd reports a recording that came whole, by all that can be told, and is not
// as long as it should be.
func odd(err error) bool {
	reason, ok := errors.AsType[interface {
		error
		PartReason() string
	}](err)
	return ok && reason.PartReason() == "length"
}

// plausibleLength compares the audio with the call's length.
func plausibleLength(c *call.Call, r *call.Recording) bool {
	return plausible(c.DurationSeconds, r.DurationSeconds)
}

// plausible compares two lengths, where both are known: a tenth or three seconds
// apart is usual, for ringing and rounding.
func plausible(want, got *float64) bool {
	if want == nil || got == nil || *want <= 0 {
		return true
	}
	return math.Abs(*want-*got) <= max(3, *want/10)
}

// lacksEnd reports whether a recording seems to lack its end: by what it says
// itself, else by its length.
func lacksEnd(end call.FileEnd, want, got *float64) bool {
	return end == call.EndMissing || end == call.EndUntold && !plausible(want, got) && *got < *want
}

// keepFailure stores what went wrong with the main recording and when it is tried
// again. Its life tells of a replacement that is not had once, and when the reason
// is another one: a host may stay dead for years.
func (h *hunt) keepFailure(ctx context.Context, t *errand, failure error) error {
	e, next := h.d.e, *h.record
	part, w := next.MainPart(), e.weather(&next.Call, e.now().UTC())
	replacement := hasFile(h.record)
	if !replacement || final(failure) { // of a replacement only answers about it count
		part.Attempts++
	}
	if replacement && final(failure) && !h.news(t) && (part.Attempts >= replaceTries || w.waited(w.base())) {
		return e.keepOld(ctx, h.record, failureReason(failure))
	}
	kind := h.missed(part, t, failure, w)
	e.log.Warn("recording not archived", "call_id", string(h.key.ID), "reason", part.Reason, "attempt", part.Attempts, "state", string(part.State), "err", failure)
	next.Join()
	next.Mirror()
	return e.write(ctx, call.Write{Record: next, Kind: kind})
}

// missed decides what a failed attempt makes of a recording. Once the waiting is
// over, one the vendor promised is lost, and one it never spoke of is absent;
// both only if the vendor or its media host could be asked, and has shown nothing
// since that was not tried. The next try is not before the host is free to be asked.
func (h *hunt) missed(part *call.Part, t *errand, failure error, w *weather) call.ChangeKind {
	says, free := h.d.e.said(h.known, t.label), h.d.e.hosts.free(hostOf(t.link))
	promised := says.Evidence == call.EvidencePromised || says.Evidence == call.EvidencePresent
	reason := failureReason(failure)
	if errors.Is(failure, errNoLink) && promised {
		reason = reasonOr(says.Reason, reason)
	}
	switch budget, spent := errors.AsType[*call.BudgetError](failure); {
	case spent:
		part.Reason, part.NextTry = "budget", notBefore(budget.Until, w.now)
	case h.news(t) || !w.waited(w.base()) || !final(failure) && part.Acknowledged == nil:
		*part = waiting(*part, reason, w, w.over())
		if part.NextTry.Before(free) {
			part.NextTry = free.UTC()
		}
	case errors.Is(failure, errNoLink) && !promised:
		*part = call.Part{State: call.None, Reason: "horizon"}
		return call.ChangePart
	default:
		*part = lost(*part, reason)
		return call.ChangePart
	}
	return ""
}

// said is what the vendor says about a recording; of documents that cannot be
// mapped, that there is one.
func (e *Engine) said(known call.Documents, label string) call.PartEvidence {
	mapped, err := e.src.Provider.Map(known)
	if err != nil {
		return call.PartEvidence{Evidence: call.EvidencePromised}
	}
	if label == "" {
		return mapped.Recording
	}
	return evidenceOf(mapped.Further, label)
}
