package media

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"callsyncd/call"
)

func TestSniffKnowsSound(t *testing.T) {
	tests := []struct {
		name      string
		data      []byte
		want      string
		extension string
	}{
		{"mp3 without a tag", sampleMP3, "audio/mpeg", ".mp3"},
		{"mp3 of one frame", mpegFrames(mpeg1Header, 1, 417), "audio/mpeg", ".mp3"},
		{"mp3 at 8 kHz", mpegFrames(mpeg25Mono, 3, 144), "audio/mpeg", ".mp3"},
		{"mp2", mpegFrames(layer2Header, 3, 384), "audio/mpeg", ".mp3"},
		{"mp3 after a tag", append(id3(5000), sampleMP3...), "audio/mpeg", ".mp3"},
		{"mp3 after two tags and padding", bytes.Join([][]byte{id3(10), id3(300), make([]byte, 77), sampleMP3}, nil), "audio/mpeg", ".mp3"},
		{"wav", sampleWAV(100), "audio/wav", ".wav"},
		{"rf64", withMark(sampleWAV(100), 0, "RF64"), "audio/wav", ".wav"},
		{"ogg", ogg, "audio/ogg", ".ogg"},
		{"m4a", ftyp("M4A "), "audio/mp4", ".m4a"},
		{"mp4", ftyp("isom"), "video/mp4", ".mp4"},
		{"3gp", ftyp("3gp4"), "video/3gpp", ".3gp"},
		{"webm of sound", webm("A_OPUS"), "audio/webm", ".webm"},
		{"webm with pictures", webm("V_VP8"), "video/webm", ".webm"},
		{"flac", []byte("fLaC\x00\x00\x00\x22" + strings.Repeat("\x00", 34)), "audio/flac", ".flac"},
		{"flac after a tag", append(id3(20), "fLaC\x00\x00\x00\x22"...), "audio/flac", ".flac"},
		{"amr", []byte("#!AMR\n\x0c\x00"), "audio/amr", ".amr"},
		{"wideband amr", []byte("#!AMR-WB\n\x0c\x00"), "audio/amr-wb", ".awb"},
		{"aac", adts(3), "audio/aac", ".aac"},
		{"aac of one frame", adts(1), "audio/aac", ".aac"},
		{"aiff", []byte("FORM\x00\x00\x00\x2eAIFFCOMM\x00\x00\x00\x12"), "audio/aiff", ".aiff"},
		{"au", []byte(".snd\x00\x00\x00\x18\x00\x00\x00\x08\x00\x00\x00\x01"), "audio/basic", ".au"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := sniff(bytes.NewReader(test.data), int64(len(test.data)), "")
			if err != nil || got.contentType != test.want || got.extension != test.extension {
				t.Errorf("sniff = %v, %v; want %s %s", got, err, test.want, test.extension)
			}
		})
	}
}

// notSound are bodies that hosts send instead of a recording.
var notSound = map[string][]byte{
	"html":              []byte("<!DOCTYPE html><html><body>Please sign in</body></html>"),
	"html after spaces": []byte("\r\n\t  <html><head><title>Sign in</title></head></html>"),
	"xml of S3":         []byte(`<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>`),
	"json":              []byte(`{"error":"expired"}`),
	"text":              []byte("not found"),
	"png":               []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"),
	"heic":              ftyp("heic"),
	"svg":               []byte(`<svg xmlns="http://www.w3.org/2000/svg"></svg>`),
	"pdf":               []byte("%PDF-1.7\n"),
	"zip":               []byte("PK\x03\x04\x14\x00\x00\x00\x08\x00"),
	"gzip":              []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"),
	"webp in riff":      []byte("RIFF\x24\x00\x00\x00WEBPVP8 "),
	"playlist":          []byte("#EXTM3U\nhttps://media.example.com/1.ts\n"),
	"unknown":           []byte("\x01\x02\x03\x04\x05\x06\x07\x08"),
	"zeros":             make([]byte, 10000),
	"one byte":          {0xff},
	"utf-16 text":       []byte("\xff\xfeh\x00i\x00"),
	"two bytes of mp3":  append([]byte{0xff, 0xfb}, "<html></html>"...),
	"second frame bad":  append(mpegFrames(mpeg1Header, 1, 417), "<html>"...),
	"tag only":          id3(100),
	"html after a tag":  append(id3(100), "<html></html>"...),
	"tag beyond end":    id3(1000)[:500],
	"aac sync only":     append([]byte{0xff, 0xf1}, "<html></html>"...),
}

