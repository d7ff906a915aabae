package callsync

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/store/media"
	"callsyncd/sync/download"
)

// realDownloads is the real client.
type realDownloads struct{ client *download.Client }

func (d realDownloads) Get(ctx context.Context, url call.SignedURL, have call.MediaPart) (io.ReadCloser, call.MediaExpect, error) {
	r, err := d.client.Get(ctx, url, have)
	if err != nil {
		return nil, call.MediaExpect{}, err
	}
	return r.Body, r.Expect, nil
}

// silence is a WAV file of so many bytes of sound, 8 kHz, whose samples are fill.
func silence(n int, fill byte) []byte {
	head := "RIFF" + little(uint32(n+36)) + "WAVEfmt " + little(16) + "\x01\x00\x01\x00" + little(8000) + little(8000) + "\x01\x00\x08\x00data" + little(uint32(n))
	return append([]byte(head), bytes.Repeat([]byte{fill}, n)...)
}

func little(n uint32) string {
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)})
}

// cuttingHost serves a recording and breaks off after so many bytes of each of
// the first answers; links older than the last renewal are refused.
type cuttingHost struct {
	mu       sync.Mutex
	file     []byte
	tag      string
	cuts     []int
	sent     int
	requests []string // Range headers
	after    func(answers int)
	refuse   func(r *http.Request) bool
}

func (h *cuttingHost) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil && h.refuse(r) {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	h.requests = append(h.requests, r.Header.Get("Range"))
	w.Header().Set("ETag", h.tag)
	cut := -1
	if len(h.cuts) > 0 {
		cut, h.cuts = h.cuts[0], h.cuts[1:]
	}
	counted := &countingWriter{ResponseWriter: w, left: cut}
	http.ServeContent(counted, r, "", time.Time{}, bytes.NewReader(h.file))
	h.sent += counted.sent
	if h.after != nil {
		h.after(len(h.requests))
	}
	if cut >= 0 {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// countingWriter takes so many bytes and no more; all when left is negative.
type countingWriter struct {
	http.ResponseWriter
	left, sent int
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n := len(b)
	if w.left >= 0 {
		n = min(n, w.left)
		w.left -= n
	}
	n, err := w.ResponseWriter.Write(b[:n])
	w.sent += n
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}

// TestLargeRecordingGoesOnWhereItBrokeOff: over two breaks and a renewed link
// every byte is sent once; a file that changed meanwhile is fetched anew.
func TestLargeRecordingGoesOnWhereItBrokeOff(t *testing.T) {
	const size = 300_000
	for name, tc := range map[string]struct {
		tag     string
		resume  int64
		replace bool
		renewed bool
		sent    int
		ranges  int // requests that asked for a rest
	}{
		"two breaks":         {tag: `"v1"`, resume: 1000, sent: size + 44, ranges: 2},
		"a renewed link":     {tag: `"v1"`, resume: 1000, renewed: true, sent: size + 44, ranges: 2},
		"another file":       {tag: `"v1"`, resume: 1000, replace: true, sent: 100_000 + size + 44, ranges: 2},
		"a weak tag":         {tag: `W/"v1"`, resume: 1000, sent: 100_000 + 50_000 + size + 44, ranges: 0},
		"too small to go on": {tag: `"v1"`, resume: 1_000_000, sent: 100_000 + 50_000 + size + 44, ranges: 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host := &cuttingHost{file: silence(size, 1), tag: tc.tag, cuts: []int{100_000, 50_000}}
			server := httptest.NewServer(host)
			defer server.Close()
			b := newBed(t, 1)
			b.vendor.calls[0].Recording = true
			b.vendor.linkTo = func(id string, relinks int) string { return fmt.Sprintf("%s/%s?link=%d", server.URL, id, relinks) }
			host.after = func(answers int) {
				if answers == 1 && tc.replace {
					host.file, host.tag = silence(size, 2), `"v2"`
				}
			}
			if tc.renewed {
				host.refuse = func(r *http.Request) bool { return len(host.requests) > 0 && r.URL.Query().Get("link") == "0" }
			}
			archive := b.realMedia(media.Options{Resume: tc.resume}, strings.TrimPrefix(server.URL, "http://"))
			b.mustRound(false)
			recording := b.load("c001").Call.Recording
			sum, n, err := archive.Hash(t.Context(), *recording.File)
			if err != nil || sum != *recording.SHA256 || n != size+44 {
				t.Errorf("on disk %d bytes, %v", n, err)
			}
			host.mu.Lock()
			defer host.mu.Unlock()
			f, err := archive.Open(*recording.File)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if content, err := io.ReadAll(f); err != nil || !bytes.Equal(content, host.file) {
				t.Errorf("the file is not the host's, %v", err)
			}
			ranges := 0
			for _, r := range host.requests {
				if r != "" {
					ranges++
				}
			}
			if host.sent != tc.sent || ranges != tc.ranges {
				t.Errorf("%d bytes sent, want %d; requests %q", host.sent, tc.sent, host.requests)
			}
		})
	}
}
