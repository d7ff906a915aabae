package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// entry is a row derived from a call: it is in the file exactly as long as the
// call's record implies it. The value ends with a checksum of itself and the key.
type entry struct {
	bucket, key, value []byte
}

// The values of the gaps bucket begin with these. Since when the part is open
// follows, of an acknowledged loss acceptedGap; nothing in rows of before that
// belong to a call that cannot be read.
const (
	gapPending = 1
	gapLost    = 2
)

var acceptedGap = noDeadline

// entriesOf returns the rows a record implies: its place in the time index,
// its pending parts in both queues, and its gaps.
func entriesOf(callKey []byte, r *call.Record) []entry {
	c := &r.Call
	facts := factsOf(c)
	entries := []entry{{bucketTimes, timeKey(c), facts.encode()}}
	for _, name := range call.PartNames {
		part := r.Parts.Of(name)
		gap, since := append(bytes.Clone(callKey), partCode(name)), r.OpenSince[name]
		if since.IsZero() { // stored before that was noted
			since = c.FirstSeenAt
		}
		switch part.State {
		case call.Pending:
			prefix := partPrefix(c.Source, name)
			due := appendTime(bytes.Clone(prefix), part.NextTry)
			deadline := appendDeadline(bytes.Clone(prefix), part.Deadline)
			entries = append(entries,
				entry{bucketDue, appendID(due, c.ID), appendDeadline(nil, part.Deadline)},
				entry{bucketDeadlines, appendID(deadline, c.ID), appendTime(nil, part.NextTry)},
				entry{bucketGaps, gap, gapValue(gapPending, part, since)})
		case call.Lost:
			entries = append(entries, entry{bucketGaps, gap, gapValue(gapLost, part, since)})
		}
	}
	for i := range entries {
		e := &entries[i]
		e.value = seal(e.key, e.value)
	}
	return entries
}

// openEntry returns what a derived row holds; its error is misled. The result
// shares v's memory.
func openEntry(bucket, k, v []byte) ([]byte, error) {
	size := len(v) - sealBytes
	if size < 0 || binary.BigEndian.Uint32(v[size:]) != checksum(k, v[:size]) {
		return nil, &misled{bucket, errChecksum}
	}
	return v[:size], nil
}

// seekEntry is Seek in a derived bucket. A row on either side of the place that is
// not what was written may have misled the search; the error is misled then.
func seekEntry(c *bolt.Cursor, bucket, key []byte) (k, v []byte, err error) {
	k, v = c.Seek(key)
	before, beforeV := c.Prev()
	if k == nil {
		before, beforeV = c.Last()
	} else if _, err = openEntry(bucket, k, v); err != nil {
		return nil, nil, err
	}
	if before != nil {
		if _, err = openEntry(bucket, before, beforeV); err != nil {
			return nil, nil, err
		}
	}
	k, v = c.Seek(key)
	return k, v, nil
}

// sealDerived: before, a bit that changed in a derived row was noticed only where
// all of them were held against the calls.
func sealDerived(tx *bolt.Tx) error {
	for _, name := range derived {
		bucket, rows := tx.Bucket(name), []entry(nil) // not changed under a cursor
		c := bucket.Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			if _, err := openEntry(name, k, v); err != nil {
				rows = append(rows, entry{key: bytes.Clone(k), value: seal(k, bytes.Clone(v))})
			}
		}
		for _, row := range rows {
			if err := bucket.Put(row.key, row.value); err != nil {
				return err
			}
		}
	}
	return nil
}

func gapValue(state byte, part *call.Part, since time.Time) []byte {
	if state == gapLost && part.Acknowledged != nil {
		return append([]byte{state}, acceptedGap...)
	}
	return appendTime([]byte{state}, since)
}

