package index

import (
	"errors"
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
		"\"", "\\", "\x00", "id:x*", "-", "OR OR", "http://example.com", "5 5 5 5 5", "(((((1", "customer:id:x", "x\xff~", `""~`} {
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
