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
	if err := e.naming.enter(ctx); err != nil {
		return err
	}
	defer e.naming.leave()
	if !e.lookupsAt.IsZero() && e.now().Sub(e.lookupsAt) < lookupRetry {
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
	e.lookupsAt = e.now()
	return nil
}

// lookupLoop keeps the tables fresh while the daemon runs, so that the head
// walk never waits for names.
func (e *Engine) lookupLoop(ctx context.Context) error {
	for {
		if err := e.lookups(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			e.log.Warn("names", "err", err)
		}
		if err := e.clock.Wait(ctx, lookupRetry+time.Minute, nil); err != nil {
			return err
		}
	}
}

// lookup loads one table, refreshes it when it is old, and reports whether its rows changed.
func (e *Engine) lookup(ctx context.Context, name string) (changed bool, err error) {
	table, err := e.store.Lookup(ctx, e.src.ID, name)
	if err != nil {
		return false, err
	}
	life := lookupLife
	if table.Error != "" {
		life = lookupRetry
	}
	if age := e.now().Sub(table.FetchedAt); !table.FetchedAt.IsZero() && 0 <= age && age < life { // below 0 the clock was set back
		return false, nil
	}
	fresh, err := e.src.Provider.FetchLookup(ctx, name)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil:
		e.log.Warn("names not refreshed", "lookup", name, "err", err)
		table.Name, table.Error, table.FetchedAt = name, err.Error(), e.now().UTC()
		return false, e.store.SaveLookup(ctx, e.src.ID, table)
	}
	fresh.FetchedAt = e.now().UTC()
	e.src.Provider.SetLookup(fresh)
	same := maps.EqualFunc(table.Rows, fresh.Rows, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
	return !same, e.store.SaveLookup(ctx, e.src.ID, fresh)
}
