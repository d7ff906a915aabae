package callsync

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"callsyncd/call"
)

func TestDriftOfFields(t *testing.T) {
	see := func(rows int, item func(i int) string) map[string]call.FieldShare {
		var f fields
		for i := range rows {
			f.see(json.RawMessage(item(i)))
		}
		return f.shares()
	}
	before := see(100, func(i int) string {
		return fmt.Sprintf(`{"id":"%d","flag":%t,"often":%s,"rare":%s,"length":7}`, i, i%2 == 0, pickText(i < 96), pickText(i < 10))
	})
	for name, tc := range map[string]struct {
		item         func(i int) string
		texts, grave string
	}{
		"the same": {func(i int) string {
			return fmt.Sprintf(`{"id":"%d","flag":true,"often":%s,"length":1.5}`, i, pickText(i < 90))
		}, "", ""},
		"became rare": {func(i int) string {
			return fmt.Sprintf(`{"id":"%d","flag":false,"often":%s,"length":1}`, i, pickText(i < 41))
		}, `"often" was in 96 % of the vendor's records, now in 41 %`, ""},
		"vanished":      {func(i int) string { return fmt.Sprintf(`{"id":"%d","flag":true,"often":"x"}`, i) }, "", `"length" was in 100 % of the vendor's records, now in none`},
		"always null":   {func(i int) string { return fmt.Sprintf(`{"id":"%d","flag":null,"often":"x","length":1}`, i) }, "", `"flag" was in 100 %`},
		"another type":  {func(i int) string { return fmt.Sprintf(`{"id":"%d","flag":true,"often":"x","length":"7"}`, i) }, "", `"length" was of the type number, now it is string`},
		"a new field":   {func(i int) string { return fmt.Sprintf(`{"id":"%d","flag":true,"often":"x","length":7,"more":1}`, i) }, "", ""},
		"numeric again": {func(i int) string { return fmt.Sprintf(`{"id":"%d","flag":true,"often":"x","length":-7}`, i) }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			texts, grave := drift(before, see(100, tc.item))
			if got := strings.Join(texts, "; "); !strings.Contains(got, tc.texts) || tc.texts == "" && got != "" {
				t.Errorf("texts %q, want %q", got, tc.texts)
			}
			if got := strings.Join(grave, "; "); !strings.Contains(got, tc.grave) || tc.grave == "" && got != "" {
				t.Errorf("grave %q, want %q", got, tc.grave)
			}
		})
	}
	if few := see(driftRows-1, func(int) string { return `{"id":"1"}` }); few != nil {
		t.Error("a handful of items says something about fields")
	}
}

func pickText(yes bool) string {
	if yes {
		return `"x"`
	}
	return "null"
}

func TestVanishedFieldMakesTheSweepDoubtful(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		b.mustRound(true)
		b.vendor.edit(func() {
			for _, c := range b.vendor.calls {
				c.Status = ""
			}
		})
		r := b.round(true)
		if r.Complete || !strings.Contains(r.Error, `field "status" was in 100 % of the vendor's records, now in none`) {
			t.Errorf("complete %t, %q", r.Complete, r.Error)
		}
		if c := b.engine.Checkpoint(); len(c.Drift) != 1 {
			t.Errorf("drift %v", c.Drift)
		}
		b.mustRound(true) // the vendor has changed for good; it was reported
	})
}

// A count that was too high once, and is right again, is no loss.
func TestExaggeratedCountIsForgotten(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		b.mustRound(true)
		b.vendor.total = func(int) int { return 200 }
		if err := b.engine.Head(b.t.Context()); err != nil {
			t.Fatal(err) // it ends at known ground, where the count cannot be judged
		}
		b.vendor.total = nil
		if err := b.engine.Trailing(b.t.Context()); err != nil {
			t.Error(err)
		}
		if total := b.engine.Checkpoint().Total; total == nil || *total != 40 {
			t.Errorf("the count is %v", total)
		}
	})
}

// A list that is doubted was answered all the same: the credentials are taken.
func TestDoubtfulListLiftsARefusal(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		b.mustRound(true)
		b.vendor.failList = func(int) error { return call.ErrUnauthorized }
		if err := b.engine.Head(b.t.Context()); !errors.Is(err, call.ErrUnauthorized) || b.engine.Checkpoint().Refused == nil {
			t.Fatalf("%v, checkpoint %+v", err, b.engine.Checkpoint())
		}
		b.vendor.failList = nil
		b.vendor.total = func(n int) int { return n - 20 }
		if err := b.engine.Head(b.t.Context()); err == nil {
			t.Fatal("the list was believed")
		}
		if since := b.engine.Checkpoint().Refused; since != nil {
			t.Errorf("still refused since %s", since)
		}
	})
}

func TestShrinkingListIsNotBelieved(t *testing.T) {
	inBubble(t, 200, func(b *testbed) {
		b.mustRound(true)
		b.vendor.total = func(n int) int { return n - 30 }
		if err := b.engine.Trailing(b.t.Context()); err == nil || !strings.Contains(err.Error(), "shrank from 200 to 170") {
			t.Errorf("trailing: %v", err)
		}
		if total := b.engine.Checkpoint().Total; total == nil || *total != 200 {
			t.Errorf("the doubtful total was kept: %v", total)
		}
		b.vendor.total = nil
		b.mustRound(false)
	})
}
