package callsync

import (
	"testing"
	"time"

	"callsyncd/call"
)

// TestDeadlinesGoByTheVendorsClock, however far it is from ours: fresh links are
// used, and the time left is right by our clock.
func TestDeadlinesGoByTheVendorsClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Hour, -3 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.vendor.calls[0].Recording = true
				b.vendor.ahead = ahead
				b.restart()
				if err := b.engine.Sweep(b.t.Context()); err != nil {
					t.Fatal(err)
				}
				part := b.load("c001").Parts.Recording
				if left := time.Until(part.Deadline); part.State != call.Pending || left < 59*time.Minute || left > time.Hour {
					t.Errorf("%v left of an hour: %+v", left, part)
				}
				if at, ok, err := b.store.NextLoss(b.t.Context(), "crm"); !ok || err != nil || !at.Equal(part.Deadline) {
					t.Errorf("next loss %v, %v", at, err)
				}
				b.runFor(time.Second)
				if part := b.load("c001").Parts.Recording; part.State != call.Stored || b.vendor.relinks != 0 {
					t.Errorf("%d fresh links, %+v", b.vendor.relinks, part)
				}
			})
		})
	}
}
