package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"callsyncd/api"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/index"
	"callsyncd/store"
	"callsyncd/store/media"
	callsync "callsyncd/sync"
)

// Options say what to open and who is told.
type Options struct {
	Config  *config.Config
	Log     *slog.Logger
	Version string
	// Reading opens the archive without the secrets of its sources: Sync refuses
	// to work, and no request is made.
	Reading bool
	// Observe is told about progress; it must return quickly. nil is allowed.
	Observe func(call.Progress)
	// Clock is what time it is for everything but the schedules of Run; nil
	// means the machine's.
	Clock call.Clock
}

// Archive is an open data folder with everything that works on it. No loop
// runs until Run or Sync is called. It is safe for concurrent use.
type Archive struct {
	cfg     *config.Config
	log     *slog.Logger
	version string
	reading bool
	clock   call.Clock
	started time.Time
	loops   atomic.Pointer[time.Time] // when the schedules began; nil without them

	store   *store.Store
	media   *media.Archive
	index   *index.Index
	sources []*source
	token   call.Secret
	handler http.Handler
	hosts   *hostSet
}

// Open opens the data folder, creating it on first use. When another process
// holds it, the error is a *call.HoldError.
func Open(ctx context.Context, o Options) (*Archive, error) {
	a := &Archive{cfg: o.Config, log: o.Log, version: o.Version, reading: o.Reading, clock: o.Clock, hosts: &hostSet{}}
	if a.clock == nil {
		a.clock = call.RealClock{}
	}
	a.started = a.clock.Now().UTC()
	if err := a.open(ctx, o); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *Archive) open(ctx context.Context, o Options) (err error) {
	dir := a.cfg.DataDir
	if a.store, err = store.Open(dir, store.Options{Log: a.log, Now: a.clock.Now}); err != nil {
		return err
	}
	if a.token, err = loadToken(dir); err != nil {
		return err
	}
	if a.media, err = media.Open(dir, media.Options{MinFree: uint64(a.cfg.Recordings.MinFreeBytes), Now: a.clock.Now}); err != nil {
		return err
	}
	if a.index, err = index.Open(filepath.Join(dir, "index"), redactedStore{a.store}, index.Options{Languages: a.cfg.Search.Languages, Log: a.log, Now: a.clock.Now}); err != nil {
		return err
	}
	slots := callsync.NewSlots(a.cfg.Recordings.Parallel, a.cfg.Recordings.MaxBytesPerSecond, a.clock)
	for i := range a.cfg.Sources {
		s, err := a.openSource(ctx, &a.cfg.Sources[i], slots, o.Observe)
		if err != nil {
			return err
		}
		a.sources = append(a.sources, s)
	}
	a.handler = a.hosts.wrap(a.newHandler)
	return nil
}

func (a *Archive) openSource(ctx context.Context, c *config.Source, slots *callsync.Slots, observe func(call.Progress)) (*source, error) {
	s, err := newSource(a.cfg, c, a.log, a.version, a.clock, a.reading)
	if err != nil {
		return nil, err
	}
	s.engine, err = callsync.New(ctx, s.engineSource(), callsync.Options{
		Store: a.store, Media: a.media, Download: s.download, Slots: slots, Log: a.log, Observe: observe, Clock: a.clock,
	})
	return s, err
}

func (a *Archive) newHandler(hosts []string) http.Handler {
	return api.New(api.Options{
		Store: apiStore{redactedStore{a.store}, a}, Searcher: searcher{a.index}, Media: a.media, Control: apiControl{a}, Statistician: a.store,
		Token: a.token, Hosts: hosts, InstallID: a.store.ArchiveID(), Version: a.version, Log: a.log,
	})
}

// Handler is the HTTP API over this archive, for use within the process or on
// a listener.
func (a *Archive) Handler() http.Handler { return a.handler }

// Token is the API's bearer token.
func (a *Archive) Token() call.Secret { return a.token }

// CatchUp brings the index up to everything now in the change feed.
func (a *Archive) CatchUp(ctx context.Context) error { return a.index.CatchUp(ctx) }

// Search asks the index directly, as programs that embed an archive do.
func (a *Archive) Search(ctx context.Context, q call.SearchQuery) (call.SearchResult, error) {
	return a.index.Search(ctx, q)
}

// Reindex builds the index anew from the store. progress may be nil.
func (a *Archive) Reindex(ctx context.Context, progress func(done, total int)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	if _, err := a.store.Rederive(ctx, ""); err != nil {
		return err
	}
	return a.index.Rebuild(ctx, progress)
}

// Sync does one complete round of the named sources at once, all when none is
// named, and brings the index up to date. Failures of sources are in the
// report; the error is for what concerns them all.
func (a *Archive) Sync(ctx context.Context, names []call.SourceID, full bool) (call.SyncReport, error) {
	return a.sync(ctx, names, full, "")
}

// AcceptVanished is Sync over the whole lists, in which any number of calls may
// have vanished at the vendor. by is who says that this is right.
func (a *Archive) AcceptVanished(ctx context.Context, names []call.SourceID, by string) (call.SyncReport, error) {
	return a.sync(ctx, names, true, by)
}

// errReading refuses what needs the secrets.
var errReading = errors.New("the archive was opened for reading, without the secrets of its sources")

func (a *Archive) sync(ctx context.Context, names []call.SourceID, full bool, accepted string) (call.SyncReport, error) {
	if a.reading {
		return call.SyncReport{}, errReading
	}
	chosen, err := a.choose(names)
	if err != nil {
		return call.SyncReport{}, err
	}
	report := call.SyncReport{Sources: make([]call.SourceReport, len(chosen))}
	var wg sync.WaitGroup
	for i, s := range chosen {
		wg.Go(func() { report.Sources[i] = s.round(ctx, full, accepted) })
	}
	wg.Wait()
	if ctx.Err() != nil {
		return report, context.Cause(ctx)
	}
	return report, a.CatchUp(ctx)
}

func (a *Archive) choose(names []call.SourceID) ([]*source, error) {
	if len(names) == 0 {
		return a.sources, nil
	}
	var chosen []*source
	for _, name := range names {
		s := a.source(name)
		if s == nil {
			return nil, fmt.Errorf("source %q: %w in the configuration %s", name, call.ErrNotFound, a.cfg.File)
		}
		chosen = append(chosen, s)
	}
	return chosen, nil
}

func (a *Archive) source(name call.SourceID) *source {
	for _, s := range a.sources {
		if s.engine.ID() == name {
			return s
		}
	}
	return nil
}

// Close closes everything in reverse order. It must not be called while Sync,
// Run or requests are under way.
func (a *Archive) Close() error {
	var errs []error
	for _, s := range a.sources {
		s.close()
	}
	if a.index != nil {
		errs = append(errs, a.index.Close())
	}
	if a.media != nil {
		errs = append(errs, a.media.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}
