package index

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
)

// corpus is what the language of queries is tested on.
func corpus() []call.Call {
	refund := testCall("refund", "a: Good morning, how can I help you?", "c: I want a refund for the broken kettle.",
		"a: We are refunding it today, don't worry.")
	refund.AgentName, refund.Summary = ptr("Ada Quill"), ptr("Kettle refund granted.")
	refund.Phone = ptr("+1 (415) 555-0101")

	billing := testCall("billing", "a: This is the billing department.", "c: The invoice lists prices I never agreed to.",
		"a: Let me look. Help is near.", "c: You said you can refund me!")
	billing.Topics, billing.Note = []string{"pricing", "invoice dispute"}, ptr("Call back on Friday")
	billing.FromNumber = ptr("020 7946 0123")

	robots := testCall("Robots/1", "o: Press one for sales. Press two for support.")
	robots.ContactName, robots.Phone = ptr("Søren Ångström"), ptr("5550199")

	foreign := testCall("foreign", "a: Ça va? Le café coûte trois euros.", "c: 我想取消订单", "a: مرحبا بكم في المتجر",
		"c: Der Kühlschrank ist kaputt 😀 wirklich")
	return []call.Call{refund, billing, robots, foreign}
}

func TestQueryLanguage(t *testing.T) {
	src := newMemory()
	src.put(corpus()...)
	x := openTest(t, t.TempDir(), src)
	for _, tc := range []struct {
		name, text string
		want       []string // in any order
	}{
		{"one word", "kettle", []string{"refund"}},
		{"case", "KETTLE", []string{"refund"}},
		{"words across sides and parts are all required", "morning kettle granted", []string{"refund"}},
		{"a word that is nowhere", "kettle zebra", nil},
		{"stem finds the other form", "kettles", []string{"refund"}},
		{"inflected query finds the stem", "refunds", []string{"refund", "billing"}},
		{"stop word is searched as written", "never", []string{"billing"}},
		{"apostrophe", "don’t", []string{"refund"}},
		{"phrase", `"broken kettle"`, []string{"refund"}},
		{"phrase in the wrong order", `"kettle broken"`, nil},
		{"phrase with stop words", `"can i help you"`, []string{"refund"}},
		{"phrase does not reach into the next turn of a side", `"you we"`, nil},
		{"phrase does not reach over a side", `"you i want"`, nil},
		{"phrase with a repeated word", `"press one for sales press two"`, []string{"Robots/1"}},
		{"phrase is not stemmed", `"broken kettles"`, nil},
		{"OR joins its neighbours only", "refund kettle OR invoice", []string{"refund", "billing"}},
		{"OR of three", "kettle OR invoice OR sales", []string{"refund", "billing", "Robots/1"}},
		{"lower case or is a word", "kettle or invoice", nil},
		{"exclusion", "refund -kettle", []string{"billing"}},
		{"AND", "refund AND kettle", []string{"refund"}},
		{"NOT", "refund NOT kettle", []string{"billing"}},
		{"NOT with a field", "refund NOT agent:refund", []string{"billing"}},
		{"NOT with a phrase", `refund AND NOT "broken kettle"`, []string{"billing"}},
		{"lower case not is a word", "refund not kettle", nil},
		{"excluded phrase", `refund -"broken kettle"`, []string{"billing"}},
		{"one word in quotes is not stemmed", `"kettles"`, nil},
		{"one word in quotes is found as spelled", `customer:"refund"`, []string{"refund", "billing"}},
		{"an inflected word in quotes", `"refunding"`, []string{"refund"}},
		{"prefix", "inv*", []string{"billing"}},
		{"prefix is not stemmed", "kettles*", nil},
		{"fuzzy", "ketle~", []string{"refund"}},
		{"fuzzy finds one letter only", "ktle~", nil},
		{"agent said", "agent:refund", []string{"refund"}},
		{"customer said", "customer:refund", []string{"refund", "billing"}},
		{"customer phrase", `customer:"refund me"`, []string{"billing"}},
		{"field prefix", "agent:depart*", []string{"billing"}},
		{"summary", "summary:kettle", []string{"refund"}},
		{"summary elsewhere", "summary:invoice", nil},
		{"topic", "topic:pricing", []string{"billing"}},
		{"topic phrase", `topic:"invoice dispute"`, []string{"billing"}},
		{"phrase does not reach over topics", `"pricing invoice"`, nil},
		{"note", "note:friday", []string{"billing"}},
		{"note is searched by default", "friday", []string{"billing"}},
		{"name", "quill", []string{"refund"}},
		{"name without diacritics", "soren angstrom", []string{"Robots/1"}},
		{"id", "id:REFUND", []string{"refund"}},
		{"id with slash", "id:robots/1", []string{"Robots/1"}},
		{"key", "id:crm/billing", []string{"billing"}},
		{"id prefix", "id:rob*", []string{"Robots/1"}},
		{"quoted id", `id:"refund"`, []string{"refund"}},
		{"phone as stored", "+1 (415) 555-0101", []string{"refund"}},
		{"phone without country code", "415-555-0101", []string{"refund"}},
		{"phone in digits", "4155550101", []string{"refund"}},
		{"local number with a word", "5550101 kettle", []string{"refund"}},
		{"phone and a word that does not match", "4155550101 invoice", nil},
		{"international finds national", "+44 20 7946 0123", []string{"billing"}},
		{"short number", "555 0199", []string{"Robots/1"}},
		{"another country code", "+2 415 555 0101", nil},
		{"excluded phone", "refund -4155550101", []string{"billing"}},
		{"colon as people write it", "kettle: refund", []string{"refund"}},
		{"punctuation is no word", "kettle & refund", []string{"refund"}},
		{"accents composed", "café", []string{"foreign"}},
		{"accents decomposed", "cafe\u0301", []string{"foreign"}},
		{"accents left out", "cafe coute", []string{"foreign"}},
		{"Chinese", "取消订单", []string{"foreign"}},
		{"Chinese in the wrong order", "消取", nil},
		{"Arabic", "مرحبا", []string{"foreign"}},
		{"beside an emoji", `"kaputt wirklich"`, []string{"foreign"}},
		{"word with punctuation is a phrase", "broken-kettle", []string{"refund"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ids(t, x, call.SearchQuery{Text: tc.text})
			slices.Sort(got)
			slices.Sort(tc.want)
			if !slices.Equal(got, tc.want) {
				t.Errorf("%q found %q, want %q", tc.text, got, tc.want)
			}
		})
	}
}

