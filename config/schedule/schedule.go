// Package schedule reads the schedules of the configuration: a duration such
// as 5m, or a cron expression in UTC. It guards the cron parser, which panics
// on some texts and accepts schedules that never fire.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Shortest is the shortest interval accepted; Brisk is the one below which
// vendors may object, so the configuration warns.
const (
	Shortest = time.Second
	Brisk    = time.Minute
)

// Schedule says when something happens. The zero value never does; others come
// from Parse. It is safe for concurrent use.
type Schedule struct {
	spec  string
	every time.Duration // 0 for cron expressions
	cron  cron.Schedule // nil for durations
}

// Parse reads a duration of at least one second ("5m"), "@every 5m", a name
// such as "@hourly", or the five fields of cron, in UTC.
func Parse(spec string) (Schedule, error) {
	spec = strings.TrimSpace(spec)
	switch {
	case spec == "":
		return Schedule{}, errors.New("is empty; use a duration such as 5m, or a cron expression in UTC such as \"*/5 * * * *\"")
	case strings.HasPrefix(spec, "TZ=") || strings.HasPrefix(spec, "CRON_TZ="):
		return Schedule{}, errors.New("time zones are not supported: cron expressions are in UTC; leave out TZ=")
	}
	if text, ok := durationText(spec); ok {
		every, err := parseEvery(text)
		if err != nil {
			return Schedule{}, err
		}
		return Schedule{spec: spec, every: every}, nil
	}
	c, err := parseCron(spec)
	if err != nil {
		return Schedule{}, err
	}
	return Schedule{spec: spec, cron: c}, nil
}

// durationText returns the duration in spec, and whether spec is meant as one.
func durationText(spec string) (string, bool) {
	if text, ok := strings.CutPrefix(spec, "@every"); ok {
		return strings.TrimSpace(text), true
	}
	return spec, !strings.HasPrefix(spec, "@") && len(strings.Fields(spec)) == 1
}

func parseEvery(text string) (time.Duration, error) {
	every, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a duration such as 5m or 24h nor a cron expression of five fields", text)
	}
	if every < Shortest {
		return 0, fmt.Errorf("%q is shorter than %v", text, Shortest)
	}
	return every, nil
}

// parseCron never panics, although the library's parser may.
func parseCron(spec string) (s cron.Schedule, err error) {
	defer func() {
		if recover() != nil {
			s, err = nil, fmt.Errorf("%q is not a cron expression", spec)
		}
	}()
	if n := len(strings.Fields(spec)); !strings.HasPrefix(spec, "@") && n != 5 {
		return nil, fmt.Errorf("%q has %d fields; a cron expression has five: minute hour day month weekday", spec, n)
	}
	s, err = cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("%q is not a cron expression: %w", spec, err)
	}
	if s.Next(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("%q never comes: there is no such date", spec)
	}
	return s, nil
}

// Next returns the first moment after t, in UTC; zero when there is none.
func (s Schedule) Next(t time.Time) time.Time {
	switch {
	case s.every > 0:
		return t.UTC().Add(s.every)
	case s.cron != nil:
		// Without the monotonic reading, a clock that was set is not missed.
		return s.cron.Next(t.UTC().Round(0))
	}
	return time.Time{}
}

// Every returns the interval of a duration; 0 for a cron expression.
func (s Schedule) Every() time.Duration { return s.every }

// Interval returns the time between the next two moments after t: exact for a
// duration, an estimate for a cron expression.
func (s Schedule) Interval(t time.Time) time.Duration {
	if s.every > 0 {
		return s.every
	}
	next := s.Next(t)
	return s.Next(next).Sub(next)
}

// Overdue reports whether two moments or more have passed since something was
// last done.
func (s Schedule) Overdue(last, now time.Time) bool {
	return now.After(s.Next(s.Next(last)))
}

// String returns the text Parse was given, without surrounding space.
func (s Schedule) String() string { return s.spec }
