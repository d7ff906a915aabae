package callsync

import (
	"slices"

	"callsyncd/call"
)

// stepsBack is how often one walk follows a list that moves.
const stepsBack = 5

// anchor lets the next page begin with the last row of this one, where pages
// begin at any row. If a row vanishes in between, those behind it move up, and
// without this overlap the first of them would be in neither page.
func (w *walker) anchor(page call.Page, next call.Position, fresh int) call.Position {
	if w.e.info.Paging != call.PagingOffset {
		return next
	}
	again := w.anchored && fresh == 0 && len(page.Items) > 1
	if again && !w.overlaps { // the very page it gave before
		w.aligned, w.anchored = true, false
		next.Offset = w.position.Offset + 1 // behind the anchor, as if there were none
		return next
	}
	if fresh > 0 && fresh < distinct(page) { // old rows and new ones: a list given in whole pages has moved
		w.aligned, w.overlaps = false, w.overlaps || w.anchored
	}
	w.anchored = !w.aligned && len(page.Items) > 1 // a page of one row would give the anchor only
	if w.anchored {
		next.Offset--
	}
	return next
}

func distinct(page call.Page) int {
	ids := idsOf(page.Items)
	slices.Sort(ids)
	return len(slices.Compact(ids))
}

// continues reports whether a page goes on where the walk was: its first row is
// one that was read, and so is everything before that.
func (w *walker) continues(page call.Page) bool {
	if len(page.Items) == 0 {
		return false
	}
	_, ok := w.seen[page.Items[0].ID]
	return ok
}

// stepBack takes the walk back by a page, to where it knows the list.
func (w *walker) stepBack() error {
	if w.stepped++; w.stepped > stepsBack {
		return suspect("the vendor's list moved %d times while it was read (at page %d); the walk was given up, nothing was marked complete", w.stepped, w.walk.Pages)
	}
	w.position = w.e.before(w.position, w.size)
	w.anchored = w.position != w.e.firstPosition()
	return nil
}
