package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// Changes returns up to limit entries of the change feed that follow entry
// since, oldest first; limit 0 means all.
func (s *Store) Changes(ctx context.Context, since uint64, limit int) ([]call.Change, error) {
	changes := []call.Change{}
	err := s.scan(ctx, bucketChanges, nil, seqKey(since), scanner{row: func(_ *bolt.Tx, k, v []byte) (bool, error) {
		change, err := decodeChange(k, v)
		if err != nil {
			return false, err
		}
		changes = append(changes, change)
		return limit <= 0 || len(changes) < limit, nil
	}})
	if err != nil {
		return nil, fmt.Errorf("read change feed: %w", err)
	}
	return changes, nil
}

// LastSeq is the number of the newest entry of the change feed; 0 when it is
// empty.
func (s *Store) LastSeq() uint64 { return s.seq.Load() }

// Updated returns a channel that is closed when the change feed grows. Take
// the channel before looking at the feed, and a new one after each closing.
func (s *Store) Updated() <-chan struct{} {
	s.newsMu.Lock()
	defer s.newsMu.Unlock()
	return s.newsBox
}

// announce tells everybody who waits that the feed has grown.
func (s *Store) announce() {
	s.newsMu.Lock()
	defer s.newsMu.Unlock()
	close(s.newsBox)
	s.newsBox = make(chan struct{})
}

// encodeChange encodes what a feed entry holds besides its number.
func encodeChange(at time.Time, kind call.ChangeKind, callKey []byte) []byte {
	b := appendTime(nil, at)
	b = appendBytes(b, []byte(kind))
	return append(b, callKey...)
}

func decodeChange(k, v []byte) (c call.Change, err error) {
	if len(k) != 8 {
		return c, fmt.Errorf("decode change: %w: key %x", call.ErrCorrupt, k)
	}
	c.Seq = binary.BigEndian.Uint64(k)
	if c.At, v, err = cutTime(v); err != nil {
		return c, fmt.Errorf("decode change %d: %w", c.Seq, err)
	}
	kind, v, err := cutBytes(v)
	if err != nil {
		return c, fmt.Errorf("decode change %d: %w", c.Seq, err)
	}
	c.Kind = call.ChangeKind(kind)
	if c.Key, err = parseCallKey(v); err != nil {
		return c, fmt.Errorf("decode change %d: %w", c.Seq, err)
	}
	return c, nil
}
