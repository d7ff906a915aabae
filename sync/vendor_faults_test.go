package callsync

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// faultyVendor is a fakeVendor that can be made to fail or to behave oddly.
// Set its switches inside edit once an engine works with it.
type faultyVendor struct {
	*fakeVendor
	repeatsLast   bool                // beyond its end the list shows its last page over again
	failFetch     func(call.ID) error // why a document of a call cannot be read
	failRelink    func() error        // why no fresh recording address can be had
	failName      func() error        // called for every table of names asked for
	names         []string            // the tables of names
	nothingMissed bool                // no call refers to what is not in the tables
	nameFetches   int                 // how often one was asked for
	nameRows      int                 // of the table in use
	learn         func(list int) bool // whether the vendor's documents prove now that every call has a transcript
	onFetch       func()              // called before each document is read
	asked         map[call.ID]int     // how many documents were asked for, by call
	travel        func(list int)      // called while a list answer is under way
}

// learnedEverywhere is what a faultyVendor has learned once learn said so.
const learnedEverywhere = "transcripts_everywhere"

// faulty lets the engine of the test work with a vendor that can fail.
func (b *testbed) faulty() *faultyVendor {
	b.t.Helper()
	v := &faultyVendor{fakeVendor: b.vendor, asked: make(map[call.ID]int)}
	b.source.Provider = v
	b.restart()
	return v
}

func (v *faultyVendor) Info() call.ProviderInfo {
	info := v.fakeVendor.Info()
	info.Lookups = v.names
	return info
}

func (v *faultyVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	v.mu.Lock()
	if last := (len(v.calls) + req.Size - 1) / req.Size; v.repeatsLast && req.Position.Page > last {
		req.Position.Page = last
	}
	travel, number := v.travel, v.lists+1
	v.mu.Unlock()
	page, err := v.fakeVendor.List(ctx, req)
	if travel != nil {
		travel(number)
	}
	return page, err
}

func (v *faultyVendor) Wanted(docs call.Documents, learned map[string]string) (string, bool) {
	if _, have := docs["transcript"]; !have && learned[learnedEverywhere] != "" {
		return "transcript", true
	}
	return v.fakeVendor.Wanted(docs, learned)
}

func (v *faultyVendor) Learn(_ call.Documents, learned map[string]string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.learn == nil || learned[learnedEverywhere] != "" || !v.learn(v.lists) {
		return false
	}
	learned[learnedEverywhere] = "true"
	return true
}

func (v *faultyVendor) Fetch(ctx context.Context, name string, docs call.Documents) (call.Document, error) {
	_, listed := v.find(docs)
	id := call.ID(listed.ID)
	v.mu.Lock()
	v.asked[id]++
	fail, before := v.failFetch, v.onFetch
	v.mu.Unlock()
	if before != nil {
		before()
	}
	if fail != nil {
		if err := fail(id); err != nil {
			return call.Document{}, err
		}
	}
	return v.fakeVendor.Fetch(ctx, name, docs)
}

func (v *faultyVendor) Relink(ctx context.Context, docs call.Documents) (call.Documents, error) {
	v.mu.Lock()
	fail := v.failRelink
	v.mu.Unlock()
	if fail != nil {
		return nil, fail()
	}
	return v.fakeVendor.Relink(ctx, docs)
}

// Missed says that every call misses something in every table, until told otherwise.
func (v *faultyVendor) Missed() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.nothingMissed {
		return nil
	}
	return v.names
}

func (v *faultyVendor) FetchLookup(_ context.Context, name string) (call.LookupTable, error) {
	v.mu.Lock()
	v.nameFetches++
	fail := v.failName
	v.mu.Unlock()
	if fail != nil {
		if err := fail(); err != nil {
			return call.LookupTable{}, err
		}
	}
	return call.LookupTable{Name: name, Rows: map[string]json.RawMessage{"1": json.RawMessage(`"Ann"`)}}, nil
}

func (v *faultyVendor) SetLookup(t call.LookupTable) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.nameRows = len(t.Rows)
}

