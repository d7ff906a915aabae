package index

import (
	"slices"
)

// phraseDocs are the documents in which words stand side by side in one field.
type phraseDocs struct {
	docs                // those with all the words
	readers []*termDocs // with positions, one per distinct word
	pattern []int       // the reader of each word of the phrase
	places  [][]uint64  // of each reader in the current document
	rarity  float64
	found   int
}

func (p *phraseDocs) next() (uint64, error) {
	n, err := p.docs.next()
	return p.check(n, err)
}

func (p *phraseDocs) advance(to uint64) (uint64, error) {
	n, err := p.docs.advance(to)
	return p.check(n, err)
}

// check goes on from n to the first document with the phrase.
func (p *phraseDocs) check(n uint64, err error) (uint64, error) {
	for ; err == nil && n != noDoc; n, err = p.docs.next() {
		if err = p.read(n); err != nil {
			break
		}
		if p.found = p.count(); p.found > 0 {
			return n, nil
		}
	}
	return noDoc, err
}

func (p *phraseDocs) read(n uint64) error {
	for i, r := range p.readers {
		p.places[i] = p.places[i][:0]
		at, err := r.advance(n)
		if err != nil {
			return err
		}
		if at != n {
			continue
		}
		for _, v := range r.doc.Vectors {
			p.places[i] = append(p.places[i], v.Pos)
		}
	}
	return nil
}

// count returns how often the phrase occurs. It starts from the word with the
// fewest places.
func (p *phraseDocs) count() int {
	anchor := 0
	for slot, reader := range p.pattern {
		if len(p.places[reader]) < len(p.places[p.pattern[anchor]]) {
			anchor = slot
		}
	}
	n := 0
	for _, place := range p.places[p.pattern[anchor]] {
		if place > uint64(anchor) && p.startsAt(place-uint64(anchor)) {
			n++
		}
	}
	return n
}

func (p *phraseDocs) startsAt(start uint64) bool {
	for slot, reader := range p.pattern {
		if _, ok := slices.BinarySearch(p.places[reader], start+uint64(slot)); !ok {
			return false
		}
	}
	return true
}

func (p *phraseDocs) score() float64 {
	n := float64(p.found)
	return p.rarity * (1 + n/(n+saturation))
}

func (p *phraseDocs) close() {
	p.docs.close()
	for _, r := range p.readers {
		r.close()
	}
}
