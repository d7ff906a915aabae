package callsync

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"callsyncd/call"
)

// Provider is what the engine needs of a vendor.
type Provider interface {
	Info() call.ProviderInfo
	// List reads one page.
	List(context.Context, call.ListRequest) (call.Page, error)
	// Wanted names the next document to fetch for a call, given those at hand.
	Wanted(docs call.Documents, learned map[string]string) (document string, ok bool)
	Fetch(ctx context.Context, document string, docs call.Documents) (call.Document, error)
	// Learn compares documents that say the same and records what that proves;
	// it reports whether calls stored before may want more documents now.
	Learn(docs call.Documents, learned map[string]string) bool
	// Renew names the documents to read again for a part that is pending; none
	// when only the list shows it.
	Renew(part call.PartName, docs call.Documents) []string
	// Fingerprint hashes a document without its volatile fields.
	Fingerprint(document string, body json.RawMessage) (string, error)
	Map(call.Documents) (call.Mapped, error)
	// Link finds the recording's address; Relink reads what holds a fresh one.
	Link(call.Documents) (call.RecordingLink, bool)
	Relink(context.Context, call.Documents) (call.Documents, error)
	FetchLookup(ctx context.Context, name string) (call.LookupTable, error)
	SetLookup(call.LookupTable)
	// Missed names the tables in which calls were looked up in vain since they
	// were set, those left out that a fresh table does not help.
	Missed() []string
}

// Store is what the engine needs of the archive. Save commits atomically.
type Store interface {
	Known(ctx context.Context, source call.SourceID, ids []call.ID) (map[call.ID]call.Known, error)
	Load(context.Context, call.Key) (call.Record, error)
	Documents(context.Context, call.Key) (call.Documents, error)
	Save(context.Context, call.Batch) error
	Checkpoint(context.Context, call.SourceID) (call.Checkpoint, error)
	Budget(context.Context, call.SourceID) (json.RawMessage, error)
	Lookup(ctx context.Context, source call.SourceID, name string) (call.LookupTable, error)
	SaveLookup(context.Context, call.SourceID, call.LookupTable) error
	Due(ctx context.Context, source call.SourceID, part call.PartName, before time.Time, limit int) ([]call.Due, error)
	NextDue(context.Context, call.SourceID) (time.Time, bool, error)
	Counts(context.Context, call.SourceID) (call.Counts, error)
	// Statements returns the newest statements, at most limit.
	Statements(ctx context.Context, source call.SourceID, limit int) ([]call.Statement, error)
	Keys(context.Context, call.SourceID, func(call.Key) error) error
	// Rederive makes what is derived from a source's calls agree with them, and
	// reports whether it did not.
	Rederive(context.Context, call.SourceID) (bool, error)
	// Each visits a source's records without transcripts.
	Each(context.Context, call.SourceID, func(call.Record) error) error
}

// Media keeps recordings on disk.
type Media interface {
	Put(ctx context.Context, key call.Key, at time.Time, body io.Reader, expect call.MediaExpect) (call.Recording, error)
	// Part is the beginning of a recording that Put kept when its body broke off.
	Part(key call.Key, label string) call.MediaPart
	// Forget drops what Part would return of a call.
	Forget(call.Key)
	// Find looks for the intact files of a call that began at a time, zero when
	// that is not known, the newest last.
	Find(ctx context.Context, key call.Key, at time.Time) ([]call.Found, error)
}

// Downloader fetches recordings, without any credentials of ours. Get goes on
// after the part at hand when the host can be trusted to; MediaExpect tells.
type Downloader interface {
	Get(context.Context, call.SignedURL, call.MediaPart) (io.ReadCloser, call.MediaExpect, error)
}

// Source is one configured account.
type Source struct {
	ID       call.SourceID
	Provider Provider
	Budget   *Budget
	// Since is how far back history goes; zero for everything.
	Since time.Time
	// Horizon is how long after a call's end its parts may still come.
	Horizon time.Duration
	// Concurrency is the number of API requests in flight.
	Concurrency int
	// Recordings is false when recordings are not wanted.
	Recordings bool
}

