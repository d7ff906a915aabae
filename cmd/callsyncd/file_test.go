package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"callsyncd/internal/crashpoint"
)

func writing(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := writeFile(at("plain"), writing("one")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := writeFile(at("plain"), func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("a failure: %v", err)
	}
	if err := writeFile(dir, writing("x")); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if runtime.GOOS != "windows" {
		if err := errors.Join(os.Symlink("plain", at("link")), os.Symlink(at("new"), at("far")), os.Symlink("far", at("dangling")), os.Symlink("loop", at("loop"))); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(writeFile(at("link"), writing("two")), writeFile(at("dangling"), writing("three"))); err != nil {
			t.Fatal(err)
		}
		if err := writeFile(at("loop"), writing("x")); err == nil {
			t.Error("wrote into a loop of links")
		}
		for name, want := range map[string]string{"plain": "two", "new": "three"} {
			if info, err := os.Lstat(at(name)); err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", name, info, err)
			}
			if text, _ := os.ReadFile(at(name)); string(text) != want {
				t.Errorf("%s holds %q, want %q", name, text, want)
			}
		}
		if info, err := os.Lstat(at("link")); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("the link was replaced: %v, %v", info, err)
		}
	}
	if left, _ := filepath.Glob(at(".*.tmp")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What is said of a file that cannot be written names what the user named.
func TestWriteFileInVain(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "calls.csv")
	var temporary string
	err := writeFile(path, func(w io.Writer) error {
		temporary = w.(*os.File).Name()
		return &fs.PathError{Op: "write", Path: temporary, Err: errors.New("file too large")}
	})
	if err == nil || err.Error() != "file too large" || temporary == "" {
		t.Errorf("a full disk: %v", err)
	}
	for _, tt := range []struct {
		err        error
		want, hint string
	}{
		{fs.ErrNotExist, "there is no folder " + dir, "make it"},
		{fs.ErrPermission, "this account may not write in " + dir, "leave out --out"},
	} {
		err := noFileIn(dir, &fs.PathError{Op: "open", Path: temporary, Err: tt.err})
		f, ok := errors.AsType[*fault](err)
		if !ok || f.code != exitFailed || err.Error() != tt.want || !strings.Contains(f.hint, tt.hint) {
			t.Errorf("%v: %v", tt.err, err)
		}
	}
}

func TestWriteFileToDevice(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	if err := writeFile("/dev/full", writing("x")); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("/dev/full: %v", err)
	}
	if err := writeFile("/dev/null", writing("x")); err != nil {
		t.Errorf("/dev/null: %v", err)
	}
}

// killedWriter, when set, makes the test binary write the file it names until
// it kills itself at the point killedPoint names.
const (
	killedWriter = "CALLSYNCD_TEST_FILE"
	killedPoint  = "CALLSYNCD_TEST_POINT"
)

func writeUntilKilled(path string) {
	crashpoint.OnReach(func(p crashpoint.Point) {
		if string(p) != os.Getenv(killedPoint) {
			return
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil && self.Kill() == nil {
			select {}
		}
	})
	err := writeFile(path, writing(strings.Repeat("new", 1000)))
	fmt.Fprintln(os.Stderr, "was not killed:", err)
	os.Exit(0)
}

// A file that is written anew is the old one or the new one after a kill,
// never something between.
func TestKilledWriter(t *testing.T) {
	for point, want := range map[crashpoint.Point]string{
		crashpoint.FileWritten: "old", crashpoint.FileRenamed: strings.Repeat("new", 1000),
	} {
		path := filepath.Join(t.TempDir(), "calls.csv")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killedWriter+"="+path, killedPoint+"="+string(point))
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err == nil {
			t.Fatalf("never came to: %s", point)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Errorf("%s: %d bytes, %v", point, len(got), err)
		}
	}
}
