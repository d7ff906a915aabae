package media

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"callsyncd/call"
)

var (
	key     = call.Key{Source: "crm", ID: "call-1"}
	started = time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC)
	unsized = call.MediaExpect{SizeBytes: -1}
)

func openArchive(t *testing.T, o Options) (*Archive, string) {
	t.Helper()
	dir := t.TempDir()
	a, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a, dir
}

func files(t *testing.T, a *Archive) []string {
	t.Helper()
	var names []string
	err := a.Files(t.Context(), func(file string, _ int64) error {
		names = append(names, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// checkNothingLeft fails when an unfinished or finished file is there.
func checkNothingLeft(t *testing.T, a *Archive, dir string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(dir, tempFolder))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files %v, %v", left, err)
	}
	if got := files(t, a); len(got) > 0 {
		t.Errorf("recordings %v", got)
	}
}

func TestPutStoresFile(t *testing.T) {
	a, dir := openArchive(t, Options{})
	sum, check := sha256.Sum256(sampleMP3), md5.Sum(sampleMP3)
	sumHex := hex.EncodeToString(sum[:])
	before := time.Now().Add(-time.Second)
	got, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3),
		call.MediaExpect{SizeBytes: int64(len(sampleMP3)), ContentType: "text/html", MD5: check[:]})
	if err != nil {
		t.Fatal(err)
	}
	want := "recordings/crm/2025/03/04/20250304T050607Z_call-1_" + sumHex[:12] + ".mp3"
	if *got.File != want || *got.SHA256 != sumHex || *got.SizeBytes != int64(len(sampleMP3)) || got.State != call.Stored {
		t.Errorf("stored %s %s %d %s", *got.File, *got.SHA256, *got.SizeBytes, got.State)
	}
	if *got.ContentType != "audio/mpeg" || got.DurationSeconds == nil || math.Abs(*got.DurationSeconds-sampleMP3Secs) > 0.001 {
		t.Errorf("stored %s, %v seconds", *got.ContentType, got.DurationSeconds)
	}
	if got.StoredAt.Before(before) || got.StoredAt.Location() != time.UTC {
		t.Errorf("stored at %v", got.StoredAt)
	}
	info, err := os.Stat(filepath.Join(dir, want))
	if err != nil || info.Mode().Perm()&0o222 != 0 {
		t.Errorf("file %v, %v", info, err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm() != 0o440 {
		t.Errorf("mode %v", info.Mode())
	}
	if hash, size, err := a.Hash(t.Context(), want); hash != sumHex || size != int64(len(sampleMP3)) || err != nil {
		t.Errorf("Hash = %s %d %v", hash, size, err)
	}
	f, err := a.Open(want)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if content, err := io.ReadAll(f); !bytes.Equal(content, sampleMP3) || err != nil {
		t.Errorf("content differs, %v", err)
	}
	if names := files(t, a); !slices.Equal(names, []string{want}) {
		t.Errorf("files %v", names)
	}
	if left, err := os.ReadDir(filepath.Join(dir, tempFolder)); err != nil || len(left) > 0 {
		t.Errorf("temporary files %v, %v", left, err)
	}
}

func TestPutRefusesBody(t *testing.T) {
	wrongMD5 := md5.Sum([]byte("other"))
	size := int64(len(sampleMP3))
	tests := []struct {
		name   string
		body   io.Reader
		expect call.MediaExpect
		want   Reason
	}{
		{"short", bytes.NewReader(sampleMP3), call.MediaExpect{SizeBytes: size + 1}, Truncated},
		{"long", bytes.NewReader(sampleMP3), call.MediaExpect{SizeBytes: size - 1}, Truncated},
		{"broken off", io.MultiReader(bytes.NewReader(sampleMP3), iotest.ErrReader(io.ErrUnexpectedEOF)), unsized, Truncated},
		{"empty", strings.NewReader(""), unsized, Empty},
		{"empty as announced", strings.NewReader(""), call.MediaExpect{}, Empty},
		{"wrong MD5", bytes.NewReader(sampleMP3), call.MediaExpect{SizeBytes: size, MD5: wrongMD5[:]}, Checksum},
		{"page", strings.NewReader("<html>sign in</html>"), unsized, NotAudio},
		{"larger than allowed", bytes.NewReader(make([]byte, 100_001)), unsized, TooLarge},
		{"announced larger than allowed", iotest.ErrReader(errors.New("read although too large")), call.MediaExpect{SizeBytes: 100_001}, TooLarge},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a, dir := openArchive(t, Options{MaxBytes: 100_000})
			_, err := a.Put(t.Context(), key, started, test.body, test.expect)
			content, ok := errors.AsType[*ContentError](err)
			if !ok || content.Reason != test.want || content.PartReason() != string(test.want) || !errors.Is(err, call.ErrCorrupt) {
				t.Errorf("Put = %v, want %s", err, test.want)
			}
			if errors.Is(err, call.ErrRefused) != (test.want == TooLarge) {
				t.Errorf("refused: %v", err)
			}
			checkNothingLeft(t, a, dir)
		})
	}
}

func TestPutKeepsErrorsOfBody(t *testing.T) {
	a, dir := openArchive(t, Options{})
	_, err := a.Put(t.Context(), key, started, io.MultiReader(bytes.NewReader(sampleMP3), iotest.ErrReader(call.ErrTransient)), unsized)
	if !errors.Is(err, call.ErrTransient) || errors.Is(err, call.ErrCorrupt) {
		t.Errorf("Put = %v", err)
	}
	checkNothingLeft(t, a, dir)
}

