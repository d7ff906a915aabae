package endtoend

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
)

// handClock is moved by the test alone; who waits for it does not wait long.
type handClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *handClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *handClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (c *handClock) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	return call.RealClock{}.Wait(ctx, min(d, 5*time.Millisecond), wake)
}

// TestCatchesUpAfterDowntime switches the machine off for four days, when some
// recordings are still to be fetched and their links are about to expire. New
// calls come meanwhile, others are deleted. The daemon goes on where it was:
// everything the vendors still give is archived, with fresh links, and what they
// no longer give is listed as lost with its reason until somebody accepts it.
func TestCatchesUpAfterDowntime(t *testing.T) {
	t.Parallel()
	clock := &handClock{at: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)}
	b := newBed(t, simulator.Options{Seed: 6, Calls: 5, Growth: 6 * time.Hour, Now: clock.Now, Faults: simulator.Faults{MediaForbidden: 1}})
	b.logs = nil
	o := b.options(t)
	o.Clock = clock
	session := func(steps int, judge func(*service.Archive)) {
		a, err := service.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		turns := a.Turns()
		for range steps {
			if err := turns.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			clock.move(5 * time.Minute)
		}
		judge(a)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}

	deleted := make(map[call.Key]bool)
	session(2, func(a *service.Archive) {
		for key, c := range fromArchive(t, a) {
			if c.Parts.Recording != call.Pending {
				continue
			}
			if name := string(key.Source); !deleted[key] && len(deleted) < 1 && name == "suresend" {
				if err := b.sim.DeleteCall(name, key.ID); err != nil {
					t.Fatal(err)
				}
				deleted[key] = true
			}
		}
		if len(deleted) == 0 {
			t.Fatal("no recording of suresend is pending")
		}
	})

	b.sim.SetFaults(simulator.Faults{})
	clock.move(4 * 24 * time.Hour) // off

	session(24, func(a *service.Archive) { // two hours
		judgeDowntime(t, b, a, deleted)
	})
}

func judgeDowntime(t *testing.T, b *bed, a *service.Archive, deleted map[call.Key]bool) {
	held := fromArchive(t, a)
	grown := 0
	for _, v := range b.sim.Vendors() {
		for _, truth := range b.sim.Truth(v.Name) {
			grown++
			key := call.Key{Source: call.SourceID(v.Name), ID: truth.Call.ID}
			if diff := cmp.Diff(expected(truth), reduced(held[key])); diff != "" {
				t.Errorf("%s differs (-vendor +archive):\n%s", key, diff)
			}
		}
	}
	if grown < 5*(5+15) {
		t.Errorf("the vendors have %d calls: none came while the machine was off", grown)
	}
	c := client.New("http://callsyncd.local", a.Token(), client.InProcess(a.Handler()))
	gaps, err := c.Gaps(t.Context(), "", 200, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gaps.Value.Data {
		if g.State != call.Lost || !deleted[g.Key] || g.Part != call.PartRecording || g.Reason == nil || *g.Reason != "gone" {
			t.Errorf("gap %s", toJSON(t, g))
		}
	}
	if n := len(gaps.Value.Data); n != len(deleted) {
		t.Errorf("%d gaps, want %d", n, len(deleted))
	}
	problems := func() string {
		status, err := a.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(status.Problems, "\n")
	}
	if text := problems(); text != "suresend: lost: 1 recording; see `callsyncd gaps`" {
		t.Errorf("problems: %s", text)
	}
	for key := range deleted {
		if _, err := c.Acknowledge(t.Context(), client.Loss{Key: key, Part: call.PartRecording, Reason: "deleted at the vendor"}); err != nil {
			t.Error(err)
		}
	}
	if text := problems(); text != "" {
		t.Errorf("with the loss accepted: %s", text)
	}
}
