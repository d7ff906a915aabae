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

// Paced is a back-off whose pauses are waited by a clock: whoever retries by it
// finds that none is left. It ends with Stop when Ctx does.
type Paced struct {
	Ctx   context.Context
	Clock Clock
	// Pauses says how long each pause is; negative to stop.
	Pauses interface {
		NextBackOff() time.Duration
		Reset()
	}
}

// NextBackOff waits, and returns 0, or a negative time to stop.
func (p *Paced) NextBackOff() time.Duration {
	d := p.Pauses.NextBackOff()
	if d < 0 || p.Clock.Wait(p.Ctx, d, nil) != nil {
		return -1
	}
	return 0
}

// Reset begins anew.
func (p *Paced) Reset() { p.Pauses.Reset() }
