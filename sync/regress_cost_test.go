package callsync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// A sweep that is due while a trailing walk runs comes after it.
func TestSweepWaitsForTheTrailingWalk(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		b.mustRound(false)
		at := b.engine.Checkpoint().Sweep.StartedAt
		time.Sleep(time.Minute)
		b.vendor.onList = func(int) { time.Sleep(time.Second) }
		done := make(chan error, 1)
		go func() { done <- b.engine.Trailing(t.Context()) }()
		time.Sleep(500 * time.Millisecond)
		if err := b.engine.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if c := b.engine.Checkpoint(); !c.Sweep.StartedAt.After(at) || !c.Sweep.Clean || c.Sweep.StartedAt.Before(c.Trailing.FinishedAt) {
			t.Errorf("sweep %+v, trailing %+v", c.Sweep, c.Trailing)
		}
	})
}

func TestSlowDownloadsDoNotDelayTheHeadWalk(t *testing.T) {
	inBubble(t, 20, func(b *testbed) {
		t := b.t
		b.mustRound(false)
		for i := range 10 {
			b.arrives(fmt.Sprintf("spoken%d", i)).Recording = true
		}
		b.answerMedia(func(string) error { time.Sleep(10 * time.Minute); return nil })
		stop := b.runInBackground()
		if err := b.engine.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		b.arrives("urgent")
		start := time.Now()
		if err := b.engine.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > time.Second || b.held() != 31 {
			t.Errorf("the head walk took %s, held %d of 31", took, b.held())
		}
		time.Sleep(2 * time.Hour)
		stop()
		if n := len(b.media.stored); n != 10 {
			t.Errorf("%d of 10 recordings", n)
		}
	})
}

// Tables of names are read once, whoever wants them first, and new calls never
// wait for them.
func TestNamesNeverDelayTheHeadWalk(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		v := b.faulty()
		v.names = []string{"people"}
		b.restart()
		b.mustRound(false)
		time.Sleep(25 * time.Hour)
		b.restart()
		v.edit(func() {
			v.nameFetches = 0
			v.failName = func() error { time.Sleep(20 * time.Minute); return nil }
		})
		b.arrives("new")
		stop := b.runInBackground()
		done := make(chan error, 2)
		go func() { done <- b.engine.Trailing(t.Context()) }()
		go func() { done <- b.engine.Sweep(t.Context()) }()
		synctest.Wait()
		start := time.Now()
		if err := b.engine.Head(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second || b.held() != 96 {
			t.Errorf("the head walk took %s, held %d of 96", took, b.held())
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		stop()
		if v.nameFetches != 1 {
			t.Errorf("the table was read %d times", v.nameFetches)
		}
	})
}

// A head walk begins at once after a start, and may map calls before anybody
// has looked whether the names are fresh.
func TestNamesAreKnownFromTheStart(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		v := b.faulty()
		v.names = []string{"people"}
		b.restart()
		b.mustRound(true)
		v.nameRows = 0
		b.restart()
		if v.nameRows != 1 || v.nameFetches != 1 {
			t.Errorf("after the start %d names are known, asked for %d times", v.nameRows, v.nameFetches)
		}
	})
}

// One table of names must not starve while a sweep takes every request it can.
func TestNamesAreNotStarvedByASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget("crm", limits(60, time.Minute), 2*time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		for range 5 {
			go func() {
				for budget.Take(call.WithPurpose(ctx, call.PurposeSweep)) == nil {
				}
				done <- struct{}{}
			}()
		}
		time.Sleep(time.Second)
		start := time.Now()
		limited, stop := context.WithTimeout(ctx, time.Hour)
		defer stop()
		if err := budget.Take(call.WithPurpose(limited, call.PurposeLookup)); err != nil || time.Since(start) > 2*time.Minute {
			t.Errorf("%v after %s", err, time.Since(start))
		}
		cancel()
		for range 5 {
			<-done
		}
	})
}

func TestPendingPartsLeaveTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := NewBudget("crm", limits(100, 24*time.Hour), 2*time.Minute)
		n := 0
		for budget.Take(call.WithPurpose(t.Context(), call.PurposePending)) == nil {
			n++
		}
		if n != 80 {
			t.Errorf("pending parts took %d of 100 requests", n)
		}
		for _, urgent := range []call.Purpose{call.PurposeHead, call.PurposeRecording} {
			if err := budget.Take(call.WithPurpose(t.Context(), urgent)); err != nil {
				t.Errorf("purpose %v: %v", urgent, err)
			}
		}
	})
}

func TestIdleHeadWalkCostsOneRequest(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		b.mustRound(false)
		for range 60 {
			time.Sleep(time.Second)
			if n := b.requests(b.engine.Head); n != 1 {
				t.Fatalf("%d requests", n)
			}
		}
	})
}

// usedAfterCrash is how many requests a new process knows to be spent.
func (b *testbed) usedAfterCrash(limit call.RateLimit) int {
	b.t.Helper()
	saved, err := b.store.Budget(b.t.Context(), "crm")
	if err != nil {
		b.t.Fatal(err)
	}
	budget := NewBudget("crm", []call.RateLimit{limit}, time.Minute)
	if err := budget.Restore(saved); err != nil {
		b.t.Fatal(err)
	}
	return budget.Status()[0].Used
}

