package callsync

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
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

// A clock that ran ahead when parts were put off does not keep them waiting
// once it is put right, whether the daemon runs or starts anew.
func TestClockSetBackFreezesNothing(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"an hour": time.Hour, "a day": 24 * time.Hour, "a year": 365 * 24 * time.Hour} {
		for _, running := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, running %v", name, running), func(t *testing.T) {
				inBubble(t, 2, func(b *testbed) {
					t := b.t
					c := b.vendor.calls[0]
					c.Promised, c.Recording = true, true
					b.answerMedia(func(string) error { return call.ErrTransient })
					b.ahead = ahead
					b.round(false)
					b.aheadBy(ahead, "c002")
					b.ahead = 0
					if !running {
						b.restart()
					}
					stop := b.runInBackground()
					if running {
						if err := b.engine.ClockSetBack(t.Context()); err != nil {
							t.Fatal(err)
						}
					}
					b.vendor.edit(func() { c.Transcript = "text" })
					b.answerMedia(nil)
					time.Sleep(3 * time.Minute)
					stop()
					record := b.load("c002")
					if p := record.Parts; p.Transcript.State != call.Stored || p.Recording.State != call.Stored {
						t.Errorf("transcript %+v, recording %+v", p.Transcript, p.Recording)
					}
					if record.Call.FirstSeenAt.After(time.Now()) {
						t.Errorf("first seen at %v, it is %v", record.Call.FirstSeenAt, time.Now())
					}
				})
			})
		}
	}
}

