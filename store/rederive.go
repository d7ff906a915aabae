package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

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

var errNoSuchCall = errors.New("a row of a call that is not stored")

func isDerived(bucket []byte) bool {
	return slices.ContainsFunc(derived, func(b []byte) bool { return bytes.Equal(b, bucket) })
}

// mending has do begin anew once, when what it read does not agree with the
// calls: what is derived from them is made anew before. What do found so far may
// be wrong and must not count.
func (s *Store) mending(ctx context.Context, do func() error) error {
	err := do()
	if _, ok := errors.AsType[*misled](err); !ok {
		return err
	}
	if _, mendErr := s.Rederive(ctx, ""); mendErr != nil {
		return fmt.Errorf("%w; %w", err, mendErr)
	}
	return do()
}

// Rederive holds what is derived from the calls of a source, or of all when it is
// empty, against them: the time index, the queues, the gaps and the counters. A
// bit that changes on the disk there hides a call from lists, or a part from its
// next try, and no reader would miss it. When anything differs it is made anew
// for all calls. So are the keys of calls, and calls that are gone, as far as
// versions tell of them. It returns whether anything was mended.
func (s *Store) Rederive(ctx context.Context, source call.SourceID) (mended bool, err error) {
	c := newComparison(source)
	err = c.run(func(bucket, prefix []byte, row rowFunc) error {
		return s.scan(ctx, bucket, prefix, nil, scanner{row: row})
	})
	if err == nil && c.wrong {
		// That was in short transactions, and a call saved between two of them looks
		// like a contradiction. One moment, looked at without holding up writers, tells.
		err = s.viewCalls(ctx, func(tx *bolt.Tx) error {
			c = newComparison(source)
			return c.run(func(bucket, prefix []byte, row rowFunc) error { return walk(tx, bucket, prefix, row) })
		})
	}
	if err == nil && c.wrong {
		err = s.rederive(ctx)
		mended = err == nil
	}
	if err != nil {
		return mended, fmt.Errorf("hold what is derived from the calls against them: %w", err)
	}
	return mended, nil
}

func (s *Store) rederive(ctx context.Context) error {
	s.log.Error("what is derived from the calls contradicts them and is made anew")
	write := func(fn func(*writer) error) error {
		return s.settingAside(ctx, func() error { return s.join(ctx, fn) })
	}
	if err := write((*writer).rename); err != nil {
		return err
	}
	err := s.scan(ctx, bucketVersions, nil, nil, scanner{row: func(tx *bolt.Tx, _, row []byte) (bool, error) {
		if key, gone := orphan(tx, nil, row); gone {
			return false, &spoiled{key, spoiledRecord, fmt.Errorf("%w: it is gone although versions speak of it", call.ErrCorrupt)}
		}
		return true, nil
	}})
	if err != nil {
		return err
	}
	return write((*writer).rederive)
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
		if _, ok := errors.AsType[*misled](err); ok {
			err, rows = nil, -1
		}
		if c.wrong = rows != c.rows[string(bucket)]; err != nil || c.wrong {
			return err
		}
	}
	err := walk(bucketCounts, nil, c.counters)
	c.wrong = c.wrong || len(c.counts) > 0 // a source with calls and no counters
	return err
}

func (c *comparison) call(tx *bolt.Tx, k, v []byte) (more bool, err error) {
	if !inPlace(tx, k, v) {
		c.wrong = true
		return false, nil
	}
	key, err := parseCallKey(k)
	if err != nil {
		return true, nil // nothing names a call by it; left to Check
	}
	r, _, err := decodeRecord(key, v)
	if err != nil {
		return false, err
	}
	c.wrong = len(c.enter(tx, k, &r)) > 0
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
	t.count(r)
	return wrong
}

func (t *account) count(r *call.Record) {
	counts := t.counts[r.Call.Source]
	if counts == nil {
		empty := newCounts()
		counts = &empty
		t.counts[r.Call.Source] = counts
	}
	countCall(counts, r, 1)
}

// orphan tells of a row of the versions bucket whether its call, one whose key
// begins with prefix, is not there.
func orphan(tx *bolt.Tx, prefix, row []byte) (key call.Key, gone bool) {
	if len(row) == 0 || row[0] != sealed {
		return key, false // what it says may be what changed
	}
	v, _, err := cutHead(row)
	if err != nil || !bytes.HasPrefix(v.version.callKey, prefix) || tx.Bucket(bucketCalls).Get(v.version.callKey) != nil {
		return key, false
	}
	key, err = parseCallKey(v.version.callKey)
	return key, err == nil
}

