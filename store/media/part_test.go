package media

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"callsyncd/call"
)

// broken is a body that breaks off after n bytes of content.
func broken(content []byte, from, n int, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(content[from:n]), iotest.ErrReader(err))
}

func announced(content []byte, tag string, from int) call.MediaExpect {
	return call.MediaExpect{SizeBytes: int64(len(content)), ETag: tag, FromBytes: int64(from)}
}

var errCut = fmt.Errorf("cut: %w: %w", io.ErrUnexpectedEOF, call.ErrTransient)

func TestRecordingIsPutTogether(t *testing.T) {
	a, dir := openArchive(t, Options{Resume: 1000})
	whole := sampleMP3
	sum, check := sha256.Sum256(whole), md5.Sum(whole)
	for i, cut := range []int{5000, 9000} {
		from := []int{0, 5000}[i]
		if _, err := a.Put(t.Context(), key, started, broken(whole, from, cut, errCut), announced(whole, `"a"`, from)); !errors.Is(err, call.ErrCorrupt) {
			t.Fatalf("Put = %v", err)
		}
		if got, want := a.Part(key, ""), (call.MediaPart{Bytes: int64(cut), TotalBytes: int64(len(whole)), ETag: `"a"`}); got != want {
			t.Fatalf("part %+v, want %+v", got, want)
		}
	}
	if got := a.Part(key, "another"); got.Bytes != 0 {
		t.Errorf("part of another recording of the call: %+v", got)
	}
	expect := announced(whole, `"a"`, 9000)
	expect.MD5 = check[:]
	got, err := a.Put(t.Context(), key, started, bytes.NewReader(whole[9000:]), expect)
	if err != nil || *got.SHA256 != hex.EncodeToString(sum[:]) || *got.SizeBytes != int64(len(whole)) {
		t.Fatalf("stored %v, %v", got.SHA256, err)
	}
	if hash, size, err := a.Hash(t.Context(), *got.File); hash != *got.SHA256 || size != *got.SizeBytes || err != nil {
		t.Errorf("on disk %s, %d bytes, %v", hash, size, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, tempFolder)); err != nil || len(left) > 0 || a.Part(key, "").Bytes != 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

// TestWholeFileIsHashedWhenPutTogether: the beginning is read from disk again,
// so what happened to it meanwhile is noticed.
func TestWholeFileIsHashedWhenPutTogether(t *testing.T) {
	a, dir := openArchive(t, Options{Resume: 1000})
	check := md5.Sum(sampleMP3)
	_, _ = a.Put(t.Context(), key, started, broken(sampleMP3, 0, 5000, errCut), announced(sampleMP3, `"a"`, 0))
	left, err := os.ReadDir(filepath.Join(dir, tempFolder))
	if err != nil || len(left) != 1 {
		t.Fatal(left, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, tempFolder, left[0].Name()), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("rot"), 4000); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	expect := announced(sampleMP3, `"a"`, 5000)
	expect.MD5 = check[:]
	_, err = a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3[5000:]), expect)
	if content, ok := errors.AsType[*ContentError](err); !ok || content.Reason != Checksum {
		t.Errorf("Put = %v", err)
	}
	checkNothingLeft(t, a, dir)
}

func TestPartIsKeptForResumableRecordingsOnly(t *testing.T) {
	for name, tc := range map[string]struct {
		expect call.MediaExpect
		body   io.Reader
		kept   bool
	}{
		"broken off":          {announced(sampleMP3, `"a"`, 0), broken(sampleMP3, 0, 5000, errCut), true},
		"too slow":            {announced(sampleMP3, `"a"`, 0), broken(sampleMP3, 0, 5000, call.ErrTransient), true},
		"below the size":      {call.MediaExpect{SizeBytes: 999, ETag: `"a"`}, broken(sampleMP3, 0, 500, errCut), false},
		"no tag":              {announced(sampleMP3, "", 0), broken(sampleMP3, 0, 5000, errCut), false},
		"no length":           {call.MediaExpect{SizeBytes: -1, ETag: `"a"`}, broken(sampleMP3, 0, 5000, errCut), false},
		"nothing received":    {announced(sampleMP3, `"a"`, 0), broken(sampleMP3, 0, 0, errCut), false},
		"more than all":       {call.MediaExpect{SizeBytes: 5000, ETag: `"a"`}, bytes.NewReader(sampleMP3), false},
		"no audio":            {announced(bytes.Repeat([]byte("<html>"), 500), `"a"`, 0), bytes.NewReader(bytes.Repeat([]byte("<html>"), 500)), false},
		"an end for no fault": {announced(sampleMP3, `"a"`, 0), broken(sampleMP3, 0, 5000, errors.New("stopped")), false},
	} {
		t.Run(name, func(t *testing.T) {
			a, dir := openArchive(t, Options{Resume: 1000})
			if _, err := a.Put(t.Context(), key, started, tc.body, tc.expect); err == nil {
				t.Fatal("stored")
			}
			if kept := a.Part(key, "").Bytes > 0; kept != tc.kept {
				t.Errorf("kept %t", kept)
			}
			a.Forget(key)
			checkNothingLeft(t, a, dir)
		})
	}
}

// TestBodyThatBeginsAnewReplacesThePart, whatever was at hand.
func TestBodyThatBeginsAnewReplacesThePart(t *testing.T) {
	a, dir := openArchive(t, Options{Resume: 1000})
	_, _ = a.Put(t.Context(), key, started, broken(sampleMP3, 0, 5000, errCut), announced(sampleMP3, `"a"`, 0))
	other := bytes.Clone(sampleMP3[:20*417])
	got, err := a.Put(t.Context(), key, started, bytes.NewReader(other), announced(other, `"b"`, 0))
	sum := sha256.Sum256(other)
	if err != nil || *got.SHA256 != hex.EncodeToString(sum[:]) || a.Part(key, "").Bytes != 0 {
		t.Fatalf("stored %v, %v", got.SHA256, err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, tempFolder)); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
	_, err = a.Put(t.Context(), key, started, bytes.NewReader(sampleMP3[5000:]), announced(sampleMP3, `"a"`, 5000))
	if !errors.Is(err, call.ErrCorrupt) {
		t.Errorf("a rest without its beginning: %v", err)
	}
}

func TestFewPartsAreKept(t *testing.T) {
	a, dir := openArchive(t, Options{Resume: 1000})
	for i := range maxParts + 3 {
		k := call.Key{Source: "crm", ID: call.ID(fmt.Sprint(i))}
		_, _ = a.Put(t.Context(), k, started, broken(sampleMP3, 0, 5000, errCut), announced(sampleMP3, `"a"`, 0))
	}
	left, err := os.ReadDir(filepath.Join(dir, tempFolder))
	if err != nil || len(left) != maxParts || a.Part(call.Key{Source: "crm", ID: "0"}, "").Bytes != 0 {
		t.Errorf("%d files, %v", len(left), err)
	}
}
