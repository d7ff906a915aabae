package service

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"callsyncd/call"
	"callsyncd/config/schedule"
	callsync "callsyncd/sync"
)

// schedule keeps the three walks of every source going until ctx ends.
func (a *Archive) schedule(ctx context.Context) error {
	var entries []Entry
	for _, s := range a.sources {
		for _, w := range s.walks() {
			entries = append(entries, a.entry(s, w))
		}
	}
	began := a.clock.Now().UTC()
	a.loops.Store(&began)
	scheduler := NewScheduler(a.store.ArchiveID(), a.log, entries...)
	scheduler.Jumped = a.clockJumped
	return scheduler.Run(ctx)
}

// scheduled is one of the walks of a source.
type scheduled struct {
	name string
	when schedule.Schedule
	due  func(now time.Time) bool // at start, and after a jump of the clock
	walk func(context.Context) error
}

// walks are in the order a daemon begins them.
func (s *source) walks() []scheduled {
	when, always := s.config.Schedule, func(time.Time) bool { return true }
	return []scheduled{
		{"head", when.Head, always, s.engine.Head},
		{"trailing", when.Trailing, always, s.engine.Trailing},
		{"sweep", when.Sweep, s.sweepDue, s.engine.Sweep},
	}
}

func (s *source) entryName(w scheduled) string { return string(s.config.Name) + " " + w.name }

func (a *Archive) entry(s *source, w scheduled) Entry {
	log := a.log.With("source", string(s.config.Name), "walk", w.name)
	return Entry{
		Name: s.entryName(w), Schedule: w.when, Due: func() bool { return w.due(a.clock.Now()) },
		Job: func(ctx context.Context) bool { return report(ctx, log, w.walk(ctx)) },
	}
}

// report logs how a walk ended and says whether it is worth another try soon:
// passing trouble is, the rest needs somebody.
func report(ctx context.Context, log *slog.Logger, err error) (again bool) {
	switch {
	case err == nil || ctx.Err() != nil:
		return false
	case errors.Is(err, call.ErrTransient):
		log.Warn("walk ended early, the next one goes on", "err", err)
		return true
	}
	log.Error("walk failed", "err", err)
	return errors.Is(err, call.ErrUnauthorized) // a moment's refusal must not cost a day
}

// clockJumped makes parts due that wait for a moment of the clock as it was.
func (a *Archive) clockJumped(ctx context.Context, by time.Duration) {
	if by > 0 {
		return // what is overdue now is done without being told
	}
	for _, s := range a.sources {
		if err := s.engine.ClockSetBack(ctx); err != nil && ctx.Err() == nil {
			a.log.Error("parts not brought forward after the clock was set back", "source", string(s.config.Name), "err", err)
		}
	}
}

// sweepDue reports whether the whole list is to be read at once: it never was
// to its end without doubt, nobody knows when, or its time has passed since.
func (s *source) sweepDue(now time.Time) bool {
	c := s.engine.Checkpoint()
	return c.CompletedAt.IsZero() || callsync.Unproved(&c, now) || !s.config.Schedule.Sweep.Next(c.CompletedAt).After(now)
}
