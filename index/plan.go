package index

import (
	"context"
	"fmt"
	"slices"
	"strings"

	bleveindex "github.com/blevesearch/bleve_index_api"

	"callsyncd/call"
)

// maxExpansion is how many different words word* and word~ may stand for.
const maxExpansion = 1024

// openWeight ranks what word* and word~ stand for below the word itself.
const openWeight = 0.5

// planner turns queries and filters into sets of documents of one snapshot.
type planner struct {
	ctx       context.Context
	reader    bleveindex.IndexReader
	parts     []part
	analyzer  *analyzer
	documents uint64
}

// element is what one element of a query, or a combination of them, finds.
type element struct {
	set docSet
	// ranker scores the documents of set in one segment.
	ranker func(part int) (ranker, error)
}

// query returns the documents a query selects among some. An empty query
// selects them all. It changes the set it is given.
func (p *planner) query(q query, among docSet) (element, error) {
	found := element{set: among}
	var scorers []element
	for _, c := range cheapFirst(q) {
		e, err := p.clause(c, found.set)
		if err != nil {
			return element{}, err
		}
		if c.exclude {
			found.set.andNot(e.set)
			continue
		}
		found.set.and(e.set)
		scorers = append(scorers, e)
	}
	found.ranker = summed(scorers)
	return found, nil
}

