package callsync

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

const (
	// changedUpstream is the reason of a recording that is here and is fetched
	// again, because what identifies it at the vendor has changed.
	changedUpstream = "changed_upstream"
	// replacementNotHad is the reason of a recording whose replacement was given up.
	replacementNotHad = "replacement_not_had"
	// replaceTries is how many answers must say that a replacement is not to be
	// had before the old file is left in its place for good.
	replaceTries = 12
	// learnedSame counts the recordings fetched again in a row that were the same
	// as before; learnedReplaced is set once one was not.
	learnedSame     = "recordings_unchanged"
	learnedReplaced = "recordings_replaced"
	// doubtfulAgain and trustedAgain are how many may be fetched again for
	// nothing, before and after a replaced one was found.
	doubtfulAgain = 3
	trustedAgain  = 50
)

// hasFile reports whether a recording of the call is on disk.
func hasFile(r *call.Record) bool { return r.Call.Recording != nil && r.Call.Recording.File != nil }

// replaced reports whether a stored recording is another one at the vendor by
// now. Marks taken from different documents say nothing about each other.
func replaced(had, now string) bool {
	before, _, ok := strings.Cut(had, ":")
	after, _, also := strings.Cut(now, ":")
	return ok && also && before == after && had != now
}

// mayRefetch reports whether a recording may be fetched again on the word of its
// mark. Where marks change without reason that soon ends.
func (e *Engine) mayRefetch(id call.ID) bool {
	same, limit := refetched(e.learned())
	e.mu.Lock()
	defer e.mu.Unlock()
	_, already := e.refetching[id] // and what came of it could not be stored
	return already || len(e.refetching)+same < limit
}

// refetched reads what was learned about marks.
func refetched(learned map[string]string) (same, limit int) {
	same, _ = strconv.Atoi(learned[learnedSame]) // written by us
	if learned[learnedReplaced] != "" {
		return same, trustedAgain
	}
	return same, doubtfulAgain
}

// RestlessMarks reports whether what identifies recordings at the vendor changes
// while the recordings do not, so that a replaced one is no longer noticed by it.
func (e *Engine) RestlessMarks() bool {
	same, limit := refetched(e.learned())
	return same >= limit
}

// settleStored decides what becomes of a recording that is on disk: it stays,
// unless the vendor shows another one, which is then fetched beside it.
func (e *Engine) settleStored(r *call.Record, ev call.PartEvidence, mark string, w *weather) {
	part := r.MainPart()
	switch {
	case ev.Evidence != call.EvidencePresent && part.State != call.Stored && r.Call.Recording.EndUnproved:
		// What is here does not prove that there is no more.
	case ev.Evidence != call.EvidencePresent && part.State != call.Stored:
		e.mu.Lock()
		delete(e.refetching, r.Call.ID)
		e.mu.Unlock()
		*part = call.Part{State: call.Stored}
	case ev.Evidence != call.EvidencePresent:
	case part.State != call.Stored:
		// It is being fetched again; the next attempt has its time.
	case part.Reason == "" && len(r.Further) == 0 && !plausibleLength(&r.Call, r.Call.Recording):
		// The call's length was not known, or another one, when the file came.
		*part = call.Part{State: call.Pending, Reason: lengthDiffers, NextTry: w.now, Deadline: w.now.Add(linkLife)}
	case r.RecordingMark == "":
		r.RecordingMark = mark
	case replaced(r.RecordingMark, mark) && e.mayRefetch(r.Call.ID):
		e.mu.Lock()
		e.refetching[r.Call.ID] = struct{}{}
		e.mu.Unlock()
		*part = fetchAgain(w.now)
	}
}

// fetchAgain is the state of a recording that is here and may be another one at
// the vendor by now.
func fetchAgain(now time.Time) call.Part {
	return call.Part{State: call.Pending, Reason: changedUpstream, NextTry: now, Deadline: now.Add(linkLife)}
}

// learnRefetch notes what fetching a recording again has shown.
func (e *Engine) learnRefetch(id call.ID, other bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.refetching, id)
	learned := e.checkpoint.Learned
	if other {
		learned[learnedReplaced] = "true"
		delete(learned, learnedSame)
		return
	}
	same, limit := refetched(learned)
	learned[learnedSame] = strconv.Itoa(same + 1)
	if same+1 == limit {
		e.log.Warn("recordings are the same although what identifies them changed; it is not looked at any more", "fetched_again", limit)
	}
}