func TestExactBeforeStemmed(t *testing.T) {
	src := newMemory()
	src.put(testCall("stemmed", "a: prices prices prices pricing priced prices"),
		testCall("exact", "a: one price among many other words that make this call a longer one"))
	x := openTest(t, t.TempDir(), src)
	for text, want := range map[string][]string{"price": {"exact", "stemmed"}, "prices": {"stemmed", "exact"}} {
		if got := ids(t, x, call.SearchQuery{Text: text}); !slices.Equal(got, want) {
			t.Errorf("%q found %q, want %q", text, got, want)
		}
	}
}

func TestOrderAndPaging(t *testing.T) {
	src := newMemory()
	var newest []string
	for i := range 30 {
		c := testCall(string(rune('A'+i)), "a: hello hello")
		c.StartedAt = ptr(testTime(i / 3)) // three at a time
		src.put(c)
	}
	for i := 9; i >= 0; i-- {
		for k := range 3 {
			newest = append(newest, string(rune('A'+3*i+k)))
		}
	}
	oldest := []string{}
	for i := range 30 {
		oldest = append(oldest, string(rune('A'+i)))
	}
	x := openTest(t, t.TempDir(), src)
	for order, want := range map[string][]string{"newest": newest, "oldest": oldest, "relevance": oldest, "": oldest} {
		q := call.SearchQuery{Text: "hello", Sort: order, Limit: 7}
		var got []string
		for {
			r, err := x.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if r.Total != 30 {
				t.Fatalf("%s: total %d", order, r.Total)
			}
			for _, h := range r.Hits {
				got = append(got, string(h.Call.ID))
			}
			if q.After = r.Next; q.After == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", order, got, want)
		}
	}
}

