package simulator

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// limit allows so many requests in each stretch of time.
type limit struct {
	requests int
	per      time.Duration
}

// limiter counts requests in windows that begin at multiples of their length,
// as services commonly do. A client that keeps to a limit in every stretch
// keeps to it in these.
type limiter struct {
	mu      sync.Mutex
	windows map[time.Duration]*usage
}

// usage is one window.
type usage struct {
	begin time.Time
	used  int
}

// spend counts a request against the documented limits, sets their headers, and
// answers 429 when one is exceeded.
func (w *world) spend(rw http.ResponseWriter, r *http.Request) bool {
	limits := w.spec.limits
	if limits == nil {
		return false
	}
	now := w.sim.now()
	exceeded, tightest, left := w.limits.take(limits(r), now)
	if tightest.per > 0 {
		h := rw.Header()
		h.Set("X-RateLimit-Limit", strconv.Itoa(tightest.requests))
		h.Set("X-RateLimit-Remaining", strconv.Itoa(left))
		h.Set("X-RateLimit-Reset", strconv.FormatInt(now.Truncate(tightest.per).Add(tightest.per).Unix(), 10))
	}
	if exceeded == 0 {
		return false
	}
	wait := now.Truncate(exceeded).Add(exceeded).Sub(now)
	rw.Header().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	w.refuse(rw, "rate_limited", refusal{http.StatusTooManyRequests, "rate_limited", "Too many requests"})
	return true
}

// take counts one request unless a window is full; exceeded is then its length.
// Tightest is the limit with the fewest requests left.
func (l *limiter) take(limits []limit, now time.Time) (exceeded time.Duration, tightest limit, left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.windows == nil {
		l.windows = map[time.Duration]*usage{}
	}
	for _, limit := range limits {
		u := l.windows[limit.per]
		if begin := now.Truncate(limit.per); u == nil || !u.begin.Equal(begin) {
			u = &usage{begin: begin}
			l.windows[limit.per] = u
		}
		if u.used >= limit.requests {
			exceeded = max(exceeded, limit.per)
		}
	}
	for _, limit := range limits {
		u := l.windows[limit.per]
		if exceeded == 0 {
			u.used++
		}
		if rest := limit.requests - u.used; tightest.per == 0 || rest < left {
			tightest, left = limit, rest
		}
	}
	return exceeded, tightest, left
}
