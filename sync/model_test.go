package callsync

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"callsyncd/call"
	"callsyncd/store"
)

// TestArchiveEqualsTheModel lets a vendor and an engine do whatever they can do
// to each other, and holds the archive against a model of the vendor: after
// every step, and once all trouble is over.
//
// A second or two of it belong to every test run; the long one is `make model`.
// CALLSYNCD_MODEL_CHECKS is the number of scenarios.
//
// A failure prints the shortest scenario that shows it and its seed; the same
// scenarios come again with
//
//	go test -count=1 -run TestArchiveEqualsTheModel ./sync -rapid.seed=SEED
func TestArchiveEqualsTheModel(t *testing.T) {
	checks := "20"
	if s := os.Getenv("CALLSYNCD_MODEL_CHECKS"); s != "" {
		checks = s
	}
	for name, value := range map[string]string{"rapid.checks": checks, "rapid.nofailfile": "true"} {
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	total := newTally()
	defer func() { t.Log(total) }()
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt)
		if problem := play(t, s, total); problem != "" {
			plan, _ := json.Marshal(s)
			rt.Fatalf("%s\nscenario: %s", problem, plan)
		}
	})
}

// play runs a scenario and says what went wrong; empty when nothing did.
func play(t *testing.T, s scenario, total *tally) (problem string) {
	dir, err := os.MkdirTemp(fastFolder(), "callsync-model")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	synctest.Test(t, func(t *testing.T) {
		st, err := store.Open(dir, store.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = st.Close() }()
		problem = newModelRun(s, st, total).play()
	})
	return problem
}

// fastFolder is a folder in memory where the system has one: a scenario commits
// hundreds of times, and no disk is under test. Empty is the usual place.
func fastFolder() string {
	const shared = "/dev/shm"
	probe, err := os.MkdirTemp(shared, "callsync-model")
	if err != nil {
		return ""
	}
	if os.Remove(probe) != nil {
		return ""
	}
	return shared
}

// modelRun is one scenario under way.
type modelRun struct {
	plan    scenario
	vendor  *modelVendor
	media   *fakeMedia
	store   *store.Store
	gate    *modelStore
	engine  *Engine
	held    map[call.ID]heldCall // as of the last look
	before  glance               // how things stood when the present work began
	restart bool                 // the next interruption ends the process
	mu      sync.Mutex
	problem string // the first one
}

func newModelRun(s scenario, st *store.Store, total *tally) *modelRun {
	v := &modelVendor{plan: s.Vendor, tally: total, later: make(map[int][]step), returned: make(map[call.ID]bool)}
	r := &modelRun{plan: s, vendor: v, store: st, gate: &modelStore{Store: st, vendor: v}, held: make(map[call.ID]heldCall)}
	r.gate.proved = r.judgeStatement
	r.media = &fakeMedia{stored: make(map[call.Key]string), get: v.media}
	r.renew()
	return r
}

// renew makes a new engine on the same store, as a new process would.
func (r *modelRun) renew() {
	r.vendor.tally.add(&r.vendor.tally.restarts, 1)
	source := Source{ID: "crm", Provider: r.vendor, Horizon: modelHorizon, Concurrency: r.plan.Concurrency, Recordings: true,
		Budget: NewBudget("crm", nil, time.Minute)}
	engine, err := New(context.Background(), source, Options{
		Store: r.gate, Media: r.media, Download: r.media, Slots: NewSlots(2, 0, call.RealClock{}), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		r.wrong("new engine: %v", err)
		return
	}
	r.engine = engine
}

// wrong notes a problem; the first one counts.
func (r *modelRun) wrong(format string, args ...any) {
	r.vendor.tally.add(&r.vendor.tally.differed, 1)
	r.note(format, args...)
}

// missed notes a call the vendor lists and nobody here knows of.
func (r *modelRun) missed(format string, args ...any) {
	r.vendor.tally.add(&r.vendor.tally.missed, 1)
	r.note(format, args...)
}

func (r *modelRun) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem == "" {
		r.problem = fmt.Sprintf(format, args...)
	}
}

