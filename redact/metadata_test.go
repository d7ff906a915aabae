package redact

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// decoded walks the tokens as encoding/json finds them.
func decoded(raw []byte) ([]byte, error) {
	w := walker{raw: raw}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	for {
		before := int(dec.InputOffset())
		tok, err := dec.Token()
		if err == io.EOF {
			return append(w.out, raw[w.copied:]...), nil
		}
		if err != nil {
			return nil, err
		}
		end := int(dec.InputOffset())
		start := end - len(bytes.TrimLeft(raw[before:end], " \t\r\n,:"))
		switch v := tok.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				w.levels = append(w.levels, level{object: v == '{'})
				continue
			}
			w.levels = w.levels[:len(w.levels)-1]
			w.valueDone()
		case string:
			w.text(v, start, end)
		case json.Number:
			w.value(integer(v.String()), start, end)
			w.valueDone()
		default:
			w.valueDone()
		}
	}
}

// The tokens of a value are those encoding/json finds.
func TestMetadataTokens(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	scalars := []string{`"4111 1111 1111 1111"`, `4111111111111111`, `"\u0034111 1111\t1111 1111"`, `"tea"`, `-12.5e+3`, `4.111111111111111e15`, `"123"`, `null`, `true`, `false`,
		`""`, `"\\"`, `"a\"b\\\\"`, `"\ud83d\ude00 \ud800"`, "\"\xff 123\"", `"é"`, `{}`, `[]`, `{"cvv":{"is":"123"}}`}
	keys := []string{`"cvv"`, `"cardNumber"`, `"x"`, `"4111111111111111"`, `"security\u0020code"`, `""`}
	spaces := []string{"", " ", "\n\t", "  "}
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	var value func(depth int) string
	value = func(depth int) string {
		open, end, named := "[", "]", false
		switch n := random.IntN(5); {
		case n < 2 || depth == 0:
			return pick(spaces) + pick(scalars) + pick(spaces)
		case n < 4:
			open, end, named = "{", "}", true
		}
		parts := make([]string, random.IntN(4))
		for i := range parts {
			if named {
				parts[i] = pick(spaces) + pick(keys) + pick(spaces) + ":"
			}
			parts[i] += value(depth - 1)
		}
		return open + strings.Join(parts, ",") + end
	}
	hidden := 0
	for range 5000 {
		raw := []byte(value(4))
		want, err := decoded(raw)
		if err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		got := metadata(bytes.Clone(raw))
		if !bytes.Equal(got, want) {
			t.Fatalf("%s\nbecame %s\nwant   %s", raw, got, want)
		}
		if !bytes.Equal(got, raw) {
			hidden++
		}
	}
	if hidden < 500 {
		t.Errorf("something was hidden in %d values only", hidden)
	}
}

func BenchmarkMetadata(b *testing.B) {
	var usual strings.Builder
	usual.WriteString(`{"id":"c-1"`)
	for i := range 40 {
		usual.WriteString(`,"field` + string(rune('a'+i%26)) + `":"some words of a vendor","n` + string(rune('a'+i%26)) + `":1767323045`)
	}
	usual.WriteString("}")
	for name, raw := range map[string]string{"usual": usual.String(), "1MiB": `{"notes":"` + strings.Repeat("tea ", 1<<18) + `"}`} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				metadata([]byte(raw))
			}
		})
	}
}
