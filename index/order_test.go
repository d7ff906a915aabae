package index

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callsyncd/call"
)

// drawOrdered makes a call with few different values to order by, some absent.
func drawOrdered(t *rapid.T, id string) call.Call {
	c := testCall(id, "a: hello")
	c.StartedAt = maybe(t, "started", testTime(1), testTime(2), testTime(2).Add(time.Nanosecond), time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC))
	c.EndedAt = maybe(t, "ended", testTime(3), testTime(4))
	c.CreatedAt = maybe(t, "created", testTime(1), time.Unix(0, 0))
	c.DurationSeconds = maybe(t, "duration", 0.0, 0.5, -1, 3600)
	c.SentimentLabel = maybe(t, "sentiment", "positive")
	return c
}

// placeOf is what a call is ordered by; false when it has none.
func placeOf(c *call.Call, by call.OrderBy) (float64, bool) {
	at := func(t *time.Time) (float64, bool) {
		if t == nil {
			return 0, false
		}
		return float64(t.Sub(testTime(0))), true
	}
	switch by {
	case call.ByEnded:
		return at(c.EndedAt)
	case call.ByCreated:
		return at(c.CreatedAt)
	case call.ByDuration:
		if c.DurationSeconds == nil {
			return 0, false
		}
		return *c.DurationSeconds, true
	}
	started := c.Time()
	return at(&started)
}

// inOrder sorts calls by the comments of call.SearchQuery.
func inOrder(calls map[string]call.Call, q call.SearchQuery) []string {
	var list []call.Call
	for _, c := range calls {
		if len(q.Filter.Sentiment) == 0 || c.SentimentLabel != nil {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b call.Call) int {
		x, hasX := placeOf(&a, q.OrderBy)
		y, hasY := placeOf(&b, q.OrderBy)
		switch {
		case hasX != hasY && hasX:
			return -1
		case hasX != hasY:
			return 1
		case q.Sort == sortNewest:
			x, y = y, x
		}
		return cmp.Or(cmp.Compare(x, y), cmp.Compare(a.Key.String(), b.Key.String()))
	})
	out := []string{}
	for _, c := range list {
		out = append(out, string(c.ID))
	}
	return out
}

// Every order holds on all pages; calls that come, change or go between two
// pages neither hide nor repeat others.
func TestOrders(t *testing.T) {
	dir, rounds := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		src := newMemory()
		calls := map[string]call.Call{}
		for i := range rapid.IntRange(1, 20).Draw(rt, "calls") {
			id := fmt.Sprintf("old-%02d", i)
			calls[id] = drawOrdered(rt, id)
			src.put(calls[id])
		}
		x := openTest(t, fmt.Sprint(dir, "/", rounds), src)
		q := call.SearchQuery{
			Text:    rapid.SampledFrom([]string{"", "hello"}).Draw(rt, "text"),
			Sort:    rapid.SampledFrom([]string{sortNewest, sortOldest}).Draw(rt, "sort"),
			OrderBy: rapid.SampledFrom(orders).Draw(rt, "by"),
			Limit:   rapid.IntRange(3, 9).Draw(rt, "limit"),
		}
		if rapid.Bool().Draw(rt, "filtered") {
			q.Filter.Sentiment = []string{"positive"}
		}
		want := inOrder(calls, q)
		var got []string
		for page := 0; ; page++ {
			r, err := x.Search(t.Context(), q)
			if err != nil {
				rt.Fatal(err)
			}
			for _, h := range r.Hits {
				if h.Call.ID[:3] == "old" {
					got = append(got, string(h.Call.ID))
				}
			}
			if q.After = r.Next; q.After == "" {
				break
			}
			fresh := drawOrdered(rt, fmt.Sprintf("new-%02d", page))
			src.put(fresh)
			if page%2 == 1 {
				src.remove(call.Key{Source: "crm", ID: call.ID(fmt.Sprintf("new-%02d", page-1))})
			}
			if err := x.CatchUp(t.Context()); err != nil {
				rt.Fatal(err)
			}
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v: got %q, want %q", q, got, want)
		}
	})
}
