package callsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"callsyncd/call"
)

// step is one thing that happens in a scenario. Its numbers mean what the kind
// makes of them; every number is good for every kind.
type step struct {
	Kind    string
	A, B, C int
	At      int // a mutation of the vendor waits for so many list answers; 0 is now
}

// scenario is one run of the model: drawn as a whole before it begins, so that
// the same seed is the same run.
type scenario struct {
	Vendor      vendorPlan
	Concurrency int
	Steps       []step
	Daemon      bool // the calm at the end is the daemon's, rather than single rounds
	Kind        bool // the vendor gives in the end what it promised
}

// nothing is what a step shrinks to.
const nothing = "nothing"

// stepKinds are drawn with equal weight; what is to happen often stands here often.
var stepKinds = []string{
	nothing, "arrive", "arrive", "late", "late", "edit", "edit", "give", "give", "flag", "link", "trouble", "hide", "show", "show", "twice", "withdraw",
	"fault", "fault", "outage", "interrupt", "interrupt", "refuse",
	"head", "head", "head", "trailing", "trailing", "sweep", "round", "round", "full", "full", "run", "restart", "sleep", "sleep",
}

// fair draws one of n evenly, unlike rapid's own numbers, most of which are
// small; it shrinks to 0.
func fair(t *rapid.T, n int, label string) int {
	x := rapid.Uint64().Draw(t, label)
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return int((x ^ x>>31) % uint64(n))
}

func drawScenario(t *rapid.T) scenario {
	v := vendorPlan{
		Paging:      []call.Paging{call.PagingPage, call.PagingOffset, call.PagingCursor}[fair(t, 3, "paging")],
		Order:       []call.Order{call.OrderNewestFirst, call.OrderOldestFirst, call.OrderNone}[fair(t, 3, "order")],
		Total:       []string{"", "calls", "rows"}[fair(t, 3, "total")],
		MinSize:     []int{modelPage, 1}[fair(t, 2, "smallest page")],
		Clamp:       []int{0, 0, 3, 2}[fair(t, 4, "clamp")],
		SaysSize:    fair(t, 2, "says size") == 1,
		SaysMore:    fair(t, 2, "says more") == 1,
		RepeatsLast: fair(t, 2, "repeats last") == 1,
		Flagless:    fair(t, 2, "flagless") == 1,
		Latency:     []time.Duration{0, 0, 700 * time.Millisecond}[fair(t, 3, "latency")],
	}
	if v.Total == "" && !v.SaysMore {
		v.RepeatsLast = false // nothing shows where such a list ends; the engine says so on every walk
	}
	s := scenario{Vendor: v, Concurrency: 1 + 2*fair(t, 2, "concurrency"), Daemon: fair(t, 3, "daemon") == 1, Kind: fair(t, 3, "kind") > 0}
	for _, it := range rapid.SliceOfN(rapid.Custom(drawStep), 30, 60).Draw(t, "steps") {
		if it.Kind != nothing {
			s.Steps = append(s.Steps, it)
		}
	}
	return s
}

func drawStep(t *rapid.T) step {
	kind := stepKinds[fair(t, len(stepKinds), "kind")]
	return step{Kind: kind, A: fair(t, 20, "a"), B: fair(t, 20, "b"), C: fair(t, 20, "c"), At: max(0, fair(t, 9, "at")-4)}
}

// happen lets a mutation happen now, or when pages are read.
func (v *modelVendor) happen(s step) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if s.At == 0 {
		v.mutate(s, false)
		return
	}
	v.later[v.lists+s.At] = append(v.later[v.lists+s.At], s)
}

// mutate changes the vendor's calls. It needs the lock.
func (v *modelVendor) mutate(s step, underWay bool) {
	v.mutations++
	switch s.Kind {
	case "arrive":
		for i := range 1 + s.A/2 {
			v.create(time.Duration(i)*time.Second, s)
		}
		return
	case "late": // visible behind the cursor: it was made up to eight days ago
		v.create(time.Duration(s.A*s.A)*30*time.Minute+30*time.Second, s)
		if underWay && v.plan.Order == call.OrderOldestFirst {
			v.shifts++
		}
		return
	}
	if len(v.calls) == 0 {
		return
	}
	c := v.calls[(s.A*20+s.C)%len(v.calls)]
	switch s.Kind {
	case "edit":
		v.rewrite(c, func() { c.Rev++ })
		if c.text != "" {
			v.say(c, fmt.Sprintf("%s says %d", c.ID, c.Rev))
		}
	case "give":
		if c.text == "" {
			v.say(c, fmt.Sprintf("%s gives %d", c.ID, v.mutations))
		}
	case "withdraw":
		v.rewrite(c, func() { c.Rev++ })
		v.say(c, "")
	case "flag":
		v.rewrite(c, func() { c.Flag = true })
	case "link":
		v.rewrite(c, func() { c.Audio = "link" })
	case "trouble":
		c.trouble = []error{nil, call.ErrExpired, call.ErrCorrupt, call.ErrTransient}[s.B%4]
		c.mendedAt = time.Now()
	case "hide":
		if !c.listed {
			return
		}
		if c.text != "" && s.B%2 > 0 {
			c.versions += 2 // its transcript is gone, until it is listed again
		}
		if underWay {
			v.shifts++
		}
		c.listed, c.answers, c.goneAt = false, s.B%2 == 0, time.Now()
	case "show":
		if i := slices.IndexFunc(v.calls, func(c *modelCall) bool { return !c.listed }); i >= 0 {
			c = v.calls[i]
		}
		if c.listed {
			return
		}
		c.listed, c.shown, c.goneAt = true, v.mutations, time.Now()
	case "twice":
		if c.twice && underWay {
			v.shifts++
		}
		c.twice = !c.twice
	}
}

