package store

import (
	"fmt"
	"sync"
	"testing"

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
