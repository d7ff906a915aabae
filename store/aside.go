package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// spoiled is a call that cannot be read: its record, its transcript, or a
// version of which a document is needed.
type spoiled struct {
	key  call.Key
	what string // the words below
	err  error  // a call.ErrCorrupt
}

const (
	spoiledRecord     = "the record"
	spoiledTranscript = "the transcript"
	spoiledVersion    = "a version"
)

func (e *spoiled) Error() string { return e.err.Error() }
func (e *spoiled) Unwrap() error { return e.err }

const (
	// asideTries is how many calls one piece of work may find unreadable, those
	// left out that were set aside together.
	asideTries = 100
	// asideLife is the deadline of what is pending for it: it was here, and nobody
	// knows how long the vendor still has it.
	asideLife = time.Hour
	// asideShare of a source's records may be set aside at once, and asideLeast of
	// a small source. When more cannot be read it is not a spot on the disk: what
	// is there is worth more than what would take its place.
	asideShare = 0.10
	asideLeast = 3
)

// The kinds of values that are set aside.
const (
	asideRecord     = 'r'
	asideTranscript = 't'
)

// viewCalls is view for what reads calls. One that cannot be read is set aside,
// so that it keeps nobody from the others, and fn runs again.
func (s *Store) viewCalls(ctx context.Context, fn func(tx *bolt.Tx) error) error {
	return s.settingAside(ctx, func() error { return s.view(ctx, fn) })
}

func (s *Store) settingAside(ctx context.Context, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		bad, ok := errors.AsType[*spoiled](err)
		if !ok || try == asideTries {
			return err
		}
		if asideErr := s.setAside(ctx, bad); asideErr != nil {
			return fmt.Errorf("%w; %w", err, asideErr)
		}
	}
}

// setAside makes a call readable again that is not: what cannot be read is kept
// in a place of its own, and the call has its parts pending until the vendor was
// asked for them. All unreadable records of the source are set aside together,
// or none when there are too many.
func (s *Store) setAside(ctx context.Context, bad *spoiled) error {
	source := bad.key.Source
	if err := s.Unreadable(source); err != nil {
		return err
	}
	log := s.log.With("source", string(source), "call_id", string(bad.key.ID), "what", bad.what, "err", bad.err)
	if bad.what != spoiledRecord {
		log.Error("a call cannot be read and is set aside")
		return s.join(ctx, func(w *writer) error { return w.readAgain(bad) })
	}
	left, calls, err := s.leftovers(ctx, source)
	if err != nil {
		return err
	}
	if len(left) > max(asideLeast, int(asideShare*float64(calls))) {
		err := &Unreadable{Source: source, Records: len(left), Calls: calls}
		s.unreadable.Store(source, err)
		log.Error("too many calls cannot be read, none is set aside", "unreadable", len(left), "calls", calls)
		return err
	}
	log.Error("a call cannot be read and is set aside")
	return s.join(ctx, func(w *writer) error { return w.setAside(source, left) })
}

// Unreadable says that more records of a source cannot be read than a damaged
// disk explains. Nothing of them was changed.
type Unreadable struct {
	Source         call.SourceID
	Records, Calls int // that cannot be read, of all
}

func (u *Unreadable) Error() string {
	return fmt.Sprintf("%d of the %d calls of source %s in the archive cannot be read; nothing was changed, their values are as they were: "+
		"run `callsyncd verify`, then start the program that wrote them last, or restore a backup", u.Records, u.Calls, u.Source)
}

// Unreadable returns an *Unreadable when so much of a source was found since the
// store was opened, nil otherwise.
func (s *Store) Unreadable(source call.SourceID) error {
	if err, ok := s.unreadable.Load(source); ok {
		return err.(*Unreadable)
	}
	return nil
}

// leftover is what there still is of a call whose record cannot be read.
type leftover struct {
	key         call.Key
	gone        bool     // not even that is there
	versions    []uint64 // 0 for one that cannot be found
	first, last time.Time
	at          time.Time // by the time index; zero when that does not know it either
}

