package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// facts are what filters, sort orders and statistics look at. They are the
// value of the time index, so that a filtered list reads no call it does not
// show.
type facts struct {
	flags          uint16
	ended, created time.Time // zero unless flagged
	duration       float64   // seconds; 0 unless flagged
	score          float64   // of the sentiment; 0 unless flagged
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
	hasScore
)

// The fields of facts.text, as the call has them; phones are digits as
// call.PhoneDigits writes them and empty when an earlier one is the same.
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
	f.set(hasRecording, c.Parts.Recording == call.Stored || c.Recording != nil && c.Recording.File != nil)
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
	if c.SentimentScore != nil {
		f.score = *c.SentimentScore
		f.set(hasScore, true)
	}
	f.text = [textFields][]byte{
		textDirection:  textOf(c.Direction),
		textStatus:     textOf(c.Status),
		textOutcome:    textOf(c.Outcome),
		textSentiment:  textOf(c.SentimentLabel),
		textAgentID:    textOf(c.AgentID),
		textAgent:      textOf(c.AgentName),
		textCampaignID: textOf(c.CampaignID),
		textCampaign:   textOf(c.CampaignName),
		textContactID:  textOf(c.ContactID),
		textUserID:     textOf(c.UserID),
	}
	seen := map[string]bool{"": true}
	for i, number := range []*string{c.Phone, c.FromNumber, c.ToNumber} {
		if number == nil {
			continue
		}
		if digits := call.PhoneDigits(*number); !seen[digits] {
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
	if f.has(hasScore) {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(f.score))
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
		if f.duration, b, err = cutNumber(b); err != nil {
			return err
		}
	}
	if f.has(hasScore) {
		if f.score, b, err = cutNumber(b); err != nil {
			return err
		}
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

func cutNumber(b []byte) (v float64, rest []byte, err error) {
	if len(b) < 8 {
		return 0, nil, fmt.Errorf("%w: cut off", call.ErrCorrupt)
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), b[8:], nil
}

// rebuildTimes writes the facts of all calls anew. Damaged calls are left to
// Check: an archive must open in spite of them.
func rebuildTimes(tx *bolt.Tx) error {
	times, c := tx.Bucket(bucketTimes), tx.Bucket(bucketCalls).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		key, err := parseCallKey(k)
		if err != nil {
			continue
		}
		r, _, err := decodeRecord(key, v)
		if err != nil {
			continue
		}
		facts := factsOf(&r.Call)
		if err := times.Put(timeKey(&r.Call), facts.encode()); err != nil {
			return err
		}
	}
	return nil
}
