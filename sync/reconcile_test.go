package callsync

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// statement is the newest completeness statement of the source.
func (b *testbed) statement() call.Statement {
	b.t.Helper()
	list, err := b.store.Statements(b.t.Context(), "crm", 1)
	if err != nil || len(list) != 1 {
		b.t.Fatalf("%d statements, %v", len(list), err)
	}
	return list[0]
}

func (b *testbed) kinds(id call.ID) (kinds []call.EventKind) {
	b.t.Helper()
	events, err := b.store.History(b.t.Context(), call.Key{Source: "crm", ID: id})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

func TestSweepStatesWhatIsHeld(t *testing.T) {
	inBubble(t, 25, func(b *testbed) {
		b.vendor.calls[3].Promised = true // and never given
		b.round(true)
		st := b.statement()
		if st.Proved || st.Listed != 25 || st.Held != 25 || st.Expected == nil || *st.Expected != 25 || st.MissingCount+st.ExtraCount != 0 {
			t.Errorf("%+v", st)
		}
		if st.Open[call.PartTranscript]["http_404"] != 1 || st.Parts[call.PartTranscript][call.Pending] != 1 || st.Parts[call.PartRecord][call.Stored] != 25 {
			t.Errorf("parts %v, open %v", st.Parts, st.Open)
		}
		listed, open, why := 0, 0, 0
		for _, d := range st.Days {
			listed, open, why = listed+d.Listed, open+d.Open, why+d.Reasons[call.PartTranscript]["http_404"]
		}
		if listed != 25 || open != 1 || why != 1 || !slices.IsSortedFunc(st.Days, func(x, y call.StatementDay) int { return strings.Compare(y.Day, x.Day) }) {
			t.Errorf("days %+v", st.Days)
		}
		b.vendor.edit(func() { b.vendor.calls[3].Transcript = "here" })
		time.Sleep(time.Minute)
		b.mustRound(true)
		if st := b.statement(); !st.Proved || len(st.Doubts) != 0 {
			t.Errorf("%+v", st)
		}
	})
}

func TestCallCountsAsDeletedAfterTwoSweeps(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		b.mustRound(true)
		gone := b.vendor.calls[7]
		b.vendor.keepsAnswering = true // its own endpoint still knows the call
		b.vendor.hide(gone)
		b.mustRound(true)
		if r := b.load(call.ID(gone.ID)); r.Call.DeletedUpstreamAt != nil || r.MissedSweeps != 1 {
			t.Fatalf("after one sweep: %v, %d", r.Call.DeletedUpstreamAt, r.MissedSweeps)
		}
		b.mustRound(true)
		first := b.load(call.ID(gone.ID)).Call.DeletedUpstreamAt
		if first == nil {
			t.Fatal("after two sweeps the call does not count as deleted")
		}
		if st := b.statement(); st.ExtraCount != 1 || !slices.Equal(st.Extra, []call.ID{call.ID(gone.ID)}) {
			t.Errorf("extra %v", st.Extra)
		}
		time.Sleep(time.Hour)
		b.mustRound(true)
		if again := b.load(call.ID(gone.ID)).Call.DeletedUpstreamAt; !again.Equal(*first) {
			t.Error("the time of the deletion moved")
		}
		if b.held() != 30 {
			t.Errorf("held %d: a deletion upstream must not touch the archive", b.held())
		}
		b.vendor.show(gone, 7)
		b.mustRound(true)
		if r := b.load(call.ID(gone.ID)); r.Call.DeletedUpstreamAt != nil || r.MissedSweeps != 0 {
			t.Errorf("after its return: %v, %d", r.Call.DeletedUpstreamAt, r.MissedSweeps)
		}
		want := []call.EventKind{call.EventListed, call.EventMissing, call.EventDeleted, call.EventReturned}
		if got := b.kinds(call.ID(gone.ID)); !slices.Equal(got, want) {
			t.Errorf("history %v, want %v", got, want)
		}
	})
}

func TestNotFoundProvesADeletionAtOnce(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		b.mustRound(true)
		gone := b.vendor.calls[7]
		b.vendor.hide(gone)
		b.mustRound(true)
		if b.load(call.ID(gone.ID)).Call.DeletedUpstreamAt == nil {
			t.Error("the vendor says 404 for a call it does not list: deleted")
		}
	})
}

// purposeVendor notes what missing calls are asked for as.
type purposeVendor struct {
	*fakeVendor
	purposes []call.Purpose
}

