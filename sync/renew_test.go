package callsync

import (
	"testing"
	"time"

	"callsyncd/call"
)

// statements are those of the source, newest first.
func (b *testbed) statements() []call.Statement {
	b.t.Helper()
	list, err := b.store.Statements(b.t.Context(), "crm", 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// running lets the daemon's loops run for a while.
func (b *testbed) running(d time.Duration) {
	stop := b.runInBackground()
	time.Sleep(d)
	stop()
}

// A sweep's statement counts the recordings that are still to be fetched; once
// they are stored, a second one says so, and no third.
func TestStatementIsRenewedOnceNothingIsOpen(t *testing.T) {
	inBubble(t, 25, func(b *testbed) {
		for _, c := range b.vendor.calls {
			c.Recording = true
		}
		if err := b.engine.Sweep(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		first := b.statement()
		if first.Proved || first.Open[call.PartRecording][queued] != 25 || len(first.Doubts) != 0 {
			b.t.Fatalf("%+v", first)
		}
		time.Sleep(time.Hour)
		b.restart()
		b.running(time.Hour)
		all := b.statements()
		if len(all) != 2 || all[1].Proved {
			b.t.Fatalf("%d statements: %+v", len(all), all)
		}
		st := all[0]
		if !st.Proved || st.Parts[call.PartRecording][call.Stored] != 25 || len(st.Open[call.PartRecording]) != 0 {
			b.t.Errorf("parts %v, open %v", st.Parts, st.Open)
		}
		if !st.StartedAt.Equal(first.StartedAt) || st.ListReadAt == nil || !st.ListReadAt.Equal(*first.ListReadAt) || !st.FinishedAt.After(first.FinishedAt) {
			b.t.Errorf("renewed %v %v %v of %v %v %v", st.StartedAt, st.ListReadAt, st.FinishedAt, first.StartedAt, first.ListReadAt, first.FinishedAt)
		}
		if st.Listed != 25 || st.Held != 25 || len(st.Days) != len(first.Days) {
			b.t.Errorf("%+v", st)
		}
		for i, d := range st.Days {
			if d.Open != 0 || d.Reasons != nil || d.Listed != first.Days[i].Listed || first.Days[i].Open == 0 {
				b.t.Errorf("day %+v, was %+v", d, first.Days[i])
			}
		}
		b.vendor.add(&fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"})
		if err := b.engine.Head(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		b.running(100 * time.Hour)
		if n := len(b.statements()); n != 2 {
			b.t.Errorf("%d statements, although the newest was proved", n)
		}
	})
}

func TestAcceptedLossesRenewTheStatement(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		b.mustRound(true)
		var keys []call.Key
		for _, c := range b.vendor.calls[:2] {
			record := b.load(call.ID(c.ID))
			record.Parts.Recording = call.Part{State: call.Lost, Reason: "expired"}
			record.Mirror()
			keys = append(keys, record.Call.Key)
			if err := b.store.Save(b.t.Context(), call.Batch{Source: "crm", Writes: []call.Write{{Record: record, Kind: call.ChangePart}}}); err != nil {
				b.t.Fatal(err)
			}
		}
		for i, key := range keys {
			if err := b.store.Acknowledge(b.t.Context(), key, call.PartRecording, "no copy"); err != nil {
				b.t.Fatal(err)
			}
			for range 2 {
				if err := b.engine.Renew(b.t.Context()); err != nil {
					b.t.Fatal(err)
				}
			}
			if n := len(b.statements()); n != 1+i {
				b.t.Errorf("%d statements after %d of 2 losses were accepted", n, i+1)
			}
		}
		if st := b.statement(); !st.Proved || st.AcceptedLosses[call.PartRecording]["expired"] != 2 {
			b.t.Errorf("%+v", st)
		}
	})
}

// What the list left in doubt is not proved by parts that came.
func TestDoubtedStatementIsNotRenewed(t *testing.T) {
	inBubble(t, 25, func(b *testbed) {
		b.mustRound(true)
		b.vendor.edit(func() { b.vendor.calls = b.vendor.calls[:10] }) // too many vanish at once
		if r := b.round(true); r.Complete || len(b.statement().Doubts) == 0 {
			b.t.Fatalf("%+v, %+v", r, b.statement())
		}
		b.running(time.Hour)
		if n := len(b.statements()); n != 2 || b.statement().Proved {
			b.t.Errorf("%d statements, the newest %+v", n, b.statement())
		}
	})
}

// A clean walk over the whole list lifts the doubt of a sweep, in the statement
// as in the status.
func TestCleanWalkLiftsTheDoubtOfASweep(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		t := b.t
		b.mustRound(true)
		b.vendor.total = func(n int) int { return n + 5 }
		time.Sleep(time.Hour)
		if err := b.engine.Sweep(t.Context()); err == nil || len(b.statement().Doubts) == 0 || b.engine.proved() {
			t.Fatalf("the sweep was believed: %v, %+v", err, b.statement())
		}
		b.vendor.total = nil
		time.Sleep(time.Hour)
		if err := b.engine.Trailing(t.Context()); err != nil { // 40 hours of calls: all of them
			t.Fatal(err)
		}
		st := b.statement()
		if !b.engine.proved() || !st.Proved || len(st.Doubts) > 0 || st.Listed != 40 || st.Held != 40 || st.ListReadAt == nil || time.Since(*st.ListReadAt) > time.Minute {
			t.Errorf("%+v", st)
		}
		n := len(b.statements())
		if err := b.engine.Trailing(t.Context()); err != nil || len(b.statements()) != n {
			t.Errorf("%d statements more, %v", len(b.statements())-n, err)
		}
	})
}

// A clean walk that listed what is not held lifts no doubt.
func TestWalkThatListedMoreThanIsHeldProvesNothing(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		b.mustRound(true)
		w := b.engine.newWalker("trailing", call.PurposeTrailing, time.Time{})
		w.seen["not held"] = struct{}{}
		st, err := b.engine.lift(b.t.Context(), w)
		if !isSuspicion(err) || st.Proved || st.MissingCount != 1 || len(st.Doubts) != 1 {
			b.t.Errorf("%v, %+v", err, st)
		}
	})
}
