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
	d      *downloads
	key    call.Key
	record *call.Record
	known  call.Documents
	// link is the freshest one at hand, with those of the further recordings; ok
	// is whether the main recording has one.
	link call.RecordingLink
	ok   bool
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
		failure = h.main(ctx)
	}
	if ctx.Err() != nil || len(h.record.Further) == 0 {
		return failure
	}
	if err := h.others(ctx); failure == nil {
		failure = err
	}
	return failure
}

func (h *hunt) due(p *call.Part) bool {
	return p.State == call.Pending && (h.all || !p.NextTry.After(h.d.e.now()))
}

func (h *hunt) main(ctx context.Context) error {
	e := h.d.e
	t, recording, failure := h.chase(ctx, "")
	if failure == nil {
		return e.settled(ctx, e.keepRecording(ctx, t, recording))
	}
	if ctx.Err() != nil {
		return failure
	}
	h.failed(ctx, t, failure)
	_ = e.settled(ctx, e.keepFailure(ctx, h.record, h.known, failure, e.hosts.free(hostOf(t.link))))
	return failure
}

// others tries the further recordings that are due.
func (h *hunt) others(ctx context.Context) (first error) {
	tried := map[string]bool{}
	for {
		record, err := h.d.e.store.Load(ctx, h.key) // as it was stored last
		if err != nil {
			return err
		}
		h.record = &record
		i := slices.IndexFunc(record.Further, func(f call.FurtherRecording) bool { return !tried[f.Label] && h.due(&f.Part) })
		if i < 0 {
			return first
		}
		label := record.Further[i].Label
		tried[label] = true
		if err := h.other(ctx, label); first == nil {
			first = err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

func (h *hunt) other(ctx context.Context, label string) error {
	e := h.d.e
	t, recording, failure := h.chase(ctx, label)
	if failure == nil {
		return e.settled(ctx, e.keepFurther(ctx, t, recording))
	}
	if ctx.Err() != nil {
		return failure
	}
	h.failed(ctx, t, failure)
	_ = e.settled(ctx, e.missFurther(ctx, h.record, h.known, label, failure, e.hosts.free(hostOf(t.link))))
	return failure
}

// failed draws the conclusions from a failure that are not about the recording.
func (h *hunt) failed(ctx context.Context, t *errand, failure error) {
	e := h.d.e
	e.noteRefusal(ctx, refusal(failure))
	if !renewable(failure) && h.ok && e.alive(t.link) {
		e.links.giveBack(h.key.ID, h.link) // nothing is wrong with it
	}
}

// chase fetches one recording with up to freshLinks links. With an error, the
// errand has the link that was used last, or none when a fresh one was not to be had.
func (h *hunt) chase(ctx context.Context, label string) (t *errand, recording call.Recording, err error) {
	e := h.d.e
	t = &errand{key: h.key, label: label}
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
			if link, err = h.renew(ctx, label); err != nil {
				return t, recording, err
			}
		}
		t.link, t.record = link, h.record
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

// renew reads the call again for a fresh link of a recording.
func (h *hunt) renew(ctx context.Context, label string) (call.RecordingLink, error) {
	var err error
	h.link, h.record, h.known, err = h.d.e.relink(ctx, h.key, h.record, h.known)
	h.ok = err == nil
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
