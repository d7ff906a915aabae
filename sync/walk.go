package callsync

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"callsyncd/call"
)

// blankPages is how many pages in a row may be without calls although more are
// promised: a vendor that filters its pages after cutting them has a few.
const blankPages = 50

// suspicion is a list answer that looks successful and is not to be believed.
// The run that meets one is not clean.
type suspicion struct{ message string }

func (s *suspicion) Error() string { return s.message }

func suspect(format string, args ...any) error { return &suspicion{fmt.Sprintf(format, args...)} }

// unproved is a suspicion about a list that was read, and says what becomes of it.
func unproved(format string, args ...any) error {
	return suspect(format+"; what was listed is stored, nothing was marked complete or deleted, the next walk reads the list again", args...)
}

// walker reads a vendor's list page by page and stores what it shows.
type walker struct {
	e       *Engine
	purpose call.Purpose
	phase   string // for progress: head, trailing, sweep
	window  *call.Window
	size    int
	// sweep reads everything; otherwise the walk ends at known ground older than cutoff.
	sweep  bool
	cutoff time.Time
	// keep is called inside the transaction of each page to move the position; may be nil.
	keep func(*call.Checkpoint, *walker)

	saved    time.Time // when the walk last saved something
	walk     call.Walk
	position call.Position
	seen     map[call.ID]struct{}
	skipped  map[call.ID]struct{} // calls older than since
	cursors  map[string]bool
	order    orderWatch
	fields   fields
	repeats  int              // pages in a row with no call that was not seen before
	blank    int              // pages in a row without any call
	moved    bool             // the vendor's total changed under way
	dropped  bool             // it went down
	ended    bool             // the list's end was reached, rather than known ground
	stalled  bool             // a page before the last showed nothing new
	believed bool             // the walk before came short of the vendor's count by as much
	accepted *call.Acceptance // of calls that vanished
	partial  bool             // the walk did not begin at the list's beginning
	round    bool             // the statement is made by the round this walk belongs to
	quiet    bool             // the last page held only known, unchanged calls older than the cutoff
	rows     int              // on the last page
	bytes    int              // of them
	narrowed bool             // pages became smaller because they were too large
	leftOut  int              // rows in a row that were too large by themselves
	largest  int              // rows on the largest page
	anchored bool             // the position is that of the last row read, to show whether the list moved
	aligned  bool             // the vendor gives whole pages only, whatever row is asked for
	overlaps bool             // a page began at the row asked for
	gapped   bool             // a page was asked for that does not overlap with the one before
	ground   time.Time        // of the newest call known before, for a walk from the list's end
	met      bool             // the walk began no later than there, or came by
	astray   bool             // it did not: what it read does not continue what is known
	stepped  int              // how often the walk stepped back because the list had moved
	began    time.Time        // by the vendor's clock
	grown    int              // calls made after that, beyond the first page
	first    *int             // the vendor's first count
	fresh    int              // calls on the page at the position not seen before in this walk
	unusable int              // rows without a usable id
}

func (e *Engine) newWalker(phase string, purpose call.Purpose, cutoff time.Time) *walker {
	return &walker{
		e: e, purpose: purpose, phase: phase, cutoff: cutoff, size: e.info.PageSize,
		saved: e.now(), walk: call.Walk{StartedAt: e.now().UTC()}, position: e.firstPosition(),
		seen: make(map[call.ID]struct{}), skipped: make(map[call.ID]struct{}), cursors: make(map[string]bool),
	}
}

func (e *Engine) firstPosition() call.Position {
	if e.info.Paging == call.PagingPage {
		return call.Position{Page: e.info.FirstPage}
	}
	return call.Position{}
}

// run walks forward from the walker's position until the list ends, known
// ground is reached, or something is wrong.
func (w *walker) run(ctx context.Context) error {
	ctx = call.WithPurpose(ctx, w.purpose)
	w.partial = w.position != w.e.firstPosition()
	for {
		done, err := w.step(ctx)
		if err != nil || done {
			return err
		}
		w.widen()
		if err := w.e.waitForDownloads(ctx, w.sweep); err != nil {
			return err
		}
	}
}

// contests is how often a page is read again because another walk was at its
// calls meanwhile.
const contests = 3

// step reads the page at the position and stores it. done means nothing further
// is to be read.
func (w *walker) step(ctx context.Context) (done bool, err error) {
	ctx, end := call.WithHold(ctx)
	defer end()
	for try := 0; ; try++ {
		a := w.e.replies.ask()
		page, err := w.list(ctx)
		if err != nil {
			w.e.replies.close(a)
			if w.beyondEnd(ctx, err) {
				w.ended = true
				return true, nil
			}
			if w.leaveOut(err) {
				return false, nil
			}
			return false, fmt.Errorf("page %d: %w", w.walk.Pages+1, err)
		}
		done, contested, err := w.take(ctx, page, w.e.replies.arrived(a))
		w.e.replies.close(a)
		if err != nil || contested == 0 {
			return done, err
		}
		if try == contests {
			return false, suspect("calls changed again and again while page %d was read by several walks; it is read again", w.walk.Pages)
		}
	}
}

