package callsync

import (
	"context"
	"time"

	"callsyncd/call"
)

// renewRest is how long the daemon leaves a statement alone after it counted the
// parts anew, or could not.
const renewRest = 10 * time.Second

// loadNewest reads the newest statement of the source. One that cannot be read
// is none: the next sweep makes another.
func (e *Engine) loadNewest(ctx context.Context) (*call.Statement, error) {
	list, err := e.store.Statements(ctx, e.src.ID, 1)
	if err != nil || len(list) == 0 || list[0].FinishedAt.IsZero() {
		return nil, err
	}
	return &list[0], nil
}

// doubted reports whether the newest statement holds doubts about the list that a
// clean walk over the whole list lifts. What became of the vendor's records is for
// a sweep to say.
func (e *Engine) doubted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.newest != nil && (len(e.newest.Doubts) > 0 || e.newest.MissingCount > 0) && len(e.checkpoint.Drift) == 0 && len(e.checkpoint.AnswerDrift) == 0
}

// lift states what a clean walk over the whole list showed that was no sweep, so
// that the newest statement does not doubt what is proved by now.
func (e *Engine) lift(ctx context.Context, w *walker) (*call.Statement, error) {
	w.walk.FinishedAt = e.now().UTC()
	r, unheld, err := e.compare(ctx, w)
	if err != nil {
		return nil, err
	}
	doubt := notHeld(unheld)
	return r.close(e.now(), unheld, doubt), doubt
}

// Renew makes the newest statement anew when what it says of the parts has
// passed: nothing is open any more, or other losses are accepted. What the walk
// showed of the list stays as it was; a walk that left a doubt proves no more for
// that, and its statement stays.
func (e *Engine) Renew(ctx context.Context) error {
	_, err := e.renew(ctx)
	return err
}

// renew is Renew. It also reports whether the parts were counted.
func (e *Engine) renew(ctx context.Context) (counted bool, err error) {
	e.mu.Lock()
	was := e.newest
	e.mu.Unlock()
	if was == nil || len(was.Doubts) > 0 || was.MissingCount > 0 {
		return false, nil
	}
	counts, err := e.store.Counts(ctx, e.src.ID)
	if err != nil || counts.Open() > 0 || was.Proved && lostParts(was) == counts.Acknowledged {
		return false, err
	}
	st, err := e.recount(ctx, was)
	if err != nil || !st.Proved {
		return true, err // something came open meanwhile
	}
	return true, e.replaceNewest(ctx, was, st)
}

// lostParts counts the lost parts of a statement; when it is proved, all of them
// are accepted.
func lostParts(st *call.Statement) (n int) {
	for _, states := range st.Parts {
		n += states[call.Lost]
	}
	return n
}

// recount is a statement with its parts, and what is open on its days, counted
// now.
func (e *Engine) recount(ctx context.Context, was *call.Statement) (*call.Statement, error) {
	if err := e.readLacking(ctx); err != nil {
		return nil, err
	}
	r := newReconciliation(*was)
	r.statement.Days = nil
	for _, day := range was.Days {
		day.Open, day.Reasons = 0, nil
		r.days[day.Day] = &day
	}
	err := e.store.Each(ctx, e.src.ID, func(record call.Record) error {
		r.count(&record)
		return nil
	})
	return r.close(e.now(), nil, nil), err
}

// replaceNewest stores a statement after the one it renews, unless another was
// stored since.
func (e *Engine) replaceNewest(ctx context.Context, was, st *call.Statement) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.newest != was {
		return nil
	}
	if err := e.store.Save(ctx, call.Batch{Source: e.src.ID, Statement: st, Budget: e.src.Budget.State}); err != nil {
		return err
	}
	e.newest = st
	return nil
}

// renewLoop renews the newest statement when parts have changed, until ctx ends.
func (e *Engine) renewLoop(ctx context.Context) error {
	for {
		nudge, wait := e.nudged(), time.Hour
		counted, err := e.renew(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			e.log.Warn("statement not renewed", "err", err)
		}
		if counted || err != nil {
			nudge, wait = nil, renewRest
		}
		if err := e.clock.Wait(ctx, wait, nudge); err != nil {
			return err
		}
	}
}