// inPlace reports whether a row of the calls bucket is found by its key, and that
// is the one its versions know.
func inPlace(tx *bolt.Tx, k, v []byte) bool {
	return bytes.Equal(tx.Bucket(bucketCalls).Get(k), v) && bytes.Equal(nameOf(tx, k, v), k)
}

// nameOf is the key that the newest version of a call gives it; k, where it is
// stored, when none can be read.
func nameOf(tx *bolt.Tx, k, v []byte) []byte {
	refs, err := refsOf(v)
	if err != nil || len(refs.versions) == 0 {
		return k
	}
	row := tx.Bucket(bucketVersions).Get(seqKey(refs.versions[len(refs.versions)-1]))
	if len(row) == 0 || row[0] != sealed {
		return k // what it says may be what changed
	}
	version, _, err := cutHead(row)
	if err != nil {
		return k
	}
	return version.version.callKey
}

// rename brings calls back whose key was changed on the disk: their versions know
// it. Such a key is out of order too, as a rule, and hides others from whoever
// looks for theirs, so that nothing can be written among them: all are stored anew.
func (w *writer) rename() error {
	inOrder := true
	err := walk(w.tx, bucketCalls, nil, func(tx *bolt.Tx, k, v []byte) (bool, error) {
		inOrder = inPlace(tx, k, v)
		return inOrder, nil
	})
	if err != nil || inOrder {
		return err
	}
	rows, double, renamed := map[string][]byte{}, []entry(nil), []string(nil)
	err = walk(w.tx, bucketCalls, nil, func(tx *bolt.Tx, k, v []byte) (bool, error) {
		name, had := nameOf(tx, k, v), rows[string(nameOf(tx, k, v))]
		moved := !bytes.Equal(name, k)
		switch {
		case had == nil:
			rows[string(name)] = bytes.Clone(v)
		case moved:
			double = append(double, entry{key: bytes.Clone(name), value: bytes.Clone(v)})
		default: // the one that has been stored under its name since
			double = append(double, entry{key: bytes.Clone(name), value: had})
			rows[string(name)] = bytes.Clone(v)
		}
		if moved {
			renamed = append(renamed, string(name))
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if err := w.refill(bucketCalls, rows); err != nil {
		return err
	}
	for _, e := range double {
		if err := w.keepAside(e.key, asideRecord, e.value); err != nil {
			return err
		}
	}
	return w.tellRenamed(renamed)
}

// tellRenamed notes with calls that their keys were damaged.
func (w *writer) tellRenamed(names []string) error {
	for _, name := range names {
		if _, err := parseCallKey([]byte(name)); err != nil {
			continue
		}
		event := call.Event{Kind: call.EventDamaged, Note: "a record of it was stored under a damaged key"}
		if err := errors.Join(w.remember([]byte(name), event), w.change([]byte(name), call.ChangeUpdated)); err != nil {
			return err
		}
	}
	return nil
}

// refill replaces all rows of a bucket. They go in by the order of their keys:
// every other one takes time that grows with the square of their number.
func (w *writer) refill(bucket []byte, rows map[string][]byte) error {
	w.dirty = true
	if err := w.tx.DeleteBucket(bucket); err != nil {
		return err
	}
	b, err := w.tx.CreateBucket(bucket)
	if err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(rows)) {
		if err := b.Put([]byte(k), rows[k]); err != nil {
			return err
		}
	}
	return nil
}

// rederive makes anew what is derived from the calls.
func (w *writer) rederive() error {
	rows := make(map[string]map[string][]byte)
	for _, bucket := range derived {
		rows[string(bucket)] = make(map[string][]byte)
	}
	t := newAccount()
	err := walk(w.tx, bucketCalls, nil, func(_ *bolt.Tx, k, v []byte) (bool, error) {
		key, err := parseCallKey(k)
		if err != nil {
			return true, nil // nothing names a call by it
		}
		r, _, err := decodeRecord(key, v)
		if err != nil {
			return false, err
		}
		t.count(&r)
		for _, e := range entriesOf(k, &r) {
			rows[string(e.bucket)][string(e.key)] = e.value
		}
		return true, nil
	})
	for _, bucket := range derived {
		if err == nil {
			err = w.refill(bucket, rows[string(bucket)])
		}
	}
	if err != nil {
		return err
	}
	if err := w.refill(bucketCounts, nil); err != nil {
		return err
	}
	for source, c := range t.counts {
		if err := w.counts(source, *c); err != nil {
			return err
		}
	}
	return nil
}

// walk visits the rows of a bucket in one transaction.
func walk(tx *bolt.Tx, bucket, prefix []byte, row rowFunc) error {
	c := tx.Bucket(bucket).Cursor()
	for k, v := c.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, v = c.Next() {
		if more, err := row(tx, k, v); err != nil || !more {
			return err
		}
	}
	return nil
}
