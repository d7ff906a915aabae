package index

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	bleveindex "github.com/blevesearch/bleve_index_api"

	"callsyncd/call"
)

const (
	// What a batch holds, before the last call of it, bounds the memory that
	// scorch takes for its segment.
	maxBatchCalls = 200
	maxBatchWords = 1 << 18
	maxBatchTerms = 1 << 16 // different ones
	// maxSharedBytes is how much text a call may have that shares its batch with
	// others: two hours of speech.
	maxSharedBytes = 128 << 10
	// heavyWords are the words per call of a batch after which scorch must forget.
	heavyWords = 1 << 14
	// feedStretch is how many entries of the feed are looked at together; a
	// call that appears in them several times is indexed once.
	feedStretch = 2000

	minRetry = time.Second
	maxRetry = time.Minute
	// probeBytes is how much must fit on the disk before a paused index is
	// opened again.
	probeBytes = 8 << 20
)

// writeError is a failure of the index itself, as opposed to one of the store.
type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

// batcher collects documents for one generation.
type batcher struct {
	x     *Index
	g     *generation
	batch *bleveindex.Batch
	calls int
	words int
	terms termCounter
	alone bool // the batch holds a call that shares it with no other
}

func (x *Index) newBatcher(g *generation) *batcher {
	return &batcher{x: x, g: g, batch: bleveindex.NewBatch()}
}

// add reads a call from the store. A call that is gone, or that the store
// cannot read, leaves the index. Before a call that shares its batch with no
// other, the calls so far are sent by flush.
func (b *batcher) add(ctx context.Context, key call.Key, flush func() error) error {
	record, err := b.x.src.Load(ctx, key)
	switch {
	case errors.Is(err, call.ErrNotFound):
		b.remove(key)
		return nil
	case errors.Is(err, call.ErrCorrupt):
		b.x.log.Error("call left out of the index", "call_id", key.String(), "err", err)
		b.remove(key)
		return nil
	case err != nil:
		return fmt.Errorf("index call %s: %w", key, err)
	}
	alone := textBytes(&record.Call) > maxSharedBytes
	if alone && b.calls > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	d := newDocument(b.x.analyzer, &record.Call)
	b.calls, b.words, b.alone = b.calls+1, b.words+d.words, alone
	b.terms.add(d)
	b.batch.Update(d)
	return nil
}

func (b *batcher) remove(key call.Key) {
	b.calls++
	b.batch.Delete(key.String())
}

func (b *batcher) full() bool {
	return b.alone || b.calls >= maxBatchCalls || b.words >= maxBatchWords || b.terms.n >= maxBatchTerms
}

// termCounter counts different terms, of which it takes a few for the same.
type termCounter struct {
	seen [1 << 14]uint64 // bits by hash
	n    int
}

var termSeed = maphash.MakeSeed()

func (c *termCounter) add(d *document) {
	for i := range d.fields {
		for term := range d.fields[i].terms {
			h := maphash.String(termSeed, term)
			at, bit := h>>6%uint64(len(c.seen)), uint64(1)<<(h&63)
			if c.seen[at]&bit == 0 {
				c.seen[at] |= bit
				c.n++
			}
		}
	}
}

// flush commits what was added, complete up to applied.
func (b *batcher) flush(applied uint64) error {
	return b.send(func(batch *bleveindex.Batch) error { return b.g.write(batch, applied) })
}

// flushPart commits what was added to a generation that is not complete yet.
func (b *batcher) flushPart() error { return b.send(b.g.commit) }

func (b *batcher) send(commit func(*bleveindex.Batch) error) error {
	b.x.batch.Lock()
	defer b.x.batch.Unlock()
	if err := commit(b.batch); err != nil {
		return &writeError{err}
	}
	heavy := b.words > heavyWords*b.calls
	b.batch, b.calls, b.words, b.alone, b.terms = bleveindex.NewBatch(), 0, 0, false, termCounter{}
	if heavy {
		forget()
	}
	return nil
}

// forget drops what scorch has in its pools. From the size of one segment it
// takes that of the next one, by the number of calls: after one call of
// megabytes it would ask for gigabytes. What is in a pool outlives one
// collection.
func forget() {
	runtime.GC()
	debug.FreeOSMemory()
}

// apply brings a generation up to the end of the feed.
func (x *Index) apply(ctx context.Context, g *generation) error {
	for {
		changes, err := x.src.Changes(ctx, g.applied.Load(), feedStretch)
		if err != nil {
			return fmt.Errorf("read change feed: %w", err)
		}
		if len(changes) == 0 {
			return nil
		}
		if err := x.applyStretch(ctx, g, changes); err != nil {
			return err
		}
	}
}

