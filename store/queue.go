package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// Due returns up to limit pending parts of one name whose NextTry is not after
// before; limit 0 means all. They are ordered by NextTry, recordings by
// Deadline with those that have none last.
func (s *Store) Due(ctx context.Context, source call.SourceID, part call.PartName, before time.Time, limit int) ([]call.Due, error) {
	bucket := bucketDue
	if part == call.PartRecording {
		bucket = bucketDeadlines
	}
	var due []call.Due
	err := s.mending(ctx, func() error {
		due = []call.Due{}
		return s.scanQueue(ctx, bucket, source, part, func(d call.Due) bool {
			if d.NextTry.After(before) {
				return part == call.PartRecording // in the other queue, all that follow are later
			}
			due = append(due, d)
			return limit <= 0 || len(due) < limit
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list due parts of source %s: %w", source, err)
	}
	return due, nil
}

// NextDue returns the earliest NextTry of all pending parts of a source; ok is
// false when nothing is pending.
func (s *Store) NextDue(ctx context.Context, source call.SourceID) (at time.Time, ok bool, err error) {
	return s.earliest(ctx, bucketDue, source, func(d call.Due) (time.Time, bool) { return d.NextTry, true })
}

// NextLoss returns the earliest Deadline of all pending parts of a source; ok
// is false when no pending part has one.
func (s *Store) NextLoss(ctx context.Context, source call.SourceID) (at time.Time, ok bool, err error) {
	return s.earliest(ctx, bucketDeadlines, source, func(d call.Due) (time.Time, bool) { return d.Deadline, !d.Deadline.IsZero() })
}

// Overdue counts the pending parts of one name that are past the late-update
// horizon.
func (s *Store) Overdue(ctx context.Context, source call.SourceID, part call.PartName) (n int, err error) {
	after := append(partPrefix(source, part), noDeadline...)
	err = s.mending(ctx, func() error {
		n = 0
		return s.scan(ctx, bucketDeadlines, partPrefix(source, part), after, scanner{row: func(*bolt.Tx, []byte, []byte) (bool, error) {
			n++
			return true, nil
		}})
	})
	if err != nil {
		return 0, fmt.Errorf("count overdue parts of source %s: %w", source, err)
	}
	return n, nil
}

// earliest looks at the head of the queue of each part.
func (s *Store) earliest(ctx context.Context, bucket []byte, source call.SourceID, timeOf func(call.Due) (time.Time, bool)) (at time.Time, ok bool, err error) {
	err = s.mending(ctx, func() error {
		at, ok = time.Time{}, false
		for _, part := range call.PartNames {
			err := s.scanQueue(ctx, bucket, source, part, func(d call.Due) bool {
				if t, has := timeOf(d); has && (!ok || t.Before(at)) {
					at, ok = t, true
				}
				return false
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("look at the queues of source %s: %w", source, err)
	}
	return at, ok, nil
}

// scanQueue visits one queue in its order until row returns false.
func (s *Store) scanQueue(ctx context.Context, bucket []byte, source call.SourceID, part call.PartName, row func(call.Due) bool) error {
	if err := checkSource(source); err != nil {
		return err
	}
	if partCode(part) == 0 {
		return fmt.Errorf("no part is named %q", part)
	}
	prefix := partPrefix(source, part)
	return s.scan(ctx, bucket, prefix, nil, scanner{row: func(tx *bolt.Tx, k, v []byte) (bool, error) {
		d := call.Due{Part: part}
		var err error
		if at := len(prefix) + timeBytes; len(k) > at && tx.Bucket(bucketCalls).Get(append(sourcePrefix(source), k[at:]...)) == nil {
			return false, &misled{bucket, errNoSuchCall}
		}
		if bytes.Equal(bucket, bucketDue) {
			d.Key, d.NextTry, d.Deadline, err = decodeQueued(source, k[len(prefix):], v, cutTime, cutDeadline)
		} else {
			d.Key, d.Deadline, d.NextTry, err = decodeQueued(source, k[len(prefix):], v, cutDeadline, cutTime)
		}
		if err != nil {
			return false, &misled{bucket, err}
		}
		return row(d), nil
	}})
}

type cutter func([]byte) (time.Time, []byte, error)

// decodeQueued decodes a queue row: a time and an id in the key, the other
// time in the value.
func decodeQueued(source call.SourceID, k, v []byte, first, second cutter) (key call.Key, inKey, inValue time.Time, err error) {
	key.Source = source
	if inKey, k, err = first(k); err != nil {
		return key, inKey, inValue, err
	}
	if key.ID, _, err = cutID(k); err != nil {
		return key, inKey, inValue, err
	}
	inValue, _, err = second(v)
	return key, inKey, inValue, err
}
