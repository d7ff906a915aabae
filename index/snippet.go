package index

import (
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"

	"callsyncd/call"
)

const (
	maxSnippets = 3
	// maxSnippetRunes is how long a text may be to be shown whole, and how
	// long the stretch of a longer one is.
	maxSnippetRunes = 240
	// leadRunes is how much is shown before the first mark of a stretch.
	leadRunes = 60
	ellipsis  = "…"
	// maxLooked is how much of a text is looked at closely, from its first match
	// on, and of all texts of a call together.
	maxLooked = 64 << 10
	// maxOverlap is how much two looks at a text have in common, for what stands
	// at the border: more than a phrase.
	maxOverlap = 2 * maxPhraseWords * maxWordBytes
)

// highlighter finds the words of a query in the texts of a call. It knows the
// same matches as the index: exact, stemmed, prefix, fuzzy and phrase.
type highlighter struct {
	analyzer *analyzer
	wanted   []wanted
	// initials are the ASCII letters a matching word may begin with.
	initials [utf8.RuneSelf]bool
}

// wanted is one leaf of the query, prepared for comparing.
type wanted struct {
	kind  leafKind
	field string
	words []string
	// terms and stems are what the words of a text may be or come from.
	terms, stems map[string]bool
}

func newHighlighter(a *analyzer, q query) *highlighter {
	h := &highlighter{analyzer: a}
	for i := range q {
		if !q[i].exclude {
			h.add(q[i].leaves)
		}
	}
	return h
}

func (h *highlighter) add(leaves []leaf) {
	for i := range leaves {
		l := &leaves[i]
		switch l.kind {
		case leafID, leafIDPrefix:
			continue
		case leafPhone:
			h.add(l.spelled)
			continue
		}
		w := wanted{kind: l.kind, field: l.field, terms: map[string]bool{}, stems: map[string]bool{}}
		for _, word := range l.words {
			w.words = append(w.words, word.term)
		}
		if l.kind == leafWord {
			w.terms[l.words[0].term] = true
			for _, stem := range h.stems(l) {
				w.stems[stem.language+":"+stem.stem] = true
				if stem.word {
					w.terms[stem.stem] = true
				}
			}
		}
		h.wanted = append(h.wanted, w)
		h.addInitials(&w)
	}
}

func (h *highlighter) stems(l *leaf) []stemOf {
	if l.exact {
		return nil
	}
	return h.analyzer.stems(l.words[0])
}

func (h *highlighter) addInitials(w *wanted) {
	if w.kind == leafFuzzy {
		for i := range h.initials {
			h.initials[i] = true
		}
	}
	add := func(s string) {
		if s != "" && s[0] < utf8.RuneSelf {
			h.initials[s[0]] = true
		}
	}
	for _, word := range w.words {
		add(word)
	}
	for term := range w.terms {
		add(term)
	}
	for stem := range w.stems {
		_, stem, _ = strings.Cut(stem, ":")
		add(stem)
	}
}