func (r *modelRun) play() string {
	total := r.vendor.tally
	total.add(&total.checks, 1)
	total.add(&total.steps, len(r.plan.Steps))
	defer func() { total.add(&total.listed, r.vendor.lists) }()
	for i, s := range r.plan.Steps {
		if r.step(s); r.problem != "" {
			return fmt.Sprintf("after step %d (%s): %s", i, s.Kind, r.problem)
		}
	}
	if r.end(); r.problem != "" {
		return "at the end: " + r.problem
	}
	return ""
}

func (r *modelRun) step(s step) {
	v := r.vendor
	switch s.Kind {
	case "fault":
		v.suffer(s)
	case "odd":
		if len(r.held) > 0 { // before, nobody could tell an account without calls from such an answer
			v.stray(s)
		}
	case "clamp":
		v.plan.Clamp = []int{0, 3, 2}[s.A%3]
	case "outage":
		v.mediaTill = time.Now().Add(time.Duration(1+s.A) * 10 * time.Minute)
	case "interrupt":
		r.restart = s.C%2 == 0
		switch r.gate.after = s.B%3 == 2; s.B % 3 {
		case 0:
			v.countdown = 1 + s.A
		default:
			r.gate.cancelIn = 1 + s.A%8
		}
	case "refuse":
		r.gate.refuseIn = 1 + s.A%8
	case "sleep":
		time.Sleep(time.Duration(1+s.A*s.A*s.A) * 5 * time.Second) // up to ten hours
	case "restart":
		r.renew()
	case "head", "trailing", "sweep", "round", "full", "run":
		r.work(s)
	default:
		v.happen(s)
	}
}

// work lets the engine do something and judges what came of it.
func (r *modelRun) work(s step) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.vendor.interrupt, r.gate.interrupt = cancel, cancel
	before := r.glance()
	r.before = before
	var report *call.SourceReport
	switch e := r.engine; s.Kind {
	case "head":
		_ = e.Head(ctx)
	case "trailing":
		_ = e.Trailing(ctx)
	case "sweep":
		_ = e.Sweep(ctx)
	case "run":
		r.daemon(ctx, time.Duration((1+s.A)*(1+s.A))*time.Minute)
	default:
		got := e.Round(ctx, s.Kind == "full")
		report = &got
	}
	if interrupted := ctx.Err() != nil; interrupted && r.restart {
		r.renew()
	}
	r.look()
	r.judgeWatermark(before)
	if report != nil && report.Complete {
		r.judgeComplete(before, s.Kind == "full" || before.checkpoint.ReadAt.IsZero())
	}
}

// daemon is all loops of the daemon at once, for a while.
func (r *modelRun) daemon(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var g sync.WaitGroup
	every := func(d time.Duration, walk func(context.Context) error) {
		g.Go(func() {
			for ctx.Err() == nil {
				_ = walk(ctx)
				_ = call.RealClock{}.Wait(ctx, d, nil)
			}
		})
	}
	e := r.engine
	g.Go(func() { _ = e.Run(ctx) })
	every(r.plan.Vendor.HeadEvery, e.Head)
	every(30*time.Minute, e.Trailing)
	every(4*time.Hour, e.Sweep)
	g.Wait()
}

// end lets the trouble be over and time pass, and compares everything.
func (r *modelRun) end() {
	r.vendor.calm(r.plan.Kind)
	r.before = r.glance()
	r.gate.refuseIn, r.gate.cancelIn = 0, 0
	ctx := context.Background()
	if r.plan.Daemon {
		r.daemon(ctx, 14*time.Hour)
	} else {
		for _, wait := range []time.Duration{0, 20 * time.Minute, 7 * time.Hour, 7 * time.Hour} {
			time.Sleep(wait)
			_ = r.engine.Round(ctx, true)
		}
	}
	before := r.glance()
	r.before = before
	report := r.engine.Round(ctx, true)
	if r.look(); report.Complete {
		r.judgeComplete(before, true)
	}
	r.judgeArchive(&report)
	if result, err := r.store.Check(ctx); err != nil || len(result.Findings) > 0 {
		r.wrong("store check: %v %v", err, result.Findings)
	}
}