// keepReplacement stores what came of fetching a recording again. The same file
// changes nothing. Another one becomes the current one, unless it is worse; the
// file that is not current stays as well.
func (h *hunt) keepReplacement(ctx context.Context, t *errand, recording call.Recording) error {
	e, record := h.d.e, h.record
	old := *record.Call.Recording
	same := *old.SHA256 == *recording.SHA256
	if t.record.MainPart().Reason != lengthDiffers && !old.EndUnproved && record.RecordingMark != "" { // it was for the mark
		e.learnRefetch(h.key.ID, !same)
	}
	recording.EndUnproved = t.short
	next, now := *record, e.now().UTC()
	part := e.keptPart(t, next.MainPart(), &recording)
	if part.State == call.Stored {
		part.Attempts = 0
	}
	next.RecordingMark, *next.MainPart() = t.link.Mark, part
	if had := next.Call.Recording; had.EndUnproved && same && !t.short {
		vouched := *had
		vouched.EndUnproved = false // the same bytes, and this time their end was vouched for
		next.Call.Recording = &vouched
	}
	if same {
		h.lookAgain(&next)
		next.Join()
		next.Mirror()
		return e.save(ctx, []call.Write{{Record: next, Kind: call.ChangePart}}, nil)
	}
	recording.State, old.State = call.Stored, call.Stored
	aside, event := old, call.Event{Kind: call.EventReplaced, SHA256: *old.SHA256, Note: "the vendor has another recording; the one before stays on disk"}
	if why := worseRecording(&record.Call, &old, &recording); why == "" {
		next.Call.Recording = &recording
	} else {
		aside = recording
		if !old.EndUnproved {
			*next.MainPart() = call.Part{State: call.Stored, Reason: quarantined}
		}
		is := next.MainPart()
		event = call.Event{Kind: call.EventQuarantined, SHA256: *recording.SHA256, Note: why,
			Parts: []call.PartEvent{{Part: call.PartRecording, State: is.State, Reason: is.Reason}}}
	}
	next.Former = append(slices.Clone(record.Former), call.FormerRecording{Recording: aside, SetAsideAt: now})
	h.lookAgain(&next)
	next.Join()
	next.Mirror()
	return e.save(ctx, []call.Write{{Record: next, Kind: call.ChangeRecording, Events: []call.Event{event}}}, nil)
}

// keepOld ends fetching a recording again: the file that is here stays current.
func (e *Engine) keepOld(ctx context.Context, record *call.Record, why string) error {
	e.mu.Lock()
	delete(e.refetching, record.Call.ID)
	e.mu.Unlock()
	next := *record
	if *next.MainPart() = (call.Part{State: call.Stored, Reason: replacementNotHad}); record.Call.Recording.EndUnproved {
		*next.MainPart() = lost(*record.MainPart(), endUnproved)
	}
	next.RecordingMark = "" // the next one seen is believed
	next.Join()
	next.Mirror()
	e.log.Warn("replaced recording not had, the one before stays", "call_id", string(record.Call.ID), "reason", why)
	return e.write(ctx, call.Write{Record: next, Kind: call.ChangePart,
		Events: []call.Event{{Kind: call.EventQuarantined, Note: "the vendor's new recording was not had: " + why}}})
}

// worseRecording says why a recording must not take the place of a good one:
// its length does not fit the call as the good one's does, or it is less than
// half as long where the call's length is unknown.
func worseRecording(c *call.Call, good, next *call.Recording) string {
	switch known := c.DurationSeconds != nil && *c.DurationSeconds > 0; {
	case next.EndUnproved && !good.EndUnproved:
		return "the new recording seems to lack its end"
	case next.EndUnproved && *next.SizeBytes < *good.SizeBytes:
		return "the new recording lacks even more of its end"
	case known && plausibleLength(c, good) && !plausibleLength(c, next):
		return fmt.Sprintf("the new recording is %.0f s long, the call %.0f s", *next.DurationSeconds, *c.DurationSeconds)
	case !known && good.DurationSeconds != nil && next.DurationSeconds != nil && *next.DurationSeconds < worseShare**good.DurationSeconds:
		return "the new recording is less than half as long"
	case good.DurationSeconds != nil && *good.DurationSeconds > 0 && (next.DurationSeconds == nil || *next.DurationSeconds == 0):
		return "the new recording has no length"
	}
	return ""
}
