package call

import (
	"math"
	"testing"
	"time"
)

func TestEndOfACall(t *testing.T) {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, test := range map[string]struct {
		seconds float64
		want    time.Time
	}{
		"usual":          {90, start.Add(90 * time.Second)},
		"negative":       {-90, start},
		"a day":          {86400, start.Add(24 * time.Hour)},
		"a hundred days": {100 * 86400, start},
		"beyond time":    {1e300, start},
		"infinite":       {math.Inf(1), start},
		"not a number":   {math.NaN(), start},
	} {
		t.Run(name, func(t *testing.T) {
			c := Call{StartedAt: &start, DurationSeconds: &test.seconds}
			if got := c.End(); !got.Equal(test.want) {
				t.Errorf("%s, want %s", got, test.want)
			}
		})
	}
}
