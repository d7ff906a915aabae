package rehearsal

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"callsyncd/simulator"
)

// lateAfter is how long after a call its late parts come.
const lateAfter = 3 * time.Hour

// window is how many rounds a fault of single requests stays as it is.
const window = 3

// plan says which faults are in force in each round of one source.
type plan struct {
	rounds [][]Fault
	shares map[string]float64
}

// random is a generator that follows from the seed and what it is for.
func random(seed uint64, what string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(what)) // never fails
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// newPlan spreads the faults over the rounds of a source. Faults of single
// requests come and go, more rarely the more of them there are; lasting ones
// come once or twice. An outage and what happens to the program are the same
// for all sources.
func newPlan(seed uint64, source string, faults []Fault, rounds int) *plan {
	p := &plan{rounds: make([][]Fault, rounds), shares: map[string]float64{}}
	passing := 0
	for _, f := range faults {
		if !f.lasting() {
			passing++
		}
	}
	often := min(0.7, 4/float64(max(passing, 1)))
	for _, f := range faults {
		of := source
		if f.vendor == nil || f.Name == "outage" {
			of = ""
		}
		r := random(seed, "plan "+f.Name+" "+of)
		p.shares[f.Name] = f.share(r)
		for round, on := range f.rounds(r, rounds, often) {
			if on {
				p.rounds[round] = append(p.rounds[round], f)
			}
		}
	}
	return p
}

// lasting reports whether a fault befalls everything for a while.
func (f Fault) lasting() bool { return f.vendor == nil || f.vendor.Lasting }

// share is how strong a fault is: its usual share, and up to half more or less.
func (f Fault) share(r *rand.Rand) float64 {
	x := r.Float64()
	if f.vendor == nil || f.vendor.Usual == 1 {
		return 1
	}
	return min(1, f.vendor.Usual*(0.5+x))
}

// rounds says in which rounds a fault is in force; in one at least.
func (f Fault) rounds(r *rand.Rand, n int, often float64) []bool {
	on := make([]bool, n)
	if !f.lasting() {
		on[r.IntN(n)] = true
		for begin := 0; begin < n; begin += window {
			if r.Float64() < often {
				for i := begin; i < min(n, begin+window); i++ {
					on[i] = true
				}
			}
		}
		return on
	}
	for range 1 + r.IntN(2) {
		begin, length := r.IntN(n), 1+r.IntN(max(1, n/12))
		if f.Name == restart {
			length = 1
		}
		for i := begin; i < min(n, begin+length); i++ {
			on[i] = true
		}
	}
	return on
}

// has reports whether a fault is in force in a round.
func (p *plan) has(name string, round int) bool {
	for _, f := range p.at(round) {
		if f.Name == name {
			return true
		}
	}
	return false
}

// at are the faults of a round; none once it is calm.
func (p *plan) at(round int) []Fault {
	if round >= len(p.rounds) {
		return nil
	}
	return p.rounds[round]
}

// faults are what a simulator is told in a round.
func (p *plan) faults(round int) simulator.Faults {
	o := simulator.Options{}
	for _, f := range p.at(round) {
		if f.vendor != nil {
			f.vendor.Set(&o, p.shares[f.Name])
		}
	}
	o.Faults.SlowBodyDelay = 100 * time.Millisecond // the only real waiting there is
	return o.Faults
}

// late is the share of new calls whose parts come late. That is decided when a
// call comes, so it holds for the whole rehearsal.
func (p *plan) late() float64 { return p.shares["late_parts"] }
