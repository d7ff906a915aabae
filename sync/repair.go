package callsync

import (
	"context"

	"callsyncd/call"
)

// Repair changes a stored call while nothing else works on it: it waits for the
// walk or the download that does. fn is shown the record as it is then, and
// returns what to write of it, nil to leave it alone.
func (e *Engine) Repair(ctx context.Context, key call.Key, fn func(*call.Record) (*call.Write, error)) error {
	ids := []call.ID{key.ID}
	done, err := e.fetching.take(ctx, ids) // first, as downloads do
	if err != nil {
		return err
	}
	defer done()
	release, err := e.claims.take(ctx, ids)
	if err != nil {
		return err
	}
	defer release()
	record, err := e.store.Load(ctx, key)
	if err != nil {
		return err
	}
	write, err := fn(&record)
	if err != nil || write == nil {
		return err
	}
	return e.write(ctx, *write)
}
