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
	now time.Time
	// sure is the earlier of our clock and the vendor's: waiting is over only
	// when it is by both.
	sure      time.Time
	firstSeen time.Time
	end       time.Time // the call's end, as far as known
	status    call.Status
	horizon   time.Duration
	// failure is why a document that should show the part could not be read; nil otherwise.
	failure error
	// unread is why a document could not be understood to the end; empty otherwise.
	unread string
	// news is true when the vendor's answers about the call are not those known.
	news bool
}

// base is the moment waiting is counted from.
func (w *weather) base() time.Time {
	if w.end.After(w.firstSeen) && w.end.Before(w.now) {
		return w.end
	}
	return w.firstSeen
}

// over is the end of all waiting.
func (w *weather) over() time.Time { return w.base().Add(w.horizon) }

// waited reports whether the horizon has passed since a moment.
func (w *weather) waited(since time.Time) bool { return !w.sure.Before(since.Add(w.horizon)) }

// live reports whether the call still goes on; a call that never ended is
// believed for one horizon only.
func (w *weather) live() bool { return w.status.Live() && !w.waited(w.firstSeen) }

// ended is the call's end; a vendor that dates it into the future is not
// believed.
func (w *weather) ended() time.Time {
	if w.end.After(w.now) {
		return w.firstSeen
	}
	return w.end
}

// settle decides the state of a transcript or summary from the vendor's
// evidence. Only an answer of the vendor can end in a loss: while it cannot be
// asked, because of the network, the budget or the credentials, a part waits.
func settle(prev call.Part, ev call.PartEvidence, w *weather) call.Part {
	switch {
	case prev.State == call.Stored:
		return prev
	case ev.Evidence == call.EvidencePresent:
		return call.Part{State: call.Stored}
	case ev.Evidence == call.EvidenceAbsent && !w.live() && prev.State != call.Lost:
		return call.Part{State: call.None, Reason: ev.Reason}
	case prev.State == call.Lost:
		return prev // only the content itself lifts a loss
	case w.failure != nil && !w.live():
		return unread(prev, w)
	case ev.Evidence == call.EvidencePromised && !w.live() && w.waited(w.base()):
		return lost(prev, reasonOr(ev.Reason, "gone"))
	}
	return expect(prev, ev, w)
}

// linkLife is how long a recording's link is thought to live until it is seen.
const linkLife = time.Hour

// queued is the reason of a recording whose address is known and was not tried.
const queued = "queued"

// settleRecording decides the state of a recording that is not stored. Its
// "present" means that its address is known. It is never lost here: only an
// attempt to fetch it can show that.
func settleRecording(prev call.Part, ev call.PartEvidence, w *weather) call.Part {
	switch {
	case prev.State == call.Lost && prev.Acknowledged != nil && !w.news:
		return prev
	case ev.Evidence == call.EvidencePresent && !w.live():
		if prev.State == call.Pending && prev.Attempts > 0 {
			return prev // the next attempt has its time
		}
		return call.Part{State: call.Pending, Reason: queued, NextTry: w.now, Deadline: w.now.Add(linkLife), Acknowledged: prev.Acknowledged}
	case prev.State == call.Lost:
		return prev
	case w.failure != nil && !w.live() && ev.Evidence != call.EvidenceAbsent:
		return unread(prev, w)
	}
	return expect(prev, ev, w)
}

// unread is a part whose document could not be read now.
func unread(prev call.Part, w *weather) call.Part {
	part := waiting(prev, failureReason(w.failure), w, w.over())
	if budget, ok := errors.AsType[*call.BudgetError](w.failure); ok {
		part.NextTry = notBefore(budget.Until, w.now)
	}
	return part
}

// notBefore keeps a next try from being due at once again.
func notBefore(at, now time.Time) time.Time {
	if soonest := now.Add(time.Second); at.Before(soonest) {
		return soonest
	}
	return at
}

// expect decides between waiting for a part and its proved absence.
func expect(prev call.Part, ev call.PartEvidence, w *weather) call.Part {
	promised := ev.Evidence == call.EvidencePromised
	switch {
	case w.live():
		return waiting(prev, "in_progress", w, w.over())
	case ev.Evidence == call.EvidenceAbsent:
		return call.Part{State: call.None, Reason: ev.Reason}
	case !promised && w.status.Unanswered():
		return call.Part{State: call.None, Reason: "unanswered"}
	case !promised && w.waited(w.ended()) && w.unread != "" && prev.State != call.None:
		return lost(prev, w.unread) // the vendor has something, and nobody can say what
	case !promised && w.waited(w.ended()):
		return call.Part{State: call.None, Reason: "horizon"}
	}
	return waiting(prev, reasonOr(ev.Reason, "not_ready"), w, w.over())
}

func waiting(prev call.Part, reason string, w *weather, deadline time.Time) call.Part {
	next := nextTry(w.base(), w.now, w.horizon).UTC()
	part := call.Part{State: call.Pending, Reason: reason, Attempts: prev.Attempts, NextTry: next, Acknowledged: prev.Acknowledged}
	if !deadline.Before(next) { // afterwards it is overdue, and nobody knows how long it can still be had
		part.Deadline = deadline.UTC()
	}
	return part
}

// again is a lost part that is asked for once more; what was accepted stays so.
func again(prev call.Part, now time.Time) call.Part {
	return call.Part{State: call.Pending, Reason: "returned", NextTry: now, Deadline: now.Add(time.Hour), Acknowledged: prev.Acknowledged}
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

// gone is the reason of a part whose call the vendor says it does not know.
const gone = "gone"

// failureReason names an error in a word for Part.Reason.
func failureReason(err error) string {
	var named interface{ PartReason() string }
	switch {
	case errors.As(err, &named):
		return named.PartReason()
	case errors.As(err, new(*call.BudgetError)):
		return "budget"
	case forbidden(err):
		return "forbidden"
	case errors.Is(err, call.ErrUnauthorized):
		return refusedReason
	case errors.Is(err, call.ErrNotFound):
		return gone
	case errors.Is(err, call.ErrExpired):
		return "expired"
	case errors.Is(err, call.ErrRefused):
		return "refused"
	case errors.Is(err, call.ErrCorrupt):
		return "corrupt"
	}
	return "error"
}

// final reports whether a failure says something about the content itself, so
// that it can be the reason of a loss. The others say that nobody could ask.
func final(err error) bool {
	switch {
	case errors.Is(err, call.ErrTransient), errors.Is(err, call.ErrUnauthorized), errors.Is(err, call.ErrNoSpace):
		return false
	}
	return errors.Is(err, call.ErrNotFound) || errors.Is(err, call.ErrExpired) || errors.Is(err, call.ErrCorrupt) ||
		errors.Is(err, call.ErrRefused) || errors.Is(err, errNoLink)
}
