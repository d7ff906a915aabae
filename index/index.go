package index

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	bleveindex "github.com/blevesearch/bleve_index_api"
	bolterrors "go.etcd.io/bbolt/errors"

	"callsyncd/call"
)

var (
	// ErrUnavailable: there is nothing to search in until the index has been
	// rebuilt, or the disk has room again; Status says which. Try again later.
	ErrUnavailable = fmt.Errorf("search is not available now: %w", call.ErrTransient)
	// ErrBusy: too many searches are waiting already. Try again in a moment.
	ErrBusy = fmt.Errorf("too many searches at once: %w", call.ErrTransient)
)

// Source is the store the index is built from.
type Source interface {
	// ArchiveID tells archives apart, so that no index answers for another one.
	ArchiveID() string
	// LastSeq is the position of the newest entry of the change feed.
	LastSeq() uint64
	// Changes lists the entries after since, oldest first.
	Changes(ctx context.Context, since uint64, limit int) ([]call.Change, error)
	// Load returns a call with its transcript, or call.ErrNotFound.
	Load(ctx context.Context, key call.Key) (call.Record, error)
	// Keys calls fn for every call; source "" means all.
	Keys(ctx context.Context, source call.SourceID, fn func(call.Key) error) error
	// Updated returns a channel that is closed after the next change.
	Updated() <-chan struct{}
}

// Options of an index. The zero value is usable.
type Options struct {
	// Languages whose words are reduced to stems, such as "en" and "de";
	// default en. Exact words of any language are found without.
	Languages []string
	Log       *slog.Logger     // default: discard
	Now       func() time.Time // default: time.Now
}

// Index is the full-text index of one archive. All methods are safe for
// concurrent use; Run may run once at a time.
type Index struct {
	dir      folder
	src      Source
	log      *slog.Logger
	now      func() time.Time
	analyzer *analyzer
	queue    *bleveindex.AnalysisQueue
	stamp    stamp
	wake     chan struct{} // tells Run that the state below changed

	slots   chan struct{} // one per search under way
	waiting atomic.Int32

	building sync.Mutex // one rebuild at a time
	work     sync.Mutex // held to write to the current generation or to replace it
	batch    sync.Mutex // one batch in flight, whichever generation it goes to

	mu      sync.Mutex
	current *generation // nil: nothing to search in
	doubt   string      // why the index must be rebuilt; empty when it need not
	paused  bool        // closed until the disk has room again
	wedged  bool        // abandoned: its writer hangs
	closed  bool
	rebuild *progress // of the rebuild under way
	panicAt time.Time // of the last doubt raised by a panic
}

type progress struct{ done, total int }

// Open opens the index in dir, making the folder if needed. A damaged, foreign
// or outdated index is no error: Run and CatchUp rebuild it. Errors are an
// unknown language, a folder that cannot be used, and an index that another
// process has open.
func Open(dir string, src Source, o Options) (*Index, error) {
	languages := slices.Clone(o.Languages)
	if len(languages) == 0 {
		languages = []string{"en"}
	}
	slices.Sort(languages)
	languages = slices.Compact(languages)
	a, err := newAnalyzer(languages)
	if err != nil {
		return nil, err
	}
	x := &Index{
		dir: folder(dir), src: src, log: o.Log, now: o.Now, analyzer: a,
		stamp: newStamp(languages, src.ArchiveID()),
		wake:  make(chan struct{}, 1),
		slots: make(chan struct{}, maxSearches),
	}
	if x.log == nil {
		x.log = slog.New(slog.DiscardHandler)
	}
	if x.now == nil {
		x.now = time.Now
	}
	if err := x.dir.prepare(); err != nil {
		return nil, fmt.Errorf("open index folder: %w", err)
	}
	x.queue = bleveindex.NewAnalysisQueue(2)
	if err := x.load(); err != nil {
		x.queue.Close()
		return nil, err
	}
	return x, nil
}

// load opens the generation that CURRENT names, or notes why it must be rebuilt.
func (x *Index) load() error {
	name, err := x.dir.current()
	if err == nil && name == "" {
		return x.loadEmpty()
	}
	var g *generation
	if err == nil {
		g, err = x.loadNamed(name)
	}
	switch {
	case err == nil:
		x.mu.Lock()
		x.current, x.paused = g, false
		x.mu.Unlock()
		return nil
	case isDiskFull(err):
		x.pause()
		return nil
	case errors.Is(err, bolterrors.ErrTimeout), errors.Is(err, os.ErrPermission):
		return fmt.Errorf("open index: %w", err)
	}
	x.log.Warn("index set aside, to be rebuilt", "err", err)
	x.distrust(err.Error())
	if err := x.dir.setAside(name, x.now()); err != nil {
		return fmt.Errorf("set damaged index aside: %w", err)
	}
	return nil
}

