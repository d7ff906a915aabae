package callsync

import (
	"context"

	"callsyncd/call"
)

// Repair changes a stored call while nothing else works on it: it waits for the
// walk or the download that does. fn is shown the record as it is then, and
// returns what to write of it, nil to leave it alone.
func (e *Engine) Repair(ctx context.Context, key call.Key, fn func(*call.Record) (*call.Write, error)) error {
	done, err := e.fetching.take(ctx, []call.ID{key.ID}) // first, as downloads do
	if err != nil {
		return err
	}
	defer done()
	return e.revise(ctx, key, fn)
}

// revise changes a stored call while it is claimed. fn is shown the record as it
// is then, and returns what to write of it, nil to leave it alone.
func (e *Engine) revise(ctx context.Context, key call.Key, fn func(*call.Record) (*call.Write, error)) error {
	release, err := e.claims.take(ctx, []call.ID{key.ID})
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