// cheapFirst puts what needs the places of words behind what does not, so that
// places are read of few documents.
func cheapFirst(q query) query {
	hasPhrase := func(c clause) bool {
		return slices.ContainsFunc(c.leaves, func(l leaf) bool { return l.kind == leafPhrase })
	}
	q = slices.Clone(q)
	slices.SortStableFunc(q, func(a, b clause) int {
		switch x, y := hasPhrase(a), hasPhrase(b); {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	return q
}

// clause finds the documents of any leaf. Those outside of among need not be
// found, nor left out.
func (p *planner) clause(c clause, among docSet) (element, error) {
	var alternatives []element
	for i := range c.leaves {
		e, err := p.leaf(&c.leaves[i], among)
		if err != nil {
			return element{}, err
		}
		alternatives = append(alternatives, e)
	}
	return p.anyOf(alternatives), nil
}

// anyOf finds what any of its elements finds, scored by the best of them.
func (p *planner) anyOf(elements []element) element {
	if len(elements) == 1 {
		return elements[0]
	}
	out := element{set: p.emptySet()}
	for _, e := range elements {
		out.set.or(e.set)
	}
	out.ranker = func(part int) (ranker, error) {
		of := make(best, len(elements))
		for i, e := range elements {
			r, err := e.ranker(part)
			if err != nil {
				return nil, err
			}
			of[i].ranker, of[i].found = r, e.set[part]
		}
		return of, nil
	}
	return out
}

// summed scores by all elements.
func summed(elements []element) func(part int) (ranker, error) {
	return func(part int) (ranker, error) {
		of := make(sum, len(elements))
		for i, e := range elements {
			var err error
			if of[i], err = e.ranker(part); err != nil {
				return nil, err
			}
		}
		return of, nil
	}
}

// alike scores all documents of a set the same.
func alike(s docSet, weight float64) element {
	return element{s, func(int) (ranker, error) { return constant(weight), nil }}
}

func (p *planner) leaf(l *leaf, among docSet) (element, error) {
	switch l.kind {
	case leafPhrase:
		return p.phrase(l, among)
	case leafPrefix, leafFuzzy:
		return p.open(l)
	case leafID:
		ids, err := p.terms(keyID, l.value)
		return alike(ids, openWeight), err
	case leafIDPrefix:
		ids, err := p.expand(keyID, l, p.prefixDict(l.value))
		if err != nil {
			return element{}, err
		}
		set, err := p.terms(keyID, ids...)
		return alike(set, openWeight), err
	case leafPhone:
		return p.phoneOrSpelled(l, among)
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

// spelling is one form under which a word is in the index.
type spelling struct{ field, term string }

func (p *planner) word(l *leaf) (element, error) {
	spellings, exact := p.spellings(l)
	set := p.emptySet()
	for _, s := range spellings {
		if err := p.addTerm(set, s.field, s.term); err != nil {
			return element{}, err
		}
	}
	rarity := rarity(p.documents, set.count())
	return element{set, func(part int) (ranker, error) {
		w := &wordRanker{rarity: rarity}
		for i, s := range spellings {
			list, err := p.parts[part].postings(s.field, s.term)
			if err != nil {
				return nil, err
			}
			if list.Count() == 0 {
				continue
			}
			w.terms = append(w.terms, occurrences{list: list.Iterator(true, true, false, nil)})
			if i < exact {
				w.exact++
			}
		}
		return w, nil
	}}, nil
}

// spellings lists the terms of a word, first those spelled the same, which it
// counts, then those of the same stem.
func (p *planner) spellings(l *leaf) (out []spelling, exact int) {
	w := l.words[0]
	for _, field := range l.fields() {
		out = append(out, spelling{field, w.term})
	}
	exact = len(out)
	if l.exact {
		return out, exact
	}
	for _, stem := range p.analyzer.stems(w) {
		for _, field := range l.fields() {
			out = append(out, spelling{field + stemsOf, stem.language + ":" + stem.stem})
			if stem.word {
				out = append(out, spelling{field, stem.stem})
			}
		}
	}
	return out, exact
}

func (p *planner) phrase(l *leaf, among docSet) (element, error) {
	var fields []element
	for _, field := range l.fields() {
		e, err := p.phraseIn(field, l.words, among)
		if err != nil {
			return element{}, err
		}
		fields = append(fields, e)
	}
	return p.anyOf(fields), nil
}

func (p *planner) phraseIn(field string, words []*word, among docSet) (element, error) {
	e := element{set: p.emptySet()}
	weight, err := p.phraseRarity(field, words)
	if err != nil {
		return e, err
	}
	matches := make([]*phraseMatches, len(p.parts))
	for i := range p.parts {
		if matches[i], err = p.matchPhrase(&p.parts[i], field, words, among[i]); err != nil {
			return e, err
		}
		matches[i].rarity = weight
		e.set[i].AddMany(matches[i].docs)
	}
	e.ranker = func(part int) (ranker, error) { return matches[part], nil }
	return e, nil
}

// phraseRarity adds up those of the words.
func (p *planner) phraseRarity(field string, words []*word) (total float64, err error) {
	seen := map[string]bool{}
	for _, w := range words {
		if seen[w.term] {
			continue
		}
		seen[w.term] = true
		having := uint64(0)
		for i := range p.parts {
			list, err := p.parts[i].postings(field, w.term)
			if err != nil {
				return 0, err
			}
			having += list.Count()
		}
		total += rarity(p.documents, having)
	}
	return total, nil
}

// open finds what word* or word~ stands for, the word itself first.
func (p *planner) open(l *leaf) (element, error) {
	set := p.emptySet()
	for _, field := range l.fields() {
		dict := p.prefixDict(l.words[0].term)
		if l.kind == leafFuzzy {
			dict = p.fuzzyDict(l.words[0].term)
		}
		terms, err := p.expand(field, l, dict)
		if err != nil {
			return element{}, err
		}
		for _, term := range terms {
			if err := p.addTerm(set, field, term); err != nil {
				return element{}, err
			}
		}
	}
	spelled := *l
	spelled.exact = true
	exact, err := p.word(&spelled)
	if err != nil {
		return element{}, err
	}
	return p.anyOf([]element{exact, alike(set, openWeight*rarity(p.documents, set.count()))}), nil
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

// phoneOrSpelled finds a number, or what it is when it is none: words.
func (p *planner) phoneOrSpelled(l *leaf, among docSet) (element, error) {
	numbers, err := p.phones(l.value)
	if err != nil {
		return element{}, err
	}
	spelled := element{set: among.clone()}
	var pieces []element
	for i := range l.spelled {
		e, err := p.leaf(&l.spelled[i], spelled.set)
		if err != nil {
			return element{}, err
		}
		spelled.set.and(e.set)
		pieces = append(pieces, e)
	}
	spelled.ranker = summed(pieces)
	return p.anyOf([]element{alike(numbers, rarity(p.documents, 1)), spelled}), nil
}

// phones is the set of the calls with any of some numbers, written by
// call.PhoneDigits.
func (p *planner) phones(wanted ...string) (docSet, error) {
	set := p.emptySet()
	for _, number := range wanted {
		if number == "" {
			continue
		}
		terms, err := p.phoneTerms(number)
		if err != nil {
			return nil, err
		}
		for _, term := range terms {
			if err := p.addTerm(set, keyPhone, term); err != nil {
				return nil, err
			}
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
