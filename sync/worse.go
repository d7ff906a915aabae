package callsync

import (
	"strings"
	"unicode/utf8"

	"callsyncd/call"
)

const (
	// worseShare is the share of the text a new transcript must at least have.
	worseShare = 0.5
	// worseFrom is the length, in runes, from which on a transcript is worth
	// guarding: short ones are often corrected.
	worseFrom = 200
	// quarantined is the reason a stored part shows while a worse version of it
	// is kept aside.
	quarantined = "worse_version_kept_aside"
)

// keepGood is the gate no emptier, much shorter or error-like version passes:
// it stays as a version, and the good one stays current. It returns the events
// to remember.
func keepGood(next, old *call.Record) (events []call.Event) {
	c, good := &next.Call, &old.Call
	if why := worseTranscript(good.Transcript, c.Transcript); why != "" {
		c.Transcript, next.TranscriptFrom = good.Transcript, old.TranscriptFrom
		events = append(events, setAside(next, call.PartTranscript, why))
	}
	if why := worseText(good.Summary, c.Summary); why != "" {
		c.Summary = good.Summary
		events = append(events, setAside(next, call.PartSummary, why))
	}
	if len(c.Topics) == 0 {
		c.Topics = good.Topics
	}
	if c.SentimentLabel == nil && c.SentimentScore == nil {
		c.SentimentLabel, c.SentimentScore = good.SentimentLabel, good.SentimentScore
	}
	return events
}

func setAside(r *call.Record, name call.PartName, why string) call.Event {
	part := r.Parts.Of(name)
	if part.State == call.Stored {
		part.Reason = quarantined
	}
	return call.Event{Kind: call.EventQuarantined, Note: why, Parts: []call.PartEvent{{Part: name, State: part.State, Reason: part.Reason}}}
}

// worseTranscript says why the new transcript must not replace the good one;
// empty when it may.
func worseTranscript(good, next []call.Turn) string {
	had, has := textLength(good), textLength(next)
	switch {
	case had == 0:
		return ""
	case has == 0:
		return "the new transcript is empty"
	case len(next) == 1 && looksLikeError(next[0].Text):
		return "the new transcript reads like an error message"
	case had >= worseFrom && float64(has) < worseShare*float64(had):
		return "the new transcript is less than half as long"
	}
	return ""
}

func worseText(good, next *string) string {
	switch {
	case good == nil:
		return ""
	case next == nil:
		return "the new summary is empty"
	case looksLikeError(*next) && !looksLikeError(*good):
		return "the new summary reads like an error message"
	}
	return ""
}

func textLength(turns []call.Turn) (n int) {
	for _, t := range turns {
		n += utf8.RuneCountInString(t.Text)
	}
	return n
}

// looksLikeError recognises what failing services put where text should be.
func looksLikeError(text string) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	if utf8.RuneCountInString(text) > worseFrom {
		return false
	}
	for _, start := range []string{"<!doctype", "<html", "<?xml", "<error", "{\"error", "error:", "error ", "internal server error",
		"failed to ", "undefined", "null", "[object object]", "service unavailable", "bad gateway"} {
		if strings.HasPrefix(text, start) {
			return true
		}
	}
	return false
}
