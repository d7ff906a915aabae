package index

import (
	"context"
	"fmt"
	"strings"

	bleveindex "github.com/blevesearch/bleve_index_api"

	"callsyncd/call"
)

// maxExpansion is how many different words word* and word~ may stand for.
const maxExpansion = 1024

// openWeight ranks what word* and word~ stand for below the word itself.
const openWeight = 0.5

// planner turns queries and filters into walks over one snapshot.
type planner struct {
	ctx       context.Context
	reader    bleveindex.IndexReader
	analyzer  *analyzer
	documents uint64
	scored    bool
}

// query returns the documents a query selects among those of the filters. An
// empty one selects them all.
func (p *planner) query(q query, filters []docs) (docs, error) {
	all, excluded := filters, []docs(nil)
	fail := func(err error) (docs, error) {
		closeAll(all)
		closeAll(excluded)
		return nil, err
	}
	for i := range q {
		alternatives, err := p.leaves(q[i].leaves)
		if err != nil {
			return fail(err)
		}
		if q[i].exclude {
			excluded = append(excluded, alternatives...)
			continue
		}
		if len(alternatives) == 1 {
			all = append(all, alternatives[0])
		} else {
			all = append(all, newAny(alternatives))
		}
	}
	if len(all) == 0 {
		every, err := p.every()
		if err != nil {
			return fail(err)
		}
		all = []docs{every}
	}
	found := newAll(all)
	if len(excluded) > 0 {
		found = &withoutDocs{docs: found, excluded: newAny(excluded)}
	}
	return found, nil
}

