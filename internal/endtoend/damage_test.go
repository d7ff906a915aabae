package endtoend

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/simulator"
)

// TestDamagedRecordingsAreSeenAndFetchedAgain truncates one recording and
// deletes another: verify names both, they are gaps until the next round, and
// then the archive is whole again.
func TestDamagedRecordingsAreSeenAndFetchedAgain(t *testing.T) {
	b := newBed(t, simulator.Options{Seed: 21, Calls: 12})
	a := b.open(t)
	syncAll(t, a, false)
	var files []string
	for _, c := range fromArchive(t, a) {
		if c.Recording != nil && len(files) < 2 {
			files = append(files, filepath.Join(b.dir, *c.Recording.File))
		}
	}
	if err := os.Chmod(files[0], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], 100); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(files[1]); err != nil {
		t.Fatal(err)
	}
	report, err := a.Verify(context.Background())
	if err != nil || report.OK || len(report.Problems) != 2 {
		t.Fatalf("%v %s", err, toJSON(t, report))
	}
	status, err := a.Status(context.Background())
	if err != nil || status.Green {
		t.Errorf("status is green over damaged recordings: %v", err)
	}
	for _, r := range syncAll(t, a, false).Sources {
		if !r.Complete || r.Counts.Pending[call.PartRecording] > 0 {
			t.Errorf("after the next round: %s", toJSON(t, r))
		}
	}
	verify(t, a)
	compare(t, b, a)
}

// TestDamagedFurtherRecording: a recording of a transfer is guarded as the main
// one is, and fetching it again leaves the main one alone.
func TestDamagedFurtherRecording(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulator.Options{Seed: 2, Calls: 30, Generation: map[string]string{"solomobile": "new"}})
	a := b.open(t)
	syncAll(t, a, false)
	c := client.New(inProcess, a.Token(), client.InProcess(a.Handler()))
	for _, truth := range b.sim.Truth("solomobile") {
		if truth.Further == nil {
			continue
		}
		got, err := c.Call(t.Context(), call.Key{Source: "solomobile", ID: truth.Call.ID}, client.Show{Include: []string{"recordings"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(b.dir, *got.Value.Recordings[1].File)); err != nil {
			t.Fatal(err)
		}
		break
	}
	downloads := b.sim.Stats("solomobile").MediaDownloads
	report, err := a.Verify(t.Context())
	if err != nil || len(report.Problems) != 1 || report.Problems[0].Kind != "missing_file" {
		t.Fatalf("%v %s", err, toJSON(t, report))
	}
	syncAll(t, a, false)
	verify(t, a)
	compare(t, b, a)
	if n := b.sim.Stats("solomobile").MediaDownloads; n != downloads+1 {
		t.Errorf("%d downloads for one missing file", n-downloads)
	}
}

// TestDamageFoundWhileTheCallIsRead: a walk that has begun to read a call does not
// undo what verify finds out about its recording meanwhile.
func TestDamageFoundWhileTheCallIsRead(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulator.Options{Seed: 4, Calls: 12, Vendors: []string{"smartalex"}})
	id := b.sim.Spoken("smartalex")[0]
	var armed atomic.Bool
	reading, release := make(chan struct{}), make(chan struct{})
	b.behind(t, func(r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/calls/"+string(id)) && armed.CompareAndSwap(true, false) {
			close(reading)
			<-release
		}
	})
	a := b.open(t)
	syncAll(t, a, true)
	file := filepath.Join(b.dir, *fromArchive(t, a)[call.Key{Source: "smartalex", ID: id}].Recording.File)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	outcome := "voicemail"
	if err := b.sim.EditCall("smartalex", id, simulator.Edit{Outcome: &outcome}); err != nil {
		t.Fatal(err)
	}
	armed.Store(true)
	synced, verified := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(synced)
		syncAll(t, a, true)
	}()
	<-reading
	go func() {
		defer close(verified)
		if report, err := a.Verify(t.Context()); err != nil || report.OK {
			t.Errorf("%v: %s", err, toJSON(t, report))
		}
	}()
	select {
	case <-verified: // it did not wait for the walk
	case <-time.After(200 * time.Millisecond):
	}
	close(release)
	<-synced
	<-verified
	syncAll(t, a, false)
	verify(t, a)
	compare(t, b, a)
}

// behind puts something before the vendor's API that is shown each request.
func (b *bed) behind(t *testing.T, see func(*http.Request)) {
	t.Helper()
	vendor := b.sim.Vendors()[0].BaseURL
	to, err := url.Parse(vendor)
	if err != nil {
		t.Fatal(err)
	}
	to.Path = ""
	proxy := httputil.NewSingleHostReverseProxy(to)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		see(r)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(to.String()), []byte(server.URL))
	if err := os.WriteFile(b.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
