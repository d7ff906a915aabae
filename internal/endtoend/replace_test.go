package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/simulator"
)

// TestReplacedRecordings: a vendor puts another file in the place of one that is
// archived, and changes nothing else. The new one becomes the current one, the
// old one stays and is verified, and the next round costs nothing.
func TestReplacedRecordings(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulator.Options{Seed: 21, Calls: 20})
	a := b.open(t)
	syncAll(t, a, true)
	before := fromArchive(t, a)
	replaced := map[call.Key]bool{}
	for _, vendor := range []string{"suresend", "callcamp", "agentvoice"} { // those whose list shows recordings
		id := b.sim.Spoken(vendor)[3]
		if err := b.sim.ReplaceRecording(vendor, id); err != nil {
			t.Fatal(err)
		}
		replaced[call.Key{Source: call.SourceID(vendor), ID: id}] = true
	}
	syncAll(t, a, true)
	compare(t, b, a)
	c := client.New("http://callsyncd.local", a.Token(), client.InProcess(a.Handler()))
	for key := range replaced {
		got, err := c.Call(t.Context(), key, client.Show{Include: []string{"recordings"}})
		if err != nil {
			t.Fatal(err)
		}
		files := got.Value.Recordings
		if len(files) != 2 || !files[0].Current || files[1].Current || *files[1].SHA256 != *before[key].Recording.SHA256 || *files[0].SHA256 == *files[1].SHA256 {
			t.Fatalf("%s: %s", key, toJSON(t, files))
		}
	}
	verify(t, a)
	for _, r := range syncAll(t, a, true).Sources {
		if r.New+r.Changed+r.Recordings > 0 || !r.Complete {
			t.Errorf("the next round changed something: %s", toJSON(t, r))
		}
	}

	for key := range replaced { // the old file is guarded as the new one is
		got, err := c.Call(t.Context(), key, client.Show{Include: []string{"recordings"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(b.dir, *got.Value.Recordings[1].File)); err != nil {
			t.Fatal(err)
		}
		break
	}
	report, err := a.Verify(t.Context())
	if err != nil || len(report.Problems) != 1 || report.Problems[0].Kind != "missing_file" || !strings.Contains(report.Problems[0].Detail, "replaced at the vendor") {
		t.Errorf("%v: %s", err, toJSON(t, report.Problems))
	}
}
