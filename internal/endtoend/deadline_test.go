package endtoend

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
)

// fastClock is a clock that runs faster than the machine's.
type fastClock struct {
	begun  time.Time
	factor float64
}

func (c *fastClock) Now() time.Time {
	return c.begun.Add(time.Duration(float64(time.Since(c.begun)) * c.factor))
}

func (c *fastClock) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	return call.RealClock{}.Wait(ctx, time.Duration(float64(d)/c.factor), wake)
}

// stillClock goes on only while it is waited for, to the first moment somebody
// waits for: the work itself takes no time by it, however busy the machine is.
type stillClock struct {
	mu      sync.Mutex
	at      time.Time
	waiting map[*time.Time]bool // the moments that are waited for
}

func (c *stillClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *stillClock) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	c.mu.Lock()
	until := c.at.Add(d)
	c.waiting[&until] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.waiting, &until)
	}()
	pause := time.NewTicker(max(d/2000, time.Millisecond)) // somebody may be about to wait for less
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
			return nil
		case <-pause.C:
		}
		if c.reach(until) {
			return nil
		}
	}
}

// reach goes on to a moment unless somebody waits for an earlier one, and
// reports whether it has come.
func (c *stillClock) reach(until time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.waiting {
		if other.Before(until) {
			return false
		}
	}
	if until.After(c.at) {
		c.at = until
	}
	return true
}

// trouble is a fifth of everything going wrong: API answers and downloads alike.
var trouble = simulator.Faults{
	ErrorRate: 0.08, ConnectionReset: 0.04, TruncatedJSON: 0.04, TooManyRequests: 0.04,
	MediaErrorRate: 0.08, MediaExpiresEarly: 0.04, MediaTruncated: 0.04, MediaHTML: 0.02, MediaEmpty: 0.02,
}

// deadlineRun is one test of recordings against the clock of their links.
type deadlineRun struct {
	calls  int           // of each vendor at the start
	growth time.Duration // between two new calls of each vendor
	length time.Duration // how long new calls are looked at
	clock  call.Clock
}

// TestDeadlines fetches recordings whose links live for one hour, while a fifth
// of all requests fails and everything is down for ten minutes: every one must
// be archived, and none may be missing without being a gap. With
// CALLSYNCD_DEADLINES it takes some minutes and thousands of recordings.
func TestDeadlines(t *testing.T) {
	run := deadlineRun{15, 10 * time.Minute, 45 * time.Minute, &stillClock{at: time.Now(), waiting: map[*time.Time]bool{}}}
	if os.Getenv("CALLSYNCD_DEADLINES") != "" { // where the machine's speed counts
		run = deadlineRun{300, 2 * time.Minute, 3 * time.Hour, &fastClock{time.Now(), 120}}
	} else {
		t.Parallel()
	}
	run.play(t)
}

func (run *deadlineRun) play(t *testing.T) {
	clock := run.clock
	b := newBed(t, simulator.Options{Seed: 8, Calls: run.calls, Span: 3 * 24 * time.Hour, Growth: run.growth, Late: 0.2,
		URLLife: time.Hour, Now: clock.Now, Faults: trouble})
	b.logs = nil
	o := b.options(t)
	o.Clock = clock
	a, err := service.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()

	begun := clock.Now()
	end := begun.Add(run.length)
	turns := a.Turns()
	for limit := end.Add(12 * time.Hour); ; {
		b.sim.SetFaults(run.weather(clock.Now().Sub(begun)))
		if err := turns.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		// What came late has its time, too.
		if now := clock.Now(); now.After(end.Add(time.Hour)) && (run.open(t, a, end) == 0 || now.After(limit)) {
			break
		}
		if err := clock.Wait(t.Context(), time.Minute, nil); err != nil {
			t.Fatal(err)
		}
	}
	run.judge(t, b, a, end, clock.Now().Sub(begun))
}

// weather is what goes wrong some time into the run: everything for ten minutes,
// a third into it.
func (run *deadlineRun) weather(into time.Duration) simulator.Faults {
	faults := trouble
	faults.Outage = into >= run.length/3 && into < run.length/3+10*time.Minute
	return faults
}

// open counts the unfinished calls that were made before end.
func (run *deadlineRun) open(t *testing.T, a *service.Archive, end time.Time) (n int) {
	for _, c := range fromArchive(t, a) {
		if !c.Settled && c.CreatedAt != nil && c.CreatedAt.Before(end) {
			n++
		}
	}
	return n
}

// judge compares the archive with what the vendors have from before end.
func (run *deadlineRun) judge(t *testing.T, b *bed, a *service.Archive, end time.Time, took time.Duration) {
	held := fromArchive(t, a)
	var recordings, archived, listed, silent, renewed, downloads, faults int
	for _, v := range b.sim.Vendors() {
		stats := b.sim.Stats(v.Name)
		renewed += stats.MediaExpired
		downloads += stats.MediaDownloads
		for _, n := range stats.Faults {
			faults += n
		}
		for _, truth := range b.sim.Truth(v.Name) {
			if truth.Call.CreatedAt == nil || !truth.Call.CreatedAt.Before(end) || truth.Parts.Recording != call.Stored {
				continue
			}
			recordings++
			got, ok := held[call.Key{Source: call.SourceID(v.Name), ID: truth.Call.ID}]
			switch {
			case ok && got.Parts.Recording == call.Stored && got.Recording.SHA256 != nil && *got.Recording.SHA256 == *truth.Call.Recording.SHA256:
				archived++
			case ok && (got.Parts.Recording == call.Pending || got.Parts.Recording == call.Lost):
				listed++
				t.Errorf("%s/%s is a gap: %s", v.Name, truth.Call.ID, toJSON(t, got.Parts))
			default:
				silent++
				t.Errorf("%s/%s is missing, and no gap says so: %s", v.Name, truth.Call.ID, toJSON(t, got.Parts))
			}
		}
	}
	if recordings == 0 || faults == 0 {
		t.Error("nothing was tested")
	}
	t.Logf("deadlines: %d recordings with links of one hour, a fifth of the requests failing, ten minutes of outage: %d archived (%.2f %%), %d in gaps, %d silent misses; %d faults, %d dead links met, %d downloads, %.1f hours of the clock",
		recordings, archived, 100*float64(archived)/float64(max(1, recordings)), listed, silent, faults, renewed, downloads, took.Hours())
}
