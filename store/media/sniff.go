package media

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"mime"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

const (
	// headBytes is how much of a file its type is read from.
	headBytes = 4096
	// maxTags bounds how many ID3 tags are skipped before the sound.
	maxTags = 8
)

// format is a kind of recording we store.
type format struct {
	contentType string
	extension   string
}

var (
	formatMP3 = format{"audio/mpeg", ".mp3"}
	formatAAC = format{"audio/aac", ".aac"}
	formatWAV = format{"audio/wav", ".wav"}
)

// formats are the types of mimetype that are stored, and as what. MP3 and AAC
// are missing because mimetype believes two bytes, WAV because it does not
// know RF64.
var formats = map[string]format{
	"audio/ogg":       {"audio/ogg", ".ogg"},
	"application/ogg": {"audio/ogg", ".ogg"},
	"video/ogg":       {"video/ogg", ".ogv"},
	"audio/mp4":       {"audio/mp4", ".m4a"},
	"audio/x-m4a":     {"audio/mp4", ".m4a"},
	"video/mp4":       {"video/mp4", ".mp4"},
	"video/x-m4v":     {"video/mp4", ".mp4"},
	"video/quicktime": {"video/quicktime", ".mov"},
	"video/3gpp":      {"video/3gpp", ".3gp"},
	"video/3gpp2":     {"video/3gpp2", ".3g2"},
	"video/webm":      {"video/webm", ".webm"},
	"video/matroska":  {"video/matroska", ".mkv"},
	"audio/flac":      {"audio/flac", ".flac"},
	"audio/amr":       {"audio/amr", ".amr"},
	"audio/aiff":      {"audio/aiff", ".aiff"},
	"audio/basic":     {"audio/basic", ".au"},
}

// sniffed is what the content of a file says.
type sniffed struct {
	format
	// start is the offset of the sound, past tags and padding.
	start int64
}

// unknownBytes is the least size of a file nobody recognises to be believed to
// be the audio its host says it is; shorter ones are more likely an error.
const unknownBytes = 1 << 10

// beginningBytes is the least size of a file that begins like an MP3.
const beginningBytes = 64

// sniff tells what a file is by its content. Pages, documents, images and
// archives are a *ContentError, whatever the host claims; so are unknown bytes
// that are few or not claimed to be audio.
func sniff(f io.ReaderAt, size int64, claimed string) (sniffed, error) {
	start, err := afterTags(f)
	if err != nil {
		return sniffed{}, err
	}
	head, err := readHead(f, start)
	if err != nil {
		return sniffed{}, err
	}
	padding := int64(len(head) - len(bytes.TrimLeft(head, "\x00"))) // some encoders begin with it
	switch {
	case isMP3(f, start+padding, size):
		return sniffed{formatMP3, start + padding}, nil
	case isADTS(head):
		return sniffed{formatAAC, start}, nil
	case isWAV(head):
		return sniffed{formatWAV, start}, nil
	case bytes.HasPrefix(head, []byte("#!AMR-WB\n")):
		return sniffed{format{"audio/amr-wb", ".awb"}, start}, nil
	}
	detected := mimetype.Detect(head)
	if known, ok := formats[detected.String()]; ok {
		if known.contentType == "video/webm" && !bytes.Contains(head, []byte("V_")) { // names no codec of pictures
			known.contentType = "audio/webm"
		}
		return sniffed{known, start}, nil
	}
	if f, ok := believed(head, start, size, claimed, detected); ok {
		return sniffed{f, start}, nil
	}
	return sniffed{}, &ContentError{NotAudio, fmt.Sprintf("%d bytes that look like %s", size, detected)}
}

// believed takes bytes for a recording that no rule recognised: the beginning
// of an MP3 whose frames do not follow each other as they should, or anything
// that is nothing else and comes as audio. Losing a recording over an encoder's
// oddity would be worse than keeping a few strange bytes.
func believed(head []byte, start, size int64, claimed string, detected *mimetype.MIME) (format, bool) {
	sync := len(head) > 2 && head[0] == 0xff && head[1]&0xe0 == 0xe0 && head[1]&0x06 != 0 && head[2]>>4 != 0xf
	unknown := detected.Is("application/octet-stream") || detected.Is("audio/mpeg") || detected.Is("audio/aac")
	media, _, err := mime.ParseMediaType(claimed)
	switch {
	case len(bytes.Trim(head, "\x00")) == 0, bytes.Contains(bytes.ToLower(head), []byte("<html")):
		return format{}, false
	case unknown && size >= beginningBytes && (sync || start > 0 && start < size):
		return formatMP3, true
	case err != nil || !unknown || size < unknownBytes || !strings.HasPrefix(media, "audio/"):
		return format{}, false
	case media == "audio/mpeg" || media == "audio/mp3":
		return formatMP3, true
	case media == "audio/wav" || media == "audio/x-wav" || media == "audio/wave":
		return formatWAV, true
	}
	return format{media, ".audio"}, true
}

// readHead returns up to headBytes from offset on.
func readHead(f io.ReaderAt, offset int64) ([]byte, error) {
	head := make([]byte, headBytes)
	n, err := f.ReadAt(head, offset)
	if err != nil && err != io.EOF {
		return nil, err
	}
	return head[:n], nil
}

// afterTags is the offset of what follows the ID3v2 tags.
func afterTags(f io.ReaderAt) (int64, error) {
	var start int64
	for range maxTags {
		head, err := readHead(f, start)
		if err != nil {
			return 0, err
		}
		length := tagBytes(head)
		if length == 0 {
			return start, nil
		}
		start += length
	}
	return start, nil
}

// tagBytes is the length of the ID3v2 tag at the beginning of head, 0 when
// there is none.
func tagBytes(head []byte) int64 {
	const headerBytes, footerFlag = 10, 0x10
	if len(head) < headerBytes || string(head[:3]) != "ID3" {
		return 0
	}
	var length int64
	for _, b := range head[6:10] {
		if b > 0x7f {
			return 0
		}
		length = length<<7 | int64(b)
	}
	if head[5]&footerFlag != 0 {
		length += headerBytes
	}
	return headerBytes + length
}

// isADTS reports whether head begins with a frame of AAC in ADTS, followed by
// another or by the end of head.
func isADTS(head []byte) bool {
	const headerBytes = 7
	isHeader := func(b []byte) bool {
		return len(b) >= headerBytes && b[0] == 0xff && b[1]&0xf6 == 0xf0 && b[2]>>2&15 < 13
	}
	if !isHeader(head) {
		return false
	}
	length := int(head[3]&3)<<11 | int(head[4])<<3 | int(head[5])>>5
	switch {
	case length < headerBytes || length > len(head):
		return false
	case length+headerBytes > len(head):
		return length == len(head) || len(head) == headBytes
	}
	return isHeader(head[length:])
}

// seconds reads the length of a recording out of it, in milliseconds'
// precision; nil for formats whose length is left to players.
func seconds(ctx context.Context, f io.ReaderAt, size int64, s sniffed) *float64 {
	var length float64
	var ok bool
	switch s.format {
	case formatMP3:
		length, ok = mp3Seconds(ctx, f, s.start, size)
	case formatWAV:
		length, ok = wavSeconds(io.NewSectionReader(f, s.start, size-s.start), size-s.start)
	}
	if !ok {
		return nil
	}
	length = math.Round(length*1000) / 1000
	return &length
}
