package callsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"callsyncd/call"
)

// Head reads what is new: from the newest call back to known ground. It does
// nothing while another head walk of this source runs, or before the backfill
// has laid the first ground.
func (e *Engine) Head(ctx context.Context) error {
	c := e.Checkpoint()
	since := c.Watermark
	if since.IsZero() && c.Backfill != nil {
		since = c.Backfill.Newest
	}
	if since.IsZero() || c.Order == call.OrderNone && c.CompletedAt.IsZero() || !e.headWalk.TryLock() {
		return nil
	}
	defer e.headWalk.Unlock()
	defer e.enter()()
	if err := e.lookups(ctx); err != nil {
		return err
	}
	w, err := e.recent(ctx, "head", call.PurposeHead, since.Add(-headLookback))
	return e.finish(ctx, w, err, func(c *call.Checkpoint) **call.Walk { return &c.Head })
}

// Trailing reads everything younger than the late-update horizon again.
func (e *Engine) Trailing(ctx context.Context) error {
	if e.Checkpoint().CompletedAt.IsZero() || !e.longWalk.TryLock() {
		return nil
	}
	defer e.longWalk.Unlock()
	defer e.enter()()
	return e.trailing(ctx)
}

func (e *Engine) trailing(ctx context.Context) error {
	if err := e.lookups(ctx); err != nil {
		return err
	}
	cutoff := time.Now().Add(-e.src.Horizon)
	if mark := e.Checkpoint().Watermark.Add(-headLookback); !mark.IsZero() && mark.Before(cutoff) {
		cutoff = mark
	}
	w, err := e.recent(ctx, "trailing", call.PurposeTrailing, cutoff)
	return e.finish(ctx, w, err, func(c *call.Checkpoint) **call.Walk { return &c.Trailing })
}

// Sweep reads the whole list. The first one is the backfill.
func (e *Engine) Sweep(ctx context.Context) error {
	if !e.longWalk.TryLock() {
		return nil
	}
	defer e.longWalk.Unlock()
	defer e.enter()()
	return e.fullWalk(ctx)
}

func (e *Engine) fullWalk(ctx context.Context) error {
	if err := e.lookups(ctx); err != nil {
		return err
	}
	w, err := e.sweep(ctx)
	return e.finish(ctx, w, err, func(c *call.Checkpoint) **call.Walk { return &c.Sweep })
}

// finish keeps the outcome of a walk. The watermark moves only when it was clean.
func (e *Engine) finish(ctx context.Context, w *walker, err error, slot func(*call.Checkpoint) **call.Walk) error {
	if err == nil && w.faults > 0 {
		err = w.verdict()
	}
	complete := err == nil && w.ended && !w.partial && w.window == nil
	if complete && !w.sweep {
		err = w.verdict()
		complete = err == nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // interrupted, not failed: what was stored stays, the rest comes next time
	}
	window := ""
	if order, _ := w.order.order(); err == nil && w.sweep && e.info.Window && order == call.OrderNone {
		if window, err = e.probeWindow(call.WithPurpose(ctx, w.purpose)); err != nil {
			complete = false
		}
	}
	walk := w.walk
	walk.FinishedAt, walk.Clean = time.Now().UTC(), err == nil
	if err != nil {
		walk.Error = err.Error()
		e.log.Warn("walk not clean", "phase", w.phase, "err", err)
	}
	e.noteRefusal(ctx, err)
	saveErr := e.save(ctx, nil, func(c *call.Checkpoint) {
		*slot(c) = &walk
		if walk.Total != nil {
			c.Total = walk.Total
		}
		if err != nil {
			return
		}
		if window != "" {
			c.Learned[learnedWindow] = window
		}
		w.learned(c)
		if complete || w.sweep {
			c.CompletedAt, c.Backfill = walk.FinishedAt, nil
		}
		if newest := earlier(walk.Newest, walk.StartedAt); !c.CompletedAt.IsZero() && newest.After(c.Watermark) {
			c.Watermark = newest.UTC()
		}
	})
	return errors.Join(err, saveErr, e.revisit(ctx))
}

// learned keeps what a whole walk showed about the list's order and page size.
func (w *walker) learned(c *call.Checkpoint) {
	if !w.sweep {
		return
	}
	if order, field := w.order.order(); order != call.OrderUnknown {
		c.Order, c.OrderField = order, field
	}
	c.PageSize = 0
	if w.walk.Pages > 1 && w.largest > 0 && w.largest < w.e.info.PageSize {
		c.PageSize = w.largest
	}
}

