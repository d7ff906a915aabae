package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// Known returns what is remembered of those calls of a source that are stored.
func (s *Store) Known(ctx context.Context, source call.SourceID, ids []call.ID) (map[call.ID]call.Known, error) {
	known := make(map[call.ID]call.Known, len(ids))
	for some := range slices.Chunk(ids, rowsPerView) {
		err := s.viewCalls(ctx, func(tx *bolt.Tx) error {
			calls := tx.Bucket(bucketCalls)
			for _, id := range some {
				key := call.Key{Source: source, ID: id}
				stored, err := callKey(key)
				if err != nil {
					continue // it can not be stored, so it is not known
				}
				b := calls.Get(stored)
				if b == nil {
					continue
				}
				if known[id], err = decodeKnown(key, b); err != nil {
					return fmt.Errorf("call %.64q: %w", id, err)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look up calls of source %s: %w", source, err)
		}
	}
	return known, nil
}

// Load returns a call with its transcript; call.ErrNotFound when there is none.
func (s *Store) Load(ctx context.Context, key call.Key) (call.Record, error) {
	return s.load(ctx, key, loadFull)
}

// LoadLight returns a call without its transcript; call.ErrNotFound when there is none.
func (s *Store) LoadLight(ctx context.Context, key call.Key) (call.Record, error) {
	return s.load(ctx, key, loadRecord)
}

func (s *Store) load(ctx context.Context, key call.Key, from func(*bolt.Tx, call.Key, []byte) (call.Record, error)) (r call.Record, err error) {
	b, err := callKey(key)
	if err != nil {
		err = fmt.Errorf("%w: %w", call.ErrNotFound, err)
	} else {
		err = s.viewCalls(ctx, func(tx *bolt.Tx) error {
			r, err = from(tx, key, b)
			return err
		})
	}
	if err != nil {
		return call.Record{}, fmt.Errorf("load call %.128q: %w", key, err)
	}
	return r, nil
}

// loadRecord reads a call without its transcript. The zero record goes with an error.
func loadRecord(tx *bolt.Tx, key call.Key, callKey []byte) (call.Record, error) {
	r, _, err := loadStored(tx, key, callKey)
	return r, err
}

func loadStored(tx *bolt.Tx, key call.Key, callKey []byte) (call.Record, refs, error) {
	b := tx.Bucket(bucketCalls).Get(callKey)
	if b == nil {
		return call.Record{}, refs{}, call.ErrNotFound
	}
	return decodeRecord(key, b)
}

// loadFull reads a call with its transcript.
func loadFull(tx *bolt.Tx, key call.Key, callKey []byte) (call.Record, error) {
	r, refs, err := loadStored(tx, key, callKey)
	if err != nil {
		return call.Record{}, err
	}
	if refs.digest != nil {
		if r.Call.Transcript, err = loadTranscript(tx, callKey, &refs); err != nil {
			return call.Record{}, &spoiled{key, spoiledTranscript, err}
		}
	}
	return r, nil
}

// Documents returns the newest known documents of a call; call.ErrNotFound
// when there is no such call. A version that cannot be read is passed over where
// later ones brought all its documents; else the call is set aside for it, and
// what is left of its documents may be older ones, or none.
func (s *Store) Documents(ctx context.Context, key call.Key) (docs call.Documents, err error) {
	b, err := callKey(key)
	if err != nil {
		return nil, fmt.Errorf("load documents of %.128q: %w: %w", key, call.ErrNotFound, err)
	}
	err = s.settingAside(ctx, func() error {
		r, rows, err := s.versionRows(ctx, key, b)
		if err == nil {
			docs, err = newestDocuments(b, rows, &r)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load documents of %.128q: %w", key, err)
	}
	return docs, nil
}

// versionRows reads a call and the rows of its versions, oldest first; nil for
// one that is not there.
func (s *Store) versionRows(ctx context.Context, key call.Key, callKey []byte) (r call.Record, rows [][]byte, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) (err error) {
		var refs refs
		r, refs, err = loadStored(tx, key, callKey)
		for _, seq := range refs.versions {
			rows = append(rows, bytes.Clone(tx.Bucket(bucketVersions).Get(seqKey(seq))))
		}
		return err
	})
	return r, rows, err
}

// newestDocuments merges the rows of all versions of a call, the newest first.
func newestDocuments(callKey []byte, rows [][]byte, r *call.Record) (call.Documents, error) {
	docs := call.Documents{}
	for i, row := range slices.Backward(rows) {
		v, err := numberedVersion(callKey, i+1, row)
		if err != nil {
			for name := range r.Fingerprints {
				if _, have := docs[name]; !have {
					return nil, &spoiled{r.Call.Key, spoiledVersion, err}
				}
			}
			continue
		}
		for name, doc := range v.documents {
			if _, newer := docs[name]; !newer {
				docs[name] = doc
			}
		}
	}
	return docs, nil
}

func numberedVersion(callKey []byte, number int, row []byte) (storedVersion, error) {
	v, err := decodeVersion(row)
	if err == nil {
		err = v.belongs(callKey, number)
	}
	if err != nil {
		return v, fmt.Errorf("version %d: %w", number, err)
	}
	return v, nil
}

// Versions returns every observed version of a call, oldest first, each with
// all documents known at its time; call.ErrNotFound when there is no such call.
// One that cannot be read is marked, and has the time of the one before.
func (s *Store) Versions(ctx context.Context, key call.Key) ([]call.Version, error) {
	b, err := callKey(key)
	if err != nil {
		return nil, fmt.Errorf("load versions of %.128q: %w: %w", key, call.ErrNotFound, err)
	}
	var rows [][]byte
	err = s.settingAside(ctx, func() (err error) {
		_, rows, err = s.versionRows(ctx, key, b)
		return err
	})
	var versions []call.Version
	if err == nil {
		versions = mergeVersions(b, rows)
	}
	if err != nil {
		return nil, fmt.Errorf("load versions of %.128q: %w", key, err)
	}
	return versions, nil
}

// mergeVersions decodes the rows of all versions of a call and completes each
// with the documents that had not changed.
func mergeVersions(callKey []byte, rows [][]byte) []call.Version {
	versions := make([]call.Version, 0, len(rows))
	all := call.Documents{}
	for i, row := range rows {
		v, err := numberedVersion(callKey, i+1, row)
		if err != nil {
			damaged := call.Version{Number: i + 1, Documents: maps.Clone(all), Damaged: true}
			if i > 0 {
				damaged.ObservedAt = versions[i-1].ObservedAt
			}
			versions = append(versions, damaged)
			continue
		}
		maps.Copy(all, v.documents)
		versions = append(versions, call.Version{Number: v.number, ObservedAt: v.observedAt, Fingerprint: v.fingerprint, Documents: maps.Clone(all)})
	}
	return versions
}

// Checkpoint returns what a source saved to resume; the zero value when it
// saved nothing.
func (s *Store) Checkpoint(ctx context.Context, source call.SourceID) (cp call.Checkpoint, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		body, err := openRow([]byte(source), tx.Bucket(bucketCheckpoints).Get([]byte(source)))
		if err != nil || body == nil {
			return err
		}
		if err := json.Unmarshal(body, &cp); err != nil {
			return fmt.Errorf("%w: %w", call.ErrCorrupt, err)
		}
		return nil
	})
	if err != nil {
		return call.Checkpoint{}, fmt.Errorf("load checkpoint of source %s: %w", source, err)
	}
	return cp, nil
}

// Budget returns what was last saved as the budget of a source; nil when
// nothing was.
func (s *Store) Budget(ctx context.Context, source call.SourceID) (budget json.RawMessage, err error) {
	err = s.view(ctx, func(tx *bolt.Tx) error {
		body, err := openRow([]byte(source), tx.Bucket(bucketBudgets).Get([]byte(source)))
		budget = bytes.Clone(body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load budget of source %s: %w", source, err)
	}
	return budget, nil
}

// Counts returns the running totals of a source, or of all sources together
// when source is empty. The maps have an entry for every part.
func (s *Store) Counts(ctx context.Context, source call.SourceID) (counts call.Counts, err error) {
	err = s.mending(ctx, func() error {
		return s.view(ctx, func(tx *bolt.Tx) error {
			sources, err := sourcesOf(tx)
			if source != "" {
				sources = []call.SourceID{source}
			}
			if err == nil {
				counts, err = totalCounts(tx, sources)
			}
			return err
		})
	})
	if err != nil {
		return call.Counts{}, fmt.Errorf("count calls: %w", err)
	}
	return counts, nil
}

func totalCounts(tx *bolt.Tx, sources []call.SourceID) (call.Counts, error) {
	total := newCounts()
	for _, source := range sources {
		counts, err := loadCounts(tx, source)
		if err != nil {
			return call.Counts{}, err
		}
		addCounts(&total, counts)
	}
	return total, nil
}

// Each calls fn for every call of a source, or of all when source is empty, in
// key order, without transcripts. fn may take its time and may use the store.
// It ends at fn's first error, which it returns.
func (s *Store) Each(ctx context.Context, source call.SourceID, fn func(call.Record) error) error {
	var records []call.Record
	return s.scanCalls(ctx, source, scanner{
		row: func(_ *bolt.Tx, k, v []byte) (bool, error) {
			key, err := parseCallKey(k)
			if err != nil {
				return false, &misled{bucketCalls, err}
			}
			r, _, err := decodeRecord(key, v)
			if err != nil {
				return false, fmt.Errorf("call %.128q: %w", key, err)
			}
			records = append(records, r)
			return true, nil
		},
		flush: func() error { return deliver(&records, fn) },
	})
}

// Keys is Each for the keys alone.
func (s *Store) Keys(ctx context.Context, source call.SourceID, fn func(call.Key) error) error {
	var keys []call.Key
	return s.scanCalls(ctx, source, scanner{
		row: func(_ *bolt.Tx, k, _ []byte) (bool, error) {
			key, err := parseCallKey(k)
			if err != nil {
				return false, &misled{bucketCalls, err}
			}
			keys = append(keys, key)
			return true, nil
		},
		flush: func() error { return deliver(&keys, fn) },
	})
}

// scanCalls visits the calls of a source. Those whose keys are damaged are
// brought back, and it goes on where it was.
func (s *Store) scanCalls(ctx context.Context, source call.SourceID, sc scanner) error {
	var last []byte
	row := sc.row
	sc.row = func(tx *bolt.Tx, k, v []byte) (bool, error) {
		more, err := row(tx, k, v)
		if err == nil {
			last = append(last[:0], k...)
		}
		return more, err
	}
	return s.mending(ctx, func() error { return s.scan(ctx, bucketCalls, sourcePrefix(source), last, sc) })
}

// deliver hands rows over and forgets them.
func deliver[T any](rows *[]T, fn func(T) error) error {
	for _, row := range *rows {
		if err := fn(row); err != nil {
			return err
		}
	}
	*rows = (*rows)[:0]
	return nil
}
