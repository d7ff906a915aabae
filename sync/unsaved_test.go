package callsync

import (
	"errors"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// TestWhatCannotBeStoredIsDoubted: a full disk also keeps the failure of a walk
// from being stored.
func TestWhatCannotBeStoredIsDoubted(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		store := b.watched()
		b.mustRound(true)
		if !b.engine.proved() || b.engine.Unsaved() != nil {
			b.t.Fatalf("not proved at first: %v", b.engine.Unsaved())
		}
		full := errors.New("the disk is full")
		store.refusing(func(call.Batch) error { return full })
		if err := b.engine.Head(b.t.Context()); !errors.Is(err, full) {
			b.t.Errorf("head walk: %v", err)
		}
		if b.engine.proved() || !errors.Is(b.engine.Unsaved(), full) {
			b.t.Errorf("proved %v, unsaved %v", b.engine.proved(), b.engine.Unsaved())
		}
		store.refusing(nil)
		if err := b.engine.Head(b.t.Context()); err != nil || !b.engine.proved() || b.engine.Unsaved() != nil {
			b.t.Errorf("after that: %v, proved %v, unsaved %v", err, b.engine.proved(), b.engine.Unsaved())
		}
	})
}

// TestRowsWithoutIDsAreNoEmptyList: such a list is told of as what it is, and
// nothing counts as missing.
func TestRowsWithoutIDsAreNoEmptyList(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		only := call.ID(b.vendor.calls[0].ID)
		v := &lossyVendor{fakeVendor: b.vendor}
		b.source.Provider = v
		b.restart()
		b.mustRound(true)
		v.unusable = only
		time.Sleep(time.Minute)
		err := b.engine.Sweep(b.t.Context())
		if err == nil || !strings.Contains(err.Error(), "1 rows of the vendor's list have no usable id") || strings.Contains(err.Error(), "no calls at all") {
			b.t.Errorf("%v", err)
		}
		if r := b.load(only); r.MissedSweeps != 0 || r.Call.DeletedUpstreamAt != nil || b.engine.proved() {
			b.t.Errorf("%d sweeps missed, deleted %v, proved %v", r.MissedSweeps, r.Call.DeletedUpstreamAt, b.engine.proved())
		}
	})
}