// Options are what all sources share.
type Options struct {
	Store    Store
	Media    Media
	Download Downloader
	// Slots bounds the downloads of all sources together.
	Slots *Slots
	Log   *slog.Logger
	// Observe is told about progress; it must return quickly. nil is allowed.
	Observe func(call.Progress)
	// Clock is what time it is; nil means the machine's.
	Clock call.Clock
}

// Engine syncs one source. Its methods are safe for concurrent use: the same
// kind of walk never runs twice at once, and a call is worked on by one of
// them at a time.
type Engine struct {
	src   Source
	info  call.ProviderInfo
	store Store
	media Media
	down  Downloader
	slots *Slots
	log   *slog.Logger
	tell  func(call.Progress)
	clock call.Clock

	claims *claims
	// fetching are the calls whose recordings are being downloaded. Only downloads
	// wait for them.
	fetching *claims
	replies  *replyClock
	links    *links
	hosts    *hosts

	headWalk, pendingPass sync.Mutex // one run of each kind at a time
	longWalk, naming      turnstile  // trailing, sweep and rounds; tables of names
	rereading             turnstile  // finding calls to be read again

	tables map[string]tableState // guarded by naming
	missed chan struct{}         // a call was mapped without a name

	mu         sync.Mutex
	checkpoint call.Checkpoint
	counted    [2]int64 // requests already added to the checkpoint
	skew       time.Duration
	forbids    forbids
	doubts     doubts
	answers    answerWatch
	unsaved    error // why the checkpoint could not be stored last
	active     int
	accepted   string               // who accepts in the present round that calls vanished
	gains      *gains               // of the present round; nil outside
	owed       *owed                // the statement a round gives at its end
	newest     *call.Statement      // the last one stored, never changed; nil without any
	refetching map[call.ID]struct{} // recordings on disk that are fetched again
	nudge      chan struct{}        // closed and replaced when pending parts may have come due
}

// New makes the engine of one source and loads where it left off.
func New(ctx context.Context, src Source, o Options) (*Engine, error) {
	e := &Engine{
		src: src, info: src.Provider.Info(), store: o.Store, media: o.Media, down: o.Download, slots: o.Slots, clock: o.Clock,
		log: o.Log.With("source", string(src.ID)), tell: o.Observe,
		claims: newClaims(), fetching: newClaims(), replies: newReplyClock(), links: newLinks(), hosts: &hosts{until: make(map[string]time.Time)}, refetching: make(map[call.ID]struct{}), nudge: make(chan struct{}), longWalk: make(turnstile, 1), naming: make(turnstile, 1), rereading: make(turnstile, 1), tables: make(map[string]tableState), missed: make(chan struct{}, 1),
	}
	if e.clock == nil {
		e.clock = call.RealClock{}
	}
	if e.tell == nil {
		e.tell = func(call.Progress) {}
	}
	var err error
	if e.checkpoint, err = e.store.Checkpoint(ctx, src.ID); err != nil && !e.unreadable("what was known of the source", err) {
		return nil, err
	}
	if e.checkpoint.Learned == nil {
		e.checkpoint.Learned = make(map[string]string)
	}
	if e.answers.docs = e.checkpoint.Answers; e.answers.docs == nil {
		e.answers.docs = make(map[string]*call.AnswerHabit)
	}
	e.checkpoint.Answers = nil
	if e.newest, err = e.loadNewest(ctx); err != nil {
		return nil, err
	}
	for _, name := range e.info.Lookups { // before any walk maps a call
		table, err := e.lookup(ctx, name)
		if err != nil {
			return nil, err
		}
		src.Provider.SetLookup(table)
		e.tables[name] = stateOf(&table)
	}
	saved, err := e.store.Budget(ctx, src.ID)
	if err != nil && !e.unreadable("what is spent of the budgets", err) {
		return nil, err
	}
	return e, src.Budget.Restore(saved)
}