// create makes a call of some time ago visible.
func (v *modelVendor) create(ago time.Duration, s step) {
	c := &modelCall{
		ID: fmt.Sprintf("c%03d", len(v.calls)), Created: time.Now().Add(-ago).UTC(), Flag: s.B%3 > 0,
		Audio: []string{"absent", "link", "link", "promised", "unknown"}[s.C%5], listed: true,
		versions: 1, shown: v.mutations, changed: v.mutations, rowAt: v.mutations,
	}
	c.scrambled = scrambled(c.ID)
	if v.calls = append(v.calls, c); s.B%4 > 0 {
		v.say(c, c.ID+" begins")
	}
}

// rewrite changes what a call's row shows.
func (v *modelVendor) rewrite(c *modelCall, fn func()) {
	before := string(c.row())
	if fn(); string(c.row()) != before {
		c.versions++
		c.changed, c.rowAt = v.mutations, v.mutations
	}
}

// say changes a call's transcript; empty takes it away.
func (v *modelVendor) say(c *modelCall, text string) {
	if c.text == text {
		return
	}
	c.text, c.givenAt = text, time.Now()
	c.versions++
	c.changed, c.textAt = v.mutations, v.mutations
	if text != "" {
		c.texts = append(c.texts, text)
	}
}

// suffer begins trouble with the vendor.
func (v *modelVendor) suffer(s step) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch s.B % 4 {
	case 0:
		v.fault, v.faults = call.ErrTransient, 1+s.A%3
	case 1:
		v.fault, v.faults = fmt.Errorf("status 500: %w", call.ErrTransient), 20+s.A
	case 2:
		v.fault, v.faultTill = call.ErrUnauthorized, time.Now().Add(time.Duration(1+s.A)*time.Hour)
	case 3:
		until := time.Now().Add(time.Duration(1+s.A) * 7 * time.Minute)
		v.fault, v.faultTill = &call.BudgetError{Source: "crm", Until: until, Why: "spent"}, until
	}
}

// calm ends all trouble, and heals what the vendor shows wrongly. A kind vendor
// also gives what it owes.
func (v *modelVendor) calm(kind bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mutations++
	v.faults, v.countdown, v.faultTill, v.mediaTill, v.later = 0, 0, time.Time{}, time.Time{}, make(map[int][]step)
	for _, c := range v.calls {
		if c.twice = false; c.trouble != nil {
			c.trouble, c.mendedAt = nil, time.Now()
		}
		if !kind {
			continue
		}
		if c.Flag && c.text == "" {
			v.say(c, c.ID+" at last")
		}
		if c.Audio == "promised" {
			v.rewrite(c, func() { c.Audio = "link" })
		}
	}
}

// modelStore refuses writes, or interrupts, when it is told to.
type modelStore struct {
	Store
	vendor    *modelVendor // its lock guards the counters
	refuseIn  int          // writes until one is refused; 0 is never
	cancelIn  int          // writes until interrupt is called
	after     bool         // once the write is done, rather than before
	interrupt func()
}

func (s *modelStore) Save(ctx context.Context, batch call.Batch) error {
	s.vendor.mu.Lock()
	refuse, cancel := countdown(&s.refuseIn), countdown(&s.cancelIn)
	after, interrupt := s.after, s.interrupt
	s.vendor.mu.Unlock()
	if cancel && !after {
		interrupt()
	}
	if refuse {
		return errors.New("the disk is slow to answer")
	}
	err := s.Store.Save(ctx, batch)
	if cancel && after {
		interrupt()
	}
	return err
}

func countdown(n *int) bool {
	if *n == 0 {
		return false
	}
	*n--
	return *n == 0
}
