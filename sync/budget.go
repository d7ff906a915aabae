package callsync

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"callsyncd/call"
)

// reserveFrom is the window length from which on a share of the budget is kept
// for the head loop and for recordings that would expire.
const reserveFrom = time.Hour

// reserveShare is the share of a long window the less urgent work must leave.
const reserveShare = 0.2

// Budget grants requests to one source so that no window of any of its rate
// limits ever holds more than the limit allows, whatever phase the vendor's
// own windows have. It is safe for concurrent use; waiters are served by
// purpose, then in order of arrival.
type Budget struct {
	source  call.SourceID
	maxWait time.Duration
	clock   call.Clock
	// wall is the clock saved states go by. All else counts the time that
	// passed, which a clock that is set does not move.
	wall func() time.Time

	mu       sync.Mutex
	windows  []*rateWindow
	paused   time.Time // no request before
	why      string
	broken   time.Time // the circuit is open until then
	failures int       // in a row
	queue    []*waiter
	sequence int
	counted  [2]int64 // API requests, lookups
}

// rateWindow remembers when the last `Requests` requests were made.
type rateWindow struct {
	call.RateLimit
	made []time.Time // ascending, at most Requests long
}

type waiter struct {
	purpose  call.Purpose
	sequence int
	wake     chan struct{}
}

// NewBudget makes a budget from a source's limits. A request that would have
// to wait longer than maxWait is refused with a *call.BudgetError instead.
func NewBudget(source call.SourceID, limits []call.RateLimit, maxWait time.Duration) *Budget {
	b := &Budget{source: source, maxWait: maxWait, clock: call.RealClock{}}
	b.wall = func() time.Time { return b.now().UTC().Round(0) }
	for _, l := range limits {
		b.windows = append(b.windows, &rateWindow{RateLimit: l})
	}
	return b
}

// Use sets the clock; it must be called before anything else.
func (b *Budget) Use(clock call.Clock) { b.clock = clock }

func (b *Budget) now() time.Time { return b.clock.Now() }

// Take waits until a request may be made and counts it. The purpose of ctx
// decides who goes first.
func (b *Budget) Take(ctx context.Context) error {
	purpose := call.PurposeOf(ctx)
	b.mu.Lock()
	b.sequence++
	w := &waiter{purpose: purpose, sequence: b.sequence, wake: make(chan struct{}, 1)}
	b.queue = append(b.queue, w)
	slices.SortFunc(b.queue, func(x, y *waiter) int {
		if x.purpose != y.purpose {
			return int(x.purpose) - int(y.purpose)
		}
		return x.sequence - y.sequence
	})
	defer b.leave(w)
	for {
		now := b.now()
		if b.broken.After(now) {
			until := b.broken
			b.mu.Unlock()
			return &call.BudgetError{Source: b.source, Until: until, Why: "the vendor failed too often in a row"}
		}
		free, why := b.freeAt(now, purpose)
		first := b.queue[0] == w
		if first && !free.After(now) {
			b.count(now, purpose)
			b.mu.Unlock()
			return nil
		}
		wait := free.Sub(now)
		if wait > b.maxWait {
			b.mu.Unlock()
			return &call.BudgetError{Source: b.source, Until: free, Why: why}
		}
		b.mu.Unlock()
		clock := b.clock
		if !first {
			wait, clock = b.maxWait, call.RealClock{} // somebody ahead will wake us: no time is to be skipped
		}
		if err := clock.Wait(ctx, wait, w.wake); err != nil {
			return err
		}
		b.mu.Lock()
	}
}

// leave removes a waiter and lets the next one look. It is called without the lock.
func (b *Budget) leave(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = slices.DeleteFunc(b.queue, func(x *waiter) bool { return x == w })
	if len(b.queue) > 0 {
		select {
		case b.queue[0].wake <- struct{}{}:
		default:
		}
	}
}

// freeAt says when the next request of this purpose fits all windows.
func (b *Budget) freeAt(now time.Time, purpose call.Purpose) (at time.Time, why string) {
	at, why = now, ""
	if b.paused.After(at) {
		at, why = b.paused, b.why
	}
	for _, w := range b.windows {
		limit := w.limit(purpose)
		if len(w.made) < limit {
			continue
		}
		if free := w.made[len(w.made)-limit].Add(w.span()); free.After(at) {
			at, why = free, w.String()
		}
	}
	return at, why
}

func (b *Budget) count(now time.Time, purpose call.Purpose) {
	for _, w := range b.windows {
		if len(w.made) >= w.Requests {
			w.made = w.made[1:]
		}
		w.made = append(w.made, now)
	}
	if purpose == call.PurposeLookup {
		b.counted[1]++
	} else {
		b.counted[0]++
	}
}

// Pause stops all requests until the given moment, as a vendor asked.
func (b *Budget) Pause(until time.Time, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.paused) {
		b.paused, b.why = until, why
	}
}

