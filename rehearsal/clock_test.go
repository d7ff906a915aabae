package rehearsal

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestClockJumpsToTheFirstMomentWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &clock{at: beginning}
		var wg sync.WaitGroup
		var order []time.Duration
		for _, d := range []time.Duration{time.Hour, time.Second, time.Minute} {
			wg.Go(func() {
				if err := c.Wait(t.Context(), d, nil); err != nil {
					t.Error(err)
				}
				c.mu.Lock()
				order = append(order, c.at.Sub(beginning))
				c.mu.Unlock()
			})
		}
		wg.Wait()
		if len(order) != 3 || order[0] != time.Second || order[1] != time.Minute || order[2] != time.Hour {
			t.Errorf("jumped to %v", order)
		}
	})
}

// A wait for want of anything better, such as for a slot, is not skipped while
// others are at work, and ends when it is woken.
func TestClockStandsStillWhileSomebodyWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, wake := &clock{at: beginning}, make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := c.Wait(t.Context(), time.Hour, wake); err != nil {
				t.Error(err)
			}
		})
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			c.Now()
		}
		close(wake)
		wg.Wait()
		if now := c.Now(); !now.Equal(beginning) {
			t.Errorf("the clock jumped to %s", now)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := errors.New("ended")
		cancel(ended)
		if err := c.Wait(ctx, time.Hour, nil); err != ended || len(c.waiting) > 0 {
			t.Errorf("%v, %d wait", err, len(c.waiting))
		}
	})
}