// A walk that finds nothing new still has to save what it spent.
func TestQuietSweepSavesItsBudget(t *testing.T) {
	inBubble(t, 300, func(b *testbed) {
		t := b.t
		limit := call.RateLimit{Requests: 1000, Per: time.Hour}
		b.watched(limit)
		b.mustRound(false)
		time.Sleep(2 * time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		made := 0
		b.vendor.onList = func(int) {
			if err := b.source.Budget.Take(ctx); err != nil {
				t.Error(err)
			}
			time.Sleep(5 * time.Second)
			if made++; made == 25 {
				cancel()
			}
		}
		if err := b.engine.Sweep(ctx); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if used := b.usedAfterCrash(limit); used < made-10 {
			t.Errorf("%d of %d requests survive a crash", used, made)
		}
	})
}

func TestSingleWritesSaveTheBudget(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		t := b.t
		for _, c := range b.vendor.calls {
			c.Promised = true
		}
		v := b.faulty()
		limit := call.RateLimit{Requests: 1000, Per: 24 * time.Hour}
		b.watched(limit)
		if err := b.engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		v.onFetch = func() {
			if err := b.source.Budget.Take(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := b.engine.pending(t.Context(), false, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if used := b.usedAfterCrash(limit); used != 40 {
			t.Errorf("%d of 40 requests survive a crash", used)
		}
	})
}

// Of two writers the one that stores last knows of the requests of both, also
// when the other came first and was held up.
func TestTheLastWriteSavesTheLatestBudget(t *testing.T) {
	inBubble(t, 2, func(b *testbed) {
		limit := call.RateLimit{Requests: 1000, Per: 24 * time.Hour}
		s := b.watched(limit)
		b.mustRound(true)
		first, second := b.load("c001"), b.load("c002")
		write := func(r call.Record) {
			if err := b.source.Budget.Take(b.t.Context()); err != nil {
				b.t.Error(err)
			}
			if err := b.engine.write(b.t.Context(), call.Write{Record: r, Kind: call.ChangePart}); err != nil {
				b.t.Error(err)
			}
		}
		heldUp := make(chan struct{})
		s.refusing(func(batch call.Batch) error {
			if batch.Writes[0].Record.Call.ID == first.Call.ID {
				<-heldUp
			}
			return nil
		})
		go write(first)
		synctest.Wait()
		write(second)
		close(heldUp)
		synctest.Wait()
		if used := b.usedAfterCrash(limit); used != 2 {
			b.t.Errorf("%d of 2 requests survive a crash", used)
		}
	})
}

// Parts whose time has come while no request may be made wait for the budget.
func TestOverduePartsDoNotPollASpentBudget(t *testing.T) {
	inBubble(t, 60, func(b *testbed) {
		t := b.t
		for _, c := range b.vendor.calls {
			c.Promised, c.Recording = true, true
		}
		v := b.faulty()
		b.answerMedia(func(string) error { return call.ErrExpired })
		s := b.watched()
		if err := b.engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		until := time.Now().Add(time.Hour)
		spent := func() error {
			if time.Now().Before(until) {
				return &call.BudgetError{Source: "crm", Until: until, Why: "spent"}
			}
			return nil
		}
		v.edit(func() { v.failFetch = func(call.ID) error { return spent() } })
		scans, commits := s.counted()
		b.runFor(30 * time.Minute)
		nowScans, nowCommits := s.counted()
		// Three kinds of parts are looked for at every wake-up.
		if n := nowScans - scans; n > 1000 {
			t.Errorf("%d looks for due parts in 30 minutes", n)
		}
		if n := nowCommits - commits; n > 600 {
			t.Errorf("%d commits in 30 minutes", n)
		}
		for _, c := range b.vendor.calls {
			c.Transcript = "text"
		}
		b.answerMedia(nil)
		b.runFor(3 * time.Hour)
		if counts, err := b.store.Counts(t.Context(), "crm"); err != nil || counts.Open() != 0 {
			t.Errorf("with the budget free again %d parts are open (%v)", counts.Open(), err)
		}
	})
}

// A table of names is read because a call refers to what is not in it, beside
// the walk that found the call, and a large one seldom.
func TestNamesAreReadWhenACallMissesThem(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		v := b.faulty()
		v.names, v.nothingMissed = []string{"people"}, true
		b.restart()
		b.mustRound(true)
		if v.nameFetches != 0 {
			t.Fatalf("a table no call refers to was read %d times", v.nameFetches)
		}
		b.mustRound(false)
		v.edit(func() {
			v.nothingMissed = false
			v.failName = func() error { time.Sleep(20 * time.Minute); return nil }
		})
		b.restart()
		start, calls := time.Now(), 0
		b.vendor.onList = func(int) {
			if calls++; time.Since(start) > time.Minute {
				t.Error("the walk waited for names")
			}
		}
		b.mustRound(true)
		if v.nameFetches != 1 || calls < 10 {
			t.Errorf("the table was read %d times in a walk of %d pages", v.nameFetches, calls)
		}
	})
}

func TestTableIsDue(t *testing.T) {
	now := time.Now()
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for name, tc := range map[string]struct {
		table       tableState
		missed, due bool
	}{
		"never read, nothing missed":    {tableState{}, false, false},
		"never read, missed":            {tableState{}, true, true},
		"small, missed at once":         {tableState{ago(time.Minute), false, 10}, true, false},
		"small, missed after an hour":   {tableState{ago(time.Hour), false, 10}, true, true},
		"large, missed after an hour":   {tableState{ago(time.Hour), false, 100_000}, true, false},
		"large, missed after a day":     {tableState{ago(24 * time.Hour), false, 100_000}, true, true},
		"small, a day old":              {tableState{ago(24 * time.Hour), false, 10}, false, true},
		"large, a day old":              {tableState{ago(24 * time.Hour), false, 100_000}, false, false},
		"large, a week old":             {tableState{ago(7 * 24 * time.Hour), false, 100_000}, false, true},
		"failed just now":               {tableState{ago(time.Minute), true, 0}, true, false},
		"failed an hour ago":            {tableState{ago(time.Hour), true, 0}, false, true},
		"read in the future by a clock": {tableState{ago(-time.Hour), false, 10}, false, true},
	} {
		if got := tc.table.due(now, tc.missed); got != tc.due {
			t.Errorf("%s: %t", name, got)
		}
	}
}
