package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/config"
)

// openForReading opens an archive of one source, without its secrets.
func openForReading(t *testing.T, dir string) *Archive {
	t.Helper()
	text := "data_dir: " + dir + "\nsources: [{name: crm, provider: suresend, credentials: {token: \"env:CALLSYNCD_TEST_UNSET\"}}]\n"
	cfg, err := config.Parse("config.yaml", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Reading: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func saveCall(t *testing.T, a *Archive, id string, edit func(*call.Record)) call.Key {
	t.Helper()
	now := time.Now().UTC()
	r := call.Record{Call: call.Call{Key: call.Key{Source: "crm", ID: call.ID(id)}, CreatedAt: &now}, Fingerprints: map[string]string{call.DocumentList: "print-of-" + id}}
	for _, name := range call.PartNames {
		*r.Parts.Of(name) = call.Part{State: call.None}
	}
	r.Parts.Record.State = call.Stored
	if edit != nil {
		edit(&r)
	}
	docs := call.Documents{call.DocumentList: {Body: json.RawMessage(`{"id":"` + id + `"}`), FetchedAt: now}}
	if err := a.store.Save(t.Context(), call.Batch{Source: "crm", Writes: []call.Write{{Record: r, Documents: docs}}}); err != nil {
		t.Fatal(err)
	}
	return r.Call.Key
}

// A source of which most records cannot be read is red, and verify says what is
// wrong with which of them.
func TestMostRecordsUnreadable(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	a := openForReading(t, dir)
	for i := range 5 {
		saveCall(t, a, fmt.Sprint("c", i), nil)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "archive.db")
	body, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(body, []byte("print-of-c"), []byte("print-of-C")), 0o600); err != nil {
		t.Fatal(err)
	}
	a = openForReading(t, dir)
	report, err := a.Verify(t.Context())
	if err != nil || report.OK {
		t.Fatalf("%+v, %v", report, err)
	}
	kinds := make(map[string]int)
	for _, p := range report.Problems {
		kinds[p.Kind]++
	}
	if kinds["bad_call"] != 5 || kinds["unreadable_records"] != 1 || kinds["stray_file"] > 0 {
		t.Errorf("%v", report.Problems)
	}
	status, err := a.Status(t.Context())
	if err != nil || status.Green || status.Sources[0].Green || !strings.Contains(strings.Join(status.Problems, "\n"), "5 of the 5 calls of source crm") {
		t.Errorf("%v, %v", status.Problems, err)
	}
}

// A file that cannot be opened now is not damaged, and stays in its place.
func TestJudgeRecordingFile(t *testing.T) {
	sum, size := "sum", int64(3)
	rec := &call.Recording{SHA256: &sum, SizeBytes: &size}
	for name, tc := range map[string]struct {
		sum          string
		err          error
		there, sound bool
		told         bool
	}{
		"as it was":          {"sum", nil, true, true, false},
		"other bytes":        {"other", nil, true, false, false},
		"gone":               {"", fmt.Errorf("open: %w", call.ErrNotFound), false, false, false},
		"a folder":           {"", fmt.Errorf("open: %w", call.ErrCorrupt), true, false, false},
		"too many open":      {"", fmt.Errorf("open: %w", syscall.EMFILE), false, false, true},
		"no right to see it": {"", fmt.Errorf("open: %w", os.ErrPermission), false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			if there, sound, err := judge(rec, tc.sum, size, tc.err); there != tc.there || sound != tc.sound || (err != nil) != tc.told {
				t.Errorf("there %t, sound %t, %v", there, sound, err)
			}
		})
	}
}
