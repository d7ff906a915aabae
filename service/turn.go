package service

import (
	"context"
	"sync"
	"time"

	"callsyncd/call"
)

// Turns drives an archive step by step as the daemon's schedules would, for
// somebody who moves the clock between the steps. It is not safe for concurrent
// use.
type Turns struct {
	archive *Archive
	due     map[string]time.Time // by source and walk
}

// Turn is what one step did for one source.
type Turn struct {
	Source call.SourceID
	// Walks are those whose time had come, by how they ended.
	Walks map[string]error
	// Err is what kept the due parts and recordings from being asked for.
	Err error
}

// Turns begins to drive the archive; a walk that the daemon would do at its
// start is due at once.
func (a *Archive) Turns() *Turns {
	t := &Turns{archive: a, due: map[string]time.Time{}}
	now := a.clock.Now()
	for _, s := range a.sources {
		for _, w := range s.walks() {
			if t.due[s.entryName(w)] = now; !w.due(now) {
				t.due[s.entryName(w)] = w.when.Next(now)
			}
		}
	}
	return t
}

// Step does every walk that is due by now, once however often its time came
// since the last step, every part and recording that is due, and brings the
// index up to date. Failures of sources are in the turns; the error is for what
// concerns them all.
func (t *Turns) Step(ctx context.Context) ([]Turn, error) {
	a := t.archive
	turns := make([]Turn, len(a.sources))
	chosen := make([][]scheduled, len(a.sources))
	now := a.clock.Now()
	for i, s := range a.sources {
		for _, w := range s.walks() {
			if name := s.entryName(w); !t.due[name].After(now) {
				chosen[i] = append(chosen[i], w)
				t.due[name] = w.when.Next(now)
			}
		}
	}
	var wg sync.WaitGroup
	for i, s := range a.sources {
		wg.Go(func() { turns[i] = s.turn(ctx, chosen[i]) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return turns, context.Cause(ctx)
	}
	return turns, a.CatchUp(ctx)
}

func (s *source) turn(ctx context.Context, due []scheduled) Turn {
	t := Turn{Source: s.config.Name, Walks: map[string]error{}}
	var walks []func(context.Context) error
	for _, w := range due {
		walks = append(walks, w.walk)
	}
	walked, err := s.engine.Once(ctx, walks...)
	for i, w := range due {
		t.Walks[w.name] = walked[i]
	}
	t.Err = err
	return t
}
