package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// The bits that say which optional fields of a turn follow.
const (
	turnLabel = 1 << iota
	turnStart
	turnEnd
)

// encodeTranscript encodes turns and returns the digest of that too; both are
// nil when there are none. It is not JSON because rebuilding the index reads
// every transcript, and most of that time would go into JSON.
func encodeTranscript(turns []call.Turn) (body, digest []byte) {
	if len(turns) == 0 {
		return nil, nil
	}
	body = binary.AppendUvarint(nil, uint64(len(turns)))
	for i := range turns {
		body = appendTurn(body, &turns[i])
	}
	return body, digestOf(body)
}

func appendTurn(b []byte, t *call.Turn) []byte {
	flags := byte(0)
	if t.Label != nil {
		flags |= turnLabel
	}
	if t.StartSeconds != nil {
		flags |= turnStart
	}
	if t.EndSeconds != nil {
		flags |= turnEnd
	}
	b = append(b, flags)
	b = appendBytes(b, []byte(t.Speaker))
	b = appendBytes(b, []byte(t.Text))
	if t.Label != nil {
		b = appendBytes(b, []byte(*t.Label))
	}
	for _, seconds := range []*float64{t.StartSeconds, t.EndSeconds} {
		if seconds != nil {
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(*seconds))
		}
	}
	return b
}

func digestOf(transcript []byte) []byte {
	sum := sha256.Sum256(transcript)
	return sum[:16]
}

// decodeTranscript decodes what encodeTranscript made.
func decodeTranscript(body, digest []byte) (turns []call.Turn, err error) {
	defer func() {
		if err != nil {
			turns, err = nil, fmt.Errorf("decode transcript: %w", err)
		}
	}()
	if !bytes.Equal(digestOf(body), digest) {
		return nil, fmt.Errorf("%w: it is not the one that was stored", call.ErrCorrupt)
	}
	count, b, err := cutUvarint(body)
	if err != nil {
		return nil, err
	}
	turns = make([]call.Turn, 0, min(count, uint64(len(b))))
	for range count {
		var t call.Turn
		if t, b, err = cutTurn(b); err != nil {
			return nil, err
		}
		turns = append(turns, t)
	}
	if len(b) != 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", call.ErrCorrupt, len(b))
	}
	return turns, nil
}

func cutTurn(b []byte) (t call.Turn, rest []byte, err error) {
	if len(b) == 0 {
		return t, nil, fmt.Errorf("%w: cut off", call.ErrCorrupt)
	}
	flags, b := b[0], b[1:]
	speaker, b, err := cutBytes(b)
	if err != nil {
		return t, nil, err
	}
	text, b, err := cutBytes(b)
	if err != nil {
		return t, nil, err
	}
	t.Speaker, t.Text = call.Speaker(speaker), string(text)
	if flags&turnLabel != 0 {
		var label []byte
		if label, b, err = cutBytes(b); err != nil {
			return t, nil, err
		}
		s := string(label)
		t.Label = &s
	}
	if flags&turnStart != 0 {
		if t.StartSeconds, b, err = cutFloat(b); err != nil {
			return t, nil, err
		}
	}
	if flags&turnEnd != 0 {
		t.EndSeconds, b, err = cutFloat(b)
	}
	return t, b, err
}

func cutFloat(b []byte) (*float64, []byte, error) {
	if len(b) < 8 {
		return nil, nil, fmt.Errorf("%w: cut off", call.ErrCorrupt)
	}
	f := math.Float64frombits(binary.BigEndian.Uint64(b))
	return &f, b[8:], nil
}

// loadTranscript reads the turns from where refs say they are.
func loadTranscript(tx *bolt.Tx, callKey []byte, refs *refs) ([]call.Turn, error) {
	if refs.transcript == ownTranscript {
		body, err := unpack(tx.Bucket(bucketTranscripts).Get(callKey))
		if err != nil {
			return nil, fmt.Errorf("decode transcript: %w", err)
		}
		return decodeTranscript(body, refs.digest)
	}
	row, err := cutVersion(tx.Bucket(bucketVersions).Get(seqKey(refs.transcript)))
	if err != nil {
		return nil, fmt.Errorf("decode transcript: %w", err)
	}
	return decodeTranscript(row.transcript, refs.digest)
}
