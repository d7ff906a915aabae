package store

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"math"
	"time"

	"callsyncd/call"
)

// place is where a call stands in a sorted list: by its sort value, absent
// ones last, then by its key.
type place struct {
	absent  bool
	at      time.Time // for the orders by time
	seconds float64   // for the order by length
	key     []byte    // as callKey writes it
}

// sorting is the order of a list.
type sorting struct {
	by        call.OrderBy
	ascending bool
}

// orders are the sort fields; their place is their number in cursors.
var orders = []call.OrderBy{call.ByStarted, call.ByEnded, call.ByCreated, call.ByDuration}

// compare orders two places; calls with equal values are in key order whatever
// the direction.
func (o sorting) compare(a, b *place) int {
	if a.absent != b.absent {
		if a.absent {
			return 1
		}
		return -1
	}
	c := 0
	if !a.absent {
		c = cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seconds, b.seconds))
	}
	if !o.ascending {
		c = -c
	}
	return cmp.Or(c, bytes.Compare(a.key, b.key))
}

// placeOf returns the place of a call; started is its place in the time index.
func (o sorting) placeOf(started time.Time, f *facts, key []byte) place {
	p := place{key: key}
	switch o.by {
	case call.ByEnded:
		p.at, p.absent = f.ended, !f.has(hasEnded)
	case call.ByCreated:
		p.at, p.absent = f.created, !f.has(hasCreated)
	case call.ByDuration:
		p.seconds, p.absent = f.duration, !f.has(hasDuration)
	default:
		p.at = started
	}
	return p
}

// cursor encodes the place a list goes on behind, with the order it holds for.
func (o sorting) cursor(p *place) string {
	b := []byte{listCursor, o.code(), 0}
	if p.absent {
		b[2] = 1
	}
	b = appendTime(b, p.at)
	b = binary.BigEndian.AppendUint64(b, math.Float64bits(p.seconds))
	return base64.RawURLEncoding.EncodeToString(append(b, p.key...))
}

// code tells orders and directions apart.
func (o sorting) code() byte {
	for i, by := range orders {
		if by == o.by {
			code := byte(i) << 1
			if o.ascending {
				code |= 1
			}
			return code
		}
	}
	panic("store: no order named " + string(o.by))
}

// parse decodes a cursor of this order; nil for an empty one. Anything else is
// call.ErrBadCursor.
func (o sorting) parse(cursor string) (*place, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < 3 || b[0] != listCursor || b[1] != o.code() || b[2] > 1 {
		return nil, call.ErrBadCursor
	}
	p := &place{absent: b[2] == 1}
	if p.at, b, err = cutTime(b[3:]); err != nil || len(b) < 8 {
		return nil, call.ErrBadCursor
	}
	p.seconds, p.key = math.Float64frombits(binary.BigEndian.Uint64(b)), b[8:]
	if _, err := parseCallKey(p.key); err != nil || math.IsNaN(p.seconds) {
		return nil, call.ErrBadCursor
	}
	return p, nil
}
