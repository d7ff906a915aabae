package call

import (
	"context"
	"time"
)

// Clock tells the time and waits. The real one is RealClock; a rehearsal brings
// one that skips the waiting.
type Clock interface {
	Now() time.Time
	// Wait returns after d, at a wake-up, or at the end of ctx, whose cause is
	// then the error. A nil wake never comes.
	Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error
}

// RealClock is the machine's own clock.
type RealClock struct{}

// Now is time.Now.
func (RealClock) Now() time.Time { return time.Now() }

// Wait waits as long as it says.
func (RealClock) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
	case <-wake:
	}
	return nil
}
