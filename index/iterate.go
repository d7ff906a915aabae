package index

import (
	"math"
	"math/bits"
	"slices"

	"github.com/blevesearch/bleve/v2/search"
	bleveindex "github.com/blevesearch/bleve_index_api"
)

// noDoc is the document number after the last.
const noDoc = math.MaxUint64

// docs walks document numbers in ascending order. advance goes to the first
// number not below the given one and stays when it is there already; after
// noDoc neither may be called again. score speaks of the current document.
type docs interface {
	next() (uint64, error)
	advance(to uint64) (uint64, error)
	score() float64
	// cost is an upper bound of the documents walked.
	cost() uint64
	close()
}

// termDocs are the documents with one term.
type termDocs struct {
	reader  bleveindex.TermFieldReader
	doc     bleveindex.TermFieldDoc
	target  bleveindex.IndexInternalID
	current uint64
	started bool
}

func (t *termDocs) next() (uint64, error) { return t.moved(t.reader.Next(t.doc.Reset())) }

func (t *termDocs) advance(to uint64) (uint64, error) {
	if t.started && t.current >= to {
		return t.current, nil
	}
	t.target = bleveindex.NewIndexInternalID(t.target, to)
	// Reset keeps the memory of doc.ID, which the reader compares with the
	// target before it writes there.
	return t.moved(t.reader.Advance(t.target, t.doc.Reset()))
}

func (t *termDocs) moved(doc *bleveindex.TermFieldDoc, err error) (uint64, error) {
	t.started, t.current = true, noDoc
	if err == nil && doc != nil {
		t.current = doc.ID.Value()
	}
	return t.current, err
}

func (t *termDocs) score() float64 { return 0 }
func (t *termDocs) cost() uint64   { return t.reader.Count() }
func (t *termDocs) close()         { _ = t.reader.Close() }

// The constants of BM25, with the length of a usual call.
const (
	saturation  = 1.2
	lengthShare = 0.75
	usualLength = 400.0
)

// frequency is the number of times the term occurs in the current document,
// made comparable between long and short ones.
func (t *termDocs) frequency() float64 {
	length := usualLength
	if t.doc.Norm > 0 {
		length = 1 / (t.doc.Norm * t.doc.Norm)
	}
	return float64(t.doc.Freq) / (1 - lengthShare + lengthShare*length/usualLength)
}

// anyDocs are the documents of any of its children.
type anyDocs struct {
	children []docs
	at       []uint64
	current  uint64
	started  bool
}

func newAny(children []docs) *anyDocs {
	return &anyDocs{children: children, at: make([]uint64, len(children))}
}

func (a *anyDocs) next() (uint64, error) {
	if !a.started {
		return a.advance(0)
	}
	return a.advance(a.current + 1)
}

func (a *anyDocs) advance(to uint64) (uint64, error) {
	if a.started && a.current >= to {
		return a.current, nil
	}
	lowest := uint64(noDoc)
	for i, child := range a.children {
		if !a.started || a.at[i] < to {
			var err error
			if a.at[i], err = moveTo(child, to, a.started && a.at[i]+1 == to); err != nil {
				return noDoc, err
			}
		}
		lowest = min(lowest, a.at[i])
	}
	a.started, a.current = true, lowest
	return lowest, nil
}

// moveTo prefers next where it leads to the same place, because it is cheaper.
func moveTo(d docs, to uint64, isNext bool) (uint64, error) {
	if isNext || to == 0 {
		return d.next()
	}
	return d.advance(to)
}

// score is that of the best child.
func (a *anyDocs) score() float64 {
	best := 0.0
	for i, child := range a.children {
		if a.at[i] == a.current {
			best = max(best, child.score())
		}
	}
	return best
}

func (a *anyDocs) cost() uint64 {
	var sum uint64
	for _, child := range a.children {
		sum += child.cost()
	}
	return sum
}

func (a *anyDocs) close() { closeAll(a.children) }

func closeAll(children []docs) {
	for _, child := range children {
		child.close()
	}
}

// wordDocs are the documents with one word, spelled so or with the same stem.
type wordDocs struct {
	*anyDocs
	terms  []*termDocs // the children
	exact  int         // how many of them, the first, are the spelling asked for
	rarity float64
}

// score puts every exact match above every stemmed one: 1 to 2 times the
// rarity of the word, against 0 to 1.
func (w *wordDocs) score() float64 {
	exact, stemmed := 0.0, 0.0
	for i, t := range w.terms {
		switch {
		case w.at[i] != w.current:
		case i < w.exact:
			exact += t.frequency()
		default:
			stemmed += t.frequency()
		}
	}
	if exact > 0 {
		return w.rarity * (1 + exact/(exact+saturation))
	}
	return w.rarity * stemmed / (stemmed + saturation)
}

// rarityStep is what rarities are multiples of, so that calls indexed between
// two pages of hits hardly ever change the scores of all others.
const rarityStep = 0.5

// rarity is the inverse document frequency, always above 0.
func rarity(documents, matching uint64) float64 {
	n, df := float64(documents), float64(min(matching, documents))
	idf := math.Log(1 + (n-df+0.5)/(df+0.5))
	return max(1, math.Round(idf/rarityStep)) * rarityStep
}

// allDocs are the documents of all its children. The cheapest leads.
type allDocs struct {
	children []docs
}

