package callsync

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"

	"callsyncd/call"
)

const (
	// lookupLife is how long a table of names is good for when no call misses
	// anything in it; a large one costs many requests, and names seldom change.
	lookupLife, largeLife = 24 * time.Hour, 7 * 24 * time.Hour
	// lookupRetry is how soon a table is read again after a failure, or because a
	// call refers to what is not in it; a large one once a day at most.
	lookupRetry, largeRetry = time.Hour, 24 * time.Hour
	// largeTable is how many rows make a table large.
	largeTable = 1000
	// learnedMapping remembers which description produced the stored calls.
	learnedMapping = "mapping"
	// learnedNames is set while names were read and stored calls may lack them.
	learnedNames = "names"
)

// tableState is what is known of a table of names without reading it.
type tableState struct {
	fetchedAt time.Time // zero: never
	failed    bool
	rows      int
}

func stateOf(t *call.LookupTable) tableState {
	return tableState{t.FetchedAt, t.Error != "", len(t.Rows)}
}

// due reports whether a table is worth its requests now. One that no call refers
// to is never read.
func (t tableState) due(now time.Time, missed bool) bool {
	life, retry := lookupLife, lookupRetry
	if t.rows > largeTable {
		life, retry = largeLife, largeRetry
	}
	age := now.Sub(t.fetchedAt)
	switch {
	case t.fetchedAt.IsZero():
		return missed
	case age < 0:
		return true // the clock was set back
	case t.failed:
		return age >= lookupRetry
	case missed:
		return age >= retry
	}
	return age >= life
}

// named makes a long walk with names: what calls refer to is read beside it,
// behind more urgent requests, and the calls mapped before that get their names
// at the end. A table that cannot be had costs names, never calls.
func (e *Engine) named(ctx context.Context, walk func(context.Context) error) error {
	if err := e.renamed(ctx); err != nil {
		return err
	}
	over, read := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(read)
		select {
		case <-over:
		case <-e.missed:
			if err := e.readNames(ctx); err != nil && ctx.Err() == nil {
				e.log.Warn("names", "err", err)
			}
		}
	}()
	err := walk(ctx)
	close(over)
	<-read
	if ctx.Err() != nil || errors.Is(err, call.ErrUnauthorized) {
		return err
	}
	return errors.Join(err, e.lookups(ctx))
}

// lookups reads the tables of names that are due, and names the stored calls anew.
func (e *Engine) lookups(ctx context.Context) error {
	if err := e.readNames(ctx); err != nil {
		return err
	}
	return e.renamed(ctx)
}

// readNames reads the tables of names that are due.
func (e *Engine) readNames(ctx context.Context) error {
	if err := e.naming.enter(ctx); err != nil {
		return err
	}
	defer e.naming.leave()
	ctx = call.WithPurpose(ctx, call.PurposeLookup)
	missed := e.src.Provider.Missed()
	for _, name := range e.info.Lookups {
		if !e.tables[name].due(e.now(), slices.Contains(missed, name)) {
			continue
		}
		if err := e.readLookup(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// renamed maps the stored calls again when the description, or a name, is another.
func (e *Engine) renamed(ctx context.Context) error {
	if err := e.naming.enter(ctx); err != nil {
		return err
	}
	defer e.naming.leave()
	if learned := e.learned(); learned[learnedMapping] == e.info.Mapping && learned[learnedNames] == "" {
		return nil
	}
	return e.remap(ctx)
}

// noteMissed tells a long walk that a call was mapped without a name.
func (e *Engine) noteMissed() {
	if len(e.info.Lookups) == 0 || len(e.src.Provider.Missed()) == 0 {
		return
	}
	select {
	case e.missed <- struct{}{}:
	default:
	}
}

// lookupLoop keeps the tables fresh while the daemon runs, so that the head
// walk never waits for names.
func (e *Engine) lookupLoop(ctx context.Context) error {
	for {
		wait, err := lookupRetry+time.Minute, e.unlessRefused()
		if err == nil {
			err = e.lookups(ctx)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, errRefused):
			wait = time.Minute
		case err != nil:
			e.log.Warn("names", "err", err)
		}
		if err := e.clock.Wait(ctx, wait, nil); err != nil {
			return err
		}
	}
}

// lookup returns the stored table; an old, empty one when that cannot be read.
func (e *Engine) lookup(ctx context.Context, name string) (call.LookupTable, error) {
	table, err := e.store.Lookup(ctx, e.src.ID, name)
	if err != nil && e.unreadable("the table of "+name, err) {
		return call.LookupTable{Name: name, FetchedAt: time.Unix(0, 0)}, nil
	}
	return table, err
}

// readLookup reads one table from the vendor.
func (e *Engine) readLookup(ctx context.Context, name string) error {
	table, err := e.lookup(ctx, name)
	if err != nil {
		return err
	}
	fresh, err := e.src.Provider.FetchLookup(ctx, name)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		e.log.Warn("names not refreshed", "lookup", name, "err", err)
		table.Name, table.Error, table.FetchedAt = name, err.Error(), e.now().UTC()
		e.tables[name] = stateOf(&table)
		return e.store.SaveLookup(ctx, e.src.ID, table)
	}
	fresh.FetchedAt = e.now().UTC()
	if !maps.EqualFunc(table.Rows, fresh.Rows, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
		// Before the table: a crash in between must not leave calls without names.
		if err := e.save(ctx, nil, func(c *call.Checkpoint) { c.Learned[learnedNames] = "due" }); err != nil {
			return err
		}
	}
	if err := e.store.SaveLookup(ctx, e.src.ID, fresh); err != nil {
		return err
	}
	e.src.Provider.SetLookup(fresh)
	e.tables[name] = stateOf(&fresh)
	return nil
}
