package service

import (
	"context"
	"sync"
	"time"
)

// Turns drives an archive step by step as Run would by its schedules, for
// somebody who moves the clock between the steps. It is not safe for concurrent
// use.
type Turns struct {
	archive *Archive
	turns   map[string]*turn // by source and walk
}

// turn says when a walk is next done.
type turn struct {
	at     time.Time
	failed int // runs in a row that are worth another try
}

// Turns begins to drive the archive; a walk that Run would do at its start is
// due at once.
func (a *Archive) Turns() *Turns {
	t := &Turns{archive: a, turns: map[string]*turn{}}
	now := a.clock.Now()
	for _, s := range a.sources {
		for _, w := range s.walks() {
			next := &turn{at: now}
			if !w.due(now) {
				next.at = w.when.Next(now)
			}
			t.turns[s.entryName(w)] = next
		}
	}
	return t
}

// Step does every walk that is due by now, once however often its time came
// since the last step, every part and recording that is due, and brings the
// index up to date. What fails of one source is logged and told by Status; the
// error is for what concerns them all.
func (t *Turns) Step(ctx context.Context) error {
	now := t.archive.clock.Now()
	var wg sync.WaitGroup
	for _, s := range t.archive.sources {
		var walks []func(context.Context) error
		for _, w := range s.walks() {
			if next := t.turns[s.entryName(w)]; !next.at.After(now) {
				walks = append(walks, func(ctx context.Context) error { return t.walk(ctx, s, w, next) })
			}
		}
		wg.Go(func() {
			if err := s.engine.Once(ctx, walks...); err != nil && ctx.Err() == nil {
				t.archive.log.Warn("pending parts and recordings", "source", string(s.config.Name), "err", err)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return t.archive.CatchUp(ctx)
}

// walk does one walk and decides when it is done next: at its time, or earlier
// when it could not be done.
func (t *Turns) walk(ctx context.Context, s *source, w scheduled, next *turn) error {
	a := t.archive
	err := w.walk(ctx)
	now := a.clock.Now()
	next.at = w.when.Next(now)
	if next.failed++; !report(ctx, a.log.With("source", string(s.config.Name), "walk", w.name), err) {
		next.failed = 0
	} else if soon := now.Add(retryFirst << min(next.failed-1, 10)); soon.Before(next.at) {
		next.at = soon
	}
	return err
}
