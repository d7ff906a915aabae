package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"callsyncd/internal/boltfile"
	"callsyncd/internal/crashpoint"
)

// appliedKey holds the change feed's position up to which a generation is complete.
var appliedKey = []byte("applied")

var (
	errDamaged  = errors.New("damaged")
	errWedged   = errors.New("the index writer does not answer")
	errDiskFull = errors.New("disk full")
)

// generation is one scorch index. Searches share it, close waits for them.
type generation struct {
	path    string // of the generation's folder
	scorch  bleveindex.Index
	applied atomic.Uint64
	// failure is what scorch's own goroutines reported; nil while all is well.
	failure atomic.Pointer[error]
	failed  func()
	columns columnCache

	mu     sync.RWMutex // held for reading while a snapshot is in use
	closed bool
}

// asyncErrors is the name under which scorch finds our error callback, and
// opened maps the folders it reports to generations.
const asyncErrors = "callsyncd"

var opened sync.Map // data folder -> *generation

func init() {
	scorch.RegistryAsyncErrorCallbacks[asyncErrors] = func(err error, path string) {
		if g, ok := opened.Load(path); ok {
			g.(*generation).report(err)
		}
	}
}

// report notes an error of scorch's goroutines, the first of them.
func (g *generation) report(err error) {
	if errors.Is(err, scorch.ErrCleanup) {
		return // tried again by itself
	}
	if isDiskFull(err) {
		err = fmt.Errorf("%w: %w", errDiskFull, err)
	}
	if g.failure.CompareAndSwap(nil, &err) {
		g.failed()
	}
}

// err returns what report noted.
func (g *generation) err() error {
	if e := g.failure.Load(); e != nil {
		return *e
	}
	return nil
}

// openGeneration opens or, in an empty folder, creates scorch's files. failed
// is called from scorch's goroutines when they cannot go on.
func openGeneration(path string, queue *bleveindex.AnalysisQueue, failed func()) (*generation, error) {
	data := filepath.Join(path, dataFolder)
	g := &generation{path: path, failed: failed}
	config := map[string]any{
		"path":                   data,
		"bolt_timeout":           "2s",
		"numSnapshotsToKeep":     1,
		"asyncErrorCallbackName": asyncErrors,
	}
	index, err := scorch.NewScorch(scorch.Name, config, queue)
	if err != nil {
		return nil, err
	}
	opened.Store(data, g)
	if err := openScorch(index); err != nil {
		opened.Delete(data)
		return nil, fmt.Errorf("open index %s: %w", filepath.Base(path), err)
	}
	g.scorch = index
	return g, nil
}

// openScorch turns a panic over damaged files into an error.
func openScorch(index bleveindex.Index) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %s", errDamaged, panicWords(r))
		}
	}()
	return index.Open()
}

// createGeneration makes an empty generation without a position, which
// loadGeneration refuses: it must be filled, and then written to once.
func createGeneration(path string, s stamp, queue *bleveindex.AnalysisQueue, failed func()) (*generation, error) {
	if err := makePrivate(path); err != nil {
		return nil, err
	}
	if err := writeStamp(path, s); err != nil {
		return nil, err
	}
	crashpoint.Reach(crashpoint.IndexCreated)
	return openGeneration(path, queue, failed)
}

// loadGeneration opens a finished generation.
func loadGeneration(path string, queue *bleveindex.AnalysisQueue, failed func()) (*generation, error) {
	data := filepath.Join(path, dataFolder)
	if err := boltfile.Check(filepath.Join(data, "root.bolt")); err != nil {
		return nil, fmt.Errorf("root.bolt: %w", err)
	}
	if err := removeDebris(path); err != nil {
		return nil, err
	}
	g, err := openGeneration(path, queue, failed)
	if err != nil {
		return nil, err
	}
	if err := g.inspect(); err != nil {
		return nil, errors.Join(err, g.close())
	}
	return g, nil
}

// inspect reads the position, and looks at the checksums: at once, because scorch
// merges files as soon as they are open, and gives what is damaged in them a new one.
func (g *generation) inspect() error {
	r, err := g.scorch.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	applied, err := appliedOf(r)
	if err != nil {
		return err
	}
	g.applied.Store(applied)
	damaged, err := damagedSegments(context.Background(), r)
	if err == nil && len(damaged) > 0 {
		err = fmt.Errorf("%w: the checksum of %s differs", errDamaged, strings.Join(damaged, ", "))
	}
	return err
}

// appliedOf returns the position of a snapshot.
func appliedOf(r bleveindex.IndexReader) (uint64, error) {
	b, err := r.GetInternal(appliedKey)
	if err == nil && len(b) != 8 {
		err = fmt.Errorf("%w: no position in the index", errDamaged)
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

// batchTimeout is how long one batch may take before its writer is given up.
const batchTimeout = time.Minute

// write commits a batch together with the position it completes.
func (g *generation) write(b *bleveindex.Batch, applied uint64) error {
	b.SetInternal(appliedKey, binary.BigEndian.AppendUint64(nil, applied))
	if err := g.commit(b); err != nil {
		return err
	}
	g.applied.Store(applied)
	return nil
}

// commit returns when a batch is on the disk. After errWedged the generation
// must be abandoned without closing it.
func (g *generation) commit(b *bleveindex.Batch) error {
	crashpoint.Reach(crashpoint.IndexBatching)
	err := bounded(batchTimeout, func() error { return g.scorch.Batch(b) })
	crashpoint.Reach(crashpoint.IndexBatched)
	if err == nil {
		err = g.err()
	}
	switch {
	case err == nil:
		return nil
	case isDiskFull(err):
		err = fmt.Errorf("%w: %w", errDiskFull, err)
	}
	return fmt.Errorf("write to index: %w", err)
}

// bounded returns errWedged when f takes longer than limit; f then goes on by
// itself, because nothing can stop it.
func bounded(limit time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("%w: %s", errDamaged, panicWords(r))
			}
		}()
		done <- f()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errWedged
	}
}

// view calls f with a snapshot. It returns ErrUnavailable after close.
func (g *generation) view(f func(bleveindex.IndexReader) error) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return ErrUnavailable
	}
	r, err := g.scorch.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	return f(r)
}

// close waits for searches and writes what is still in memory.
func (g *generation) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	g.closed = true
	err := bounded(batchTimeout, g.scorch.Close)
	opened.Delete(filepath.Join(g.path, dataFolder))
	return err
}

// abandon gives up a generation whose writer hangs.
func (g *generation) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// diskFull are the errors of a full disk, a spent quota and a file size limit,
// and the text of Windows for the first.
var diskFull = []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, errDiskFull, errors.New("not enough space on the disk")}

// isDiskFull also reads the text, because scorch passes on texts only.
func isDiskFull(err error) bool {
	return slices.ContainsFunc(diskFull, func(full error) bool {
		return errors.Is(err, full) || strings.Contains(err.Error(), full.Error())
	})
}
