package callsync

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"callsyncd/call"
)

const (
	// requestLimit bounds one request from its first byte out to its last byte in.
	requestLimit = time.Minute
	// tooManyTries bounds how often one request is repeated after 429.
	tooManyTries = 6
)

// Transport wraps base so that every request is paid from the budget, and a
// vendor's 429 or spent X-RateLimit pauses the whole source before the request
// is repeated. All requests callsyncd makes only read, so repeating is safe.
// It returns a *call.BudgetError when the wait would be too long.
func (b *Budget) Transport(base http.RoundTripper) http.RoundTripper {
	return &meteredTransport{base: base, budget: b}
}

type meteredTransport struct {
	base   http.RoundTripper
	budget *Budget
}

func (t *meteredTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		if err := t.budget.Take(req.Context()); err != nil {
			return nil, err
		}
		// The limit begins here: waiting for the budget is not the vendor's slowness.
		ctx, cancel := context.WithTimeout(req.Context(), requestLimit)
		again := req.Clone(ctx)
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				cancel()
				return nil, err
			}
			again.Body = body
		}
		resp, err := t.base.RoundTrip(again)
		if req.Context().Err() == nil {
			t.budget.Outcome(err != nil || resp.StatusCode >= 500)
		}
		if err != nil {
			cancel()
			return nil, err
		}
		resp.Body = &limitedBody{resp.Body, cancel}
		now := t.budget.now()
		if resp.StatusCode != http.StatusTooManyRequests {
			if until, ok := rateLimitReset(resp.Header, now); ok {
				t.budget.Pause(until, "the vendor's X-RateLimit")
			}
			return resp, nil
		}
		wait, ok := call.RetryAfter(resp.Header.Get("Retry-After"), now)
		if !ok {
			wait = call.MinRetryAfter << min(try-1, 6)
		}
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		_ = resp.Body.Close()
		until := now.Add(wait)
		t.budget.Pause(until, "the vendor answered 429")
		if try == tooManyTries {
			return nil, &call.BudgetError{Source: t.budget.source, Until: until, Why: "the vendor keeps answering 429"}
		}
	}
}

// limitedBody ends its request's time limit when it is closed.
type limitedBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *limitedBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// rateLimitReset reads X-RateLimit-Remaining and -Reset (epoch seconds, or
// seconds from now): when nothing remains, no request may be made before the
// reset.
func rateLimitReset(h http.Header, now time.Time) (time.Time, bool) {
	remaining, err := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil || remaining > 0 {
		return time.Time{}, false
	}
	reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64)
	if err != nil || reset <= 0 {
		return time.Time{}, false
	}
	at := now.Add(time.Duration(min(reset, int64(call.MaxRetryAfter/time.Second))) * time.Second)
	if reset > 1e8 { // no pause is three years long: an epoch second
		at = now.Add(time.Unix(reset, 0).Sub(now)) // counted from now on, whatever becomes of the clock
	}
	if !at.After(now) {
		return time.Time{}, false
	}
	if limit := now.Add(call.MaxRetryAfter); at.After(limit) {
		at = limit
	}
	return at, true
}
