package simulator

import (
	"maps"
	"sync"
)

// counts collects the Stats of one vendor.
type counts struct {
	mu    sync.Mutex
	stats Stats
	turns map[string]uint64
}

func newCounts() *counts {
	return &counts{
		stats: Stats{Requests: map[string]int{}, Rejected: map[string]int{}, Faults: map[string]int{}},
		turns: map[string]uint64{},
	}
}

// turn numbers the occasions for a fault, from 0.
func (c *counts) turn(name string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.turns[name]
	c.turns[name]++
	return n
}

func (c *counts) request(kind string) { c.edit(func(s *Stats) { s.Requests[kind]++ }) }
func (c *counts) reject(why string)   { c.edit(func(s *Stats) { s.Rejected[why]++ }) }
func (c *counts) fault(name string)   { c.edit(func(s *Stats) { s.Faults[name]++ }) }

// edit changes the stats under the lock.
func (c *counts) edit(change func(*Stats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(&c.stats)
}

// snapshot returns a copy nobody else changes.
func (c *counts) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Requests, s.Rejected, s.Faults = maps.Clone(s.Requests), maps.Clone(s.Rejected), maps.Clone(s.Faults)
	return s
}
