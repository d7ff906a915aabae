package index

import (
	"slices"
	"strings"

	"github.com/blevesearch/bleve/v2/numeric"
	"github.com/blevesearch/bleve/v2/search"
	"github.com/blevesearch/bleve/v2/search/searcher"

	"callsyncd/call"
)

func init() {
	searcher.DisjunctionMaxClauseCount = maxExpansion
	searcher.MaxFuzziness = 1
}

// filters returns one walk for every condition of f; none when f selects all.
func (p *planner) filters(f *call.Filter) (out []docs, err error) {
	defer func() {
		if err != nil {
			closeAll(out)
			out = nil
		}
	}()
	add := func(d docs, e error) {
		if err == nil && e == nil {
			out = append(out, d)
		} else if err == nil {
			err = e
		}
	}
	for _, k := range keywordFilters(f) {
		if len(k.values) > 0 {
			add(p.keyword(k))
		}
	}
	if len(f.Phone) > 0 {
		wanted := make([]string, len(f.Phone))
		for i, number := range f.Phone {
			wanted[i] = call.PhoneDigits(number)
		}
		set, err := p.phones(wanted)
		add(set, err)
	}
	for _, part := range f.Has {
		if part != call.PartRecord { // every stored call has it
			add(p.terms(keyPart, []string{partTerm(part, call.Stored)}, 0))
		}
	}
	p.flags(f, add)
	p.ranges(f, add)
	return out, err
}

// keywordFilter wants one of the values in a field, or one of them in lower
// case in the names field.
type keywordFilter struct {
	field  string
	values []string
	names  string
}

func keywordFilters(f *call.Filter) []keywordFilter {
	return []keywordFilter{
		{field: keySource, values: texts(f.Source)},
		{field: keyAgentID, values: f.Agent, names: keyAgent},
		{field: keyAgentID, values: f.AgentID},
		{field: keyCampaignID, values: f.Campaign, names: keyCampaign},
		{field: keyCampaignID, values: f.CampaignID},
		{field: keyContactID, values: f.ContactID},
		{field: keyUserID, values: f.UserID},
		{field: keyDirection, values: texts(f.Direction)},
		{field: keyStatus, values: texts(f.Status)},
		{field: keyOutcome, values: f.Outcome},
		{field: keySentiment, values: f.Sentiment},
	}
}

func texts[S ~string](values []S) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}

func (p *planner) keyword(k keywordFilter) (docs, error) {
	ids, err := p.terms(k.field, k.values, 0)
	if err != nil || k.names == "" {
		return ids, err
	}
	lower := make([]string, len(k.values))
	for i, v := range k.values {
		lower[i] = strings.ToLower(v)
	}
	names, err := p.terms(k.names, lower, 0)
	if err != nil {
		ids.close()
		return nil, err
	}
	return newAny([]docs{ids, names}), nil
}

func (p *planner) flags(f *call.Filter, add func(docs, error)) {
	for flag, want := range map[string]*bool{flagSettled: f.Settled, flagDeleted: f.DeletedUpstream} {
		if want == nil {
			continue
		}
		flagged, err := p.terms(keyFlag, []string{flag}, 0)
		if err != nil || *want {
			add(flagged, err)
			continue
		}
		every, err := p.every()
		add(&withoutDocs{docs: every, excluded: flagged}, err)
	}
}

// every returns all documents, by the state of their transcript: each has one.
func (p *planner) every() (docs, error) { return p.terms(keyPart, everyTranscript, 0) }

var everyTranscript = func() []string {
	var out []string
	for _, state := range []call.State{call.Pending, call.Stored, call.None, call.Lost, ""} {
		out = append(out, partTerm(call.PartTranscript, state))
	}
	return out
}()

func (p *planner) ranges(f *call.Filter, add func(docs, error)) {
	if !f.From.IsZero() || !f.To.IsZero() {
		from, to := minTime, maxTime
		if !f.From.IsZero() {
			from = f.From
		}
		if !f.To.IsZero() {
			to = f.To
		}
		low, high := numeric.Int64ToFloat64(clampNanos(from)), numeric.Int64ToFloat64(clampNanos(to))
		add(p.numbers(keyTime, &low, &high, f.To.IsZero()))
	}
	if f.MinDuration != nil || f.MaxDuration != nil {
		add(p.numbers(keyDuration, f.MinDuration, f.MaxDuration, true))
	}
}

func (p *planner) numbers(field string, low, high *float64, inclusive bool) (docs, error) {
	yes := true
	s, err := searcher.NewNumericRangeSearcher(p.ctx, p.reader, low, high, &yes, &inclusive, field, 1,
		search.SearcherOptions{Score: "none"})
	if err != nil {
		return nil, err
	}
	return newSearcherDocs(s, p.reader), nil
}

// matches reports whether a filter selects a call that the index does not
// know yet. It agrees with filters.
func matches(f *call.Filter, c *call.Call) bool {
	t := c.Time()
	switch {
	case !f.From.IsZero() && t.Before(f.From), !f.To.IsZero() && !t.Before(f.To):
		return false
	case f.Settled != nil && *f.Settled != c.Settled:
		return false
	case f.DeletedUpstream != nil && *f.DeletedUpstream != (c.DeletedUpstreamAt != nil):
		return false
	case f.MinDuration != nil && (c.DurationSeconds == nil || *c.DurationSeconds < *f.MinDuration):
		return false
	case f.MaxDuration != nil && (c.DurationSeconds == nil || *c.DurationSeconds > *f.MaxDuration):
		return false
	}
	return matchesTexts(f, c) && matchesPhone(f.Phone, c) && matchesParts(f.Has, &c.Parts)
}

func matchesTexts(f *call.Filter, c *call.Call) bool {
	return oneOf(f.Source, &c.Source) && oneOf(f.Direction, c.Direction) && oneOf(f.Status, c.Status) &&
		(oneOf(f.Agent, c.AgentID) || named(f.Agent, c.AgentName)) && oneOf(f.AgentID, c.AgentID) &&
		(oneOf(f.Campaign, c.CampaignID) || named(f.Campaign, c.CampaignName)) && oneOf(f.CampaignID, c.CampaignID) &&
		oneOf(f.ContactID, c.ContactID) && oneOf(f.UserID, c.UserID) &&
		oneOf(f.Outcome, c.Outcome) && oneOf(f.Sentiment, c.SentimentLabel)
}

func oneOf[S ~string](wanted []S, value *S) bool {
	return len(wanted) == 0 || value != nil && *value != "" && slices.Contains(wanted, *value)
}

func named(wanted []string, name *string) bool {
	return name != nil && *name != "" && slices.ContainsFunc(wanted, func(w string) bool {
		return strings.EqualFold(w, *name)
	})
}

func matchesPhone(wanted []string, c *call.Call) bool {
	if len(wanted) == 0 {
		return true
	}
	for _, term := range phoneTerms(c) {
		for _, number := range wanted {
			if call.SamePhone(call.PhoneDigits(number), reverse(term)) {
				return true
			}
		}
	}
	return false
}

func matchesParts(has []call.PartName, parts *call.PartStates) bool {
	for _, part := range has {
		stored := true
		switch part {
		case call.PartRecord:
		case call.PartTranscript:
			stored = parts.Transcript == call.Stored
		case call.PartSummary:
			stored = parts.Summary == call.Stored
		case call.PartRecording:
			stored = parts.Recording == call.Stored
		default:
			stored = false
		}
		if !stored {
			return false
		}
	}
	return true
}