// leftovers finds the unreadable records of a source and those that are gone,
// with their versions, by call key, and counts all its calls.
func (s *Store) leftovers(ctx context.Context, source call.SourceID) (left map[string]*leftover, calls int, err error) {
	left = make(map[string]*leftover)
	err = s.scan(ctx, bucketCalls, sourcePrefix(source), nil, scanner{row: func(_ *bolt.Tx, k, v []byte) (bool, error) {
		calls++
		key, err := parseCallKey(k)
		if err != nil {
			return true, nil // nothing names a call by it
		}
		if _, _, err := decodeRecord(key, v); err != nil {
			left[string(k)] = &leftover{key: key}
		}
		return true, nil
	}})
	if err != nil {
		return left, calls, err
	}
	prefix := sourcePrefix(source)
	err = s.scan(ctx, bucketVersions, nil, nil, scanner{row: func(tx *bolt.Tx, k, row []byte) (bool, error) {
		v, _, err := cutHead(row)
		if err != nil {
			return true, nil
		}
		name := string(v.version.callKey)
		if key, gone := orphan(tx, prefix, row); gone && left[name] == nil {
			left[name] = &leftover{key: key, gone: true}
		}
		if l := left[name]; l != nil {
			l.add(binary.BigEndian.Uint64(k), &v.version)
		}
		return true, nil
	}})
	return left, calls, err
}

// add enters a version. They come in order.
func (l *leftover) add(seq uint64, v *storedVersion) {
	if v.number <= len(l.versions) || v.number > len(l.versions)+1000 {
		return // of an earlier call of that key, or nonsense
	}
	if l.versions == nil {
		l.first = v.observedAt
	}
	l.versions = append(l.versions, make([]uint64, v.number-len(l.versions))...)
	l.versions[v.number-1], l.last = seq, v.observedAt
}

// record is the call as far as it is known.
func (l *leftover) record(now time.Time) (call.Record, refs) {
	c := call.Call{Key: l.key, Source: l.key.Source, ID: l.key.ID, Version: len(l.versions), FirstSeenAt: now, ChangedAt: now}
	if len(l.versions) > 0 {
		c.FirstSeenAt, c.ChangedAt = l.first, l.last
	}
	if !l.at.IsZero() {
		c.CreatedAt = &l.at
	}
	r := call.Record{Call: c}
	for _, name := range call.PartNames {
		*r.Parts.Of(name) = damagedPart(now)
		if len(l.versions) == 0 {
			r.Parts.Of(name).Deadline = time.Time{} // only the vendor's list may bring it back
		}
	}
	r.Mirror()
	return r, refs{versions: l.versions}
}

func damagedPart(now time.Time) call.Part {
	return call.Part{State: call.Pending, Reason: call.Damaged, NextTry: now, Deadline: now.Add(asideLife)}
}

// setAside replaces the records that cannot be read by what is left of them.
func (w *writer) setAside(source call.SourceID, left map[string]*leftover) error {
	ids := make(map[string]*leftover)
	for k, l := range left {
		value := w.tx.Bucket(bucketCalls).Get([]byte(k))
		if _, _, err := decodeRecord(l.key, value); err == nil {
			delete(left, k) // somebody did it meanwhile
			continue
		}
		if !l.gone {
			if err := w.keepAside([]byte(k), asideRecord, value); err != nil {
				return err
			}
		}
		ids[string(appendID(nil, l.key.ID))] = l
	}
	if len(ids) == 0 {
		return nil
	}
	if err := w.unlistAll(source, ids); err != nil {
		return err
	}
	for k, l := range left {
		if err := w.substitute([]byte(k), l); err != nil {
			return err
		}
	}
	counts, err := w.recount(source)
	if err != nil {
		return err
	}
	return w.counts(source, counts)
}

// keepAside keeps a value that cannot be read.
func (w *writer) keepAside(callKey []byte, kind byte, value []byte) error {
	return w.put(bucketAside, append(appendTime(slices.Clone(callKey), w.now), kind), bytes.Clone(value))
}

// unlistAll removes all rows that were derived from the calls of these encoded
// ids, whatever they said, and notes the time they gave a call.
func (w *writer) unlistAll(source call.SourceID, ids map[string]*leftover) error {
	sweep := func(bucket, prefix []byte, see func(*leftover, time.Time)) error {
		var gone [][]byte
		c := w.tx.Bucket(bucket).Cursor()
		for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
			at := len(prefix) + timeBytes
			if len(k) <= at || ids[string(k[at:])] == nil {
				continue
			}
			gone = append(gone, bytes.Clone(k))
			if t, id, err := cutTime(k[len(prefix):]); err == nil && see != nil {
				see(ids[string(id)], t)
			}
		}
		return w.deleteAll(bucket, gone)
	}
	if err := sweep(bucketTimes, sourcePrefix(source), func(l *leftover, at time.Time) { l.at = at }); err != nil {
		return err
	}
	for _, part := range call.PartNames {
		prefix := partPrefix(source, part)
		if err := errors.Join(sweep(bucketDue, prefix, nil), sweep(bucketDeadlines, prefix, nil)); err != nil {
			return err
		}
		var gaps [][]byte
		for id := range ids {
			gaps = append(gaps, append(append(sourcePrefix(source), id...), partCode(part)))
		}
		if err := w.deleteAll(bucketGaps, gaps); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) deleteAll(bucket []byte, keys [][]byte) error {
	for _, k := range keys {
		if err := w.delete(bucket, k); err != nil {
			return err
		}
	}
	return nil
}

