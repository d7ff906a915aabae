package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"callsyncd/call"
)

func fill(src *memory, n int) {
	for i := range n {
		src.put(testCall(fmt.Sprint("call-", i), fmt.Sprint("a: hello number", i)))
	}
}

// currentData is the folder of scorch's files.
func currentData(t *testing.T, dir string) string {
	t.Helper()
	name, err := folder(dir).current()
	if err != nil || name == "" {
		t.Fatal(name, err)
	}
	return filepath.Join(dir, name, dataFolder)
}

func segments(t *testing.T, data string) []string {
	t.Helper()
	zaps, err := filepath.Glob(filepath.Join(data, "*.zap"))
	if err != nil || len(zaps) == 0 {
		t.Fatal(zaps, err)
	}
	return zaps
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamageHeals(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, dir string, src *memory){
		"segment truncated": func(t *testing.T, dir string, _ *memory) { truncate(t, segments(t, currentData(t, dir))[0], 100) },
		"segment emptied":   func(t *testing.T, dir string, _ *memory) { truncate(t, segments(t, currentData(t, dir))[0], 0) },
		"segment removed": func(t *testing.T, dir string, _ *memory) {
			if err := os.Remove(segments(t, currentData(t, dir))[0]); err != nil {
				t.Fatal(err)
			}
		},
		"bolt emptied": func(t *testing.T, dir string, _ *memory) {
			truncate(t, filepath.Join(currentData(t, dir), "root.bolt"), 0)
		},
		"bolt scribbled over": func(t *testing.T, dir string, _ *memory) {
			write(t, filepath.Join(currentData(t, dir), "root.bolt"), strings.Repeat("scribble", 5000))
		},
		"bolt removed": func(t *testing.T, dir string, _ *memory) {
			if err := os.Remove(filepath.Join(currentData(t, dir), "root.bolt")); err != nil {
				t.Fatal(err)
			}
		},
		"stamp emptied": func(t *testing.T, dir string, _ *memory) {
			truncate(t, filepath.Join(filepath.Dir(currentData(t, dir)), stampFile), 0)
		},
		"CURRENT emptied":        func(t *testing.T, dir string, _ *memory) { truncate(t, filepath.Join(dir, currentFile), 0) },
		"CURRENT names nothing":  func(t *testing.T, dir string, _ *memory) { write(t, filepath.Join(dir, currentFile), "gen-77\n") },
		"CURRENT climbs out":     func(t *testing.T, dir string, _ *memory) { write(t, filepath.Join(dir, currentFile), "gen-../..\n") },
		"CURRENT removed":        func(t *testing.T, dir string, _ *memory) { _ = os.Remove(filepath.Join(dir, currentFile)) },
		"archive is another":     func(_ *testing.T, _ string, src *memory) { src.id = "archive-2" },
		"archive is older":       func(_ *testing.T, _ string, src *memory) { src.changes = src.changes[:5] },
		"everything removed":     func(t *testing.T, dir string, _ *memory) { _ = os.RemoveAll(dir) },
		"a generation is a file": func(t *testing.T, dir string, _ *memory) { write(t, filepath.Join(dir, "gen-9"), "") },
		"leftovers of a rebuild": func(t *testing.T, dir string, _ *memory) {
			_ = os.MkdirAll(filepath.Join(dir, "new-5", dataFolder), 0o700)
		},
		"files of other systems": func(t *testing.T, dir string, _ *memory) {
			write(t, filepath.Join(currentData(t, dir), "._000000000001.zap"), "x")
		},
		"a folder of another kind": func(t *testing.T, dir string, _ *memory) { _ = os.MkdirAll(filepath.Join(dir, "store"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, src := filepath.Join(t.TempDir(), "index"), newMemory()
			fill(src, 20)
			x := openTest(t, dir, src)
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			damage(t, dir, src)
			for range 2 { // the second time nothing is left to heal
				x = openTest(t, dir, src)
				if got := ids(t, x, call.SearchQuery{Text: "hello"}); len(got) != 20 {
					t.Errorf("found %d calls", len(got))
				}
				if findings, err := x.Check(t.Context()); err != nil || len(findings) > 0 {
					t.Errorf("check: %v, %v", findings, err)
				}
				if err := x.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if bad, _ := filepath.Glob(filepath.Join(dir, badName+"*")); len(bad) > 1 {
				t.Errorf("kept %q", bad)
			}
		})
	}
}

func TestUnavailableUntilRebuilt(t *testing.T) {
	dir, src := t.TempDir(), newMemory()
	fill(src, 3)
	x, err := Open(dir, src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if _, err := x.Search(t.Context(), call.SearchQuery{Text: "hello"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("search: %v", err)
	}
	if s := x.Status(); s.State != "rebuilding" || s.Lag != 3 {
		t.Errorf("status: %+v", s)
	}
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := x.Status(); s != (call.IndexStatus{State: "ready", Documents: 3, Applied: 3}) {
		t.Errorf("status: %+v", s)
	}
}

func TestOldIndexServesDuringRebuild(t *testing.T) {
	dir, src := t.TempDir(), newMemory()
	fill(src, 3)
	x := openTest(t, dir, src)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	y, err := Open(dir, src, Options{Languages: []string{"de"}})
	if err != nil {
		t.Fatal(err)
	}
	defer y.Close()
	if got := ids(t, y, call.SearchQuery{Text: "hello"}); len(got) != 3 {
		t.Errorf("before: %q", got)
	}
	if s := y.Status(); s.State != "rebuilding" || s.Documents != 3 {
		t.Errorf("status: %+v", s)
	}
	during := 0
	if err := y.Rebuild(t.Context(), func(done, total int) {
		during += len(ids(t, y, call.SearchQuery{Text: "hello"}))
		if done != 3 || total != 3 {
			t.Errorf("progress %d of %d", done, total)
		}
	}); err != nil || during != 3 {
		t.Errorf("rebuild: %v, %d", err, during)
	}
	if s := y.Status(); s.State != "ready" {
		t.Errorf("status: %+v", s)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("left in the folder: %v, %v", entries, err)
	}
}

func TestRebuildTakesChangesWithIt(t *testing.T) {
	src := newMemory()
	fill(src, 3)
	x := openTest(t, t.TempDir(), src)
	err := x.Rebuild(t.Context(), func(int, int) {
		src.put(testCall("call-0", "a: replaced"), testCall("late", "a: replaced"))
		src.remove(call.Key{Source: "crm", ID: "call-1"})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(t, x, call.SearchQuery{Text: "replaced"}); len(got) != 2 {
		t.Errorf("replaced: %q", got)
	}
	if got := ids(t, x, call.SearchQuery{Text: "hello"}); !slices.Equal(got, []string{"call-2"}) {
		t.Errorf("hello: %q", got)
	}
}

func TestCanceledRebuildLeavesNothing(t *testing.T) {
	dir, src := t.TempDir(), newMemory()
	fill(src, 500)
	x := openTest(t, dir, src)
	ctx, cancel := context.WithCancel(t.Context())
	if err := x.Rebuild(ctx, func(int, int) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, newName+"*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
	if s := x.Status(); s.State != "ready" || s.Documents != 500 {
		t.Errorf("status: %+v", s)
	}
}

func TestStretchIndexesCallsOnce(t *testing.T) {
	src := newMemory()
	x := openTest(t, t.TempDir(), src)
	for i := range 50 {
		src.put(testCall("same", fmt.Sprint("a: version", i)))
	}
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := src.loads[call.Key{Source: "crm", ID: "same"}]; n != 1 {
		t.Errorf("loaded %d times", n)
	}
	if got := ids(t, x, call.SearchQuery{Text: "version49"}); len(got) != 1 {
		t.Errorf("newest: %q", got)
	}
}

func TestRunFollows(t *testing.T) {
	src := newMemory()
	x := openTest(t, t.TempDir(), src)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := x.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for i := range 20 {
		started := time.Now()
		src.put(testCall(fmt.Sprint(i), fmt.Sprint("a: fresh", i)))
		for len(ids(t, x, call.SearchQuery{Text: fmt.Sprint("fresh", i)})) == 0 {
			if time.Since(started) > 5*time.Second {
				t.Fatal("never indexed")
			}
			runtime.Gosched()
		}
	}
	cancel()
	wg.Wait()
}

func TestRunHealsAndFollowsDuringRebuild(t *testing.T) {
	src := newMemory()
	fill(src, 300)
	x, err := Open(t.TempDir(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { _ = x.Run(ctx) })
	wg.Go(func() {
		for i := range 100 {
			src.put(testCall(fmt.Sprint("call-", i), "a: again"))
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			s := x.Status()
			if s.State == "ready" && s.Applied == 400 {
				cancel()
			}
			_, err := x.Search(t.Context(), call.SearchQuery{Text: "hello", Sort: "newest"})
			if err != nil && !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	if got := ids(t, x, call.SearchQuery{Text: "again", Limit: 200}); len(got) != 100 {
		t.Errorf("found %d", len(got))
	}
}

func TestStaleHitsComeFromTheStore(t *testing.T) {
	src := newMemory()
	src.put(testCall("1", "a: old words"), testCall("2", "a: old words"), testCall("3", "a: old words"))
	x := openTest(t, t.TempDir(), src)
	src.put(testCall("1", "a: new words"))
	src.remove(call.Key{Source: "crm", ID: "2"})
	r, err := x.Search(t.Context(), call.SearchQuery{Text: "old"})
	if err != nil || len(r.Hits) != 2 {
		t.Fatalf("%+v, %v", r.Hits, err)
	}
	if got := r.Hits[0]; got.Call.Transcript[0].Text != "new words" || len(got.Snippets[0].Marks) != 0 {
		t.Errorf("stale hit: %+v", got)
	}
	want := call.Coverage{Calls: 2, Searchable: 1, Waiting: call.CoverageWaiting{Index: 1}, AsOf: testTime(4)}
	if r.Coverage != want {
		t.Errorf("coverage %+v, want %+v", r.Coverage, want)
	}
}

func TestCoverageOfAnIndexFarBehind(t *testing.T) {
	src := newMemory()
	fill(src, 10)
	x := openTest(t, t.TempDir(), src)
	fill(src, 2*maxExact)
	r, err := x.Search(t.Context(), call.SearchQuery{Text: "hello"})
	if err != nil {
		t.Fatal(err)
	}
	want := call.Coverage{Calls: 2 * maxExact, Waiting: call.CoverageWaiting{Index: 2 * maxExact}, AsOf: testTime(11)}
	if r.Coverage != want {
		t.Errorf("coverage %+v, want %+v", r.Coverage, want)
	}
}

func TestUnreadableCallDoesNotStopTheIndex(t *testing.T) {
	src := newMemory()
	fill(src, 3)
	src.onLoad = func(key call.Key) error {
		if key.ID == "call-1" {
			return fmt.Errorf("load: %w", call.ErrCorrupt)
		}
		return nil
	}
	x := openTest(t, t.TempDir(), src)
	if s := x.Status(); s.Documents != 2 || s.Lag != 0 {
		t.Errorf("status: %+v", s)
	}
}

func TestCheckFindsDifferences(t *testing.T) {
	src := newMemory()
	fill(src, 5)
	x := openTest(t, t.TempDir(), src)
	// behind the back of the feed
	delete(src.records, call.Key{Source: "crm", ID: "call-0"})
	src.records[call.Key{Source: "crm", ID: "call-1"}] = call.Record{Call: testCall("call-1", "a: different")}
	extra := testCall("extra", "a: unheard of")
	src.records[extra.Key] = call.Record{Call: extra}
	extra2 := testCall("extra2", "a: unheard of")
	src.records[extra2.Key] = call.Record{Call: extra2}
	findings, err := x.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	details := []string{}
	for _, f := range findings {
		details = append(details, f.Detail)
	}
	slices.Sort(details)
	want := []string{"a word of field agent is not in the index", "the call is not in the index", "the call is not in the index",
		"the index holds 5 calls, the archive 6"}
	if !slices.Equal(details, want) {
		t.Errorf("%q", details)
	}
	if err := x.CatchUp(t.Context()); err != nil { // rebuilds
		t.Fatal(err)
	}
	if findings, err := x.Check(t.Context()); err != nil || len(findings) > 0 {
		t.Errorf("after the rebuild: %v, %v", findings, err)
	}
}

func TestFullDiskPauses(t *testing.T) {
	src := newMemory()
	fill(src, 3)
	x := openTest(t, t.TempDir(), src)
	g := x.serving()
	g.report(fmt.Errorf("persist: %w", syscall.ENOSPC))
	if err := x.follow(t.Context()); !isDiskFull(err) {
		t.Fatal(err)
	}
	if s := x.Status(); s.State != "unavailable" || s.Message != "paused: disk full" {
		t.Errorf("status: %+v", s)
	}
	if _, err := x.Search(t.Context(), call.SearchQuery{Text: "hello"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("search: %v", err)
	}
	loads := len(src.loads)
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := x.Status(); s.State != "ready" || s.Documents != 3 || len(src.loads) != loads {
		t.Errorf("status: %+v", s)
	}
}

func TestFailureOfScorchRebuilds(t *testing.T) {
	src := newMemory()
	fill(src, 3)
	x := openTest(t, t.TempDir(), src)
	x.serving().report(errors.New("async panic"))
	if err := x.follow(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if s := x.Status(); s.State != "rebuilding" {
		t.Errorf("status: %+v", s)
	}
	if err := x.CatchUp(t.Context()); err != nil || len(ids(t, x, call.SearchQuery{Text: "hello"})) != 3 {
		t.Error(err)
	}
}

func TestHangingWriterIsAbandoned(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	if err := bounded(time.Millisecond, func() error { <-release; return nil }); !errors.Is(err, errWedged) {
		t.Fatal(err)
	}
	src := newMemory()
	fill(src, 3)
	x := openTest(t, t.TempDir(), src)
	g := x.serving()
	x.work.Lock()
	err := x.withdraw(g, errWedged)
	x.work.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	if s := x.Status(); s.State != "unavailable" || !strings.Contains(s.Message, "hangs") {
		t.Errorf("status: %+v", s)
	}
	if err := x.CatchUp(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	if err := x.Rebuild(t.Context(), nil); err != nil || len(ids(t, x, call.SearchQuery{Text: "hello"})) != 3 {
		t.Error(err)
	}
	if err := g.scorch.Close(); err != nil {
		t.Error(err)
	}
}

func TestPanicRaisesDoubtOnce(t *testing.T) {
	src := newMemory()
	fill(src, 3)
	x := openTest(t, t.TempDir(), src)
	src.onLoad = func(call.Key) error { panic("damaged") }
	for range 2 {
		if _, err := x.Search(t.Context(), call.SearchQuery{Text: "hello"}); !errors.Is(err, call.ErrCorrupt) {
			t.Fatal(err)
		}
	}
	src.onLoad = nil
	if x.doubted() == "" {
		t.Error("no doubt")
	}
	if err := x.CatchUp(t.Context()); err != nil || x.doubted() != "" {
		t.Error(err, x.doubted())
	}
}

func TestFoldersArePrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no permission bits")
	}
	dir := filepath.Join(t.TempDir(), "index")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir, newMemory())
	for _, path := range []string{dir, filepath.Dir(currentData(t, dir))} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestOpenWhileOpen(t *testing.T) {
	dir, src := t.TempDir(), newMemory()
	fill(src, 3)
	openTest(t, dir, src)
	if y, err := Open(dir, src, Options{}); err == nil {
		y.Close()
		t.Fatal("opened twice")
	}
	if bad, _ := filepath.Glob(filepath.Join(dir, badName+"*")); len(bad) > 0 {
		t.Errorf("set aside a good index: %q", bad)
	}
}

// crashDir tells the child process of TestCrash where to write.
const crashDir = "CALLSYNCD_TEST_INDEX_CRASH"

// TestCrash kills a process that writes to the index, and looks at what it left.
func TestCrash(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		crashChild(t, dir)
		return
	}
	dir := t.TempDir()
	for round := range 6 {
		child := exec.Command(os.Args[0], "-test.run=^TestCrash$")
		child.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil { // it has begun
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round*15) * time.Millisecond) // another point each time
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = child.Wait()
		src := crashSource()
		x := openTest(t, dir, src)
		if findings, err := x.Check(t.Context()); err != nil || len(findings) > 0 {
			t.Errorf("round %d: %v, %v", round, findings, err)
		}
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
		if round%2 == 1 {
			if err := os.RemoveAll(dir); err != nil { // so that the next child builds from nothing
				t.Fatal(err)
			}
		}
	}
}

// crashSource has calls enough for several batches; later entries change them.
func crashSource() *memory {
	src := newMemory()
	for i := range 3000 {
		src.put(testCall(strconv.Itoa(i%1000), fmt.Sprint("a: hello number", i)))
	}
	return src
}

func crashChild(t *testing.T, dir string) {
	src := crashSource()
	all := src.changes
	src.changes = all[:1]
	x, err := Open(dir, src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Print("x")
	for {
		for n := 1; n <= len(all); n += 37 {
			src.mu.Lock()
			src.changes = all[:n]
			src.mu.Unlock()
			if err := x.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.Rebuild(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
}
