package callsync

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

// keepRecording stores the fact that the file a link led to is safely on disk.
func (e *Engine) keepRecording(ctx context.Context, record *call.Record, recording call.Recording, link call.RecordingLink) error {
	if hasFile(record) {
		return e.keepReplacement(ctx, record, recording, link.Mark)
	}
	next := *record
	recording.State, next.RecordingMark = call.Stored, link.Mark
	next.Call.Recording = &recording
	next.Parts.Recording = call.Part{State: call.Stored, Attempts: record.Parts.Recording.Attempts}
	if link.Of > 1 {
		next.Parts.Recording.Reason = fmt.Sprintf("one_of_%d", link.Of)
		e.log.Warn("the vendor has further recordings of the call, which are not archived", "call_id", string(record.Call.ID), "recordings", link.Of)
	}
	if !plausibleLength(&record.Call, &recording) {
		next.Parts.Recording.Reason = lengthDiffers
		e.log.Warn("recording is not as long as its call", "call_id", string(record.Call.ID),
			"call_seconds", *record.Call.DurationSeconds, "audio_seconds", *recording.DurationSeconds)
	}
	next.Mirror()
	crashpoint.Reach(crashpoint.RecordingKeeping)
	return e.write(context.WithoutCancel(ctx), call.Write{Record: next, Kind: call.ChangeRecording})
}

// doubts remembers the recordings that were not as long as their calls. What
// comes a second time, byte for byte, is what the vendor has.
type doubts struct {
	mu   sync.Mutex
	sums map[call.ID]string
}

func (d *doubts) twice(id call.ID, sum string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sums[id] == sum {
		delete(d.sums, id)
		return true
	}
	if d.sums == nil {
		d.sums = make(map[call.ID]string)
	}
	d.sums[id] = sum
	return false
}

// lengthDiffers is the reason of a stored recording that is not as long as its call.
const lengthDiffers = "length_differs"

// odd reports a recording that came whole, by all that can be told, and is not
// as long as its call.
func odd(err error) bool {
	reason, ok := errors.AsType[interface {
		error
		PartReason() string
	}](err)
	return ok && reason.PartReason() == "length"
}

// lengthRemark is the reason of a recording that is stored.
func lengthRemark(c *call.Call, r *call.Recording) string {
	if plausibleLength(c, r) {
		return ""
	}
	return lengthDiffers
}

// plausibleLength compares the audio with the call's length, where both are
// known: a tenth or three seconds apart is usual, for ringing and rounding.
func plausibleLength(c *call.Call, r *call.Recording) bool {
	if c.DurationSeconds == nil || r.DurationSeconds == nil || *c.DurationSeconds <= 0 {
		return true
	}
	return math.Abs(*c.DurationSeconds-*r.DurationSeconds) <= max(3, *c.DurationSeconds/10)
}

// keepFailure stores what went wrong and when it is tried again. Once the
// waiting is over, a recording the vendor promised is lost, and one it never
// spoke of is absent; both only if the vendor or its media host could be asked.
// The next try is not before the host is free to be asked.
func (e *Engine) keepFailure(ctx context.Context, record *call.Record, known call.Documents, failure error, free time.Time) error {
	next := *record
	part := &next.Parts.Recording
	if part.State != call.Pending {
		return nil // looking again showed that there is nothing to wait for
	}
	part.Attempts++
	w := e.weather(&record.Call, e.now().UTC())
	if hasFile(record) && (part.Attempts >= replaceTries || final(failure) && w.waited(w.base())) {
		return e.keepOld(ctx, record, failureReason(failure))
	}
	kind, reason := call.ChangeKind(""), failureReason(failure)
	promised, why := e.promised(known)
	if errors.Is(failure, errNoLink) && promised {
		reason = reasonOr(why, reason)
	}
	switch budget, spent := errors.AsType[*call.BudgetError](failure); {
	case spent:
		part.Reason, part.NextTry = "budget", notBefore(budget.Until, w.now)
	case !w.waited(w.base()) || !final(failure) && part.Acknowledged == nil:
		*part = waiting(*part, reason, w, w.over())
		if part.NextTry.Before(free) {
			part.NextTry = free.UTC()
		}
	case errors.Is(failure, errNoLink) && !promised:
		*part, kind = call.Part{State: call.None, Reason: "horizon"}, call.ChangePart
	default:
		*part, kind = lost(*part, reason), call.ChangePart
	}
	e.log.Warn("recording not archived", "call_id", string(record.Call.ID), "reason", part.Reason, "attempt", part.Attempts, "state", string(part.State), "err", failure)
	next.Mirror()
	return e.write(ctx, call.Write{Record: next, Kind: kind})
}

// promised reports whether the vendor says that there is a recording, and in a
// word what it gave instead of one, where it gave anything.
func (e *Engine) promised(known call.Documents) (promised bool, why string) {
	mapped, err := e.src.Provider.Map(known)
	given := mapped.Recording.Evidence
	return err != nil || given == call.EvidencePromised || given == call.EvidencePresent, mapped.Recording.Reason
}
