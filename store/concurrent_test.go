package store

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// Readers see whole batches while others write, and nobody waits for ever.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := openTest(t, tempDir(t))
	const batches, size = 30, 5
	var writers, readers sync.WaitGroup
	done := make(chan struct{})
	for _, source := range []call.SourceID{"a", "b"} {
		writers.Go(func() {
			for n := range batches {
				b := call.Batch{Source: source}
				for i := range size {
					b.Writes = append(b.Writes, write(record(source, call.ID(fmt.Sprint(n*size+i)), n)))
				}
				if err := s.Save(t.Context(), b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	reader := func(look func() error) {
		readers.Go(func() {
			for {
				if err := look(); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	reader(func() error {
		list, err := s.List(t.Context(), call.ListQuery{Limit: 10})
		if err == nil && list.Total%size != 0 {
			err = fmt.Errorf("half a batch: total %d", list.Total)
		}
		return err
	})
	reader(func() error {
		counts, err := s.Counts(t.Context(), "a")
		if err == nil && counts.Calls%size != 0 {
			err = fmt.Errorf("half a batch: %d calls", counts.Calls)
		}
		return err
	})
	reader(func() error {
		result, err := s.Check(t.Context())
		if err == nil && len(result.Findings) > 0 {
			err = fmt.Errorf("%+v", result.Findings[0])
		}
		return err
	})
	var seen uint64
	readers.Go(func() {
		for seen < 2*batches*size {
			news := s.Updated()
			changes, err := s.Changes(t.Context(), seen, 7)
			if err != nil {
				t.Error(err)
				return
			}
			for _, c := range changes {
				if seen++; c.Seq != seen {
					t.Errorf("entry %d follows entry %d", c.Seq, seen-1)
				}
			}
			if len(changes) == 0 {
				<-news
			}
		}
	})
	writers.Wait()
	close(done)
	readers.Wait()
	if s.LastSeq() != seen {
		t.Errorf("saw %d of %d entries", seen, s.LastSeq())
	}
}

// Saves that wait for each other share a commit, and one that fails takes
// nobody with it.
func TestSavesShareACommit(t *testing.T) {
	t.Parallel()
	const n = 40
	for name, bad := range map[string]int{"all are good": -1, "one is bad": 7} {
		t.Run(name, func(t *testing.T) {
			s := openTest(t, tempDir(t))
			before := lastTransaction(t, s)
			for i, err := range saveTogether(t, s, n, bad) {
				if (err != nil) != (i == bad) {
					t.Errorf("save %d: %v", i, err)
				}
			}
			counts, err := s.Counts(t.Context(), "a")
			if want := n - min(1, bad+1); err != nil || counts.Calls != want {
				t.Errorf("%d calls of %d, %v", counts.Calls, want, err)
			}
			if used := lastTransaction(t, s) - before; bad < 0 && used != 1 {
				t.Errorf("%d saves took %d transactions", n, used)
			}
		})
	}
}

func lastTransaction(t *testing.T, s *Store) (id int) {
	t.Helper()
	if err := s.db.View(func(tx *bolt.Tx) error { id = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	return id
}

// saveTogether makes n saves wait for each other; the bad one is refused.
func saveTogether(t *testing.T, s *Store, n, bad int) []error {
	t.Helper()
	s.write.Lock()
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() {
			b := call.Batch{Source: "a", Writes: []call.Write{write(record("a", call.ID(fmt.Sprint(i)), i))}}
			if i == bad {
				b.Writes[0].Documents = nil // the first write of a call needs documents
			}
			errs[i] = s.Save(t.Context(), b)
		})
	}
	for waiting := 0; waiting < n; runtime.Gosched() {
		s.joining.Lock()
		waiting = len(s.jobs)
		s.joining.Unlock()
	}
	s.write.Unlock()
	wg.Wait()
	return errs
}
