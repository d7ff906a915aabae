package index

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/analysis/char/asciifolding"
	"github.com/blevesearch/bleve/v2/analysis/token/unicodenorm"
)

const (
	// maxWordBytes is where longer words are cut, in texts and queries alike.
	maxWordBytes = 128
	// maxKnownWords bounds the memory of the analyzer.
	maxKnownWords = 1 << 16
)

// word is what one spelling is searched by.
type word struct {
	// term is in lower case and without diacritics.
	term  string
	bytes []byte // of term; never changed
	// stems holds "language:stem" for every language whose stem differs from term.
	stems []string
}

// analyzer finds the words of a text. It is safe for concurrent use.
type analyzer struct {
	stemmers []stemmer
	mu       sync.RWMutex
	known    map[string]*word // by lower case spelling
}

func newAnalyzer(languages []string) (*analyzer, error) {
	stemmers, err := newStemmers(languages)
	if err != nil {
		return nil, err
	}
	return &analyzer{stemmers: stemmers, known: map[string]*word{}}, nil
}

// each calls fn for every word of text with its place in bytes, until fn
// returns false.
func (a *analyzer) each(text string, fn func(start, end int, w *word) bool) {
	var buf [maxWordBytes + 2*utf8.UTFMax]byte
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		kind := kindOf(r)
		if kind == runeOther || kind == runeMark {
			i += size
			continue
		}
		end, spelling := scanWord(text, i, kind, buf[:0])
		if !fn(i, end, a.lookup(spelling)) {
			return
		}
		i = end
	}
}

// words returns the words of a text in order.
func (a *analyzer) words(text string) []*word {
	var out []*word
	a.each(text, func(_, _ int, w *word) bool {
		out = append(out, w)
		return true
	})
	return out
}

// scanWord reads the word that begins at start, and appends its lower case
// spelling to buf, cut at maxWordBytes.
func scanWord(text string, start int, kind runeKind, buf []byte) (end int, spelling []byte) {
	last := kind
	for end = start; end < len(text); {
		r, size := rune(text[end]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[end:])
		}
		switch k := kindOf(r); {
		case end == start, k == runeMark:
		case kind == runeSingle:
			return end, buf
		case k == runeLetter || k == runeDigit:
			last = k
		case isApostrophe(r) && last == runeLetter && letterFollows(text[end+size:]):
			r = '\''
		default:
			return end, buf
		}
		if len(buf) < maxWordBytes {
			buf = appendLower(buf, r)
		}
		end += size
	}
	return end, buf
}

func letterFollows(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return kindOf(r) == runeLetter
}

func isApostrophe(r rune) bool { return r == '\'' || r == '’' || r == 'ʼ' || r == '＇' }

func appendLower(buf []byte, r rune) []byte {
	switch {
	case 'A' <= r && r <= 'Z':
		return append(buf, byte(r)+'a'-'A')
	case r < utf8.RuneSelf:
		return append(buf, byte(r))
	case r == 'ς': // the sigma at the end of a word
		r = 'σ'
	}
	return utf8.AppendRune(buf, unicode.ToLower(r))
}

// runeKind is the part a rune plays in words.
type runeKind uint8

const (
	runeOther  runeKind = iota
	runeLetter          // makes words together with its neighbours
	runeDigit
	runeMark   // belongs to the letter before it
	runeSingle // is a word by itself: scripts written without spaces
)

// unspaced are the scripts that put no spaces between words.
var unspaced = []*unicode.RangeTable{unicode.Han, unicode.Hiragana, unicode.Katakana,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar}

func kindOf(r rune) runeKind {
	switch {
	case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
		return runeLetter
	case '0' <= r && r <= '9':
		return runeDigit
	case r < utf8.RuneSelf || r == utf8.RuneError:
		return runeOther
	case unicode.IsMark(r):
		return runeMark
	case unicode.IsNumber(r):
		return runeDigit
	case !unicode.IsLetter(r):
		return runeOther
	case r >= 0x0E00 && unicode.In(r, unspaced...):
		return runeSingle
	}
	return runeLetter
}

// lookup returns the word of a lower case spelling.
func (a *analyzer) lookup(spelling []byte) *word {
	a.mu.RLock()
	w, ok := a.known[string(spelling)]
	a.mu.RUnlock()
	if ok {
		return w
	}
	w = a.analyze(string(spelling))
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.known) >= maxKnownWords {
		a.known = map[string]*word{}
	}
	a.known[string(spelling)] = w
	return w
}

func (a *analyzer) analyze(spelling string) *word {
	w := &word{term: fold(spelling)}
	w.bytes = []byte(w.term)
	for i := range a.stemmers {
		s := &a.stemmers[i]
		if stem := fold(s.stem(spelling)); stem != "" && stem != w.term {
			w.stems = append(w.stems, s.language+":"+stem)
		}
	}
	return w
}

var (
	folding   = asciifolding.New()
	decompose = unicodenorm.MustNewUnicodeNormalizeFilter(unicodenorm.NFD)
	compose   = unicodenorm.MustNewUnicodeNormalizeFilter(unicodenorm.NFC)
)

// fold drops diacritics, so that composed and decomposed spellings, and those
// of people without the right keyboard, meet.
func fold(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return foldRunes(s)
		}
	}
	return s
}

func foldRunes(s string) string {
	bare := strings.Map(dropPoints, normalize(decompose, s))
	folded := folding.Filter([]byte(normalize(compose, bare)))
	if len(folded) == 0 {
		return s
	}
	return string(folded)
}

func normalize(form *unicodenorm.UnicodeNormalizeFilter, s string) string {
	return string(form.Filter(analysis.TokenStream{{Term: []byte(s)}})[0].Term)
}

// dropPoints drops combining diacritics and the vowel points of Hebrew and
// Arabic. Vowel signs of Indic scripts are letters to their readers and stay.
func dropPoints(r rune) rune {
	switch {
	case 0x0300 <= r && r <= 0x036F, 0x0591 <= r && r <= 0x05C7, 0x064B <= r && r <= 0x065F, r == 0x0670:
		return -1
	}
	return r
}

// stemOf is the stem of a word in one language.
type stemOf struct {
	language, stem string
	// word is true when the stem differs from the word and is a word that has
	// itself for a stem, so that calls with that very word match too.
	word bool
}

// stems returns what w is reduced to in each language.
func (a *analyzer) stems(w *word) []stemOf {
	out := make([]stemOf, len(a.stemmers))
	for i := range a.stemmers {
		language := a.stemmers[i].language
		out[i] = stemOf{language: language, stem: w.term}
		if stem := w.stem(language); stem != "" {
			out[i].stem = stem
			out[i].word = a.lookup([]byte(stem)).stem(language) == ""
		}
	}
	return out
}

// stem returns the stem of one language; empty when it is the word itself.
func (w *word) stem(language string) string {
	for _, stem := range w.stems {
		if rest, ok := strings.CutPrefix(stem, language+":"); ok {
			return rest
		}
	}
	return ""
}
