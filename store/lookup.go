package store

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// Lookup returns a stored lookup table; one without rows and with a zero
// FetchedAt when there is none.
func (s *Store) Lookup(ctx context.Context, source call.SourceID, name string) (call.LookupTable, error) {
	table := call.LookupTable{Name: name}
	err := s.view(ctx, func(tx *bolt.Tx) (err error) {
		key := lookupKey(source, name)
		b, err := openRow(key, tx.Bucket(bucketLookups).Get(key))
		if err == nil && b != nil {
			table, err = decodeLookup(name, b)
		}
		return err
	})
	if err != nil {
		return call.LookupTable{}, fmt.Errorf("load lookup %s of source %s: %w", name, source, err)
	}
	return table, nil
}

// SaveLookup replaces the stored table of that name.
func (s *Store) SaveLookup(ctx context.Context, source call.SourceID, table call.LookupTable) error {
	err := checkSource(source)
	if err == nil {
		err = s.update(ctx, func(w *writer) error {
			key := lookupKey(source, table.Name)
			return w.put(bucketLookups, key, sealRow(key, encodeLookup(&table)))
		})
	}
	if err != nil {
		return fmt.Errorf("save lookup %s of source %s: %w", table.Name, source, err)
	}
	return nil
}

func lookupKey(source call.SourceID, name string) []byte {
	return append(sourcePrefix(source), name...)
}

// encodeLookup keeps every byte of the rows.
func encodeLookup(t *call.LookupTable) []byte {
	b := appendTime(nil, t.FetchedAt)
	b = appendBytes(b, []byte(t.Error))
	for _, id := range slices.Sorted(maps.Keys(t.Rows)) {
		b = appendBytes(b, []byte(id))
		b = appendBytes(b, t.Rows[id])
	}
	return pack(nil, b)
}

func decodeLookup(name string, b []byte) (t call.LookupTable, err error) {
	t = call.LookupTable{Name: name, Rows: map[string]json.RawMessage{}}
	if b, err = unpack(b); err != nil {
		return t, err
	}
	if t.FetchedAt, b, err = cutTime(b); err != nil {
		return t, err
	}
	text, b, err := cutBytes(b)
	if err != nil {
		return t, err
	}
	t.Error = string(text)
	for len(b) > 0 {
		var id, row []byte
		if id, b, err = cutBytes(b); err != nil {
			return t, err
		}
		if row, b, err = cutBytes(b); err != nil {
			return t, err
		}
		t.Rows[string(id)] = row
	}
	return t, nil
}
