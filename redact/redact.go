package redact

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"callsyncd/call"
)

// Text hides the card data in s and reports whether there was any. The result
// has as many runes as s. Hiding twice changes nothing more. Text is safe for
// concurrent use, like everything in this package.
func Text(s string) (string, bool) {
	texts := []string{s}
	changed := hide(texts, []int{0})
	return texts[0], changed
}

// Turns hides the card data in the texts of a transcript, also when a number
// or a security code and its name are spread over several turns, and reports
// whether there was any. It returns turns itself when there was none, else a
// changed copy.
func Turns(turns []call.Turn) ([]call.Turn, bool) {
	texts, speakers := make([]string, len(turns)), make([]int, len(turns))
	type voice struct {
		speaker call.Speaker
		label   string
	}
	known := map[voice]int{}
	for i, t := range turns {
		v := voice{speaker: t.Speaker}
		if t.Label != nil {
			v.label = *t.Label
		}
		if _, ok := known[v]; !ok {
			known[v] = len(known)
		}
		texts[i], speakers[i] = t.Text, known[v]
	}
	if !hide(texts, speakers) {
		return turns, false
	}
	turns = slices.Clone(turns)
	for i := range turns {
		turns[i].Text = texts[i]
	}
	return turns, true
}

// Call returns c with the card data hidden in its transcript, summary, note,
// topics and metadata. A number of the metadata that had to be hidden is a
// string afterwards. Nothing c points to is changed.
func Call(c call.Call) call.Call {
	c.Transcript, _ = Turns(c.Transcript)
	c.Summary, c.Note = optional(c.Summary), optional(c.Note)
	for i, topic := range c.Topics {
		if hidden, changed := Text(topic); changed {
			c.Topics = slices.Clone(c.Topics)
			c.Topics[i] = hidden
		}
	}
	c.Metadata = metadata(c.Metadata)
	return c
}

func optional(s *string) *string {
	if s == nil {
		return nil
	}
	if hidden, changed := Text(*s); changed {
		return &hidden
	}
	return s
}

// hide hides the card data of a dialogue in place. What is hidden separates
// what was beside it, which may then stand alone, so it looks again until it
// finds nothing.
func hide(texts []string, speakers []int) bool {
	changed := false
	for {
		spans := examine(texts, speakers)
		again := false
		for len(spans) > 0 {
			n := 1
			for n < len(spans) && spans[n].piece == spans[0].piece {
				n++
			}
			hidden := cover(texts[spans[0].piece], spans[:n])
			again = again || hidden != texts[spans[0].piece]
			texts[spans[0].piece] = hidden
			spans = spans[n:]
		}
		if !again {
			return changed
		}
		changed = true
	}
}

// largeBytes is how long dialogues are that are examined in stretches: while it is
// examined, each byte of a text of numbers takes a hundred of memory.
const largeBytes = 256 << 10

// examine returns what is to be hidden, by piece.
func examine(texts []string, speakers []int) []span {
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	var hidden []span
	if size > largeBytes {
		hidden = stretches(texts, speakers)
	} else {
		const perToken = 16 // bytes of text, at most, in most talks
		d := dialogue{pieces: make([]piece, 0, len(texts)), tokens: make([]token, 0, size/perToken)}
		hidden = d.examine(texts, speakers)
	}
	slices.SortStableFunc(hidden, func(a, b span) int { return int(a.piece - b.piece) })
	return hidden
}

// examine is examine in the memory of the dialogue that was examined before. What
// it returns is valid until the next one is.
func (d *dialogue) examine(texts []string, speakers []int) []span {
	d.pieces, d.tokens, d.atoms, d.digits, d.words, d.hidden = d.pieces[:0], d.tokens[:0], d.atoms[:0], d.digits[:0], 0, d.hidden[:0]
	for i, text := range texts {
		d.scan(text, speakers[i])
	}
	if !d.worthwhile() {
		return nil
	}
	for p := range d.pieces {
		d.join(p)
	}
	chains, readings := d.chains(), d.readings()
	for _, r := range readings {
		for _, chain := range chains {
			d.runs(chain, r, func(run []int) { d.cards(run, false) })
		}
		if slices.Max(speakers) > 0 {
			d.runs(d.everybody(), r, func(run []int) { d.cards(run, true) })
		}
	}
	d.codes(chains, readings)
	return d.hidden
}

// worthwhile reports whether there are enough digits for a security code, and
// makes room for the atoms.
func (d *dialogue) worthwhile() bool {
	words, digits := 0, int32(0)
	for i := range d.tokens {
		t := &d.tokens[i]
		if t.kind&(kindDigit|kindPlural) == 0 {
			continue
		}
		words++
		digits += max(t.n, 1)
		if t.kind&kindRepeat != 0 {
			digits++
		}
	}
	d.atoms = slices.Grow(d.atoms, words)
	return digits > 1
}

// cover replaces the letters and digits of s inside spans, which it sorts.
func cover(s string, spans []span) string {
	slices.SortFunc(spans, func(a, b span) int { return int(a.start - b.start) })
	var b strings.Builder
	end := 0 // of the spans that begin before i
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		for len(spans) > 0 && int(spans[0].start) <= i {
			end = max(end, int(spans[0].end))
			spans = spans[1:]
		}
		if i < end && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			b.WriteRune(mask)
		} else {
			b.WriteString(s[i : i+n])
		}
	}
	return b.String()
}
