package index

import (
	"errors"
	"fmt"

	"callsyncd/call"
)

const (
	// maxExact is how many changed calls a search looks at one by one to say
	// what it covers; of more, every one counts as a call not searched.
	maxExact = 100
	// maxPending is how many feed entries are read for that at most.
	maxPending = 5000
)

// pendingChanges are the calls that changed after a snapshot.
type pendingChanges struct {
	keys    []call.Key // distinct
	isNew   int        // how many of them the index does not have
	calls   int        // how many there are at most, also those not in keys
	unknown bool       // keys is not all of them
	first   call.Change
}

// coverage says how much of the calls selected by f, as documents and as they
// are by now, the snapshot answers for.
// It may count less than was searched, never more.
func (x *Index) coverage(p *planner, f *call.Filter, selected docSet) (call.Coverage, error) {
	c := call.Coverage{AsOf: x.now().UTC()}
	pending, err := x.pending(p)
	if err != nil {
		return c, err
	}
	if pending.calls > 0 {
		c.AsOf = pending.first.At.UTC()
	}
	exact := !pending.unknown && len(pending.keys) <= maxExact
	stale, err := p.numbersOf(pending.keys, &pending, exact)
	if err != nil {
		return c, err
	}
	pendingTranscript, err := p.terms(keyPart, partTerm(call.PartTranscript, call.Pending))
	if err != nil {
		return c, err
	}
	pendingTranscript.and(selected)
	cut, err := p.terms(keyFlag, flagCut)
	if err != nil {
		return c, err
	}
	cut.and(selected)
	c.TooLong = p.countWithout(cut, stale)
	all, waiting := p.countWithout(selected, stale), p.countWithout(pendingTranscript, stale)
	cut.andNot(pendingTranscript)
	searchable := all - waiting - p.countWithout(cut, stale)
	if !exact {
		c.Calls = all + pending.isNew
		c.Waiting = call.CoverageWaiting{Transcript: waiting, Index: pending.calls}
		c.Searchable = max(0, searchable-pending.calls)
		return c, nil
	}
	c.Calls, c.Searchable, c.Waiting.Transcript = all, searchable, waiting
	return c, x.countChanged(p, f, pending.keys, &c)
}

// countChanged adds the changed calls that f selects as the store has them.
func (x *Index) countChanged(p *planner, f *call.Filter, keys []call.Key, c *call.Coverage) error {
	for _, key := range keys {
		record, err := x.src.Load(p.ctx, key)
		if errors.Is(err, call.ErrNotFound) || errors.Is(err, call.ErrCorrupt) {
			continue
		}
		if err != nil {
			return fmt.Errorf("load changed call: %w", err)
		}
		if !matches(f, &record.Call) {
			continue
		}
		c.Calls++
		c.Waiting.Index++
		if record.Call.Parts.Transcript == call.Pending {
			c.Waiting.Transcript++
		}
	}
	return nil
}

// pending lists what the feed holds beyond the snapshot.
func (x *Index) pending(p *planner) (pendingChanges, error) {
	out := pendingChanges{}
	applied, err := appliedOf(p.reader)
	if err != nil {
		return out, err
	}
	if x.src.LastSeq() <= applied {
		return out, nil
	}
	changes, err := x.src.Changes(p.ctx, applied, maxPending)
	if err != nil || len(changes) == 0 {
		return out, err
	}
	out.first = changes[0]
	seen := map[call.Key]bool{}
	for _, c := range changes {
		if !seen[c.Key] {
			seen[c.Key] = true
			out.keys = append(out.keys, c.Key)
		}
	}
	out.calls = len(out.keys)
	if last, newest := changes[len(changes)-1].Seq, x.src.LastSeq(); len(changes) == maxPending && newest > last {
		out.unknown = true
		out.calls += int(newest - last)
	}
	return out, nil
}

// numbersOf finds the documents of changed calls, and counts the calls that
// have none. Unless exact, only counting is done.
func (p *planner) numbersOf(keys []call.Key, pending *pendingChanges, exact bool) (docSet, error) {
	stale := p.emptySet()
	for _, key := range keys {
		found := false
		for i := range p.parts {
			docs, err := p.parts[i].DocNumbers([]string{key.String()})
			if err != nil {
				return nil, err
			}
			found = found || !docs.IsEmpty()
			if exact {
				stale[i].Or(docs)
			}
		}
		if !found {
			pending.isNew++
		}
	}
	return stale, nil
}

// countWithout counts the documents of a set that are not stale.
func (p *planner) countWithout(s, stale docSet) int {
	n := s.count()
	for i := range s {
		n -= s[i].AndCardinality(stale[i])
	}
	return int(n)
}
