package call

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := make(Seats, 1)
		free := func() bool { return len(s) == 0 }
		take := func(ctx context.Context) func(bool) {
			t.Helper()
			release, ok := s.Take(ctx)
			if !ok {
				t.Fatal("no seat")
			}
			return release
		}
		take(t.Context())(true)
		if !free() {
			t.Error("kept without a hold")
		}

		held, end := WithHold(t.Context())
		take(held)(true)
		if free() {
			t.Error("not kept under a hold")
		}
		take(held)(false) // it has one
		if free() {
			t.Error("given back by who did not take it")
		}
		start := time.Now()
		if _, ok := s.Take(t.Context()); ok || time.Since(start) != seatWait {
			t.Errorf("a second seat after %s: %t", time.Since(start), ok)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, ok := s.Take(WithoutHold(gone)); ok {
			t.Error("a seat after the end")
		}
		end()
		end()
		if !free() {
			t.Error("kept beyond the hold")
		}
		take(held)(false)
		if !free() {
			t.Error("kept though nothing came of it")
		}
	})
}
