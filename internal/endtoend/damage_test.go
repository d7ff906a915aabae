package endtoend

import (
	"context"
	"os"
	"path/filepath"
	"testing"

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