// substitute stores what is left of a call in place of its record.
func (w *writer) substitute(callKey []byte, l *leftover) error {
	if turns := w.tx.Bucket(bucketTranscripts).Get(callKey); turns != nil {
		if err := errors.Join(w.keepAside(callKey, asideTranscript, turns), w.delete(bucketTranscripts, callKey)); err != nil {
			return err
		}
	}
	r, refs := l.record(w.now)
	r.OpenSince = openSince(&call.Record{}, &r, w.now)
	body, err := encodeRecord(&r, &refs)
	if err != nil {
		return err
	}
	if err := w.put(bucketCalls, callKey, body); err != nil {
		return err
	}
	for _, e := range entriesOf(callKey, &r) {
		if err := w.put(e.bucket, e.key, e.value); err != nil {
			return err
		}
	}
	note := "the record cannot be read any more and is kept aside"
	if l.gone {
		note = "the record is gone"
	}
	event := call.Event{Kind: call.EventDamaged, Note: note + "; what the versions hold is shown until the vendor was asked again"}
	if err := w.remember(callKey, event); err != nil {
		return err
	}
	return w.change(callKey, call.ChangeUpdated)
}

// recount counts the calls of a source, those left out that cannot be read.
func (w *writer) recount(source call.SourceID) (call.Counts, error) {
	counts, prefix := newCounts(), sourcePrefix(source)
	c := w.tx.Bucket(bucketCalls).Cursor()
	for k, v := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = c.Next() {
		key, err := parseCallKey(k)
		if err != nil {
			continue
		}
		if r, _, err := decodeRecord(key, v); err == nil {
			countCall(&counts, &r, 1)
		}
	}
	return counts, nil
}

// readAgain has a call read again of which the record is sound and something
// else is not.
func (w *writer) readAgain(bad *spoiled) error {
	stored, err := callKey(bad.key)
	if err != nil {
		return err
	}
	r, refs, err := loadStored(w.tx, bad.key, stored)
	if err != nil {
		return err
	}
	var rows [][]byte
	for _, seq := range refs.versions {
		rows = append(rows, w.tx.Bucket(bucketVersions).Get(seqKey(seq)))
	}
	_, lacks := newestDocuments(stored, rows, &r)
	var mute error
	if refs.digest != nil {
		r.Call.Transcript, mute = loadTranscript(w.tx, stored, &refs)
	}
	if lacks == nil && mute == nil {
		return nil // somebody did it meanwhile
	}
	if mute != nil {
		if own := w.tx.Bucket(bucketTranscripts).Get(stored); own != nil {
			if err := w.keepAside(stored, asideTranscript, own); err != nil {
				return err
			}
		}
		r.TranscriptFrom, r.Parts.Transcript = "", damagedPart(w.now)
	}
	r.Fingerprints, r.Parts.Record = nil, damagedPart(w.now)
	counts, err := loadCounts(w.tx, bad.key.Source)
	if err != nil {
		return err
	}
	event := call.Event{Kind: call.EventDamaged, Note: bad.what + " cannot be read any more; the vendor is asked for it again"}
	if err := w.call(&call.Write{Record: r, Kind: call.ChangeUpdated, Events: []call.Event{event}}, &counts); err != nil {
		return err
	}
	return w.counts(bad.key.Source, counts)
}

// Aside calls fn for every value that could not be read and is kept aside, with
// the moment that was noticed, in key order.
func (s *Store) Aside(ctx context.Context, fn func(key call.Key, at time.Time) error) error {
	type row struct {
		key call.Key
		at  time.Time
	}
	var rows []row
	return s.scan(ctx, bucketAside, nil, nil, scanner{
		row: func(_ *bolt.Tx, k, _ []byte) (bool, error) {
			key, rest, err := cutCallKey(k)
			if err != nil {
				return false, err
			}
			at, _, err := cutTime(rest)
			rows = append(rows, row{key, at})
			return err == nil, err
		},
		flush: func() error { return deliver(&rows, func(r row) error { return fn(r.key, r.at) }) },
	})
}
