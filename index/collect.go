package index

import (
	"container/heap"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"callsyncd/call"
)

// match is one document found. Hits are in descending order of rank, then in
// ascending order of key.
type match struct {
	rank uint64
	part int    // the segment
	doc  uint32 // in the segment
	key  string // read when it is needed
}

// rankOfScore keeps the order of scores. Of these the last bits are dropped:
// they depend on the order words are added up in.
func rankOfScore(score float64) uint64 { return math.Float64bits(float64(float32(score))) }

// score is 0 unless hits are sorted by it.
func (m *match) score(order string) float64 {
	if order != sortRelevance {
		return 0
	}
	return math.Float64frombits(m.rank)
}

// topHits is a heap with the worst of the best hits on top.
type topHits struct {
	hits  []match
	limit int
	keyOf func(m *match) (string, error)
	err   error
}

func (t *topHits) Len() int           { return len(t.hits) }
func (t *topHits) Less(i, j int) bool { return t.compare(&t.hits[i], &t.hits[j]) > 0 }
func (t *topHits) Swap(i, j int)      { t.hits[i], t.hits[j] = t.hits[j], t.hits[i] }
func (t *topHits) Push(m any)         { t.hits = append(t.hits, m.(match)) }
func (t *topHits) Pop() any {
	last := t.hits[len(t.hits)-1]
	t.hits = t.hits[:len(t.hits)-1]
	return last
}

// compare is negative when a comes before b.
func (t *topHits) compare(a, b *match) int {
	switch {
	case a.rank > b.rank:
		return -1
	case a.rank < b.rank:
		return 1
	}
	t.needKey(a)
	t.needKey(b)
	return strings.Compare(a.key, b.key)
}

func (t *topHits) needKey(m *match) {
	if m.key == "" && t.err == nil {
		m.key, t.err = t.keyOf(m)
	}
}

// worse reports whether documents of a rank are certainly not among the hits.
func (t *topHits) worse(rank uint64) bool { return len(t.hits) == t.limit && rank < t.hits[0].rank }

// offer takes a match if it comes after the mark and before the worst hit.
func (t *topHits) offer(m match, after *mark) {
	if after != nil && t.compare(&m, &match{rank: after.Rank, key: after.Key}) <= 0 {
		return
	}
	if len(t.hits) < t.limit {
		heap.Push(t, m)
		return
	}
	if t.compare(&m, &t.hits[0]) < 0 {
		t.hits[0] = m
		heap.Fix(t, 0)
	}
}

// checkEvery is how many documents are walked between looks at the clock.
const checkEvery = 1024

// collected is what a walk through all hits found.
type collected struct {
	// hits are the first ones after the cursor, one more than the limit when
	// there are more.
	hits   []match
	total  int
	facets map[string][]call.FacetCount
}

// collect looks for the hits of s among the documents of its filter.
func (p *planner) collect(s *request, among docSet) (out collected, err error) {
	found, err := p.query(s.text, among)
	if err != nil {
		return out, err
	}
	facets := newFacetCounter(s.facets)
	top := &topHits{keyOf: p.keyOf, limit: s.limit + 1}
	for i := range p.parts {
		if found.set[i].IsEmpty() {
			continue
		}
		out.total += int(found.set[i].GetCardinality())
		if err := facets.enter(&p.parts[i]); err != nil {
			return out, err
		}
		if err := p.collectPart(s, i, found, top, facets); err != nil {
			return out, err
		}
		facets.leave()
	}
	slices.SortFunc(top.hits, func(a, b match) int { return top.compare(&a, &b) })
	for i := range top.hits {
		top.needKey(&top.hits[i])
	}
	out.hits, out.facets = top.hits, facets.result()
	return out, top.err
}

func (p *planner) collectPart(s *request, part int, found element, top *topHits, facets *facetCounter) error {
	rank, err := p.ranking(s, part, found)
	if err != nil {
		return err
	}
	docs := found.set[part].Iterator()
	for walked := 0; docs.HasNext(); walked++ {
		if walked%checkEvery == 0 && p.ctx.Err() != nil {
			return p.ctx.Err()
		}
		doc := docs.Next()
		facets.add(doc)
		r, err := rank(doc)
		if err != nil {
			return err
		}
		if !top.worse(r) && (s.after == nil || r <= s.after.Rank) {
			top.offer(match{rank: r, part: part, doc: doc}, s.after)
		}
	}
	return top.err
}

// ranking returns what puts the documents of one segment in order.
func (p *planner) ranking(s *request, part int, found element) (func(doc uint32) (uint64, error), error) {
	if s.order == sortRelevance {
		scorer, err := found.ranker(part)
		if err != nil {
			return nil, err
		}
		return func(doc uint32) (uint64, error) {
			score, err := scorer.score(doc)
			return rankOfScore(score), err
		}, nil
	}
	ranks, err := p.parts[part].ranks(s.by)
	if err != nil {
		return nil, err
	}
	return func(doc uint32) (uint64, error) {
		rank := ranks[doc]
		if s.order == sortOldest && rank != absentRank {
			rank = max(absentRank+1, ^rank)
		}
		return rank, nil
	}, nil
}

// mark is where a page ends.
type mark struct {
	Bound string `json:"q"` // to one query
	Rank  uint64 `json:"r"`
	Key   string `json:"-"`
	Bytes []byte `json:"k"` // Key, which need not be UTF-8
}

// bindCursor identifies a query without its place and what is counted.
func bindCursor(q *call.SearchQuery) string {
	bound := *q
	bound.After, bound.Limit, bound.Facets = "", 0, nil
	b, err := json.Marshal(bound)
	if err != nil { // an infinite duration
		b = fmt.Append(nil, bound)
	}
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

func (m *match) cursor(bound string) string {
	b, err := json.Marshal(mark{Bound: bound, Rank: m.rank, Bytes: []byte(m.key)})
	if err != nil {
		panic("index: cursor: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(s, bound string) (*mark, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, call.ErrBadCursor
	}
	var m mark
	if json.Unmarshal(b, &m) != nil || m.Bound != bound || len(m.Bytes) == 0 {
		return nil, call.ErrBadCursor
	}
	m.Key = string(m.Bytes)
	return &m, nil
}
