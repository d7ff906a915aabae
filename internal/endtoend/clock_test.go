package endtoend

import (
	"context"
	"testing"
	"time"

	"callsyncd/simulator"
)

// TestWrongClockIsReportedAndHarmless: with a vendor clock ten minutes ahead
// every recording arrives, and status says that the clocks differ.
func TestWrongClockIsReportedAndHarmless(t *testing.T) {
	b := newBed(t, simulator.Options{Seed: 5, Calls: 10, Faults: simulator.Faults{ClockSkew: 10 * time.Minute}})
	a := b.open(t)
	syncAll(t, a, false)
	st, err := a.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range st.Sources {
		if s.Counts.Open() > 0 || s.ClockAheadSeconds > -590 {
			t.Errorf("%s: %s", s.Name, toJSON(t, s))
		}
	}
}
