package media

import (
	"bytes"
	"encoding/binary"
	"testing"

	"callsyncd/call"
)

func TestEndOf(t *testing.T) {
	box := func(name string, n int) []byte {
		b := binary.BigEndian.AppendUint32(nil, uint32(8+n))
		return append(append(b, name...), make([]byte, n)...)
	}
	page := func(flags byte, n int) []byte {
		b := append([]byte("OggS\x00"), flags)
		b = append(b, make([]byte, 20)...)
		return append(append(b, 1, byte(n)), make([]byte, n)...)
	}
	riff := func(announced, n int) []byte {
		b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(announced))
		return append(append(b, "WAVE"...), make([]byte, n)...)
	}
	mp3 := func(announced, frames int) []byte { // MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes a frame
		frame := append([]byte{0xff, 0xfb, 0x90, 0x64}, make([]byte, 413)...)
		first := bytes.Clone(frame)
		copy(first[36:], "Xing\x00\x00\x00\x03")
		binary.BigEndian.PutUint32(first[44:], uint32(frames))
		binary.BigEndian.PutUint32(first[48:], uint32(announced))
		return append(first, bytes.Repeat(frame, frames)...)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for name, tc := range map[string]struct {
		extension string
		body      []byte
		end       call.FileEnd
	}{
		"wav":                 {".wav", riff(1004, 1000), call.EndReached},
		"wav cut":             {".wav", riff(5004, 1000), call.EndMissing},
		"wav of a stream":     {".wav", riff(0xffffffff, 1000), call.EndUntold},
		"wav without padding": {".wav", riff(1005, 1000), call.EndReached},
		"wav of no size":      {".wav", riff(36, 1000), call.EndUntold},
		"mp3":                 {".mp3", mp3(11*417, 10), call.EndReached},
		"mp3 cut":             {".mp3", mp3(101*417, 10), call.EndMissing},
		"mp3 of a stream":     {".mp3", mp3(0, 10), call.EndUntold},
		"ogg":                 {".ogg", join(page(2, 30), page(0, 90), page(4, 20)), call.EndReached},
		"ogg without end":     {".ogg", join(page(2, 30), page(0, 90)), call.EndMissing},
		"ogg within a page":   {".ogg", join(page(2, 30), page(4, 90))[:100], call.EndMissing},
		"mp4":                 {".m4a", join(box("ftyp", 12), box("mdat", 900), box("moov", 60)), call.EndReached},
		"mp4 within a box":    {".m4a", join(box("ftyp", 12), box("moov", 60), box("mdat", 900))[:700], call.EndMissing},
		"mp4 without moov":    {".m4a", join(box("ftyp", 12), box("mdat", 900)), call.EndMissing},
		"mp4 in fragments":    {".mp4", join(box("ftyp", 12), box("moov", 60), box("moof", 60), box("mdat", 900)), call.EndUntold},
		"mp4 without sound":   {".mp4", join(box("ftyp", 12), box("moov", 60)), call.EndUntold},
		"ogg and more":        {".ogg", join(page(2, 30), page(4, 20), []byte("x")), call.EndUntold},
		"amr":                 {".amr", []byte("#!AMR\n"), call.EndUntold},
	} {
		t.Run(name, func(t *testing.T) {
			if got := endOf(bytes.NewReader(tc.body), int64(len(tc.body)), sniffed{format: format{extension: tc.extension}}); got != tc.end {
				t.Errorf("%d, want %d", got, tc.end)
			}
		})
	}
}
