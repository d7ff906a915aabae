package store

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// sixCalls makes an archive of six calls, each with a pending recording, and
// returns its file.
func sixCalls(t *testing.T, dir string) (path string) {
	t.Helper()
	s, err := Open(dir, Options{Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []call.ID{"ant", "bee", "cat", "dog", "elk", "fox"} {
		r := record("crm", id, i)
		r.Parts.Recording = call.Part{State: call.Pending, NextTry: epoch, Deadline: epoch.Add(time.Hour)}
		save(t, s, write(r))
	}
	checkClean(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, fileName)
}

var sixKeys = []string{"crm/ant", "crm/bee", "crm/cat", "crm/dog", "crm/elk", "crm/fox"}

// allThere fails the test unless every way to the calls leads to all of them.
func allThere(t *testing.T, s *Store) {
	t.Helper()
	keys, total := keysOf(t, s, call.ListQuery{Limit: 6, Ascending: true})
	if wantKeys(t, keys, sixKeys...); total != 6 {
		t.Errorf("%d are listed of %d", len(keys), total)
	}
	due, err := s.Due(t.Context(), "crm", call.PartRecording, epoch.Add(time.Hour), 10)
	if err != nil || len(due) != 6 {
		t.Errorf("%d are due: %v", len(due), err)
	}
	gaps, _, err := s.Gaps(t.Context(), "crm", "", 20)
	if err != nil || len(gaps) != 6 {
		t.Errorf("%d gaps: %v", len(gaps), err)
	}
}

// Whatever happens to what is derived from the calls, it is made anew from them.
func TestRederive(t *testing.T) {
	t.Parallel()
	middle := func(tx *bolt.Tx, bucket []byte) (b *bolt.Bucket, k, v []byte) {
		b = tx.Bucket(bucket)
		c := b.Cursor()
		c.First()
		k, v = c.Next()
		if k == nil {
			k, v = c.First()
		}
		return b, bytes.Clone(k), bytes.Clone(v)
	}
	damages := map[string]func(b *bolt.Bucket, k, v []byte) error{
		"gone":  func(b *bolt.Bucket, k, _ []byte) error { return b.Delete(k) },
		"added": func(b *bolt.Bucket, k, v []byte) error { return b.Put(append(k, 0), v) },
		"wrong": func(b *bolt.Bucket, k, v []byte) error {
			v[len(v)/2] ^= 1
			return b.Put(k, v)
		},
		"short": func(b *bolt.Bucket, k, v []byte) error { return b.Put(k, v[:len(v)-1]) },
	}
	whole, err := os.ReadFile(sixCalls(t, tempDir(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range append([][]byte{bucketCounts}, derived...) {
		for name, damage := range damages {
			for _, first := range []string{"", "crm"} {
				t.Run(string(bucket)+" "+name+" "+first, func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					put(t, filepath.Join(dir, fileName), string(whole))
					s := openTest(t, dir) // which also checks it at the end
					if err := s.db.Update(func(tx *bolt.Tx) error { return damage(middle(tx, bucket)) }); err != nil {
						t.Fatal(err)
					}
					source := call.SourceID(first)
					if mended, err := s.Rederive(t.Context(), source); err != nil || !mended && !(source != "" && bytes.Equal(bucket, bucketCounts) && name == "added") {
						t.Errorf("mended: %t, %v", mended, err)
					}
					if _, err := s.Rederive(t.Context(), ""); err != nil { // also what no source's calls look at
						t.Error(err)
					}
					if mended, err := s.Rederive(t.Context(), ""); mended || err != nil {
						t.Errorf("mended once more: %t, %v", mended, err)
					}
					allThere(t, s)
				})
			}
		}
	}
}

// TestEveryByteOfAKey flips a bit in every byte of a row's key in the file, which
// may also break the order of the keys. After Rederive everything is whole, or,
// when the calls themselves are out of order, everything that misses one says so.
func TestEveryByteOfAKey(t *testing.T) {
	t.Parallel()
	from := tempDir(t)
	path := sixCalls(t, from)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bucket := range append([][]byte{bucketCalls, bucketCounts}, derived...) {
		t.Run(string(bucket), func(t *testing.T) {
			t.Parallel()
			row, at := rowInFile(t, path, whole, bucket)
			for i := range row {
				dir := t.TempDir()
				file := slices.Clone(whole)
				for _, begin := range at {
					file[begin+i] ^= 1 << (i % 8)
				}
				put(t, filepath.Join(dir, fileName), string(file))
				s, err := Open(dir, Options{Now: testClock()})
				if err != nil {
					t.Fatal(err)
				}
				_, err = s.Rederive(t.Context(), "")
				switch inOrder := !errors.Is(err, errOrder); {
				case !inOrder && bytes.Equal(bucket, bucketCalls):
					if list, err := s.List(t.Context(), call.ListQuery{Limit: 6}); err == nil && len(list.Calls) != 6 {
						t.Errorf("%d calls are listed, and nothing is said", len(list.Calls))
					}
					if findings := check(t, s).Findings; len(findings) == 0 {
						t.Error("nothing is found")
					}
				case err != nil:
					t.Error(err)
				default:
					allThere(t, s)
					checkClean(t, s)
				}
				if t.Failed() {
					t.Fatalf("byte %d", i)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func check(t *testing.T, s *Store) CheckResult {
	t.Helper()
	result, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// rowInFile returns the length of the key of a bucket's third row, or of its
// only one, and where the file has it.
func rowInFile(t *testing.T, path string, file, bucket []byte) (length int, at []int) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var row []byte
	err = db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucket).Cursor()
		k, v := c.First()
		for n := 0; n < 2; n++ {
			if next, nextV := c.Next(); next != nil {
				k, v = next, nextV
			}
		}
		row = append(bytes.Clone(k), v...)
		length = len(k)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(file); {
		n := bytes.Index(file[i:], row)
		if n < 0 {
			break
		}
		at = append(at, i+n)
		i += n + 1
	}
	if len(at) == 0 {
		t.Fatalf("the row of %s is not in the file", bucket)
	}
	return length, at
}
