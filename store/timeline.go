package store

import (
	"bytes"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// timeline reads the time index of one source from a place on. Ascending it is
// the order of the keys. Descending it goes from time to time backwards, but
// within one time forwards, because calls of one time are listed in key order.
type timeline struct {
	c         *bolt.Cursor
	source    call.SourceID
	prefix    []byte // the source
	ascending bool
	k, v      []byte // the current row; k is nil at the end
	err       error  // misled, when a row is not what was written

	ahead, aheadV []byte // descending: the row before the current one, read already
	haveAhead     bool
	inGroup       bool // descending: walking forwards through calls of one time
}

// newTimeline stands on the first row behind the row key after, which need not
// exist; from a time alone (a key without id) it stands on that time's calls
// when ascending, and on earlier ones when descending. nil begins at the end
// the direction begins with.
func newTimeline(tx *bolt.Tx, source call.SourceID, ascending bool, after []byte) *timeline {
	t := &timeline{c: tx.Bucket(bucketTimes).Cursor(), source: source, prefix: sourcePrefix(source), ascending: ascending}
	if after != nil && !bytes.HasPrefix(after, t.prefix) {
		panic("store: place of another source")
	}
	switch {
	case ascending:
		k, v := t.seek(maxKey(t.prefix, after))
		if k != nil && bytes.Equal(k, after) {
			k, v = t.c.Next()
		}
		t.stand(k, v)
	case after == nil:
		end := append([]byte(source), 1) // behind every key of the source
		t.back(t.before(end))
	default:
		t.resume(after)
	}
	return t
}

// resume goes on descending behind a row that was shown already.
func (t *timeline) resume(after []byte) {
	k, v := t.seek(after)
	if k != nil && bytes.Equal(k, after) {
		k, v = t.c.Next()
	}
	if len(after) > t.timeEnd() && t.sameTime(k, after) {
		t.inGroup = true
		t.stand(k, v)
		return
	}
	t.back(t.before(after[:t.timeEnd()]))
}

// next goes to the following row.
func (t *timeline) next() {
	if t.ascending {
		t.stand(t.c.Next())
		return
	}
	if t.inGroup {
		k, v := t.c.Next()
		if t.sameTime(k, t.k) {
			t.stand(k, v)
			return
		}
		t.inGroup = false
		t.back(t.before(t.k[:t.timeEnd()]))
		return
	}
	if t.haveAhead {
		t.back(t.ahead, t.aheadV)
		return
	}
	t.back(t.c.Prev())
}

// back stands on the first call in key order of the time that the row (k, v),
// the last of its time, belongs to.
func (t *timeline) back(k, v []byte) {
	t.haveAhead = false
	if t.stand(k, v); t.k == nil {
		return
	}
	t.ahead, t.aheadV = t.c.Prev()
	t.haveAhead = true
	if t.sameTime(t.ahead, k) {
		t.haveAhead, t.inGroup = false, true
		t.stand(t.c.Seek(k[:t.timeEnd()]))
	}
}

// before returns the last row whose key is smaller.
func (t *timeline) before(key []byte) (k, v []byte) {
	if k, _ := t.seek(key); k == nil {
		return t.c.Last()
	}
	return t.c.Prev()
}

// seek stands the cursor on the first row whose key is not smaller.
func (t *timeline) seek(key []byte) (k, v []byte) {
	k, v, err := seekEntry(t.c, bucketTimes, key)
	if err != nil {
		t.err = err
	}
	return k, v
}

// stand makes a row the current one; outside the source it is the end.
func (t *timeline) stand(k, v []byte) {
	t.k, t.v = nil, nil
	if k == nil || t.err != nil {
		return
	}
	if v, t.err = openEntry(bucketTimes, k, v); t.err == nil && bytes.HasPrefix(k, t.prefix) {
		t.k, t.v = k, v
	}
}

// timeEnd is where the id begins in a row's key.
func (t *timeline) timeEnd() int { return len(t.prefix) + timeBytes }

// sameTime reports whether two keys have one source and one time.
func (t *timeline) sameTime(k, other []byte) bool {
	end := t.timeEnd()
	return len(k) > end && len(other) >= end && bytes.Equal(k[:end], other[:end])
}
