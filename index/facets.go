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
// known is empty. All of them are one term, because every further term of a call
// costs more to index than its length.
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
	chosen []int            // those asked for, by place in facetOrder
	values []map[string]int // their counts, by place in facetOrder
	// columns and counts are those of one segment, by place in facetOrder and
	// in the column's values.
	columns []facetColumn
	counts  [][]int
}

// newFacetCounter counts some facets; nil when none is asked for.
func newFacetCounter(names []string) *facetCounter {
	c := &facetCounter{values: make([]map[string]int, len(facetOrder)), counts: make([][]int, len(facetOrder))}
	for i, name := range facetOrder {
		if slices.Contains(names, name) {
			c.chosen, c.values[i] = append(c.chosen, i), map[string]int{}
		}
	}
	if len(c.chosen) == 0 {
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
	for _, i := range c.chosen {
		c.counts[i] = make([]int, len(columns[i].values))
	}
}

// add counts a document of the segment.
func (c *facetCounter) add(doc uint32) {
	if c == nil {
		return
	}
	for _, i := range c.chosen {
		c.counts[i][c.columns[i].of[doc]]++
	}
}

// leave ends a segment.
func (c *facetCounter) leave() {
	if c == nil {
		return
	}
	for _, i := range c.chosen {
		for place, n := range c.counts[i] {
			if value := c.columns[i].values[place]; n > 0 && value != "" {
				c.values[i][value] += n
			}
		}
	}
}

// result is what was asked for, nil when nothing was.
func (c *facetCounter) result() map[string][]call.FacetCount {
	if c == nil {
		return nil
	}
	out := make(map[string][]call.FacetCount, len(c.chosen))
	for _, i := range c.chosen {
		out[facetOrder[i]] = sortFacet(facetOrder[i], c.values[i])
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
