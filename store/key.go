package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"callsyncd/call"
)

// Limits of what may name a call.
const (
	maxSourceBytes = 32
	maxIDBytes     = call.MaxIDBytes
)

// timeBytes is the length of an encoded time.
const timeBytes = 12

// idEnd terminates an id inside a key. Within the id a zero byte is written as
// 0x00 0xFF, so no encoded id is a prefix of another one and the order of keys
// is the order of the ids' bytes.
var idEnd = []byte{0, 0}

// callKey encodes a key: source, zero byte, escaped id. It refuses what can
// not be stored.
func callKey(key call.Key) ([]byte, error) {
	if err := checkSource(key.Source); err != nil {
		return nil, err
	}
	switch n := len(key.ID); {
	case n == 0:
		return nil, fmt.Errorf("source %s: a call without an id", key.Source)
	case n > maxIDBytes:
		return nil, fmt.Errorf("source %s: call id %.64q... has %d bytes, at most %d are possible", key.Source, key.ID, n, maxIDBytes)
	}
	return appendID(sourcePrefix(key.Source), key.ID), nil
}

// parseCallKey decodes a key made by callKey.
func parseCallKey(b []byte) (call.Key, error) {
	key, rest, err := cutCallKey(b)
	if err == nil && len(rest) != 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	if err != nil {
		return call.Key{}, fmt.Errorf("call key %x: %w: %w", b, call.ErrCorrupt, err)
	}
	return key, nil
}

// cutCallKey decodes the call key that b begins with and returns what follows it.
func cutCallKey(b []byte) (key call.Key, rest []byte, err error) {
	source, tail, ok := bytes.Cut(b, []byte{0})
	if !ok || checkSource(call.SourceID(source)) != nil {
		return call.Key{}, nil, fmt.Errorf("%w: no source", call.ErrCorrupt)
	}
	id, rest, err := cutID(tail)
	if err != nil {
		return call.Key{}, nil, err
	}
	return call.Key{Source: call.SourceID(source), ID: id}, rest, nil
}

func checkSource(source call.SourceID) error {
	bad := len(source) == 0 || len(source) > maxSourceBytes
	for i := 0; i < len(source) && !bad; i++ {
		c := source[i]
		bad = !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if bad {
		return fmt.Errorf("source name %.64q: want 1 to %d of a-z, 0-9 and -", source, maxSourceBytes)
	}
	return nil
}

// sourcePrefix begins every key of a source; "" selects all sources.
func sourcePrefix(source call.SourceID) []byte {
	if source == "" {
		return nil
	}
	return append([]byte(source), 0)
}

// partPrefix begins the queue keys of one part of a source.
func partPrefix(source call.SourceID, part call.PartName) []byte {
	return append(sourcePrefix(source), partCode(part))
}

// partCode is the stored number of a part, its place in call.PartNames from 1;
// 0 for an unknown name.
func partCode(part call.PartName) byte {
	for i, name := range call.PartNames {
		if name == part {
			return byte(i + 1)
		}
	}
	return 0
}

// partOf is the part with a stored number; empty for an unknown one.
func partOf(code byte) call.PartName {
	if code == 0 || int(code) > len(call.PartNames) {
		return ""
	}
	return call.PartNames[code-1]
}

func appendID(b []byte, id call.ID) []byte {
	for i := 0; i < len(id); i++ {
		b = append(b, id[i])
		if id[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, idEnd...)
}

func cutID(b []byte) (id call.ID, rest []byte, err error) {
	var out []byte
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 >= len(b) {
			return "", nil, fmt.Errorf("%w: id without end", call.ErrCorrupt)
		}
		out, b = append(out, b[:i]...), b[i:]
		mark := b[1]
		b = b[2:]
		switch mark {
		case 0xff:
			out = append(out, 0)
		case 0:
			if len(out) == 0 || len(out) > maxIDBytes {
				return "", nil, fmt.Errorf("%w: id of %d bytes", call.ErrCorrupt, len(out))
			}
			return call.ID(out), b, nil
		default:
			return "", nil, fmt.Errorf("%w: id with a bad escape", call.ErrCorrupt)
		}
	}
}

// appendTime encodes t so that byte order is time order, before 1970 too.
func appendTime(b []byte, t time.Time) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(t.Unix())^1<<63)
	return binary.BigEndian.AppendUint32(b, uint32(t.Nanosecond()))
}

// cutTime decodes the time that b begins with.
func cutTime(b []byte) (t time.Time, rest []byte, err error) {
	if len(b) < timeBytes {
		return time.Time{}, nil, fmt.Errorf("%w: time of %d bytes", call.ErrCorrupt, len(b))
	}
	seconds := int64(binary.BigEndian.Uint64(b) ^ 1<<63)
	nanos := binary.BigEndian.Uint32(b[8:])
	if nanos >= 1e9 {
		return time.Time{}, nil, fmt.Errorf("%w: time with %d nanoseconds", call.ErrCorrupt, nanos)
	}
	return time.Unix(seconds, int64(nanos)).UTC(), b[timeBytes:], nil
}

// noDeadline sorts after every deadline.
var noDeadline = bytes.Repeat([]byte{0xff}, timeBytes)

func appendDeadline(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, noDeadline...)
	}
	return appendTime(b, t)
}

func cutDeadline(b []byte) (t time.Time, rest []byte, err error) {
	if bytes.HasPrefix(b, noDeadline) {
		return time.Time{}, b[timeBytes:], nil
	}
	return cutTime(b)
}

// seqKey is a row number as a key.
func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }
