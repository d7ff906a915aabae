package index

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"callsyncd/call"
)

// The limits of a query.
const (
	maxQueryBytes  = 1024
	maxTerms       = 32
	maxPhraseWords = 32
	maxFuzzy       = 4
	maxPrefixes    = 2
	// minOpenLetters is how long word* and word~ must be, so that they select
	// less than everything.
	minOpenLetters = 3
	maxPhoneDigits = 15 // E.164
)

// leafKind is what one element of a query looks for.
type leafKind int

const (
	leafWord leafKind = iota
	leafPhrase
	leafPrefix
	leafFuzzy
	leafID
	leafIDPrefix
	leafPhone
)

// leaf is one element of a query.
type leaf struct {
	kind leafKind
	// field is a text field, or empty for all of them.
	field string
	words []*word
	// exact words are found as they are spelled only, not by their stem.
	exact bool
	// value is the id in lower case, or the phone number as call.PhoneDigits writes it.
	value string
	// spelled is what a phone number is when it is no phone number: words and
	// shorter numbers, all required.
	spelled  []leaf
	position int // in runes
}

// clause is satisfied by any of its leaves, or by none when excluded.
type clause struct {
	leaves  []leaf
	exclude bool
}

// query is satisfied by calls that satisfy every clause.
type query []clause

// fieldNames maps the fields of the language to text fields; id is apart.
var fieldNames = map[string]string{"agent": textAgent, "customer": textCustomer,
	"summary": textSummary, "topic": textTopic, "note": textNote, "id": keyID}

const fieldList = "agent:, customer:, summary:, topic:, note: or id:"

// parseQuery reads the query language. The error is a *call.QueryError.
//
//	query  = clause [AND] clause...   all required
//	clause = leaf | -leaf | NOT leaf | leaf OR leaf...
//	leaf   = [field:] ( word | word* | word~ | "phrase" ) | phone number
//
// Words stand for all that have the same stem, but not between quotes.
// OR joins its two neighbours only: one two OR three means one and (two or three),
// and so does one AND two OR three. In lower case, and, or and not are words.
func parseQuery(a *analyzer, text string) (query, error) {
	p := parser{analyzer: a, text: []rune(text)}
	if len(text) > maxQueryBytes {
		fits := strings.ToValidUTF8(text[:maxQueryBytes], "")
		return nil, p.errorAt(min(utf8.RuneCountInString(fits), len(p.text)), "the query is longer than %d bytes", maxQueryBytes)
	}
	if err := p.clauses(); err != nil {
		return nil, err
	}
	return p.query, p.check()
}

type parser struct {
	analyzer *analyzer
	text     []rune
	at       int
	query    query
	// operator waits for what is right of it; empty when none does.
	operator   operator
	operatorAt int
}

// operator is a word in upper case that is not searched for.
type operator string

const (
	and operator = "AND" // says what is so without it
	or  operator = "OR"  // the next leaf is an alternative of the last clause
	not operator = "NOT" // the next leaf is excluded
)

func (p *parser) errorAt(position int, format string, args ...any) error {
	return &call.QueryError{Position: position, Message: fmt.Sprintf(format, args...)}
}

func (p *parser) clauses() error {
	for p.skipSpace(); p.at < len(p.text); p.skipSpace() {
		if err := p.clause(); err != nil {
			return err
		}
	}
	if p.operator != "" {
		return p.errorAt(p.operatorAt, "%s needs something on its right", p.operator)
	}
	return nil
}

func (p *parser) skipSpace() {
	for p.at < len(p.text) && unicode.IsSpace(p.text[p.at]) {
		p.at++
	}
}

// ends reports whether the text or the word ends at position i.
func (p *parser) ends(i int) bool { return i >= len(p.text) || unicode.IsSpace(p.text[i]) }

func (p *parser) clause() error {
	start := p.at
	if op := p.readOperator(); op != "" {
		return p.startOperator(op, start)
	}
	dash := p.text[p.at] == '-' && !p.ends(p.at+1)
	if dash {
		p.at++
	}
	switch {
	case dash && p.operator == or:
		return p.errorAt(start, noExcludedAlternative)
	case dash && p.operator == not:
		return p.errorAt(start, "NOT and - both exclude: leave out one of them")
	}
	exclude := dash || p.operator == not
	l, err := p.leaf(exclude)
	switch {
	case err != nil:
		return err
	case l == nil && dash:
		return p.errorAt(start, "- excludes nothing: a word must follow it")
	case l == nil && p.operator != "":
		return p.errorAt(p.operatorAt, "%s needs a word on its right", p.operator)
	case l == nil: // punctuation
		return nil
	}
	if p.operator == or {
		last := &p.query[len(p.query)-1]
		last.leaves = append(last.leaves, *l)
	} else {
		p.query = append(p.query, clause{leaves: []leaf{*l}, exclude: exclude})
	}
	p.operator = ""
	return nil
}

