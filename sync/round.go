package callsync

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"callsyncd/call"
)

// Head reads what is new: from the newest call back to known ground. It does
// nothing while another head walk of this source runs, or before the backfill
// has laid the first ground.
func (e *Engine) Head(ctx context.Context) error {
	since, ok := e.headGround()
	if !ok || !e.headWalk.TryLock() {
		return nil
	}
	defer e.headWalk.Unlock()
	defer e.enter()()
	w, err := e.recent(ctx, "head", call.PurposeHead, since.Add(-headLookback))
	return e.finish(ctx, w, err, func(c *call.Checkpoint) **call.Walk { return &c.Head })
}

// headGround is the time up to which the head walk finds known calls. While the
// backfill runs, its first page is that ground, if its list puts new calls first.
func (e *Engine) headGround() (since time.Time, ok bool) {
	c := e.Checkpoint()
	if !c.ReadAt.IsZero() {
		return c.Watermark, true
	}
	b := c.Backfill
	if b == nil || b.Order != call.OrderNewestFirst || b.Newest.IsZero() {
		return time.Time{}, false
	}
	return b.Newest, true
}

// Trailing reads everything younger than the late-update horizon again. It does
// nothing while another long walk runs, or before the list was read once.
func (e *Engine) Trailing(ctx context.Context) error {
	if e.Checkpoint().ReadAt.IsZero() || !e.longWalk.try() {
		return nil
	}
	defer e.longWalk.leave()
	defer e.enter()()
	return e.trailing(ctx)
}

func (e *Engine) trailing(ctx context.Context) error {
	return e.named(ctx, e.trailingWalk)
}

func (e *Engine) trailingWalk(ctx context.Context) error {
	cutoff := e.now().Add(-e.src.Horizon)
	if mark := e.Checkpoint().Watermark.Add(-headLookback); mark.Before(cutoff) {
		cutoff = mark
	}
	w, err := e.recent(ctx, "trailing", call.PurposeTrailing, cutoff)
	return e.finish(ctx, w, err, func(c *call.Checkpoint) **call.Walk { return &c.Trailing })
}

// Sweep reads the whole list, after the long walk that may be running. The
// first one is the backfill.
func (e *Engine) Sweep(ctx context.Context) error {
	if err := e.longWalk.enter(ctx); err != nil {
		return err
	}
	defer e.longWalk.leave()
	defer e.enter()()
	return e.fullWalk(ctx, false)
}

// fullWalk sweeps; within a round the statement is left to the round's end.
func (e *Engine) fullWalk(ctx context.Context, round bool) error {
	return e.named(ctx, func(ctx context.Context) error {
		// A call whose key changed on the disk would be taken for a new one.
		if _, err := e.store.Rederive(ctx, e.src.ID); err != nil {
			return err
		}
		w, err := e.sweep(ctx)
		w.round = round
		return e.finish(ctx, w, err, func(c *call.Checkpoint) **call.Walk { return &c.Sweep })
	})
}

