package index

import (
	"math"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/numeric"

	"callsyncd/call"
)

// filtered is the set of the documents that f selects.
func (p *planner) filtered(f *call.Filter) (docSet, error) {
	set := p.everything()
	for _, k := range keywordFilters(f) {
		if len(k.values) > 0 {
			if err := p.keyword(set, k); err != nil {
				return nil, err
			}
		}
	}
	if len(f.Phone) > 0 {
		wanted := make([]string, len(f.Phone))
		for i, number := range f.Phone {
			wanted[i] = call.PhoneDigits(number)
		}
		numbers, err := p.phones(wanted...)
		if err != nil {
			return nil, err
		}
		set.and(numbers)
	}
	for _, part := range f.Has {
		if part == call.PartRecord { // every stored call has it
			continue
		}
		stored, err := p.terms(keyPart, partTerm(part, call.Stored))
		if err != nil {
			return nil, err
		}
		set.and(stored)
	}
	if err := p.flags(set, f); err != nil {
		return nil, err
	}
	return set, p.ranges(set, f)
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

func (p *planner) keyword(set docSet, k keywordFilter) error {
	selected, err := p.terms(k.field, k.values...)
	if err != nil {
		return err
	}
	if k.names != "" {
		for _, v := range k.values {
			if err := p.addTerm(selected, k.names, strings.ToLower(v)); err != nil {
				return err
			}
		}
	}
	set.and(selected)
	return nil
}

func (p *planner) flags(set docSet, f *call.Filter) error {
	for flag, want := range map[string]*bool{flagSettled: f.Settled, flagDeleted: f.DeletedUpstream} {
		if want == nil {
			continue
		}
		flagged, err := p.terms(keyFlag, flag)
		if err != nil {
			return err
		}
		if *want {
			set.and(flagged)
		} else {
			set.andNot(flagged)
		}
	}
	return nil
}

// ranges are looked up in the columns; both ends belong to them.
func (p *planner) ranges(set docSet, f *call.Filter) error {
	if !f.From.IsZero() || !f.To.IsZero() {
		low, high := uint64(absentRank+1), uint64(math.MaxUint64)
		if !f.From.IsZero() {
			low = rankOf(clampNanos(f.From))
		}
		if !f.To.IsZero() {
			high = rankOf(clampNanos(f.To)) - 1
		}
		if err := p.between(set, call.ByStarted, low, high); err != nil {
			return err
		}
	}
	if f.MinDuration == nil && f.MaxDuration == nil {
		return nil
	}
	low, high := uint64(absentRank+1), uint64(math.MaxUint64)
	if f.MinDuration != nil {
		low = rankOf(numeric.Float64ToInt64(*f.MinDuration))
	}
	if f.MaxDuration != nil {
		high = rankOf(numeric.Float64ToInt64(*f.MaxDuration))
	}
	return p.between(set, call.ByDuration, low, high)
}

// between leaves the documents in set whose rank is one of low to high.
func (p *planner) between(set docSet, by call.OrderBy, low, high uint64) error {
	for i := range p.parts {
		ranks, err := p.parts[i].ranks(by)
		if err != nil {
			return err
		}
		var within []uint32
		for docs := set[i].Iterator(); docs.HasNext(); {
			if doc := docs.Next(); ranks[doc] >= low && ranks[doc] <= high {
				within = append(within, doc)
			}
		}
		set[i] = roaring.BitmapOf(within...)
	}
	return nil
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
