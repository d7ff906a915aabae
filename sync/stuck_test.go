package callsync

import (
	"errors"
	"testing"
	"time"

	"callsyncd/call"
)

// recordingOf is the recording part of the only call.
func (b *testbed) recordingOf() call.Part { return b.load("c001").Parts.Recording }

// stuck is a test bed with a recording whose host has failed for longer than
// the horizon.
func (b *testbed) stuck() {
	b.t.Helper()
	b.vendor.calls[0].Recording = true
	b.answerMedia(func(string) error { return busyError{} })
	b.round(false)
	time.Sleep(20 * time.Hour)
	b.round(false)
	if err := b.accept(); !errors.Is(err, call.ErrRefused) {
		b.t.Errorf("accepted before the horizon: %v", err)
	}
	time.Sleep(60 * time.Hour)
	b.round(false)
}

func (b *testbed) accept() error {
	return b.store.Acknowledge(b.t.Context(), call.Key{Source: "crm", ID: "c001"}, call.PartRecording, "the host is gone")
}

func TestStuckRecordingStaysVisible(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.stuck()
		part := b.recordingOf()
		if !part.Overdue() || part.Reason != "http_503" || part.Attempts != 3 {
			t.Errorf("%+v", part)
		}
		gaps, _, err := b.store.Gaps(t.Context(), "crm", "", 10)
		if err != nil || len(gaps) != 1 || *gaps[0].Reason != "http_503" || gaps[0].Attempts != 3 || gaps[0].Deadline != nil || gaps[0].NextTry == nil {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
		if n, err := b.store.Overdue(t.Context(), "crm", call.PartRecording); n != 1 || err != nil {
			t.Errorf("%d overdue, %v", n, err)
		}
		b.answerMedia(nil)
		b.runFor(2 * time.Hour)
		if part := b.recordingOf(); part.State != call.Stored {
			t.Errorf("once the host is back: %+v", part)
		}
	})
}

func TestAcceptedRecordingIsLeftAloneUntilNews(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.stuck()
		if err := b.accept(); err != nil {
			t.Fatal(err)
		}
		if part := b.recordingOf(); part.State != call.Lost || part.Reason != "http_503" || part.Attempts != 3 || part.Acknowledged == nil {
			t.Errorf("%+v", part)
		}
		gets := b.media.gets
		b.runFor(24 * time.Hour)
		b.mustRound(true)
		if b.media.gets != gets {
			t.Errorf("asked %d times for what was accepted as lost", b.media.gets-gets)
		}
		b.vendor.edit(func() { b.vendor.calls[0].Rev++ })
		b.mustRound(true)
		if part := b.recordingOf(); part.State != call.Lost || part.Acknowledged == nil || b.media.gets == gets {
			t.Errorf("changed at the vendor, host still dead: %+v after %d requests", part, b.media.gets-gets)
		}
		b.answerMedia(nil)
		b.vendor.edit(func() { b.vendor.calls[0].Rev++ })
		if r := b.mustRound(true); r.Recordings != 1 || b.recordingOf().State != call.Stored {
			t.Errorf("changed at the vendor, host back: %+v", b.recordingOf())
		}
	})
}

// TestAcceptanceOutlivesAnAttemptUnderWay: what a download learns from an older
// reading of the call does not open the part again.
func TestAcceptanceOutlivesAnAttemptUnderWay(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.stuck()
		b.answerMedia(func(string) error {
			if err := b.accept(); err != nil {
				t.Error(err)
			}
			return call.ErrTransient
		})
		b.round(false)
		if part := b.recordingOf(); part.State != call.Lost || part.Acknowledged == nil {
			t.Errorf("%+v", part)
		}
	})
}

// TestReturnedCallIsFetchedAgain: a call that the vendor did not know for a
// while has lost its recording; listed again unchanged, it gets it.
func TestReturnedCallIsFetchedAgain(t *testing.T) {
	for name, sweeps := range map[string]int{"noticed by sweeps": 3, "not noticed": 0} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 30, func(b *testbed) {
				c := b.vendor.calls[10]
				c.Recording = true
				b.answerMedia(func(string) error { return call.ErrExpired })
				b.round(false)
				b.vendor.hide(c)
				for range sweeps {
					time.Sleep(time.Hour)
					b.round(true)
				}
				b.runFor(100 * time.Hour)
				part := b.load(call.ID(c.ID)).Parts.Recording
				if part.State != call.Lost || part.Reason != gone {
					t.Fatalf("%+v", part)
				}
				b.answerMedia(nil)
				b.vendor.show(c, 10)
				b.round(true)
				b.runFor(time.Minute)
				if got := b.load(call.ID(c.ID)); got.Parts.Recording.State != call.Stored || got.Call.DeletedUpstreamAt != nil {
					t.Errorf("%+v", got.Parts.Recording)
				}
			})
		})
	}
}