// unreachable makes everything the vendor and its media host do fail; nil mends it.
func (b *testbed) unreachable(v *faultyVendor, err func() error) {
	v.edit(func() {
		v.failFetch, v.failRelink, v.failList = nil, nil, nil
		if err != nil {
			v.failFetch = func(call.ID) error { return err() }
			v.failRelink = err
			v.failList = func(int) error { return err() }
		}
	})
	b.answerMedia(func(string) error {
		if err != nil {
			return call.ErrTransient
		}
		return nil
	})
}

// answerMedia changes what the media host does.
func (b *testbed) answerMedia(fn func(url string) error) {
	b.media.mu.Lock()
	defer b.media.mu.Unlock()
	b.media.get = fn
}

// runFor lets the loops of the daemon work for a while.
func (b *testbed) runFor(d time.Duration) {
	b.t.Helper()
	defer b.runInBackground()()
	time.Sleep(d)
}

// runInBackground starts the loops of the daemon; stop ends them and waits.
func (b *testbed) runInBackground() (stop func()) {
	ctx, cancel := context.WithCancel(b.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = b.engine.Run(ctx) // ends with ctx
	}()
	synctest.Wait()
	return func() {
		synctest.Wait()
		cancel()
		<-done
	}
}

// arrives puts a call of this moment in front of the list.
func (b *testbed) arrives(id string) *fakeCall {
	c := &fakeCall{ID: id, Created: time.Now().UTC(), Status: "completed"}
	b.vendor.add(c)
	return c
}

// requests counts the list pages read by fn.
func (b *testbed) requests(fn func(context.Context) error) int {
	b.t.Helper()
	before := b.vendor.lists
	if err := fn(b.t.Context()); err != nil {
		b.t.Error(err)
	}
	return b.vendor.lists - before
}

// reverseList turns the vendor's list round.
func (v *fakeVendor) reverseList() {
	v.edit(func() { slices.Reverse(v.calls) })
}

// watchedStore counts what the engine asks of a store, and can refuse writes and
// the reading of one call.
type watchedStore struct {
	Store
	mu      sync.Mutex
	scans   int // looks for due parts
	commits int
	refuse  func(call.Batch) error
	spoiled call.ID // of the call that cannot be read
	tries   int     // to read it
}

func (s *watchedStore) Load(ctx context.Context, key call.Key) (call.Record, error) {
	s.mu.Lock()
	spoiled := key.ID == s.spoiled
	if spoiled {
		s.tries++
	}
	tooOften := s.tries > 10_000 // nobody waits between the tries
	s.mu.Unlock()
	if spoiled && !tooOften {
		return call.Record{}, fmt.Errorf("load call %s: %w", key, call.ErrCorrupt)
	}
	return s.Store.Load(ctx, key)
}

func (s *watchedStore) Due(ctx context.Context, source call.SourceID, part call.PartName, before time.Time, limit int) ([]call.Due, error) {
	s.mu.Lock()
	s.scans++
	s.mu.Unlock()
	return s.Store.Due(ctx, source, part, before, limit)
}

func (s *watchedStore) Save(ctx context.Context, batch call.Batch) error {
	s.mu.Lock()
	s.commits++
	refuse := s.refuse
	s.mu.Unlock()
	if refuse != nil {
		if err := refuse(batch); err != nil {
			return err
		}
	}
	return s.Store.Save(ctx, batch)
}

func (s *watchedStore) counted() (scans, commits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.scans, s.commits
}

func (s *watchedStore) refusing(fn func(call.Batch) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = fn
}

// watched makes a new engine over a watched store, with the given budget.
func (b *testbed) watched(limits ...call.RateLimit) *watchedStore {
	b.t.Helper()
	s := &watchedStore{Store: b.store}
	b.source.Budget = NewBudget("crm", limits, time.Minute)
	engine, err := New(b.t.Context(), b.source, Options{
		Store: s, Media: b.media, Download: b.media, Slots: NewSlots(2, 0, call.RealClock{}), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.engine = engine
	return s
}
