package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// List returns one page of calls, without their transcripts. A limit of 0
// means 25; large calls make a page shorter than its limit. Going on from a
// page's cursor neither skips nor repeats calls while others arrive. A cursor of
// another order is call.ErrBadCursor.
//
// By start, which is the order of the time index, a page costs what it shows;
// a filter on more than source and time makes every call of these sources and
// times be looked at, because Total counts them. The other orders look at all
// of them always. Looking at a call costs well under a microsecond.
func (s *Store) List(ctx context.Context, q call.ListQuery) (call.List, error) {
	l, err := newLister(q)
	if err == nil {
		err = s.mending(ctx, func() error { return s.collect(ctx, l) })
	}
	var list call.List
	if err == nil {
		list, err = s.page(ctx, l)
	}
	if err != nil {
		return call.List{}, fmt.Errorf("list calls: %w", err)
	}
	return list, nil
}

// What bounds a page of List.
const (
	maxLimit     = 1 << 20
	maxPageBytes = 8 << 20 // before its last call
)

// lister is one run of List.
type lister struct {
	sorting
	match *matcher
	after *place // the cursor; nil for the first page
	limit int
	found []place // limit+1 places at most are wanted
	total int
	// counted is true when total came from the counters, so that the scan may
	// begin at the cursor and end with the page.
	counted bool
	scratch []byte
}

func newLister(q call.ListQuery) (*lister, error) {
	l := &lister{sorting: sorting{cmp.Or(q.OrderBy, call.ByStarted), q.Ascending}, match: newMatcher(q.Filter), limit: q.Limit}
	if !slices.Contains(orders, l.by) {
		return nil, fmt.Errorf("no order is named %q", q.OrderBy)
	}
	if l.limit <= 0 {
		l.limit = defaultLimit
	}
	l.limit = min(l.limit, maxLimit)
	var err error
	l.after, err = l.parse(q.After)
	return l, err
}

// collect finds the places of the page, in short transactions.
func (s *Store) collect(ctx context.Context, l *lister) error {
	l.found, l.total = l.found[:0], 0
	sources, err := s.countFor(ctx, l)
	if err != nil {
		return err
	}
	marks := map[call.SourceID][]byte{}
	for more := true; more; {
		err := s.view(ctx, func(tx *bolt.Tx) (err error) {
			more, err = l.scanSome(tx, sources, marks)
			return err
		})
		if err != nil {
			return err
		}
	}
	if l.trim(); l.short() {
		return &misled{bucketTimes, fmt.Errorf("it has %d rows for %d calls", len(l.found), l.total)}
	}
	return nil
}

// short reports whether the time index has fewer calls than the counters, as far
// as one page can tell.
func (l *lister) short() bool {
	return l.counted && l.after == nil && len(l.found) <= l.limit && len(l.found) < l.total
}

// countFor chooses the sources to look at, and takes the total from their
// counters when they know it.
func (s *Store) countFor(ctx context.Context, l *lister) (sources []call.SourceID, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		all, err := sourcesOf(tx)
		if err != nil {
			return err
		}
		for _, source := range all {
			if l.match.source(source) {
				sources = append(sources, source)
			}
		}
		if !l.match.keysOnly() || !l.match.from.IsZero() || !l.match.to.IsZero() {
			return nil
		}
		total, err := totalCounts(tx, sources)
		l.total, l.counted = total.Calls, true
		return err
	})
	return sources, err
}

// scanSome looks at as many calls as one transaction may. marks remember how
// far each source has been read.
func (l *lister) scanSome(tx *bolt.Tx, sources []call.SourceID, marks map[call.SourceID][]byte) (more bool, err error) {
	lines := make([]*timeline, 0, len(sources))
	for _, source := range sources {
		mark, ok := marks[source]
		if !ok {
			mark = l.startMark(source)
		}
		lines = append(lines, newTimeline(tx, source, l.scanAscending(), mark))
	}
	q := newQuota()
	for {
		t, err := l.first(lines)
		if t == nil || err != nil {
			return false, err
		}
		if q.spent() {
			return true, nil
		}
		done, err := l.visit(tx, t)
		if err != nil || done {
			return false, err
		}
		marks[t.source] = append(marks[t.source][:0], t.k...)
		t.next()
	}
}

// scanAscending is the direction the time index is read in.
func (l *lister) scanAscending() bool { return l.by == call.ByStarted && l.ascending }

// startMark is where the scan of a source begins: at the cursor when the calls
// before it need not be counted, else at the bound of the filter.
func (l *lister) startMark(source call.SourceID) []byte {
	prefix := sourcePrefix(source)
	if l.counted && l.by == call.ByStarted && l.after != nil {
		return l.cursorMark(source)
	}
	if l.scanAscending() {
		if l.match.from.IsZero() {
			return nil
		}
		return appendTime(prefix, l.match.from)
	}
	if l.match.to.IsZero() {
		return nil
	}
	return appendTime(prefix, l.match.to)
}

