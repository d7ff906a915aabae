package call

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The bounds of a believable Retry-After.
const (
	MinRetryAfter = time.Second
	MaxRetryAfter = time.Hour
)

// RetryAfter reads a Retry-After header, seconds or an HTTP date, and clamps it to
// MinRetryAfter and MaxRetryAfter. It reports false when nothing usable is said.
func RetryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	seconds, err := strconv.ParseFloat(value, 64)
	switch {
	case value == "":
		return 0, false
	case strings.Trim(value, "0123456789.") == "" && (err == nil || seconds > 0):
		seconds = min(seconds, MaxRetryAfter.Seconds())
		return clampRetry(time.Duration(seconds * float64(time.Second))), true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return clampRetry(at.Sub(now)), true
}

func clampRetry(d time.Duration) time.Duration {
	return min(max(d, MinRetryAfter), MaxRetryAfter)
}
