package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/config/schedule"
)

func every(t *testing.T, spec string) schedule.Schedule {
	t.Helper()
	s, err := schedule.Parse(spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func silent() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// starts counts runs and remembers when they began.
type starts struct {
	mu    sync.Mutex
	times []time.Time
}

func (s *starts) job(context.Context) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Now())
	return false
}

func always() bool { return true }

func (s *starts) all() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.times...)
}

// runFor lets a scheduler run for a fake time and returns Run's error.
func runFor(t *testing.T, s *Scheduler, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return s.Run(ctx)
}

func TestADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var head, atStart, nightly, doomed starts
		s := NewScheduler("install", silent(),
			Entry{Name: "crm head", Schedule: every(t, "5m"), Job: head.job},
			Entry{Name: "crm trailing", Schedule: every(t, "30m"), Job: atStart.job, Due: always},
			Entry{Name: "crm sweep", Schedule: every(t, "30 2 * * *"), Job: nightly.job},
			Entry{Name: "doomed", Schedule: every(t, "1h"), Job: func(ctx context.Context) bool {
				doomed.job(ctx)
				panic("private text")
			}})
		begin := time.Now()
		if err := runFor(t, s, 24*time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := len(head.all()); n != 287 && n != 288 {
			t.Errorf("%d runs every 5 minutes of a day", n)
		}
		if n := len(atStart.all()); n != 48 && n != 49 {
			t.Errorf("%d runs every 30 minutes and at start", n)
		}
		if first := atStart.all()[0]; first != begin {
			t.Errorf("run at start came at %v", first)
		}
		if n := len(doomed.all()); n != 23 && n != 24 {
			t.Errorf("%d runs of a job that panics every time", n)
		}
		got := nightly.all()
		if len(got) != 1 {
			t.Fatalf("nightly runs: %v", got)
		}
		if late := got[0].Sub(begin.Truncate(24 * time.Hour).Add(2*time.Hour + 30*time.Minute)); late < 0 || late > maxJitter {
			t.Errorf("nightly run %v after its time", late)
		}
	})
}

// A run longer than its interval is neither overlapped nor started again the
// moment it ends.
func TestNoOverlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		var slow starts
		s := NewScheduler("install", silent(), Entry{Name: "slow", Schedule: every(t, "5m"), Job: func(ctx context.Context) bool {
			slow.job(ctx)
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(17 * time.Minute)
			running.Add(-1)
			return false
		}})
		_ = runFor(t, s, 4*time.Hour) // a run is going on at the end
		if most.Load() != 1 {
			t.Errorf("%d runs at the same time", most.Load())
		}
		times := slow.all()
		if n := len(times); n < 11 || n > 12 { // one per 20 minutes
			t.Errorf("%d runs in 4 hours", n)
		}
		synctest.Wait()
		time.Sleep(20 * time.Minute) // let the last one end
	})
}

// After a sleep of the machine, when the wall clock is ahead of the time that
// passed, the run that was missed comes within two minutes, and once.
func TestWatchdogAfterSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asleep atomic.Int64
		var sweep starts
		var logged bytes.Buffer
		s := NewScheduler("install", slog.New(slog.NewTextHandler(&logged, nil)), Entry{Name: "crm sweep", Schedule: every(t, "6h"), Job: sweep.job})
		s.wall = func() time.Time { return time.Now().UTC().Round(0).Add(time.Duration(asleep.Load())) }
		const awake = time.Hour + 10*time.Second
		woke := time.Now().Add(awake)
		go func() {
			time.Sleep(awake)
			asleep.Store(int64(13 * time.Hour))
		}()
		if err := runFor(t, s, 3*time.Hour); err != nil {
			t.Fatal(err)
		}
		times := sweep.all()
		if len(times) != 1 || times[0].Before(woke) || times[0].After(woke.Add(2*watchEvery)) {
			t.Errorf("woke at %v, runs at %v", woke, times)
		}
		for _, want := range []string{"clock jumped", "run overdue"} {
			if strings.Count(logged.String(), want) != 1 {
				t.Errorf("%q is not once in the log:\n%s", want, &logged)
			}
		}
	})
}

// A clock that is set back neither stops the runs nor doubles them.
func TestClockSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Int64
		var head starts
		s := NewScheduler("install", silent(), Entry{Name: "crm head", Schedule: every(t, "5m"), Job: head.job})
		s.wall = func() time.Time { return time.Now().UTC().Round(0).Add(-time.Duration(back.Load())) }
		go func() {
			time.Sleep(time.Hour)
			back.Store(int64(48 * time.Hour))
		}()
		if err := runFor(t, s, 3*time.Hour); err != nil {
			t.Fatal(err)
		}
		if n := len(head.all()); n < 34 || n > 37 {
			t.Errorf("%d runs in 3 hours", n)
		}
	})
}

