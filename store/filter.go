package store

import (
	"strings"
	"time"

	"callsyncd/call"
)

// Matches reports whether a filter selects a call. Names are compared without
// regard to case; ids, outcomes and sentiments exactly. A call without the
// value a filter asks about does not match.
func Matches(f call.Filter, c *call.Call) bool {
	m := newMatcher(f)
	facts := factsOf(c)
	return m.source(c.Source) && m.time(c.Time()) && m.facts(&facts)
}

// matcher is a filter prepared for many calls, to be used by one goroutine.
type matcher struct {
	sources  map[call.SourceID]bool // nil selects all
	from, to time.Time
	texts    []textMatch
	phones   []string
	need     uint16 // flags that must be set
	refuse   uint16 // flags that must not be set
	min, max *float64
	nothing  bool // the filter asks for a part that cannot be had
}

// textMatch wants one of two fields to have a wanted value.
type textMatch struct {
	field  int
	values map[string]bool
	// names are values of the field after this one, in lower case; nil when
	// that is not asked.
	names map[string]bool
	// spellings are what the field after this one was seen to hold, and
	// whether that is one of names.
	spellings map[string]bool
}

// named reports whether a name is one of names. What it was asked before it
// answers without making the lower case of it.
func (t *textMatch) named(name []byte) bool {
	if t.names == nil {
		return false
	}
	is, ok := t.spellings[string(name)]
	if !ok {
		is = t.names[strings.ToLower(string(name))]
		t.spellings[string(name)] = is
	}
	return is
}

func newMatcher(f call.Filter) *matcher {
	m := &matcher{from: f.From, to: f.To, min: f.MinDuration, max: f.MaxDuration}
	if len(f.Source) > 0 {
		m.sources = map[call.SourceID]bool{}
		for _, source := range f.Source {
			m.sources[source] = true
		}
	}
	m.want(textAgentID, f.AgentID)
	m.wantNamed(textAgentID, f.Agent)
	m.want(textCampaignID, f.CampaignID)
	m.wantNamed(textCampaignID, f.Campaign)
	m.want(textContactID, f.ContactID)
	m.want(textUserID, f.UserID)
	m.want(textDirection, texts(f.Direction))
	m.want(textStatus, texts(f.Status))
	m.want(textOutcome, f.Outcome)
	m.want(textSentiment, f.Sentiment)
	for _, number := range f.Phone {
		m.phones = append(m.phones, call.PhoneDigits(number))
	}
	for _, part := range f.Has {
		switch part {
		case call.PartRecord:
		case call.PartTranscript:
			m.need |= hasTranscript
		case call.PartSummary:
			m.need |= hasSummary
		case call.PartRecording:
			m.need |= hasRecording
		default:
			m.nothing = true
		}
	}
	m.flag(isSettled, f.Settled)
	m.flag(isDeleted, f.DeletedUpstream)
	return m
}

func texts[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

func (m *matcher) want(field int, values []string) {
	if len(values) > 0 {
		m.texts = append(m.texts, textMatch{field: field, values: setOf(values)})
	}
}

// wantNamed looks for the values in an id field and in the name field after it.
func (m *matcher) wantNamed(field int, values []string) {
	if len(values) == 0 {
		return
	}
	lower := make([]string, len(values))
	for i, v := range values {
		lower[i] = strings.ToLower(v)
	}
	m.texts = append(m.texts, textMatch{field: field, values: setOf(values), names: setOf(lower), spellings: map[string]bool{}})
}

func setOf(values []string) map[string]bool {
	set := make(map[string]bool, len(values))
	for _, v := range values {
		set[v] = v != "" // an unknown value matches nothing
	}
	return set
}

func (m *matcher) flag(flag uint16, want *bool) {
	switch {
	case want == nil:
	case *want:
		m.need |= flag
	default:
		m.refuse |= flag
	}
}

// keysOnly reports whether source and time decide alone.
func (m *matcher) keysOnly() bool {
	return len(m.texts) == 0 && len(m.phones) == 0 && m.need|m.refuse == 0 && m.min == nil && m.max == nil && !m.nothing
}

func (m *matcher) source(source call.SourceID) bool {
	return m.sources == nil || m.sources[source]
}

func (m *matcher) time(t time.Time) bool {
	return (m.from.IsZero() || !t.Before(m.from)) && (m.to.IsZero() || t.Before(m.to))
}

func (m *matcher) facts(f *facts) bool {
	if m.nothing || f.flags&m.need != m.need || f.flags&m.refuse != 0 {
		return false
	}
	if m.min != nil && !(f.has(hasDuration) && f.duration >= *m.min) {
		return false
	}
	if m.max != nil && !(f.has(hasDuration) && f.duration <= *m.max) {
		return false
	}
	for i := range m.texts {
		t := &m.texts[i]
		if !t.values[string(f.text[t.field])] && !t.named(f.text[t.field+1]) {
			return false
		}
	}
	return len(m.phones) == 0 || m.phone(f)
}

func (m *matcher) phone(f *facts) bool {
	for field := textPhone; field <= textTo; field++ {
		for _, want := range m.phones {
			if call.SamePhone(want, string(f.text[field])) {
				return true
			}
		}
	}
	return false
}
