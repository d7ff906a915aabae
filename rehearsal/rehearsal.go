package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/simulator"
)

// beginning is when every rehearsal begins, so that two of them are alike. It
// comes later when a source wants no calls from before a later day.
var beginning = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// Options say what is rehearsed.
type Options struct {
	// Config is the user's own. Its data folder is not touched, its vendors are
	// not asked, its secrets are not read.
	Config *config.Config
	// Faults are names of Faults, or "all".
	Faults []string
	Seed   uint64
	Calls  int           // of each source at the start; half as many come later
	For    time.Duration // of vendor time with faults
	Rounds int           // in that time
	// Dir is an empty folder for everything the rehearsal writes.
	Dir     string
	Log     *slog.Logger
	Version string
	// Problems makes of a source's status what a user is shown of it; nil means
	// everything.
	Problems func(*call.SourceStatus) []string
	// Observe is told before each round; nil is allowed.
	Observe func(Progress)
}

// Progress tells where a rehearsal is.
type Progress struct {
	Round, Rounds int // Round begins at 1; greater than Rounds once it is calm
	Now           time.Time
	Faults        []string // in force for any source
}

// Run rehearses. Its error is for what made a report impossible; an
// *UnknownFault names a fault that does not exist.
func Run(ctx context.Context, o Options) (*Report, error) {
	begun := time.Now()
	faults, err := choose(o.Faults)
	if err != nil {
		return nil, err
	}
	p := &play{o: o, faults: faults, clock: &clock{at: beginning}, step: o.For / time.Duration(o.Rounds)}
	p.report = &Report{Config: o.Config.File, Seed: o.Seed, Rounds: o.Rounds, StepHours: p.step.Hours(),
		Faults: []string{}, Skipped: []Skipped{}, Damage: []string{}, Sources: []Source{}}
	for _, f := range faults {
		p.report.Faults = append(p.report.Faults, f.Name)
	}
	defer p.closeVendors()
	if err := p.prepare(ctx); err != nil {
		return nil, fmt.Errorf("rehearse: %w", err)
	}
	if len(p.actors) > 0 {
		if err := p.run(ctx); err != nil {
			return nil, fmt.Errorf("rehearse: %w", err)
		}
	}
	p.report.ElapsedSeconds = time.Since(begun).Seconds()
	return p.report, nil
}

// play is one rehearsal under way.
type play struct {
	o      Options
	faults []Fault
	clock  *clock
	step   time.Duration
	actors []*actor
	moved  *config.Config
	stage  *stage
	words  wording
	report *Report
}

// prepare finds a simulated vendor for every source, starts it, and writes the
// configuration.
func (p *play) prepare(ctx context.Context) error {
	for i := range p.o.Config.Sources {
		s := &p.o.Config.Sources[i]
		if s.Since.After(p.clock.Now().AddDate(0, 0, -7)) {
			p.clock.reach(s.Since.AddDate(0, 0, 7))
		}
	}
	for i := range p.o.Config.Sources {
		s := &p.o.Config.Sources[i]
		r, ok, err := cast(ctx, p.o.Config, s, p.o.Dir)
		if err != nil {
			return err
		}
		if !ok {
			p.report.Skipped = append(p.report.Skipped, Skipped{s.Name, s.Provider,
				"none of the simulated vendors is like the one this provider file describes"})
			continue
		}
		if err := p.engage(s, r); err != nil {
			return err
		}
	}
	if len(p.actors) == 0 {
		return nil
	}
	minFree, note := room(p.o.Config, p.o.Dir)
	p.report.Scaled = append(p.scaled(), note)
	if note == "" {
		p.report.Scaled = p.scaled()
	}
	var err error
	p.moved, err = move(p.o.Config, p.o.Dir, minFree, p.actors)
	return err
}