const noExcludedAlternative = "an excluded word cannot be an alternative: leave out the OR"

// readOperator steps over an operator that stands by itself; it returns empty
// when something else is there.
func (p *parser) readOperator() operator {
	for _, op := range []operator{and, or, not} {
		if end := p.at + len(op); end <= len(p.text) && p.ends(end) && string(p.text[p.at:end]) == string(op) {
			p.at = end
			return op
		}
	}
	return ""
}

func (p *parser) startOperator(op operator, at int) error {
	switch {
	case p.operator == or && op == not:
		return p.errorAt(at, noExcludedAlternative)
	case p.operator != "" && (p.operator != and || op != not):
		return p.errorAt(at, "%s follows %s: put a word between them, or %q in quotes to search for it", op, p.operator, op)
	case op != not && len(p.query) == 0:
		return p.errorAt(at, "%s needs something on its left", op)
	case op == or && p.query[len(p.query)-1].exclude:
		return p.errorAt(at, noExcludedAlternative)
	}
	p.operator, p.operatorAt = op, at
	return nil
}

// leaf reads one element; nil when it holds no letter or digit.
func (p *parser) leaf(excluded bool) (*leaf, error) {
	start := p.at
	field, err := p.field()
	if err != nil {
		return nil, err
	}
	if field == "" {
		if l := p.phone(excluded); l != nil {
			return l, nil
		}
	}
	var l *leaf
	switch {
	case p.text[p.at] == '"':
		l, err = p.phrase(field)
	case field == keyID:
		return p.id(), nil
	default:
		l, err = p.word(field)
	}
	if err == nil && l == nil && field != "" {
		return nil, p.errorAt(start, "%s: holds no word to search for", field)
	}
	return l, err
}

// field reads "name:" in front of a leaf.
func (p *parser) field() (string, error) {
	start, i := p.at, p.at
	for i < len(p.text) && (p.text[i] >= 'a' && p.text[i] <= 'z' || p.text[i] >= 'A' && p.text[i] <= 'Z' || p.text[i] == '_') {
		i++
	}
	if i == start || i >= len(p.text) || p.text[i] != ':' || strings.HasPrefix(string(p.text[i:]), "://") {
		return "", nil
	}
	name := string(p.text[start:i])
	field, ok := fieldNames[strings.ToLower(name)]
	switch {
	case !ok && p.ends(i+1): // a colon as people write it
		return "", nil
	case !ok:
		return "", p.errorAt(start, "there is no field %s: use %s, or put the words in quotes", name, fieldList)
	case p.ends(i + 1):
		return "", p.errorAt(i, "%s: needs a word right after the colon", name)
	}
	p.at = i + 1
	return field, nil
}

func (p *parser) phrase(field string) (*leaf, error) {
	start := p.at
	end := start + 1
	for end < len(p.text) && p.text[end] != '"' {
		end++
	}
	if end >= len(p.text) {
		return nil, p.errorAt(start, "the quote is never closed")
	}
	p.at = end + 1
	if p.at < len(p.text) && (p.text[p.at] == '*' || p.text[p.at] == '~') {
		return nil, p.errorAt(p.at, "%c works on single words only, not on phrases", p.text[p.at])
	}
	content := string(p.text[start+1 : end])
	if field == keyID {
		return &leaf{kind: leafID, value: strings.ToLower(content), position: start}, nil
	}
	words := p.analyzer.words(content)
	switch {
	case len(words) == 0:
		return nil, p.errorAt(start, "there is no word between the quotes")
	case len(words) > maxPhraseWords:
		return nil, p.errorAt(start, "a phrase may have at most %d words", maxPhraseWords)
	}
	l := phraseOf(field, words, start)
	l.exact = true
	return l, nil
}

func phraseOf(field string, words []*word, position int) *leaf {
	kind := leafPhrase
	if len(words) == 1 {
		kind = leafWord
	}
	return &leaf{kind: kind, field: field, words: words, position: position}
}

// chunk reads up to the next space or quote.
func (p *parser) chunk() string {
	start := p.at
	for !p.ends(p.at) && p.text[p.at] != '"' {
		p.at++
	}
	return string(p.text[start:p.at])
}

