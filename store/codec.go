package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/klauspost/compress/zstd"

	"callsyncd/call"
)

// maxPayloadBytes bounds what one stored value may unpack to.
const maxPayloadBytes = 1 << 30

var (
	packer = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // the options are constants
		}
		return e
	})
	unpacker = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxPayloadBytes))
		if err != nil {
			panic(err) // the options are constants
		}
		return d
	})
)

func pack(dst, b []byte) []byte { return packer().EncodeAll(b, dst) }

func unpack(b []byte) ([]byte, error) {
	out, err := unpacker().DecodeAll(b, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: unpack: %w", call.ErrCorrupt, err)
	}
	return out, nil
}

// sealed begins the values that end with a checksum of themselves and their
// key. Values of before do not: JSON begins with a brace, packed values with
// the mark of their compression.
const sealed = 2

// sealBytes is the length of the checksum.
const sealBytes = 4

var errChecksum = fmt.Errorf("%w: the checksum differs", call.ErrCorrupt)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal appends the checksum to a value, so that a flipped bit is noticed where
// nothing else would.
func seal(key, b []byte) []byte {
	return binary.BigEndian.AppendUint32(b, checksum(key, b))
}

func checksum(key, b []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, b)
}

// unseal takes the checksum off a value that begins with sealed, and leaves
// others as they are.
func unseal(key, b []byte) ([]byte, error) {
	if len(b) == 0 || b[0] != sealed {
		return b, nil
	}
	size := len(b) - sealBytes
	if size < 1 || binary.BigEndian.Uint32(b[size:]) != checksum(key, b[:size]) {
		return nil, errChecksum
	}
	return b[:size], nil
}

// sealRow makes a sealed value of what a row holds; openRow reads it back.
func sealRow(key, body []byte) []byte { return seal(key, append([]byte{sealed}, body...)) }

// openRow returns what a row holds. The result shares b's memory.
func openRow(key, b []byte) ([]byte, error) {
	body, err := unseal(key, b)
	if err == nil && len(body) > 0 && body[0] == sealed {
		body = body[1:]
	}
	return body, err
}

// appendBytes writes v with its length in front.
func appendBytes(b, v []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// cutBytes reads what appendBytes wrote; the result shares b's memory.
func cutBytes(b []byte) (v, rest []byte, err error) {
	n, b, err := cutUvarint(b)
	if err != nil {
		return nil, nil, err
	}
	if n > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: %d bytes announced, %d left", call.ErrCorrupt, n, len(b))
	}
	return b[:n:n], b[n:], nil
}

func cutUvarint(b []byte) (n uint64, rest []byte, err error) {
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, nil, fmt.Errorf("%w: number without end", call.ErrCorrupt)
	}
	return n, b[size:], nil
}
