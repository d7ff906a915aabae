package simulator

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"callsyncd/call"
)

// The orders of a list.
const (
	newestFirst = "newest_first"
	oldestFirst = "oldest_first"
	shuffled    = "shuffled"
)

const (
	settleAge   = 96 * time.Hour  // calls this old at the start may lack parts for good
	recentAge   = 72 * time.Hour  // calls this young at the start may have late parts
	youngestAge = 6 * time.Minute // no call at the start is younger
)

// entry is what is kept about one call; everything else is made up on demand.
type entry struct {
	number  int
	created time.Time
	brief   bool // lasts less than a minute
	old     bool // may lack parts for good
	spoken  bool // was answered for certain
	late    bool // its parts come later
	deleted bool
	// forced is when late parts were released by hand; zero if they were not.
	forced time.Time
	edit   *edited
	take   int // how often its recording was replaced
}

// edited is what EditCall changed, and when last.
type edited struct {
	Edit
	at time.Time
}

// world is one vendor with its calls.
type world struct {
	sim    *Simulator
	spec   *spec
	seed   uint64 // the simulator's, mixed with the vendor's name
	people int
	counts *counts
	limits limiter

	mu      sync.Mutex // guards what follows
	base    string
	entries []*entry // by creation
	byID    map[string]*entry
	next    time.Time // of the next call that comes by growth
	orders  map[string][]*entry
	asked   map[string]bool // calls whose transcript was already refused once
	nonce   uint64
	// liveUntil is when the last call that came by growth is over.
	liveUntil time.Time
}

// newWorld makes the calls at start.
func newWorld(s *Simulator, sp *spec) *world {
	calls := max(0, s.options.Calls)
	w := &world{sim: s, spec: sp, seed: mix(s.options.Seed, sp.name, 0), people: min(max(calls/3, 40), maxPeople),
		counts: newCounts(), base: "https://" + sp.name + ".example.com", byID: make(map[string]*entry, calls),
		asked: map[string]bool{}}
	for _, age := range w.ages(calls) {
		w.append(s.started.Add(-age), false, age > settleAge, age < recentAge)
	}
	if s.options.Growth > 0 {
		w.next = s.started.Add(s.options.Growth)
	}
	return w
}

// ages spreads calls over the span, more of them recently, oldest first.
func (w *world) ages(calls int) []time.Duration {
	r := source(w.seed, "ages", 0)
	span := max(w.sim.options.Span, youngestAge+time.Second)
	within := func(lo, hi time.Duration) time.Duration {
		hi = min(hi, span)
		lo = min(lo, hi-time.Second)
		return lo + time.Duration(r.Int64N(int64(hi-lo)))
	}
	ages := make([]time.Duration, calls)
	hour, days := min(10, calls/20+1), calls/10+1
	for i := range ages {
		switch {
		case i < hour:
			ages[i] = within(youngestAge, time.Hour)
		case i < hour+days:
			ages[i] = within(time.Hour, recentAge)
		default:
			x := math.Pow((float64(i)+r.Float64())/float64(calls), 1.3)
			ages[i] = youngestAge + time.Duration(x*float64(span-youngestAge))
		}
	}
	slices.SortFunc(ages, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	return ages
}

// append adds a call, keeping the entries in order of creation. Callers hold
// the lock.
func (w *world) append(created time.Time, brief, old, mayBeLate bool) *entry {
	n := len(w.entries)
	e := &entry{number: n, created: created.Truncate(w.spec.precision), brief: brief, old: old}
	e.late = mayBeLate && chance(w.seed, "late", uint64(n)) < w.sim.options.Late
	w.entries = append(w.entries, e)
	w.byID[w.spec.id(w.seed, "call", uint64(n))] = e
	w.orders = nil
	return e
}

// grow adds the calls that came since the last look. Callers hold the lock.
func (w *world) grow(now time.Time) {
	for step := w.sim.options.Growth; step > 0 && !w.next.After(now); w.next = w.next.Add(step) {
		w.append(w.next, true, false, true)
		w.liveUntil = w.next.Add(time.Minute)
	}
}

// origin is the scheme, host and port of the API.
func (w *world) origin() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.base
}

func (w *world) setBase(base string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.base = base
}

// view is one call as it looks at one moment.
type view struct {
	facts
	// live is ringing or talking while the call goes on, else empty.
	live string
	// ready is whether transcript, summary and recording have arrived.
	ready   bool
	readyAt time.Time
	created time.Time
	started time.Time // zero when never answered, or not yet
	ended   time.Time // zero while live
	edit    Edit
	edited  time.Time // zero when never edited
	said    func() talk
}

// final is a moment at which everything has arrived.
var final = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// at looks at a call.
func (w *world) at(e *entry, now time.Time) view {
	v := view{facts: w.facts(e), created: e.created}
	f := v.facts
	v.said = sync.OnceValue(func() talk { return w.talk(f) })
	answer := e.created.Add(time.Duration(v.setup) * time.Second)
	end := answer.Add(time.Duration(v.duration) * time.Second)
	v.readyAt = w.readyAt(e, end)
	v.ready = !now.Before(v.readyAt)
	switch {
	case now.Before(answer):
		v.live = "ringing"
	case now.Before(end):
		v.live = "talking"
	default:
		v.ended = end
	}
	if v.kind.spoken() && v.live != "ringing" {
		v.started = answer
	}
	if e.edit != nil {
		v.edit, v.edited = e.edit.Edit, e.edit.at
	}
	return v
}

// readyAt is when a call's parts arrive.
func (w *world) readyAt(e *entry, end time.Time) time.Time {
	at := end.Add(time.Duration(5+mix(w.seed, "lag", uint64(e.number))%20) * time.Second)
	if e.late {
		from := end
		if from.Before(w.sim.started) {
			from = w.sim.started
		}
		at = from.Add(w.sim.options.LateAfter)
	}
	if !e.forced.IsZero() && e.forced.Before(at) {
		at = e.forced
	}
	return at.Truncate(time.Second)
}