// engage starts the simulated vendor of a source, in a world of its own.
func (p *play) engage(s *config.Source, r role) error {
	a := &actor{source: *s, plan: newPlan(p.o.Seed, string(s.Name), p.faults, p.o.Rounds)}
	o := simulator.Options{
		Seed: random(p.o.Seed, "world "+string(s.Name)).Uint64(), Calls: p.o.Calls, Now: p.clock.Now, Budgets: true,
		Late: a.plan.late(), LateAfter: lateAfter, Growth: p.o.For / time.Duration(p.o.Calls/2+1),
	}
	a.sim = simulator.New(r.options(o))
	p.actors = append(p.actors, a)
	if err := a.sim.Start(); err != nil {
		return err
	}
	a.vendor = a.sim.Vendors()[0]
	return nil
}

func (p *play) closeVendors() {
	for _, a := range p.actors {
		_ = a.sim.Close() // they are gone with the process anyway
	}
}

// scaled says what is not as in life.
func (p *play) scaled() []string {
	list := []string{
		fmt.Sprintf("%s of vendor time pass in %d rounds, %s apart; within a round the clock stands still, and waiting for budgets, Retry-After and retries is skipped", short(p.o.For), p.o.Rounds, short(p.step)),
	}
	for _, a := range p.actors {
		when := a.source.Schedule
		now := p.clock.Now()
		for _, w := range []struct {
			name  string
			every time.Duration
		}{{"head walk", when.Head.Interval(now)}, {"trailing walk", when.Trailing.Interval(now)}, {"sweep", when.Sweep.Interval(now)}} {
			if w.every < p.step {
				list = append(list, fmt.Sprintf("%s: the %s is done once a round instead of every %s", a.source.Name, w.name, short(w.every)))
			}
		}
	}
	return list
}

// short writes a duration without what is zero.
func short(d time.Duration) string {
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// run plays the rounds, waits for everything to heal, and judges.
func (p *play) run(ctx context.Context) (err error) {
	p.stage = &stage{clock: p.clock, log: p.o.Log, version: p.o.Version, config: p.moved}
	if err := p.stage.open(ctx, false); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.stage.close()) }()
	for round := range p.o.Rounds {
		if err := p.round(ctx, round); err != nil {
			return err
		}
	}
	if err := p.heal(ctx); err != nil {
		return err
	}
	return p.conclude(ctx)
}

// round lets a step of time pass, the vendors live, and the program work.
func (p *play) round(ctx context.Context, round int) error {
	if round > 0 {
		p.clock.reach(p.clock.Now().Add(p.step))
	}
	now := Progress{Round: round + 1, Rounds: p.o.Rounds, Now: p.clock.Now()}
	seen := map[string]bool{}
	for _, a := range p.actors {
		a.sim.SetFaults(a.plan.faults(round))
		if round < p.o.Rounds {
			a.live(p.o.Seed, round)
		}
		for _, f := range a.plan.at(round) {
			if !seen[f.Name] {
				now.Faults = append(now.Faults, f.Name)
			}
			seen[f.Name] = true
		}
	}
	if p.o.Observe != nil {
		p.o.Observe(now)
	}
	if err := p.stage.ensure(ctx, seen[diskFull]); err != nil {
		return err
	}
	if err := p.listen(ctx, round, false); err != nil {
		return err
	}
	if seen[restart] {
		if err := p.stage.interrupt(ctx, 1+random(p.o.Seed, fmt.Sprintf("restart %d", round)).IntN(12)); err != nil {
			return err
		}
	}
	if err := p.stage.turn(ctx); err != nil {
		return err
	}
	return p.listen(ctx, round, true)
}

