package callsync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// queueUp enters a slot in the background and notes its name when it has one.
type queueUp struct {
	slots *Slots
	mu    sync.Mutex
	in    []string
	seats map[string]*seat
}

func (q *queueUp) enter(t *testing.T, name string, left time.Duration) {
	deadline := time.Time{}
	if left > 0 {
		deadline = time.Now().Add(left)
	}
	go func() {
		s, err := q.slots.enter(t.Context(), deadline)
		q.mu.Lock()
		defer q.mu.Unlock()
		if err == nil {
			q.in = append(q.in, name)
			q.seats[name] = s
		}
	}()
	synctest.Wait()
}

func (q *queueUp) leave(name string) {
	q.mu.Lock()
	s := q.seats[name]
	q.mu.Unlock()
	s.leave()
	s.leave() // twice is once
	synctest.Wait()
}

func (q *queueUp) expect(t *testing.T, names string) {
	t.Helper()
	q.mu.Lock()
	defer q.mu.Unlock()
	if got := strings.Join(q.in, " "); got != names {
		t.Errorf("slots went to %q, want %q", got, names)
	}
}

func TestSlotsGoByDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queueUp{slots: NewSlots(1, 0, call.RealClock{}), seats: make(map[string]*seat)}
		q.enter(t, "first", 0)
		q.enter(t, "never", 0)
		q.enter(t, "late", 50*time.Minute)
		q.enter(t, "soon", 20*time.Minute)
		for _, name := range []string{"first", "soon", "late"} {
			q.leave(name)
		}
		q.expect(t, "first soon late never")
	})
}

func TestSlotIsKeptForTheHurried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &queueUp{slots: NewSlots(3, 0, call.RealClock{}), seats: make(map[string]*seat)}
		for i := range 3 {
			q.enter(t, fmt.Sprint("big", i), time.Hour+time.Duration(i)*time.Second)
		}
		q.expect(t, "big0 big1")
		q.enter(t, "fuse", 10*time.Minute)
		q.expect(t, "big0 big1 fuse")
		q.leave("fuse")
		q.expect(t, "big0 big1 fuse")
		time.Sleep(45*time.Minute + 3*time.Second) // the third's time has come
		synctest.Wait()
		q.expect(t, "big0 big1 fuse big2")
		for _, name := range []string{"big0", "big1", "big2"} {
			q.leave(name)
		}
		for i := range 3 {
			q.enter(t, fmt.Sprint("again", i), time.Hour)
		}
		q.expect(t, "big0 big1 fuse big2 again0 again1")
	})
}

func TestSlotIsNotTakenByTheGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(1, 0, call.RealClock{})
		holder, err := s.enter(t.Context(), time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.enter(ctx, time.Time{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("entered a taken slot: %v", err)
		}
		holder.leave()
		if s.taken != 0 || s.unhurried != 0 || len(s.queue) != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRateIsShared: two downloads of 320 KiB at 64 KiB a second together take
// ten seconds, and the hurried one has most of them to itself.
func TestRateIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slots := NewSlots(4, 64<<10, call.RealClock{})
		took := map[bool]time.Duration{}
		var mu sync.Mutex
		var running sync.WaitGroup
		begun := time.Now()
		for _, hurried := range []bool{false, true} {
			left := time.Hour
			if hurried {
				left = time.Minute
			}
			running.Go(func() {
				s, err := slots.enter(t.Context(), begun.Add(left))
				if err != nil {
					t.Error(err)
					return
				}
				defer s.leave()
				n, err := io.Copy(io.Discard, s.pace(t.Context(), bytes.NewReader(make([]byte, 320<<10))))
				if n != 320<<10 || err != nil {
					t.Errorf("%d bytes, %v", n, err)
				}
				mu.Lock()
				took[hurried] = time.Since(begun)
				mu.Unlock()
			})
		}
		running.Wait()
		if took[true] > 7*time.Second || took[false] < 9*time.Second || took[false] > 11*time.Second {
			t.Errorf("hurried %v, the other %v", took[true], took[false])
		}
	})
}

