package redact

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"
)

// metadata hides the card data in the strings, keys and numbers of a JSON
// value. Keys label what they hold. The rest keeps its bytes; so does a value
// in which nothing is hidden. What is no JSON is treated as text.
func metadata(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return raw
	}
	w := walker{raw: raw}
	if err := w.walk(); err != nil {
		if hidden, changed := Text(string(raw)); changed {
			return json.RawMessage(hidden)
		}
		return raw
	}
	if w.out == nil {
		return raw
	}
	return append(w.out, raw[w.copied:]...)
}

// walker rewrites the tokens of a JSON value that hold card data.
type walker struct {
	raw, out []byte
	copied   int // bytes of raw that out stands for
	levels   []level
}

// level is an object or array the walker is in.
type level struct {
	object, atValue bool
	key             string
}

var errNoJSON = errors.New("not one JSON value")

// walk visits the tokens in place: most of a call may be here.
func (w *walker) walk() error {
	if !json.Valid(w.raw) {
		return errNoJSON
	}
	for i := 0; i < len(w.raw); {
		switch c := w.raw[i]; {
		case c == '{' || c == '[':
			w.levels = append(w.levels, level{object: c == '{'})
			i++
		case c == '}' || c == ']':
			w.levels = w.levels[:len(w.levels)-1]
			w.valueDone()
			i++
		case c == '"':
			end := endOfString(w.raw, i)
			w.text(unquote(w.raw[i:end]), i, end)
			i = end
		case c == '-' || '0' <= c && c <= '9':
			end := i + 1
			for end < len(w.raw) && strings.IndexByte("+-.0123456789Ee", w.raw[end]) >= 0 {
				end++
			}
			w.value(integer(string(w.raw[i:end])), i, end)
			w.valueDone()
			i = end
		case 'a' <= c && c <= 'z': // true, false, null
			for i < len(w.raw) && 'a' <= w.raw[i] && w.raw[i] <= 'z' {
				i++
			}
			w.valueDone()
		default:
			i++
		}
	}
	return nil
}

// endOfString returns what follows the string that begins at start.
func endOfString(raw []byte, start int) int {
	i := start + 1
	for ; raw[i] != '"'; i++ {
		if raw[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// unquote decodes a valid JSON string.
func unquote(quoted []byte) string {
	if inner := quoted[1 : len(quoted)-1]; bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		panic("redact: a valid string does not decode: " + err.Error())
	}
	return s
}

// text handles the string at raw[start:end], a key or a value.
func (w *walker) text(s string, start, end int) {
	if l := w.top(); l != nil && l.object && !l.atValue {
		l.key, l.atValue = s, true
		hidden, changed := Text(s)
		w.replace(hidden, changed, start, end)
		return
	}
	w.value(s, start, end)
	w.valueDone()
}

// valueDone notes that a key comes next where there are keys.
func (w *walker) valueDone() {
	if l := w.top(); l != nil {
		l.atValue = false
	}
}

func (w *walker) top() *level {
	if len(w.levels) == 0 {
		return nil
	}
	return &w.levels[len(w.levels)-1]
}

// value hides the card data of a value.
func (w *walker) value(v string, start, end int) {
	texts := []string{w.label(), v}
	hide(texts, []int{0, 1})
	w.replace(texts[1], texts[1] != v, start, end)
}

// label is the words of the keys that lead to the value.
func (w *walker) label() string {
	var b strings.Builder
	for _, l := range w.levels[max(0, len(w.levels)-3):] {
		lower := false
		for _, r := range l.key {
			if lower && unicode.IsUpper(r) {
				b.WriteByte(' ')
			}
			lower = unicode.IsLower(r) || unicode.IsDigit(r)
			b.WriteRune(r)
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// replace puts the JSON string s in the place of raw[start:end].
func (w *walker) replace(s string, changed bool, start, end int) {
	if !changed {
		return
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic("redact: a string is no JSON: " + err.Error()) // every string is
	}
	w.out = append(append(w.out, w.raw[w.copied:start]...), bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
	w.copied = end
}

// integer writes a JSON number without fraction and exponent when it has 13
// to 19 digits before the point and none but zeros after it, as programs that
// know only floating point write long numbers.
func integer(number string) string {
	if len(number) > 40 || !strings.ContainsAny(number, ".eE") {
		return number
	}
	const enough = 128 // bits of precision
	f, _, err := big.ParseFloat(number, 10, enough, big.ToNearestEven)
	if err != nil || !f.IsInt() || f.MantExp(nil) > 64 {
		return number
	}
	return f.Text('f', 0)
}