// beyondEnd reports a refusal of a page after all calls the vendor counts were
// listed: some vendors answer so past the end of their list.
func (w *walker) beyondEnd(ctx context.Context, err error) bool {
	return w.walk.Pages > 0 && w.walk.Total != nil && len(w.seen)+w.unusable >= *w.walk.Total && restartable(ctx, err) && !isSuspicion(err)
}

// take stores one page and moves on, unless calls of it were contested: then
// the same page must be read again. done means nothing further is to be read.
func (w *walker) take(ctx context.Context, page call.Page, a reply) (done bool, contested int, err error) {
	w.e.sawClock(page.FetchedAt)
	if err := w.plausible(ctx, page); err != nil {
		return false, 0, err
	}
	if w.anchored && !w.continues(page) {
		return false, 0, w.stepBack()
	}
	w.fresh += w.count(page)
	work, release, err := w.e.process(ctx, page, a)
	if err != nil {
		return false, 0, err
	}
	defer release()
	if work.contested > 0 {
		return false, work.contested, w.commit(ctx, work)
	}
	done, err = w.advance(ctx, page, work)
	return done, 0, err
}

// advance commits a page and moves the position behind it.
func (w *walker) advance(ctx context.Context, page call.Page, work *pageWork) (done bool, err error) {
	fresh := w.fresh
	w.fresh = 0
	next, more := w.next(page, fresh)
	whole := w.aligned // whole pages only: the last one comes again for a row behind it
	next = w.anchor(page, next, fresh)
	w.gapped = w.gapped || more && !w.anchored
	if w.repeats = w.repeats + 1; fresh > 0 || len(page.Items) == 0 || w.aligned && !whole {
		w.repeats = 0
	}
	w.stalled = w.stalled || more && w.repeats > 0 && !w.anchored && !(whole && len(page.Items) < w.fullPage())
	if w.repeats >= 2 && more {
		return false, suspect("the vendor repeats the same calls page after page (at page %d); the walk was given up, nothing was marked complete", w.walk.Pages)
	}
	if w.blank++; len(page.Items) > 0 {
		w.blank = 0
	}
	if w.blank >= blankPages && more {
		return false, suspect("the vendor promises more and shows page after page without calls (at page %d); the walk was given up, nothing was marked complete", w.walk.Pages)
	}
	if more && w.cursors[next.Cursor] && next.Cursor != "" {
		return false, suspect("the vendor's paging cursor runs in a circle (at page %d); the walk was given up, nothing was marked complete", w.walk.Pages)
	}
	w.cursors[next.Cursor] = true
	w.position = next
	if err := w.commit(ctx, work); err != nil {
		return false, err
	}
	w.e.progress(ctx, w)
	w.e.noteMissed()
	if !more {
		w.ended = true
		return true, nil
	}
	return w.reachedKnown(page, work, fresh), nil
}

// plausible refuses a first page without calls where there must be some.
func (w *walker) plausible(ctx context.Context, page call.Page) error {
	first := w.walk.Pages == 0 && w.position == w.e.firstPosition()
	if w.window != nil && w.e.Checkpoint().Watermark.Before(w.window.From) {
		return nil // no call is known of the time that was asked for
	}
	if len(page.Items)+page.Unusable > 0 || !first || w.e.accepting() != "" {
		return nil
	}
	present := 0 // calls that were listed when the list was read last
	err := w.e.store.Each(ctx, w.e.src.ID, func(r call.Record) error {
		wanted := w.window == nil || r.Call.CreatedAt != nil && !r.Call.CreatedAt.Before(w.window.From)
		if wanted && r.Call.DeletedUpstreamAt == nil && r.MissedSweeps == 0 {
			present++
		}
		return nil
	})
	if err != nil {
		return err
	}
	if present > 0 {
		return suspect("the vendor lists no calls at all, the archive holds %d of its calls; nothing was changed; "+
			"if they were deleted on purpose, run `callsyncd sync --source %s --full --accept-vanished`", present, w.e.src.ID)
	}
	return nil
}

