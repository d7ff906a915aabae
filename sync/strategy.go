package callsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"callsyncd/call"
)

const (
	// headLookback is how far behind the watermark the head loop must meet
	// only known, unchanged calls.
	headLookback = 10 * time.Minute
	// learnedWindow remembers whether the vendor obeys its time filter.
	learnedWindow = "window"
	// learnedShortfall remembers how many calls the vendor counts but never lists.
	learnedShortfall = "shortfall"
	windowObeyed     = "obeyed"
	windowIgnored    = "ignored"
	rewalks          = 2 // further walks when the first did not prove completeness
	probeYearsAhead  = 20
)

// recent reads what is new or may have changed: everything younger than the
// cutoff, and on until known, unchanged ground.
func (e *Engine) recent(ctx context.Context, phase string, purpose call.Purpose, cutoff time.Time) (*walker, error) {
	c := e.Checkpoint()
	w := e.newWalker(phase, purpose, cutoff)
	w.size = e.pageSize()
	switch {
	case c.Order == call.OrderOldestFirst && c.Total != nil && (e.info.Paging == call.PagingPage || e.info.Paging == call.PagingOffset):
		err := e.recentFromEnd(ctx, w, *c.Total)
		if err == nil && w.moved {
			// Rows moved under a walk that goes backward, and may have passed it.
			err = suspect("the vendor's list changed while it was read from its end; it is read again")
		}
		if err != nil || !w.astray && !w.walk.Newest.Before(c.Watermark) {
			return w, err
		}
		// The newest calls are not where they used to be: the order has changed, or
		// some page came in place of another.
		w = e.newWalker(phase, purpose, time.Time{})
	case c.Order == call.OrderNone && c.Learned[learnedWindow] == windowObeyed:
		w.window = &call.Window{From: cutoff.Add(-e.info.WindowOverlap)}
	}
	err := w.run(ctx)
	if err == nil && w.window != nil && w.outsideWindow() {
		return w, suspect("the vendor ignores its time filter; what it lists is stored, the next sweep reads the whole list instead")
	}
	return w, err
}

// outsideWindow reports rows a window should have kept out.
func (w *walker) outsideWindow() bool {
	return !w.order.created.oldest.IsZero() && w.order.created.oldest.Before(w.window.From.Add(-24*time.Hour))
}

// recentFromEnd serves lists that put the newest calls last: forward from the
// page that was last, then backward until known ground.
func (e *Engine) recentFromEnd(ctx context.Context, w *walker, total int) error {
	row := max(0, total-1) / w.size * w.size // nothing before it was read yet
	w.position = e.positionOf(row, w.size)
	w.ground = e.Checkpoint().Watermark
	if err := w.run(ctx); err != nil {
		return err
	}
	order, _ := w.order.order()
	if w.astray = w.partial && (!w.met || order == call.OrderNone || order == call.OrderNewestFirst); w.astray {
		return nil
	}
	ctx = call.WithPurpose(ctx, w.purpose)
	for row > 0 && !w.quiet {
		size := w.size
		w.position, w.anchored = e.positionOf(row-1, size), false
		if _, err := w.step(ctx); err != nil {
			return fmt.Errorf("backward: %w", err)
		}
		start := (row - 1) / size * size
		switch {
		case w.size != size: // a smaller page was read, which may not reach this far
		case e.info.Paging == call.PagingOffset && 0 < w.rows && w.rows < row-start:
			w.size = w.rows // the vendor gives fewer rows than asked for: the next page reaches as far
		default:
			row = start
		}
	}
	return nil
}

// positionOf is the page that holds the row with the given index.
func (e *Engine) positionOf(row, size int) call.Position {
	if e.info.Paging == call.PagingPage {
		return call.Position{Page: e.info.FirstPage + row/size}
	}
	return call.Position{Offset: row / size * size}
}

func (e *Engine) before(at call.Position, size int) call.Position {
	if e.info.Paging == call.PagingPage {
		return call.Position{Page: max(e.info.FirstPage, at.Page-1)}
	}
	return call.Position{Offset: max(0, at.Offset-size)}
}

// pageSize is the size to ask for: what the vendor was seen to grant.
func (e *Engine) pageSize() int {
	if n := e.Checkpoint().PageSize; n > 0 {
		return n
	}
	return e.info.PageSize
}

// sweep reads the whole list, again if a walk did not prove completeness, and
// keeps what it learned about the vendor. The first sweep is the backfill: it
// resumes where it was interrupted, and is followed by a walk that proves it.
func (e *Engine) sweep(ctx context.Context) (*walker, error) {
	resumed := false
	if b := e.Checkpoint().Backfill; b != nil && b.Pages > 0 {
		w := e.resume(b)
		if err := w.run(ctx); err != nil && !restartable(ctx, err) {
			return w, err
		}
		resumed = true
	}
	short := e.Checkpoint().Learned[learnedShortfall]
	for try := 0; ; try++ {
		w := e.newWalker("sweep", call.PurposeSweep, time.Time{})
		w.sweep = true
		if !resumed && e.Checkpoint().ReadAt.IsZero() {
			w.keep = keepBackfill
		}
		err := w.run(ctx)
		if err == nil {
			err = w.verdict()
		}
		// The same shortfall again is a vendor that miscounts, not a walk gone wrong.
		w.believed = w.missing() != "" && short == w.missing()
		if err == nil || w.believed || try == rewalks || !isSuspicion(err) && !passing(err) {
			return w, err
		}
		short = w.missing()
		e.log.Warn("walk repeated", "err", err)
	}
}

// resume continues an interrupted backfill one page earlier, since rows may
// have moved towards the front meanwhile.
func (e *Engine) resume(b *call.Walk) *walker {
	w := e.newWalker("sweep", call.PurposeSweep, time.Time{})
	w.sweep, w.keep = true, keepBackfill
	w.walk.StartedAt, w.walk.Newest = b.StartedAt, b.Newest
	w.position = b.Position
	if e.info.Paging == call.PagingPage || e.info.Paging == call.PagingOffset {
		w.position = e.before(b.Position, w.size)
	}
	return w
}

// restartable reports whether a failed resumption may mean that its position is
// no good any more, so that the walk must begin anew.
func restartable(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, call.ErrTransient) && !errors.Is(err, call.ErrUnauthorized)
}

// passing reports trouble that may be over at once.
func passing(err error) bool {
	return errors.Is(err, call.ErrTransient) && !errors.As(err, new(*call.BudgetError))
}

func isSuspicion(err error) bool { return errors.As(err, new(*suspicion)) }

func keepBackfill(c *call.Checkpoint, w *walker) {
	walk := w.walk
	walk.Position = w.position
	if order, field := w.order.proved(); field == fieldCreated {
		walk.Order = order
	}
	c.Backfill = &walk
}

// probeWindow asks for calls of the far future: a vendor that answers with
// rows ignores the filter.
func (e *Engine) probeWindow(ctx context.Context) (string, error) {
	from := e.now().AddDate(probeYearsAhead, 0, 0)
	page, err := e.src.Provider.List(ctx, call.ListRequest{Position: e.firstPosition(), Size: 1, Window: &call.Window{From: from}})
	if err != nil {
		return "", fmt.Errorf("probe the time filter: %w", err)
	}
	if len(page.Items) > 0 {
		return windowIgnored, nil
	}
	return windowObeyed, nil
}
