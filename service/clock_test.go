package service

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever the wall clock does, runs go on at their pace: none is skipped for
// longer than two minutes beyond its time, and they do not pile up.
func TestRunsGoOnThroughClockJumps(t *testing.T) {
	for name, jump := range map[string]time.Duration{
		"an hour on": time.Hour, "an hour back": -time.Hour, "a day on or asleep": 24 * time.Hour, "a day back": -24 * time.Hour,
		"a year on": 365 * 24 * time.Hour, "a year back": -365 * 24 * time.Hour, "back to 1970": -30 * 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var set atomic.Int64
				var head, cron, sweep starts
				var told []time.Duration
				var logged bytes.Buffer
				var proved atomic.Int64 // wall time of the last sweep
				wall := func() time.Time { return time.Now().UTC().Round(0).Add(time.Duration(set.Load())) }
				sweepOnce := func(ctx context.Context) bool { proved.Store(wall().Unix()); return sweep.job(ctx) }
				due := func() bool { return proved.Load() == 0 || proved.Load() > wall().Unix() }
				s := NewScheduler("install", slog.New(slog.NewTextHandler(&logged, nil)),
					Entry{Name: "crm head", Schedule: every(t, "5m"), Job: head.job},
					Entry{Name: "crm trailing", Schedule: every(t, "*/30 * * * *"), Job: cron.job},
					Entry{Name: "crm sweep", Schedule: every(t, "24h"), Job: sweepOnce, Due: due})
				s.wall = wall
				s.Jumped = func(_ context.Context, by time.Duration) { told = append(told, by.Round(time.Hour)) }
				begin := time.Now()
				go func() {
					time.Sleep(2*time.Hour + 10*time.Second)
					set.Store(int64(jump))
				}()
				if err := runFor(t, s, 6*time.Hour); err != nil {
					t.Fatal(err)
				}
				for name, tc := range map[string]struct {
					times       []time.Time
					least, most int
					gap         time.Duration
				}{
					"head": {head.all(), 69, 75, 9 * time.Minute}, "trailing": {cron.all(), 11, 14, 35 * time.Minute},
				} {
					if n := len(tc.times); n < tc.least || n > tc.most {
						t.Errorf("%s: %d runs in 6 hours", name, n)
					}
					before := begin
					for _, at := range tc.times {
						if gap := at.Sub(before); gap > tc.gap {
							t.Errorf("%s: %v without a run, until %v", name, gap, at.Sub(begin))
						}
						before = at
					}
				}
				want := 1
				if jump < -2*time.Hour || jump > 48*time.Hour { // a proof of the future is none; one of last year is too old
					want = 2
				}
				if n := len(sweep.all()); n != want {
					t.Errorf("%d sweeps, want %d", n, want)
				}
				if len(told) != 1 || told[0] != jump || strings.Count(logged.String(), "clock jumped") != 1 {
					t.Errorf("told %v, logged:\n%s", told, &logged)
				}
			})
		})
	}
}

// A run that could not be done is tried again long before its next time, and
// less and less often.
func TestFailedRunIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sweep, head starts
		begin := time.Now()
		well := begin.Add(5 * time.Hour)
		fails := func(s *starts) func(context.Context) bool {
			return func(ctx context.Context) bool { s.job(ctx); return time.Now().Before(well) }
		}
		s := NewScheduler("install", silent(),
			Entry{Name: "crm sweep", Schedule: every(t, "24h"), Job: fails(&sweep), Due: always},
			Entry{Name: "crm head", Schedule: every(t, "5m"), Job: fails(&head), Due: always})
		if err := runFor(t, s, 23*time.Hour); err != nil {
			t.Fatal(err)
		}
		times := sweep.all()
		if len(times) != 6 { // at once, and after about 15 min, 30 min, 1 h, 2 h and 4 h
			t.Fatalf("runs %v", times)
		}
		for i := range times[1:] {
			wait := retryFirst << i
			if gap := times[i+1].Sub(times[i]); gap < wait || gap > wait+3*watchEvery {
				t.Errorf("try %d after %v, want %v", i+1, gap, wait)
			}
		}
		if n := len(head.all()); n < 275 || n > 278 {
			t.Errorf("%d runs every 5 minutes in 23 hours", n)
		}
	})
}

// Schedules are in UTC: no change of the machine's time zone skips or doubles a
// run. Cron in local time does, in these nights.
func TestDaylightSavingSkipsAndDoublesNothing(t *testing.T) {
	for zone, nights := range map[string][]string{
		"America/New_York":  {"2018-03-11", "2018-11-04"},
		"Europe/Berlin":     {"2018-03-25", "2018-10-28"},
		"America/Sao_Paulo": {"2018-02-18", "2018-11-04"},
	} {
		for _, night := range nights {
			t.Run(zone+" "+night, func(t *testing.T) {
				local, err := time.LoadLocation(zone)
				if err != nil {
					t.Fatal(err)
				}
				defer func(before *time.Location) { time.Local = before }(time.Local)
				time.Local = local
				synctest.Test(t, func(t *testing.T) {
					day, err := time.Parse(time.DateOnly, night)
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Until(day.Add(-24 * time.Hour)))
					specs := map[string]int{"30 2 * * *": 3, "30 1 * * *": 3, "0 0 * * *": 3, "0 * * * *": 72, "*/15 * * * *": 288, "@daily": 3, "24h": 2}
					runs := make(map[string]*starts)
					var entries []Entry
					for spec := range specs {
						runs[spec] = &starts{}
						entries = append(entries, Entry{Name: spec, Schedule: every(t, spec), Job: runs[spec].job})
					}
					// from a minute before midnight, for three days
					time.Sleep(-time.Minute + 24*time.Hour - time.Since(day.Add(-24*time.Hour))%(24*time.Hour))
					if err := runFor(t, NewScheduler("install", silent(), entries...), 72*time.Hour); err != nil {
						t.Fatal(err)
					}
					for spec, want := range specs {
						if n := len(runs[spec].all()); n != want {
							t.Errorf("%q: %d runs in three days, want %d: %v", spec, n, want, runs[spec].all())
						}
					}
				})
			})
		}
	}
}
