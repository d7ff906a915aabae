package simulator

import (
	"math/rand/v2"
	"time"
)

// filter is what a list request asks for. Nil functions let everything pass.
type filter struct {
	created func(time.Time) bool
	match   func(view) bool
}

// listing is one page of calls.
type listing struct {
	views []view
	total int
	more  bool
}

// list returns one page of a list in an order, with the faults of paging. An
// empty order is the one chosen for lists without a documented order.
func (q *request) list(order string, win window, f filter) listing {
	if order == "" {
		order = q.sim.options.Order[q.spec.name]
	}
	if win.skip > 0 {
		q.shift(order, win)
	}
	rows := q.sorted(order, q.now)
	rows = q.hide(rows)
	if !q.faults.IgnoreFilters {
		rows = q.filtered(rows, f)
	} else if f.created != nil || f.match != nil {
		q.counts.fault("IgnoreFilters")
	}
	if q.strike("EmptyList", q.what, q.faults.EmptyList) {
		rows = nil
	}
	total := len(rows) + q.faults.WrongTotal
	skip := win.skip
	if q.faults.WrongTotal != 0 {
		q.counts.fault("WrongTotal")
	}
	if q.faults.LoopingPages {
		q.counts.fault("LoopingPages")
		skip %= 2 * win.size
		total = win.skip + 2*win.size
	}
	l := listing{total: total, more: total > win.skip+win.size}
	for _, e := range cut(rows, window{skip: skip, size: win.size}) {
		l.views = append(l.views, q.at(e, q.now))
	}
	return l
}

// hide leaves out the calls HiddenRows hits.
func (q *request) hide(rows []*entry) []*entry {
	if q.faults.HiddenRows <= 0 {
		return rows
	}
	q.counts.fault("HiddenRows")
	var kept []*entry
	for _, e := range rows {
		if chance(q.seed, "hidden", uint64(e.number)) >= q.faults.HiddenRows {
			kept = append(kept, e)
		}
	}
	return kept
}

// filtered returns the rows that pass.
func (q *request) filtered(rows []*entry, f filter) []*entry {
	if f.created == nil && f.match == nil {
		return rows
	}
	var kept []*entry
	for _, e := range rows {
		if f.created != nil && !f.created(e.created) {
			continue
		}
		if f.match == nil || f.match(q.at(e, q.now)) {
			kept = append(kept, e)
		}
	}
	return kept
}

// shift lets calls come and go between two pages.
func (q *request) shift(order string, win window) {
	if q.strike("ShiftWhilePaging", q.what, q.faults.ShiftWhilePaging) {
		q.add(q.now)
	}
	if q.strike("VanishWhilePaging", q.what, q.faults.VanishWhilePaging) {
		if seen := cut(q.sorted(order, q.now), window{size: win.skip}); len(seen) > 0 {
			r := rand.New(rand.NewPCG(q.seed, q.counts.turn("vanished row")))
			seen[r.IntN(len(seen))].deleted, q.orders = true, nil
		}
	}
}

// find returns the call of a detail request.
func (q *request) find(id string) (view, bool) {
	e := q.byID[id]
	if e == nil || e.deleted {
		return view{}, false
	}
	return q.at(e, q.now), true
}

// withheld reports whether TranscriptNotFoundOnce hides a call's transcript
// this time.
func (q *request) withheld(v view) bool {
	if q.asked[v.id] || q.now.Sub(v.created) > recentAge || chance(q.seed, "withheld", uint64(v.number)) >= q.faults.TranscriptNotFoundOnce {
		return false
	}
	q.asked[v.id] = true
	q.counts.fault("TranscriptNotFoundOnce")
	return true
}

// each makes the JSON of every call of a list; never nil, so that an empty list
// is [] on the wire.
func each[T any](views []view, item func(view) T) []T {
	items := make([]T, 0, len(views))
	for _, v := range views {
		items = append(items, item(v))
	}
	return items
}

// stamp formats times the way most vendors do.
func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05Z") }

// stampOrNull is nil for the zero time.
func stampOrNull(t time.Time, format func(time.Time) string) *string {
	if t.IsZero() {
		return nil
	}
	return ptr(format(t))
}

// quantity is a number, or its text for the calls whose numbers come as strings.
func (f facts) quantity(n any, text string) any {
	if f.numeric {
		return text
	}
	return n
}