func (p *planner) leaves(leaves []leaf) ([]docs, error) {
	var out []docs
	for i := range leaves {
		d, err := p.leaf(&leaves[i])
		if err != nil {
			closeAll(out)
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

func (p *planner) leaf(l *leaf) (docs, error) {
	switch l.kind {
	case leafPhrase:
		return p.phrase(l)
	case leafPrefix, leafFuzzy:
		return p.open(l)
	case leafID:
		return p.terms(keyID, []string{l.value}, openWeight)
	case leafIDPrefix:
		ids, err := p.expand(keyID, l, p.prefixDict(l.value))
		if err != nil {
			return nil, err
		}
		return p.terms(keyID, ids, openWeight)
	case leafPhone:
		return p.phoneOrSpelled(l)
	}
	return p.word(l)
}

// fields are the text fields a leaf looks into.
func (l *leaf) fields() []string {
	if l.field == "" {
		return searched
	}
	return []string{l.field}
}

// term returns the documents with a term; nil when there are none.
func (p *planner) term(field, term string, frequencies, positions bool) (*termDocs, error) {
	r, err := p.reader.TermFieldReader(p.ctx, []byte(term), field, frequencies, frequencies, positions)
	if err != nil {
		return nil, fmt.Errorf("read index field %s: %w", field, err)
	}
	if r.Count() == 0 {
		return nil, r.Close()
	}
	return &termDocs{reader: r}, nil
}

func (p *planner) word(l *leaf) (docs, error) {
	w := &wordDocs{}
	add := func(field, term string) error {
		t, err := p.term(field, term, p.scored, false)
		if t != nil {
			w.terms = append(w.terms, t)
		}
		return err
	}
	err := p.spellings(l, add, func() { w.exact = len(w.terms) })
	children := make([]docs, len(w.terms))
	for i, t := range w.terms {
		children[i] = t
	}
	if err != nil {
		closeAll(children)
		return nil, err
	}
	w.anyDocs = newAny(children)
	w.rarity = rarity(p.documents, w.cost())
	return w, nil
}

// spellings adds the terms of a word, first those spelled the same, then,
// after exactDone, those of the same stem.
func (p *planner) spellings(l *leaf, add func(field, term string) error, exactDone func()) error {
	w := l.words[0]
	for _, field := range l.fields() {
		if err := add(field, w.term); err != nil {
			return err
		}
	}
	exactDone()
	if l.exact {
		return nil
	}
	for _, stem := range p.analyzer.stems(w) {
		for _, field := range l.fields() {
			if err := add(field+stemsOf, stem.language+":"+stem.stem); err != nil {
				return err
			}
			if !stem.word {
				continue
			}
			if err := add(field, stem.stem); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *planner) phrase(l *leaf) (docs, error) {
	var out []docs
	for _, field := range l.fields() {
		d, err := p.phraseIn(field, l.words)
		if err != nil {
			closeAll(out)
			return nil, err
		}
		if d != nil {
			out = append(out, d)
		}
	}
	return newAny(out), nil
}

// phraseIn returns the documents with a phrase in one field; nil when one of
// its words is nowhere in the field.
func (p *planner) phraseIn(field string, words []*word) (docs, error) {
	ph := &phraseDocs{}
	numbers := map[string]int{}
	var plain []docs
	closeOpen := func() {
		closeAll(plain)
		for _, r := range ph.readers {
			r.close()
		}
	}
	for _, w := range words {
		n, ok := numbers[w.term]
		if !ok {
			n = len(ph.readers)
			numbers[w.term] = n
			t, err := p.term(field, w.term, false, false)
			if t == nil || err != nil {
				closeOpen()
				return nil, err
			}
			plain = append(plain, t)
			ph.rarity += rarity(p.documents, t.cost())
			withPlaces, err := p.term(field, w.term, true, true)
			if withPlaces == nil || err != nil {
				closeOpen()
				return nil, err
			}
			ph.readers = append(ph.readers, withPlaces)
		}
		ph.pattern = append(ph.pattern, n)
	}
	ph.docs, ph.places = newAll(plain), make([][]uint64, len(ph.readers))
	return ph, nil
}

// open walks what word* or word~ stands for, the word itself first.
func (p *planner) open(l *leaf) (docs, error) {
	set := &setDocs{}
	for _, field := range l.fields() {
		dict := p.prefixDict(l.words[0].term)
		if l.kind == leafFuzzy {
			dict = p.fuzzyDict(l.words[0].term)
		}
		terms, err := p.expand(field, l, dict)
		if err == nil {
			err = p.addTerms(set, field, terms)
		}
		if err != nil {
			return nil, err
		}
	}
	set.weight = openWeight * rarity(p.documents, set.count)
	spelled := *l
	spelled.exact = true
	exact, err := p.word(&spelled)
	if err != nil {
		return nil, err
	}
	return newAny([]docs{exact, set}), nil
}

type dictionary func(field string) (bleveindex.FieldDict, error)

func (p *planner) prefixDict(prefix string) dictionary {
	return func(field string) (bleveindex.FieldDict, error) {
		return p.reader.FieldDictPrefix(field, []byte(prefix))
	}
}

func (p *planner) fuzzyDict(term string) dictionary {
	return func(field string) (bleveindex.FieldDict, error) {
		return p.reader.(bleveindex.IndexReaderFuzzy).FieldDictFuzzy(field, term, 1, "")
	}
}

// expand lists the terms of a dictionary. Too many are the fault of leaf l.
func (p *planner) expand(field string, l *leaf, open dictionary) (terms []string, err error) {
	dict, err := open(field)
	if err != nil {
		return nil, fmt.Errorf("read dictionary of index field %s: %w", field, err)
	}
	defer dict.Close()
	for {
		entry, err := dict.Next()
		if err != nil || entry == nil {
			return terms, err
		}
		if len(terms) == maxExpansion {
			return nil, &call.QueryError{Position: l.position,
				Message: fmt.Sprintf("more than %d different words match here: give more letters", maxExpansion)}
		}
		terms = append(terms, strings.Clone(entry.Term))
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// terms returns the documents with any of some terms of one field.
func (p *planner) terms(field string, terms []string, weight float64) (docs, error) {
	set := &setDocs{weight: weight}
	if len(terms) == 1 {
		t, err := p.term(field, terms[0], false, false)
		if t == nil || err != nil {
			return set, err
		}
		return t, nil
	}
	return set, p.addTerms(set, field, terms)
}

func (p *planner) addTerms(set *setDocs, field string, terms []string) error {
	for _, term := range terms {
		if err := p.ctx.Err(); err != nil {
			return err
		}
		t, err := p.term(field, term, false, false)
		if err != nil {
			return err
		}
		if t == nil {
			continue
		}
		if err := set.addAll(t); err != nil {
			return err
		}
	}
	return nil
}

func (p *planner) phoneOrSpelled(l *leaf) (docs, error) {
	number, err := p.phones([]string{l.value})
	if err != nil {
		return nil, err
	}
	spelled, err := p.leaves(l.spelled)
	if err != nil {
		return nil, err
	}
	return newAny([]docs{number, newAll(spelled)}), nil
}

// phones returns the calls with any of some numbers, written by call.PhoneDigits.
func (p *planner) phones(wanted []string) (*setDocs, error) {
	set := &setDocs{weight: rarity(p.documents, 1)}
	for _, number := range wanted {
		if number == "" {
			continue
		}
		terms, err := p.phoneTerms(number)
		if err != nil {
			return nil, err
		}
		if err := p.addTerms(set, keyPhone, terms); err != nil {
			return nil, err
		}
	}
	return set, nil
}

// phoneTerms lists the numbers of the archive that match one.
func (p *planner) phoneTerms(number string) ([]string, error) {
	terms := shorterPhones(number)
	end := call.NationalPart(strings.TrimPrefix(number, "+"))
	if len(end) >= call.MinPhoneDigits && !strings.HasPrefix(number, "+") {
		dict, err := p.reader.FieldDictPrefix(keyPhone, []byte(reverse(end)))
		if err != nil {
			return nil, fmt.Errorf("read dictionary of phone numbers: %w", err)
		}
		defer dict.Close()
		entry, err := dict.Next()
		for ; err == nil && entry != nil; entry, err = dict.Next() {
			terms = append(terms, strings.Clone(entry.Term))
		}
		if err != nil {
			return nil, fmt.Errorf("read dictionary of phone numbers: %w", err)
		}
	}
	out := terms[:0]
	for _, term := range terms {
		if call.SamePhone(number, reverse(term)) {
			out = append(out, term)
		}
	}
	return out, nil
}