func TestCursorIsBoundToItsQuery(t *testing.T) {
	src := newMemory()
	src.put(corpus()...)
	x := openTest(t, t.TempDir(), src)
	q := call.SearchQuery{Text: "refund", Limit: 1}
	r, err := x.Search(t.Context(), q)
	if err != nil || r.Next == "" {
		t.Fatal(r.Next, err)
	}
	for name, other := range map[string]call.SearchQuery{
		"other text":   {Text: "kettle", After: r.Next},
		"other order":  {Text: "refund", Sort: "newest", After: r.Next},
		"other filter": {Text: "refund", Filter: call.Filter{Outcome: []string{"x"}}, After: r.Next},
		"damaged":      {Text: "refund", After: r.Next[:len(r.Next)-4]},
		"foreign":      {Text: "refund", After: "bm90IGEgY3Vyc29y"},
		"no base64":    {Text: "refund", After: "€"},
	} {
		if _, err := x.Search(t.Context(), other); !errors.Is(err, call.ErrBadCursor) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := ids(t, x, call.SearchQuery{Text: "refund", Sort: "relevance", Limit: 5, After: r.Next}); len(got) != 1 {
		t.Errorf("the named default order: %q", got)
	}
}

func TestSearchRefusals(t *testing.T) {
	x := openTest(t, t.TempDir(), newMemory())
	for name, q := range map[string]call.SearchQuery{
		"limit too high": {Text: "a", Limit: 201}, "negative limit": {Text: "a", Limit: -1}, "unknown order": {Text: "a", Sort: "best"},
	} {
		if _, err := x.Search(t.Context(), q); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTooWidePrefix(t *testing.T) {
	src := newMemory()
	text := "a: "
	for i := range maxExpansion + 1 {
		text += "abc" + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + " "
	}
	src.put(testCall("1", text))
	x := openTest(t, t.TempDir(), src)
	_, err := x.Search(t.Context(), call.SearchQuery{Text: "one abc*"})
	if e, ok := errors.AsType[*call.QueryError](err); !ok || e.Position != 4 {
		t.Errorf("got %v", err)
	}
}

func TestTooManySearches(t *testing.T) {
	src := newMemory()
	src.put(corpus()...)
	x := openTest(t, t.TempDir(), src)
	started, release := make(chan struct{}, 100), make(chan struct{})
	// fill the places by hand, so that the test needs no slow query
	for range maxSearches {
		x.slots <- struct{}{}
		x.waiting.Add(1)
	}
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range maxWaiting {
		wg.Go(func() {
			started <- struct{}{}
			_, err := x.Search(ctx, call.SearchQuery{Text: "refund"})
			if err == nil {
				t.Error("a waiting search was answered")
			}
			<-release
		})
	}
	for range maxWaiting {
		<-started
	}
	for x.waiting.Load() < maxSearches+maxWaiting {
		runtime.Gosched()
	}
	if _, err := x.Search(t.Context(), call.SearchQuery{Text: "refund"}); !errors.Is(err, ErrBusy) {
		t.Errorf("got %v", err)
	}
	cancel()
	close(release)
	wg.Wait()
	timeout, end := context.WithTimeoutCause(t.Context(), time.Millisecond, ErrTooSlow)
	defer end()
	if _, err := x.enter(timeout); !errors.Is(err, ErrBusy) {
		t.Errorf("a search that never got a place: %v", err)
	}
}

// A panic's value may hold the text of a call.
func TestPanicWords(t *testing.T) {
	if got := panicWords("hunter2"); strings.Contains(got, "hunter2") {
		t.Errorf("%q shows the value", got)
	}
	defer func() {
		if got := panicWords(recover()); !strings.Contains(got, "index out of range") {
			t.Errorf("%q hides what the runtime says", got)
		}
	}()
	_ = []int{}[len(t.Name())]
}
