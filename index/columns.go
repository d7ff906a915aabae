package index

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"

	"callsyncd/call"
)

// columns hold in memory what orders, ranges and facets need of every document
// of one segment. Each is read when it is needed first; segments never change.
type columns struct {
	mu     sync.Mutex
	ranks  map[call.OrderBy][]uint64
	facets []facetColumn // in facetOrder; nil until read
}

// facetColumn is one facet of every document.
type facetColumn struct {
	values []string // distinct; the first is empty: not known
	of     []uint32 // the value of each document, by its place in values
}

// columnCache keeps the columns of the segments of one generation.
type columnCache struct {
	mu       sync.Mutex
	segments map[uint64]*columns // by id of the segment
}

// parts pairs the segments of a snapshot with their columns, and forgets those
// of segments that are no more.
func (c *columnCache) parts(r *scorch.IndexSnapshot) []part {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []part
	present := make(map[uint64]*columns, len(r.Segments()))
	for _, s := range r.Segments() {
		known := c.segments[s.Id()]
		if known == nil {
			known = &columns{ranks: map[call.OrderBy][]uint64{}}
		}
		present[s.Id()] = known
		out = append(out, part{s, known})
	}
	c.segments = present
	return out
}

// absentRank is that of documents without a value.
const absentRank = 0

// ranks returns what documents are ordered by, higher for higher values.
func (s *part) ranks(by call.OrderBy) ([]uint64, error) {
	s.columns.mu.Lock()
	defer s.columns.mu.Unlock()
	if ranks := s.columns.ranks[by]; ranks != nil {
		return ranks, nil
	}
	ranks := make([]uint64, s.Segment().Count())
	at := rankBytes * slices.Index(orders, by)
	err := s.each(keyOrders, func(doc uint64, term []byte) {
		if len(term) == rankBytes*len(orders) {
			ranks[doc] = readRank(term[at:])
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read order %s of the index: %w", by, err)
	}
	s.columns.ranks[by] = ranks
	return ranks, nil
}

// rankBytes is the length of a rank in a term, seven bits in each byte: Bleve
// cuts what columns are read from at bytes of all ones.
const rankBytes = 10

func appendRank(b []byte, rank uint64) []byte {
	for shift := 7 * (rankBytes - 1); shift >= 0; shift -= 7 {
		b = append(b, byte(rank>>shift)&0x7f)
	}
	return b
}

func readRank(b []byte) (rank uint64) {
	for _, c := range b[:rankBytes] {
		rank = rank<<7 | uint64(c)
	}
	return rank
}

// rankOf keeps the order of numbers, above absentRank.
func rankOf(value int64) uint64 { return max(absentRank+1, uint64(value)^1<<63) }

// facets returns the facets of all documents.
func (s *part) facets() ([]facetColumn, error) {
	s.columns.mu.Lock()
	defer s.columns.mu.Unlock()
	if s.columns.facets != nil {
		return s.columns.facets, nil
	}
	reader := newFacetReader(s.Segment().Count())
	if err := s.each(keyFacets, reader.add); err != nil {
		return nil, fmt.Errorf("read facets of the index: %w", err)
	}
	s.columns.facets = reader.columns
	return reader.columns, nil
}

// facetReader makes columns of facetTerms.
type facetReader struct {
	columns []facetColumn
	places  []map[string]uint32 // of a value in the column's values
}

func newFacetReader(documents uint64) *facetReader {
	r := &facetReader{make([]facetColumn, len(facetOrder)), make([]map[string]uint32, len(facetOrder))}
	for i := range r.columns {
		r.columns[i] = facetColumn{values: []string{""}, of: make([]uint32, documents)}
		r.places[i] = map[string]uint32{"": 0}
	}
	return r
}

func (r *facetReader) add(doc uint64, term []byte) {
	for i, value := range strings.Split(string(term), facetBreak) {
		place, ok := r.places[i][value]
		if !ok {
			place = uint32(len(r.columns[i].values))
			value = strings.Clone(value)
			r.places[i][value] = place
			r.columns[i].values = append(r.columns[i].values, value)
		}
		r.columns[i].of[doc] = place
	}
}

// each calls fn with the value of every document of the segment that has one.
func (s *part) each(field string, fn func(doc uint64, term []byte)) error {
	values, ok := s.Segment().(segment.DocValueVisitable)
	if !ok {
		return fmt.Errorf("%w: a segment without columns", errDamaged)
	}
	fields := []string{field}
	var state segment.DocVisitState
	var err error
	for doc := range s.Segment().Count() {
		state, err = values.VisitDocValues(doc, fields, func(_ string, term []byte) { fn(doc, term) }, state)
		if err != nil {
			return err
		}
	}
	return nil
}
