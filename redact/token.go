package redact

import (
	"unicode"
	"unicode/utf8"
)

// gap says what lies between a token and the one before it in its piece.
type gap uint8

const (
	gapSpace  gap = 1 << iota
	gapHyphen     // dashes and underscores
	gapDot
	gapComma // also other punctuation of speech, brackets and quotes
	gapMoney // a currency sign
	gapPlus
	gapOther // any other sign
	gapWord  // words outside the vocabulary

	gapHard = gapMoney | gapPlus | gapOther | gapWord
)

// token is a word of the vocabulary, a block of numerals, or something hidden.
type token struct {
	start, end int32 // bytes in the piece
	word       int32 // ordinal among all words of the dialogue
	lo, n      int32 // digits of a block, in dialogue.digits
	kind       kind
	gap        gap
	val        uint8
	// glued is set for a block that touches letters.
	glued bool
	// maybe is set when the token is a digit in some readings only.
	maybe reading
}

// piece is one text with one speaker, such as a turn.
type piece struct {
	text             string
	speaker          int
	tokens, endToken int // range in dialogue.tokens
	atoms, endAtom   int // range in dialogue.atoms
	words            int32
	tail             gap // after the last token
	plain            int // words outside the vocabulary
}

// dialogue is a sequence of pieces while it is examined.
type dialogue struct {
	pieces []piece
	tokens []token
	atoms  []atom
	digits []byte // values 0 to 9, of blocks and atoms
	words  int32
	hidden []span
	// stretch is set when it is a part of a larger one.
	stretch bool
}

// span is a stretch of bytes of a piece whose digits and letters are hidden.
type span struct {
	piece, start, end int32
}

// mask stands for each hidden digit and letter.
const mask = '•'

// class of a byte.
type class uint8

const (
	classOther class = iota
	classLetter
	classDigit
	classSpace
	classHyphen
	classDot
	classComma
	classMoney
	classPlus
	classHigh // not ASCII
)

var classes = func() (table [256]class) {
	for set, c := range map[string]class{
		" \t\r\n\v\f": classSpace, "-_": classHyphen, ".": classDot, ",;?!\"'()[]": classComma,
		"$": classMoney, "+": classPlus, "0123456789": classDigit,
	} {
		for i := range len(set) {
			table[set[i]] = c
		}
	}
	for c := 'a'; c <= 'z'; c++ {
		table[c], table[c-'a'+'A'] = classLetter, classLetter
	}
	for c := utf8.RuneSelf; c < len(table); c++ {
		table[c] = classHigh
	}
	return table
}()

var gapOf = [...]gap{classOther: gapOther, classSpace: gapSpace, classHyphen: gapHyphen, classDot: gapDot,
	classComma: gapComma, classMoney: gapMoney, classPlus: gapPlus}

// scan appends a piece and its tokens.
func (d *dialogue) scan(text string, speaker int) {
	p := piece{text: text, speaker: speaker, tokens: len(d.tokens)}
	first := d.words
	var g gap
	for i := 0; i < len(text); {
		var t token
		start, c := i, classes[text[i]]
		if c == classHigh {
			c, i = classifyRune(text, i)
		}
		switch c {
		case classLetter:
			var e entry
			e, i = word(text, start)
			t = token{kind: e.kind, val: e.val}
		case classDigit:
			t, i = d.block(text, start)
		case classHigh:
			t, i = token{kind: kindMasked}, masked(text, start)
		default:
			g |= gapOf[c]
			i = max(i, start+1)
			continue
		}
		d.words++
		if t.kind == 0 {
			g |= gapWord
			p.plain++
			continue
		}
		t.start, t.end, t.word, t.gap = int32(start), int32(i), d.words, g
		d.tokens = append(d.tokens, t)
		g = 0
	}
	p.tail, p.endToken, p.words = g, len(d.tokens), d.words-first
	d.pieces = append(d.pieces, p)
}

// classifyRune classifies the rune at i, which is not ASCII, and returns where
// the next one begins. The mask is classHigh.
func classifyRune(s string, i int) (class, int) {
	r, n := utf8.DecodeRuneInString(s[i:])
	c := classOther
	switch {
	case r == mask && (n+i == len(s) || s[i+n] != ' ' || i > 0 && s[i-1] != '\n'):
		c = classHigh // a bullet at the start of a line is none
	case unicode.IsLetter(r):
		c = classLetter
	case unicode.Is(unicode.Nd, r):
		c = classDigit
	case unicode.IsSpace(r), unicode.IsMark(r), unicode.Is(unicode.Cf, r):
		c = classSpace
	case unicode.Is(unicode.Pd, r):
		c = classHyphen
	case r == '…', r == '·':
		c = classDot
	case unicode.Is(unicode.Sc, r):
		c = classMoney
	case unicode.IsPunct(r):
		c = classComma
	}
	return c, i + n
}

// masked returns the end of the row of masks at i.
func masked(s string, i int) int {
	for i < len(s) {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r != mask {
			break
		}
		i += n
	}
	return i
}

// word looks up the word at i and returns its end. Apostrophes inside it do
// not count: "it's" is "its".
func word(s string, i int) (entry, int) {
	var lower [longest]byte
	n := 0
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case classes[c] == classLetter:
			if n < len(lower) {
				lower[n] = c | 0x20
			}
			n++
		case c == '\'' && i+1 < len(s) && classes[s[i+1]] == classLetter:
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			apostrophe := r == '’' && i+size < len(s) && classes[s[i+size]] == classLetter
			if !apostrophe && !unicode.IsLetter(r) && !unicode.IsMark(r) {
				return lookup(&lower, n), i
			}
			if !apostrophe {
				n = longest + 1 // no English word
			}
			i += size - 1
		default:
			return lookup(&lower, n), i
		}
	}
	return lookup(&lower, n), i
}

func lookup(word *[longest]byte, n int) entry {
	if n == 0 || n > longest || lengths[word[0]-'a'][word[n-1]-'a']&(1<<n) == 0 {
		return entry{}
	}
	return vocabulary[string(word[:n])]
}

// block reads the numerals at i and returns their end.
func (d *dialogue) block(s string, i int) (token, int) {
	t := token{kind: kindBlock, lo: int32(len(d.digits))}
	if r, _ := utf8.DecodeLastRuneInString(s[:i]); unicode.IsLetter(r) {
		t.glued = true
	}
	for i < len(s) {
		v, n := digit(s[i:])
		if n == 0 {
			break
		}
		d.digits = append(d.digits, v)
		i += n
	}
	if r, _ := utf8.DecodeRuneInString(s[i:]); unicode.IsLetter(r) {
		t.glued = true
	}
	t.n = int32(len(d.digits)) - t.lo
	return t, i
}

// digit returns the value and the bytes of the numeral s begins with, 0 bytes
// for none.
func digit(s string) (value byte, size int) {
	if c := s[0]; c < utf8.RuneSelf {
		if classes[c] != classDigit {
			return 0, 0
		}
		return c - '0', 1
	}
	r, size := utf8.DecodeRuneInString(s)
	for _, set := range unicode.Nd.R16 {
		if rune(set.Lo) <= r && r <= rune(set.Hi) {
			return byte((r - rune(set.Lo)) % 10), size
		}
	}
	for _, set := range unicode.Nd.R32 {
		if rune(set.Lo) <= r && r <= rune(set.Hi) {
			return byte((r - rune(set.Lo)) % 10), size
		}
	}
	return 0, 0
}
