package endtoend

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"callsyncd/simulator"
)

// TestScale syncs CALLSYNCD_SCALE calls of each vendor and prints what it took.
// It asserts only that everything arrived; figures are for people.
func TestScale(t *testing.T) {
	calls, err := strconv.Atoi(os.Getenv("CALLSYNCD_SCALE"))
	if err != nil {
		t.Skip("set CALLSYNCD_SCALE to a number of calls per vendor")
	}
	b := newBed(t, simulator.Options{Seed: 11, Calls: calls, Span: 365 * 24 * time.Hour})
	b.logs = nil
	a := b.open(t)
	start := time.Now()
	report := syncAll(t, a, false)
	t.Logf("%d calls of each vendor: %.1f s, peak memory of this process with the simulator %s", calls, time.Since(start).Seconds(), peakMemory(t))
	total := 0
	for _, r := range report.Sources {
		total += r.Counts.Calls
		t.Logf("%-10s %6d calls, %6d requests (%.4f per call), %3d for names, %6d recordings, %5.1f s, complete %t",
			r.Source, r.Counts.Calls, r.Requests, float64(r.Requests)/float64(r.Counts.Calls), r.LookupRequests, r.Counts.Recordings, r.Seconds, r.Complete)
		if !r.Complete {
			t.Error(toJSON(t, r))
		}
	}
	for _, part := range []string{"archive.db", "index", "recordings"} {
		t.Logf("%-10s %8.0f bytes per call", part, float64(size(t, filepath.Join(b.dir, part)))/float64(total))
	}
	start = time.Now()
	for _, r := range syncAll(t, a, false).Sources {
		t.Logf("%-10s unchanged round: %d requests, %.2f s", r.Source, r.Requests, r.Seconds)
	}
	t.Logf("unchanged round: %.1f s", time.Since(start).Seconds())
}

func size(t *testing.T, path string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// peakMemory reads the kernel's figure where there is one.
func peakMemory(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(status)) {
		if after, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			return strings.TrimSpace(after)
		}
	}
	return "unknown"
}