func (x *Index) applyStretch(ctx context.Context, g *generation, changes []call.Change) error {
	b := x.newBatcher(g)
	seen := make(map[call.Key]bool, len(changes))
	for i := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c := &changes[i]; !seen[c.Key] {
			seen[c.Key] = true
			if err := b.add(ctx, c.Key, func() error { return b.flush(changes[i-1].Seq) }); err != nil {
				return err
			}
		}
		if b.full() || i == len(changes)-1 {
			if err := b.flush(changes[i].Seq); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow applies the feed to the current generation, and takes it out of
// service when that is impossible. Without a generation it does nothing.
func (x *Index) follow(ctx context.Context) error {
	x.work.Lock()
	defer x.work.Unlock()
	g := x.serving()
	if g == nil {
		return nil
	}
	err := g.err()
	if err != nil {
		err = &writeError{err}
	} else {
		err = x.apply(ctx, g)
	}
	if failed := (*writeError)(nil); errors.As(err, &failed) {
		return errors.Join(err, x.withdraw(g, failed.err))
	}
	return err
}

// withdraw takes a generation that cannot be written out of service. The
// caller holds work.
func (x *Index) withdraw(g *generation, why error) error {
	x.mu.Lock()
	x.current = nil
	x.wedged = errors.Is(why, errWedged)
	x.mu.Unlock()
	if errors.Is(why, errWedged) {
		x.log.Error("index abandoned", "err", why)
		g.abandon()
		return nil
	}
	err := g.close()
	if isDiskFull(why) {
		x.pause()
		return err
	}
	x.log.Error("index withdrawn, to be rebuilt", "err", why)
	x.distrust(why.Error())
	name, _ := x.dir.current()
	return errors.Join(err, x.dir.setAside(name, x.now()))
}

// resume opens a paused index again once the disk has room.
func (x *Index) resume() error {
	x.work.Lock()
	defer x.work.Unlock()
	x.mu.Lock()
	paused := x.paused
	x.mu.Unlock()
	if !paused {
		return nil
	}
	if err := x.probe(); err != nil {
		return fmt.Errorf("%w: %w", errDiskFull, err)
	}
	x.mu.Lock()
	x.paused = false
	x.mu.Unlock()
	return x.load()
}

// probe finds out whether the disk has room.
func (x *Index) probe() error {
	path := x.dir.path(newName + "probe")
	defer os.Remove(path)
	return writeSynced(path, make([]byte, probeBytes))
}

// CatchUp rebuilds the index if it must be, applies everything that is in the
// change feed now, and returns.
func (x *Index) CatchUp(ctx context.Context) error {
	if err := x.resume(); err != nil {
		return fmt.Errorf("catch up index: %w", err)
	}
	if err := x.rebuildDoubted(ctx); err != nil {
		return fmt.Errorf("catch up index: %w", err)
	}
	if err := x.follow(ctx); err != nil {
		return fmt.Errorf("catch up index: %w", err)
	}
	if x.serving() == nil {
		return fmt.Errorf("catch up index: %w", ErrUnavailable)
	}
	return nil
}

// Run follows the change feed until ctx ends, and heals the index when it has
// to: it rebuilds, waits for room on the disk, and tries again later. It
// returns nil when ctx has ended.
func (x *Index) Run(ctx context.Context) error {
	retry, rebuildRetry := minRetry, minRetry
	var rebuilt chan error // while a rebuild is under way
	var tryAgain time.Time // when a rebuild that failed is tried again
	for ctx.Err() == nil {
		news := x.src.Updated()
		err := x.round(ctx)
		wanted := rebuilt == nil && x.doubted() != ""
		if wanted && err == nil && !x.now().Before(tryAgain) {
			rebuilt, wanted = make(chan error, 1), false
			go func() { rebuilt <- x.rebuildDoubted(ctx) }()
		}
		var later <-chan time.Time
		switch {
		case err != nil && ctx.Err() == nil:
			x.log.Warn("index lags behind, trying again", "err", err)
			news, later = nil, time.After(retry)
			retry = min(2*retry, maxRetry)
		case wanted:
			later = time.After(tryAgain.Sub(x.now()))
		default:
			retry = minRetry
		}
		select {
		case <-ctx.Done():
		case <-news:
		case <-x.wake:
		case <-later:
		case err := <-rebuilt:
			rebuilt = nil
			if err == nil {
				rebuildRetry = minRetry
			} else if ctx.Err() == nil {
				x.log.Error("index rebuild failed, trying again", "err", err)
				tryAgain = x.now().Add(rebuildRetry)
				rebuildRetry = min(2*rebuildRetry, maxRetry)
			}
		}
	}
	if rebuilt != nil {
		<-rebuilt
	}
	return nil
}

func (x *Index) round(ctx context.Context) error {
	if err := x.resume(); err != nil {
		return err
	}
	return x.follow(ctx)
}
