//go:build unix

package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"callsyncd/call"
)

func init() {
	children["save until killed"] = saveUntilKilled
	children["save until full"] = saveUntilFull
}

// child starts this test binary again to do some work in a process of its own.
func child(t *testing.T, work, dir string) (*exec.Cmd, io.ReadCloser) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+work, "STORE_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// numbered is the batch of that number: a new call, an edit of the one before,
// and the checkpoint that says so.
func numbered(n int) call.Batch {
	b := call.Batch{Source: "crm", Checkpoint: &call.Checkpoint{PageSize: n}}
	for i := max(0, n-1); i <= n; i++ {
		r := record("crm", call.ID(fmt.Sprint(i)), i)
		r.Call.Note = ptr(fmt.Sprint(n))
		r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: strings.Repeat(fmt.Sprintf("batch %d. ", n), 100+n%500)}}
		r.Parts.Transcript.State = call.Stored
		r.Parts.Recording = call.Part{State: call.Pending, NextTry: epoch.Add(time.Duration(n) * time.Second)}
		w := write(r)
		w.Documents = documents(r.Call.Transcript[0].Text)
		b.Writes = append(b.Writes, w)
	}
	return b
}

func saveUntilKilled(dir string) {
	s, err := Open(dir, Options{})
	if err != nil {
		panic(err)
	}
	cp, err := s.Checkpoint(context.Background(), "crm")
	if err != nil {
		panic(err)
	}
	for n := cp.PageSize + 1; ; n++ {
		if err := s.Save(context.Background(), numbered(n)); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

// TestCrash kills a writing process at random moments: whatever it said was
// saved is there, whole, and the archive agrees with itself.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir, acknowledged := tempDir(t), 0
	for range 12 {
		cmd, out := child(t, "save until killed", dir)
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			t.Fatal("the child saved nothing")
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(60))*time.Millisecond, func() { cmd.Process.Kill() })
		for ok := true; ok; ok = lines.Scan() {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatal(err)
			}
		}
		timer.Stop()
		cmd.Wait()

		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		wantNumbered(t, s, acknowledged)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d batches", acknowledged)
}

// wantNumbered checks that the batches up to the last one, which is at least
// the given one, are stored whole.
func wantNumbered(t *testing.T, s *Store, atLeast int) {
	t.Helper()
	cp, err := s.Checkpoint(t.Context(), "crm")
	if err != nil {
		t.Fatal(err)
	}
	last := cp.PageSize
	if last < atLeast || last > atLeast+1 {
		t.Errorf("batch %d was acknowledged, the checkpoint says %d", atLeast, last)
	}
	for n := max(1, last-200); n <= last; n++ {
		r := load(t, s, call.Key{Source: "crm", ID: call.ID(fmt.Sprint(n))})
		if want := min(n+1, last); *r.Call.Note != fmt.Sprint(want) || !strings.HasPrefix(r.Call.Transcript[0].Text, fmt.Sprintf("batch %d. ", want)) {
			t.Errorf("call %d is of batch %s", n, *r.Call.Note)
		}
	}
	if result := checkClean(t, s); result.Calls != last+1 || result.Versions != 2*last {
		t.Errorf("%d calls, %d versions after %d batches", result.Calls, result.Versions, last)
	}
}

