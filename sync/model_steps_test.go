package callsync

import (
	"context"
	"errors"
	"fmt"
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
}

func drawScenario(t *rapid.T) scenario {
	yes := rapid.Bool()
	v := vendorPlan{
		Paging:      rapid.SampledFrom([]call.Paging{call.PagingPage, call.PagingOffset, call.PagingCursor}).Draw(t, "paging"),
		Order:       rapid.SampledFrom([]call.Order{call.OrderNewestFirst, call.OrderOldestFirst, call.OrderNone}).Draw(t, "order"),
		Total:       rapid.SampledFrom([]string{"", "calls", "rows"}).Draw(t, "total"),
		Clamp:       rapid.SampledFrom([]int{0, 0, 3, 2}).Draw(t, "clamp"),
		SaysSize:    yes.Draw(t, "says size"),
		SaysMore:    yes.Draw(t, "says more"),
		RepeatsLast: yes.Draw(t, "repeats last"),
		Flagless:    yes.Draw(t, "flagless"),
		Latency:     time.Duration(rapid.SampledFrom([]int{0, 0, 700}).Draw(t, "latency")) * time.Millisecond,
	}
	if v.Total == "" && !v.SaysMore {
		v.RepeatsLast = false // nothing shows where such a list ends; the engine says so on every walk
	}
	return scenario{
		Vendor:      v,
		Concurrency: rapid.SampledFrom([]int{1, 3}).Draw(t, "concurrency"),
		Steps:       rapid.SliceOfN(rapid.Custom(drawStep), 1, 40).Draw(t, "steps"),
		Daemon:      yes.Draw(t, "daemon"),
	}
}

// stepKinds are drawn with equal weight; what is to happen often stands here often.
var stepKinds = []string{
	"arrive", "arrive", "arrive", "late", "late", "edit", "edit", "give", "give", "flag", "link", "trouble", "hide", "hide", "show", "twice", "withdraw",
	"fault", "outage", "interrupt", "refuse",
	"head", "head", "trailing", "sweep", "round", "round", "full", "run", "restart", "sleep", "sleep",
}

func drawStep(t *rapid.T) step {
	number := rapid.IntRange(0, 19)
	return step{
		Kind: rapid.SampledFrom(stepKinds).Draw(t, "kind"), A: number.Draw(t, "a"), B: number.Draw(t, "b"), C: number.Draw(t, "c"),
		At: rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 4}).Draw(t, "at"),
	}
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
		for i := range 1 + s.A%6 {
			v.create(time.Duration(i)*time.Second, s)
		}
		return
	case "late": // visible behind the cursor: it was made up to eight days ago
		v.create(time.Duration(s.A*s.A)*30*time.Minute+30*time.Second, s)
		return
	}
	if len(v.calls) == 0 {
		return
	}
	c := v.calls[s.A%len(v.calls)]
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
		if c.listed && underWay {
			v.removals++
		}
		c.listed, c.answers, c.goneAt = false, s.B%2 == 0, time.Now()
	case "show":
		c.listed, c.shown, c.goneAt = true, v.mutations, time.Now()
	case "twice":
		if c.twice && underWay {
			v.removals++
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
	if v.calls = append(v.calls, c); s.B%2 == 0 {
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

// calm ends all trouble, and heals what the vendor shows wrongly.
func (v *modelVendor) calm() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.mutations++
	v.faults, v.countdown, v.faultTill, v.mediaTill, v.later = 0, 0, time.Time{}, time.Time{}, make(map[int][]step)
	for _, c := range v.calls {
		if c.twice = false; c.trouble != nil {
			c.trouble, c.mendedAt = nil, time.Now()
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