// unreadable reports whether something that is kept of the source cannot be read.
// It then counts as never kept: a source without it begins anew.
func (e *Engine) unreadable(what string, err error) bool {
	if !errors.Is(err, call.ErrCorrupt) {
		return false
	}
	e.log.Warn(what+" cannot be read and is found out anew", "err", err)
	return true
}

// ID is the source's name.
func (e *Engine) ID() call.SourceID { return e.src.ID }

// Checkpoint returns a copy of where the source stands, without what is known of
// its answers.
func (e *Engine) Checkpoint() call.Checkpoint {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := e.checkpoint
	c.Learned = maps.Clone(c.Learned)
	return c
}

func (e *Engine) now() time.Time { return e.clock.Now() }

// Unsaved is why the last attempt to store where the source stands failed; nil
// when it succeeded.
func (e *Engine) Unsaved() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.unsaved
}

// Active reports whether a walk or round is running.
func (e *Engine) Active() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.active > 0
}

func (e *Engine) enter() func() {
	e.mu.Lock()
	e.active++
	e.mu.Unlock()
	return func() {
		e.mu.Lock()
		e.active--
		e.mu.Unlock()
	}
}

// save commits writes together with the checkpoint, changed by edit (may be
// nil), the request counters and the budget.
func (e *Engine) save(ctx context.Context, writes []call.Write, edit func(*call.Checkpoint)) error {
	return e.commit(ctx, writes, nil, edit)
}

// commit is save with a completeness statement, which may be nil.
func (e *Engine) commit(ctx context.Context, writes []call.Write, statement *call.Statement, edit func(*call.Checkpoint)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := e.checkpoint
	next.Learned = maps.Clone(next.Learned)
	if edit != nil {
		edit(&next)
	}
	next.Answers, next.AnswerDrift = e.answers.docs, some(e.answers.texts(2))
	requests, lookups := e.src.Budget.Counted()
	next.Requests += requests - e.counted[0]
	next.LookupRequests += lookups - e.counted[1]
	batch := call.Batch{Source: e.src.ID, Writes: writes, Checkpoint: &next, Budget: e.src.Budget.State, Statement: statement}
	err := e.store.Save(ctx, batch)
	if ctx.Err() == nil {
		e.unsaved = err // until it succeeds, what the walks found is known to nobody else
	}
	if err != nil {
		return err
	}
	next.Answers = nil // it goes on changing, and is not to be seen outside
	e.checkpoint, e.counted, e.answers.unsaved = next, [2]int64{requests, lookups}, false
	e.gains.add(writes...)
	if statement != nil {
		e.newest = statement
	}
	if len(writes) > 0 || statement != nil {
		e.wake()
	}
	return nil
}

// write commits the new state of single calls, beside others doing the same; with
// the checkpoint when an answer lacked what others have.
func (e *Engine) write(ctx context.Context, w call.Write) error {
	e.mu.Lock()
	unsaved := e.answers.unsaved
	e.mu.Unlock()
	if unsaved {
		return e.save(ctx, []call.Write{w}, nil)
	}
	batch := call.Batch{Source: e.src.ID, Writes: []call.Write{w}, Budget: e.src.Budget.State}
	if err := e.store.Save(ctx, batch); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gains.add(w)
	e.wake()
	return nil
}

// nudged returns a channel that is closed when parts may have come due. Take it
// before looking for them.
func (e *Engine) nudged() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.nudge
}

// wake tells the loops that parts may have come due. It needs the lock.
func (e *Engine) wake() {
	close(e.nudge)
	e.nudge = make(chan struct{})
}

// learned returns a copy of the facts learned about this account.
func (e *Engine) learned() map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return maps.Clone(e.checkpoint.Learned)
}

// learn lets the provider compare a call's documents and keeps what it found.
func (e *Engine) learn(docs call.Documents) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.src.Provider.Learn(docs, e.checkpoint.Learned) {
		e.checkpoint.Learned[learnedRevisit] = "due"
	}
}

func (e *Engine) key(id call.ID) call.Key { return call.Key{Source: e.src.ID, ID: id} }
