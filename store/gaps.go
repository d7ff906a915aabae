package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// defaultLimit is the length of a page when a query names none.
const defaultLimit = 25

// Gaps returns a page of the parts that are pending or lost, acknowledged ones
// included, ordered by key and part: of one source, or of all when source is
// empty. Pass the returned next as after to go on; it is empty at the end. A
// limit of 0 means 25. A damaged cursor is call.ErrBadCursor.
func (s *Store) Gaps(ctx context.Context, source call.SourceID, after string, limit int) (gaps []call.Gap, next string, err error) {
	if limit <= 0 {
		limit = defaultLimit
	}
	start, err := decodeGapCursor(after, source)
	if err != nil {
		return nil, "", fmt.Errorf("list gaps: %w", err)
	}
	var last []byte
	err = s.mending(ctx, func() error {
		gaps, next = []call.Gap{}, ""
		return s.scan(ctx, bucketGaps, sourcePrefix(source), start, scanner{row: func(tx *bolt.Tx, k, _ []byte) (bool, error) {
			if len(gaps) == limit {
				next = encodeGapCursor(last)
				return false, nil
			}
			gap, err := loadGap(tx, k)
			if err != nil {
				return false, gapError(err)
			}
			gaps, last = append(gaps, gap), append(last[:0], k...)
			return true, nil
		}})
	})
	if err != nil {
		return nil, "", fmt.Errorf("list gaps: %w", err)
	}
	return gaps, next, nil
}

// OldestGap is since when the part of a source is open that has been for longest,
// pending or lost without acknowledgement; ok is false when none is.
func (s *Store) OldestGap(ctx context.Context, source call.SourceID) (since time.Time, ok bool, err error) {
	err = s.mending(ctx, func() error {
		since, ok = time.Time{}, false
		return s.scan(ctx, bucketGaps, sourcePrefix(source), nil, scanner{row: func(tx *bolt.Tx, k, v []byte) (bool, error) {
			at, open, err := openedAt(tx, k, v)
			if err != nil {
				return false, gapError(err)
			}
			if open && (!ok || at.Before(since)) {
				since, ok = at, true
			}
			return true, nil
		}})
	})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("oldest gap of source %s: %w", source, err)
	}
	return since, ok, nil
}

// openedAt reads from a row of the gaps bucket, or from its call where that does
// not tell, since when a part is open; open is false for an acknowledged loss.
func openedAt(tx *bolt.Tx, k, v []byte) (at time.Time, open bool, err error) {
	if len(v) == 1+timeBytes {
		if bytes.Equal(v[1:], acceptedGap) {
			return at, false, nil
		}
		at, _, err = cutTime(v[1:])
		return at, true, err
	}
	key, name, err := parseGapKey(k)
	if err != nil {
		return at, false, err
	}
	r, err := loadRecord(tx, key, k[:len(k)-1])
	return r.Call.FirstSeenAt, r.Parts.Of(name).Acknowledged == nil || r.Parts.Of(name).State == call.Pending, err
}

