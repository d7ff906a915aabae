package index

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"callsyncd/call"
)

// What matches is shown wherever it stands in a text of megabytes, and marked
// right.
func TestSnippetsOfMegabytes(t *testing.T) {
	const far = 200_000
	for _, tc := range []struct {
		name, query, text string
		want              []string
	}{
		{"at the end", "kettle", strings.Repeat("tea and ", far) + "the kettle", []string{"kettle"}},
		{"in the middle", "kettle", strings.Repeat("tea and ", far) + "the kettle " + strings.Repeat("and tea ", far), []string{"kettle"}},
		{"a phrase whose words are everywhere", `"tea kettle"`, strings.Repeat("tea and kettle ", far) + "tea kettle", []string{"tea", "kettle"}},
		{"many at once later on", "kettle", strings.Repeat("tea ", far) + "kettle" + strings.Repeat(" and tea", 500) + " kettle kettle", []string{"kettle", "kettle"}},
		{"beside a word cut in half", "fund", strings.Repeat("fundfund", 2*far) + " fund " + strings.Repeat("fundfund", far) + "!", []string{"fund"}},
		{"letters of several bytes", "kettle", strings.Repeat("wörds 😀 ", far) + "kettle" + strings.Repeat(" wörds 😀", far), []string{"kettle"}},
		{"without spaces", "取消", strings.Repeat("订", far) + "取消" + strings.Repeat("订", far), []string{"取", "消"}},
		{"invalid bytes", "kettle", strings.Repeat("\xff\x80", far) + " kettle " + strings.Repeat("\x80", far), []string{"kettle"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := snippetsOf(t, testCall("1", "c: before", "a: "+tc.text), tc.query)
			if len(got) != 1 || !slices.Equal(marked(got[0]), tc.want) {
				t.Fatalf("%+v, want %q", got, tc.want)
			}
			s := got[0]
			if *s.Turn != 1 || *s.Speaker != call.SpeakerAgent || *s.StartSeconds != 10 {
				t.Errorf("said by %s at %v in turn %d", *s.Speaker, *s.StartSeconds, *s.Turn)
			}
			inner := strings.TrimPrefix(strings.TrimSuffix(s.Text, ellipsis), ellipsis)
			valid := strings.Join(strings.Split(tc.text, "\xff"), "\ufffd")
			if tc.name != "invalid bytes" && !strings.Contains(valid, inner) || utf8.RuneCountInString(inner) > maxSnippetRunes {
				t.Errorf("%q", s.Text)
			}
			if !strings.HasPrefix(s.Text, ellipsis) || strings.HasSuffix(s.Text, ellipsis) == strings.HasSuffix(tc.text, inner) {
				t.Errorf("ellipsis: %q", s.Text)
			}
		})
	}
}

// The element that asks for the agent's words is found behind megabytes of the
// same word said by others, and in no text of theirs.
func TestSnippetsOfMegabytesByField(t *testing.T) {
	c := testCall("1", "c: "+strings.Repeat("kettle ", 100_000), "a: a kettle")
	if got := snippetsOf(t, c, "agent:kettle"); len(got) != 1 || *got[0].Turn != 1 {
		t.Errorf("%d snippets", len(got))
	}
}

// The work for one call does not grow with what of its text is shown anyway.
func TestSnippetsOfMegabytesAreCheap(t *testing.T) {
	long := strings.Repeat("tea ", 1<<18)
	var turns []string
	for range 20_000 {
		turns = append(turns, "a: tea and a kettle, and tea", "c: a kettle")
	}
	summary := testCall("1")
	summary.Summary = &long
	for name, c := range map[string]call.Call{"one turn": testCall("1", "a: "+long), "summary": summary, "many turns": testCall("1", turns...)} {
		for _, text := range []string{"tea", "tea kettle", "id:1"} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got := snippetsOf(t, c, text)
			runtime.ReadMemStats(&after)
			if n := (after.TotalAlloc - before.TotalAlloc) >> 20; len(got) == 0 || n > 8 {
				t.Errorf("%s, %s: %d snippets took %d MiB", name, text, len(got), n)
			}
		}
	}
}

// The stretch that is shown is the first of those with the most marks.
func TestStretch(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b strings.Builder
		for range 1 + random.IntN(400) {
			b.WriteString([]string{"tea ", "kettle ", "of-", strings.Repeat("x", random.IntN(300)), "取", " "}[random.IntN(6)])
		}
		a := testAnalyzer(t, "en")
		h := &highlighter{analyzer: a}
		k := &candidate{text: b.String(), tokens: h.tokens(b.String())}
		for range k.tokens {
			k.marked = append(k.marked, random.IntN(4) == 0)
		}
		length := utf8.RuneCountInString(k.text)
		if length <= maxSnippetRunes {
			continue
		}
		wantFrom, wantTo := k.cut(0, length)
		most := 0
		for i, t := range k.tokens {
			from, to := k.cut(max(0, t.start-leadRunes), length)
			n := 0
			for m := i; k.marked[i] && m < len(k.tokens) && k.tokens[m].end <= to; m++ {
				if k.marked[m] {
					n++
				}
			}
			if n > most {
				most, wantFrom, wantTo = n, from, to
			}
		}
		if from, to := k.stretch(length); from != wantFrom || to != wantTo {
			t.Fatalf("%d to %d, want %d to %d of %q", from, to, wantFrom, wantTo, k.text)
		}
	}
}

// A page of large calls ends early; its cursor leads through all of them.
func TestPageOfLargeCalls(t *testing.T) {
	src := newMemory()
	const calls = 15
	for i := range calls {
		c := testCall(fmt.Sprint(i), "a: tea")
		c.Note = ptr(strings.Repeat("tea ", 200_000))
		src.put(c)
	}
	src.put(testCall("small", "a: tea"))
	x := openTest(t, t.TempDir(), src)
	seen, pages := map[call.ID]bool{}, 0
	for after := ""; ; pages++ {
		r, err := x.Search(t.Context(), call.SearchQuery{Text: "tea", Limit: maxLimit, After: after})
		if err != nil {
			t.Fatal(err)
		}
		text := 0
		for i := range r.Hits {
			h := &r.Hits[i]
			text += textBytes(&h.Call)
			if seen[h.Call.ID] || len(h.Snippets) == 0 || len(h.Snippets[0].Marks) == 0 {
				t.Errorf("hit %s: %+v", h.Call.ID, h.Snippets)
			}
			seen[h.Call.ID] = true
		}
		if r.Total != calls+1 || len(r.Hits) == 0 || text > maxPageText+800_010 {
			t.Errorf("%d hits of %d with %d bytes", len(r.Hits), r.Total, text)
		}
		if after = r.Next; after == "" {
			break
		}
	}
	if len(seen) != calls+1 || pages < 2 {
		t.Errorf("%d calls seen on %d pages", len(seen), pages)
	}
}
