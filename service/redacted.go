package service

import (
	"context"

	"callsyncd/call"
	"callsyncd/redact"
	"callsyncd/store"
)

// redactedStore is the store as readers and the index see it: payment card
// data is masked. The vendor's bytes stay as they came, in the versions.
type redactedStore struct{ *store.Store }

// Load reads a call with its transcript, masked.
func (s redactedStore) Load(ctx context.Context, key call.Key) (call.Record, error) {
	return masked(s.Store.Load(ctx, key))
}

// LoadLight reads a call without its transcript, masked.
func (s redactedStore) LoadLight(ctx context.Context, key call.Key) (call.Record, error) {
	return masked(s.Store.LoadLight(ctx, key))
}

func masked(r call.Record, err error) (call.Record, error) {
	if err != nil {
		return r, err
	}
	r.Call = redact.Call(r.Call)
	return r, nil
}

// List lists calls, masked.
func (s redactedStore) List(ctx context.Context, q call.ListQuery) (call.List, error) {
	list, err := s.Store.List(ctx, q)
	for i := range list.Calls {
		list.Calls[i] = redact.Call(list.Calls[i])
	}
	return list, err
}
