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
		c := s.engine.Checkpoint()
		entries = append(entries,
			a.entry(s, "head", s.config.Schedule.Head, true, s.engine.Head),
			a.entry(s, "trailing", s.config.Schedule.Trailing, true, s.engine.Trailing),
			a.entry(s, "sweep", s.config.Schedule.Sweep, sweepDue(&c, s.config.Schedule.Sweep), s.engine.Sweep),
		)
	}
	return NewScheduler(a.store.ArchiveID(), a.log, entries...).Run(ctx)
}

func (a *Archive) entry(s *source, walk string, when schedule.Schedule, atStart bool, do func(context.Context) error) Entry {
	log := a.log.With("source", string(s.config.Name), "walk", walk)
	return Entry{
		Name: string(s.config.Name) + " " + walk, Schedule: when, AtStart: atStart,
		Job: func(ctx context.Context) { report(ctx, log, do(ctx)) },
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
func sweepDue(c *call.Checkpoint, when schedule.Schedule) bool {
	now := time.Now()
	return c.CompletedAt.IsZero() || now.Sub(c.CompletedAt) > when.Interval(now)
}
