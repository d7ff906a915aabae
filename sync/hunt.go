package callsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"callsyncd/call"
)

// hunt is one attempt to archive the recordings of a call.
type hunt struct {
	d   *downloads
	key call.Key
	// record and known are the call as it was read last; it may have changed since.
	record *call.Record
	known  call.Documents
	// link is the freshest one at hand, with those of the further recordings; ok
	// is whether the main recording has one.
	link call.RecordingLink
	ok   bool
	// spare is whether that link may serve the next attempt.
	spare bool
	// all also takes what is not due by itself.
	all bool
}

// attempt downloads what is due of a call's recordings, the main one first, and
// records for each success or what went wrong last. Its error is the first.
func (d *downloads) attempt(ctx context.Context, key call.Key, record *call.Record, known call.Documents) error {
	ctx = call.WithPurpose(ctx, call.PurposeRecording)
	h := &hunt{d: d, key: key, record: record, known: known}
	h.all = d.all || !slices.ContainsFunc(record.PartsOf(call.PartRecording), h.due)
	if h.link, h.ok = d.e.links.take(key.ID); !h.ok {
		h.link, h.ok = d.e.src.Provider.Link(known)
	}
	var failure error
	if h.due(record.MainPart()) {
		failure = h.try(ctx, "")
	}
	if ctx.Err() == nil && len(h.record.Further) > 0 {
		if err := h.others(ctx); failure == nil {
			failure = err
		}
	}
	h.giveBack(ctx)
	return failure
}

func (h *hunt) due(p *call.Part) bool {
	return p.State == call.Pending && (h.all || !p.NextTry.After(h.d.e.now()))
}

// try fetches one recording and stores what came of it.
func (h *hunt) try(ctx context.Context, label string) error {
	e := h.d.e
	t, recording, failure := h.chase(ctx, label)
	if failure == nil {
		return e.settled(ctx, h.outcome(ctx, func(ctx context.Context) error { return h.keep(ctx, t, recording) }))
	}
	if ctx.Err() != nil {
		return failure
	}
	e.noteRefusal(ctx, refusal(failure))
	if !renewable(failure) && h.ok && e.alive(t.link) {
		h.spare = true // nothing is wrong with it
	}
	_ = e.settled(ctx, h.outcome(ctx, func(ctx context.Context) error { return h.miss(ctx, t, failure) }))
	return failure
}

// others tries the further recordings that are due.
func (h *hunt) others(ctx context.Context) (first error) {
	tried := map[string]bool{}
	for {
		if err := h.reload(ctx); err != nil { // as it was stored last
			return err
		}
		i := slices.IndexFunc(h.record.Further, func(f call.FurtherRecording) bool { return !tried[f.Label] && h.due(&f.Part) })
		if i < 0 {
			return first
		}
		label := h.record.Further[i].Label
		tried[label] = true
		if err := h.try(ctx, label); first == nil {
			first = err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// giveBack keeps a link that may serve the next attempt, if there will be one.
func (h *hunt) giveBack(ctx context.Context) {
	if !h.spare || !h.ok {
		return
	}
	if record, err := h.d.e.store.Load(ctx, h.key); err == nil && record.Parts.Recording.State == call.Pending {
		h.d.e.links.giveBack(h.key.ID, h.link)
	}
}

// chase fetches one recording with up to freshLinks links. With an error, the
// errand has the link that was used last, or none when a fresh one was not to be had.
func (h *hunt) chase(ctx context.Context, label string) (t *errand, recording call.Recording, err error) {
	e := h.d.e
	t = &errand{key: h.key, label: label, record: h.record}
	link, ok := h.at(label)
	for range freshLinks {
		if !ok || !e.alive(link) {
			t.link = call.RecordingLink{}
			if !ok && h.justLooked(label) {
				return t, recording, errNoLink
			}
			if err := e.unlessRefused(); err != nil {
				return t, recording, err // a link at hand would have served, a fresh one is not to be had
			}
			link, err = h.renew(ctx, label)
			t.record = h.record
			if err != nil {
				return t, recording, err
			}
		}
		t.link = link
		if t.fuse.IsZero() {
			t.fuse = e.localTime(link.ExpiresAt) // of the first: fresh ones do not send us to the end of the queue
		}
		recording, err = e.fetch(ctx, t)
		switch {
		case err == nil || ctx.Err() != nil || !renewable(err):
			return t, recording, err
		case link.Unsettled && errors.Is(err, call.ErrExpired):
			return t, recording, fmt.Errorf("%w: %w", errUnsettled, err) // a fresh one would not serve either
		}
		ok = false // whatever was wrong with this link, the next one is fresh
	}
	return t, recording, err
}

// at is the link of a recording.
func (h *hunt) at(label string) (call.RecordingLink, bool) {
	if label == "" {
		return h.link, h.ok
	}
	link, ok := h.link.Further[label]
	return link, ok
}

// justLooked reports whether what would show a link was read in this very round,
// and showed none.
func (h *hunt) justLooked(label string) bool {
	if label == "" {
		return h.d.justLooked(h.key.ID, h.known)
	}
	e := h.d.e
	_, shown := h.link.Further[label]
	return h.d.all && !shown && !h.link.FetchedAt.Before(h.d.since.Add(-e.Skew()-time.Second))
}

// renew claims the call to read it again for a fresh link of a recording.
func (h *hunt) renew(ctx context.Context, label string) (call.RecordingLink, error) {
	e := h.d.e
	release, err := e.claims.take(ctx, []call.ID{h.key.ID})
	if err != nil {
		return call.RecordingLink{}, err
	}
	defer release()
	if err := h.reload(ctx); err != nil {
		return call.RecordingLink{}, err
	}
	if part := partOf(h.record, label); part == nil || part.State != call.Pending {
		return call.RecordingLink{}, errNoLink // that is known meanwhile
	}
	var link call.RecordingLink
	link, h.known, err = e.relink(ctx, h.key, h.record, h.known)
	if h.ok = err == nil; h.ok || errors.Is(err, errNoLink) {
		h.link = link // else those of the further recordings may still serve
	}
	if stored := h.reload(ctx); stored != nil {
		return call.RecordingLink{}, stored
	}
	if err != nil && (label == "" || !errors.Is(err, errNoLink)) {
		return call.RecordingLink{}, err
	}
	link, ok := h.at(label)
	if !ok {
		return call.RecordingLink{}, errNoLink
	}
	return link, nil
}

// errUnsettled says that the vendor itself had not promised that a link serves.
var errUnsettled error = unsettled{}

type unsettled struct{}

func (unsettled) Error() string      { return "the vendor has not got the recording itself yet" }
func (unsettled) PartReason() string { return "not_ready" }
