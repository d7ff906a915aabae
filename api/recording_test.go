package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callsyncd/call"
)

const soundPath = "/v1/calls/crm/c1/recording"

func TestRecording(t *testing.T) {
	tests := []struct {
		name   string
		method string
		spoil  spoil
		status int
		body   string
		length string
	}{
		{"whole", "GET", nil, 200, "0123456789", "10"},
		{"head", "HEAD", nil, 200, "", "10"},
		{"range", "GET", header("Range", "bytes=2-4"), 206, "234", "3"},
		{"last byte", "GET", header("Range", "bytes=-1"), 206, "9", "1"},
		{"rest", "GET", header("Range", "bytes=7-"), 206, "789", "3"},
		{"range that still holds", "GET", func(r *http.Request) {
			r.Header.Set("Range", "bytes=0-0")
			r.Header.Set("If-Range", `"0a1b"`)
		}, 206, "0", "1"},
		{"range of another file", "GET", func(r *http.Request) {
			r.Header.Set("Range", "bytes=0-0")
			r.Header.Set("If-Range", `"ffff"`)
		}, 200, "0123456789", "10"},
		{"two ranges", "GET", header("Range", "bytes=0-0,2-2"), 200, "0123456789", "10"},
		{"ten thousand ranges", "GET", header("Range", "bytes=0-0"+strings.Repeat(",0-0", 9999)), 200, "0123456789", "10"},
		{"known", "GET", header("If-None-Match", `"0a1b"`), 304, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := request(test.method, soundPath, "")
			if test.spoil != nil {
				test.spoil(r)
			}
			w := ask(sample(t).handler(nil), r)
			if w.Code != test.status || w.Body.String() != test.body {
				t.Fatalf("%d %q, want %d %q", w.Code, w.Body, test.status, test.body)
			}
			h := w.Header()
			if h.Get("ETag") != `"0a1b"` || h.Get("Content-Length") != test.length || h.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", h)
			}
			if test.status != 304 && (h.Get("Content-Type") != "audio/mpeg" || h.Get("Content-Disposition") != `inline; filename="093000_c1_0a1b.mp3"`) {
				t.Errorf("headers %v", h)
			}
			if h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers %v", h)
			}
		})
	}
}

func TestRecordingRefused(t *testing.T) {
	h := sample(t).handler(nil)
	for value, status := range map[string]int{"bytes=9000000000000000000-": 416, "bytes=10-": 416, "bytes=x": 416} {
		r := request("GET", soundPath, "")
		r.Header.Set("Range", value)
		askProblem(t, h, r, status)
	}
	r := request("GET", soundPath, "")
	r.Header.Set("If-Match", `"ffff"`)
	askProblem(t, h, r, 412)
	p := askProblem(t, h, request("GET", "/v1/calls/crm/a%2Fb%20%22%C3%BC%22%20../recording", ""), 404)
	if !strings.Contains(p.Detail, "none") {
		t.Errorf("detail %q does not say why", p.Detail)
	}
}