// finish keeps the outcome of a walk. A list read to its end is ground to work
// from, even when the vendor's own count contradicts it in the same way every
// time; only a walk without contradiction is proof. The watermark moves with the former.
func (e *Engine) finish(ctx context.Context, w *walker, err error, slot func(*call.Checkpoint) **call.Walk) error {
	whole := err == nil && w.ended && !w.partial && w.window == nil
	switch {
	case err != nil || w.sweep:
	case !whole:
		err = w.partVerdict()
	default:
		if err = w.verdict(); err == nil {
			err = e.vanished(ctx, w)
		}
	}
	if err == nil && !w.sweep {
		err = w.shrunk(ctx) // a sweep draws its own balance
	}
	if ctx.Err() != nil {
		return context.Cause(ctx) // interrupted, not failed: what was stored stays, the rest comes next time
	}
	read := err == nil && (whole || w.sweep) || w.miscounted()
	window := e.probe(ctx, w, read)
	var statement *call.Statement
	var told []string // of what vanished from the answers
	if w.sweep && read {
		w.walk.FinishedAt = e.now().UTC() // the list was read; marking what it lacks takes time too
		var doubt error
		if err == nil {
			_, grave := drift(e.Checkpoint().Fields, w.fields.shares())
			told = e.untold()
			if grave = append(grave, some(told)...); len(grave) > 0 {
				err = suspect("the vendor's records changed: %s; what was stored before is kept, nothing was marked complete or deleted", strings.Join(grave, "; "))
			}
		}
		if statement, doubt = e.reconcile(ctx, w, err); err == nil {
			err = doubt
		}
		if w.round {
			statement = nil
			e.mu.Lock()
			e.owed = &owed{w, err}
			e.mu.Unlock()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if whole && !w.sweep && err == nil && e.doubted() {
		var stateErr error
		statement, stateErr = e.lift(ctx, w)
		err = errors.Join(err, stateErr)
	}
	err = givenUp(err)
	walk := w.walk
	walk.FinishedAt, walk.Clean = e.now().UTC(), err == nil
	if err != nil {
		walk.Error = err.Error()
		e.log.Warn("walk not clean", "phase", w.phase, "err", err)
	}
	if isSuspicion(err) {
		e.noteRefusal(ctx, nil) // what the vendor answered may be doubted; that it answered is sure
	} else {
		e.noteRefusal(ctx, err)
	}
	saveErr := e.commit(ctx, nil, statement, func(c *call.Checkpoint) {
		*slot(c) = &walk
		if walk.Total != nil && w.window == nil && (err == nil || read && c.Total == nil) {
			c.Total = walk.Total
		}
		if read {
			c.ReadAt, c.Backfill = walk.FinishedAt, nil
			w.learned(c, window)
		}
		if read && err == nil {
			c.CompletedAt = walk.FinishedAt
		}
		if newest := earlier(walk.Newest, walk.StartedAt); (read || err == nil) && !c.ReadAt.IsZero() && newest.After(c.Watermark) {
			c.Watermark = newest.UTC()
		}
	})
	if read && w.sweep && saveErr == nil {
		e.swept(told)
	}
	return errors.Join(err, saveErr, e.revisit(ctx), e.readLacking(ctx))
}

// givenUp adds to what went wrong what becomes of it. Doubts say so themselves,
// and refused credentials wait for somebody.
func givenUp(err error) error {
	if err == nil || isSuspicion(err) || errors.Is(err, call.ErrUnauthorized) {
		return err
	}
	return fmt.Errorf("%w; the walk was given up, what is stored stays, the next walk asks again", err)
}

// probe asks whether the vendor obeys its time window, where one may be needed.
// It says nothing when the vendor cannot be asked now.
func (e *Engine) probe(ctx context.Context, w *walker, read bool) string {
	if order, _ := w.order.order(); !read || !w.sweep || !e.info.Window || order != call.OrderNone {
		return ""
	}
	window, err := e.probeWindow(call.WithPurpose(ctx, w.purpose))
	switch {
	case err == nil:
		return window
	case errors.Is(err, call.ErrTransient) || errors.Is(err, call.ErrUnauthorized):
		return ""
	}
	return windowIgnored // it does not even take it
}

// learned keeps what a whole walk showed about the vendor.
func (w *walker) learned(c *call.Checkpoint, window string) {
	if order, field := w.order.proved(); order != call.OrderUnknown {
		c.Order, c.OrderField = order, field
	}
	if !w.sweep {
		return
	}
	if window != "" {
		c.Learned[learnedWindow] = window
	}
	if now := w.fields.shares(); now != nil {
		texts, grave := drift(c.Fields, now)
		c.Fields, c.Drift = now, append(grave, texts...)
	}
	delete(c.Learned, learnedShortfall)
	if n := w.shortfall(); n > 0 {
		c.Learned[learnedShortfall] = strconv.Itoa(n)
	}
	c.PageSize = 0
	if !w.narrowed && len(w.seen) > w.largest && w.largest < w.e.info.PageSize { // a list shorter than a page shows nothing about pages
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
	return e.wholeRound(ctx, full, "")
}

// RoundAccepting is a full round in which any number of calls may have vanished
// from the vendor's list: they count as missed, and as deleted at the vendor once
// the usual evidence is there. by is who says so, for the record.
func (e *Engine) RoundAccepting(ctx context.Context, by string) call.SourceReport {
	return e.wholeRound(ctx, true, by)
}

func (e *Engine) wholeRound(ctx context.Context, full bool, by string) call.SourceReport {
	defer e.enter()()
	start := e.now()
	before := e.Checkpoint()
	held, heldErr := e.store.Counts(context.WithoutCancel(ctx), e.src.ID)
	report := call.SourceReport{Source: e.src.ID}
	err := e.round(ctx, full, by, start, &report)
	after := e.Checkpoint()
	requests, lookups := e.src.Budget.Counted()
	e.mu.Lock()
	report.Requests = after.Requests - before.Requests + requests - e.counted[0]
	report.LookupRequests = after.LookupRequests - before.LookupRequests + lookups - e.counted[1]
	e.mu.Unlock()
	report.Seconds = e.now().Sub(start).Seconds()
	counts, countErr := e.store.Counts(context.WithoutCancel(ctx), e.src.ID)
	if err = errors.Join(err, heldErr, countErr); err != nil {
		report.Err, report.Error = err, err.Error()
		var hinted interface{ Hinted() string }
		if errors.As(err, &hinted) {
			report.Hint = hinted.Hinted()
		}
	}
	report.Counts, report.New = counts, counts.Calls-held.Calls
	report.Complete = err == nil && counts.Open() == 0 && e.proved() && len(after.AnswerDrift) == 0
	p := call.Progress{Source: e.src.ID, Phase: "done", Counts: counts, Err: err}
	if err != nil {
		p.Phase = "failed"
	}
	e.tell(p)
	return report
}

// proved reports whether the last walk over the whole list left no doubt.
func (e *Engine) proved() bool {
	c := e.Checkpoint()
	return e.Unsaved() == nil && !c.CompletedAt.IsZero() && !Unproved(&c, e.now()) && !c.ReadAt.After(c.CompletedAt) && (c.Sweep == nil || !c.Sweep.FinishedAt.After(c.CompletedAt))
}

func (e *Engine) round(ctx context.Context, full bool, by string, start time.Time, report *call.SourceReport) error {
	if err := e.longWalk.enter(ctx); err != nil {
		return err
	}
	defer e.longWalk.leave()
	changed := e.begin()
	defer func() { report.Changed = changed() }()
	finish := make(chan struct{})
	downloads := e.newDownloads(true)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return downloads.run(ctx, finish) })
	e.accept(by)
	walkErr := e.walkOnce(ctx, full)
	e.accept("")
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
	return errors.Join(walkErr, pendingErr, downloadErr, e.restate(context.WithoutCancel(ctx)))
}

func (e *Engine) accept(by string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.accepted = by
}

func (e *Engine) walkOnce(ctx context.Context, full bool) error {
	c := e.Checkpoint()
	var err error
	if full || c.ReadAt.IsZero() || Unproved(&c, e.now()) {
		err = e.fullWalk(ctx, true)
	} else {
		err = e.trailing(ctx)
	}
	if err != nil {
		return fmt.Errorf("source %s: %w", e.src.ID, err)
	}
	if !e.proved() && e.Checkpoint().Sweep != nil {
		return fmt.Errorf("source %s: the last walk over the whole list proved nothing: %s", e.src.ID, e.Checkpoint().Sweep.Error)
	}
	return nil
}

// Once does one turn of what a daemon does: the walks, one after the other,
// every part that is due by now, and the recordings that are due. A walk tells
// by itself how it ended; the error is what stopped the rest.
func (e *Engine) Once(ctx context.Context, walks ...func(context.Context) error) error {
	defer e.enter()()
	finish := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.newDownloads(false).run(ctx, finish) })
	for _, walk := range walks {
		_ = walk(ctx) // it is kept in the checkpoint, where Status finds it
	}
	err := e.pending(ctx, false, time.Time{})
	close(finish)
	return errors.Join(err, g.Wait(), e.Renew(context.WithoutCancel(ctx)))
}

// Run asks for pending parts when they are due and fetches recordings by
// deadline, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	if c := e.Checkpoint(); setBack(&c, e.now()) {
		e.log.Warn("the clock was set back since the source was last worked on")
		if err := e.ClockSetBack(ctx); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	never := make(chan struct{})
	g.Go(func() error { return e.newDownloads(false).run(ctx, never) })
	g.Go(func() error { return e.pendingLoop(ctx) })
	g.Go(func() error { return e.lookupLoop(ctx) })
	g.Go(func() error { return e.renewLoop(ctx) })
	return g.Wait()
}

func (e *Engine) pendingLoop(ctx context.Context) error {
	for {
		nudge, wait := e.nudged(), e.untilDue(ctx)
		err := e.unlessRefused()
		if err == nil {
			err = e.pending(ctx, false, time.Time{})
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errRefused):
			wait = time.Minute
		case err != nil:
			e.log.Warn("pending parts", "err", err)
			wait = time.Minute
			if budget, ok := errors.AsType[*call.BudgetError](err); ok {
				wait = min(time.Hour, max(time.Second, budget.Until.Sub(e.now())))
			}
		}
		if err := e.clock.Wait(ctx, wait, nudge); err != nil {
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