// count keeps the books of the walk and returns how many calls were not seen before in it.
func (w *walker) count(page call.Page) (fresh int) {
	if w.walk.Pages++; w.began.IsZero() {
		w.began = page.FetchedAt
	}
	w.unusable += page.Unusable
	w.rows, w.bytes, w.leftOut = len(page.Items), 0, 0
	for _, it := range page.Items {
		w.bytes += len(it.Body)
	}
	w.largest = max(w.largest, len(page.Items))
	for _, it := range page.Items {
		if it.CreatedAt.After(w.walk.Newest) {
			w.walk.Newest = it.CreatedAt
		}
		w.met = w.met || it.CreatedAt.Equal(w.ground) || w.walk.Pages == 1 && it.CreatedAt.After(w.ground)
		if _, dup := w.seen[it.ID]; dup {
			continue // a list that shifts under us repeats rows; that says nothing about its order
		}
		w.seen[it.ID] = struct{}{}
		fresh++
		if w.walk.Pages > 1 && it.CreatedAt.After(w.began.Add(time.Second)) && !it.CreatedAt.After(page.FetchedAt) {
			w.grown++
		}
		w.order.see(it)
		if w.sweep {
			w.fields.see(it.Body)
		}
	}
	w.walk.Seen = len(w.seen)
	if w.first == nil {
		w.first = page.Total
	}
	if page.Total != nil {
		if w.walk.Total != nil && *page.Total != *w.walk.Total {
			w.moved, w.dropped = true, w.dropped || *page.Total < *w.walk.Total
		}
		w.walk.Total = page.Total
	}
	return fresh
}

// next says where the following page is and whether there should be one.
func (w *walker) next(page call.Page, fresh int) (call.Position, bool) {
	n := len(page.Items)
	full := n > 0 && (n >= w.effectiveSize(page) || w.walk.Pages > 1 && n >= w.fullPage())
	switch w.e.info.Paging {
	case call.PagingCursor, call.PagingURL:
		if page.Next == nil {
			return call.Position{}, false
		}
		return *page.Next, true
	}
	position := w.position
	switch {
	case w.e.info.Paging == call.PagingPage:
		position.Page++
	case w.aligned && fresh == 0:
		position.Offset += max(n, w.fullPage()) // the row behind a short page showed it over again
	default:
		position.Offset += n
	}
	if w.anchored && n == 1 && fresh == 0 {
		return position, false // the anchor, and nothing behind it
	}
	switch complete := w.partial || page.Total == nil || len(w.seen) >= *page.Total; {
	case n == 0 || fresh == 0 && w.repeats > 0 && complete && page.Total != nil && !w.anchored:
		return position, false // nothing, or the last page over again, twice: one may be of doubled rows
	case page.More != nil && (*page.More || complete):
		return position, *page.More
	case page.Total == nil && page.More == nil:
		return position, true // nothing tells the end but an empty page
	case w.partial:
		return position, full
	default:
		// A full last page may hide more behind a capped, estimated or wrong count.
		return position, !complete || full
	}
}

// fullPage is how many rows the largest page had, or fewer where smaller pages
// are asked for by now.
func (w *walker) fullPage() int { return min(w.largest, w.size) }

// effectiveSize is how many rows a full page has.
func (w *walker) effectiveSize(page call.Page) int {
	if page.Size > 0 && page.Size < w.size {
		return page.Size
	}
	return w.size
}

// reachedKnown reports whether the walk may end before the list does: a whole
// page was known and unchanged, and all that follows is older than the cutoff. A
// page that came before in this walk is known because of it, and is no ground.
func (w *walker) reachedKnown(page call.Page, work *pageWork, fresh int) bool {
	order, field := w.order.order()
	oldest, newest := span(page, field)
	w.quiet = work.touched == 0 && fresh > 0 && !oldest.IsZero() && oldest.Before(w.cutoff)
	c := w.e.Checkpoint()
	if order != call.OrderNewestFirst || !w.e.newestFirst(&c) {
		return false // a page may be in order by chance: the whole list must have been
	}
	// What the backfill has seen so far is ground for a head walk, not for
	// leaving the rest of history unread.
	since := w.e.src.Since
	known := c.Order == call.OrderNewestFirst || w.e.info.Order == call.OrderNewestFirst
	return !w.sweep && w.quiet ||
		known && field == fieldCreated && !since.IsZero() && !newest.IsZero() && newest.Before(since)
}

// newestFirst reports whether the list as a whole is known to put new calls
// first: learned from it, or documented as long as nothing was learned.
func (e *Engine) newestFirst(c *call.Checkpoint) bool {
	if c.Order == "" || c.Order == call.OrderUnknown {
		return e.info.Order == call.OrderNewestFirst || c.Backfill != nil && c.Backfill.Order == call.OrderNewestFirst
	}
	return c.Order == call.OrderNewestFirst
}

