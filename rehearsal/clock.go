package rehearsal

import (
	"context"
	"sync"
	"time"
)

// yield is how long others get to do their work before a wait is skipped.
const yield = 2 * time.Millisecond

// clock stands still unless it is moved or somebody waits.
type clock struct {
	mu sync.Mutex
	at time.Time
}

// Now implements call.Clock.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// reach moves the clock forward to a moment, never back.
func (c *clock) reach(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at.After(c.at) {
		c.at = at
	}
}

// Wait implements call.Clock: unless something else comes first, the time to
// wait for has come.
func (c *clock) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	until := c.Now().Add(d)
	t := time.NewTimer(yield)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-wake:
	case <-t.C:
		c.reach(until)
	}
	return nil
}
