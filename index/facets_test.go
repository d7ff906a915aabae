package index

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callsyncd/call"
)

// facetsOf counts naively what every facet counts.
func facetsOf(calls []*call.Call) map[string]map[string]int {
	out := map[string]map[string]int{}
	for _, name := range call.FacetNames {
		out[name] = map[string]int{}
	}
	first := func(values ...*string) string {
		for _, v := range values {
			if v != nil && *v != "" {
				return *v
			}
		}
		return ""
	}
	for _, c := range calls {
		values := map[string]string{"source": string(c.Source), "agent": first(c.AgentName, c.AgentID),
			"campaign": first(c.CampaignName, c.CampaignID), "sentiment": first(c.SentimentLabel),
			"month": fmt.Sprintf("%04d-%02d", c.Time().UTC().Year(), c.Time().UTC().Month())}
		if c.Direction != nil {
			values["direction"] = string(*c.Direction)
		}
		if c.Status != nil {
			values["status"] = string(*c.Status)
		}
		for name, v := range values {
			if v != "" {
				out[name][v]++
			}
		}
	}
	return out
}

// checkFacets compares the counts, and that they are in order.
func checkFacets(t *rapid.T, got map[string][]call.FacetCount, want map[string]map[string]int) {
	if len(got) != len(want) {
		t.Fatalf("facets %v, want %v", slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
	}
	for name, counts := range want {
		found := map[string]int{}
		for i, f := range got[name] {
			found[f.Value] = f.Count
			if i == 0 {
				continue
			}
			before := got[name][i-1]
			if name == "month" && before.Value <= f.Value || name != "month" && before.Count < f.Count {
				t.Fatalf("%s: %v stands before %v", name, before, f)
			}
		}
		if got[name] == nil || !maps.Equal(found, counts) {
			t.Fatalf("%s: got %v, want %v", name, got[name], counts)
		}
	}
}

// Facets and a blank text agree with a naive look at all calls.
func TestFacetsAgree(t *testing.T) {
	dir, rounds := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		src := newMemory()
		calls := make([]call.Call, 30)
		for i := range calls {
			calls[i] = drawCall(rt, i)
			if i%3 == 0 {
				calls[i].Transcript[0].Text = "goodbye"
			}
		}
		src.put(calls...)
		rounds++
		x := openTest(t, fmt.Sprintf("%s/%d", dir, rounds), src)
		for i := range 12 {
			f := drawFilter(rt)
			text := []string{"", " \t", "hello", "hello OR goodbye"}[i%4]
			names := rapid.SliceOfDistinct(rapid.SampledFrom(call.FacetNames), rapid.ID).Draw(rt, "facets")
			q := call.SearchQuery{Text: text, Filter: f, Facets: append(names, "unheard of"), Limit: 4}
			var want []*call.Call
			for k := range calls {
				if selects(&f, &calls[k]) && (text != "hello" || calls[k].Transcript[0].Text == "hello") {
					want = append(want, &calls[k])
				}
			}
			compareFacets(rt, x, q, names, want)
		}
	})
}

func compareFacets(t *rapid.T, x *Index, q call.SearchQuery, names []string, calls []*call.Call) {
	want := map[string]map[string]int{}
	for _, name := range names {
		want[name] = facetsOf(calls)[name]
	}
	slices.SortFunc(calls, func(a, b *call.Call) int {
		if c := b.Time().Compare(a.Time()); c != 0 && b.Time().After(minTime) {
			return c
		}
		return strings.Compare(a.Key.String(), b.Key.String())
	})
	var keys, got []string
	for _, c := range calls {
		keys = append(keys, c.Key.String())
	}
	for {
		r, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if r.Total != len(calls) || r.Coverage.Calls < r.Total {
			t.Fatalf("total %d, coverage %+v, want %d", r.Total, r.Coverage, len(calls))
		}
		checkFacets(t, r.Facets, want)
		for _, h := range r.Hits {
			got = append(got, h.Call.Key.String())
		}
		if q.After = r.Next; q.After == "" {
			break
		}
	}
	if strings.TrimSpace(q.Text) != "" { // by relevance
		slices.Sort(got)
		slices.Sort(keys)
	}
	if !slices.Equal(got, keys) {
		t.Fatalf("%q: got %q, want %q", q.Text, got, keys)
	}
}

func TestNoFacetsUnlessAsked(t *testing.T) {
	src := newMemory()
	src.put(corpus()...)
	x := openTest(t, t.TempDir(), src)
	r, err := x.Search(t.Context(), call.SearchQuery{Text: "refund"})
	if err != nil || r.Facets != nil {
		t.Error(r.Facets, err)
	}
	r, err = x.Search(t.Context(), call.SearchQuery{Text: "zebra", Facets: []string{"agent"}})
	if err != nil || r.Facets["agent"] == nil || len(r.Facets["agent"]) != 0 {
		t.Errorf("facets of nothing: %v, %v", r.Facets, err)
	}
}

