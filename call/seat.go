package call

import (
	"context"
	"sync"
	"time"
)

// Seats are for work of which the whole process may do a little at a time. Make
// them with the capacity that may be.
type Seats chan struct{}

// seatWait is how long somebody waits for a seat: those who have one are at
// work, or wait for us with something we have.
const seatWait = 30 * time.Second

// Take waits for a seat and returns how to give it back. Under WithHold it may
// be kept until the hold ends, and who has one already gets no other. It is
// false when none came free.
func (s Seats) Take(ctx context.Context) (release func(keep bool), ok bool) {
	h, _ := ctx.Value(holdKey{}).(*hold)
	if h != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.release != nil {
			return func(bool) {}, true
		}
	}
	wait := time.NewTimer(seatWait)
	defer wait.Stop()
	select {
	case s <- struct{}{}:
	case <-ctx.Done():
		return nil, false
	case <-wait.C:
		return nil, false
	}
	if h == nil {
		return func(bool) { <-s }, true
	}
	h.release = func() { <-s }
	return func(keep bool) {
		if !keep {
			h.end()
		}
	}, true
}

type holdKey struct{}

type hold struct {
	mu      sync.Mutex
	release func() // nil while nothing is held
}

// WithoutHold lets seats taken under the context be given back by who takes them.
func WithoutHold(ctx context.Context) context.Context {
	return context.WithValue(ctx, holdKey{}, nil)
}

// WithHold keeps the seat taken under the context until end is called.
func WithHold(ctx context.Context) (held context.Context, end func()) {
	h := &hold{}
	return context.WithValue(ctx, holdKey{}, h), h.end
}

func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.release != nil {
		h.release()
		h.release = nil
	}
}