func (v *purposeVendor) Relink(ctx context.Context, docs call.Documents) (call.Documents, error) {
	v.purposes = append(v.purposes, call.PurposeOf(ctx))
	return v.fakeVendor.Relink(ctx, docs)
}

func TestMissingCallsAreAskedForBehindUrgentWork(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		v := &purposeVendor{fakeVendor: b.vendor}
		b.source.Provider = v
		b.restart()
		b.mustRound(true)
		b.vendor.hide(b.vendor.calls[7])
		b.mustRound(true)
		if !slices.Equal(v.purposes, []call.Purpose{call.PurposeSweep}) {
			b.t.Errorf("purposes %v", v.purposes)
		}
	})
}

func TestMassDisappearanceMarksNothing(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		b.mustRound(true)
		b.vendor.edit(func() { b.vendor.calls = b.vendor.calls[:35] })
		r := b.round(true)
		if r.Complete || !strings.Contains(r.Error, "5 of 40 calls vanished") {
			t.Fatalf("complete %t, %q", r.Complete, r.Error)
		}
		for i := range 40 {
			id := call.ID(fmt.Sprintf("c%03d", i+1))
			if rec := b.load(id); rec.Call.DeletedUpstreamAt != nil || rec.MissedSweeps != 0 {
				t.Errorf("call %s was marked", id)
			}
		}
		if st := b.statement(); st.Proved || len(st.Doubts) != 1 || st.ExtraCount != 5 {
			t.Errorf("%+v", st)
		}
	})
}

// A head walk that happens to read the whole list is no reason to believe what a
// sweep did not.
func TestHeadWalkDoesNotLiftMassDisappearance(t *testing.T) {
	inBubble(t, 9, func(b *testbed) {
		t := b.t
		b.vendor.noTotal, b.vendor.keepsAnswering = true, true
		b.mustRound(true)
		for _, c := range b.vendor.calls[3:] {
			b.vendor.hide(c)
		}
		time.Sleep(time.Hour)
		if r := b.round(true); r.Complete {
			t.Fatalf("%+v", r)
		}
		time.Sleep(5 * time.Minute)
		if err := b.engine.Head(t.Context()); !isSuspicion(err) || b.engine.proved() {
			t.Errorf("head walk: %v, proved %v", err, b.engine.proved())
		}
		if r := b.engine.RoundAccepting(t.Context(), "kim"); !r.Complete {
			t.Fatalf("%+v", r)
		}
		if err := b.engine.Head(t.Context()); err != nil || !b.engine.proved() {
			t.Errorf("head walk after the acceptance: %v, proved %v", err, b.engine.proved())
		}
	})
}

// What the head walk stores while a sweep reads on was never missed by it.
func TestArrivalsDuringASweepAreNotMissing(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		t := b.t
		b.vendor.noTotal = true
		b.mustRound(true)
		time.Sleep(time.Hour)
		first := b.vendor.lists
		b.vendor.onList = func(n int) {
			if n != first+2 {
				return
			}
			time.Sleep(time.Minute)
			for i := range 9 {
				b.arrives(fmt.Sprintf("d%03d", i))
			}
			if err := b.engine.Head(t.Context()); err != nil {
				t.Errorf("head walk: %v", err)
			}
		}
		if err := b.engine.Sweep(t.Context()); err != nil {
			t.Errorf("sweep: %v", err)
		}
		if st := b.statement(); b.held() != 39 || st.ExtraCount != 0 {
			t.Errorf("held %d, %d extra, doubts %q", b.held(), st.ExtraCount, st.Doubts)
		}
		if r := b.load("d003"); r.MissedSweeps != 0 {
			t.Errorf("missed %d times: %v", r.MissedSweeps, b.kinds("d003"))
		}
	})
}