// live changes and deletes calls of a vendor after the fact. What is changed is
// seen in every vendor's list; nobody could notice anything else.
func (a *actor) live(seed uint64, round int) {
	r := random(seed, fmt.Sprintf("life %s %d", a.source.Name, round))
	ids := a.sim.Spoken(a.vendor.Name)
	edits, deletes := r.IntN(2) == 0, r.IntN(16) == 0
	if round == 0 || len(ids) == 0 {
		return
	}
	if edits {
		summary, outcome := fmt.Sprintf("Edited in round %d.", round+1), fmt.Sprintf("edited-%d", round+1)
		change := simulator.Edit{Summary: &summary, Outcome: &outcome}
		_ = a.sim.EditCall(a.vendor.Name, ids[r.IntN(len(ids))], change) // it was there just now
	}
	if deletes {
		_ = a.sim.DeleteCall(a.vendor.Name, ids[r.IntN(len(ids))]) // it was there just now
	}
}

// listen asks for status as a user would, before the work of a round for the
// time left, and after it for the words.
func (p *play) listen(ctx context.Context, round int, after bool) error {
	status, err := p.stage.api.Status(ctx)
	if err != nil {
		return err
	}
	for i := range status.Value.Sources {
		s := &status.Value.Sources[i]
		a := p.actor(s.Name)
		if left := s.MinutesToNextLoss; left != nil && (a.least == nil || *left < *a.least) {
			a.least = left
		}
		if after {
			problems := s.Problems
			if p.o.Problems != nil {
				problems = p.o.Problems(s)
			}
			p.words.hear(round+1, s.Name, problems, a.plan.at(round))
		}
	}
	return nil
}

func (p *play) actor(name call.SourceID) *actor {
	for _, a := range p.actors {
		if a.source.Name == name {
			return a
		}
	}
	return nil
}

// heal lets calm rounds pass until every source is as its vendor, at most until
// a sweep and the late parts have had their time.
func (p *play) heal(ctx context.Context) error {
	calm, most := p.clock.Now(), lateAfter
	for _, a := range p.actors {
		a.sim.Quiet()
		most = max(most, a.source.Schedule.Sweep.Interval(calm))
	}
	limit := int(most/p.step) + 3
	for round := p.o.Rounds; round < p.o.Rounds+limit; round++ {
		if err := p.round(ctx, round); err != nil {
			return err
		}
		p.report.CalmRounds++
		healed := true
		for _, a := range p.actors {
			if a.healed != nil {
				continue
			}
			f, err := a.judge(ctx, p.stage.api)
			if err != nil {
				return err
			}
			if f.complete() {
				since := p.clock.Now().Sub(calm)
				a.healed = &since
			} else {
				healed = false
			}
		}
		if healed {
			return nil
		}
	}
	return nil
}

// conclude writes the rest of the report.
func (p *play) conclude(ctx context.Context) error {
	for _, a := range p.actors {
		figures, err := a.judge(ctx, p.stage.api)
		if err != nil {
			return err
		}
		s := Source{Source: a.source.Name, Provider: a.source.Provider, Vendor: a.vendor.Name, Figures: figures, Measured: a.measured(&figures)}
		p.report.Sources = append(p.report.Sources, s)
	}
	proof, err := p.stage.api.Verify(ctx)
	if err != nil {
		return err
	}
	for _, found := range proof.Value.Problems {
		p.report.Damage = append(p.report.Damage, strings.TrimSpace(found.Kind+" "+found.File+": "+found.Detail))
	}
	p.report.Words = p.words.list()
	return nil
}

func (a *actor) measured(f *Figures) Measured {
	stats := a.sim.Stats(a.vendor.Name)
	m := Measured{Requests: stats.Requests, Downloads: stats.MediaDownloads, Faults: stats.Faults, Rejected: stats.Rejected,
		LeastMinutes: a.least, LeakedCredentials: stats.MediaCredentials}
	total := 0
	for kind, n := range stats.Requests {
		if kind != "lookup" {
			total += n
		}
	}
	if f.AtVendor > 0 {
		m.RequestsPerCall = float64(total) / float64(f.AtVendor)
	}
	m.Again = max(0, stats.MediaDownloads-f.recordingsKept)
	if a.healed != nil {
		m.HealHours = hours(*a.healed)
	}
	return m
}