// cursorMark is the place of the cursor in the time index of a source, which
// need not be the one of the cursor's call.
func (l *lister) cursorMark(source call.SourceID) []byte {
	key, err := parseCallKey(l.after.key)
	if err != nil {
		panic("store: cursor was not checked")
	}
	mark := appendTime(sourcePrefix(source), l.after.at)
	switch c := cmp.Compare(source, key.Source); {
	case c == 0:
		return appendID(mark, key.ID)
	case c < 0 && l.ascending: // calls of that time come before the cursor
		return appendTime(sourcePrefix(source), l.after.at.Add(1))
	case c > 0 && !l.ascending: // calls of that time come behind the cursor
		return append(mark, 0)
	default:
		return mark
	}
}

// first returns the line whose current row comes first; nil when all have ended.
func (l *lister) first(lines []*timeline) (best *timeline, err error) {
	for _, t := range lines {
		if t.err != nil {
			return nil, t.err
		}
		if t.k == nil {
			continue
		}
		if best == nil {
			best = t
			continue
		}
		c := bytes.Compare(t.k[len(t.prefix):t.timeEnd()], best.k[len(best.prefix):best.timeEnd()])
		if c != 0 && c < 0 == l.scanAscending() {
			best = t // equal times stay in the order of the sources
		}
	}
	return best, nil
}

// visit looks at one row; done is true when nothing that follows is wanted.
func (l *lister) visit(tx *bolt.Tx, t *timeline) (done bool, err error) {
	at, id, err := cutTime(t.k[len(t.prefix):])
	if err != nil {
		return false, &misled{bucketTimes, err}
	}
	if !l.match.time(at) {
		return l.beyond(at), nil
	}
	var f facts
	if !l.match.keysOnly() || l.by != call.ByStarted {
		if err := f.decode(t.v); err != nil {
			return false, &misled{bucketTimes, err}
		}
		if !l.match.facts(&f) {
			return false, nil
		}
	}
	if !l.counted {
		l.total++
	}
	if l.by == call.ByStarted && len(l.found) > l.limit {
		return l.counted, nil
	}
	l.scratch = append(append(l.scratch[:0], t.prefix...), id...)
	p := l.placeOf(at, &f, l.scratch)
	if l.after != nil && l.compare(&p, l.after) <= 0 {
		return false, nil
	}
	if tx.Bucket(bucketCalls).Get(p.key) == nil {
		return false, &misled{bucketTimes, errNoSuchCall}
	}
	p.key = bytes.Clone(p.key)
	l.found = append(l.found, p)
	if l.by != call.ByStarted && len(l.found) > max(4*l.limit, 1000) {
		l.trim()
	}
	return false, nil
}

// beyond reports whether every further row is outside the filter's times too.
func (l *lister) beyond(at time.Time) bool {
	if l.scanAscending() {
		return !l.match.to.IsZero() && !at.Before(l.match.to)
	}
	return !l.match.from.IsZero() && at.Before(l.match.from)
}

// trim sorts what was found and forgets what is certainly not on the page.
func (l *lister) trim() {
	slices.SortFunc(l.found, func(a, b place) int { return l.compare(&a, &b) })
	l.found = l.found[:min(len(l.found), l.limit+1)]
}

// page loads the calls that were found.
func (s *Store) page(ctx context.Context, l *lister) (call.List, error) {
	list := call.List{Calls: []call.Call{}, Total: l.total}
	if len(l.found) > l.limit {
		list.Next = l.cursor(&l.found[l.limit-1])
		l.found = l.found[:l.limit]
	}
	size := 0
	for some := range slices.Chunk(l.found, rowsPerView) {
		had, before := len(list.Calls), size
		err := s.viewCalls(ctx, func(tx *bolt.Tx) error {
			list.Calls, size = list.Calls[:had], before
			for _, p := range some {
				if size > maxPageBytes {
					return nil
				}
				key, err := parseCallKey(p.key)
				if err != nil {
					return err
				}
				r, err := loadRecord(tx, key, p.key)
				if err != nil {
					return fmt.Errorf("call %.128q: %w", key, err)
				}
				list.Calls = append(list.Calls, r.Call)
				size += bulk(&r.Call)
			}
			return nil
		})
		if err != nil {
			return call.List{}, err
		}
	}
	if n := len(list.Calls); n < len(l.found) {
		list.Next = l.cursor(&l.found[n-1])
	}
	return list, nil
}

// bulk is the size of what may be large in a call without its transcript.
func bulk(c *call.Call) int {
	n := len(c.Metadata)
	for _, text := range []*string{c.Summary, c.Note} {
		if text != nil {
			n += len(*text)
		}
	}
	for _, topic := range c.Topics {
		n += len(topic)
	}
	return n
}
