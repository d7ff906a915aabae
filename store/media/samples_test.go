package media

import (
	"bytes"
	"encoding/binary"
)

// mpegFrames returns n silent frames with this header, each of the length given.
func mpegFrames(header [4]byte, n, length int) []byte {
	frame := make([]byte, length)
	copy(frame, header[:])
	return bytes.Repeat(frame, n)
}

var (
	mpeg1Header   = [4]byte{0xff, 0xfb, 0x90, 0x00} // layer III, 128 kbit/s, 44.1 kHz, stereo: 417 bytes
	mpeg1Mono     = [4]byte{0xff, 0xfb, 0x90, 0xc0}
	mpeg2Mono     = [4]byte{0xff, 0xf3, 0x80, 0xc0} // 64 kbit/s, 22.05 kHz: 208 bytes
	mpeg25Mono    = [4]byte{0xff, 0xe3, 0x28, 0xc0} // 16 kbit/s, 8 kHz: 144 bytes
	layer2Header  = [4]byte{0xff, 0xfd, 0x84, 0x00} // 128 kbit/s, 48 kHz: 384 bytes
	sampleMP3     = mpegFrames(mpeg1Header, 100, 417)
	sampleMP3Secs = 100 * 1152 / 44100.0
)

// withMark writes an encoder's mark into the first frame.
func withMark(frames []byte, offset int, mark string) []byte {
	frames = bytes.Clone(frames)
	copy(frames[offset:], mark)
	return frames
}

// id3 is an ID3v2 tag with n bytes of content.
func id3(n int) []byte {
	head := []byte{'I', 'D', '3', 4, 0, 0, byte(n >> 21 & 127), byte(n >> 14 & 127), byte(n >> 7 & 127), byte(n & 127)}
	return append(head, bytes.Repeat([]byte("t"), n)...)
}

func chunk(id string, length uint32, content []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(id), length)
	b = append(b, content...)
	if len(content)%2 == 1 {
		b = append(b, 0)
	}
	return b
}

// wavFormat is a fmt chunk of one channel.
func wavFormat(tag uint16, sampleRate, byteRate uint32, frameBytes uint16) []byte {
	b := binary.LittleEndian.AppendUint16(nil, tag)
	b = binary.LittleEndian.AppendUint16(b, 1)
	b = binary.LittleEndian.AppendUint32(b, sampleRate)
	b = binary.LittleEndian.AppendUint32(b, byteRate)
	b = binary.LittleEndian.AppendUint16(b, frameBytes)
	b = binary.LittleEndian.AppendUint16(b, frameBytes*8)
	return chunk("fmt ", uint32(len(b)), b)
}

// wav joins chunks to a file.
func wav(chunks ...[]byte) []byte {
	content := append([]byte("WAVE"), bytes.Join(chunks, nil)...)
	return chunk("RIFF", uint32(len(content)), content)
}

// sampleWAV is n bytes of 8 kHz 16-bit sound: n/16000 seconds.
func sampleWAV(n int) []byte {
	return wav(wavFormat(1, 8000, 16000, 2), chunk("data", uint32(n), make([]byte, n)))
}

// ogg is the first page of an Opus stream.
var ogg = append([]byte("OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x01\x02\x03\x01\x13"),
	"OpusHead\x01\x01\x38\x01\x80\xbb\x00\x00\x00\x00\x00"...)

func ftyp(brand string) []byte {
	return append([]byte("\x00\x00\x00\x18ftyp"+brand+"\x00\x00\x02\x00isomiso2"), make([]byte, 64)...)
}

// webm is an EBML head with one track of this codec.
func webm(codec string) []byte {
	return append([]byte("\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm\x42\x87\x81\x04"), codec...)
}

// adts returns n frames of AAC, 32 bytes each.
func adts(n int) []byte {
	frame := make([]byte, 32)
	copy(frame, []byte{0xff, 0xf1, 0x6c, 0x40, 32 >> 3, 0x1f | 32&7<<5, 0xfc})
	return bytes.Repeat(frame, n)
}
