package index

import (
	"cmp"
	"slices"
	"strings"

	bleveindex "github.com/blevesearch/bleve_index_api"

	"callsyncd/call"
)

// maxFacetValues is how many values of a facet are answered.
const maxFacetValues = 50

// facetOrder is the place of each facet in facetTerm, those with few values
// first, because an index stores what terms begin with in common once.
var facetOrder = []string{"source", "direction", "status", "sentiment", facetMonth, "campaign", "agent"}

const facetMonth = "month"

// facetBreak stands between the values of a facetTerm; no text in UTF-8 has it.
const facetBreak = "\xfe"

// facetTerm is what facets count of a call, in facetOrder; a value that is not
// known is empty. One term for all of them makes counting several facets cost
// what one costs.
func facetTerm(c *call.Call) string {
	values := []string{string(c.Source), valueOf(c.Direction), valueOf(c.Status), valueOf(c.SentimentLabel),
		c.Time().UTC().Format("2006-01"), cmp.Or(valueOf(c.CampaignName), valueOf(c.CampaignID)),
		cmp.Or(valueOf(c.AgentName), valueOf(c.AgentID))}
	for i, v := range values {
		values[i] = strings.ToValidUTF8(v, "\uFFFD")
	}
	return strings.Join(values, facetBreak)
}

func valueOf[S ~string](s *S) string {
	if s == nil {
		return ""
	}
	return string(*s)
}

// maxFacetTerms is how many different terms are held before they are added up.
const maxFacetTerms = 1 << 13

// facetCounter counts the facets of documents. A nil one counts nothing.
type facetCounter struct {
	terms  bleveindex.DocValueReader
	id     bleveindex.IndexInternalID
	places map[string]int // of a term in seen
	seen   []int          // documents by term
	// values are the counts of each facet asked for, by its place in facetOrder.
	values map[int]map[string]int
}

// facets returns the counter of some facets; nil when none is asked for.
func (p *planner) facets(names []string) (*facetCounter, error) {
	c := &facetCounter{id: bleveindex.NewIndexInternalID(nil, 0), places: map[string]int{}, values: map[int]map[string]int{}}
	for i, name := range facetOrder {
		if slices.Contains(names, name) {
			c.values[i] = map[string]int{}
		}
	}
	if len(c.values) == 0 {
		return nil, nil
	}
	var err error
	c.terms, err = p.reader.DocValueReader([]string{keyFacets})
	return c, err
}

// add counts a document; their numbers must ascend to be found fast.
func (c *facetCounter) add(number uint64) error {
	if c == nil {
		return nil
	}
	c.id.SetValue(number)
	return c.terms.VisitDocValues(c.id, c.count)
}

func (c *facetCounter) count(_ string, term []byte) {
	place, ok := c.places[string(term)]
	if !ok {
		if len(c.seen) == maxFacetTerms {
			c.addUp()
		}
		place = len(c.seen)
		c.places[string(term)] = place
		c.seen = append(c.seen, 0)
	}
	c.seen[place]++
}

// addUp takes the terms apart.
func (c *facetCounter) addUp() {
	for term, place := range c.places {
		for i, value := range strings.Split(term, facetBreak) {
			if counts := c.values[i]; counts != nil && value != "" {
				counts[value] += c.seen[place]
			}
		}
	}
	clear(c.places)
	c.seen = c.seen[:0]
}

// counts is what was asked for, nil when nothing was.
func (c *facetCounter) counts() map[string][]call.FacetCount {
	if c == nil {
		return nil
	}
	c.addUp()
	out := make(map[string][]call.FacetCount, len(c.values))
	for i, counts := range c.values {
		out[facetOrder[i]] = sortFacet(facetOrder[i], counts)
	}
	return out
}

// sortFacet puts the most frequent values first, of equally frequent ones the
// lower; months the newest first.
func sortFacet(name string, counts map[string]int) []call.FacetCount {
	list := make([]call.FacetCount, 0, len(counts))
	for value, n := range counts {
		list = append(list, call.FacetCount{Value: value, Count: n})
	}
	slices.SortFunc(list, func(a, b call.FacetCount) int {
		if name == facetMonth {
			return strings.Compare(b.Value, a.Value)
		}
		return cmp.Or(b.Count-a.Count, strings.Compare(a.Value, b.Value))
	})
	return slices.Clip(list[:min(len(list), maxFacetValues)])
}
