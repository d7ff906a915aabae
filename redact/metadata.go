package redact

import (
	"bytes"
	"encoding/json"
	"io"
	"math/big"
	"strings"
	"unicode"
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

func (w *walker) walk() error {
	dec := json.NewDecoder(bytes.NewReader(w.raw))
	dec.UseNumber()
	for {
		before := int(dec.InputOffset())
		tok, err := dec.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		end := int(dec.InputOffset())
		start := end - len(bytes.TrimLeft(w.raw[before:end], " \t\r\n,:"))
		w.token(tok, start, end)
	}
}

// token handles the token at raw[start:end].
func (w *walker) token(tok json.Token, start, end int) {
	switch v := tok.(type) {
	case json.Delim:
		if v == '{' || v == '[' {
			w.levels = append(w.levels, level{object: v == '{'})
			return
		}
		w.levels = w.levels[:len(w.levels)-1]
	case string:
		if l := w.top(); l != nil && l.object && !l.atValue {
			l.key, l.atValue = v, true
			hidden, changed := Text(v)
			w.replace(hidden, changed, start, end)
			return
		}
		w.value(v, start, end)
	case json.Number:
		w.value(integer(v.String()), start, end)
	}
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
