//go:build !windows

package media

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"callsyncd/call"
)

// A file size limit makes writes fail as a full disk does, without root.
func TestPutOnFullDisk(t *testing.T) {
	a, dir := openArchive(t, Options{})
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	small := old
	small.Cur = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Skip("no file size limit here:", err)
	}
	_, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleWAV(200_000)), unsized)
	if restore := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); restore != nil {
		t.Fatal(restore)
	}
	if !errors.Is(err, ErrNoSpace) || !errors.Is(err, syscall.EFBIG) || errors.Is(err, call.ErrCorrupt) {
		t.Errorf("Put = %v", err)
	}
	checkNothingLeft(t, a, dir)
	if _, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleWAV(200_000)), unsized); err != nil {
		t.Errorf("Put after the disk had space again = %v", err)
	}
}

func TestAsNoSpace(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		err := fmt.Errorf("sync: %w", &fs.PathError{Op: "write", Path: "x", Err: errno})
		if got := asNoSpace(err); !errors.Is(got, ErrNoSpace) || !errors.Is(got, errno) {
			t.Errorf("asNoSpace(%v) = %v", err, got)
		}
	}
	if got := asNoSpace(syscall.EIO); errors.Is(got, ErrNoSpace) {
		t.Errorf("an input error became %v", got)
	}
}

// A pipe in the recordings must not make a reader wait for its other end.
func TestOpenPipe(t *testing.T) {
	a, dir := openArchive(t, Options{})
	if err := syscall.Mkfifo(filepath.Join(dir, "recordings", "pipe"), 0o600); err != nil {
		t.Skip("no pipes here:", err)
	}
	if _, err := a.Open("recordings/pipe"); !errors.Is(err, call.ErrCorrupt) {
		t.Errorf("Open = %v", err)
	}
}