const (
	// breakAfter is how many requests in a row must fail before none is made
	// for a while; each further failure doubles the while.
	breakAfter = 12
	breakFirst = 15 * time.Second
	breakMost  = 15 * time.Minute
)

// Outcome tells the circuit breaker how a request went. A vendor that fails
// again and again is left alone for a while: the work is put off, not lost.
func (b *Budget) Outcome(failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !failed {
		b.failures, b.broken = 0, time.Time{}
		return
	}
	if b.failures++; b.failures >= breakAfter {
		b.broken = b.now().Add(min(breakMost, breakFirst<<min(10, b.failures-breakAfter)))
	}
}

// Counted returns the API requests and, apart, the lookup requests granted so far.
func (b *Budget) Counted() (requests, lookups int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counted[0], b.counted[1]
}

// Status says how much of each window is used now.
func (b *Budget) Status() []call.BudgetStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]call.BudgetStatus, 0, len(b.windows))
	for _, w := range b.windows {
		out = append(out, call.BudgetStatus{Requests: w.Requests, PerSeconds: w.Per.Seconds(), Used: w.used(b.now())})
	}
	return out
}

// limit leaves a share of long windows to urgent work.
func (w *rateWindow) limit(p call.Purpose) int {
	if w.Per < reserveFrom || p < call.PurposePending {
		return w.Requests
	}
	return max(1, int(math.Floor(float64(w.Requests)*(1-reserveShare))))
}

// span is the window plus a margin, because a request made later may travel faster.
func (w *rateWindow) span() time.Duration {
	return w.Per + min(2*time.Second, max(20*time.Millisecond, w.Per/100))
}

func (w *rateWindow) used(now time.Time) int {
	i, _ := slices.BinarySearchFunc(w.made, now.Add(-w.span()), func(t, since time.Time) int { return t.Compare(since) })
	return len(w.made) - i
}

func (w *rateWindow) String() string { return fmt.Sprintf("%d requests per %s", w.Requests, w.Per) }

// budgetState is how a budget survives a restart: for each window longer than
// a minute, how many requests were made in each slice of it.
type budgetState struct {
	Paused  time.Time     `json:"paused,omitzero"`
	Why     string        `json:"why,omitempty"`
	Windows []windowState `json:"windows"`
}

type windowState struct {
	PerSeconds int64         `json:"per_seconds"`
	Slices     map[int64]int `json:"slices"` // unix second of the slice's end -> requests
}

// slicesPerWindow is the resolution of a saved window.
const slicesPerWindow = 120

// State returns what must be saved, nil when nothing needs to survive.
func (b *Budget) State() json.RawMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, wall := b.now(), b.wall()
	var state budgetState
	if b.paused.After(now) {
		state.Paused, state.Why = wall.Add(b.paused.Sub(now)), b.why
	}
	for _, w := range b.windows {
		if w.Per <= time.Minute {
			continue
		}
		slice := max(1, int64(w.Per/time.Second)/slicesPerWindow)
		counts := make(map[int64]int)
		for _, t := range w.made[len(w.made)-w.used(now):] {
			counts[(wall.Add(t.Sub(now)).Unix()/slice+1)*slice]++
		}
		state.Windows = append(state.Windows, windowState{int64(w.Per / time.Second), counts})
	}
	if len(state.Windows) == 0 && state.Paused.IsZero() {
		return nil
	}
	out, err := json.Marshal(state)
	if err != nil {
		panic(err) // a struct of numbers and times always encodes
	}
	return out
}

// Restore takes a saved state back. A slice counts as made at its end, never
// earlier than it was, so a restart never spends a request twice.
func (b *Budget) Restore(saved json.RawMessage) error {
	if len(saved) == 0 {
		return nil
	}
	var state budgetState
	if err := json.Unmarshal(saved, &state); err != nil {
		return fmt.Errorf("restore request budget: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, wall := b.now(), b.wall()
	// A pause beyond the longest one a vendor can ask for comes from a clock
	// that has since been put right.
	if left := state.Paused.Sub(wall); left < call.MaxRetryAfter {
		b.paused, b.why = now.Add(left), state.Why
	}
	for _, s := range state.Windows {
		for _, w := range b.windows {
			if int64(w.Per/time.Second) == s.PerSeconds {
				w.restore(s.Slices, now, wall)
			}
		}
	}
	return nil
}

// restore takes requests back that were made at wall times; what lies in the
// future, as after the clock was set back, counts as made now.
func (w *rateWindow) restore(counts map[int64]int, now, wall time.Time) {
	for end, n := range counts {
		at := now.Add(min(0, time.Unix(end, 0).Sub(wall)))
		for range min(n, w.Requests) {
			w.made = append(w.made, at)
		}
	}
	slices.SortFunc(w.made, time.Time.Compare)
	if extra := len(w.made) - w.Requests; extra > 0 {
		w.made = w.made[extra:]
	}
}
