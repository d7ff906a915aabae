package index

import (
	"cmp"
	"slices"
	"strings"

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

// facetCounter counts the facets of documents. A nil one counts nothing.
type facetCounter struct {
	// values are the counts of each facet asked for, by its place in facetOrder.
	values map[int]map[string]int
	// columns and counts are those of one segment, by place in facetOrder and
	// in the column's values.
	columns []facetColumn
	counts  [][]int
}

// newFacetCounter counts some facets; nil when none is asked for.
func newFacetCounter(names []string) *facetCounter {
	c := &facetCounter{values: map[int]map[string]int{}, counts: make([][]int, len(facetOrder))}
	for i, name := range facetOrder {
		if slices.Contains(names, name) {
			c.values[i] = map[string]int{}
		}
	}
	if len(c.values) == 0 {
		return nil
	}
	return c
}

// enter begins a segment.
func (c *facetCounter) enter(s *part) error {
	if c == nil {
		return nil
	}
	columns, err := s.facets()
	if err == nil {
		c.begin(columns)
	}
	return err
}

func (c *facetCounter) begin(columns []facetColumn) {
	c.columns = columns
	for i := range c.values {
		c.counts[i] = make([]int, len(columns[i].values))
	}
}

// add counts a document of the segment.
func (c *facetCounter) add(doc uint32) {
	if c == nil {
		return
	}
	for i := range c.values {
		c.counts[i][c.columns[i].of[doc]]++
	}
}

// leave ends a segment.
func (c *facetCounter) leave() {
	if c == nil {
		return
	}
	for i, total := range c.values {
		for place, n := range c.counts[i] {
			if value := c.columns[i].values[place]; n > 0 && value != "" {
				total[value] += n
			}
		}
	}
}

// result is what was asked for, nil when nothing was.
func (c *facetCounter) result() map[string][]call.FacetCount {
	if c == nil {
		return nil
	}
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