// What is not known to be playable is a download: a page or a drawing that
// the vendor sent as a recording must never run on our origin.
func TestRecordingTypes(t *testing.T) {
	tests := []struct{ stored, file, media, disposition string }{
		{"audio/mpeg", "r/a.mp3", "audio/mpeg", `inline; filename="a.mp3"`},
		{"audio/ogg; codecs=opus", "r/a.ogg", "audio/ogg", `inline; filename="a.ogg"`},
		{"text/html", "r/a.html", "application/octet-stream", `attachment; filename="a.bin"`},
		{"image/svg+xml", "r/a.svg", "application/octet-stream", `attachment; filename="a.bin"`},
		{"application/pdf", "r/a.pdf", "application/octet-stream", `attachment; filename="a.bin"`},
		{"audio/mpeg\r\nX: y", "r/a.mp3", "application/octet-stream", `attachment; filename="a.bin"`},
		{"", "r/a", "application/octet-stream", `attachment; filename="a.bin"`},
		{"audio/wav", "r/a\"; \u202e.wav", "audio/wav", `inline; filename="a____.wav"`},
	}
	for _, test := range tests {
		f := sample(t)
		r := f.records[f.order[0]]
		r.Call.Recording = &call.Recording{State: call.Stored, File: &test.file, ContentType: &test.stored}
		f.records[f.order[0]] = r
		f.write(t, test.file, "<script>alert(1)</script>")
		w := ask(f.handler(nil), request("GET", soundPath, ""))
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != test.media || h.Get("Content-Disposition") != test.disposition {
			t.Errorf("%q: %d %s %s", test.stored, w.Code, h.Get("Content-Type"), h.Get("Content-Disposition"))
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != "sandbox; default-src 'none'" {
			t.Errorf("%q: headers %v", test.stored, h)
		}
	}
}

func TestRecordingMissingFile(t *testing.T) {
	var log strings.Builder
	f := sample(t)
	if err := os.RemoveAll(filepath.Join(f.dir, "recordings")); err != nil {
		t.Fatal(err)
	}
	h := f.handler(&log)
	for range mediaStreams + 1 { // a refused one keeps no slot
		p := askProblem(t, h, request("GET", soundPath, ""), 500)
		if !strings.Contains(p.Detail, "verify") || strings.Contains(p.Detail, f.dir) {
			t.Errorf("detail %q", p.Detail)
		}
	}
	if !strings.Contains(log.String(), "recording file missing") {
		t.Errorf("log %s", log.String())
	}
}

// slow is a listener that stops the stream until the test lets it go on.
type slow struct {
	http.ResponseWriter
	begun chan<- struct{}
	goOn  <-chan struct{}
}

func (w slow) Write(b []byte) (int, error) {
	w.begun <- struct{}{}
	<-w.goOn
	return w.ResponseWriter.Write(b)
}

func TestRecordingStreamsAreLimited(t *testing.T) {
	h := sample(t).handler(nil)
	begun, goOn, done := make(chan struct{}), make(chan struct{}), make(chan int)
	for range mediaStreams {
		go func() {
			w := httptest.NewRecorder()
			h.ServeHTTP(slow{w, begun, goOn}, request("GET", soundPath, ""))
			done <- w.Code
		}()
		<-begun
	}
	askProblem(t, h, request("GET", soundPath, ""), 429)
	close(goOn)
	for range mediaStreams {
		if code := <-done; code != 200 {
			t.Errorf("status %d", code)
		}
	}
	if w := ask(h, request("GET", soundPath, "")); w.Code != 200 {
		t.Errorf("afterwards %d", w.Code)
	}
}

// TestFurtherRecordings are served by their labels and listed beside the main one.
func TestFurtherRecordings(t *testing.T) {
	f := sample(t)
	r := f.records[f.order[0]]
	r.AddFurther(call.FurtherRecording{Label: "transfer", Part: call.Part{State: call.Stored},
		Recording: call.Recording{File: ptr("recordings/crm/2025/12/01/093000_c1_2c3d.mp3"), SHA256: ptr("2c3d"), SizeBytes: ptr(int64(5)), ContentType: ptr("audio/mpeg")}})
	r.AddFurther(call.FurtherRecording{Label: "conference", Part: call.Part{State: call.Pending, Reason: "not_ready"}})
	r.Former = []call.FormerRecording{{Recording: call.Recording{State: call.Stored, File: ptr("recordings/old.mp3"), SHA256: ptr("4e5f")}, SetAsideAt: at("2025-12-02T09:30:00Z")}}
	r.Join()
	r.Mirror()
	f.records[f.order[0]] = r
	f.write(t, "recordings/crm/2025/12/01/093000_c1_2c3d.mp3", "abcde")
	h := f.handler(nil)
	for label, body := range map[string]string{"": "0123456789", "?label=main": "0123456789", "?label=transfer": "abcde"} {
		if w := ask(h, request("GET", soundPath+label, "")); w.Code != 200 || w.Body.String() != body {
			t.Errorf("%s: %d %q", label, w.Code, w.Body)
		}
	}
	for label, detail := range map[string]string{
		"conference": "this call has no recording conference: pending: not_ready",
		"nothing":    "this call has no recording with that label; its labels are main, transfer, conference",
	} {
		if p := askProblem(t, h, request("GET", soundPath+"?label="+label, ""), 404); p.Detail != detail {
			t.Errorf("%s: %q", label, p.Detail)
		}
	}
	w := ask(h, request("GET", "/v1/calls/crm/c1?include=recordings", ""))
	var got struct {
		Recording  call.Recording
		Recordings []struct {
			Label   string
			State   call.State
			Current bool
			Reason  *string
			SHA256  *string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, one := range got.Recordings {
		list = append(list, fmt.Sprint(one.Label, " ", one.State, " ", one.Current, " ", one.SHA256 != nil, " ", one.Reason != nil))
	}
	want := "main stored true true false, transfer stored true true false, conference pending true false true, main stored false true false"
	if strings.Join(list, ", ") != want || got.Recording.State != call.Stored {
		t.Errorf("%s, main %s", strings.Join(list, ", "), got.Recording.State)
	}
}
