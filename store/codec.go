package store

import (
	"encoding/binary"
	"fmt"
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
