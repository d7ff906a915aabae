package simulator

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRecordingURLs(t *testing.T) {
	signed := map[string]bool{"suresend": true, "smartalex": true, "solomobile": true}
	for _, vendor := range vendorNames {
		b := newBench(t, Options{Seed: 1, Calls: 30})
		id := string(b.spokenRecently(vendor))
		first, second := link(b.detail(vendor, id)), link(b.detail(vendor, id))
		if signed[vendor] == (first == second) {
			t.Errorf("%s: two reads give %s and %s", vendor, first, second)
		}
		if vendor == "smartalex" && strings.Contains(first, "?") {
			t.Errorf("smartalex: the URL shows a signature: %s", first)
		}
		if rec := b.media(first, nil); rec.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", vendor, rec.Code, rec.Body)
		}
		forged := strings.Replace(first, id, string(b.AddCall(vendor)), 1)
		if rec := b.media(forged, nil); signed[vendor] && (rec.Code != http.StatusForbidden || !strings.Contains(rec.Body.String(), "SignatureDoesNotMatch")) {
			t.Errorf("%s: a URL altered to another call: %d %s", vendor, rec.Code, rec.Body)
		}
		b.clock.advance(time.Hour + time.Second)
		rec := b.media(first, nil)
		if expired := rec.Code == http.StatusForbidden && strings.Contains(rec.Body.String(), "<Message>Request has expired</Message>"); expired != signed[vendor] {
			t.Errorf("%s after an hour: %d %s", vendor, rec.Code, rec.Body)
		}
		if rec := b.media(link(b.detail(vendor, id)), nil); rec.Code != http.StatusOK {
			t.Errorf("%s: a fresh URL gives %d", vendor, rec.Code)
		}
		if stats := b.Stats(vendor); stats.MediaExpired != map[bool]int{true: 1}[signed[vendor]] {
			t.Errorf("%s: %d expired URLs counted", vendor, stats.MediaExpired)
		}
	}
}

func TestURLLifeAndRecordingPaths(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30, URLLife: 2 * time.Minute})
	id := string(b.spokenRecently("smartalex"))
	answer := b.get("smartalex", "/calls/"+id+"/recording", "")["data"].(map[string]any)
	if answer["expires_at"] != "2026-03-01T12:02:00Z" {
		t.Errorf("smartalex: expires_at %v", answer["expires_at"])
	}
	id = string(b.spokenRecently("solomobile"))
	long := b.get("solomobile", "/get-signed-recording-url", `{"call_id": "`+id+`", "expires_in": 600}`)
	if long["expires_at"] != "2026-03-01T12:10:00Z" {
		t.Errorf("solomobile: expires_at %v", long["expires_at"])
	}
	b.clock.advance(5 * time.Minute)
	if rec := b.media(answer["url"].(string), nil); rec.Code != http.StatusForbidden {
		t.Errorf("smartalex after 5 of 2 minutes: %d", rec.Code)
	}
	if rec := b.media(long["recording_url"].(string), nil); rec.Code != http.StatusOK {
		t.Errorf("solomobile after 5 of 10 minutes: %d", rec.Code)
	}
	if got := b.detail("suresend", string(b.spokenRecently("suresend")))["recordingUrlExpiresIn"]; got != 120.0 {
		t.Errorf("suresend: recordingUrlExpiresIn %v", got)
	}
}

func TestMediaHostRefusesCredentials(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30})
	u := link(b.detail("callcamp", string(b.spokenRecently("callcamp"))))
	key := b.must("agentvoice").credentials()["api_key"]
	for n, edit := range []func(*http.Request){
		func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") },
		func(r *http.Request) { r.Header.Set("X-Api-Key", "x") },
		func(r *http.Request) { r.Header.Set("Cookie", "a=b") },
		func(r *http.Request) { r.Header.Set("Referer", "https://example.com/?k="+key) },
		func(r *http.Request) { r.URL.RawQuery = "k=" + key },
	} {
		if rec := b.media(u, edit); rec.Code != http.StatusBadRequest {
			t.Errorf("case %d: status %d", n, rec.Code)
		}
		if got := b.Stats("callcamp").MediaCredentials; got != n+1 {
			t.Errorf("case %d: %d requests with credentials counted", n, got)
		}
	}
	for _, path := range []string{"/", "/nobody/recordings/x.mp3", "/callcamp/recordings/x.mp3", "/callcamp/recordings/../x", strings.Replace(u, ".mp3", ".wav", 1)} {
		if rec := b.media(path, nil); rec.Code != http.StatusNotFound {
			t.Errorf("%s: status %d", path, rec.Code)
		}
	}
}

