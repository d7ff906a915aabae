package callsync

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

func TestAnswersLackAField(t *testing.T) {
	at := time.Date(2025, 3, 1, 9, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		before, after func(i int) string // the value of the field, empty without one
		answers       int
		text          string
		again         int  // calls that are read again once it is back
		since         bool // and all others
	}{
		"there":        {func(int) string { return `"x"` }, func(int) string { return `"y"` }, 20, "", 0, false},
		"in vain":      {func(i int) string { return pick(i%25 > 0, `"x"`) }, func(i int) string { return pick(i != 3, `"x"`) }, 20, "", 0, false},
		"a short run":  {func(int) string { return `"x"` }, func(int) string { return "" }, 2, "", 2, false},
		"once":         {func(int) string { return `"x"` }, func(int) string { return "" }, 1, "", 1, false},
		"vanished":     {func(i int) string { return pick(i%25 > 0, `"x"`) }, func(int) string { return "" }, 60, `field "data.name" of the document detail was in 95 % of the vendor's records, now in none`, 60, false},
		"always null":  {func(int) string { return `"x"` }, func(int) string { return "null" }, 60, "now in none", 60, false},
		"another type": {func(int) string { return `7` }, func(int) string { return `"7"` }, 60, "was of the type number, now it is string", 60, false},
		"became rare":  {func(i int) string { return pick(i%25 > 0, `"x"`) }, func(i int) string { return pick(i%5 == 1 || i%5 == 3, `"x"`) }, 60, "was in 96 % of the vendor's records, now in 40 %", 0, true},
		"not always":   {func(i int) string { return pick(i%2 == 0, `"x"`) }, func(int) string { return "" }, 60, "", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			a, n := newAnswers(&call.Checkpoint{}), 0
			see := func(value string) {
				n++
				body := pick(value == "", `{"data": {"id": "1"}}`)
				if body == "" {
					body = fmt.Sprintf(`{"data": {"id": "1", "name": %s}}`, value)
				}
				a.see("detail", call.ID(fmt.Sprint(n)), call.Document{Body: json.RawMessage(body), FetchedAt: at.Add(time.Duration(n) * time.Minute)})
			}
			for i := range 100 {
				see(tc.before(i))
			}
			for i := range tc.answers {
				see(tc.after(i))
			}
			if text := strings.Join(a.texts(2), "; "); !strings.Contains(text, tc.text) || tc.text == "" && text != "" {
				t.Errorf("told %q, want %q", text, tc.text)
			}
			for range backRows {
				see(tc.before(1))
			}
			d := a.docs["detail"]
			if len(d.Again) < tc.again || tc.again == 0 && !tc.since && len(d.Again) > 0 || d.AllSince.IsZero() == tc.since {
				t.Errorf("%d calls are read again, and those since %s", len(d.Again), d.AllSince)
			}
			if text := a.texts(2); len(text) > 0 && tc.text != "" {
				t.Errorf("still told once it is back: %q", text)
			}
		})
	}
}

func pick(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

// detailVendor shows the campaign of a call in its detail only.
type detailVendor struct {
	*fakeVendor
	lacks bool // the campaign
}

func (v *detailVendor) Wanted(docs call.Documents, _ map[string]string) (string, bool) {
	_, have := docs["detail"]
	return "detail", !have
}

func (v *detailVendor) Fetch(_ context.Context, _ string, docs call.Documents) (call.Document, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fetches++
	body := `{"data": {"id": "1", "campaign": "spring"}}`
	if v.lacks {
		body = `{"data": {"id": "1"}}`
	}
	return call.Document{Body: json.RawMessage(body), FetchedAt: time.Now()}, nil
}

func (v *detailVendor) Map(docs call.Documents) (call.Mapped, error) {
	m, err := v.fakeVendor.Map(docs)
	var detail struct{ Data struct{ Campaign *string } }
	_ = json.Unmarshal(docs["detail"].Body, &detail)
	m.Call.CampaignName = detail.Data.Campaign
	return m, err
}

// A field that vanishes from the answers about single calls is told of, and what
// was read meanwhile is read again once it is back.
func TestFieldVanishesFromAnswers(t *testing.T) {
	for name, calls := range map[string]int{"for a few calls": 3, "for many": 12} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 60, func(b *testbed) {
				t := b.t
				v := &detailVendor{fakeVendor: b.vendor}
				b.source.Provider = v
				b.restart()
				b.mustRound(true)
				v.edit(func() { v.lacks = true })
				for i := range calls {
					time.Sleep(time.Minute)
					b.arrives(fmt.Sprintf("n%03d", i))
				}
				r := b.round(false)
				if told := len(b.engine.Checkpoint().AnswerDrift) > 0; told != (calls > 10) || r.Complete == told {
					t.Errorf("complete %t, told %q", r.Complete, b.engine.Checkpoint().AnswerDrift)
				}
				b.restart() // what was counted outlives the process
				if calls > 10 {
					if r := b.round(true); r.Complete || !strings.Contains(r.Error, `field "data.campaign" of the document detail was in 100 % of the vendor's records, now in none`) {
						t.Errorf("a sweep: %+v", r)
					}
				}
				v.edit(func() { v.lacks = false })
				for i := range backRows {
					time.Sleep(time.Minute)
					b.arrives(fmt.Sprintf("z%03d", i))
				}
				fetches := v.fetches
				b.mustRound(true)
				b.mustRound(true)
				if n := v.fetches - fetches; n != calls+backRows {
					t.Errorf("%d details were read, want %d", n, calls+backRows)
				}
				for i := range calls {
					if r := b.load(call.ID(fmt.Sprintf("n%03d", i))); r.Call.CampaignName == nil || r.Parts.Record.State != call.Stored {
						t.Errorf("%+v", r.Call)
					}
				}
				if c := b.engine.Checkpoint(); len(c.AnswerDrift) > 0 || !slices.Equal(c.Drift, nil) {
					t.Errorf("still told: %q", c.AnswerDrift)
				}
			})
		})
	}
}

// What was told of and is so at the next sweep is how the vendor answers now.
func TestFieldIsGoneForGood(t *testing.T) {
	inBubble(t, 60, func(b *testbed) {
		t := b.t
		v := &detailVendor{fakeVendor: b.vendor}
		b.source.Provider = v
		b.restart()
		b.mustRound(true)
		v.edit(func() { v.lacks = true })
		for i := range 12 {
			time.Sleep(time.Minute)
			b.arrives(fmt.Sprintf("n%03d", i))
		}
		if r := b.round(true); r.Complete {
			t.Error("nothing told")
		}
		b.mustRound(true)
		b.arrives("one more")
		b.mustRound(true)
	})
}