// A facet with more values than are answered.
func TestFacetLimits(t *testing.T) {
	const agents = 8192
	columns := newFacetReader(2*agents + 7)
	var calls []*call.Call
	for i := range 2*agents + 7 {
		one := testCall("1")
		one.AgentID, one.CampaignID = ptr(fmt.Sprint("agent ", i%(agents+1))), ptr(fmt.Sprint("campaign ", i%9))
		one.StartedAt = ptr(time.Date(2000, time.Month(i%60), 1, 0, 0, 0, 0, time.UTC))
		calls = append(calls, &one)
		columns.add(uint64(i), []byte(facetTerm(&one)))
	}
	c := newFacetCounter(facetOrder)
	c.begin(columns.columns)
	for i := range calls {
		c.add(uint32(i))
	}
	c.leave()
	want, got := facetsOf(calls), c.result()
	for name, counts := range want {
		if len(got[name]) != min(len(counts), maxFacetValues) {
			t.Errorf("%s has %d values of %d", name, len(got[name]), len(counts))
		}
		for i, f := range got[name] {
			if counts[f.Value] != f.Count {
				t.Errorf("%s: %v, want %d", name, f, counts[f.Value])
			}
			if name == "agent" && i < 5 && f.Count != 3 {
				t.Errorf("a rare agent comes before frequent ones: %v", f)
			}
		}
	}
	if newest := slices.Max(slices.Collect(maps.Keys(want["month"]))); got["month"][0].Value != newest {
		t.Errorf("newest month %s, want %s", got["month"][0].Value, newest)
	}
}

func TestBlankText(t *testing.T) {
	src := newMemory()
	calls := corpus()
	for i := range calls {
		calls[i].StartedAt = ptr(testTime(i))
	}
	src.put(calls...)
	x := openTest(t, t.TempDir(), src)
	r, err := x.Search(t.Context(), call.SearchQuery{Limit: 1, Facets: []string{"source"}})
	if err != nil || r.Total != 4 || r.Coverage.Searchable != 4 || string(r.Hits[0].Call.ID) != "foreign" {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, order := range []string{"", "relevance", "newest"} {
		got := ids(t, x, call.SearchQuery{Text: " ", Sort: order, After: r.Next, Limit: 200})
		if want := []string{"Robots/1", "billing", "refund"}; !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", order, got, want)
		}
	}
	if got := ids(t, x, call.SearchQuery{Sort: "oldest"}); !slices.Equal(got, []string{"refund", "billing", "Robots/1", "foreign"}) {
		t.Errorf("oldest: %q", got)
	}
	r, err = x.Search(t.Context(), call.SearchQuery{Sort: "oldest"})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"Kettle refund granted.", "This is the billing department."} {
		s := r.Hits[i].Snippets
		if len(s) != 1 || s[0].Text != want || s[0].Marks == nil || len(s[0].Marks) != 0 {
			t.Errorf("snippets %+v, want %q without marks", s, want)
		}
	}
}

// Calls that are indexed or leave between two pages neither hide nor repeat others.
func TestPagesWhileCallsAreIndexed(t *testing.T) {
	src := newMemory()
	want := map[string]bool{}
	for i := range 60 {
		said := strings.Repeat("refund ", 1+i%7) + strings.Repeat("kettle ", 1+i%5) + strings.Repeat("hello ", i%11)
		src.put(testCall(fmt.Sprintf("old-%02d", i), "a: "+said), testCall(fmt.Sprintf("other-%02d", i), "a: hello"))
		want[fmt.Sprintf("old-%02d", i)] = true
	}
	x := openTest(t, t.TempDir(), src)
	seen := map[string]int{}
	q := call.SearchQuery{Text: "refund OR hello kettle", Limit: 5}
	for page := 0; ; page++ {
		r, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range r.Hits {
			seen[string(h.Call.ID)]++
		}
		if q.After = r.Next; q.After == "" {
			break
		}
		src.put(testCall(fmt.Sprint("new-", page), "a: kettle refund refund"), testCall(fmt.Sprint("none-", page), "a: nothing"))
		src.remove(call.Key{Source: "crm", ID: call.ID(fmt.Sprintf("other-%02d", page))})
		if err := x.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for id := range want {
		if seen[id] != 1 {
			t.Errorf("%s was shown %d times", id, seen[id])
		}
	}
}