// aheadBy makes a stored call and the checkpoint those of a clock that ran ahead.
func (b *testbed) aheadBy(d time.Duration, id call.ID) {
	b.t.Helper()
	record := b.load(id)
	for _, name := range call.PartNames {
		if part := record.Parts.Of(name); part.State == call.Pending {
			part.NextTry = part.NextTry.Add(d)
			if !part.Deadline.IsZero() {
				part.Deadline = part.Deadline.Add(d)
			}
		}
	}
	err := b.engine.save(b.t.Context(), []call.Write{{Record: record}}, func(c *call.Checkpoint) {
		sweep := *c.Sweep
		sweep.StartedAt, sweep.FinishedAt = sweep.StartedAt.Add(d), sweep.FinishedAt.Add(d)
		c.Sweep, c.ReadAt = &sweep, c.ReadAt.Add(d)
		if !c.CompletedAt.IsZero() {
			c.CompletedAt = c.CompletedAt.Add(d)
		}
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// A proof of completeness dated into the future proves nothing, and the next
// round makes a new one.
func TestProofOfTheFutureIsNone(t *testing.T) {
	inBubble(t, 25, func(b *testbed) {
		t := b.t
		b.mustRound(false)
		b.aheadBy(365*24*time.Hour, "c001")
		b.restart()
		c := b.engine.Checkpoint()
		if !Unproved(&c, time.Now()) || b.engine.proved() {
			t.Fatalf("proved at %v, now it is %v", c.CompletedAt, time.Now())
		}
		b.vendor.total = func(n int) int { return n + 1 }
		if r := b.round(false); r.Complete {
			t.Errorf("a list that lacks a call is complete: %+v", r)
		}
		b.vendor.total = nil
		b.mustRound(false)
		if c := b.engine.Checkpoint(); c.CompletedAt.After(time.Now()) {
			t.Errorf("proved at %v, now it is %v", c.CompletedAt, time.Now())
		}
	})
}

// A clock set on by a year, which the vendor's contradicts, ends no waiting:
// what is late still comes, and nothing is given up as absent or lost.
func TestClockSetOnGivesNothingUp(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		t := b.t
		promised, silent := b.vendor.calls[0], b.vendor.calls[1]
		promised.Promised, silent.Audio = true, call.EvidenceUnknown
		b.round(false)
		slow := &slowClock{fakeVendor: b.vendor, behind: 365 * 24 * time.Hour}
		b.source.Provider = slow
		b.restart()
		time.Sleep(slow.behind)
		b.round(false)
		b.round(true)
		if part := b.load("c003").Parts.Transcript; part.State != call.Pending {
			t.Errorf("promised transcript: %+v", part)
		}
		if part := b.load("c002").Parts.Recording; part.State != call.Pending {
			t.Errorf("recording nobody spoke of: %+v", part)
		}
		slow.behind = 0 // the year did pass
		b.round(false)  // tells what time it is there
		b.round(true)
		if part := b.load("c003").Parts.Transcript; part.State != call.Lost {
			t.Errorf("promised transcript a year later: %+v", part)
		}
		if part := b.load("c002").Parts.Recording; part.State != call.None {
			t.Errorf("recording nobody spoke of a year later: %+v", part)
		}
	})
}

// slowClock is a vendor whose clock is behind ours.
type slowClock struct {
	*fakeVendor
	behind time.Duration
}

func (v *slowClock) List(ctx context.Context, r call.ListRequest) (call.Page, error) {
	page, err := v.fakeVendor.List(ctx, r)
	page.FetchedAt = page.FetchedAt.Add(-v.behind)
	return page, err
}

func (v *slowClock) Fetch(ctx context.Context, name string, docs call.Documents) (call.Document, error) {
	doc, err := v.fakeVendor.Fetch(ctx, name, docs)
	doc.FetchedAt = doc.FetchedAt.Add(-v.behind)
	return doc, err
}

func (v *slowClock) Relink(ctx context.Context, docs call.Documents) (call.Documents, error) {
	fresh, err := v.fakeVendor.Relink(ctx, docs)
	for name, doc := range fresh {
		doc.FetchedAt = doc.FetchedAt.Add(-v.behind)
		fresh[name] = doc
	}
	return fresh, err
}

// A vendor that dates a call into the future is waited for from its first
// sighting on, not for as long as the date pretends.
func TestCallsOfTheFutureSettle(t *testing.T) {
	inBubble(t, 2, func(b *testbed) {
		t := b.t
		c := b.vendor.calls[0]
		c.Created, c.Audio, c.Promised = time.Now().AddDate(70, 0, 0).UTC(), call.EvidenceUnknown, true
		b.round(false)
		time.Sleep(73 * time.Hour)
		b.runFor(2 * time.Hour)
		if p := b.load("c002").Parts; p.Recording.State != call.None || p.Transcript.State != call.Lost {
			t.Errorf("recording %+v, transcript %+v", p.Recording, p.Transcript)
		}
		if mark := b.engine.Checkpoint().Watermark; mark.After(time.Now()) {
			t.Errorf("watermark %v", mark)
		}
	})
}

// slowRelink reads two documents for a fresh link, the second of which waits for
// its turn.
type slowRelink struct{ *detailVendor }

func (v *slowRelink) Relink(ctx context.Context, docs call.Documents) (call.Documents, error) {
	first := time.Now()
	time.Sleep(3 * time.Minute)
	fresh, err := v.detailVendor.Relink(ctx, docs)
	fresh["detail"] = call.Document{Body: docs["detail"].Body, FetchedAt: first}
	return fresh, err
}

// An answer that was read long before the last one says nothing about the clock.
func TestClockIsReadOffTheLastAnswer(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.vendor.calls[0].Recording = true
		b.source.Provider = &slowRelink{&detailVendor{fakeVendor: b.vendor}}
		b.restart()
		b.mustRound(true)
		record, known, err := b.engine.stored(b.t.Context(), call.Key{Source: "crm", ID: "c001"})
		if err != nil {
			b.t.Fatal(err)
		}
		for range 20 {
			if _, _, err := b.engine.relink(b.t.Context(), record.Call.Key, record, known); err != nil {
				b.t.Fatal(err)
			}
			if skew := b.engine.Skew(); skew > maxSkew {
				b.t.Fatalf("the clock is %s ahead", skew)
			}
		}
	})
}

// hastyClock skips all waiting.
type hastyClock struct{ skipped time.Duration }

func (c *hastyClock) Now() time.Time { return time.Now().Add(c.skipped) }

func (c *hastyClock) Wait(ctx context.Context, d time.Duration, _ <-chan struct{}) error {
	c.skipped += d
	return context.Cause(ctx)
}

// A sweep waits for downloads by the clock it was given.
func TestSweepWaitsByItsClock(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		c := &hastyClock{}
		b.engine.clock = c
		for i := range b.engine.info.PageSize + 1 {
			b.engine.links.put(call.ID(fmt.Sprint(i)), call.RecordingLink{}, true)
		}
		start := time.Now()
		if err := b.engine.waitForDownloads(b.t.Context(), true); err != nil || time.Since(start) > 0 || c.skipped != minLinkLife {
			b.t.Errorf("%v, %s by the machine's clock, %s skipped", err, time.Since(start), c.skipped)
		}
	})
}
