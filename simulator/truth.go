package simulator

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"callsyncd/call"
)

// hasTranscript, hasSummary and hasRecording say what a call will have once
// everything has arrived.
func (f facts) hasTranscript() bool { return f.kind.spoken() && !f.noTranscript }
func (f facts) hasSummary() bool    { return f.kind.spoken() && !f.noSummary }
func (f facts) hasRecording() bool  { return f.kind.spoken() && !f.noRecording }

// truth is what an archive must hold of a finished call.
func (w *world) truth(v view) Truth {
	c := w.spec.truth(w, v)
	c.Provider, c.ID = w.spec.name, call.ID(v.id)
	t := Truth{Call: c, Parts: call.PartStates{Record: call.Stored, Transcript: call.None, Summary: call.None, Recording: call.None}}
	if c.Transcript != nil {
		t.Parts.Transcript = call.Stored
	}
	if c.Summary != nil {
		t.Parts.Summary = call.Stored
	}
	if v.hasRecording() {
		t.Parts.Recording = call.Stored
		t.Call.Recording = w.recordingTruth(v.facts)
		t.Further = w.furtherTruth(v.facts)
	}
	return t
}

// recordingTruth hashes a call's recording.
func (w *world) recordingTruth(f facts) *call.Recording {
	audio := w.audio(f)
	sum := sha256.Sum256(audio.bytes)
	return &call.Recording{State: call.Stored, SHA256: ptr(hex.EncodeToString(sum[:])), SizeBytes: ptr(int64(len(audio.bytes))),
		ContentType: ptr(audio.contentType), DurationSeconds: ptr(audio.seconds)}
}

// insight is the summary, sentiment and topics of a call at a moment, edits
// included. Everything is nil while it has not arrived.
func (w *world) insight(v view) (summary, sentiment *string, score *float64, topics []string) {
	if v.ready && v.hasSummary() {
		t := v.said()
		summary, sentiment, score, topics = &t.summary, &t.sentiment, &t.score, t.topics
	}
	if v.edit.Summary != nil {
		summary = v.edit.Summary
	}
	if v.edit.SentimentLabel != nil {
		sentiment = v.edit.SentimentLabel
	}
	if v.edit.SentimentScore != nil {
		score = v.edit.SentimentScore
	}
	if v.edit.Topics != nil {
		topics = v.edit.Topics
	}
	return summary, sentiment, score, topics
}

// lines is the conversation of a call at a moment; nil while there is none.
func (w *world) lines(v view) []turn {
	if !v.ready || !v.hasTranscript() {
		return nil
	}
	return v.said().turns
}

// word is the vendor's word for how a call stands, edits included.
func (w *world) word(v view) string {
	switch {
	case v.edit.Outcome != nil:
		return *v.edit.Outcome
	case v.live == "ringing":
		return w.spec.words.ringing
	case v.live == "talking":
		return w.spec.words.talking
	}
	return w.spec.words.of[v.kind]
}

// statuses translates the vendors' words.
var statuses = map[string]call.Status{
	"completed": call.StatusCompleted, "answered": call.StatusCompleted, "voicemail": call.StatusVoicemail,
	"no_answer": call.StatusNoAnswer, "no-answer": call.StatusNoAnswer, "busy": call.StatusBusy,
	"failed": call.StatusFailed, "canceled": call.StatusCanceled,
}

// status translates a word; other when it is not a known one.
func status(word string) *call.Status {
	if s, ok := statuses[word]; ok {
		return &s
	}
	return ptr(call.StatusOther)
}

// direction translates a direction; nil when there is none.
func direction(word string) *call.Direction {
	if word == "" {
		return nil
	}
	return ptr(call.Direction(word))
}

// sides puts the other party's number on the side the direction says.
func sides(direction, phone string) (from, to *string) {
	switch direction {
	case "inbound":
		return &phone, nil
	case "outbound":
		return nil, &phone
	}
	return nil, nil
}

// turns translates a conversation; agent and customer are the vendor's labels.
// Times are set by timed.
func turns(lines []turn, agent, customer string, text func(string) string, timed func(*call.Turn, turn)) []call.Turn {
	var list []call.Turn
	for _, l := range lines {
		t := call.Turn{Speaker: call.SpeakerCustomer, Label: &customer, Text: text(l.text)}
		if l.agent {
			t.Speaker, t.Label = call.SpeakerAgent, &agent
		}
		if timed != nil {
			timed(&t, l)
		}
		list = append(list, t)
	}
	return list
}

// instant is a pointer to a time; nil for the zero time.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func ptr[T any](x T) *T { return &x }

// orNil is nil for an empty text.
func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
