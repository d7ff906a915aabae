package index

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2"
)

// phraseMatches are the documents of one segment with a phrase in one field.
type phraseMatches struct {
	docs   []uint32 // ascending
	counts []uint32 // how often each holds the phrase
	rarity float64
	next   int
}

func (m *phraseMatches) score(doc uint32) (float64, error) {
	for m.next < len(m.docs) && m.docs[m.next] < doc {
		m.next++
	}
	if m.next == len(m.docs) || m.docs[m.next] != doc {
		return 0, nil
	}
	n := float64(m.counts[m.next])
	return m.rarity * (1 + n/(n+saturation)), nil
}

// slot is one word of a phrase.
type slot struct {
	word  *placesOf
	place uint64 // in the phrase, from 0
}

// placesOf reads where one word stands in documents of one segment.
type placesOf struct {
	occurrences
	count  uint64 // of documents
	places []uint64
}

func (w *placesOf) read(doc uint32) error {
	if w.started && w.at == uint64(doc) {
		return nil
	}
	w.places = w.places[:0]
	found, err := w.in(doc)
	if err != nil || !found {
		return err
	}
	for _, l := range w.posting.Locations() {
		w.places = append(w.places, l.Pos())
	}
	return nil
}

// matchPhrase finds the phrase in one field of one segment, among candidates.
// The rarest words come first, so that those everywhere are looked at only
// where all others fit already.
func (p *planner) matchPhrase(s *part, field string, words []*word, candidates *roaring.Bitmap) (*phraseMatches, error) {
	slots, having, err := s.slots(field, words, candidates)
	if err != nil || having == nil {
		return &phraseMatches{}, err
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return cmp.Compare(a.word.count, b.word.count) })
	m := &phraseMatches{}
	var starts []uint64
	docs := having.Iterator()
	for walked := 0; docs.HasNext(); walked++ {
		if walked%checkEvery == 0 && p.ctx.Err() != nil {
			return nil, p.ctx.Err()
		}
		doc := docs.Next()
		if starts, err = phraseStarts(slots, doc, starts[:0]); err != nil {
			return nil, err
		}
		if len(starts) > 0 {
			m.docs, m.counts = append(m.docs, doc), append(m.counts, uint32(len(starts)))
		}
	}
	return m, nil
}

// slots opens the words of a phrase. It also returns the candidates that hold
// all of them; nil when a word is nowhere.
func (s *part) slots(field string, words []*word, candidates *roaring.Bitmap) ([]slot, *roaring.Bitmap, error) {
	having := candidates.Clone()
	known := map[string]*placesOf{}
	var out []slot
	for i, w := range words {
		if known[w.term] == nil {
			list, err := s.postings(field, w.term)
			if err != nil {
				return nil, nil, err
			}
			if list.Count() == 0 {
				return nil, nil, nil
			}
			known[w.term] = &placesOf{occurrences: occurrences{list: list.Iterator(true, false, true, nil)}, count: list.Count()}
			docs := roaring.New()
			list.(intoBitmap).OrInto(docs)
			having.And(docs)
		}
		out = append(out, slot{known[w.term], uint64(i)})
	}
	return out, having, nil
}

// phraseStarts appends where the phrase begins in a document.
func phraseStarts(slots []slot, doc uint32, starts []uint64) ([]uint64, error) {
	for i, s := range slots {
		if err := s.word.read(doc); err != nil {
			return nil, err
		}
		if i == 0 {
			for _, place := range s.word.places {
				if place > s.place {
					starts = append(starts, place-s.place)
				}
			}
			continue
		}
		kept, at := starts[:0], 0
		for _, start := range starts {
			for at < len(s.word.places) && s.word.places[at] < start+s.place {
				at++
			}
			if at < len(s.word.places) && s.word.places[at] == start+s.place {
				kept = append(kept, start)
			}
		}
		if starts = kept; len(starts) == 0 {
			break
		}
	}
	return starts, nil
}
