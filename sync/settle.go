package callsync

import (
	"errors"
	"time"

	"callsyncd/call"
)

// fullHorizon is the late-update horizon the retry offsets below are made for;
// a shorter horizon shortens them in proportion.
const fullHorizon = 72 * time.Hour

// retryOffsets say when a pending part is asked for, counted from the later of
// the call's end and its first sighting.
var retryOffsets = []time.Duration{
	1 * time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	1 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, fullHorizon,
}

// nextTry is the first retry moment after now; the horizon's end is the last.
func nextTry(base, now time.Time, horizon time.Duration) time.Time {
	for _, offset := range retryOffsets {
		scaled := max(time.Second, time.Duration(float64(offset)*min(1, float64(horizon)/float64(fullHorizon))))
		if at := base.Add(scaled); at.After(now) {
			return at
		}
	}
	if end := base.Add(horizon); end.After(now) {
		return end
	}
	return now.Add(max(time.Second, min(time.Hour, horizon/72)))
}

// weather is everything besides the evidence that decides a part's state.
type weather struct {
	now       time.Time
	firstSeen time.Time
	end       time.Time // the call's end, as far as known
	status    call.Status
	horizon   time.Duration
	// failure is why a document that should show the part could not be read; nil otherwise.
	failure error
}

// base is the moment waiting is counted from.
func (w *weather) base() time.Time {
	if w.end.After(w.firstSeen) && w.end.Before(w.now) {
		return w.end
	}
	return w.firstSeen
}

// live reports whether the call still goes on; a call that never ended is
// believed for one horizon only.
func (w *weather) live() bool {
	return w.status.Live() && w.now.Before(w.firstSeen.Add(w.horizon))
}

// settle decides the state of a transcript, summary or recording from the
// vendor's evidence. A recording's "present" means its address is known.
func settle(name call.PartName, prev call.Part, ev call.PartEvidence, w *weather) call.Part {
	if prev.State == call.Stored {
		return prev
	}
	if ev.Evidence == call.EvidencePresent && name != call.PartRecording {
		return call.Part{State: call.Stored}
	}
	if ev.Evidence == call.EvidenceAbsent && !w.live() {
		return call.Part{State: call.None, Reason: ev.Reason}
	}
	promised := ev.Evidence == call.EvidencePromised || ev.Evidence == call.EvidencePresent
	over := w.base().Add(w.horizon) // the end of all waiting
	switch {
	case w.live():
		return waiting(prev, "in_progress", w, over)
	case w.failure != nil && w.now.Before(over):
		part := waiting(prev, failureReason(w.failure), w, over)
		if budget, ok := errors.AsType[*call.BudgetError](w.failure); ok {
			part.NextTry = budget.Until
		}
		return part
	case w.failure != nil:
		return lost(prev, failureReason(w.failure))
	case !promised && w.status.Unanswered():
		return call.Part{State: call.None, Reason: "unanswered"}
	case !promised && !w.now.Before(w.end.Add(w.horizon)):
		return call.Part{State: call.None, Reason: "horizon"}
	case prev.State == call.Lost:
		return prev
	case promised && name != call.PartRecording && !w.now.Before(over):
		return lost(prev, reasonOr(ev.Reason, "gone"))
	case ev.Evidence == call.EvidencePromised && !w.now.Before(over):
		return lost(prev, reasonOr(ev.Reason, "gone"))
	}
	return waiting(prev, reasonOr(ev.Reason, "not_ready"), w, over)
}

func waiting(prev call.Part, reason string, w *weather, deadline time.Time) call.Part {
	return call.Part{
		State: call.Pending, Reason: reason, Attempts: prev.Attempts,
		NextTry: nextTry(w.base(), w.now, w.horizon).UTC(), Deadline: deadline.UTC(),
	}
}

func lost(prev call.Part, reason string) call.Part {
	return call.Part{State: call.Lost, Reason: reason, Attempts: prev.Attempts, Acknowledged: prev.Acknowledged}
}

func reasonOr(reason, otherwise string) string {
	if reason == "" {
		return otherwise
	}
	return reason
}

// failureReason names an error in a word for Part.Reason.
func failureReason(err error) string {
	var named interface{ PartReason() string }
	switch {
	case errors.As(err, &named):
		return named.PartReason()
	case errors.As(err, new(*call.BudgetError)):
		return "budget"
	case errors.Is(err, call.ErrUnauthorized):
		return "credentials_refused"
	case errors.Is(err, call.ErrNotFound):
		return "gone"
	case errors.Is(err, call.ErrExpired):
		return "expired"
	case errors.Is(err, call.ErrRefused):
		return "refused"
	case errors.Is(err, call.ErrCorrupt):
		return "corrupt"
	}
	return "error"
}