func TestSniffRefusesOtherContent(t *testing.T) {
	for name, data := range notSound {
		t.Run(name, func(t *testing.T) {
			got, err := sniff(bytes.NewReader(data), int64(len(data)), "audio/mpeg")
			content, ok := errors.AsType[*ContentError](err)
			if !ok || content.Reason != NotAudio || !errors.Is(err, call.ErrCorrupt) || errors.Is(err, call.ErrRefused) {
				t.Fatalf("sniff = %v, %v; want not_audio", got, err)
			}
			if strings.Contains(err.Error(), "expired") || strings.Contains(err.Error(), "sign in") {
				t.Errorf("the error quotes the body: %v", err)
			}
		})
	}
}

// Bytes no rule recognises are kept when they come as audio and are nothing
// else: an odd encoder must not cost a recording.
func TestSniffBelievesWhatMayBeSound(t *testing.T) {
	noise := make([]byte, 20000)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	for name, test := range map[string]struct {
		data    []byte
		claimed string
		want    format
	}{
		"tag and noise":          {append(id3(100), noise...), "audio/mpeg", formatMP3},
		"tag and zeros, a sync":  {append(append(id3(100), 0xff, 0xfb, 0x90, 0x64), make([]byte, 4000)...), "", formatMP3},
		"sync word and noise":    {append([]byte{0xff, 0xfb, 0x90, 0x64}, noise...), "application/octet-stream", formatMP3},
		"sync word and zeros":    {append([]byte{0xff, 0xfb, 0x90, 0x00}, make([]byte, 5000)...), "audio/mpeg", formatMP3},
		"one cut frame":          {mpegFrames(mpeg1Header, 1, 417)[:200], "", formatMP3},
		"noise claimed as mp3":   {append([]byte{0, 1, 2, 3}, noise...), "audio/mpeg", formatMP3},
		"noise claimed as other": {append([]byte{0, 1, 2, 3}, noise...), "audio/x-odd; rate=8000", format{"audio/x-odd", ".audio"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := sniff(bytes.NewReader(test.data), int64(len(test.data)), test.claimed)
			if err != nil || got.format != test.want {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	for name, claimed := range map[string]string{"unclaimed": "", "a page": "text/html", "binary": "application/octet-stream"} {
		if got, err := sniff(bytes.NewReader(noise), int64(len(noise)), claimed); err == nil {
			t.Errorf("noise, %s: taken as %v", name, got)
		}
	}
}

func TestSeconds(t *testing.T) {
	pcm := wavFormat(1, 8000, 16000, 2)
	second := make([]byte, 16000)
	rf64 := bytes.Join([][]byte{[]byte("RF64\xff\xff\xff\xffWAVE"),
		chunk("ds64", 28, append(make([]byte, 8), append([]byte{0x40, 0x1f, 0, 0, 0, 0, 0, 0}, make([]byte, 12)...)...)),
		pcm, chunk("data", 0xffffffff, second)}, nil)
	tests := []struct {
		name string
		data []byte
		want float64 // -1 for none
	}{
		{"wav", sampleWAV(24000), 1.5},
		{"wav with other chunks before", wav(chunk("LIST", 3, []byte("abc")), pcm, chunk("fact", 4, make([]byte, 4)), chunk("data", 16000, second)), 1},
		{"wav with a chunk after", wav(pcm, chunk("data", 16000, second), chunk("LIST", 400, make([]byte, 400))), 1},
		{"wav streamed with size 0", wav(pcm, chunk("data", 0, second)), 1},
		{"wav streamed with size -1", wav(pcm, chunk("data", 0xffffffff, second)), 1},
		{"wav cut short", wav(pcm, chunk("data", 160000, second)), 1},
		{"wav with a wrong byte rate", wav(wavFormat(1, 8000, 1, 2), chunk("data", 16000, second)), 1},
		{"wav of mu-law", wav(wavFormat(7, 8000, 8000, 1), chunk("data", 16000, second)), 2},
		{"wav of gsm", wav(wavFormat(0x31, 8000, 1625, 65), chunk("data", 3250, second[:3250])), 2},
		{"wav in rf64", rf64, 0.5},
		{"wav without data", wav(pcm), -1},
		{"wav without format", wav(chunk("data", 16000, second)), -1},
		{"wav with rate 0", wav(wavFormat(1, 0, 0, 0), chunk("data", 16000, second)), -1},
		{"wav after a tag", append(id3(31), sampleWAV(16000)...), 1},
		{"mp3", sampleMP3, sampleMP3Secs},
		{"mp3 after a tag", append(id3(5000), sampleMP3...), sampleMP3Secs},
		{"mp3 before a tag", append(bytes.Clone(sampleMP3), append([]byte("TAG"), make([]byte, 125)...)...), sampleMP3Secs},
		{"mp3 cut in its last frame", sampleMP3[:99*417+100], 99 * 1152 / 44100.0},
		{"mp3 with Xing", withMark(mpegFrames(mpeg1Header, 101, 417), 4+32, "Xing"), sampleMP3Secs},
		{"mp3 with Info in mono", withMark(mpegFrames(mpeg1Mono, 101, 417), 4+17, "Info"), sampleMP3Secs},
		{"mp3 with VBRI", withMark(mpegFrames(mpeg1Header, 101, 417), 4+32, "VBRI"), sampleMP3Secs},
		{"mp3 of version 2", mpegFrames(mpeg2Mono, 100, 208), 100 * 576 / 22050.0},
		{"mp3 of version 2 with Xing", withMark(mpegFrames(mpeg2Mono, 101, 208), 4+9, "Xing"), 100 * 576 / 22050.0},
		{"mp3 of version 2.5", mpegFrames(mpeg25Mono, 1000, 144), 72},
		{"mp2", mpegFrames(layer2Header, 100, 384), 2.4},
		{"mp3 with changing bit rate", append(mpegFrames([4]byte{0xff, 0xfb, 0xe0, 0}, 50, 1044), mpegFrames(mpeg1Header, 50, 417)...), sampleMP3Secs},
		{"mp3 with bytes between frames", bytes.Join([][]byte{sampleMP3[:50*417], []byte("\xff\xfb\x90 noise \xff\xff"), sampleMP3[50*417:]}, nil), sampleMP3Secs},
		{"mp3 joined of two files", bytes.Join([][]byte{sampleMP3, id3(70000), sampleMP3}, nil), 2 * sampleMP3Secs},
		{"ogg", ogg, -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := bytes.NewReader(test.data)
			content, err := sniff(f, f.Size(), "")
			if err != nil {
				t.Fatal(err)
			}
			got := seconds(t.Context(), f, f.Size(), content)
			switch {
			case got == nil && test.want >= 0:
				t.Errorf("no length, want %v", test.want)
			case got != nil && (*got < test.want-0.001 || *got > test.want+0.001):
				t.Errorf("length %v, want %v", *got, test.want)
			}
		})
	}
}

func FuzzSniffAndSeconds(f *testing.F) {
	for _, data := range notSound {
		f.Add(data)
	}
	f.Add(sampleMP3[:1000])
	f.Add(append(id3(20), mpegFrames(mpeg25Mono, 3, 144)...))
	f.Add(sampleWAV(100))
	f.Add(adts(2))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		content, err := sniff(r, r.Size(), "audio/mpeg")
		if err != nil {
			if !errors.Is(err, call.ErrCorrupt) {
				t.Fatalf("sniffing bytes in memory: %v", err)
			}
			return
		}
		if content.start < 0 || content.start >= r.Size() {
			t.Fatalf("sound at %d of %d bytes", content.start, r.Size())
		}
		length := seconds(t.Context(), r, r.Size(), content)
		if length == nil {
			return
		}
		// No frame of MP3 is shorter than 24 bytes nor longer than 72 ms, and no
		// WAV says less than one byte a second.
		if limit := float64(r.Size()); !(*length >= 0 && *length <= limit) {
			t.Fatalf("%v seconds in %d bytes of %s", *length, r.Size(), content.contentType)
		}
	})
}
