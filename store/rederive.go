package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// derived are the buckets whose rows entriesOf returns.
var derived = [][]byte{bucketTimes, bucketDue, bucketDeadlines, bucketGaps}

// misled says that a derived row does not agree with the calls.
type misled struct {
	bucket []byte
	err    error
}

func (e *misled) Error() string {
	return fmt.Sprintf("%s contradicts the calls: %v; run `callsyncd verify`", e.bucket, e.err)
}

func (e *misled) Unwrap() []error { return []error{call.ErrCorrupt, e.err} }

var (
	errNoSuchCall = errors.New("a row of a call that is not stored")
	// errOrder: nothing that looks for a key finds those beside one that is out of
	// order, and what is written then goes to the wrong place.
	errOrder = fmt.Errorf("%w: the calls are out of order, so that some cannot be found; nothing was changed: restore a backup", call.ErrCorrupt)
)

// Rederive holds what is derived from the calls of a source, or of all when it is
// empty, against them: the time index, the queues, the gaps and the counters. A
// bit that changes on the disk there hides a call from lists, or a part from its
// next try, and no reader would miss it. When anything differs it is made anew
// for all calls. So are calls that are gone although versions speak of them, as
// far as these tell. It returns whether anything was mended. Calls that are out
// of order are a call.ErrCorrupt; nothing is changed then.
func (s *Store) Rederive(ctx context.Context, source call.SourceID) (mended bool, err error) {
	c := newComparison(source)
	// In short transactions, so that a call saved meanwhile may look like a
	// contradiction; rederive looks again.
	err = c.run(func(bucket, prefix []byte, row rowFunc) error {
		return s.scan(ctx, bucket, prefix, nil, scanner{row: row})
	})
	if err == nil && c.wrong {
		mended, err = s.rederive(ctx)
	}
	if err != nil {
		return mended, fmt.Errorf("hold what is derived from the calls against them: %w", err)
	}
	return mended, nil
}

func (s *Store) rederive(ctx context.Context) (mended bool, err error) {
	renamed := false
	err = s.update(ctx, func(w *writer) error {
		renamed, err = w.rename()
		return err
	})
	if err != nil {
		return false, err
	}
	restored := false
	err = s.scan(ctx, bucketVersions, nil, nil, scanner{row: func(tx *bolt.Tx, _, row []byte) (bool, error) {
		key, gone := orphan(tx, nil, row)
		if !gone {
			return true, nil
		}
		restored = true
		return false, &spoiled{key, spoiledRecord, fmt.Errorf("%w: it is gone although versions speak of it", call.ErrCorrupt)}
	}})
	if err != nil {
		return renamed, err
	}
	remade := false
	err = s.update(ctx, func(w *writer) error {
		remade, err = w.rederive()
		return err
	})
	if remade {
		s.log.Error("what is derived from the calls contradicted them and was made anew")
	}
	return renamed || restored || remade, err
}

type rowFunc = func(tx *bolt.Tx, k, v []byte) (more bool, err error)

// comparison holds what is derived from calls against them, up to the first
// contradiction.
type comparison struct {
	source call.SourceID // empty for all
	prefix []byte
	wrong  bool
	account
}

func newComparison(source call.SourceID) *comparison {
	return &comparison{source: source, prefix: sourcePrefix(source), account: newAccount()}
}

// run compares, with a function that visits the rows of a bucket.
func (c *comparison) run(walk func(bucket, prefix []byte, row rowFunc) error) error {
	if err := walk(bucketCalls, c.prefix, c.call); err != nil || c.wrong {
		return err
	}
	if err := walk(bucketVersions, nil, c.version); err != nil || c.wrong {
		return err
	}
	for _, bucket := range derived {
		rows := 0
		err := walk(bucket, c.prefix, func(*bolt.Tx, []byte, []byte) (bool, error) {
			rows++
			return true, nil
		})
		if c.wrong = rows != c.rows[string(bucket)]; err != nil || c.wrong {
			return err
		}
	}
	err := walk(bucketCounts, nil, c.counters)
	c.wrong = c.wrong || len(c.counts) > 0 // a source with calls and no counters
	return err
}

func (c *comparison) call(tx *bolt.Tx, k, v []byte) (more bool, err error) {
	if tx.Bucket(bucketCalls).Get(k) == nil {
		return false, errOrder
	}
	key, unnamed := parseCallKey(k)
	r, refs, err := decodeRecord(key, v)
	switch {
	case unnamed != nil && err != nil:
		return true, nil // nothing is known of it; left to Check
	case err != nil:
		return false, err
	}
	c.wrong = nameOf(tx, k, &refs) != nil || unnamed == nil && len(c.enter(tx, k, &r)) > 0
	return !c.wrong, nil
}

