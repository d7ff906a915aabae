package index

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"callsyncd/call"
)

// marked returns the marked words of a snippet.
func marked(s call.Snippet) []string {
	runes := []rune(s.Text)
	out := []string{}
	for _, m := range s.Marks {
		out = append(out, string(runes[m[0]:m[1]]))
	}
	return out
}

func snippetsOf(t *testing.T, c call.Call, text string) []call.Snippet {
	t.Helper()
	a := testAnalyzer(t, "en")
	q, err := parseQuery(a, text)
	if err != nil {
		t.Fatal(err)
	}
	return newHighlighter(a, q).snippets(&c)
}

func TestMarks(t *testing.T) {
	for _, tc := range []struct {
		name, query, text string
		want              []string
	}{
		{"exact", "kettle", "The kettle, the Kettle.", []string{"kettle", "Kettle"}},
		{"stemmed", "refund", "Refunds and refunded money", []string{"Refunds", "refunded"}},
		{"stem of an inflected query", "refunding", "One refund", []string{"refund"}},
		{"prefix", "ket*", "kettle ketchup kit", []string{"kettle", "ketchup"}},
		{"fuzzy", "ketle~", "kettle kete petal", []string{"kettle", "kete"}},
		{"phrase only where it stands", `"a kettle"`, "kettle a kettle", []string{"a", "kettle"}},
		{"overlapping phrases", `"a b" "b c"`, "a b c", []string{"a", "b", "c"}},
		{"alternatives", "one OR two", "two one three", []string{"two", "one"}},
		{"excluded words are not marked", "one -two", "one two", []string{"one"}},
		{"after an emoji", "kettle", "😀👩‍👩‍👧 kettle", []string{"kettle"}},
		{"combining marks belong to the word", "cafe", "le cafe\u0301 noir", []string{"cafe\u0301"}},
		{"right to left", "مرحبا", "قال مرحبا بكم", []string{"مرحبا"}},
		{"Chinese", "取消", "我想取消订单", []string{"取", "消"}},
		{"invalid bytes", "kettle", "a\xff\xfe kettle", []string{"kettle"}},
		{"number spoken", "555-0101", "call 555 0101 now", []string{"555", "0101"}},
		{"with apostrophe", "don't", "they don’t", []string{"don’t"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := snippetsOf(t, testCall("1", "a: "+tc.text), tc.query)
			if len(got) != 1 || !slices.Equal(marked(got[0]), tc.want) {
				t.Errorf("%+v, want %q", got, tc.want)
			}
		})
	}
}

func TestSnippetOrder(t *testing.T) {
	c := testCall("1", "a: nothing here", "c: one", "a: two", "c: one and two", "o: one")
	c.Summary, c.Note, c.Topics = ptr("two one"), ptr("one"), []string{"two"}
	got := snippetsOf(t, c, "one two")
	if len(got) != maxSnippets {
		t.Fatalf("%d snippets", len(got))
	}
	first, second, third := got[0], got[1], got[2]
	if first.Part != "transcript" || *first.Turn != 3 || *first.Speaker != call.SpeakerCustomer || *first.StartSeconds != 30 {
		t.Errorf("first: %+v", first)
	}
	if second.Part != "summary" || second.Turn != nil || second.Speaker != nil || second.StartSeconds != nil {
		t.Errorf("second: %+v", second)
	}
	if third.Part != "transcript" || *third.Turn != 1 {
		t.Errorf("third: %+v", third)
	}
}

func TestSnippetFields(t *testing.T) {
	c := testCall("1", "a: word", "c: word")
	c.Summary, c.Note, c.Topics = ptr("word"), ptr("word"), []string{"other", "word"}
	for field, part := range map[string]string{"agent": "transcript", "customer": "transcript", "summary": "summary", "note": "note", "topic": "topic"} {
		got := snippetsOf(t, c, field+":word")
		if len(got) != 1 || got[0].Part != part || got[0].Text != "word" {
			t.Errorf("%s: %+v", field, got)
		}
	}
}

func TestSnippetWithoutWords(t *testing.T) {
	c := testCall("abc", "a: Hello there")
	c.Phone = ptr("+14155550101")
	got := snippetsOf(t, c, "id:abc")
	if len(got) != 1 || got[0].Text != "Hello there" || got[0].Marks == nil || len(got[0].Marks) != 0 {
		t.Errorf("by id: %+v", got)
	}
	c.Summary = ptr("A greeting")
	if got := snippetsOf(t, c, "4155550101"); len(got) != 1 || got[0].Part != "summary" || got[0].Marks == nil {
		t.Errorf("by number: %+v", got)
	}
	if got := snippetsOf(t, testCall("abc"), "id:abc"); got == nil || len(got) != 0 {
		t.Errorf("an empty call: %#v", got)
	}
}

func TestLongSnippets(t *testing.T) {
	filler := strings.Repeat("wörds and more 😀 ", 40)
	for name, text := range map[string]string{
		"at the start":  "kettle " + filler,
		"in the middle": filler + "kettle and kettle " + filler,
		"at the end":    filler + "kettle",
		"twice":         filler + "kettle " + filler + " kettle kettle",
		"endless word":  strings.Repeat("x", 1000) + " kettle " + strings.Repeat("y", 1000),
		"no spaces":     strings.Repeat("取", 500) + "kettle",
	} {
		got := snippetsOf(t, testCall("1", "a: "+text), "kettle")[0]
		inner := strings.Trim(got.Text, ellipsis)
		if n := utf8.RuneCountInString(inner); n > maxSnippetRunes || !strings.Contains(text, inner) {
			t.Errorf("%s: %d runes: %q", name, n, got.Text)
		}
		if words := marked(got); len(words) == 0 || slices.ContainsFunc(words, func(w string) bool { return w != "kettle" }) {
			t.Errorf("%s: marked %q in %q", name, words, got.Text)
		}
		if strings.HasPrefix(got.Text, ellipsis) == strings.HasPrefix(text, inner) {
			t.Errorf("%s: ellipsis in front of %q", name, got.Text)
		}
		if strings.Contains(inner, " ") && !strings.Contains(" "+strings.ReplaceAll(text, "\n", " ")+" ", " "+strings.TrimSpace(inner)+" ") && name != "no spaces" {
			t.Errorf("%s: cut inside a word: %q", name, got.Text)
		}
	}
	if got := snippetsOf(t, testCall("1", "a: "+filler+"kettle "+filler+" kettle kettle"), "kettle")[0]; len(got.Marks) != 2 {
		t.Errorf("the stretch with the most marks: %q", got.Text)
	}
}

func TestWithinOne(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{{"abc", "abc", true}, {"abc", "abd", true}, {"abc", "ab", true}, {"abc", "xabc", true}, {"abc", "acb", false},
		{"abc", "abcde", false}, {"ébc", "abc", true}, {"", "a", true}, {"abcd", "bcde", false}} {
		if got := withinOne(tc.a, tc.b); got != tc.want || withinOne(tc.b, tc.a) != tc.want {
			t.Errorf("%q %q: %v", tc.a, tc.b, got)
		}
	}
}
