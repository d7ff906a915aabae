package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"callsyncd/call"
)

// versionFormat began the values of the versions bucket before they were sealed.
const versionFormat = 1

// storedVersion is one row of the versions bucket: what changed with a version
// of a call.
type storedVersion struct {
	callKey     []byte
	number      int
	observedAt  time.Time
	fingerprint string
	documents   call.Documents
	// transcript, when not empty, is what encodeTranscript made. It is packed
	// together with the documents it was taken from, which costs next to
	// nothing: its words are in there already.
	transcript []byte
}

// encode writes the header with the SHA-256 of the documents, and then
// documents and transcript packed.
func (v *storedVersion) encode() []byte {
	payload := encodeDocuments(v.documents)
	sum := sha256.Sum256(payload)
	b := appendTime([]byte{sealed}, v.observedAt)
	b = append(b, sum[:]...)
	b = appendBytes(b, []byte(v.fingerprint))
	b = appendBytes(b, v.callKey)
	b = binary.AppendUvarint(b, uint64(v.number))
	b = binary.AppendUvarint(b, uint64(len(payload)))
	return seal(nil, pack(b, append(payload, v.transcript...)))
}

// versionRow is a row of the versions bucket, unpacked but for the documents.
type versionRow struct {
	version storedVersion
	sum     []byte // of payload
	payload []byte // what encodeDocuments made
	// transcript is what encodeTranscript made; empty when it is not here.
	transcript []byte
}

// cutVersion splits a row. decodeVersion also looks at the documents' hash.
func cutVersion(b []byte) (versionRow, error) {
	r, b, err := cutHead(b)
	if err != nil {
		return r, err
	}
	size, b, err := cutUvarint(b)
	if err != nil {
		return r, err
	}
	payload, err := unpack(b)
	if err != nil {
		return r, err
	}
	if size > uint64(len(payload)) {
		return r, fmt.Errorf("%w: %d of %d bytes", call.ErrCorrupt, len(payload), size)
	}
	r.payload, r.transcript = payload[:size], payload[size:]
	return r, nil
}

// cutHead reads a row up to what is packed.
func cutHead(b []byte) (r versionRow, rest []byte, err error) {
	if b, err = unseal(nil, b); err != nil {
		return r, nil, err
	}
	if len(b) < 1+timeBytes+sha256.Size || b[0] != versionFormat && b[0] != sealed {
		return r, nil, fmt.Errorf("%w: unknown version format", call.ErrCorrupt)
	}
	v := &r.version
	if v.observedAt, b, err = cutTime(b[1:]); err != nil {
		return r, nil, err
	}
	r.sum, b = b[:sha256.Size], b[sha256.Size:]
	fingerprint, b, err := cutBytes(b)
	if err != nil {
		return r, nil, err
	}
	key, b, err := cutBytes(b)
	if err != nil {
		return r, nil, err
	}
	number, b, err := cutUvarint(b)
	if err != nil {
		return r, nil, err
	}
	v.fingerprint, v.callKey, v.number = string(fingerprint), bytes.Clone(key), int(number)
	return r, b, nil
}

// decodeVersion decodes a row, without the transcript, and compares the
// documents with their hash.
func decodeVersion(b []byte) (storedVersion, error) {
	r, err := cutVersion(b)
	if err != nil {
		return storedVersion{}, fmt.Errorf("decode version: %w", err)
	}
	if got := sha256.Sum256(r.payload); !bytes.Equal(got[:], r.sum) {
		return storedVersion{}, fmt.Errorf("decode version: %w: the documents have hash %x, want %x", call.ErrCorrupt, got, r.sum)
	}
	if r.version.documents, err = decodeDocuments(r.payload); err != nil {
		return storedVersion{}, fmt.Errorf("decode version: %w", err)
	}
	return r.version, nil
}

// belongs tells whether a row is the version of that number of that call.
func (v *storedVersion) belongs(callKey []byte, number int) error {
	if v.number != number || !bytes.Equal(v.callKey, callKey) {
		return fmt.Errorf("%w: the row holds version %d of call %x", call.ErrCorrupt, v.number, v.callKey)
	}
	return nil
}

// encodeDocuments keeps every byte of the bodies, which JSON inside JSON would not.
func encodeDocuments(docs call.Documents) []byte {
	b := binary.AppendUvarint(nil, uint64(len(docs)))
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		doc := docs[name]
		b = appendBytes(b, []byte(name))
		b = binary.AppendUvarint(b, uint64(doc.Status))
		b = appendTime(b, doc.FetchedAt)
		b = appendBytes(b, doc.Body)
	}
	return b
}

func decodeDocuments(b []byte) (call.Documents, error) {
	count, b, err := cutUvarint(b)
	if err != nil {
		return nil, err
	}
	docs := call.Documents{}
	for range count {
		var name, body []byte
		var status uint64
		var doc call.Document
		if name, b, err = cutBytes(b); err != nil {
			return nil, err
		}
		if status, b, err = cutUvarint(b); err != nil {
			return nil, err
		}
		if doc.FetchedAt, b, err = cutTime(b); err != nil {
			return nil, err
		}
		if body, b, err = cutBytes(b); err != nil {
			return nil, err
		}
		if len(body) > 0 {
			doc.Body = bytes.Clone(body)
		}
		doc.Status = int(status)
		docs[string(name)] = doc
	}
	if uint64(len(docs)) != count || len(b) != 0 {
		return nil, fmt.Errorf("%w: documents repeated or followed by %d bytes", call.ErrCorrupt, len(b))
	}
	return docs, nil
}

// fingerprintOf sums up the fingerprints of all documents of a call.
func fingerprintOf(fingerprints map[string]string) string {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(fingerprints)) {
		b = appendBytes(b, []byte(name))
		b = appendBytes(b, []byte(fingerprints[name]))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