// rows returns the calls in an order. Callers hold the lock and do not change
// the slice.
func (w *world) rows(order string) []*entry {
	if rows, ok := w.orders[order]; ok {
		return rows
	}
	rows := make([]*entry, 0, len(w.entries))
	for _, e := range w.entries {
		if !e.deleted {
			rows = append(rows, e)
		}
	}
	slices.SortStableFunc(rows, func(a, b *entry) int { return a.created.Compare(b.created) })
	switch order {
	case oldestFirst:
	case shuffled:
		slices.SortFunc(rows, func(a, b *entry) int {
			return cmp.Compare(mix(w.seed, "shuffle", uint64(a.number)), mix(w.seed, "shuffle", uint64(b.number)))
		})
	default:
		slices.Reverse(rows)
	}
	if w.orders == nil {
		w.orders = map[string][]*entry{}
	}
	w.orders[order] = rows
	return rows
}

// Edit changes a call after the fact. Nil fields stay as they are.
type Edit struct {
	Summary        *string
	SentimentLabel *string
	SentimentScore *float64 // Sure Send only
	Topics         []string // Sure Send only
	// Outcome takes the place of the vendor's outcome or status word.
	Outcome *string
}

// AddCall adds an answered call that has just ended, with all its parts, and
// returns its ID. It panics for
// unknown vendors.
func (s *Simulator) AddCall(vendor string) call.ID {
	w := s.must(vendor)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := s.now()
	w.grow(now)
	return w.add(now)
}

// add appends a call that has just become complete. Callers hold the lock.
func (w *world) add(now time.Time) call.ID {
	e := w.append(now, true, false, false)
	e.spoken = true
	f := w.facts(e)
	e.created = now.Add(-time.Duration(f.setup+f.duration+1) * time.Second).Truncate(w.spec.precision)
	e.forced = now.Add(-time.Second)
	return call.ID(f.id)
}

// EditCall changes a call; call.ErrNotFound when there is none of that ID. It
// panics for unknown vendors.
func (s *Simulator) EditCall(vendor string, id call.ID, change Edit) error {
	return s.must(vendor).change(id, func(e *entry) {
		merged := &edited{Edit: change, at: s.now()}
		if e.edit != nil {
			merged.Edit = e.edit.Edit.with(change)
		}
		e.edit = merged
	})
}

// with lays a later edit over an earlier one.
func (e Edit) with(later Edit) Edit {
	e.Summary = cmp.Or(later.Summary, e.Summary)
	e.SentimentLabel = cmp.Or(later.SentimentLabel, e.SentimentLabel)
	e.SentimentScore = cmp.Or(later.SentimentScore, e.SentimentScore)
	e.Outcome = cmp.Or(later.Outcome, e.Outcome)
	if later.Topics != nil {
		e.Topics = later.Topics
	}
	return e
}

// ReplaceRecording puts another recording, of the same length and under another
// file name, in the place of a call's; nothing else about the call changes. It
// answers call.ErrNotFound when there is no call of that ID, and panics for
// unknown vendors.
func (s *Simulator) ReplaceRecording(vendor string, id call.ID) error {
	return s.must(vendor).change(id, func(e *entry) { e.take++ })
}

// DeleteCall removes a call; call.ErrNotFound when there is none of that ID. It
// panics for unknown vendors.
func (s *Simulator) DeleteCall(vendor string, id call.ID) error {
	w := s.must(vendor)
	return w.change(id, func(e *entry) { e.deleted, w.orders = true, nil })
}

// change applies f to a call under the lock.
func (w *world) change(id call.ID, f func(*entry)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.grow(w.sim.now())
	e := w.byID[string(id)]
	if e == nil || e.deleted {
		return call.ErrNotFound
	}
	f(e)
	return nil
}

// Spoken returns the IDs of a vendor's calls in which somebody spoke and whose
// parts have arrived, oldest first. It panics for unknown vendors.
func (s *Simulator) Spoken(vendor string) []call.ID {
	w := s.must(vendor)
	w.mu.Lock()
	defer w.mu.Unlock()
	now := s.now()
	w.grow(now)
	var ids []call.ID
	for _, e := range w.rows(oldestFirst) {
		if v := w.at(e, now); v.ready && v.kind.spoken() {
			ids = append(ids, call.ID(v.id))
		}
	}
	return ids
}

// Quiet ends the growth: no call comes by itself any more.
func (s *Simulator) Quiet() {
	for _, w := range s.worlds {
		w.mu.Lock()
		w.grow(s.now())
		w.next = final
		w.mu.Unlock()
	}
}

// ReleaseLate lets every late part of every vendor arrive now.
func (s *Simulator) ReleaseLate() {
	for _, w := range s.worlds {
		w.mu.Lock()
		now := s.now()
		w.grow(now)
		for _, e := range w.entries {
			if e.forced.IsZero() {
				e.forced = now
			}
		}
		w.mu.Unlock()
	}
}

// Truth returns what an archive must hold of a vendor's calls, oldest first;
// deleted calls are not among them. It makes every recording to hash it, about
// a millisecond for each call. It panics for unknown vendors.
func (s *Simulator) Truth(vendor string) []Truth {
	w := s.must(vendor)
	w.mu.Lock()
	w.grow(s.now())
	var views []view
	for _, e := range w.rows(oldestFirst) {
		views = append(views, w.at(e, final))
	}
	w.mu.Unlock()
	list := make([]Truth, 0, len(views))
	for _, v := range views {
		list = append(list, w.truth(v))
	}
	return list
}