func earlier(a, b time.Time) time.Time {
	if a.After(b) {
		return b
	}
	return a
}

// Round does one complete round now: new calls, late changes (with full, the
// whole list), every pending part once, and all recordings. It ends when
// everything that can settle now has settled.
func (e *Engine) Round(ctx context.Context, full bool) call.SourceReport {
	defer e.enter()()
	start := time.Now()
	before := e.Checkpoint()
	report := call.SourceReport{Source: e.src.ID}
	err := e.round(ctx, full, start, &report)
	after := e.Checkpoint()
	requests, lookups := e.src.Budget.Counted()
	e.mu.Lock()
	report.Requests = after.Requests - before.Requests + requests - e.counted[0]
	report.LookupRequests = after.LookupRequests - before.LookupRequests + lookups - e.counted[1]
	e.mu.Unlock()
	report.Seconds = time.Since(start).Seconds()
	counts, countErr := e.store.Counts(context.WithoutCancel(ctx), e.src.ID)
	if err = errors.Join(err, countErr); err != nil {
		report.Err, report.Error = err, err.Error()
		var hinted interface{ Hinted() string }
		if errors.As(err, &hinted) {
			report.Hint = hinted.Hinted()
		}
	}
	report.Counts = counts
	report.Complete = err == nil && counts.Open() == 0
	p := call.Progress{Source: e.src.ID, Phase: "done", Counts: counts, Err: err}
	if err != nil {
		p.Phase = "failed"
	}
	e.tell(p)
	return report
}

func (e *Engine) round(ctx context.Context, full bool, start time.Time, report *call.SourceReport) error {
	e.longWalk.Lock()
	defer e.longWalk.Unlock()
	finish := make(chan struct{})
	downloads := e.newDownloads(true)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return downloads.run(ctx, finish) })
	walkErr := e.walkOnce(ctx, full, report)
	var pendingErr error
	if !errors.Is(walkErr, call.ErrUnauthorized) && ctx.Err() == nil {
		e.tell(call.Progress{Source: e.src.ID, Phase: "pending"})
		pendingErr = e.pending(ctx, true, start)
	}
	close(finish)
	downloadErr := g.Wait()
	report.Recordings = downloads.stored
	if errors.As(pendingErr, new(*call.BudgetError)) {
		pendingErr = nil // the parts stay pending, with the time the budget is free again
	}
	return errors.Join(walkErr, pendingErr, downloadErr)
}

func (e *Engine) walkOnce(ctx context.Context, full bool, report *call.SourceReport) error {
	c := e.Checkpoint()
	var err error
	var walk *call.Walk
	if full || c.CompletedAt.IsZero() {
		err = e.fullWalk(ctx)
		walk = e.Checkpoint().Sweep
	} else {
		err = e.trailing(ctx)
		walk = e.Checkpoint().Trailing
	}
	if walk != nil {
		report.New, report.Changed = walk.New, walk.Edits
	}
	if err != nil {
		return fmt.Errorf("source %s: %w", e.src.ID, err)
	}
	return nil
}

// Run asks for pending parts when they are due and fetches recordings by
// deadline, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	never := make(chan struct{})
	g.Go(func() error { return e.newDownloads(false).run(ctx, never) })
	g.Go(func() error { return e.pendingLoop(ctx) })
	return g.Wait()
}

func (e *Engine) pendingLoop(ctx context.Context) error {
	for {
		wait := e.untilDue(ctx)
		switch err := e.pending(ctx, false, time.Time{}); {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			e.log.Warn("pending parts", "err", err)
			wait = time.Minute
			if budget, ok := errors.AsType[*call.BudgetError](err); ok {
				wait = min(time.Hour, max(time.Second, time.Until(budget.Until)))
			}
		}
		e.mu.Lock()
		nudge := e.nudge
		e.mu.Unlock()
		if err := sleepOr(ctx, wait, nudge); err != nil {
			return err
		}
	}
}

// progress tells those who watch where the source stands.
func (e *Engine) progress(ctx context.Context, w *walker) {
	counts, err := e.store.Counts(ctx, e.src.ID)
	if err != nil {
		return
	}
	p := call.Progress{Source: e.src.ID, Phase: "recordings", Counts: counts}
	if w != nil {
		p.Phase, p.Seen = w.phase, len(w.seen)
		if w.walk.Total != nil {
			p.Total = *w.walk.Total
		}
	}
	e.tell(p)
}
