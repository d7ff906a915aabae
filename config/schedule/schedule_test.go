package schedule

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	at := time.Date(2024, 3, 10, 1, 59, 30, 0, time.UTC)
	for spec, want := range map[string]time.Time{
		"5m":            at.Add(5 * time.Minute),
		" 90s ":         at.Add(90 * time.Second),
		"1500ms":        at.Add(1500 * time.Millisecond),
		"@every 1h":     at.Add(time.Hour),
		"@hourly":       time.Date(2024, 3, 10, 2, 0, 0, 0, time.UTC),
		"*/5 * * * *":   time.Date(2024, 3, 10, 2, 0, 0, 0, time.UTC),
		"30 2 * * *":    time.Date(2024, 3, 10, 2, 30, 0, 0, time.UTC),
		"0 0 29 2 *":    time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC),
		"15 4 * * 1-5":  time.Date(2024, 3, 11, 4, 15, 0, 0, time.UTC),
		"@midnight":     time.Date(2024, 3, 11, 0, 0, 0, 0, time.UTC),
		"0 12 1 jan *":  time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC),
		"0 12 * * sun ": time.Date(2024, 3, 10, 12, 0, 0, 0, time.UTC),
	} {
		s, err := Parse(spec)
		if err != nil {
			t.Errorf("Parse(%q): %v", spec, err)
			continue
		}
		if got := s.Next(at); !got.Equal(want) {
			t.Errorf("Parse(%q).Next = %v, want %v", spec, got, want)
		}
		if s.String() != strings.TrimSpace(spec) {
			t.Errorf("Parse(%q).String = %q", spec, s)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for spec, want := range map[string]string{
		"":                     "is empty",
		"TZ=0":                 "time zones",
		"TZ=UTC 0 * * * *":     "time zones",
		"CRON_TZ=":             "time zones",
		"CRON_TZ=UTC @hourly":  "time zones",
		"0s":                   "shorter than",
		"-5m":                  "shorter than",
		"999ms":                "shorter than",
		"@every 1ns":           "shorter than",
		"@every -1s":           "shorter than",
		"@every":               "neither a duration",
		"@every soon":          "neither a duration",
		"5":                    "neither a duration",
		"2562048h":             "neither a duration",
		"soon":                 "neither a duration",
		"@fortnightly":         "not a cron expression",
		"0 0 30 2 *":           "never comes",
		"61 * * * *":           "not a cron expression",
		"* * * *":              "has 4 fields",
		"0 0 * * * *":          "has 6 fields",
		"5 m":                  "has 2 fields",
		"*/0 * * * *":          "not a cron expression",
		"0 0 * * mon-sun-tue ": "not a cron expression",
	} {
		_, err := Parse(spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want an error with %q", spec, err, want)
		}
	}
}

// A daily schedule comes once on each day, also where clocks are changed.
func TestNextIsUTC(t *testing.T) {
	ny, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip("no time zone data here")
	}
	s, err := Parse("30 2 * * *")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2024, 3, 9, 0, 0, 0, 0, ny)
	for day := 10; day < 14; day++ {
		at = s.Next(at.In(ny))
		if want := time.Date(2024, 3, day, 2, 30, 0, 0, time.UTC); at != want {
			t.Errorf("got %v, want %v", at, want)
		}
	}
}

func TestInterval(t *testing.T) {
	at := time.Date(2024, 3, 10, 0, 0, 0, 0, time.UTC)
	for spec, want := range map[string]time.Duration{"5m": 5 * time.Minute, "@daily": 24 * time.Hour, "*/10 * * * *": 10 * time.Minute} {
		s, err := Parse(spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Interval(at); got != want {
			t.Errorf("%s: interval %v, want %v", spec, got, want)
		}
	}
	if next := (Schedule{}).Next(at); !next.IsZero() {
		t.Errorf("zero schedule comes at %v", next)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"5m", "@every 1s", "*/5 * * * *", "TZ=0", "CRON_TZ=", "0 0 30 2 *", "@hourly"} {
		f.Add(s)
	}
	at := time.Date(2024, 3, 10, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, spec string) {
		s, err := Parse(spec)
		if err != nil {
			return
		}
		if next := s.Next(at); !next.After(at) || (s.Every() > 0 && next.Sub(at) < Shortest) {
			t.Errorf("Parse(%q).Next(%v) = %v", spec, at, next)
		}
	})
}
