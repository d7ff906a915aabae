package callsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

func limits(pairs ...any) []call.RateLimit {
	var out []call.RateLimit
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, call.RateLimit{Requests: pairs[i].(int), Per: pairs[i+1].(time.Duration)})
	}
	return out
}

// TestBudgetNeverExceedsAnyWindow takes as fast as allowed and counts every
// sliding window of the result.
func TestBudgetNeverExceedsAnyWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget("crm", limits(10, time.Second, 100, time.Minute), time.Hour)
		var made []time.Time
		for range 350 {
			if err := b.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
			made = append(made, time.Now())
		}
		for i := range made {
			for _, w := range []struct {
				n   int
				per time.Duration
			}{{10, time.Second}, {100, time.Minute}} {
				if i+w.n < len(made) && made[i+w.n].Sub(made[i]) <= w.per {
					t.Fatalf("requests %d to %d lie within %s", i, i+w.n, w.per)
				}
			}
		}
		if took := made[len(made)-1].Sub(made[0]); took > 4*time.Minute {
			t.Errorf("350 requests at 100 a minute took %s", took)
		}
	})
}

func TestBudgetServesUrgentWorkFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget("crm", limits(1, time.Second), time.Hour)
		if err := b.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []call.Purpose
		var wg sync.WaitGroup
		for _, p := range []call.Purpose{call.PurposeSweep, call.PurposePending, call.PurposeHead, call.PurposeSweep, call.PurposeRecording} {
			wg.Go(func() {
				if err := b.Take(call.WithPurpose(t.Context(), p)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, p)
				mu.Unlock()
			})
			synctest.Wait()
		}
		wg.Wait()
		want := fmt.Sprint([]call.Purpose{call.PurposeHead, call.PurposeRecording, call.PurposePending, call.PurposeSweep, call.PurposeSweep})
		if fmt.Sprint(order) != want {
			t.Errorf("served %v, want %v", order, want)
		}
	})
}

func TestBudgetKeepsAReserveOfLongWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget("crm", limits(100, time.Hour), time.Second)
		sweep := call.WithPurpose(t.Context(), call.PurposeSweep)
		n := 0
		var err error
		for ; err == nil; n++ {
			err = b.Take(sweep)
		}
		spent, ok := errors.AsType[*call.BudgetError](err)
		if n != 81 || !ok || !errors.Is(err, call.ErrTransient) {
			t.Fatalf("the sweep got %d requests and %v", n-1, err)
		}
		if wait := time.Until(spent.Until); wait < 59*time.Minute || wait > 61*time.Minute {
			t.Errorf("free again in %s", wait)
		}
		for range 20 {
			if err := b.Take(t.Context()); err != nil {
				t.Fatalf("the head loop must use the reserve: %v", err)
			}
		}
		if err := b.Take(t.Context()); err == nil {
			t.Error("101 requests within the hour")
		}
	})
}

func TestBudgetSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget("crm", limits(50, time.Hour), time.Second)
		for range 30 {
			if err := b.Take(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		again := NewBudget("crm", limits(50, time.Hour), time.Second)
		if err := again.Restore(b.State()); err != nil {
			t.Fatal(err)
		}
		n := 0
		for again.Take(t.Context()) == nil {
			n++
		}
		if n != 20 {
			t.Errorf("after the restart %d of the 20 requests left were granted", n)
		}
		time.Sleep(time.Hour + time.Minute)
		if err := again.Take(t.Context()); err != nil {
			t.Errorf("an hour later: %v", err)
		}
		if err := again.Restore([]byte(`{"windows":7}`)); err == nil {
			t.Error("a damaged state was accepted")
		}
	})
}

func TestBudgetWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget("crm", limits(1, time.Minute), time.Hour)
		_ = b.Take(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.Take(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// answers is a vendor that answers with a script of statuses.
type answers struct {
	script []answer
	bodies []string
	at     []time.Time
}

type answer struct {
	status int
	header http.Header
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.at = append(a.at, time.Now())
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		a.bodies = append(a.bodies, string(b))
	}
	next := a.script[0]
	if len(a.script) > 1 {
		a.script = a.script[1:]
	}
	if next.header == nil {
		next.header = http.Header{}
	}
	return &http.Response{StatusCode: next.status, Header: next.header, Body: io.NopCloser(strings.NewReader("{}"))}, nil
}

func TestTransportObeys429(t *testing.T) {
	header := func(k, v string) http.Header { return http.Header{http.CanonicalHeaderKey(k): {v}} }
	for name, tc := range map[string]struct {
		header   http.Header
		min, max time.Duration
	}{
		"seconds":  {header("Retry-After", "7"), 7 * time.Second, 8 * time.Second},
		"date":     {nil, 29 * time.Second, 31 * time.Second},
		"absent":   {http.Header{}, time.Second, 2 * time.Second},
		"garbage":  {header("Retry-After", "soon"), time.Second, 2 * time.Second},
		"negative": {header("Retry-After", "-5"), time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if tc.header == nil {
					tc.header = header("Retry-After", time.Now().Add(30*time.Second).UTC().Format(http.TimeFormat))
				}
				vendor := &answers{script: []answer{{429, tc.header}, {200, nil}}}
				b := NewBudget("crm", nil, 2*time.Minute)
				req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://example.com/list", strings.NewReader(`{"limit":1}`))
				resp, err := b.Transport(vendor).RoundTrip(req)
				if err != nil || resp.StatusCode != 200 {
					t.Fatal(resp, err)
				}
				if wait := vendor.at[1].Sub(vendor.at[0]); wait < tc.min || wait > tc.max {
					t.Errorf("waited %s", wait)
				}
				if vendor.bodies[0] != vendor.bodies[1] || vendor.bodies[1] != `{"limit":1}` {
					t.Errorf("bodies %q", vendor.bodies)
				}
			})
		})
	}
}

func TestTransportGivesUpOnLongWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vendor := &answers{script: []answer{{429, http.Header{"Retry-After": {"99999999"}}}}}
		b := NewBudget("crm", nil, 2*time.Minute)
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
		_, err := b.Transport(vendor).RoundTrip(req)
		spent, ok := errors.AsType[*call.BudgetError](err)
		if !ok || time.Until(spent.Until) > time.Hour {
			t.Fatalf("got %v", err)
		}
		if len(vendor.at) != 1 {
			t.Errorf("%d requests", len(vendor.at))
		}
	})
}

func TestTransportReadsRateLimitHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset := fmt.Sprint(time.Now().Add(20 * time.Second).Unix())
		vendor := &answers{script: []answer{{200, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {reset}}}, {200, nil}}}
		rt := NewBudget("crm", nil, time.Minute).Transport(vendor)
		for range 2 {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
			if _, err := rt.RoundTrip(req); err != nil {
				t.Fatal(err)
			}
		}
		if wait := vendor.at[1].Sub(vendor.at[0]); wait < 19*time.Second || wait > 21*time.Second {
			t.Errorf("waited %s", wait)
		}
	})
}

// The limit of a request begins when it is sent, not when it starts to wait
// for its budget.
func TestTransportBoundsTheRequestOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left []time.Duration
		slow := roundTrip(func(r *http.Request) (*http.Response, error) {
			deadline, _ := r.Context().Deadline()
			left = append(left, time.Until(deadline))
			if len(left) < 3 {
				return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}, nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		rt := NewBudget("crm", limits(1, 90*time.Second), 2*time.Minute).Transport(slow)
		var err error
		for range 3 {
			var resp *http.Response
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
			if resp, err = rt.RoundTrip(req); err == nil {
				_ = resp.Body.Close()
			}
		}
		if !errors.Is(err, context.DeadlineExceeded) || left[1] != requestLimit {
			t.Errorf("%v, time left %v", err, left)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestBreakerLeavesAFailingVendorAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vendor := &answers{script: []answer{{500, nil}}}
		rt := NewBudget("crm", nil, 2*time.Minute).Transport(vendor)
		ask := func() error {
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", nil)
			_, err := rt.RoundTrip(req)
			return err
		}
		asked := 0
		for range 600 { // ten minutes of one try a second
			if ask() == nil {
				asked++
			}
			time.Sleep(time.Second)
		}
		if asked > breakAfter+8 {
			t.Errorf("%d requests to a vendor that only fails", asked)
		}
		var spent *call.BudgetError
		if err := ask(); !errors.As(err, &spent) || !errors.Is(err, call.ErrTransient) || time.Until(spent.Until) > breakMost {
			t.Fatalf("while it is open: %v", err)
		}
		vendor.script = []answer{{200, nil}}
		time.Sleep(time.Until(spent.Until) + time.Second)
		for range 3 {
			if err := ask(); err != nil {
				t.Errorf("after the vendor recovered: %v", err)
			}
		}
	})
}