func TestPutEndsWithContext(t *testing.T) {
	a, dir := openArchive(t, Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped by the test")
	endless := readerFunc(func(p []byte) (int, error) { cancel(stop); return len(p), nil })
	if _, err := a.Put(ctx, key, started, endless, unsized); !errors.Is(err, stop) {
		t.Errorf("Put = %v", err)
	}
	checkNothingLeft(t, a, dir)
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestPutRefusesBadSource(t *testing.T) {
	a, dir := openArchive(t, Options{})
	_, err := a.Put(t.Context(), call.Key{Source: "../..", ID: "x"}, started, bytes.NewReader(sampleMP3), unsized)
	if err == nil {
		t.Error("stored outside the recordings")
	}
	checkNothingLeft(t, a, dir)
}

func TestPutTwiceReusesFile(t *testing.T) {
	a, dir := openArchive(t, Options{})
	first, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3), unsized)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(filepath.Join(dir, *first.File))
	if err != nil {
		t.Fatal(err)
	}
	second, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3), unsized)
	if err != nil || *second.File != *first.File {
		t.Fatalf("second Put = %v, %v", second.File, err)
	}
	after, err := os.Stat(filepath.Join(dir, *first.File))
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("file was replaced: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, tempFolder)); len(left) > 0 {
		t.Errorf("temporary files %v", left)
	}
}

func TestPutNeverOverwrites(t *testing.T) {
	a, dir := openArchive(t, Options{})
	first, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3), unsized)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, *first.File)
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte("damaged"), 0o440)); err != nil {
		t.Fatal(err)
	}
	_, err = a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3), unsized)
	if _, content := errors.AsType[*ContentError](err); !errors.Is(err, call.ErrCorrupt) || content {
		t.Errorf("Put = %v", err)
	}
	if content, err := os.ReadFile(path); string(content) != "damaged" {
		t.Errorf("file was overwritten: %v", err)
	}
}

func TestPutAtOnce(t *testing.T) {
	a, _ := openArchive(t, Options{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			body := sampleWAV(2 * (i%5 + 1)) // four of each
			if _, err := a.Put(t.Context(), key, started, bytes.NewReader(body), unsized); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := files(t, a); len(got) != 5 {
		t.Errorf("%d files: %v", len(got), got)
	}
}

func TestPutKeepsSpaceFree(t *testing.T) {
	a, dir := openArchive(t, Options{MinFree: math.MaxInt64})
	_, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3), unsized)
	if !errors.Is(err, ErrNoSpace) {
		t.Errorf("Put = %v", err)
	}
	var named interface{ PartReason() string }
	if !errors.As(err, &named) || named.PartReason() != "no_space" {
		t.Errorf("reason of %v", err)
	}
	checkNothingLeft(t, a, dir)
	free, err := a.FreeBytes()
	if err != nil || free == 0 {
		t.Fatalf("FreeBytes = %d, %v", free, err)
	}
	b, _ := openArchive(t, Options{MinFree: 1})
	if _, err := b.Put(t.Context(), key, started, bytes.NewReader(sampleMP3), unsized); err != nil {
		t.Errorf("Put with space = %v", err)
	}
}

func TestOpenRemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	temp := filepath.Join(dir, "recordings", ".tmp")
	if err := os.MkdirAll(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(temp, "HALF"), sampleMP3, 0o440); err != nil {
		t.Fatal(err)
	}
	a, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	checkNothingLeft(t, a, dir)
}

func TestOpenRefusesOtherPaths(t *testing.T) {
	a, dir := openArchive(t, Options{})
	for _, name := range []string{"archive.db", "recordings/.tmp/x", "recordings/crm/secret"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"", ".", "recordings", "archive.db", "recordings/../archive.db", "recordings/.tmp/x",
		"/etc/passwd", "../x", "recordings/none.mp3", `recordings\crm\secret`, "recordings//crm/secret", "recordings/a\x00b"} {
		if f, err := a.Open(file); err == nil {
			t.Errorf("Open(%q) opened %s", file, f.Name())
		} else if !errors.Is(err, call.ErrNotFound) {
			t.Errorf("Open(%q) = %v", file, err)
		}
		if _, _, err := a.Hash(t.Context(), file); err == nil {
			t.Errorf("Hash(%q) succeeded", file)
		}
	}
}

func TestSymbolicLinksLeadNowhere(t *testing.T) {
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "passwd"), []byte("root"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, dir := openArchive(t, Options{})
	if err := os.Symlink(outside, filepath.Join(dir, "recordings", "crm")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	if f, err := a.Open("recordings/crm/passwd"); err == nil {
		t.Errorf("opened %s", f.Name())
	}
	if _, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3), unsized); err == nil {
		t.Error("stored through a link")
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
		t.Errorf("outside: %v, %v", entries, err)
	}
	if got := files(t, a); !slices.Equal(got, []string{"recordings/crm"}) {
		t.Errorf("the link is not listed as a stray file: %v", got)
	}

	linked := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(linked, "recordings")); err != nil {
		t.Fatal(err)
	}
	if b, err := Open(linked, Options{}); err == nil {
		t.Error("opened recordings that are a link", b.Close())
	}
}

func TestFilesStops(t *testing.T) {
	a, _ := openArchive(t, Options{})
	for i := range 3 {
		if _, err := a.Put(t.Context(), key, started, bytes.NewReader(sampleWAV(2*i+2)), unsized); err != nil {
			t.Fatal(err)
		}
	}
	seen := 0
	err := a.Files(t.Context(), func(string, int64) error { seen++; return fs.ErrPermission })
	if !errors.Is(err, fs.ErrPermission) || seen != 1 {
		t.Errorf("Files = %v after %d files", err, seen)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.Files(ctx, func(string, int64) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Files after cancel = %v", err)
	}
	if _, _, err := a.Hash(ctx, files(t, a)[0]); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash after cancel = %v", err)
	}
}
