package store

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"callsyncd/call"
)

// TestMain runs a child's work instead of the tests when a test asks for it
// by re-executing this binary.
func TestMain(m *testing.M) {
	if run, ok := children[os.Getenv("STORE_TEST_CHILD")]; ok {
		run(os.Getenv("STORE_TEST_DIR"))
		return
	}
	flag.Parse()
	if flag.Lookup("rapid.checks").Value.String() == flag.Lookup("rapid.checks").DefValue {
		flag.Set("rapid.checks", "25")
	}
	os.Exit(m.Run())
}

// children are what re-executed test binaries do.
var children = map[string]func(dir string){}

var epoch = time.Date(2025, 3, 1, 9, 30, 0, 0, time.UTC)

// testClock is a clock that moves a second forwards at every look.
func testClock() func() time.Time {
	now := epoch
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// openTest opens an archive that is checked when the test ends.
func openTest(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		checkClean(t, s)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// checkClean fails the test when Check finds anything; a store closed already
// is left alone.
func checkClean(t testing.TB, s *Store) CheckResult {
	t.Helper()
	if s.closed != nil || s.db.Path() == "" {
		return CheckResult{}
	}
	result, err := s.Check(context.Background())
	if err != nil {
		t.Error(err)
	}
	for _, f := range result.Findings {
		t.Errorf("%s: %v: %s", f.Kind, f.Key, f.Detail)
	}
	return result
}

func tempDir(t testing.TB) string { return filepath.Join(t.TempDir(), "data") }

func ptr[T any](v T) *T { return &v }

// record makes a settled call without transcript that started n minutes after epoch.
func record(source call.SourceID, id call.ID, n int) call.Record {
	started := epoch.Add(time.Duration(n) * time.Minute)
	return call.Record{
		Call: call.Call{
			Key: call.Key{Source: source, ID: id}, Source: source, ID: id, Provider: "example",
			Status: ptr(call.StatusCompleted), StartedAt: &started, DurationSeconds: ptr(float64(10 * n)),
			Phone: ptr("+1 555 0100"), AgentID: ptr("a1"), AgentName: ptr("Ada Example"),
		},
		Parts: call.Parts{Record: call.Part{State: call.Stored}, Transcript: call.Part{State: call.None},
			Summary: call.Part{State: call.None}, Recording: call.Part{State: call.None}},
		Fingerprints: map[string]string{call.DocumentList: fmt.Sprintf("%x", n)},
	}
}

func documents(text string) call.Documents {
	body, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		panic(err)
	}
	return call.Documents{call.DocumentList: {Body: body, FetchedAt: epoch}}
}

// write makes a new version of a record.
func write(r call.Record) call.Write {
	return call.Write{Record: r, Documents: documents(string(r.Call.ID)), Kind: call.ChangeNew}
}

// spent is a budget as it is saved.
func spent(state string) func() json.RawMessage {
	return func() json.RawMessage { return json.RawMessage(state) }
}

func save(t testing.TB, s *Store, writes ...call.Write) {
	t.Helper()
	b := call.Batch{Source: writes[0].Record.Call.Key.Source, Writes: writes}
	if err := s.Save(t.Context(), b); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, s *Store, key call.Key) call.Record {
	t.Helper()
	r, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keysOf lists all pages of a query.
func keysOf(t testing.TB, s *Store, q call.ListQuery) (keys []string, total int) {
	t.Helper()
	for {
		list, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list.Calls {
			keys = append(keys, c.Key.String())
		}
		if list.Next == "" {
			return keys, list.Total
		}
		if q.After = list.Next; len(list.Calls) != q.Limit {
			t.Fatalf("a page of %d calls has a next one, limit %d", len(list.Calls), q.Limit)
		}
	}
}

func wantKeys(t testing.TB, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
