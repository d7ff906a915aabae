package media

import (
	"bytes"
	"encoding/binary"
	"io"
)

// cutOff reports whether a file says of itself that it should be longer: that
// its end is missing. Formats that do not tell are not cut off.
func cutOff(f io.ReaderAt, size int64, s sniffed) bool {
	sound := io.NewSectionReader(f, s.start, size-s.start)
	switch s.extension {
	case ".wav":
		return wavCut(sound, sound.Size())
	case ".mp3":
		return mp3Cut(sound, sound.Size())
	case ".ogg", ".ogv":
		return oggCut(sound, sound.Size())
	case ".m4a", ".mp4", ".mov", ".3gp", ".3g2":
		return boxesCut(sound, sound.Size())
	}
	return false
}

// streamedBytes is the least size that writers of endless WAV streams announce.
const streamedBytes = 0x7fff0000

// wavCut believes the size of the whole only where it was not written before the
// end was known.
func wavCut(f io.ReaderAt, size int64) bool {
	var head [8]byte
	if _, err := f.ReadAt(head[:], 0); err != nil || string(head[:4]) != "RIFF" {
		return false
	}
	announced := int64(binary.LittleEndian.Uint32(head[4:]))
	return announced < streamedBytes && 8+announced > size+1 // some count a byte of padding they leave out
}

// mp3Cut compares the bytes with the count an encoder left in the first frame.
func mp3Cut(f io.ReaderAt, size int64) bool {
	head := make([]byte, maxFrameBytes)
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	first, ok := parseFrame(head)
	if !ok {
		return false
	}
	index := head[:min(first.bytes, n)]
	at := bytes.Index(index, []byte("Xing"))
	if at < 0 {
		at = bytes.Index(index, []byte("Info"))
	}
	const framesFlag, bytesFlag = 1, 2
	if at < 0 || !first.isIndex(index) || len(index) < at+16 || index[at+7]&bytesFlag == 0 {
		return false
	}
	count := index[at+8:]
	if index[at+7]&framesFlag != 0 {
		count = index[at+12:]
	}
	return int64(binary.BigEndian.Uint32(count)) > size+int64(first.bytes) // some count the first frame twice
}

// oggPageBytes is the most a page of Ogg takes.
const oggPageBytes = 65307

// oggCut looks for the page that ends the last stream.
func oggCut(f io.ReaderAt, size int64) bool {
	const headerBytes, endFlag = 27, 4
	tail := make([]byte, min(size, oggPageBytes))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return false
	}
	at := bytes.LastIndex(tail, []byte("OggS"))
	if at < 0 || len(tail) < at+headerBytes {
		return true
	}
	segments := int(tail[at+26])
	end := at + headerBytes + segments
	if len(tail) < end {
		return true
	}
	for _, n := range tail[at+headerBytes : end] {
		end += int(n)
	}
	return len(tail) < end || tail[at+5]&endFlag == 0
}

// boxesCut follows the boxes of an MP4 file, and misses the one that says where
// the sound is.
func boxesCut(f io.ReaderAt, size int64) bool {
	found := false
	for offset := int64(0); offset < size; {
		var head [16]byte
		n, _ := f.ReadAt(head[:], offset)
		if n < 8 {
			return true
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		found = found || string(head[4:8]) == "moov" || string(head[4:8]) == "moof"
		switch {
		case length == 0: // to the end of the file
			return !found
		case length == 1 && n == 16:
			length = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if length < 8 {
			return false // it is none
		}
		offset += length
		if offset > size || offset < 0 {
			return true
		}
	}
	return !found
}
