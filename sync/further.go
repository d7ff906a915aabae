package callsync

import (
	"context"
	"slices"
	"time"

	"callsyncd/call"
)

// settleFurther decides the states of the recordings besides the main one: those
// the vendor names now, and those it named before.
func (e *Engine) settleFurther(r *call.Record, says []call.FurtherEvidence, w *weather) {
	for _, one := range says {
		if r.FurtherOf(one.Label) == nil {
			r.AddFurther(call.FurtherRecording{Label: one.Label, ListedAt: w.now})
		}
	}
	for i := range r.Further {
		f := &r.Further[i]
		if f.Part.State != call.Stored {
			f.Part = settleRecording(f.Part, evidenceOf(says, f.Label), w.since(f.ListedAt))
		}
	}
}

func evidenceOf(says []call.FurtherEvidence, label string) call.PartEvidence {
	for _, one := range says {
		if one.Label == label {
			return one.PartEvidence
		}
	}
	return call.PartEvidence{Evidence: call.EvidenceUnknown}
}

// since is the weather for something that was first seen after its call.
func (w *weather) since(seen time.Time) *weather {
	one := *w
	if seen.After(one.firstSeen) {
		one.firstSeen = seen
	}
	return &one
}

// expectBy gives the recordings that only wait for their turn the end of their
// links as deadline.
func (e *Engine) expectBy(r *call.Record, link call.RecordingLink) {
	date := func(p *call.Part, link call.RecordingLink) {
		if p.Reason == queued {
			p.Deadline = e.localTime(link.ExpiresAt).UTC().Truncate(time.Millisecond)
		}
	}
	date(r.MainPart(), link)
	for i := range r.Further {
		if one, ok := link.Further[r.Further[i].Label]; ok {
			date(&r.Further[i].Part, one)
		}
	}
	r.Join()
}

// keepFurther stores the fact that the file of a further recording is on disk,
// also when the call has none of that label any more.
func (h *hunt) keepFurther(ctx context.Context, t *errand, recording call.Recording) error {
	e, next := h.d.e, *h.record
	next.Further = slices.Clone(next.Further)
	f := next.FurtherOf(t.label)
	if f == nil {
		next.AddFurther(call.FurtherRecording{Label: t.label, ListedAt: e.now().UTC()})
		f = next.FurtherOf(t.label)
	}
	recording.EndUnproved = t.short
	f.Recording = recording
	f.Part = e.keptPart(t, &f.Part, &recording)
	next.Join()
	next.Mirror()
	return e.write(ctx, call.Write{Record: next, Kind: call.ChangeRecording,
		Events: []call.Event{aboutRecording(t.label, &f.Part, recording.SHA256)}})
}

// missFurther stores what went wrong with a further recording and when it is
// tried again.
func (h *hunt) missFurther(ctx context.Context, t *errand, failure error) error {
	e, next := h.d.e, *h.record
	next.Further = slices.Clone(next.Further)
	f := next.FurtherOf(t.label)
	before := f.Part
	f.Part.Attempts++
	kind := h.missed(&f.Part, t, failure, e.weather(&next.Call, e.now().UTC()).since(f.ListedAt))
	e.log.Warn("further recording not archived", "call_id", string(h.key.ID), "label", t.label, "reason", f.Part.Reason, "attempt", f.Part.Attempts, "state", string(f.Part.State), "err", failure)
	next.Join()
	next.Mirror()
	w := call.Write{Record: next, Kind: kind}
	if f.Part.State != before.State || f.Part.Reason != before.Reason {
		w.Events = []call.Event{aboutRecording(t.label, &f.Part, nil)}
	}
	return e.write(ctx, w)
}
