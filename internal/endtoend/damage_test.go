package endtoend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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

	bolt "go.etcd.io/bbolt"

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

// A bit that changed in the time index hides a call from every list. The export
// says so, verify finds and mends it, and so does the next walk over a list.
func TestHiddenCallsAreSeen(t *testing.T) {
	b := newBed(t, simulator.Options{Seed: 21, Calls: 12})
	a := b.open(t)
	syncAll(t, a, false)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	hide := func() {
		t.Helper()
		b.edit(t, func(tx *bolt.Tx) error {
			times := tx.Bucket([]byte("times"))
			first, _ := times.Cursor().First()
			last, _ := times.Cursor().Last()
			return errors.Join(times.Delete(bytes.Clone(first)), times.Delete(bytes.Clone(last)))
		})
	}
	want := func(e ended, code, lines int, words string) {
		t.Helper()
		if e.code != code || lines >= 0 && strings.Count(e.stdout, "\n") != lines || !strings.Contains(e.stdout+e.stderr, words) {
			t.Errorf("exit code %d, %d lines: %s", e.code, strings.Count(e.stdout, "\n"), e.stderr)
		}
	}
	hide()
	want(b.run(t, "export"), 3, 58, "holds 2 calls that no list shows")
	want(b.run(t, "export", "--from", "2001-01-01"), 3, 58, "holds 2 calls that no list shows")
	want(b.run(t, "verify"), 1, -1, "made_anew")
	want(b.run(t, "verify"), 0, -1, "no contradiction")
	want(b.run(t, "export"), 0, 60, "")
	hide()
	want(b.run(t, "sync", "--full"), 0, -1, "complete")
	want(b.run(t, "export"), 0, 60, "")
	hide()
	want(b.run(t, "reindex"), 0, -1, "")
	want(b.run(t, "export"), 0, 60, "")
}

// edit changes the archive while nobody has it open.
func (b *bed) edit(t *testing.T, fn func(*bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(b.dir, "archive.db"), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// What is kept of a source itself and cannot be read any more keeps nobody from
// working: it is found out anew.
func TestSpoiledStateOfASource(t *testing.T) {
	b := newBed(t, simulator.Options{Seed: 21, Calls: 12})
	a := b.open(t)
	syncAll(t, a, false)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	b.edit(t, func(tx *bolt.Tx) error {
		for _, name := range []string{"checkpoints", "budgets", "lookups", "statements", "history"} {
			bucket, rows := tx.Bucket([]byte(name)), map[string][]byte{}
			err := bucket.ForEach(func(k, v []byte) error {
				v = bytes.Clone(v)
				v[len(v)/2] ^= 1
				rows[string(k)] = v
				return nil
			})
			for k, v := range rows {
				err = errors.Join(err, bucket.Put([]byte(k), v))
			}
			if len(rows) == 0 && name != "budgets" {
				err = errors.Join(err, fmt.Errorf("%s is empty", name))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if e := b.run(t, "status"); e.code != 3 || !strings.Contains(e.stdout, "the whole list has not been read yet") {
		t.Errorf("status: %d: %s%s", e.code, e.stdout, e.stderr)
	}
	if e := b.run(t, "statement"); e.code != 3 || !strings.Contains(e.stdout, "cannot be read any more") || strings.Contains(e.stdout, "PROVED\n") && !strings.Contains(e.stdout, "NOT PROVED") {
		t.Errorf("statement: %d: %s%s", e.code, e.stdout, e.stderr)
	}
	a = b.open(t)
	syncAll(t, a, false)
	compare(t, b, a)
	report, err := a.Verify(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range report.Problems { // what was remembered is gone for good
		if p.Kind != "bad_history" && !strings.Contains(p.Detail, "a row of statements") {
			t.Errorf("%s: %s", p.Kind, p.Detail)
		}
	}
	reader := client.New(inProcess, a.Token(), client.InProcess(a.Handler()))
	for _, c := range fromArchive(t, a) {
		if events, err := reader.History(t.Context(), c.Key); err != nil || len(events.Value.Data) == 0 {
			t.Errorf("the life of %s: %v", c.Key, err)
		}
	}
}
