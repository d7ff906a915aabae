package media

import (
	"bytes"
	"encoding/binary"
	"io"

	"callsyncd/call"
)

// endOf reads what a file says of its own end. Formats that do not tell leave it
// untold.
func endOf(f io.ReaderAt, size int64, s sniffed) call.FileEnd {
	sound := io.NewSectionReader(f, s.start, size-s.start)
	switch s.extension {
	case ".wav":
		return wavEnd(sound, sound.Size())
	case ".mp3":
		return mp3End(sound, sound.Size())
	case ".ogg", ".ogv":
		return oggEnd(sound, sound.Size())
	case ".m4a", ".mp4", ".mov", ".3gp", ".3g2":
		return boxesEnd(sound, sound.Size())
	}
	return call.EndUntold
}

// streamedBytes is the least size that writers of endless WAV streams announce.
const streamedBytes = 0x7fff0000

// wavEnd believes the size of the whole only where it was not written before the
// end was known. Some count a byte of padding they leave out, or the other way round.
func wavEnd(f io.ReaderAt, size int64) call.FileEnd {
	var head [8]byte
	if _, err := f.ReadAt(head[:], 0); err != nil || string(head[:4]) != "RIFF" {
		return call.EndUntold
	}
	switch announced := 8 + int64(binary.LittleEndian.Uint32(head[4:])); {
	case announced >= 8+streamedBytes:
	case announced > size+1:
		return call.EndMissing
	case announced >= size-1:
		return call.EndReached
	}
	return call.EndUntold // it goes on behind the end, as if that had not been known
}

// mp3End compares the bytes with the count an encoder left in the first frame.
func mp3End(f io.ReaderAt, size int64) call.FileEnd {
	head := make([]byte, maxFrameBytes)
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	first, ok := parseFrame(head)
	if !ok {
		return call.EndUntold
	}
	index := head[:min(first.bytes, n)]
	at := bytes.Index(index, []byte("Xing"))
	if at < 0 {
		at = bytes.Index(index, []byte("Info"))
	}
	const framesFlag, bytesFlag = 1, 2
	if at < 0 || !first.isIndex(index) || len(index) < at+16 || index[at+7]&bytesFlag == 0 {
		return call.EndUntold
	}
	count := index[at+8:]
	if index[at+7]&framesFlag != 0 {
		count = index[at+12:]
	}
	switch announced, frame := int64(binary.BigEndian.Uint32(count)), int64(first.bytes); {
	case announced > size+frame: // some count the first frame twice
		return call.EndMissing
	case announced <= size && announced >= size-frame:
		return call.EndReached
	}
	return call.EndUntold
}

// oggPageBytes is the most a page of Ogg takes.
const oggPageBytes = 65307

// oggEnd looks for the page that ends the last stream.
func oggEnd(f io.ReaderAt, size int64) call.FileEnd {
	const headerBytes, endFlag = 27, 4
	tail := make([]byte, min(size, oggPageBytes))
	if _, err := f.ReadAt(tail, size-int64(len(tail))); err != nil {
		return call.EndUntold
	}
	at := bytes.LastIndex(tail, []byte("OggS"))
	if at < 0 || len(tail) < at+headerBytes {
		return call.EndMissing
	}
	segments := int(tail[at+26])
	end := at + headerBytes + segments
	if len(tail) < end {
		return call.EndMissing
	}
	for _, n := range tail[at+headerBytes : end] {
		end += int(n)
	}
	switch {
	case len(tail) < end || tail[at+5]&endFlag == 0:
		return call.EndMissing
	case len(tail) > end:
		return call.EndUntold
	}
	return call.EndReached
}

// boxesEnd follows the boxes of an MP4 file, and misses the one that says where
// the sound is. Of a file in fragments there may always be more.
func boxesEnd(f io.ReaderAt, size int64) call.FileEnd {
	found := make(map[string]bool)
	for offset := int64(0); offset < size; {
		var head [16]byte
		n, _ := f.ReadAt(head[:], offset)
		if n < 8 {
			return call.EndMissing
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		found[string(head[4:8])] = true
		switch {
		case length == 0 && (found["moov"] || found["moof"]): // to the end of the file
			return call.EndUntold
		case length == 0:
			return call.EndMissing
		case length == 1 && n == 16:
			length = int64(binary.BigEndian.Uint64(head[8:]))
		}
		if length < 8 {
			return call.EndUntold // it is none
		}
		offset += length
		if offset > size || offset < 0 {
			return call.EndMissing
		}
	}
	switch {
	case !found["moov"] && !found["moof"]:
		return call.EndMissing
	case found["moov"] && found["mdat"] && !found["moof"]:
		return call.EndReached
	}
	return call.EndUntold
}
