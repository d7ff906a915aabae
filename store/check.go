package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

// maxFindings bounds what Check reports; a damage that shows more often is
// clear by then.
const maxFindings = 1000

// CheckResult is what Check looked at and what it found wrong.
type CheckResult struct {
	Calls    int
	Versions int
	// Findings contradict the archive; there are 1000 at most. Their kinds are
	// database (pages of the file), bad_call, bad_transcript, bad_version,
	// bad_index (time index, queues, gaps), bad_counts, bad_feed, bad_history and
	// bad_source (checkpoints, budgets, statements, tables of names).
	Findings []call.VerifyFinding
}

// Check proves that the archive agrees with itself: the pages of the file are
// in order, every version has the content its hash was made of, versions are
// numbered without gap, and the time index, queues, gaps and counters say what
// the calls say. An error means that it could not look; what it sees is in the
// result.
//
// It looks at a copy, which needs as much free space as the archive takes:
// bbolt compares pages with the list of free ones that writers are changing,
// and a read transaction that long would make a busy archive grow.
func (s *Store) Check(ctx context.Context) (CheckResult, error) {
	s.checking.Lock()
	defer s.checking.Unlock()
	c := checker{ctx: ctx}
	if err := s.checkCopy(ctx, &c); err != nil {
		return c.result, fmt.Errorf("check archive: %w", err)
	}
	return c.result, nil
}

func (s *Store) checkCopy(ctx context.Context, c *checker) (err error) {
	path := filepath.Join(s.dir, snapshotName)
	defer func() {
		if removeErr := os.Remove(path); !errors.Is(removeErr, fs.ErrNotExist) {
			err = errors.Join(err, removeErr)
		}
	}()
	if err := s.view(ctx, func(tx *bolt.Tx) error { return tx.CopyFile(path, 0o600) }); err != nil {
		return fmt.Errorf("copy: %w", err)
	}
	crashpoint.Reach(crashpoint.CheckCopied)
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: holdTimeout, NoStatistics: true})
	if err != nil {
		return fmt.Errorf("open copy: %w", err)
	}
	return errors.Join(db.View(c.run), db.Close())
}

// checker is one run of Check inside one transaction.
type checker struct {
	ctx    context.Context
	result CheckResult
	tx     *bolt.Tx
	account
}

func (c *checker) run(tx *bolt.Tx) error {
	c.tx, c.account = tx, newAccount()
	for err := range tx.Check() {
		c.found("database", nil, "%v", err)
	}
	if len(c.result.Findings) > 0 {
		return nil // walking damaged pages proves nothing
	}
	for _, step := range []func() error{c.calls, c.strays, c.totals, c.feed, c.facts} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) found(kind string, key *call.Key, format string, args ...any) {
	if len(c.result.Findings) < maxFindings {
		c.result.Findings = append(c.result.Findings, call.VerifyFinding{Kind: kind, Key: key, Detail: fmt.Sprintf(format, args...)})
	}
}

// each visits all rows of a bucket.
func (c *checker) each(bucket []byte, row func(k, v []byte)) error {
	cursor, n := c.tx.Bucket(bucket).Cursor(), 0
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		if n++; n%rowsPerView == 0 && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		row(k, v)
	}
	return nil
}

// calls checks every call with its versions and the rows it implies.
func (c *checker) calls() error {
	return c.each(bucketCalls, func(k, v []byte) {
		c.result.Calls++
		key, err := parseCallKey(k)
		if err != nil {
			c.found("bad_call", nil, "%v", err)
			return
		}
		r, refs, err := decodeRecord(key, v)
		if err != nil {
			c.found("bad_call", &key, "%v", err)
			return
		}
		c.versions(key, k, refs.versions)
		c.transcript(key, k, &refs)
		for _, e := range c.enter(c.tx, k, &r) {
			c.found("bad_index", &key, "its row in %s is missing or wrong", e.bucket)
		}
	})
}