// loadNamed opens a generation unless it speaks of something else than the
// archive as it is.
func (x *Index) loadNamed(name string) (*generation, error) {
	s, err := readStamp(x.dir.path(name))
	if err != nil {
		return nil, err
	}
	if !x.stamp.readable(s) {
		return nil, errors.New("the index is of another format or archive")
	}
	g, err := loadGeneration(x.dir.path(name), x.queue, x.poke)
	if err != nil {
		return nil, err
	}
	if g.applied.Load() > x.src.LastSeq() {
		return nil, errors.Join(errors.New("the index is ahead of the archive"), g.close())
	}
	if !x.stamp.equal(s) {
		x.distrust("the index format changed")
	}
	return g, nil
}

// loadEmpty makes the index of an archive without calls at once; that of any
// other has to be built.
func (x *Index) loadEmpty() error {
	if x.src.LastSeq() > 0 {
		x.distrust("there is no index yet")
		return nil
	}
	number, err := x.dir.nextNumber()
	if err != nil {
		return fmt.Errorf("create index: %w", err)
	}
	g, err := x.create(number)
	if err == nil {
		err = g.write(bleveindex.NewBatch(), 0)
	}
	fresh := g
	if err == nil {
		fresh, err = x.finish(g, number)
	}
	if err != nil {
		x.discard(g, number, err)
		if isDiskFull(err) {
			x.pause()
			return nil
		}
		return fmt.Errorf("create index: %w", err)
	}
	x.mu.Lock()
	x.current, x.paused = fresh, false
	x.mu.Unlock()
	return nil
}

// create starts generation new-number.
func (x *Index) create(number uint64) (*generation, error) {
	path := x.dir.path(fmt.Sprint(newName, number))
	if err := os.RemoveAll(path); err != nil {
		return nil, err
	}
	return createGeneration(path, x.stamp, x.queue, x.poke)
}

// finish closes a generation, names it in CURRENT and opens it again.
func (x *Index) finish(g *generation, number uint64) (*generation, error) {
	if err := g.close(); err != nil {
		return nil, err
	}
	name, err := x.dir.finish(number)
	if err != nil {
		return nil, err
	}
	return loadGeneration(x.dir.path(name), x.queue, x.poke)
}

// poke makes Run look again.
func (x *Index) poke() {
	select {
	case x.wake <- struct{}{}:
	default:
	}
}

// distrust asks for a rebuild.
func (x *Index) distrust(why string) {
	x.mu.Lock()
	if x.doubt == "" {
		x.doubt = why
	}
	x.mu.Unlock()
	x.poke()
}

func (x *Index) doubted() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.doubt
}

// serving returns the generation to search and write to; nil when there is none.
func (x *Index) serving() *generation {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.current
}

// pause takes the index out of service until the disk has room.
func (x *Index) pause() {
	x.mu.Lock()
	x.paused = true
	x.mu.Unlock()
	x.log.Error("search paused: disk full")
}

// Status says whether searches are answered and how far the index reaches.
func (x *Index) Status() call.IndexStatus {
	x.mu.Lock()
	g, doubt, paused, wedged, closed, rebuild := x.current, x.doubt, x.paused, x.wedged, x.closed, x.rebuild
	if rebuild != nil {
		copied := *rebuild
		rebuild = &copied
	}
	x.mu.Unlock()
	s := call.IndexStatus{State: "unavailable", Lag: x.src.LastSeq()}
	switch {
	case closed:
		s.Message = "closed"
	case rebuild != nil:
		s.State, s.Message = "rebuilding", fmt.Sprintf("%d of %d calls", rebuild.done, rebuild.total)
	case paused:
		s.Message = "paused: disk full"
	case wedged:
		s.Message = "the index writer hangs: restart, or rebuild the index"
	case doubt != "":
		s.State, s.Message = "rebuilding", doubt
	case g != nil:
		s.State = "ready"
	}
	if g == nil {
		return s
	}
	if rebuild != nil || doubt != "" {
		s.Message += "; the previous index answers meanwhile"
	}
	err := g.view(func(r bleveindex.IndexReader) error {
		n, err := r.DocCount()
		if err != nil {
			return err
		}
		s.Documents = int(n)
		s.Applied, err = appliedOf(r)
		return err
	})
	if err != nil && s.Message == "" {
		s.Message = err.Error()
	}
	s.Lag = x.src.LastSeq() - min(s.Applied, x.src.LastSeq())
	return s
}

// Close waits for searches and closes the index. Run and Rebuild must have
// returned.
func (x *Index) Close() error {
	x.building.Lock()
	defer x.building.Unlock()
	x.work.Lock()
	defer x.work.Unlock()
	x.mu.Lock()
	g, closed := x.current, x.closed
	x.current, x.closed = nil, true
	x.mu.Unlock()
	if closed {
		return nil
	}
	var err error
	if g != nil {
		err = g.close()
	}
	x.queue.Close()
	if err != nil {
		return fmt.Errorf("close index: %w", err)
	}
	return nil
}
