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
	"mass", "return", "clamp",
	"fault", "fault", "odd", "outage", "interrupt", "interrupt", "refuse",
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
		Total:       []string{"", "", "", "calls", "calls", "calls", "rows", "rows", "high", "low"}[fair(t, 10, "total")],
		Window:      []string{"", "obeyed", "ignored"}[fair(t, 3, "window")],
		HeadEvery:   []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute}[fair(t, 3, "head every")],
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
	if v.Total == "low" {
		v.SaysSize = true // else nothing distinguishes a page cut short from the last one
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
			v.came(underWay)
		}
		return
	case "late": // visible behind the cursor: it was made up to thirty hours ago
		v.create(time.Duration(s.A*s.A)*5*time.Minute+30*time.Second, s)
		v.came(underWay)
		return
	case "mass": // more than a tenth at once
		for _, c := range v.calls[:len(v.calls)*2/5] {
			v.hide(c, true, underWay)
		}
		return
	case "return":
		for _, c := range v.calls {
			v.show(c, underWay)
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
		v.hide(c, s.B%2 == 0, underWay)
	case "show":
		if i := slices.IndexFunc(v.calls, func(c *modelCall) bool { return !c.listed }); i >= 0 {
			v.show(v.calls[i], underWay)
		}
	case "twice":
		if c.twice = !c.twice; c.twice {
			v.came(underWay)
		} else if underWay {
			v.vanished++
			v.appeared++ // the count of the calls stays as it is
		}
	}
}

// came notes that rows appeared, perhaps while pages were read.
func (v *modelVendor) came(underWay bool) {
	if underWay {
		v.appeared++
	}
}

// hide takes a call off the list; asked for by id, the vendor may still answer.
func (v *modelVendor) hide(c *modelCall, answers, underWay bool) {
	if !c.listed {
		return
	}
	if underWay {
		v.vanished++
	}
	c.listed, c.answers, c.goneAt, c.hidden = false, answers, time.Now(), v.mutations
}

// show puts a call back on the list.
func (v *modelVendor) show(c *modelCall, underWay bool) {
	if c.listed {
		return
	}
	v.came(underWay)
	c.listed, c.shown, c.shownAt, c.goneAt = true, v.mutations, time.Now(), time.Now()
}

// create makes a call of some time ago visible.
func (v *modelVendor) create(ago time.Duration, s step) {
	c := &modelCall{
		ID: fmt.Sprintf("c%03d", len(v.calls)), Created: time.Now().Add(-ago).UTC(), Flag: s.B%3 > 0,
		Audio: []string{"absent", "link", "link", "promised", "unknown"}[s.C%5], listed: true,
		versions: 1, shown: v.mutations, shownAt: time.Now(), changed: v.mutations, rowAt: v.mutations,
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
		v.faults = 1 + s.A%3
	case 1:
		v.faults = 20 + s.A
	case 2:
		v.faultName, v.fault, v.faultTill = "401", call.ErrUnauthorized, time.Now().Add(time.Duration(1+s.A)*10*time.Minute)
		return
	case 3:
		until := time.Now().Add(time.Duration(1+s.A) * 7 * time.Minute)
		v.faultName, v.fault, v.faultTill = "budget spent", &call.BudgetError{Source: "crm", Until: until, Why: "spent"}, until
		return
	}
	v.faultName = []string{"429", "500", "timeout", "cut body", "html 200"}[s.C%5] // to the engine they are one
	v.fault = fmt.Errorf("%s: %w", v.faultName, call.ErrTransient)
}

// stray begins list answers that look successful and are not the list.
func (v *modelVendor) stray(s step) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.odd, v.odds = []string{"empty", "repeat", "circle"}[s.B%3], 1+s.A
}

// calm ends all trouble, and heals what the vendor shows wrongly. A kind vendor
// also gives what it owes.
func (v *modelVendor) calm(kind bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mutations++
	v.faults, v.odds, v.countdown, v.faultTill, v.mediaTill, v.later = 0, 0, 0, time.Time{}, time.Time{}, make(map[int][]step)
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
	proved    func(*call.Statement) // is told of statements that say so
}

func (s *modelStore) Save(ctx context.Context, batch call.Batch) error {
	s.vendor.mu.Lock()
	refuse, cancel := countdown(&s.refuseIn), countdown(&s.cancelIn)
	if cancel {
		s.vendor.tally.fault("interrupted at a write")
	}
	after, interrupt := s.after, s.interrupt
	s.vendor.mu.Unlock()
	if cancel && !after {
		interrupt()
	}
	if refuse {
		s.vendor.tally.fault("write refused")
		return errors.New("the disk is slow to answer")
	}
	err := s.Store.Save(ctx, batch)
	if st := batch.Statement; err == nil && st != nil && st.Proved {
		s.proved(st)
	}
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