// A steady clock gives the watchdog nothing to do.
func TestWatchdogKeepsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		s := NewScheduler("install", slog.New(slog.NewTextHandler(&logged, nil)),
			Entry{Name: "a", Schedule: every(t, "5m"), Job: func(context.Context) bool { return false }},
			Entry{Name: "b", Schedule: every(t, "0 9 * * 1-5"), Job: func(context.Context) bool { return false }},
			Entry{Name: "c", Schedule: every(t, "1h"), Job: func(context.Context) bool { time.Sleep(90 * time.Minute); return false }})
		if err := runFor(t, s, 5*24*time.Hour+30*time.Minute); err != nil && !strings.Contains(err.Error(), ": c") {
			t.Fatal(err)
		}
		if logged.Len() > 0 {
			t.Errorf("logged:\n%s", &logged)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told error
		s := NewScheduler("install", silent(), Entry{Name: "job", Schedule: every(t, "1h"), Due: always, Job: func(ctx context.Context) bool {
			<-ctx.Done()
			time.Sleep(7 * time.Second) // finishing its page
			told = ctx.Err()
			return false
		}})
		begin := time.Now()
		if err := runFor(t, s, time.Minute); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 67*time.Second || !errors.Is(told, context.DeadlineExceeded) {
			t.Errorf("stopped after %v; the job was told %v", took, told)
		}
	})
}

func TestStopGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewScheduler("install", silent(),
			Entry{Name: "stuck", Schedule: every(t, "1h"), Due: always, Job: func(context.Context) bool { time.Sleep(time.Hour); return false }},
			Entry{Name: "good", Schedule: every(t, "1h"), Due: always, Job: func(context.Context) bool { return false }})
		begin := time.Now()
		err := runFor(t, s, time.Minute)
		if err == nil || err.Error() != "stop schedules: still running after 8s: stuck" {
			t.Errorf("got %v", err)
		}
		if took := time.Since(begin); took != time.Minute+drainLimit {
			t.Errorf("took %v", took)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestPanicIsLoggedWithoutItsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		s := NewScheduler("install", slog.New(slog.NewTextHandler(&logged, nil)),
			Entry{Name: "doomed", Schedule: every(t, "1h"), Due: always, Job: func(context.Context) bool { panic(errors.New("private text")) }})
		if err := runFor(t, s, time.Minute); err != nil {
			t.Fatal(err)
		}
		if text := logged.String(); !strings.Contains(text, "run panicked") || !strings.Contains(text, "*errors.errorString") || strings.Contains(text, "private") {
			t.Errorf("logged:\n%s", text)
		}
	})
}

func TestJitter(t *testing.T) {
	seen := map[time.Duration]bool{}
	for _, interval := range []time.Duration{time.Second, time.Minute, 5 * time.Minute, 24 * time.Hour} {
		for i := range 100 {
			name := fmt.Sprintf("source %d", i)
			j := jitter("install", name, interval)
			if j < 0 || j > interval/10 || j > maxJitter {
				t.Errorf("%s: jitter %v of %v", name, j, interval)
			}
			if j != jitter("install", name, interval) {
				t.Errorf("%s: jitter changes", name)
			}
			seen[j] = true
		}
	}
	if len(seen) < 250 {
		t.Errorf("only %d different jitters", len(seen))
	}
	if jitter("one", "crm", time.Hour) == jitter("other", "crm", time.Hour) {
		t.Error("two installations have the same jitter")
	}
	if j := jitter("install", "never", 0); j != 0 {
		t.Errorf("jitter %v without interval", j)
	}
}

func TestShifted(t *testing.T) {
	at := time.Date(2024, 3, 10, 2, 29, 50, 0, time.UTC)
	daily := &shifted{schedule: every(t, "30 2 * * *"), by: 20 * time.Second}
	first := daily.Next(at)
	if want := time.Date(2024, 3, 10, 2, 30, 20, 0, time.UTC); first != want {
		t.Errorf("first %v, want %v", first, want)
	}
	if second := daily.Next(first); second != first.Add(24*time.Hour) {
		t.Errorf("second %v", second)
	}
	five := &shifted{schedule: every(t, "5m"), by: 20 * time.Second}
	if first := five.Next(at); first != at.Add(5*time.Minute+20*time.Second) {
		t.Errorf("first %v", first)
	} else if second := five.Next(first); second != first.Add(5*time.Minute) {
		t.Errorf("second %v", second)
	}
}