func newAll(children []docs) docs {
	if len(children) == 1 {
		return children[0]
	}
	slices.SortStableFunc(children, func(a, b docs) int {
		switch ca, cb := a.cost(), b.cost(); {
		case ca < cb:
			return -1
		case ca > cb:
			return 1
		}
		return 0
	})
	return &allDocs{children: children}
}

func (a *allDocs) next() (uint64, error) {
	n, err := a.children[0].next()
	if err != nil {
		return noDoc, err
	}
	return a.align(n)
}

func (a *allDocs) advance(to uint64) (uint64, error) {
	n, err := a.children[0].advance(to)
	if err != nil {
		return noDoc, err
	}
	return a.align(n)
}

// align moves everybody to the first common document from n on.
func (a *allDocs) align(n uint64) (uint64, error) {
	var err error
	for i := 1; i < len(a.children) && n != noDoc; i++ {
		var m uint64
		if m, err = a.children[i].advance(n); err != nil || m == noDoc {
			return noDoc, err
		}
		if m > n {
			if n, err = a.children[0].advance(m); err != nil {
				return noDoc, err
			}
			i = 0
		}
	}
	return n, nil
}

func (a *allDocs) score() float64 {
	sum := 0.0
	for _, child := range a.children {
		sum += child.score()
	}
	return sum
}

func (a *allDocs) cost() uint64 { return a.children[0].cost() }
func (a *allDocs) close()       { closeAll(a.children) }

// withoutDocs are the documents of one that are not documents of another.
type withoutDocs struct {
	docs
	excluded docs
	at       uint64
	started  bool
}

func (w *withoutDocs) next() (uint64, error) {
	n, err := w.docs.next()
	return w.skip(n, err)
}

func (w *withoutDocs) advance(to uint64) (uint64, error) {
	n, err := w.docs.advance(to)
	return w.skip(n, err)
}

func (w *withoutDocs) skip(n uint64, err error) (uint64, error) {
	for err == nil && n != noDoc {
		if !w.started || w.at < n {
			if w.at, err = w.excluded.advance(n); err != nil {
				return noDoc, err
			}
			w.started = true
		}
		if w.at != n {
			return n, nil
		}
		n, err = w.docs.next()
	}
	return noDoc, err
}

func (w *withoutDocs) close() {
	w.docs.close()
	w.excluded.close()
}

// setDocs is a set of document numbers, for terms too many to walk abreast.
type setDocs struct {
	set    []uint64 // one bit per document
	count  uint64
	weight float64
	from   uint64 // the next number to look at
}

func (s *setDocs) add(n uint64) {
	if grow := int(n/64) + 1 - len(s.set); grow > 0 {
		s.set = append(s.set, make([]uint64, grow+len(s.set)/2)...)
	}
	if s.set[n/64]&(1<<(n%64)) == 0 {
		s.set[n/64] |= 1 << (n % 64)
		s.count++
	}
}

// addAll adds the documents of d and closes it.
func (s *setDocs) addAll(d docs) error {
	defer d.close()
	n, err := d.next()
	for ; err == nil && n != noDoc; n, err = d.next() {
		s.add(n)
	}
	return err
}

func (s *setDocs) next() (uint64, error) {
	i := s.from / 64
	if i >= uint64(len(s.set)) {
		return noDoc, nil
	}
	for rest := s.set[i] >> (s.from % 64) << (s.from % 64); ; rest = s.set[i] {
		if rest != 0 {
			n := i*64 + uint64(bits.TrailingZeros64(rest))
			s.from = n + 1
			return n, nil
		}
		if i++; i >= uint64(len(s.set)) {
			return noDoc, nil
		}
	}
}

func (s *setDocs) advance(to uint64) (uint64, error) {
	if s.from > 0 && s.from-1 >= to {
		return s.from - 1, nil
	}
	s.from = to
	return s.next()
}

func (s *setDocs) score() float64 { return s.weight }
func (s *setDocs) cost() uint64   { return s.count }
func (s *setDocs) close()         {}

// searcherDocs walks one of Bleve's own searchers.
type searcherDocs struct {
	searcher search.Searcher
	context  *search.SearchContext
	current  uint64
	started  bool
}

func newSearcherDocs(s search.Searcher, r bleveindex.IndexReader) *searcherDocs {
	return &searcherDocs{searcher: s, context: &search.SearchContext{
		DocumentMatchPool: search.NewDocumentMatchPool(s.DocumentMatchPoolSize()+1, 0), IndexReader: r}}
}

func (s *searcherDocs) next() (uint64, error) { return s.moved(s.searcher.Next(s.context)) }

func (s *searcherDocs) advance(to uint64) (uint64, error) {
	if s.started && s.current >= to {
		return s.current, nil
	}
	return s.moved(s.searcher.Advance(s.context, bleveindex.NewIndexInternalID(nil, to)))
}

func (s *searcherDocs) moved(match *search.DocumentMatch, err error) (uint64, error) {
	s.started, s.current = true, noDoc
	if err == nil && match != nil {
		s.current = match.IndexInternalID.Value()
		s.context.DocumentMatchPool.Put(match)
	}
	return s.current, err
}

func (s *searcherDocs) score() float64 { return 0 }
func (s *searcherDocs) cost() uint64   { return s.searcher.Count() }
func (s *searcherDocs) close()         { _ = s.searcher.Close() }
