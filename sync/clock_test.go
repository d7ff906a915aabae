package callsync

import (
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// jumps are what happens to clocks: set by hand, by a time server after a boot
// without one, by an empty battery.
var jumps = map[string]time.Duration{
	"an hour on": time.Hour, "an hour back": -time.Hour, "a day on": 24 * time.Hour, "a day back": -24 * time.Hour,
	"a year on": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour, "back to 1970": -time.Since(time.Unix(0, 0)),
}

// A budget goes by the time that passed. However the clock is set, while it
// runs or before its state is read back, a day's requests are neither granted
// twice nor held back for longer than a day.
func TestBudgetAndClockJumps(t *testing.T) {
	for name, jump := range jumps {
		for _, when := range []string{"running", "off"} {
			t.Run(name+" while "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					if when == "off" && jump > 0 {
						t.Skip("a clock set on while nothing runs cannot be told from time that passed")
					}
					var set time.Duration
					wall := func() time.Time { return time.Now().UTC().Round(0).Add(set) }
					budget := func(saved []byte) *Budget {
						b := NewBudget("crm", limits(50, 24*time.Hour), time.Second)
						b.wall = wall
						if err := b.Restore(saved); err != nil {
							t.Fatal(err)
						}
						return b
					}
					spend := func(b *Budget) (n int) {
						for b.Take(t.Context()) == nil {
							n++
							time.Sleep(time.Second)
						}
						return n
					}
					first := budget(nil)
					for range 30 {
						if err := first.Take(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					first = budget(first.State())
					saved := first.State()
					set = jump
					if when == "running" {
						saved = first.State()
					}
					second := budget(saved)
					if n := spend(second); n != 20 {
						t.Errorf("%d of the 20 requests left were granted after a restart", n)
					}
					if n := spend(first); n != 20 {
						t.Errorf("%d of the 20 requests left were granted by the running budget", n)
					}
					time.Sleep(24*time.Hour + time.Minute)
					for _, b := range []*Budget{first, second} {
						if n := spend(b); n != 50 {
							t.Errorf("a day later %d of 50 requests were granted", n)
						}
					}
				})
			})
		}
	}
}

// A pause the vendor gave as a moment lasts as long as it was to last.
func TestPauseOutlivesClockJumps(t *testing.T) {
	for name, jump := range jumps {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := NewBudget("crm", nil, time.Second)
				now := time.Now()
				header := http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {strconv.FormatInt(now.Add(10*time.Minute).Unix(), 10)}}
				until, ok := rateLimitReset(header, now)
				if !ok {
					t.Fatal("no pause")
				}
				b.Pause(until, "the vendor's X-RateLimit")
				b.wall = func() time.Time { return time.Now().UTC().Round(0).Add(jump) }
				again := NewBudget("crm", nil, time.Second)
				again.wall = b.wall
				if err := again.Restore(b.State()); err != nil {
					t.Fatal(err)
				}
				for i, x := range []*Budget{b, again} {
					if x.Take(t.Context()) == nil {
						t.Errorf("%d: a request was made during the pause", i)
					}
				}
				time.Sleep(10 * time.Minute)
				for i, x := range []*Budget{b, again} {
					if err := x.Take(t.Context()); err != nil {
						t.Errorf("%d: after the pause: %v", i, err)
					}
				}
			})
		})
	}
}

// Moments a budget takes from outside keep their distance from now when the
// clock is set. Only the real clock has the reading for it.
func TestBudgetMomentsIgnoreTheWallClock(t *testing.T) {
	steady := func(at time.Time) bool { return at != at.Round(0) }
	now := time.Now()
	until, ok := rateLimitReset(http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {strconv.FormatInt(now.Add(10*time.Minute).Unix(), 10)}}, now)
	if !ok || !steady(until) {
		t.Errorf("X-RateLimit-Reset: %v", until)
	}
	first, second := NewBudget("crm", limits(5, time.Hour), time.Second), NewBudget("crm", limits(5, time.Hour), time.Second)
	first.Pause(until, "the vendor's X-RateLimit")
	first.count(now, 0)
	if err := second.Restore(first.State()); err != nil {
		t.Fatal(err)
	}
	if made := second.windows[0].made; len(made) != 1 || !steady(made[0]) || !steady(second.paused) {
		t.Errorf("restored: made %v, paused until %v", made, second.paused)
	}
}