// saveUntilFull writes under a limit of the file size until Save fails, and
// goes on once the limit is lifted.
func saveUntilFull(dir string) {
	ctx := context.Background()
	s, err := Open(dir, Options{})
	if err != nil {
		panic(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		panic(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1 << 20, Max: old.Max}); err != nil {
		panic(err)
	}
	if _, err := Open(filepath.Join(dir, "new"), Options{}); !errors.Is(err, call.ErrNoSpace) {
		panic(fmt.Sprintf("a new archive on a full disk: %v", err))
	}
	n := 1
	for ; ; n++ {
		if err = s.Save(ctx, numbered(n)); err != nil {
			break
		}
	}
	if !strings.Contains(err.Error(), "the disk is full") {
		panic(err)
	}
	if again := s.Save(ctx, numbered(n)); again == nil {
		panic("saved on a full disk")
	}
	for i := range n {
		if _, err := s.Load(ctx, call.Key{Source: "crm", ID: call.ID(fmt.Sprint(i))}); err != nil {
			panic(err)
		}
	}
	if _, err := s.Load(ctx, call.Key{Source: "crm", ID: call.ID(fmt.Sprint(n))}); !errors.Is(err, call.ErrNotFound) {
		panic(fmt.Sprintf("half a batch is there: %v", err))
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		panic(err)
	}
	for range 3 {
		if err := s.Save(ctx, numbered(n)); err != nil {
			panic(err)
		}
		n++
	}
	fmt.Println(n - 1)
	os.Exit(0) // without Close, as if killed
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	cmd, out := child(t, "save until full", dir)
	var last int
	if _, err := fmt.Fscan(out, &last); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || last < 10 {
		t.Fatalf("the child saved %d batches: %v", last, err)
	}
	wantNumbered(t, openTest(t, dir), last)
}

// TestPoisoned makes a commit fail for another reason than a full disk.
func TestPoisoned(t *testing.T) {
	s, err := Open(tempDir(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, write(record("crm", "1", 0)))
	failure := errors.New("input/output error")
	s.write.Lock()
	err = s.commitFailed(1<<40, failure)
	s.write.Unlock()
	if !errors.Is(err, failure) || !strings.Contains(err.Error(), "restarted") {
		t.Errorf("%v", err)
	}
	if err := s.Save(t.Context(), numbered(2)); !errors.Is(err, failure) {
		t.Errorf("a write after it: %v", err)
	}
	if err := s.Acknowledge(t.Context(), call.Key{Source: "crm", ID: "1"}, call.PartRecord, ""); !errors.Is(err, failure) {
		t.Errorf("an acknowledgement after it: %v", err)
	}
	load(t, s, call.Key{Source: "crm", ID: "1"})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func makePipe(t *testing.T, path string) {
	t.Helper()
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestDiskFullAtTheLastMoment makes a commit fail after it became visible. The
// next write opens the archive anew, under readers, and goes on.
func TestDiskFullAtTheLastMoment(t *testing.T) {
	s := openTest(t, tempDir(t))
	save(t, s, write(record("crm", "1", 0)))
	stop, reading := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				reading <- nil
				return
			default:
			}
			if _, err := s.Load(t.Context(), call.Key{Source: "crm", ID: "1"}); err != nil {
				reading <- err
				return
			}
		}
	}()
	for n := 2; n < 6; n++ {
		s.write.Lock()
		err := s.commitFailed(0, &os.PathError{Op: "write", Path: "archive.db", Err: syscall.ENOSPC})
		s.write.Unlock()
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full") {
			t.Errorf("%v", err)
		}
		if err := s.Save(t.Context(), numbered(n)); err != nil {
			t.Fatalf("a write after it: %v", err)
		}
		if got, want := s.LastSeq(), uint64(1+2*(n-1)); got != want {
			t.Errorf("the change feed ends at %d, not %d", got, want)
		}
	}
	close(stop)
	if err := <-reading; err != nil {
		t.Errorf("reading meanwhile: %v", err)
	}
	checkClean(t, s)
	s.write.Lock()
	err := s.commitFailed(0, syscall.ENOSPC) // of a flush: nobody knows what it lost
	s.write.Unlock()
	if !errors.Is(err, errInDoubt) || !errors.Is(s.Save(t.Context(), numbered(7)), errInDoubt) {
		t.Errorf("%v", err)
	}
}

// TestClosedStaysClosed: a write that comes after Close does not open the
// archive again to mend it.
func TestClosedStaysClosed(t *testing.T) {
	dir := tempDir(t)
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, write(record("crm", "1", 0)))
	s.write.Lock()
	_ = s.commitFailed(0, &os.PathError{Op: "write", Path: "archive.db", Err: syscall.ENOSPC}) // what it says is tested above
	s.write.Unlock()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), numbered(2)); err == nil {
		t.Error("a closed archive takes writes")
	}
	next, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Error(err)
	}
}