func TestDownloadsAreWhatTruthSays(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 20})
	for _, vendor := range vendorNames {
		hashes, downloads := map[string]bool{}, 0
		for _, truth := range b.Truth(vendor) {
			u := link(b.detail(vendor, string(truth.Call.ID)))
			if (u != "") != (truth.Parts.Recording == "stored") {
				t.Errorf("%s: URL %q, truth says %s", vendor, u, truth.Parts.Recording)
			}
			if u == "" {
				continue
			}
			rec := b.media(u, nil)
			want := truth.Call.Recording
			sum := sha256.Sum256(rec.Body.Bytes())
			if hex.EncodeToString(sum[:]) != *want.SHA256 || int64(rec.Body.Len()) != *want.SizeBytes || rec.Header().Get("Content-Type") != *want.ContentType {
				t.Errorf("%s: %s: %d bytes of %s, truth says %d of %s", vendor, u, rec.Body.Len(), rec.Header().Get("Content-Type"), *want.SizeBytes, *want.ContentType)
			}
			tagged := md5.Sum(rec.Body.Bytes())
			if rec.Header().Get("ETag") != `"`+hex.EncodeToString(tagged[:])+`"` {
				t.Errorf("%s: ETag %s is not the MD5", vendor, rec.Header().Get("ETag"))
			}
			hashes[*want.SHA256] = true
			downloads++
		}
		if len(hashes) != downloads || downloads < 10 || b.Stats(vendor).MediaDownloads != downloads {
			t.Errorf("%s: %d downloads, %d different, %d counted", vendor, downloads, len(hashes), b.Stats(vendor).MediaDownloads)
		}
	}
	u := link(b.detail("callcamp", string(b.spokenRecently("callcamp"))))
	if rec := b.media(u, func(r *http.Request) { r.Header.Set("Range", "bytes=10-19") }); rec.Code != http.StatusPartialContent || rec.Body.Len() != 10 {
		t.Errorf("range: status %d, %d bytes", rec.Code, rec.Body.Len())
	}
}

func TestRecordingsAreValidAudioOfTheRightLength(t *testing.T) {
	b := newBench(t, Options{Seed: 8, Calls: 25})
	for vendor, length := range map[string]func(*testing.T, []byte) float64{"callcamp": mp3Seconds, "solomobile": waveSeconds} {
		w := b.must(vendor)
		for _, e := range w.entries {
			f := w.facts(e)
			if !f.kind.spoken() {
				continue
			}
			audio := w.audio(f)
			seconds := length(t, audio.bytes)
			if math.Abs(seconds-float64(f.duration)) > 0.1 || math.Abs(seconds-audio.seconds) > 0.001 {
				t.Errorf("%s: %.3f s of audio, said to be %.3f, for a call of %d s", vendor, seconds, audio.seconds, f.duration)
			}
		}
	}
}

// mp3Seconds walks over every frame of an MP3 after its tag.
func mp3Seconds(t *testing.T, data []byte) float64 {
	t.Helper()
	if string(data[:3]) != "ID3" {
		t.Fatal("no tag")
	}
	data = data[10+int(data[9]):]
	frames, silent := 0, 0
	for ; len(data) > 0; data = data[frameBytes:] {
		// MPEG 2.5 layer III without CRC; 8 kbit/s, 8 kHz; mono.
		if len(data) < frameBytes || data[0] != 0xff || data[1] != 0xe3 || data[2]&0xfc != 0x18 || data[3]&0xc0 != 0xc0 {
			t.Fatalf("frame %d is not a frame", frames)
		}
		if data[4] != 0 {
			t.Fatalf("frame %d needs the one before", frames)
		}
		if string(data[:frameBytes]) == string(voices[:frameBytes]) {
			silent++
		}
		frames++
	}
	if silent == 0 || silent > frames*2/3 {
		t.Errorf("%d of %d frames are silent", silent, frames)
	}
	return float64(frames) * 576 / 8000
}

// waveSeconds reads the header of a WAV.
func waveSeconds(t *testing.T, data []byte) float64 {
	t.Helper()
	size := binary.LittleEndian.Uint32(data[40:])
	if string(data[:4]) != "RIFF" || string(data[8:16]) != "WAVEfmt " || string(data[36:40]) != "data" || int(size) != len(data)-44 ||
		int(binary.LittleEndian.Uint32(data[4:])) != len(data)-8 {
		t.Fatalf("not a WAV: % x", data[:44])
	}
	lowest, highest := data[44], data[44]
	for _, sample := range data[44:] {
		lowest, highest = min(lowest, sample), max(highest, sample)
	}
	if lowest > 80 || highest < 170 {
		t.Errorf("samples from %d to %d cannot be heard", lowest, highest)
	}
	return float64(size) / float64(binary.LittleEndian.Uint32(data[28:]))
}
