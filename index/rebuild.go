package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sort"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

// Rebuild builds the index anew from the store and swaps it in; the present
// one, if usable, answers until then. progress, which may be nil, is told how
// many of how many calls are done, from the caller's goroutine.
func (x *Index) Rebuild(ctx context.Context, progress func(done, total int)) error {
	x.building.Lock()
	defer x.building.Unlock()
	return x.build(ctx, progress)
}

// rebuildDoubted rebuilds if nobody else did it meanwhile.
func (x *Index) rebuildDoubted(ctx context.Context) error {
	x.building.Lock()
	defer x.building.Unlock()
	if x.doubted() == "" {
		return nil
	}
	return x.build(ctx, nil)
}

// build is Rebuild for those who hold building.
func (x *Index) build(ctx context.Context, report func(done, total int)) (err error) {
	x.mu.Lock()
	why, closed := x.doubt, x.closed
	x.mu.Unlock()
	if closed {
		return fmt.Errorf("rebuild index: %w", ErrUnavailable)
	}
	x.log.Info("index rebuild started", "reason", why)
	x.tell(&progress{})
	defer x.tell(nil)
	err = makePrivate(x.dir.path("")) // somebody may have deleted the whole folder
	if err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	number, err := x.dir.nextNumber()
	if err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	since, err := x.committed(ctx)
	if err != nil {
		return fmt.Errorf("rebuild index: %w", err)
	}
	g, err := x.create(number)
	if err == nil {
		err = x.fill(ctx, g, report)
	}
	if err == nil {
		err = x.newBatcher(g).flush(since)
	}
	if err == nil {
		err = x.apply(ctx, g)
	}
	if err == nil {
		err = x.swap(ctx, g, number)
	}
	if err != nil {
		x.discard(g, number, err)
		if isDiskFull(err) && x.serving() == nil {
			x.pause()
		}
		return fmt.Errorf("rebuild index: %w", err)
	}
	x.log.Info("index rebuild finished")
	return nil
}

// committed is the newest entry of the change feed that can be read. LastSeq
// may be ahead of it while a commit is under way, and fall back when it fails;
// an index that claimed those entries would miss them.
func (x *Index) committed(ctx context.Context) (seq uint64, err error) {
	n := sort.Search(int(x.src.LastSeq()), func(since int) bool {
		changes, e := x.src.Changes(ctx, uint64(since), 1)
		if e != nil {
			err = fmt.Errorf("read change feed: %w", e)
		}
		return len(changes) == 0
	})
	return uint64(n), err
}

func (x *Index) tell(p *progress) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.rebuild = p
}

// fill indexes every call of the store, without a position: none of what it
// writes is complete by itself. The keys are gathered first, so that the store
// is never read from within its own walk.
func (x *Index) fill(ctx context.Context, g *generation, report func(done, total int)) error {
	var keys []byte
	total := 0
	err := x.src.Keys(ctx, "", func(key call.Key) error {
		s := key.String()
		keys = append(binary.AppendUvarint(keys, uint64(len(s))), s...)
		total++
		return nil
	})
	if err != nil {
		return fmt.Errorf("list calls: %w", err)
	}
	b := x.newBatcher(g)
	for done := 0; done < total; {
		if err := ctx.Err(); err != nil {
			return err
		}
		length, size := binary.Uvarint(keys)
		key, err := call.ParseKey(string(keys[size : size+int(length)]))
		if err != nil {
			return err
		}
		keys = keys[size+int(length):]
		if err := b.add(ctx, key, b.flushPart); err != nil {
			return err
		}
		if done++; !b.full() && done < total {
			continue
		}
		if err := b.flushPart(); err != nil {
			return err
		}
		crashpoint.Reach(crashpoint.IndexFilling)
		x.tell(&progress{done, total})
		if report != nil {
			report(done, total)
		}
	}
	return nil
}

// swap puts a built generation in the place of the current one.
func (x *Index) swap(ctx context.Context, g *generation, number uint64) error {
	x.work.Lock()
	defer x.work.Unlock()
	if err := x.apply(ctx, g); err != nil {
		return err
	}
	fresh, err := x.finish(g, number)
	if err != nil {
		return err
	}
	x.mu.Lock()
	old := x.current
	x.current, x.doubt, x.paused, x.wedged = fresh, "", false, false
	x.mu.Unlock()
	if old == nil {
		return nil
	}
	crashpoint.Reach(crashpoint.IndexReplacing)
	if err := errors.Join(old.close(), os.RemoveAll(old.path)); err != nil {
		x.log.Warn("previous index not removed", "err", err)
	}
	return nil
}

// discard removes a generation that could not be built.
func (x *Index) discard(g *generation, number uint64, why error) {
	if g != nil && errors.Is(why, errWedged) {
		g.abandon() // its files go when the folder is opened next
		return
	}
	var err error
	if g != nil {
		err = g.close()
	}
	err = errors.Join(err, os.RemoveAll(x.dir.path(fmt.Sprint(newName, number))))
	if err != nil {
		x.log.Warn("unfinished index not removed", "err", err)
	}
}