// versions checks that every version of a call is there and sound.
func (c *checker) versions(key call.Key, callKey []byte, seqs []uint64) {
	if len(seqs) == 0 {
		c.found("bad_version", &key, "it has no version")
	}
	for i, seq := range seqs {
		row := c.tx.Bucket(bucketVersions).Get(seqKey(seq))
		if row == nil {
			c.found("bad_version", &key, "version %d is missing", i+1)
			continue
		}
		c.result.Versions++
		v, err := decodeVersion(row)
		if err == nil {
			err = v.belongs(callKey, i+1)
		}
		if err != nil {
			c.found("bad_version", &key, "version %d: %v", i+1, err)
		}
	}
}

func (c *checker) transcript(key call.Key, callKey []byte, refs *refs) {
	if refs.digest == nil {
		return
	}
	if refs.transcript == ownTranscript {
		c.rows[string(bucketTranscripts)]++
	}
	if _, err := loadTranscript(c.tx, callKey, refs); err != nil {
		c.found("bad_transcript", &key, "%v", err)
	}
}

// implied are the buckets whose rows calls account for one by one, with the
// kind of finding when they do not.
var implied = []struct {
	bucket []byte
	kind   string
}{
	{bucketVersions, "bad_version"}, {bucketTranscripts, "bad_transcript"}, {bucketTimes, "bad_index"},
	{bucketDue, "bad_index"}, {bucketDeadlines, "bad_index"}, {bucketGaps, "bad_index"},
}

// strays looks for rows that no call implies, by their number.
func (c *checker) strays() error {
	c.rows[string(bucketVersions)] = c.result.Versions
	for _, i := range implied {
		rows := 0
		if err := c.each(i.bucket, func(_, _ []byte) { rows++ }); err != nil {
			return err
		}
		if want := c.rows[string(i.bucket)]; rows != want {
			c.found(i.kind, nil, "%s has %d rows, the calls account for %d", i.bucket, rows, want)
		}
	}
	return nil
}

func (c *checker) totals() error {
	err := c.each(bucketCounts, func(k, _ []byte) {
		source := call.SourceID(k)
		stored, err := loadCounts(c.tx, source)
		if err != nil {
			c.found("bad_counts", nil, "%v", err)
			return
		}
		if counted := c.counts[source]; counted == nil || !sameCounts(stored, *counted) {
			c.found("bad_counts", nil, "source %.64q: the counters differ from the calls", source)
		}
		delete(c.counts, source)
	})
	if err != nil {
		return err
	}
	for source := range c.counts {
		c.found("bad_counts", nil, "source %s has calls and no counters", source)
	}
	return nil
}

// facts checks what nothing else implies: the lives of calls, and what is kept
// of sources.
func (c *checker) facts() error {
	packed := func(body []byte) bool { _, err := unpack(body); return err == nil }
	for _, f := range []struct {
		bucket []byte
		kind   string
		sound  func(body []byte) bool
	}{
		{bucketHistory, "bad_history", json.Valid}, {bucketCheckpoints, "bad_source", json.Valid}, {bucketBudgets, "bad_source", json.Valid},
		{bucketStatements, "bad_source", packed}, {bucketLookups, "bad_source", packed},
	} {
		err := c.each(f.bucket, func(k, v []byte) {
			if body, err := openRow(k, v); err != nil || !f.sound(body) {
				c.found(f.kind, nil, "a row of %s is damaged: %q", f.bucket, k)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// feed checks that the change feed has no gap and speaks of stored calls.
func (c *checker) feed() error {
	last := uint64(0)
	err := c.each(bucketChanges, func(k, v []byte) {
		change, err := decodeChange(k, v)
		if err != nil {
			c.found("bad_feed", nil, "%v", err)
			return
		}
		if change.Seq != last+1 {
			c.found("bad_feed", nil, "entry %d follows entry %d", change.Seq, last)
		}
		last = change.Seq
		if key, err := callKey(change.Key); err != nil || c.tx.Bucket(bucketCalls).Get(key) == nil {
			c.found("bad_feed", &change.Key, "entry %d speaks of a call that is not stored", change.Seq)
		}
	})
	if seq := c.tx.Bucket(bucketChanges).Sequence(); err == nil && seq != last {
		c.found("bad_feed", nil, "the last entry is %d, %d were made", last, seq)
	}
	return err
}