func (c *comparison) version(tx *bolt.Tx, _, row []byte) (more bool, err error) {
	_, c.wrong = orphan(tx, c.prefix, row)
	return !c.wrong, nil
}

func (c *comparison) counters(tx *bolt.Tx, k, _ []byte) (more bool, err error) {
	source := call.SourceID(k)
	if c.source != "" && source != c.source {
		return true, nil
	}
	stored, err := loadCounts(tx, source)
	counted := c.counts[source]
	c.wrong = err != nil || counted == nil || !sameCounts(stored, *counted)
	delete(c.counts, source)
	return !c.wrong, nil
}

// account is what calls imply.
type account struct {
	rows   map[string]int // by derived bucket
	counts map[call.SourceID]*call.Counts
}

func newAccount() account { return account{map[string]int{}, map[call.SourceID]*call.Counts{}} }

// enter adds a call and returns its rows that are missing or wrong.
func (t *account) enter(tx *bolt.Tx, callKey []byte, r *call.Record) (wrong []entry) {
	for _, e := range entriesOf(callKey, r) {
		t.rows[string(e.bucket)]++
		if !bytes.Equal(tx.Bucket(e.bucket).Get(e.key), e.value) {
			wrong = append(wrong, e)
		}
	}
	counts := t.counts[r.Call.Source]
	if counts == nil {
		empty := newCounts()
		counts = &empty
		t.counts[r.Call.Source] = counts
	}
	countCall(counts, r, 1)
	return wrong
}

// orphan tells of a row of the versions bucket whether its call, one whose key
// begins with prefix, is not there.
func orphan(tx *bolt.Tx, prefix, row []byte) (key call.Key, gone bool) {
	v, _, err := cutHead(row)
	if err != nil || !bytes.HasPrefix(v.version.callKey, prefix) || tx.Bucket(bucketCalls).Get(v.version.callKey) != nil {
		return key, false
	}
	key, err = parseCallKey(v.version.callKey)
	return key, err == nil
}

// nameOf returns the key that the newest version of a call gives it, when it is
// another one than the call is stored under and the call can be brought there.
func nameOf(tx *bolt.Tx, callKey []byte, refs *refs) (name []byte) {
	if len(refs.versions) == 0 {
		return nil
	}
	calls := tx.Bucket(bucketCalls)
	row := tx.Bucket(bucketVersions).Get(seqKey(refs.versions[len(refs.versions)-1]))
	v, _, err := cutHead(row)
	if err != nil || bytes.Equal(v.version.callKey, callKey) || calls.Get(v.version.callKey) != nil {
		return nil
	}
	return v.version.callKey
}

// rename brings calls back whose key was changed on the disk: their versions
// know it.
func (w *writer) rename() (renamed bool, err error) {
	calls := w.tx.Bucket(bucketCalls)
	names := map[string][]byte{}
	c := calls.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		_, refs, err := decodeRecord(call.Key{}, v)
		if err != nil {
			continue
		}
		if name := nameOf(w.tx, k, &refs); name != nil {
			names[string(k)] = name
		}
	}
	for k, name := range names {
		value := bytes.Clone(calls.Get([]byte(k)))
		if err := errors.Join(w.put(bucketCalls, name, value), w.delete(bucketCalls, []byte(k))); err != nil {
			return false, err
		}
	}
	return len(names) > 0, nil
}

// rederive makes anew what is derived from the calls when it contradicts them.
func (w *writer) rederive() (remade bool, err error) {
	c := newComparison("")
	if err := c.run(w.walk); err != nil || !c.wrong {
		return false, err
	}
	w.dirty = true
	for _, bucket := range append([][]byte{bucketCounts}, derived...) {
		if err := w.tx.DeleteBucket(bucket); err != nil {
			return false, err
		}
		if _, err := w.tx.CreateBucket(bucket); err != nil {
			return false, err
		}
	}
	t := newAccount()
	err = w.walk(bucketCalls, nil, func(tx *bolt.Tx, k, v []byte) (bool, error) {
		key, err := parseCallKey(k)
		if err != nil {
			return true, nil // nothing names a call by it
		}
		r, _, err := decodeRecord(key, v)
		if err != nil {
			return false, err
		}
		for _, e := range t.enter(tx, k, &r) {
			if err := w.put(e.bucket, e.key, e.value); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	for source, counts := range t.counts {
		err = errors.Join(err, w.counts(source, *counts))
	}
	return err == nil, err
}

// walk visits the rows of a bucket.
func (w *writer) walk(bucket, prefix []byte, row rowFunc) error {
	c := w.tx.Bucket(bucket).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix) && k != nil; k, v = c.Next() {
		if more, err := row(w.tx, k, v); err != nil || !more {
			return err
		}
	}
	return nil
}
