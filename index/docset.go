package index

import (
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/blevesearch/bleve/v2/index/scorch"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// part is one segment of a snapshot. Documents are numbered within their
// segment, from 0.
type part struct {
	*scorch.SegmentSnapshot
	columns *columns
}

// postings returns where a term occurs in a field of the segment.
func (s *part) postings(field, term string) (segment.PostingsList, error) {
	dict, err := s.Segment().Dictionary(field)
	if err != nil {
		return nil, fmt.Errorf("read index field %s: %w", field, err)
	}
	list, err := dict.PostingsList([]byte(term), s.Deleted(), nil)
	if err != nil {
		return nil, fmt.Errorf("read index field %s: %w", field, err)
	}
	return list, nil
}

// intoBitmap is what zap's lists of postings can do.
type intoBitmap interface {
	OrInto(*roaring.Bitmap)
}

// docSet is a set of documents, one bitmap for each segment of a snapshot.
type docSet []*roaring.Bitmap

func (p *planner) emptySet() docSet {
	s := make(docSet, len(p.parts))
	for i := range s {
		s[i] = roaring.New()
	}
	return s
}

// everything is the set of all documents.
func (p *planner) everything() docSet {
	s := make(docSet, len(p.parts))
	for i := range s {
		s[i] = p.parts[i].DocNumbersLive()
	}
	return s
}

func (s docSet) or(other docSet) {
	for i := range s {
		s[i].Or(other[i])
	}
}

func (s docSet) and(other docSet) {
	for i := range s {
		s[i].And(other[i])
	}
}

func (s docSet) andNot(other docSet) {
	for i := range s {
		s[i].AndNot(other[i])
	}
}

func (s docSet) clone() docSet {
	out := make(docSet, len(s))
	for i := range s {
		out[i] = s[i].Clone()
	}
	return out
}

func (s docSet) count() (n uint64) {
	for i := range s {
		n += s[i].GetCardinality()
	}
	return n
}

// addTerm adds the documents with a term to s.
func (p *planner) addTerm(s docSet, field, term string) error {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	for i := range p.parts {
		list, err := p.parts[i].postings(field, term)
		if err != nil {
			return err
		}
		// Zap's lists add themselves with all documents they ever had.
		list.(intoBitmap).OrInto(s[i])
		if deleted := p.parts[i].Deleted(); deleted != nil {
			s[i].AndNot(deleted)
		}
	}
	return nil
}

// terms is the set of the documents with any of some terms of one field.
func (p *planner) terms(field string, terms ...string) (docSet, error) {
	s := p.emptySet()
	for _, term := range terms {
		if err := p.addTerm(s, field, term); err != nil {
			return nil, err
		}
	}
	return s, nil
}
