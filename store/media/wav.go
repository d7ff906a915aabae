package media

import (
	"encoding/binary"
	"io"
)

// maxChunks bounds how many chunks are looked at before the sound.
const maxChunks = 1000

// Formats of the fmt chunk whose bytes per second follow from the frame size.
var uncompressed = map[uint16]bool{
	1: true, 3: true, 6: true, 7: true, // PCM, float, A-law, mu-law
	0xfffe: true, // extensible, used for these only
}

// isWAV reports whether head begins a RIFF or RF64 file of sound.
func isWAV(head []byte) bool {
	return len(head) >= 12 && (string(head[:4]) == "RIFF" || string(head[:4]) == "RF64") && string(head[8:12]) == "WAVE"
}

// wavSeconds reads the length of a WAV file: its sound data divided by the
// bytes per second. Data sizes that cannot be true, as of files written while
// streaming, stand for the rest of the file.
func wavSeconds(f io.ReaderAt, size int64) (float64, bool) {
	var bytesPerSecond, longData int64
	offset := int64(12)
	for range maxChunks {
		var chunk [48]byte // its header and what we need of its content
		n, _ := f.ReadAt(chunk[:], offset)
		if n < 8 {
			return 0, false
		}
		content, length := chunk[8:n], int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch string(chunk[:4]) {
		case "fmt ":
			if len(content) < 16 || length < 16 {
				return 0, false
			}
			bytesPerSecond = int64(binary.LittleEndian.Uint32(content[8:]))
			frameRate, frameBytes := int64(binary.LittleEndian.Uint32(content[4:])), int64(binary.LittleEndian.Uint16(content[12:]))
			if uncompressed[binary.LittleEndian.Uint16(content)] && frameRate*frameBytes > 0 {
				bytesPerSecond = frameRate * frameBytes
			}
		case "ds64": // 64-bit sizes of RF64
			if len(content) >= 16 {
				longData = int64(binary.LittleEndian.Uint64(content[8:]))
			}
		case "data":
			if length == 0xffffffff && longData > 0 {
				length = longData
			}
			rest := size - offset - 8
			if length == 0 || length > rest {
				length = rest
			}
			if bytesPerSecond == 0 || length <= 0 {
				return 0, false
			}
			return float64(length) / float64(bytesPerSecond), true
		}
		offset += 8 + length + length%2
	}
	return 0, false
}
