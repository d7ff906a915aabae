package callsync

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"time"

	"callsyncd/call"
)

const (
	// lookupLife is how long a table of names is good for.
	lookupLife = 24 * time.Hour
	// lookupRetry is how soon a failed refresh is tried again.
	lookupRetry = time.Hour
	// learnedMapping remembers which description produced the stored calls.
	learnedMapping = "mapping"
)

// lookups makes the tables of names ready before calls are mapped. A table
// that cannot be had costs names, never calls.
func (e *Engine) lookups(ctx context.Context) error {
	e.mu.Lock()
	fresh := time.Since(e.lookupsAt) < lookupRetry
	e.mu.Unlock()
	if fresh {
		return nil
	}
	ctx = call.WithPurpose(ctx, call.PurposeLookup)
	changed := e.Checkpoint().Learned[learnedMapping] != e.info.Mapping
	for _, name := range e.info.Lookups {
		moved, err := e.lookup(ctx, name)
		if err != nil {
			return err
		}
		changed = changed || moved
	}
	if changed {
		if err := e.remap(ctx); err != nil {
			return err
		}
	}
	e.mu.Lock()
	e.lookupsAt = time.Now()
	e.mu.Unlock()
	return nil
}

// lookup loads one table, refreshes it when it is old, and reports whether its rows changed.
func (e *Engine) lookup(ctx context.Context, name string) (changed bool, err error) {
	table, err := e.store.Lookup(ctx, e.src.ID, name)
	if err != nil {
		return false, err
	}
	e.src.Provider.SetLookup(table)
	life := lookupLife
	if table.Error != "" {
		life = lookupRetry
	}
	if !table.FetchedAt.IsZero() && time.Since(table.FetchedAt) < life {
		return false, nil
	}
	fresh, err := e.src.Provider.FetchLookup(ctx, name)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil:
		e.log.Warn("names not refreshed", "lookup", name, "err", err)
		table.Name, table.Error, table.FetchedAt = name, err.Error(), time.Now().UTC()
		return false, e.store.SaveLookup(ctx, e.src.ID, table)
	}
	fresh.FetchedAt = time.Now().UTC()
	e.src.Provider.SetLookup(fresh)
	same := maps.EqualFunc(table.Rows, fresh.Rows, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
	return !same, e.store.SaveLookup(ctx, e.src.ID, fresh)
}

// remap applies the present description and tables to all stored calls, from
// their stored documents: no request is made.
func (e *Engine) remap(ctx context.Context) error {
	var keys []call.Key
	if err := e.store.Keys(ctx, e.src.ID, func(k call.Key) error { keys = append(keys, k); return nil }); err != nil {
		return err
	}
	var writes []call.Write
	for _, key := range keys {
		w, err := e.remapOne(ctx, key)
		if err != nil {
			return err
		}
		if w != nil {
			writes = append(writes, *w)
		}
		if len(writes) == e.info.PageSize {
			if err := e.save(ctx, writes, nil); err != nil {
				return err
			}
			writes = nil
		}
	}
	return e.save(ctx, writes, func(c *call.Checkpoint) { c.Learned[learnedMapping] = e.info.Mapping })
}

func (e *Engine) remapOne(ctx context.Context, key call.Key) (*call.Write, error) {
	release, err := e.claims.take(ctx, []call.ID{key.ID})
	if err != nil {
		return nil, err
	}
	defer release()
	record, docs, err := e.stored(ctx, key)
	if err != nil || record == nil {
		return nil, err
	}
	mapped, err := e.src.Provider.Map(docs)
	if err != nil {
		e.log.Warn("stored call no longer maps", "call_id", string(key.ID), "err", err)
		return nil, nil
	}
	next := e.record(key, record, &mapped, record.Fingerprints, nil)
	next.Parts = record.Parts
	next.Mirror()
	if sameCall(&record.Call, &next.Call) {
		return nil, nil
	}
	return &call.Write{Record: next, Kind: call.ChangeUpdated}, nil
}
