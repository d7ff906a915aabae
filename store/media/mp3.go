package media

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
)

// The frame headers are read here because no kept library does it for
// telephone recordings: hajimehoshi/go-mp3 v0.3.4 refuses MPEG 2.5, the version
// of 8 kHz sound, and counts the Xing frame as sound.

const (
	frameHeaderBytes = 4
	// maxFrameBytes is the longest frame: 384 kbit/s at 32 kHz, padded.
	maxFrameBytes = 1729
)

// Bit rates in kbit/s by the header's index; 0 and 15 are free format and forbidden.
var (
	bitRatesV1L2 = [16]int{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 0}
	bitRatesV1L3 = [16]int{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0}
	bitRatesV2   = [16]int{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0}
)

// frame is what an MPEG audio frame header of layer II or III says.
type frame struct {
	version1, layer3, mono bool
	sampleRate             int // per second
	samples                int // per channel
	bytes                  int // of the whole frame
}

func parseFrame(head []byte) (frame, bool) {
	if len(head) < frameHeaderBytes {
		return frame{}, false
	}
	bits := binary.BigEndian.Uint32(head)
	version, layer := bits>>19&3, bits>>17&3
	rateIndex, rawBitRate := bits>>10&3, bits>>12&15
	const reservedVersion, layerIII, layerII, reservedEmphasis = 1, 1, 2, 2
	if bits>>21 != 0x7ff || version == reservedVersion || layer != layerIII && layer != layerII ||
		rateIndex == 3 || bits&3 == reservedEmphasis {
		return frame{}, false
	}
	f := frame{version1: version == 3, layer3: layer == layerIII, mono: bits>>6&3 == 3, samples: 1152}
	f.sampleRate = [3]int{44100, 48000, 32000}[rateIndex]
	bitRate := bitRatesV2[rawBitRate]
	switch {
	case f.version1 && f.layer3:
		bitRate = bitRatesV1L3[rawBitRate]
	case f.version1:
		bitRate = bitRatesV1L2[rawBitRate]
	case version == 2:
		f.sampleRate /= 2
	default:
		f.sampleRate /= 4
	}
	if f.layer3 && !f.version1 {
		f.samples = 576
	}
	f.bytes = f.samples/8*bitRate*1000/f.sampleRate + int(bits>>9&1)
	return f, bitRate > 0
}

// follows reports whether f can be in one stream with first.
func (f frame) follows(first frame) bool {
	return f.version1 == first.version1 && f.layer3 == first.layer3 && f.sampleRate == first.sampleRate
}

// isIndex reports whether content, the frame with its header, holds no sound
// but the seek table of an encoder.
func (f frame) isIndex(content []byte) bool {
	if !f.layer3 {
		return false
	}
	side := 32
	switch {
	case f.version1 && f.mono, !f.version1 && !f.mono:
		side = 17
	case !f.version1:
		side = 9
	}
	return hasAt(content, frameHeaderBytes+side, "Xing") || hasAt(content, frameHeaderBytes+side, "Info") ||
		hasAt(content, frameHeaderBytes+32, "VBRI")
}

func hasAt(b []byte, offset int, mark string) bool {
	return len(b) >= offset+len(mark) && string(b[offset:offset+len(mark)]) == mark
}

// isMP3 reports whether a whole frame begins at start, followed by another of
// the same stream or by the end of the file.
func isMP3(f io.ReaderAt, start, size int64) bool {
	r := bufio.NewReader(io.NewSectionReader(f, start, size-start))
	head, _ := r.Peek(frameHeaderBytes)
	first, ok := parseFrame(head)
	return ok && first.continues(r, first)
}

// continues reports whether the frame next in r is whole, and followed by
// another of the stream or by the end.
func (f frame) continues(r *bufio.Reader, first frame) bool {
	ahead, _ := r.Peek(f.bytes + frameHeaderBytes)
	if len(ahead) < f.bytes+frameHeaderBytes {
		return len(ahead) == f.bytes
	}
	next, ok := parseFrame(ahead[f.bytes:])
	return ok && next.follows(first)
}

// mp3Seconds adds up the frames of a stream, which holds also where the
// encoder's own count is missing or wrong. Bytes between frames are skipped; a
// frame cut off by the end does not count.
func mp3Seconds(ctx context.Context, f io.ReaderAt, start, size int64) (float64, bool) {
	r := bufio.NewReaderSize(contextReader{ctx, io.NewSectionReader(f, start, size-start)}, 64<<10)
	head, _ := r.Peek(maxFrameBytes)
	first, ok := parseFrame(head)
	if !ok {
		return 0, false
	}
	if first.isIndex(head[:min(first.bytes, len(head))]) {
		_, _ = r.Discard(first.bytes)
	}
	var samples int64
	inStep := true
	for {
		head, err := r.Peek(frameHeaderBytes)
		if err != nil {
			break
		}
		next, ok := parseFrame(head)
		if !ok || !next.follows(first) || !inStep && !next.continues(r, first) {
			inStep = false
			skipToSync(r)
			continue
		}
		inStep = true
		if _, err := r.Discard(next.bytes); err != nil {
			break
		}
		samples += int64(next.samples)
	}
	return float64(samples) / float64(first.sampleRate), samples > 0
}

// skipToSync discards one byte and all before the next that may begin a frame.
func skipToSync(r *bufio.Reader) {
	ahead, _ := r.Peek(r.Buffered())
	skip := len(ahead)
	if i := bytes.IndexByte(ahead[1:], 0xff); i >= 0 {
		skip = i + 1
	}
	_, _ = r.Discard(skip)
}
