package store

import (
	"bytes"
	"context"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How much one read transaction may do. A longer one would make the file grow
// under a busy writer.
const (
	rowsPerView = 500
	timePerView = 50 * time.Millisecond
)

// scanner is what scan does with the rows it visits.
type scanner struct {
	// row is called inside a read transaction and must copy what it keeps. It
	// returns false to end the scan.
	row func(tx *bolt.Tx, k, v []byte) (more bool, err error)
	// flush, when set, is called after each transaction, outside of it.
	flush func() error
}

// scan visits the rows of a bucket whose keys begin with prefix and follow
// after, in key order, in short transactions. Rows written meanwhile are seen
// when their place is still ahead.
func (s *Store) scan(ctx context.Context, bucket, prefix, after []byte, sc scanner) error {
	for more := true; more; {
		err := s.viewCalls(ctx, func(tx *bolt.Tx) (err error) {
			more, after, err = scanSome(tx, bucket, prefix, after, sc.row)
			return err
		})
		if err != nil {
			return err
		}
		if sc.flush != nil {
			if err := sc.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// scanSome visits as many rows as one transaction may and returns the key of the
// last one, also with an error; more is false at the end. Of derived rows it
// compares the checksum and leaves it out.
func scanSome(tx *bolt.Tx, bucket, prefix, after []byte, row func(tx *bolt.Tx, k, v []byte) (bool, error)) (more bool, last []byte, err error) {
	c, isDerived := tx.Bucket(bucket).Cursor(), isDerived(bucket)
	k, v := c.Seek(maxKey(prefix, after))
	if isDerived {
		if k, v, err = seekEntry(c, bucket, maxKey(prefix, after)); err != nil {
			return false, after, err
		}
	}
	if k != nil && bytes.Equal(k, after) {
		k, v = c.Next()
	}
	quota := newQuota()
	last = bytes.Clone(after)
	for ; k != nil; k, v = c.Next() {
		if isDerived { // also the row that ends the scan: its prefix may be what changed
			if v, err = openEntry(bucket, k, v); err != nil {
				return false, last, err
			}
		}
		if !bytes.HasPrefix(k, prefix) {
			break
		}
		if quota.spent() {
			return true, last, nil
		}
		if more, err = row(tx, k, v); err != nil || !more {
			return false, last, err
		}
		last = append(last[:0], k...)
	}
	return false, last, nil
}

func maxKey(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return b
	}
	return a
}

// quota is what one read transaction may still do.
type quota struct {
	rows  int
	until time.Time
}

func newQuota() *quota { return &quota{rowsPerView, time.Now().Add(timePerView)} }

// spent counts a row and reports whether there was room for it. The clock is
// read on every sixteenth row only.
func (q *quota) spent() bool {
	if q.rows <= 0 || q.rows%16 == 0 && q.rows < rowsPerView && time.Now().After(q.until) {
		return true
	}
	q.rows--
	return false
}
