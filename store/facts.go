package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"

	"callsyncd/call"
)

// facts are what filters and sort orders look at. They are the value of the
// time index, so that a filtered list reads no call it does not show.
type facts struct {
	flags          uint16
	ended, created time.Time // zero unless flagged
	duration       float64   // seconds; 0 unless flagged
	// text holds the fields named by the constants below; empty when unknown.
	text [textFields][]byte
}

// The bits of facts.flags.
const (
	hasTranscript = 1 << iota
	hasSummary
	hasRecording
	isSettled
	isDeleted
	hasEnded
	hasCreated
	hasDuration
)

// The fields of facts.text. Names are in lower case, phones are digits as
// phoneDigits writes them and empty when an earlier one is the same.
const (
	textDirection = iota
	textStatus
	textOutcome
	textSentiment
	textAgentID
	textAgent
	textCampaignID
	textCampaign
	textContactID
	textUserID
	textPhone
	textFrom
	textTo
	textFields
)

func factsOf(c *call.Call) facts {
	f := facts{}
	f.set(hasTranscript, c.Parts.Transcript == call.Stored)
	f.set(hasSummary, c.Parts.Summary == call.Stored)
	f.set(hasRecording, c.Parts.Recording == call.Stored)
	f.set(isSettled, c.Settled)
	f.set(isDeleted, c.DeletedUpstreamAt != nil)
	if c.EndedAt != nil {
		f.ended = *c.EndedAt
		f.set(hasEnded, true)
	}
	if c.CreatedAt != nil {
		f.created = *c.CreatedAt
		f.set(hasCreated, true)
	}
	if c.DurationSeconds != nil {
		f.duration = *c.DurationSeconds
		f.set(hasDuration, true)
	}
	f.text = [textFields][]byte{
		textDirection:  textOf(c.Direction),
		textStatus:     textOf(c.Status),
		textOutcome:    textOf(c.Outcome),
		textSentiment:  textOf(c.SentimentLabel),
		textAgentID:    textOf(c.AgentID),
		textAgent:      lowerOf(c.AgentName),
		textCampaignID: textOf(c.CampaignID),
		textCampaign:   lowerOf(c.CampaignName),
		textContactID:  textOf(c.ContactID),
		textUserID:     textOf(c.UserID),
	}
	seen := map[string]bool{"": true}
	for i, number := range []*string{c.Phone, c.FromNumber, c.ToNumber} {
		if number == nil {
			continue
		}
		if digits := phoneDigits(*number); !seen[digits] {
			seen[digits] = true
			f.text[textPhone+i] = []byte(digits)
		}
	}
	return f
}

func (f *facts) set(flag uint16, on bool) {
	if on {
		f.flags |= flag
	}
}

func (f *facts) has(flag uint16) bool { return f.flags&flag != 0 }

func textOf[S ~string](s *S) []byte {
	if s == nil {
		return nil
	}
	return []byte(*s)
}

func lowerOf(s *string) []byte {
	if s == nil {
		return nil
	}
	return []byte(strings.ToLower(*s))
}

func (f *facts) encode() []byte {
	b := binary.BigEndian.AppendUint16(nil, f.flags)
	if f.has(hasEnded) {
		b = appendTime(b, f.ended)
	}
	if f.has(hasCreated) {
		b = appendTime(b, f.created)
	}
	if f.has(hasDuration) {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(f.duration))
	}
	for _, text := range f.text {
		b = appendBytes(b, text)
	}
	return b
}

// decode reads what encode wrote. The texts share b's memory.
func (f *facts) decode(b []byte) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("decode time index: %w", err)
		}
	}()
	*f = facts{}
	if len(b) < 2 {
		return fmt.Errorf("%w: %d bytes", call.ErrCorrupt, len(b))
	}
	f.flags, b = binary.BigEndian.Uint16(b), b[2:]
	if f.has(hasEnded) {
		if f.ended, b, err = cutTime(b); err != nil {
			return err
		}
	}
	if f.has(hasCreated) {
		if f.created, b, err = cutTime(b); err != nil {
			return err
		}
	}
	if f.has(hasDuration) {
		if len(b) < 8 {
			return fmt.Errorf("%w: cut off", call.ErrCorrupt)
		}
		f.duration, b = math.Float64frombits(binary.BigEndian.Uint64(b)), b[8:]
	}
	for i := range f.text {
		if f.text[i], b, err = cutBytes(b); err != nil {
			return err
		}
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes too many", call.ErrCorrupt, len(b))
	}
	return nil
}
