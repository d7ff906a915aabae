package provider

import (
	"slices"
	"sync"

	"callsyncd/call"
)

// maxMissed bounds the ids of one table that are remembered.
const maxMissed = 10_000

// misses are the ids that calls referred to and that are in no table.
type misses struct {
	mu     sync.Mutex
	wanted map[string]map[string]bool // by table: looked for since the table was set
	absent map[string]map[string]bool // by table: looked for, and not in the fresh table either
}

func newMisses() *misses {
	return &misses{wanted: make(map[string]map[string]bool), absent: make(map[string]map[string]bool)}
}

// ownKey is where the tables given to jq carry the provider's misses; no table
// has an empty name.
const ownKey = ""

// missed is the jq function that is called when an id is not in its table.
func missed(_ any, args []any) any {
	tables, _ := args[0].(map[string]any)
	m, _ := tables[ownKey].(*misses)
	table, _ := args[1].(string)
	id, _ := args[2].(string)
	if m != nil {
		m.note(table, id)
	}
	return nil
}

func (m *misses) note(table, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.absent[table][id] || len(m.wanted[table]) >= maxMissed {
		return
	}
	if m.wanted[table] == nil {
		m.wanted[table] = make(map[string]bool)
	}
	m.wanted[table][id] = true
}

// renewed settles what was looked for in a table that was read again.
func (m *misses) renewed(t *call.LookupTable) {
	m.mu.Lock()
	defer m.mu.Unlock()
	absent := make(map[string]bool)
	for _, ids := range []map[string]bool{m.absent[t.Name], m.wanted[t.Name]} {
		for id := range ids {
			if _, there := t.Rows[id]; !there && len(absent) < maxMissed {
				absent[id] = true
			}
		}
	}
	m.absent[t.Name] = absent
	delete(m.wanted, t.Name)
}

// Missed names the tables in which a call was looked up in vain since they were
// set. An id that a fresh table does not have either is not asked for again.
func (p *Provider) Missed() []string {
	p.misses.mu.Lock()
	defer p.misses.mu.Unlock()
	var names []string
	for name := range p.misses.wanted {
		if p.d.spec.Lookups[name] != nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
