package provider

import (
	"context"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// spoken is a transcript as found in one document.
type spoken struct {
	turns    []call.Turn
	document string // empty without turns
	// split is true when turns had to be told apart by labels inside a line.
	split bool
}

// transcript takes the turns from the first source that has any.
func (p *Provider) transcript(ctx context.Context, v *view, c *call.Call) spoken {
	for i := range p.d.spec.Transcript.Sources {
		s := &p.d.spec.Transcript.Sources[i]
		if found := p.speech(ctx, v, s, c); len(found.turns) > 0 {
			found.document = s.Document
			return found
		}
	}
	return spoken{}
}

// speech reads the turns of one source.
func (p *Provider) speech(ctx context.Context, v *view, s *transcriptSource, c *call.Call) spoken {
	document := v.values[s.Document]
	if document == nil {
		return spoken{}
	}
	switch value := p.fieldOf(ctx, v, s.Value, document).(type) {
	case nil:
	case string:
		return p.d.words.textTurns(value, s.Text.labels)
	case []any:
		turns, ok := p.d.words.arrayTurns(value, s, c)
		if !ok {
			p.oddData(ctx, s.Value.key)
		}
		return spoken{turns: turns}
	default:
		p.oddData(ctx, s.Value.key)
	}
	return spoken{}
}

// arrayTurns reads an array of turns. It is not ok when elements had to be
// left out.
func (w *words) arrayTurns(elements []any, s *transcriptSource, c *call.Call) (turns []call.Turn, ok bool) {
	ok = true
	clock := clockOf(elements, &s.Turns, c)
	for _, element := range elements {
		if line, isText := element.(string); isText {
			turns = append(turns, w.textTurns(line, s.Text.labels).turns...)
			continue
		}
		object, isObject := element.(map[string]any)
		text, isText := textOf(first(object, s.Turns.Text))
		if !isObject || !isText {
			ok = false
			continue
		}
		if text == nil {
			continue
		}
		label, _ := textOf(first(object, s.Turns.Speaker))
		turn := w.turn(label, *text)
		turn.StartSeconds = clock.offset(first(object, s.Turns.Start))
		turn.EndSeconds = clock.offset(first(object, s.Turns.End))
		if turn.StartSeconds != nil && turn.EndSeconds != nil && *turn.EndSeconds < *turn.StartSeconds {
			turn.EndSeconds = nil
		}
		turns = append(turns, turn)
	}
	if s.Turns.EndAtNext {
		endAtNext(turns)
	}
	return turns, ok
}

// endAtNext lets a turn without end go on until the next one begins; the last
// stays open.
func endAtNext(turns []call.Turn) {
	for i := range turns[:max(0, len(turns)-1)] {
		t, next := &turns[i], turns[i+1].StartSeconds
		if t.EndSeconds == nil && t.StartSeconds != nil && next != nil && *next >= *t.StartSeconds {
			t.EndSeconds = next
		}
	}
}

func (w *words) turn(label *string, text string) call.Turn {
	t := call.Turn{Speaker: call.SpeakerOther, Label: label, Text: strings.TrimSpace(text)}
	if label != nil {
		t.Speaker = w.speakerOf(*label)
	}
	return t
}

// first is the first field of an object that says anything.
func first(object map[string]any, names []string) any {
	for _, name := range names {
		if v := object[name]; v != nil && v != "" {
			return v
		}
	}
	return nil
}

// clock turns the times of turns into seconds from the start of the call.
type clock struct {
	scale float64 // seconds per unit
	zero  float64 // what to subtract, in units
}

// The signs by which an automatic clock knows its unit.
const (
	absoluteFrom = 1e9 // larger numbers are points in time, not offsets
	muchLonger   = 10  // offsets this many times longer than the call are milliseconds
	longestCall  = 24 * 60 * 60
)

// clockOf finds the unit of the times in an array of turns.
func clockOf(elements []any, form *turnForm, c *call.Call) clock {
	switch form.Unit {
	case unitMilliseconds:
		return clock{scale: 0.001}
	case unitAuto:
	default:
		return clock{scale: 1}
	}
	largest := 0.0
	for _, element := range elements {
		object, _ := element.(map[string]any)
		for _, v := range []any{first(object, form.Start), first(object, form.End)} {
			if n := pointOf(v); n != nil {
				largest = max(largest, *n)
			}
		}
	}
	limit := float64(longestCall)
	if c.DurationSeconds != nil && *c.DurationSeconds > 0 {
		limit = muchLonger * *c.DurationSeconds
	}
	scale, zero := 1.0, 0.0
	if largest >= absoluteFrom {
		if largest >= epochMilliseconds {
			scale = 0.001
		}
		if c.StartedAt == nil {
			return clock{} // points in time that nothing anchors
		}
		zero = float64(c.StartedAt.UnixMilli()) / 1000 / scale
	} else if largest > limit {
		scale = 0.001
	}
	return clock{scale: scale, zero: zero}
}

// offset is the place of a turn's time in the call; nil when there is none.
func (k clock) offset(v any) *float64 {
	n := pointOf(v)
	if n == nil || k.scale == 0 {
		return nil
	}
	seconds := math.Round((*n-k.zero)*k.scale*1000) / 1000
	if seconds < 0 || math.IsInf(seconds, 0) || math.IsNaN(seconds) {
		return nil
	}
	return &seconds
}

// clockDigits is a time as clocks show it, such as 1:05 or 01:01:05.5.
const clockDigits = `(?:\d{1,3}:)?\d{1,3}:\d{2}(?:\.\d{1,9})?`

var clockForm = regexp.MustCompile(`^(?:(\d{1,3}):)?(\d{1,3}):(\d{2}(?:\.\d{1,9})?)$`)

// pointOf reads a time of a turn: a number, "1:05" or "01:01:05", or a point in time.
func pointOf(v any) *float64 {
	text, isText := v.(string)
	if !isText {
		n, _ := numberOf(v)
		return n
	}
	if m := clockForm.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
		hours, _ := strconv.ParseFloat("0"+m[1], 64)
		minutes, _ := strconv.ParseFloat(m[2], 64)
		seconds, _ := strconv.ParseFloat(m[3], 64)
		total := hours*3600 + minutes*60 + seconds
		return &total
	}
	if n, ok := numberOf(text); ok {
		return n
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		seconds := float64(t.UnixMilli()) / 1000
		return &seconds
	}
	return nil
}
