package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
)

func fill(src *memory, n int) {
	for i := range n {
		src.put(testCall(fmt.Sprint("call-", i), fmt.Sprint("a: hello number", i)))
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
			if time.Since(started) > time.Minute {
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

// announcing is a store in the middle of a commit: its last numbers are given
// out, and their entries cannot be read yet.
type announcing struct {
	*memory
	ahead uint64
}

func (a *announcing) LastSeq() uint64 { return a.memory.LastSeq() + a.ahead }

func TestEntriesNotYetCommitted(t *testing.T) {
	dir, src := t.TempDir(), &announcing{memory: newMemory(), ahead: 2}
	src.put(testCall("1", "a: hello"), testCall("2", "a: hello"), testCall("3", "a: hello"))
	x := openTest(t, dir, src) // builds the index
	r, err := x.Search(t.Context(), call.SearchQuery{Text: "hello"})
	if err != nil || r.Total != 3 || r.Coverage.Searchable != 3 {
		t.Errorf("%+v, %v", r, err)
	}
	src.ahead = 0
	src.put(testCall("4", "a: hello"), testCall("5", "a: hello")) // under the numbers announced
	src.ahead = 7
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, x, call.SearchQuery{Text: "hello"}); len(got) != 5 {
		t.Errorf("the calls of the commit: %q", got)
	}
	if findings, err := x.Check(t.Context()); err != nil || len(findings) > 0 {
		t.Error(findings, err)
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(dir, src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if s := again.Status(); s.State != "ready" || s.Documents != 5 || again.doubted() != "" {
		t.Errorf("status %+v, doubt %q", s, again.doubted())
	}
}
