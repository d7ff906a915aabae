package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"callsyncd/call"
	"callsyncd/config/schedule"
)

// schedule keeps the three walks of every source going until ctx ends.
func (a *Archive) schedule(ctx context.Context) error {
	var entries []Entry
	for _, s := range a.sources {
		for _, w := range s.walks(a.clock.Now()) {
			entries = append(entries, a.entry(s, w))
		}
	}
	return NewScheduler(a.store.ArchiveID(), a.log, entries...).Run(ctx)
}

// scheduled is one of the walks of a source.
type scheduled struct {
	name    string
	when    schedule.Schedule
	atStart bool
	walk    func(context.Context) error
}

// walks are in the order a daemon begins them.
func (s *source) walks(now time.Time) []scheduled {
	c, when := s.engine.Checkpoint(), s.config.Schedule
	return []scheduled{
		{"head", when.Head, true, s.engine.Head},
		{"trailing", when.Trailing, true, s.engine.Trailing},
		{"sweep", when.Sweep, sweepDue(&c, when.Sweep, now), s.engine.Sweep},
	}
}

func (s *source) entryName(w scheduled) string { return string(s.config.Name) + " " + w.name }

func (a *Archive) entry(s *source, w scheduled) Entry {
	log := a.log.With("source", string(s.config.Name), "walk", w.name)
	return Entry{
		Name: s.entryName(w), Schedule: w.when, AtStart: w.atStart,
		Job: func(ctx context.Context) { report(ctx, log, w.walk(ctx)) },
	}
}

// report logs how a walk ended: passing trouble waits for the next one, the
// rest needs somebody.
func report(ctx context.Context, log *slog.Logger, err error) {
	switch {
	case err == nil || ctx.Err() != nil:
	case errors.Is(err, call.ErrTransient):
		log.Warn("walk ended early, the next one goes on", "err", err)
	default:
		log.Error("walk failed", "err", err)
	}
}

// sweepDue reports whether the whole list must be read at start: it never was,
// or the last time is longer ago than the schedule allows.
func sweepDue(c *call.Checkpoint, when schedule.Schedule, now time.Time) bool {
	return c.CompletedAt.IsZero() || now.Sub(c.CompletedAt) > when.Interval(now)
}