// A mass deletion on purpose is accepted by whoever answers for it; the evidence
// is the usual one, and is on record.
func TestAcceptedMassDisappearance(t *testing.T) {
	inBubble(t, 100, func(b *testbed) {
		t := b.t
		b.mustRound(true)
		b.vendor.keepsAnswering = true
		for _, c := range slices.Clone(b.vendor.calls[60:]) {
			b.vendor.hide(c)
		}
		if r := b.round(true); r.Complete || !strings.Contains(r.Error, "`callsyncd sync --source crm --full --accept-vanished`") {
			t.Fatalf("complete %t, %q", r.Complete, r.Error)
		}
		if r := b.engine.RoundAccepting(t.Context(), "kim"); !r.Complete {
			t.Fatalf("%+v", r)
		}
		if st := b.statement(); !st.Proved || st.Accepted == nil || st.Accepted.By != "kim" || st.Accepted.Calls != 40 || st.ExtraCount != 40 {
			t.Errorf("%+v", st)
		}
		if r := b.load("c001"); r.Call.DeletedUpstreamAt != nil || r.MissedSweeps != 1 {
			t.Errorf("after one sweep: %v, %d", r.Call.DeletedUpstreamAt, r.MissedSweeps)
		}
		b.mustRound(true)
		if r := b.load("c001"); r.Call.DeletedUpstreamAt == nil {
			t.Errorf("after two sweeps: %+v", r)
		}
		if st := b.statement(); st.Accepted != nil || st.DeletedUpstream != 40 {
			t.Errorf("%+v", st)
		}
		events, err := b.store.History(t.Context(), call.Key{Source: "crm", ID: "c001"})
		if err != nil || events[1].Kind != call.EventMissing || events[1].Note != "accepted by kim" {
			t.Errorf("%+v, %v", events, err)
		}
		b.vendor.edit(func() { b.vendor.calls = b.vendor.calls[:40] })
		if r := b.round(true); r.Complete {
			t.Error("an acceptance holds for the round it was given in")
		}
		if b.held() != 100 {
			t.Errorf("held %d of 100", b.held())
		}
	})
}

func TestAcceptedEmptyAccount(t *testing.T) {
	inBubble(t, 20, func(b *testbed) {
		t := b.t
		b.mustRound(true)
		b.vendor.edit(func() { b.vendor.calls = nil })
		if r := b.round(true); r.Complete || !strings.Contains(r.Error, "--accept-vanished") {
			t.Fatalf("complete %t, %q", r.Complete, r.Error)
		}
		if r := b.engine.RoundAccepting(t.Context(), "kim"); !r.Complete {
			t.Fatalf("%+v", r)
		}
		b.mustRound(true)
		if err := b.engine.Head(t.Context()); err != nil {
			t.Error(err)
		}
		if st := b.statement(); st.DeletedUpstream != 20 || b.held() != 20 {
			t.Errorf("held %d, %+v", b.held(), st)
		}
	})
}

// An account that was empty once may be so again only when nothing came since.
func TestEmptyListAfterTheFirstCallsIsDoubted(t *testing.T) {
	inBubble(t, 0, func(b *testbed) {
		t := b.t
		b.mustRound(true)
		b.arrives("first")
		if err := b.engine.Head(t.Context()); err != nil || b.held() != 1 {
			t.Fatalf("%v, held %d", err, b.held())
		}
		b.vendor.edit(func() { b.vendor.calls = nil })
		if r := b.round(false); r.Complete {
			t.Error("a list that suddenly shows nothing counts as complete")
		}
	})
}

// A call that another walk sees between two sweeps was not missed by two in a row,
// and one that counts as deleted is back as soon as any walk sees it.
func TestAnyWalkSeesThatACallIsBack(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		t := b.t
		b.mustRound(true)
		c := b.vendor.calls[2]
		b.vendor.keepsAnswering = true
		sweep := func() {
			time.Sleep(time.Hour)
			b.vendor.hide(c)
			if err := b.engine.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.vendor.show(c, 2)
		}
		head := func() {
			time.Sleep(time.Minute)
			if err := b.engine.Head(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		if r := b.load(call.ID(c.ID)); r.MissedSweeps != 1 {
			t.Fatalf("missed by %d sweeps", r.MissedSweeps)
		}
		head()
		sweep()
		if r := b.load(call.ID(c.ID)); r.MissedSweeps != 1 || r.Call.DeletedUpstreamAt != nil {
			t.Errorf("missed by %d sweeps, deleted at %v", r.MissedSweeps, r.Call.DeletedUpstreamAt)
		}
		sweep()
		if r := b.load(call.ID(c.ID)); r.Call.DeletedUpstreamAt == nil {
			t.Error("not deleted after two sweeps in a row")
		}
		head()
		if r := b.load(call.ID(c.ID)); r.MissedSweeps != 0 || r.Call.DeletedUpstreamAt != nil {
			t.Errorf("missed by %d sweeps, deleted at %v, although it is listed", r.MissedSweeps, r.Call.DeletedUpstreamAt)
		}
		if kinds := b.kinds(call.ID(c.ID)); !slices.Contains(kinds, call.EventReturned) {
			t.Errorf("its life does not tell: %v", kinds)
		}
		seq := b.store.LastSeq()
		head()
		if b.store.LastSeq() != seq {
			t.Error("it came back twice")
		}
	})
}
