package call

import (
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                              0,
		"soon":                          0,
		"-5":                            0,
		"NaN":                           0,
		"0":                             time.Second,
		"1.5":                           1500 * time.Millisecond,
		" 12 ":                          12 * time.Second,
		"99999999999999999999999999999": time.Hour,
		"Mon, 01 Jun 2026 12:01:30 GMT": 90 * time.Second,
		"Mon, 01 Jun 2026 11:00:00 GMT": time.Second,
		"Tue, 02 Jun 2026 12:00:00 GMT": time.Hour,
	} {
		if got, ok := RetryAfter(value, now); got != want || ok != (want > 0) {
			t.Errorf("%q: %s, %v; want %s", value, got, ok, want)
		}
	}
}

// FuzzRetryAfter: whatever is believed lies within the bounds.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{"1", "1e9", "Mon, 01 Jun 2026 12:00:00 GMT", "-1", ".", "1.2.3"} {
		f.Add(value)
	}
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		if got, ok := RetryAfter(value, now); ok != (got != 0) || ok && (got < MinRetryAfter || got > MaxRetryAfter) {
			t.Errorf("%q: %s, %v", value, got, ok)
		}
	})
}
