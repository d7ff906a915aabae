package index

import (
	"math"

	"github.com/RoaringBitmap/roaring/v2"
	segment "github.com/blevesearch/scorch_segment_api/v2"
)

// ranker scores documents of one segment that an element of the query found.
// It must be asked in ascending order.
type ranker interface {
	score(doc uint32) (float64, error)
}

// constant scores all documents alike.
type constant float64

func (c constant) score(uint32) (float64, error) { return float64(c), nil }

// sum scores by several elements at once.
type sum []ranker

func (s sum) score(doc uint32) (total float64, err error) {
	for _, r := range s {
		score, err := r.score(doc)
		if err != nil {
			return 0, err
		}
		total += score
	}
	return total, nil
}

// best scores by the best of several elements among those that found the document.
type best []struct {
	ranker
	found *roaring.Bitmap
}

func (b best) score(doc uint32) (most float64, err error) {
	for i := range b {
		if !b[i].found.Contains(doc) {
			continue
		}
		score, err := b[i].ranker.score(doc)
		if err != nil {
			return 0, err
		}
		most = max(most, score)
	}
	return most, nil
}

// The constants of BM25, with the length of a usual call.
const (
	saturation  = 1.2
	lengthShare = 0.75
	usualLength = 400.0
)

// occurrences walk the documents of one segment that hold a term.
type occurrences struct {
	list    segment.PostingsIterator
	posting segment.Posting
	at      uint64 // the document walked to; ended after the last
	started bool
}

const ended = math.MaxUint64

// in goes on to a document and reports whether it holds the term.
func (o *occurrences) in(doc uint32) (bool, error) {
	if !o.started || o.at < uint64(doc) {
		var err error
		if o.posting, err = o.list.Advance(uint64(doc)); err != nil {
			return false, err
		}
		o.started, o.at = true, ended
		if o.posting != nil {
			o.at = o.posting.Number()
		}
	}
	return o.at == uint64(doc), nil
}

// frequency is the number of times the term occurs in the document, made
// comparable between long and short ones.
func (o *occurrences) frequency() float64 {
	length := usualLength
	if norm := o.posting.Norm(); norm > 0 {
		length = 1 / (norm * norm)
	}
	return float64(o.posting.Frequency()) / (1 - lengthShare + lengthShare*length/usualLength)
}

// wordRanker scores by one word, spelled so or with the same stem.
type wordRanker struct {
	terms  []occurrences
	exact  int // how many of them, the first, are the spelling asked for
	rarity float64
}

// score puts every exact match above every stemmed one: 1 to 2 times the
// rarity of the word, against 0 to 1.
func (w *wordRanker) score(doc uint32) (float64, error) {
	exact, stemmed := 0.0, 0.0
	for i := range w.terms {
		t := &w.terms[i]
		found, err := t.in(doc)
		switch {
		case err != nil:
			return 0, err
		case !found:
		case i < w.exact:
			exact += t.frequency()
		default:
			stemmed += t.frequency()
		}
	}
	if exact > 0 {
		return w.rarity * (1 + exact/(exact+saturation)), nil
	}
	return w.rarity * stemmed / (stemmed + saturation), nil
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
