package callsync

import (
	"fmt"
	"testing"
	"time"
)

// A call of which something new is stored in a round counts once as changed,
// whichever way it came; new calls and what comes of them do not.
func TestChangedCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		edit func(*fakeCall)
		want int
	}{
		"nothing":              {func(*fakeCall) {}, 0},
		"a text that was late": {func(c *fakeCall) { c.Transcript = "late" }, 1},
		"an edit":              {func(c *fakeCall) { c.Rev++ }, 1},
		"a recording":          {func(c *fakeCall) { c.Mark, c.Sound = "other", "second" }, 1},
		"all of them":          {func(c *fakeCall) { c.Transcript, c.Mark, c.Sound, c.Rev = "late", "other", "second", c.Rev+1 }, 1},
		"the same recording":   {func(c *fakeCall) { c.Mark = "other" }, 0},
	} {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", full), func(t *testing.T) {
				inBubble(t, 3, func(b *testbed) {
					b.vendor.calls[0].Promised = true
					b.sounding(fixed)
					if r := b.round(false); r.New != 3 || r.Changed != 0 || r.Recordings != 3 {
						b.t.Errorf("the first round: %+v", r)
					}
					time.Sleep(time.Hour)
					b.vendor.edit(func() { tc.edit(b.vendor.calls[0]) })
					fresh := b.arrives("fresh")
					fresh.Promised, fresh.Recording, fresh.Transcript = true, true, "said"
					if r := b.round(full); r.New != 1 || r.Changed != tc.want {
						b.t.Errorf("%d new, %d changed, want %d", r.New, r.Changed, tc.want)
					}
				})
			})
		}
	}
}