// mayMatch returns where in a text a closer look is worthwhile, -1 when it is
// not. Most are not, and whatever begins with another letter is skipped without
// being looked up.
func (h *highlighter) mayMatch(text string) int {
	var buf [maxWordBytes + 2*utf8.UTFMax]byte
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf && !h.initials[lowerASCII(c)] {
			for i++; i < len(text) && text[i] < utf8.RuneSelf && isASCIIWord(text[i]) && isASCIIWord(c); i++ {
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		kind := kindOf(r)
		if kind == runeOther || kind == runeMark {
			i += size
			continue
		}
		end, spelling := scanWord(text, i, kind, buf[:0])
		w := h.analyzer.lookup(spelling)
		for n := range h.wanted {
			if h.wanted[n].mayBe(w) {
				return i
			}
		}
		i = end
	}
	return -1
}

func lowerASCII(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isASCIIWord(c byte) bool {
	c = lowerASCII(c)
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}

// token is one word of a text, with its place in runes.
type token struct {
	start, end int
	word       *word
}

func (h *highlighter) tokens(text string) []token {
	var out []token
	at, runes := 0, 0
	h.analyzer.each(text, func(start, end int, w *word) bool {
		runes += utf8.RuneCountInString(text[at:start])
		length := utf8.RuneCountInString(text[start:end])
		out = append(out, token{runes, runes + length, w})
		at, runes = end, runes+length
		return true
	})
	return out
}

// mayBe reports whether a match may begin with a word.
func (w *wanted) mayBe(word *word) bool {
	if w.kind == leafPhrase {
		return word.term == w.words[0]
	}
	return w.at([]token{{word: word}}, 0) > 0
}

// at returns how many tokens from i on match, 0 when they do not.
func (w *wanted) at(tokens []token, i int) int {
	t := tokens[i].word
	switch w.kind {
	case leafPrefix:
		return one(strings.HasPrefix(t.term, w.words[0]))
	case leafFuzzy:
		return one(withinOne(t.term, w.words[0]))
	case leafPhrase:
		for k, word := range w.words {
			if i+k >= len(tokens) || tokens[i+k].word.term != word {
				return 0
			}
		}
		return len(w.words)
	}
	return one(w.terms[t.term] || slices.ContainsFunc(t.stems, func(stem string) bool { return w.stems[stem] }))
}

func one(matches bool) int {
	if matches {
		return 1
	}
	return 0
}

// withinOne reports whether one insertion, removal or replacement of a letter
// at most turns a into b.
func withinOne(a, b string) bool {
	x, y := []rune(a), []rune(b)
	if len(x) < len(y) {
		x, y = y, x
	}
	if len(x)-len(y) > 1 {
		return false
	}
	i := 0
	for i < len(y) && x[i] == y[i] {
		i++
	}
	if len(x) == len(y) {
		return i == len(x) || slices.Equal(x[i+1:], y[i+1:])
	}
	return slices.Equal(x[i+1:], y[i:])
}

// candidate is a text that may become a snippet.
type candidate struct {
	part     string
	turn     int // -1 outside the transcript
	text     string
	before   bool // there is more of it in front,
	after    bool // and behind
	tokens   []token
	marked   []bool // by token
	distinct int    // leaves that match
}

// window takes what is looked at of a text: from some words before its first
// possible match on.
func window(part string, turn int, text string, first int) *candidate {
	from, to := 0, len(text)
	if to > maxLooked {
		from = wordStart(text, max(0, first-utf8.UTFMax*maxSnippetRunes), first)
		to = min(from+maxLooked, to)
	}
	for n := 1; n < utf8.UTFMax && to < len(text) && !utf8.RuneStart(text[to]); n++ {
		to--
	}
	return &candidate{part: part, turn: turn, text: text[from:to], before: from > 0, after: to < len(text)}
}

// wordStart returns where the first word begins in text[from:limit] that is
// whole, or limit.
func wordStart(text string, from, limit int) int {
	if from == 0 {
		return 0
	}
	for from < limit {
		r, size := utf8.DecodeRuneInString(text[from:])
		switch kindOf(r) {
		case runeSingle:
			return from
		case runeOther:
			if utf8.RuneStart(text[from]) {
				return min(from+size, limit)
			}
		}
		from += size
	}
	return limit
}

// candidate finds the matches in one text; nil when there are none. It looks
// farther on while what may match does not.
func (h *highlighter) candidate(part, field string, turn int, text string) *candidate {
	for at := 0; ; {
		first := h.mayMatch(text[at:])
		if first < 0 {
			return nil
		}
		c := window(part, turn, text, at+first)
		if h.mark(c, field) {
			return c
		}
		if !c.after {
			return nil
		}
		at = max(at+first+1, at+first+len(c.text)-maxOverlap)
	}
}

// mark marks the matches and reports whether there are any.
func (h *highlighter) mark(c *candidate, field string) bool {
	c.tokens = h.tokens(c.text)
	if n := len(c.tokens); n > 0 && c.after && c.tokens[n-1].end == utf8.RuneCountInString(c.text) {
		c.tokens = c.tokens[:n-1] // it may be half a word
	}
	var leaves uint64
	for n := range h.wanted {
		w := &h.wanted[n]
		if w.field != "" && w.field != field {
			continue
		}
		for i := range c.tokens {
			length := w.at(c.tokens, i)
			if length == 0 {
				continue
			}
			if c.marked == nil {
				c.marked = make([]bool, len(c.tokens))
			}
			for k := i; k < i+length; k++ {
				c.marked[k] = true
			}
			leaves |= 1 << (n % 64)
		}
	}
	if leaves == 0 {
		return false
	}
	c.distinct = bits.OnesCount64(leaves)
	return true
}

// snippets returns the best stretches of a call: those with the most different
// elements of the query, then the earliest. A call found by its number, id,
// name or filters only shows how it begins, without marks.
func (h *highlighter) snippets(c *call.Call) []call.Snippet {
	if len(h.wanted) == 0 {
		return h.opening(c)
	}
	top := choice{all: min(len(h.wanted), 64)}
	add := func(part, field string, turn int, text string) {
		if !top.enough() {
			top.add(h.candidate(part, field, turn, text))
		}
	}
	for i := range c.Transcript {
		add("transcript", speakerField(c.Transcript[i].Speaker), i, c.Transcript[i].Text)
	}
	if c.Summary != nil {
		add("summary", textSummary, -1, *c.Summary)
	}
	if c.Note != nil {
		add("note", textNote, -1, *c.Note)
	}
	for _, topic := range c.Topics {
		add("topic", textTopic, -1, topic)
	}
	if len(top.found) == 0 {
		return h.opening(c)
	}
	var out []call.Snippet
	for _, k := range top.found {
		out = append(out, k.snippet(c))
	}
	return out
}

// choice are the candidates to be shown, best first.
type choice struct {
	found  []*candidate
	all    int // elements of the query
	looked int // bytes of text
}

func (o *choice) add(c *candidate) {
	if c == nil {
		return
	}
	o.looked += len(c.text)
	at := len(o.found)
	for at > 0 && o.found[at-1].distinct < c.distinct {
		at--
	}
	o.found = slices.Insert(o.found, at, c)
	o.found = o.found[:min(maxSnippets, len(o.found))]
}

// enough reports whether no better candidate is worth looking for.
func (o *choice) enough() bool {
	n := len(o.found)
	return n == maxSnippets && (o.looked > maxLooked || o.found[n-1].distinct == o.all)
}

func speakerField(s call.Speaker) string {
	switch s {
	case call.SpeakerAgent:
		return textAgent
	case call.SpeakerCustomer:
		return textCustomer
	}
	return textRest
}

func (h *highlighter) opening(c *call.Call) []call.Snippet {
	var k *candidate
	switch {
	case c.Summary != nil && *c.Summary != "":
		k = window("summary", -1, *c.Summary, 0)
	case len(c.Transcript) > 0:
		k = window("transcript", 0, c.Transcript[0].Text, 0)
	default:
		return []call.Snippet{}
	}
	k.tokens = h.tokens(k.text)
	k.marked = make([]bool, len(k.tokens))
	return []call.Snippet{k.snippet(c)}
}

func (k *candidate) snippet(c *call.Call) call.Snippet {
	s := call.Snippet{Part: k.part, Marks: [][2]int{}}
	if k.turn >= 0 {
		turn, number := &c.Transcript[k.turn], k.turn
		speaker := turn.Speaker
		s.Turn, s.Speaker, s.StartSeconds = &number, &speaker, turn.StartSeconds
	}
	runes := []rune(k.text)
	from, to := k.stretch(len(runes))
	shift := -from
	s.Text = string(runes[from:to])
	if from > 0 || k.before {
		s.Text = ellipsis + s.Text
		shift++
	}
	if to < len(runes) || k.after {
		s.Text += ellipsis
	}
	for i, t := range k.tokens {
		if k.marked[i] && t.start >= from && t.end <= to {
			s.Marks = append(s.Marks, [2]int{t.start + shift, t.end + shift})
		}
	}
	return s
}

// stretch chooses what to show of a text: all of it, or the stretch with the
// most marks, cut between words.
func (k *candidate) stretch(length int) (from, to int) {
	if length <= maxSnippetRunes {
		return 0, length
	}
	from, to = k.cut(0, length)
	var marks []int
	for i, marked := range k.marked {
		if marked {
			marks = append(marks, i)
		}
	}
	best, end := 0, 0 // the marks that fit end where those of the next one do, or before
	for i, first := range marks {
		f, t := k.cut(max(0, k.tokens[first].start-leadRunes), length)
		for end = max(end, i); end < len(marks) && k.tokens[marks[end]].end <= t; {
			end++
		}
		if n := end - i; n > best {
			best, from, to = n, f, t
		}
	}
	return from, to
}

// cut returns a stretch that begins at or after start and is no longer than
// allowed, moved to where words begin and end as far as there are any.
func (k *candidate) cut(start, length int) (from, to int) {
	from, to = start, min(start+maxSnippetRunes, length)
	if from > 0 {
		i, _ := slices.BinarySearchFunc(k.tokens, from, func(t token, at int) int { return t.start - at })
		if i < len(k.tokens) && k.tokens[i].start < to {
			from = k.tokens[i].start
			to = min(from+maxSnippetRunes, length)
		}
	}
	if to < length {
		i, _ := slices.BinarySearchFunc(k.tokens, to+1, func(t token, at int) int { return t.end - at })
		if i > 0 && k.tokens[i-1].end > from {
			to = k.tokens[i-1].end
		}
	}
	return from, to
}