// openSince says of each part that is pending or lost since when.
func openSince(old, next *call.Record, now time.Time) map[call.PartName]time.Time {
	var all map[call.PartName]time.Time
	for _, name := range call.PartNames {
		if !isOpen(next.Parts.Of(name)) {
			continue
		}
		since := old.OpenSince[name]
		switch {
		case !isOpen(old.Parts.Of(name)):
			since = now
		case since.IsZero():
			since = old.Call.FirstSeenAt
		}
		if all == nil {
			all = make(map[call.PartName]time.Time)
		}
		all[name] = since
	}
	return all
}

func isOpen(p *call.Part) bool { return p.State == call.Pending || p.State == call.Lost }

// timeKey is the place of a call in the time index.
func timeKey(c *call.Call) []byte {
	return appendID(appendTime(sourcePrefix(c.Source), c.Time()), c.ID)
}

// newCounts has an entry for every part.
func newCounts() call.Counts {
	c := call.Counts{Pending: map[call.PartName]int{}, Lost: map[call.PartName]int{}}
	for _, name := range call.PartNames {
		c.Pending[name], c.Lost[name] = 0, 0
	}
	return c
}

// countCall adds a call to the counters n times; -1 takes it out.
func countCall(c *call.Counts, r *call.Record, n int) {
	c.Calls += n
	if r.Parts.Settled() {
		c.Settled += n
	}
	if r.Parts.Transcript.State == call.Stored {
		c.Transcript += n
	}
	if r.Parts.Recording.State == call.Stored {
		c.Recordings += n
		if m := r.Call.Recording; m != nil && m.SizeBytes != nil {
			c.RecordingBytes += int64(n) * *m.SizeBytes
		}
		for _, f := range r.Further {
			if f.SizeBytes != nil {
				c.RecordingBytes += int64(n) * *f.SizeBytes
			}
		}
	}
	for _, name := range call.PartNames {
		switch part := r.Parts.Of(name); {
		case part.State == call.Pending:
			c.Pending[name] += n
		case part.State == call.Lost && part.Acknowledged != nil:
			c.Acknowledged += n
		case part.State == call.Lost:
			c.Lost[name] += n
		}
	}
}

func addCounts(to *call.Counts, c call.Counts) {
	to.Calls += c.Calls
	to.Settled += c.Settled
	to.Transcript += c.Transcript
	to.Recordings += c.Recordings
	to.RecordingBytes += c.RecordingBytes
	to.Acknowledged += c.Acknowledged
	for _, name := range call.PartNames {
		to.Pending[name] += c.Pending[name]
		to.Lost[name] += c.Lost[name]
	}
}

func sameCounts(a, b call.Counts) bool {
	return a.Calls == b.Calls && a.Settled == b.Settled && a.Transcript == b.Transcript && a.Recordings == b.Recordings &&
		a.RecordingBytes == b.RecordingBytes && a.Acknowledged == b.Acknowledged &&
		maps.Equal(a.Pending, b.Pending) && maps.Equal(a.Lost, b.Lost)
}

// loadCounts reads the counters of a source; zeros when it has no calls.
func loadCounts(tx *bolt.Tx, source call.SourceID) (call.Counts, error) {
	counts := newCounts()
	b := tx.Bucket(bucketCounts).Get([]byte(source))
	if b == nil {
		return counts, nil
	}
	b, err := openRow([]byte(source), b)
	if err == nil {
		err = json.Unmarshal(b, &counts)
	}
	if err != nil {
		return call.Counts{}, &misled{bucketCounts, fmt.Errorf("source %.64q: %w", source, err)}
	}
	return counts, nil
}

// sourcesOf lists the sources that have calls, in order, or says that a name may
// not be the one that was written.
func sourcesOf(tx *bolt.Tx) (sources []call.SourceID, err error) {
	c := tx.Bucket(bucketCounts).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if _, err := openRow(k, v); err != nil {
			return nil, &misled{bucketCounts, err}
		}
		sources = append(sources, call.SourceID(k))
	}
	return sources, nil
}