// TestLargeDownloadsDoNotBlockAFuse: with more large recordings under way than
// are taken in hand at once, one whose link dies in ten minutes is fetched at
// once.
func TestLargeDownloadsDoNotBlockAFuse(t *testing.T) {
	inBubble(t, 100, func(b *testbed) {
		for _, c := range b.vendor.calls {
			c.Recording = true
		}
		b.vendor.linkLife = func(id string) time.Duration {
			if id == "fuse" {
				return 10 * time.Minute
			}
			return time.Hour
		}
		b.answerMedia(func(url string) error {
			if !strings.Contains(url, "fuse") {
				time.Sleep(30 * time.Minute)
			}
			return nil
		})
		defer b.runInBackground()()
		if err := b.engine.Sweep(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		c := b.arrives("fuse")
		c.Recording = true
		if err := b.engine.Head(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if part := b.load("fuse").Parts.Recording; part.State != call.Stored {
			t.Errorf("%+v", part)
		}
	})
}

// busyError is a media host's answer with a Retry-After.
type busyError struct{ after time.Duration }

func (busyError) Error() string               { return "slow down" }
func (busyError) Is(target error) bool        { return target == call.ErrTransient }
func (e busyError) RetryDelay() time.Duration { return e.after }
func (busyError) PartReason() string          { return "http_503" }

func TestMediaHostsWishIsObeyed(t *testing.T) {
	for name, tc := range map[string]struct {
		after   time.Duration
		answers int           // how many are refused
		runs    time.Duration // of the daemon, after the first round
		gaps    []time.Duration
		relinks int
		reason  string
		inRound bool // the round itself brings it
	}{
		"waited for in place":          {after: 20 * time.Second, answers: 2, gaps: []time.Duration{0, 20 * time.Second, 40 * time.Second}, inRound: true},
		"a storm":                      {after: 50 * time.Second, answers: 3, runs: 20 * time.Minute, gaps: []time.Duration{0, 50 * time.Second, 100 * time.Second, 150 * time.Second}, reason: "http_503"},
		"longer than a download waits": {after: 10 * time.Minute, answers: 1, runs: time.Hour, gaps: []time.Duration{0, 10 * time.Minute}, reason: "host_busy"},
		"longer than the link lives":   {after: 58 * time.Minute, answers: 1, runs: 2 * time.Hour, gaps: []time.Duration{0, 58 * time.Minute}, relinks: 1, reason: "host_busy"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.vendor.calls[0].Recording = true
				begun := time.Now()
				var at []time.Duration
				b.answerMedia(func(string) error {
					at = append(at, time.Since(begun).Truncate(10*time.Second))
					if len(at) <= tc.answers {
						return busyError{tc.after}
					}
					return nil
				})
				r := b.round(false)
				if r.Complete != tc.inRound {
					t.Errorf("%+v", r)
				}
				if part := b.load("c001").Parts.Recording; !tc.inRound {
					if part.State != call.Pending || part.Reason != tc.reason || part.NextTry.Before(begun.Add(tc.after).Truncate(time.Second)) {
						t.Errorf("%+v", part)
					}
				}
				b.runFor(tc.runs)
				if !slices.Equal(at, tc.gaps) || b.vendor.relinks != tc.relinks {
					t.Errorf("asked at %v, want %v; %d fresh links", at, tc.gaps, b.vendor.relinks)
				}
				if part := b.load("c001").Parts.Recording; part.State != call.Stored {
					t.Errorf("%+v", part)
				}
			})
		})
	}
}

// TestOneHostsWishSparesItFromAll: while it wants to be left alone, other
// recordings do not ask it either, and none uses up a fresh link.
func TestOneHostsWishSparesItFromAll(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		for _, c := range b.vendor.calls {
			c.Recording = true
		}
		b.answerMedia(func(string) error { return busyError{5 * time.Minute} })
		b.round(false)
		if b.media.gets > 2 || b.vendor.relinks != 0 {
			t.Errorf("asked %d times, %d fresh links", b.media.gets, b.vendor.relinks)
		}
		b.answerMedia(nil)
		b.runFor(20 * time.Minute)
		if r := b.mustRound(false); r.Counts.Recordings != 40 || b.vendor.relinks != 0 {
			t.Errorf("%+v, %d fresh links", r.Counts, b.vendor.relinks)
		}
	})
}
