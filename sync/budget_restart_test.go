package callsync

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"callsyncd/call"
)

// What was spent of an hour or a day is kept with the calls, so that the next
// process does not spend it again. A minute is over before anybody starts anew.
func TestSpentBudgetOutlivesTheProcess(t *testing.T) {
	for name, tc := range map[string]struct {
		per  time.Duration
		used int
	}{
		"a minute": {time.Minute, 0}, "an hour": {time.Hour, 30}, "a day": {24 * time.Hour, 30},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 3, func(b *testbed) {
				b.watched(limits(50, tc.per)...)
				for range 30 {
					if err := b.source.Budget.Take(b.t.Context()); err != nil {
						b.t.Fatal(err)
					}
				}
				b.mustRound(false)
				b.watched(limits(50, tc.per)...)
				if used := b.source.Budget.Status()[0].Used; used != tc.used {
					b.t.Errorf("the next process knows of %d requests, want %d", used, tc.used)
				}
				for range 50 - tc.used {
					if err := b.source.Budget.Take(b.t.Context()); err != nil {
						b.t.Fatal(err)
					}
				}
				if err := b.source.Budget.Take(b.t.Context()); tc.per > time.Minute && err == nil {
					b.t.Error("51 requests were granted")
				}
				time.Sleep(tc.per + tc.per/50)
				if err := b.source.Budget.Take(b.t.Context()); err != nil {
					b.t.Errorf("when the window is over: %v", err)
				}
			})
		})
	}
}

// A vendor that asked to be left alone is left alone by the next process, too.
func TestRetryAfterOutlivesTheProcess(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		b.watched()
		vendor := &answers{script: []answer{{429, http.Header{"Retry-After": {"2400"}}}, {200, nil}}}
		ask := func() error {
			req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, "https://example.com/", nil)
			if err != nil {
				b.t.Fatal(err)
			}
			_, err = b.source.Budget.Transport(vendor).RoundTrip(req)
			return err
		}
		b.vendor.failList = func(int) error { return ask() }
		if r := b.round(false); !errors.As(r.Err, new(*call.BudgetError)) {
			b.t.Fatalf("the round ended with %v", r.Err)
		}
		until := time.Now().Add(40 * time.Minute)
		b.watched()
		spent, ok := errors.AsType[*call.BudgetError](ask())
		if !ok || len(vendor.at) != 1 || spent.Until.Sub(until).Abs() > time.Second {
			b.t.Fatalf("the next process asked %d times, and would again at %v", len(vendor.at)-1, spent)
		}
		time.Sleep(40 * time.Minute)
		b.mustRound(false)
	})
}
