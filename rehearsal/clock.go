package rehearsal

import (
	"context"
	"sync"
	"time"
)

// clock stands still unless it is moved or everybody waits. Then it jumps to the
// moment that is waited for first.
type clock struct {
	mu      sync.Mutex
	at      time.Time
	waiting map[*time.Time]bool // the moments that are waited for
	looked  time.Time           // when somebody last looked, by the machine's clock
}

// Now implements call.Clock. Whoever looks at the clock is at work.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked = time.Now()
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

// patience is how long nobody must have been at work before a wait is skipped:
// the longer the wait, the surer it must be that nothing else will end it.
func patience(d time.Duration) time.Duration {
	return min(max(d/2000, 2*time.Millisecond), 400*time.Millisecond)
}

// Wait implements call.Clock: unless something else comes first, the moment to
// wait for comes as soon as everybody waits for it or for a later one.
func (c *clock) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	until, pause := c.await(d)
	defer c.leave(until)
	t := time.NewTimer(pause)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-wake:
			return nil
		case <-t.C:
		}
		if c.jump(until, pause) {
			return nil
		}
		t.Reset(pause)
	}
}

func (c *clock) await(d time.Duration) (until *time.Time, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.at.Add(d)
	if c.waiting == nil {
		c.waiting = map[*time.Time]bool{}
	}
	c.waiting[&at] = true
	return &at, patience(d)
}

func (c *clock) leave(until *time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.waiting, until)
	c.looked = time.Now() // who waited goes to work
}

// jump moves the clock to a moment if nobody is at work and nobody waits for an
// earlier one. It reports whether the moment has come.
func (c *clock) jump(until *time.Time, pause time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !until.After(c.at) {
		return true
	}
	if time.Since(c.looked) < pause {
		return false
	}
	for other := range c.waiting {
		if other.Before(*until) {
			return false
		}
	}
	c.at = *until
	return true
}
