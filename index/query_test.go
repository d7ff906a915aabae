package index

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"callsyncd/call"
)

func testAnalyzer(t testing.TB, languages ...string) *analyzer {
	t.Helper()
	a, err := newAnalyzer(languages)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestQueryErrors(t *testing.T) {
	a := testAnalyzer(t, "en")
	for _, tc := range []struct {
		name, text string
		position   int
		message    string
	}{
		{"empty", "", 0, "nothing to search for"},
		{"punctuation only", "  ?! 😀", 0, "nothing to search for"},
		{"only exclusions", "  -one -two", 3, "only exclusions"},
		{"open quote", `früh "one two`, 5, "never closed"},
		{"empty quote", `one "" two`, 4, "no word between"},
		{"star on a phrase", `"one two"*`, 9, "single words"},
		{"OR in front", "OR one", 0, "on its left"},
		{"OR at the end", "one OR", 4, "on its right"},
		{"OR before punctuation", "one OR ?", 4, "on its right"},
		{"OR twice", "one OR OR two", 7, "follows OR"},
		{"OR and exclusion", "one OR -two", 7, "excluded word"},
		{"exclusion and OR", "one -two OR three", 9, "excluded word"},
		{"AND in front", "AND one", 0, "AND needs something on its left"},
		{"AND after punctuation only", "? AND one", 2, "on its left"},
		{"AND at the end", "one AND", 4, "AND needs something on its right"},
		{"AND before punctuation", "one AND ?", 4, "AND needs a word on its right"},
		{"AND after OR", "one OR AND two", 7, "AND follows OR"},
		{"OR after AND", "one AND OR two", 8, `"OR" in quotes`},
		{"AND twice", "one AND AND two", 8, "AND follows AND"},
		{"NOT at the end", "one NOT", 4, "NOT needs something on its right"},
		{"NOT alone", "NOT", 0, "on its right"},
		{"NOT before punctuation", "one NOT ?", 4, "NOT needs a word"},
		{"NOT twice", "one NOT NOT two", 8, "NOT follows NOT"},
		{"NOT before AND", "one NOT AND two", 8, "AND follows NOT"},
		{"NOT before a dash", "one NOT -two", 8, "both exclude"},
		{"NOT as an alternative", "one OR NOT two", 7, "excluded word"},
		{"NOT and OR", "one NOT two OR three", 12, "excluded word"},
		{"only NOT", " NOT one AND NOT two", 5, "only exclusions"},
		{"NOT with an unknown field", "one NOT speaker:two", 8, "no field speaker"},
		{"excluded punctuation", "one -? two", 4, "excludes nothing"},
		{"unknown field", "one speaker:two", 4, "no field speaker"},
		{"field without word", "one agent: two", 9, "needs a word"},
		{"field with punctuation", "one agent:? two", 4, "holds no word"},
		{"star alone", "one *", 4, "at least 3 letters"},
		{"star after two letters", "one éa*", 4, "at least 3 letters"},
		{"star in front", "one *two", 4, "at the end"},
		{"star inside", "é t*o", 3, "at the end"},
		{"fuzzy with a number", "one two~2", 7, "at the end"},
		{"fuzzy on two words", "one two-three~", 4, "single words"},
		{"too many fuzzy", "one~ two~ six~ ten~ nine~", 20, "at most 4"},
		{"too many prefixes", "one* two* six*", 10, "at most 2"},
		{"too many terms", strings.Repeat("w ", 33), 64, "at most 32"},
		{"phrase too long", `a "` + strings.Repeat("w ", 33) + `"`, 2, "at most 32"},
		{"word with too many parts", strings.Repeat("w-", 33), 0, "at most 32"},
		{"too long", strings.Repeat("é", 600), 512, "longer than 1024"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := parseQuery(a, tc.text)
			e, ok := errors.AsType[*call.QueryError](err)
			if !ok {
				t.Fatalf("%q: got %v", tc.text, err)
			}
			if e.Position != tc.position || !strings.Contains(e.Message, tc.message) {
				t.Errorf("%q: position %d, %q; want %d, %q", tc.text, e.Position, e.Message, tc.position, tc.message)
			}
		})
	}
}

