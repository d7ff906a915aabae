package callsync

import (
	"errors"
	"testing"
	"time"

	"callsyncd/call"
)

// A call that cannot be read from the archive keeps nobody waiting, and nobody
// spins on it.
func TestSpoiledCallHoldsUpNoOther(t *testing.T) {
	inBubble(t, 12, func(b *testbed) {
		t := b.t
		for _, c := range b.vendor.calls {
			c.Recording, c.Promised = true, true
		}
		b.answerMedia(func(string) error { return call.ErrTransient })
		b.round(false)
		b.vendor.edit(func() {
			for _, c := range b.vendor.calls {
				c.Transcript = "text"
			}
		})
		b.answerMedia(nil)
		s := b.watched()
		s.spoiled = "c012"
		b.runFor(4 * time.Hour)
		counts, err := b.store.Counts(t.Context(), "crm")
		if err != nil || counts.Transcript != 11 || counts.Recordings != 11 {
			t.Errorf("%d transcripts and %d recordings of 11 that can be read, %v", counts.Transcript, counts.Recordings, err)
		}
		if s.tries > 1000 {
			t.Errorf("%d tries to read a spoiled call in 4 hours", s.tries)
		}
		if r := b.round(false); r.Complete || !errors.Is(r.Err, call.ErrCorrupt) {
			t.Errorf("a round over a spoiled call: %+v", r)
		}
	})
}
