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
	return callsNamed(t, dir, "ant", "bee", "cat", "dog", "elk", "fox")
}

func callsNamed(t *testing.T, dir string, ids ...call.ID) (path string) {
	t.Helper()
	s, err := Open(dir, Options{Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range ids {
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
// may also break the order of the keys. A list finds all calls nevertheless, and
// after Rederive everything is whole.
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
				if list, err := s.List(t.Context(), call.ListQuery{Limit: 6}); err != nil || len(list.Calls) != 6 {
					t.Errorf("%d calls are listed: %v", len(list.Calls), err)
				}
				if _, err := s.Rederive(t.Context(), ""); err != nil {
					t.Error(err)
				}
				allThere(t, s)
				checkClean(t, s)
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

// Calls that are numbered have neighbours one bit away: a damaged key may be the
// one of another call, or hide it, also several at once.
func TestNumberedCallsKeepTheirContent(t *testing.T) {
	t.Parallel()
	ids := []call.ID{"100", "101", "102", "103", "104", "105"}
	path := callsNamed(t, tempDir(t), ids...)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[call.ID][]byte{}
	err = db.View(func(tx *bolt.Tx) error {
		for _, id := range ids {
			k := keyBytes(t, call.Key{Source: "crm", ID: id})
			rows[id] = append(k, tx.Bucket(bucketCalls).Get(k)...)
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for name, flips := range map[string]map[call.ID]byte{
		"the one behind":        {"102": 1},
		"the one ahead":         {"103": 1},
		"a later one":           {"101": 4},
		"nobody":                {"103": 0x40},
		"two out of order":      {"101": 0x40, "104": 0x40},
		"two change places":     {"102": 1, "103": 1},
		"two become a third":    {"101": 1, "102": 2},
		"the first is the last": {"100": 0x08},
	} {
		t.Run(name, func(t *testing.T) {
			file := slices.Clone(whole)
			for id, mask := range flips {
				damaged := bytes.Clone(rows[id])
				damaged[len("crm")+len(id)] ^= mask // the id's last byte
				file = bytes.ReplaceAll(file, rows[id], damaged)
			}
			dir := t.TempDir()
			put(t, filepath.Join(dir, fileName), string(file))
			s := openTest(t, dir)
			if mended, err := s.Rederive(t.Context(), "crm"); err != nil || !mended {
				t.Fatalf("mended: %t, %v", mended, err)
			}
			for i, id := range ids {
				r := load(t, s, call.Key{Source: "crm", ID: id})
				if want := record("crm", id, i).Call.StartedAt; r.Call.StartedAt == nil || !r.Call.StartedAt.Equal(*want) {
					t.Errorf("%s began at %v, want %s", id, r.Call.StartedAt, want)
				}
			}
			if keys, total := keysOf(t, s, call.ListQuery{Limit: 6, Ascending: true}); total != 6 || len(keys) != 6 {
				t.Errorf("%d of %d are listed", len(keys), total)
			}
		})
	}
}

// A call that was fetched anew while its key was damaged is there once; the
// former record is kept aside.
func TestRenamedCallThatWasFetchedAnew(t *testing.T) {
	t.Parallel()
	s, err := Open(tempDir(t), Options{Now: testClock()}) // its first version has no place any more
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	save(t, s, write(record("crm", "ant", 0)), write(record("crm", "bee", 1)))
	ant, odd := keyBytes(t, call.Key{Source: "crm", ID: "ant"}), keyBytes(t, call.Key{Source: "crm", ID: "aot"})
	err = s.db.Update(func(tx *bolt.Tx) error {
		calls := tx.Bucket(bucketCalls)
		v := bytes.Clone(calls.Get(ant))
		return errors.Join(calls.Delete(ant), calls.Put(odd, v))
	})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, write(record("crm", "ant", 0)))
	if mended, err := s.Rederive(t.Context(), "crm"); err != nil || !mended {
		t.Fatalf("mended: %t, %v", mended, err)
	}
	keys, total := keysOf(t, s, call.ListQuery{Limit: 6, Ascending: true})
	if wantKeys(t, keys, "crm/ant", "crm/bee"); total != 2 {
		t.Errorf("%d are counted", total)
	}
	aside := 0
	err = s.Aside(t.Context(), func(key call.Key, _ time.Time) error {
		if aside++; key.ID != "ant" {
			t.Errorf("%s is kept aside", key)
		}
		return nil
	})
	if err != nil || aside != 1 {
		t.Errorf("%d kept aside: %v", aside, err)
	}
	if mended, err := s.Rederive(t.Context(), ""); mended || err != nil {
		t.Errorf("mended once more: %t, %v", mended, err)
	}
}

// A damaged row that is met late must not leave what was read before it: every
// read begins anew once the rows are mended.
func TestReadsBeginAnewAfterMending(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(s *Store) (n int, err error){
		"stats": func(s *Store) (n int, err error) {
			rows, err := s.Stats(t.Context(), call.StatsQuery{By: "month"})
			for _, r := range rows {
				n += r.Calls
			}
			return n, err
		},
		"list": func(s *Store) (int, error) {
			list, err := s.List(t.Context(), call.ListQuery{Limit: 9, Ascending: true, Filter: call.Filter{From: epoch.AddDate(-9, 0, 0)}})
			return len(list.Calls), err
		},
		"list by length": func(s *Store) (int, error) {
			list, err := s.List(t.Context(), call.ListQuery{Limit: 9, OrderBy: call.ByDuration})
			return len(list.Calls), err
		},
		"gaps": func(s *Store) (int, error) {
			gaps, _, err := s.Gaps(t.Context(), "crm", "", 9)
			return len(gaps), err
		},
		"due": func(s *Store) (int, error) {
			due, err := s.Due(t.Context(), "crm", call.PartRecording, epoch.Add(time.Hour), 9)
			return len(due), err
		},
		"counts": func(s *Store) (int, error) {
			counts, err := s.Counts(t.Context(), "")
			return counts.Calls, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openTest(t, filepath.Dir(sixCalls(t, tempDir(t))))
			err := s.db.Update(func(tx *bolt.Tx) error {
				for _, bucket := range append([][]byte{bucketCounts}, derived...) {
					b, c := tx.Bucket(bucket), tx.Bucket(bucket).Cursor()
					k, _ := c.First()
					first := bytes.Clone(k)
					k, v := c.Last()
					last, value := bytes.Clone(k), bytes.Clone(v)
					value[len(value)/2] ^= 1
					if bytes.Equal(first, last) {
						first = []byte("another")
					}
					if err := errors.Join(b.Delete(first), b.Put(last, value)); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if n, err := read(s); n != 6 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		})
	}
}

// Any bit of a derived row that is read is noticed.
func TestEveryBitOfADerivedRow(t *testing.T) {
	t.Parallel()
	s := openTest(t, filepath.Dir(sixCalls(t, tempDir(t))))
	err := s.db.View(func(tx *bolt.Tx) error {
		for _, bucket := range derived {
			k, v := tx.Bucket(bucket).Cursor().First()
			row := append(bytes.Clone(k), v...)
			if _, err := openEntry(bucket, row[:len(k)], row[len(k):]); err != nil {
				t.Errorf("%s: %v", bucket, err)
			}
			for i := range row {
				row[i] ^= 1 << (i % 8)
				if _, err := openEntry(bucket, row[:len(k)], row[len(k):]); err == nil {
					t.Errorf("%s: byte %d", bucket, i)
				}
				row[i] ^= 1 << (i % 8)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Rows of before had no checksum; all readers take them once they are sealed.
func TestRowsOfBeforeAreSealed(t *testing.T) {
	t.Parallel()
	s := openTest(t, filepath.Dir(sixCalls(t, tempDir(t))))
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, bucket := range derived {
			rows := map[string][]byte{}
			err := tx.Bucket(bucket).ForEach(func(k, v []byte) error {
				rows[string(k)] = bytes.Clone(v[:len(v)-sealBytes])
				return nil
			})
			for k, v := range rows {
				err = errors.Join(err, tx.Bucket(bucket).Put([]byte(k), v))
			}
			if err != nil {
				return err
			}
		}
		return sealDerived(tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	if mended, err := s.Rederive(t.Context(), ""); mended || err != nil {
		t.Errorf("mended: %t, %v", mended, err)
	}
	allThere(t, s)
}

// A search by key that meets a damaged one takes the wrong turn and may pass over
// calls: lists notice it wherever in a row the bit is.
func TestEveryByteOfAPlaceInTime(t *testing.T) {
	t.Parallel()
	path := sixCalls(t, tempDir(t))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	row, at := rowInFile(t, path, whole, bucketTimes)
	from := call.Filter{From: epoch.AddDate(-9, 0, 0)}
	for bit := 0; bit < 8*row; bit += 5 {
		dir := t.TempDir()
		file := slices.Clone(whole)
		for _, begin := range at {
			file[begin+bit/8] ^= 1 << (bit % 8)
		}
		put(t, filepath.Join(dir, fileName), string(file))
		for i, q := range []call.ListQuery{{Limit: 5}, {Limit: 5, Ascending: true}, {Limit: 5, Filter: from}, {Limit: 5, OrderBy: call.ByDuration}} {
			if i != bit%4 { // each bit has one of them
				continue
			}
			s, err := Open(dir, Options{Now: testClock()})
			if err != nil {
				t.Fatal(err)
			}
			list, err := s.List(t.Context(), q)
			n := len(list.Calls)
			if err == nil && list.Next != "" {
				q.After = list.Next
				list, err = s.List(t.Context(), q)
				n += len(list.Calls)
			}
			if n != 6 || err != nil {
				t.Errorf("bit %d, query %d: %d calls, %v", bit, i, n, err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