func TestOperators(t *testing.T) {
	a := testAnalyzer(t, "en")
	for text, same := range map[string]string{
		"one AND two":                       "one two",
		"one AND two\tAND\nthree":           "one two three",
		"one AND two OR three AND four":     "one two OR three four",
		`"one two" AND agent:three`:         `"one two" agent:three`,
		"one NOT two":                       "one -two",
		"NOT two one":                       "-two one",
		"one AND NOT two AND three":         "one -two three",
		`one NOT "two three" NOT agent:six`: `one -"two three" -agent:six`,
		`one NOT agent:"two three"`:         `one -agent:"two three"`,
		"one NOT two* NOT three~":           "one -two* -three~",
		"one NOT id:ab* NOT +14155550101":   "one -id:ab* -+14155550101",
		"one OR two NOT three":              "one OR two -three",
		"one ? AND two":                     "one two",
		`one "AND" two "NOT"`:               `one "and" two "not"`,
		"one and two or three not four":     "one And two Or three Not four",
		"AND-one ANDone agent:NOT":          "and-one andone agent:not",
	} {
		if got, want := shapeOf(t, a, text), shapeOf(t, a, same); got != want {
			t.Errorf("%q is\n%s\nbut %q is\n%s", text, got, same, want)
		}
	}
	if q := shapeOf(t, a, "one not two"); strings.Contains(q, "exclude:true") || strings.Count(q, "{leaves:") != 3 {
		t.Errorf("not in lower case: %s", q)
	}
}

// shapeOf prints what a query means, without the places of its words.
func shapeOf(t *testing.T, a *analyzer, text string) string {
	t.Helper()
	q, err := parseQuery(a, text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for i := range q {
		for j := range q[i].leaves {
			l := &q[i].leaves[j]
			l.position = 0
			for k := range l.spelled {
				l.spelled[k].position = 0
			}
		}
	}
	return fmt.Sprintf("%+v", q)
}

func TestWords(t *testing.T) {
	a := testAnalyzer(t, "en")
	for text, want := range map[string]string{
		"Don't STOP":              "don't stop",
		"rock ’n’ roll":           "rock n roll",
		"3.14 e-mail a_b":         "3 14 e mail a b",
		"done.Then x@example.com": "done then x example com",
		"ΣΊΣΥΦΟΣ":                 "σισυφοσ",
		"I\u0302le Straße":        "ile strasse",
		"日本語 テスト":                 "日 本 語 テ ス ト",
		"हिन्दी":                  "हिन्दी",
		"ЁЖ Ёлка и\u0306":         "еж елка и",
		"a\xffb":                  "a b",
		strings.Repeat("x", 300):  strings.Repeat("x", maxWordBytes),
		"\u0301 ok":               "ok",
		"👩‍👩‍👧 family":            "family",
		"(555) 0101, or so":       "555 0101 or so",
		"l'été":                   "l'ete",
	} {
		var got []string
		for _, w := range a.words(text) {
			got = append(got, w.term)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestEveryLanguageHasStems(t *testing.T) {
	a := testAnalyzer(t, languages...)
	if w := a.lookup([]byte("running")); w.stem("en") != "run" || w.term != "running" {
		t.Errorf("running: %+v", w)
	}
	if w := a.lookup([]byte("häuser")); w.stem("de") != "haus" || w.term != "hauser" {
		t.Errorf("häuser: %+v", w)
	}
	if _, err := newAnalyzer([]string{"en", "tlh"}); err == nil {
		t.Error("an unknown language is accepted")
	}
}

func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{"refund -kettle", `agent:"a b" OR x*`, "+1 (415) 555-0101 x", "*", "a~99", "/.*/", "a^1e308",
		"\"", "\\", "\x00", "id:x*", "-", "OR OR", "one AND two NOT three", `a NOT "b c" OR d`, "a AND NOT agent:b", "NOT", "a NOT -b", "AND OR NOT", "http://example.com", "5 5 5 5 5", "(((((1", "customer:id:x", "x\xff~", `""~`} {
		f.Add(seed)
	}
	a := testAnalyzer(f, "en", "de")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := parseQuery(a, text)
		if err != nil {
			e, ok := errors.AsType[*call.QueryError](err)
			if !ok || e.Message == "" {
				t.Fatalf("%q: %v", text, err)
			}
			if e.Position < 0 || e.Position > utf8.RuneCountInString(text) {
				t.Fatalf("%q: position %d", text, e.Position)
			}
			return
		}
		positive := false
		for _, c := range q {
			positive = positive || !c.exclude
			for _, l := range c.leaves {
				checkLeaf(t, text, l)
			}
		}
		if !positive {
			t.Fatalf("%q: nothing to find", text)
		}
	})
}

func checkLeaf(t *testing.T, text string, l leaf) {
	t.Helper()
	switch l.kind {
	case leafID, leafIDPrefix:
		return
	case leafPhone:
		if l.value == "" || len(l.spelled) == 0 {
			t.Fatalf("%q: %+v", text, l)
		}
		for _, s := range l.spelled {
			checkLeaf(t, text, s)
		}
		return
	}
	if len(l.words) == 0 || len(l.words) > maxPhraseWords || (len(l.words) > 1) != (l.kind == leafPhrase) {
		t.Fatalf("%q: %+v", text, l)
	}
}