// dateGaps writes the rows anew that do not tell since when a part is open, so
// that nobody has to read their calls for it. Damaged calls are left to Check.
func dateGaps(tx *bolt.Tx) error {
	gaps := tx.Bucket(bucketGaps)
	var calls [][]byte // not changed under a cursor
	c := gaps.Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if callKey := k[:len(k)-1]; len(v) == 1 && (len(calls) == 0 || !bytes.Equal(calls[len(calls)-1], callKey)) {
			calls = append(calls, bytes.Clone(callKey))
		}
	}
	for _, callKey := range calls {
		key, err := parseCallKey(callKey)
		if err != nil {
			continue
		}
		r, err := loadRecord(tx, key, callKey)
		if err != nil {
			continue
		}
		for _, e := range entriesOf(callKey, &r) {
			if bytes.Equal(e.bucket, bucketGaps) {
				if err := gaps.Put(e.key, e.value); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// loadGap builds the gap of a key of the gaps bucket from its call.
func loadGap(tx *bolt.Tx, k []byte) (call.Gap, error) {
	key, name, err := parseGapKey(k)
	if err != nil {
		return call.Gap{}, err
	}
	r, err := loadRecord(tx, key, k[:len(k)-1])
	if err != nil {
		return call.Gap{}, fmt.Errorf("call %.128q: %w", key, err)
	}
	part := r.Parts.Of(name)
	gap := call.Gap{Key: key, Part: name, State: part.State, NextTry: timeOrNil(part.NextTry), Deadline: timeOrNil(part.Deadline),
		Attempts: part.Attempts, Acknowledged: part.Acknowledged}
	if part.Reason != "" {
		gap.Reason = &part.Reason
	}
	return gap, nil
}

// gapError tells a row that agrees with no call from a call that cannot be read.
func gapError(err error) error {
	if _, ok := errors.AsType[*spoiled](err); ok {
		return err
	}
	return &misled{bucketGaps, err}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func parseGapKey(k []byte) (call.Key, call.PartName, error) {
	key, rest, err := cutCallKey(k)
	if err != nil {
		return call.Key{}, "", err
	}
	if len(rest) != 1 || partOf(rest[0]) == "" {
		return call.Key{}, "", fmt.Errorf("%w: gap of %.128q without part", call.ErrCorrupt, key)
	}
	return key, partOf(rest[0]), nil
}

// gapCursor begins every cursor of Gaps, listCursor those of List.
const (
	gapCursor  = 'g'
	listCursor = 'l'
)

func encodeGapCursor(k []byte) string {
	return base64.RawURLEncoding.EncodeToString(append([]byte{gapCursor}, k...))
}

// decodeGapCursor returns the key to go on behind; nil for the beginning.
func decodeGapCursor(cursor string, source call.SourceID) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) == 0 || b[0] != gapCursor {
		return nil, call.ErrBadCursor
	}
	if _, _, err := parseGapKey(b[1:]); err != nil || !bytes.HasPrefix(b[1:], sourcePrefix(source)) {
		return nil, call.ErrBadCursor
	}
	return b[1:], nil
}

// Acknowledge records that somebody accepted the loss of a part, with a
// change-feed entry. An overdue part is lost with it, for its reason. It answers
// call.ErrNotFound when there is no such call, and call.ErrRefused when the part
// is neither lost nor overdue. A second acknowledgement replaces the first.
func (s *Store) Acknowledge(ctx context.Context, key call.Key, part call.PartName, reason string) error {
	b, err := callKey(key)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: %w", call.ErrNotFound, err)
	case partCode(part) == 0:
		err = fmt.Errorf("%w: no part is named %q", call.ErrNotFound, part)
	default:
		err = s.update(ctx, func(w *writer) error { return w.acknowledge(key, b, part, reason) })
	}
	if err != nil {
		return fmt.Errorf("acknowledge the %s of %.128q: %w", part, key, err)
	}
	return nil
}

func (w *writer) acknowledge(key call.Key, callKey []byte, name call.PartName, reason string) error {
	r, err := loadFull(w.tx, key, callKey)
	if err != nil {
		return err
	}
	part := r.Parts.Of(name)
	if part.State != call.Lost && !part.Overdue() {
		return fmt.Errorf("%w: it is %s, only a part that is lost or overdue can be acknowledged", call.ErrRefused, part.State)
	}
	for i, p := range r.PartsOf(name) {
		if p.State != call.Lost && !p.Overdue() {
			continue
		}
		replacing := p.State == call.Pending && name == call.PartRecording && i == 0 && r.Call.Recording != nil && r.Call.Recording.File != nil
		*p = call.Part{State: call.Lost, Reason: p.Reason, Attempts: p.Attempts, Acknowledged: &call.Acknowledgement{At: w.now, Reason: reason}}
		if replacing {
			p.State = call.Stored // only its replacement is lost
		}
	}
	r.Join()
	counts, err := loadCounts(w.tx, key.Source)
	if err != nil {
		return err
	}
	accepted := call.Event{Kind: call.EventAcknowledged, Note: reason, Parts: []call.PartEvent{{Part: name, State: part.State, Reason: part.Reason, Attempts: part.Attempts}}}
	if err := w.call(&call.Write{Record: r, Kind: call.ChangePart, Events: []call.Event{accepted}}, &counts); err != nil {
		return err
	}
	return w.counts(key.Source, counts)
}
