package endtoend

import (
	"context"
	"os"
	"path/filepath"
	"testing"

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