// span is the oldest and newest time on a page; zero when a row has none.
func span(page call.Page, field string) (oldest, newest time.Time) {
	for i, it := range page.Items {
		at := it.CreatedAt
		if field == fieldUpdated {
			at = it.UpdatedAt
		}
		if at.IsZero() {
			return time.Time{}, time.Time{}
		}
		if i == 0 || at.Before(oldest) {
			oldest = at
		}
		if at.After(newest) {
			newest = at
		}
	}
	return oldest, newest
}

// saveEvery is how often a walk without news saves the request budget.
const saveEvery = 30 * time.Second

// commit stores a page with the walk's progress in one transaction. A page
// without news writes nothing.
func (w *walker) commit(ctx context.Context, work *pageWork) error {
	w.walk.New += work.fresh
	w.walk.Edits += work.edited
	for _, id := range work.skipped {
		w.skipped[id] = struct{}{}
	}
	if len(work.writes) == 0 && w.keep == nil && w.e.now().Sub(w.saved) < saveEvery {
		return nil
	}
	w.saved = w.e.now()
	return w.e.save(ctx, work.writes, func(c *call.Checkpoint) {
		if w.keep != nil {
			w.keep(c, w)
		}
	})
}

// verdict says whether a walk over the whole list proved completeness. Calls
// whose documents could not all be read do not count against it: they are
// stored, and pending where everybody can see it.
func (w *walker) verdict() error {
	switch {
	case w.unusable > 0:
		return w.unread()
	case w.dropped:
		return unproved("the vendor's count went down during the walk, so a page may have been shifted")
	case w.shortfall() > 0:
		return unproved("the vendor counts %d calls but listed %d", *w.walk.Total, len(w.seen))
	case w.stalled && w.walk.Total == nil:
		return unproved("the vendor gave a page twice instead of another")
	case w.outgrew():
		return unproved("%d calls appeared while the list was read and the vendor's count went from %d to %d, so others vanished and may have hidden one", w.grown, *w.first, *w.walk.Total)
	}
	return nil
}

// partVerdict says whether a walk that read but a part of the list may have
// passed over a row. It cannot compare what it saw with the vendor's count.
func (w *walker) partVerdict() error {
	switch {
	case w.unusable > 0:
		return w.unread()
	case w.dropped && w.gapped:
		return unproved("the vendor's count went down during the walk, so a page may have been shifted")
	case w.stalled && !w.partial:
		return unproved("the vendor gave a page twice instead of another")
	}
	return nil
}

func (w *walker) unread() error {
	return unproved("%d rows of the vendor's list have no usable id, or are too large, and could not be stored", w.unusable)
}

// outgrew reports more new calls than the vendor's count grew by. A call that
// vanishes while another arrives farther on leaves the count as it is, and may
// draw a third over a page border.
func (w *walker) outgrew() bool {
	return w.walk.Total != nil && len(w.seen) <= *w.walk.Total && w.grown > *w.walk.Total-*w.first && w.gapped
}

// shrinkShare is how much of its list a vendor may lose between two walks before
// the answer is doubted.
const shrinkShare = 0.10

// shrunk doubts a list that lost more than a tenth since the last clean walk. A
// vendor that only counted too much before has lost nothing: where all of its
// calls are wanted, it must count fewer than are held.
func (w *walker) shrunk(ctx context.Context) error {
	c := w.e.Checkpoint()
	if c.Total == nil || w.walk.Total == nil || w.window != nil {
		return nil
	}
	before := *c.Total
	if w.e.src.Since.IsZero() {
		counts, err := w.e.store.Counts(ctx, w.e.src.ID)
		if err != nil {
			return err
		}
		before = min(before, counts.Calls)
	}
	if lost := before - *w.walk.Total; lost > max(1, int(shrinkShare*float64(before))) {
		return unproved("the vendor's list shrank from %d to %d calls since the last walk", before, *w.walk.Total)
	}
	return nil
}

// missing is the shortfall of a walk nothing else was wrong with, as it is
// remembered; empty when there is none.
func (w *walker) missing() string {
	if n := w.shortfall(); n > 0 && !w.dropped && !w.stalled && !w.partial && w.window == nil {
		return strconv.Itoa(n)
	}
	return ""
}

// miscounted reports that the vendor counts more calls than it lists, by as many
// as the walk before or the last sweep had found.
func (w *walker) miscounted() bool {
	n := w.missing()
	return n != "" && (w.believed || n == w.e.learned()[learnedShortfall])
}

// shortfall is how many calls the vendor counts beyond those it listed.
func (w *walker) shortfall() int {
	if !w.ended || w.walk.Total == nil {
		return 0
	}
	return max(0, *w.walk.Total-len(w.seen))
}