func (p *parser) id() *leaf {
	l := &leaf{kind: leafID, position: p.at}
	value, open := strings.CutSuffix(p.chunk(), "*")
	if open && value != "" {
		l.kind = leafIDPrefix
	}
	l.value = strings.ToLower(value)
	return l
}

func (p *parser) word(field string) (*leaf, error) {
	start := p.at
	chunk := p.chunk()
	body, kind := chunk, leafWord
	switch {
	case strings.HasSuffix(chunk, "*"):
		body, kind = chunk[:len(chunk)-1], leafPrefix
	case strings.HasSuffix(chunk, "~"):
		body, kind = chunk[:len(chunk)-1], leafFuzzy
	}
	if i := strings.IndexAny(body, "*~"); i >= 0 {
		at := start + utf8.RuneCountInString(body[:i])
		return nil, p.errorAt(at, "%c can only stand once, at the end of a word", body[i])
	}
	words := p.analyzer.words(body)
	if kind == leafWord {
		if len(words) == 0 {
			return nil, nil
		}
		if len(words) > maxPhraseWords {
			return nil, p.errorAt(start, "a word may have at most %d parts", maxPhraseWords)
		}
		return phraseOf(field, words, start), nil
	}
	mark := chunk[len(chunk)-1]
	switch {
	case len(words) > 1:
		return nil, p.errorAt(start, "%c works on single words only", mark)
	case len(words) == 0 || utf8.RuneCountInString(words[0].term) < minOpenLetters:
		return nil, p.errorAt(start, "%c needs at least %d letters in front of it", mark, minOpenLetters)
	}
	return &leaf{kind: kind, field: field, words: words, position: start}, nil
}

// phone reads a phone number, in one piece or in several with spaces between
// them; nil when there is none.
func (p *parser) phone(onePiece bool) *leaf {
	var pieces []leaf
	start, end, digits := p.at, p.at, 0
	for i := p.at; i < len(p.text); {
		stop, n := p.phonePiece(i)
		if n == 0 || digits+n > maxPhoneDigits || len(pieces) > 0 && (onePiece || p.text[i] == '+' || p.text[i] == '-') {
			break
		}
		end, digits = stop, digits+n
		pieces = append(pieces, p.spelled(i, stop, n))
		for i = stop; i < len(p.text) && unicode.IsSpace(p.text[i]); i++ {
		}
	}
	if digits < call.MinPhoneDigits {
		return nil
	}
	p.at = end
	if len(pieces) == 1 && pieces[0].kind == leafPhone {
		return &pieces[0]
	}
	return &leaf{kind: leafPhone, value: call.PhoneDigits(string(p.text[start:end])), spelled: pieces, position: start}
}

// phonePiece reads one run of the characters of phone numbers. It returns
// zero digits when the run is followed by anything else.
func (p *parser) phonePiece(i int) (end, digits int) {
	for end = i; !p.ends(end); end++ {
		switch r := p.text[end]; {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("+()-./‐‑–", r):
			return end, 0
		}
	}
	return end, digits
}

// spelled is one piece of a phone number read as words, or as a shorter number.
func (p *parser) spelled(start, end, digits int) leaf {
	text := string(p.text[start:end])
	words := *phraseOf("", p.analyzer.words(text), start)
	if digits < call.MinPhoneDigits {
		return words
	}
	return leaf{kind: leafPhone, value: call.PhoneDigits(text), spelled: []leaf{words}, position: start}
}

// check applies the limits that concern the whole query.
func (p *parser) check() error {
	terms, fuzzy, prefixes, positive, excluded := 0, 0, 0, false, -1
	for i := range p.query {
		c := &p.query[i]
		positive = positive || !c.exclude
		for j := range c.leaves {
			l := &c.leaves[j]
			terms++
			switch l.kind {
			case leafFuzzy:
				fuzzy++
			case leafPrefix, leafIDPrefix:
				prefixes++
			}
			switch {
			case terms > maxTerms:
				return p.errorAt(l.position, "a query may have at most %d words, phrases and numbers", maxTerms)
			case fuzzy > maxFuzzy:
				return p.errorAt(l.position, "a query may have at most %d words with ~", maxFuzzy)
			case prefixes > maxPrefixes:
				return p.errorAt(l.position, "a query may have at most %d words with *", maxPrefixes)
			}
			if c.exclude && excluded < 0 {
				excluded = l.position
			}
		}
	}
	switch {
	case positive:
		return nil
	case excluded >= 0:
		return p.errorAt(excluded, "there are only exclusions: say also what to search for")
	}
	return p.errorAt(0, "there is nothing to search for: the query holds no word and no number")
}
