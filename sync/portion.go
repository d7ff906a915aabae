package callsync

import (
	"context"
	"errors"

	"callsyncd/call"
)

// mostLeftOut is how many rows in a row may be left out because not even one of
// them fits into an answer; beyond it something else is wrong.
const mostLeftOut = 3

// list reads the page at the position, in smaller portions when the vendor
// cannot deliver it whole or it is larger than an answer may be.
func (w *walker) list(ctx context.Context) (call.Page, error) {
	for {
		page, err := w.e.src.Provider.List(ctx, call.ListRequest{Position: w.position, Size: w.size, Window: w.window})
		smaller := w.size / 2
		switch {
		case err == nil || ctx.Err() != nil || errors.As(err, new(*call.BudgetError)):
			return page, err
		case errors.Is(err, call.ErrTooLarge) && w.size > 1:
			smaller, w.narrowed = max(1, w.size/4), true
		case !errors.Is(err, call.ErrTransient) || smaller < w.e.info.MinSize:
			return page, err
		}
		w.shrink(smaller)
	}
}

// shrink goes on with smaller pages. Where pages are numbered, the position gets
// the number of the smaller page that holds the same row.
func (w *walker) shrink(size int) {
	if w.e.info.Paging == call.PagingPage {
		granted := w.size
		if w.largest > 0 {
			granted = min(granted, w.largest) // the vendor gives fewer rows than asked for
		}
		row := (w.position.Page - w.e.info.FirstPage) * granted
		w.position = w.e.positionOf(row, min(granted, size))
	}
	if w.size = size; size == 1 && w.anchored {
		w.position.Offset++ // a page of one row would be the anchor alone
		w.anchored, w.gapped = false, true
	}
}

// widen goes back to larger pages where they had to become smaller for their
// bytes, once a full page shows that twice its rows would leave room.
func (w *walker) widen() {
	size := 2 * w.size
	if !w.narrowed || size > w.e.info.PageSize || w.rows < w.size || 4*w.bytes > w.e.info.MaxBytes {
		return
	}
	if w.aligned && w.position.Offset%size != 0 {
		return // the larger page would begin before the row asked for
	}
	if w.e.info.Paging == call.PagingPage {
		row := (w.position.Page - w.e.info.FirstPage) * w.size
		if row%size != 0 {
			return
		}
		w.position = w.e.positionOf(row, size)
	}
	w.size, w.largest = size, 0
}

// leaveOut goes on behind a row that does not even fit into an answer of its
// own, so that it does not stand in the way of those behind it. The walk is not
// clean then.
func (w *walker) leaveOut(err error) bool {
	if !errors.Is(err, call.ErrTooLarge) || w.size > 1 || w.leftOut == mostLeftOut {
		return false
	}
	switch w.e.info.Paging {
	case call.PagingPage:
		w.position.Page++
	case call.PagingOffset:
		w.position.Offset++
	default:
		return false // only the answer tells where the next page is
	}
	w.leftOut++
	w.unusable++
	w.e.log.Warn("row of the list left out", "phase", w.phase, "err", err)
	return true
}
