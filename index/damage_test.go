package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"callsyncd/call"
)

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
		"bolt cut short, which would kill whoever reads on": func(t *testing.T, dir string, _ *memory) {
			truncate(t, filepath.Join(currentData(t, dir), "root.bolt"), 10_000)
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

// A bit that changes in a file of the index may hide a call from searches and
// break nothing else. It is found wherever it is, by whoever opens the index and,
// in one that is open, by Check.
func TestFlippedBitIsFound(t *testing.T) {
	dir, src := filepath.Join(t.TempDir(), "index"), newMemory()
	fill(src, 20)
	x := openTest(t, dir, src)
	flip := func(share float64) {
		t.Helper()
		zap := segments(t, currentData(t, dir))[0]
		body, err := os.ReadFile(zap)
		if err != nil {
			t.Fatal(err)
		}
		at := int(share * float64(len(body)/2)) // in the first half, which nobody needs to open it
		f, err := os.OpenFile(zap, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte{body[at] ^ 4}, int64(at)) // not cut off and written anew: it is mapped
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	for _, share := range []float64{0.1, 0.3, 0.5, 0.7, 0.9} {
		flip(share)
		if findings, err := x.Check(t.Context()); err != nil || len(findings) != 1 || !strings.Contains(findings[0].Detail, "checksum") {
			t.Errorf("open, at %v: %v, %v", share, findings, err)
		}
		if err := errors.Join(x.CatchUp(t.Context()), x.Close()); err != nil { // which rebuilds it
			t.Fatal(err)
		}
		flip(share)
		var err error
		if x, err = Open(dir, src, Options{}); err != nil {
			t.Fatal(err)
		}
		if x.doubted() == "" {
			t.Errorf("opened with the bit at %v", share)
		}
		if findings, err := x.Check(t.Context()); err != nil || len(findings) > 0 {
			t.Errorf("rebuilt: %v, %v", findings, err)
		}
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFullDiskPauses(t *testing.T) {
	src := newMemory()
	fill(src, 3)
	x := openTest(t, t.TempDir(), src)
	if !isDiskFull(errors.New("merging err: write 000000000008.zap: "+syscall.EFBIG.Error())) || isDiskFull(syscall.EIO) {
		t.Error("a full disk is not told from other trouble")
	}
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

// The wait after a failed rebuild grows with each failure, and not with each
// change of the archive meanwhile.
func TestFailedRebuildIsSoonTriedAgain(t *testing.T) {
	src, start := newMemory(), time.Now()
	fill(src, 3)           // there is no index yet
	var looks atomic.Int64 // at the index's clock, which goes on with each of them: a busy machine changes nothing
	now := func() time.Time { return start.Add(time.Duration(looks.Load()) * 100 * time.Millisecond) }
	x, err := Open(t.TempDir(), src, Options{Now: func() time.Time { looks.Add(1); return now() }})
	if err != nil {
		t.Fatal(err)
	}
	var tries atomic.Int32
	src.onLoad = func(key call.Key) error {
		if key.ID == "call-2" && tries.Add(1) <= 2 {
			return errors.New("the disk does not answer")
		}
		return nil
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- x.Run(ctx) }()
	for tries.Load() < 2 {
		src.put(testCall("call-1", "a: hello"))
		time.Sleep(time.Millisecond)
	}
	for second := now(); tries.Load() == 2; time.Sleep(time.Millisecond) {
		src.put(testCall("call-1", "a: hello"))
		if waited := now().Sub(second); waited > 40*time.Second {
			t.Fatalf("the third try comes later than %v after the second", waited)
		}
	}
	stop()
	if err := errors.Join(<-done, x.Close()); err != nil {
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

// The folder may be deleted at any time, also under a running process.
func TestFolderDeletedWhileOpen(t *testing.T) {
	dir, src := filepath.Join(t.TempDir(), "index"), newMemory()
	fill(src, 5)
	x := openTest(t, dir, src)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := x.Rebuild(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, x, call.SearchQuery{Text: "hello"}); len(got) != 5 {
		t.Errorf("found %d calls", len(got))
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x = openTest(t, dir, src)
	if got := ids(t, x, call.SearchQuery{Text: "hello"}); len(got) != 5 {
		t.Errorf("after reopening: found %d calls", len(got))
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}
