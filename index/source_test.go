package index

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
)

// memory is a Source in memory.
type memory struct {
	id      string
	mu      sync.Mutex
	records map[call.Key]call.Record
	changes []call.Change
	updated chan struct{}
	loads   map[call.Key]int
	onLoad  func(call.Key) error
}

func newMemory() *memory {
	return &memory{id: "archive-1", records: map[call.Key]call.Record{}, updated: make(chan struct{}), loads: map[call.Key]int{}}
}

func (m *memory) ArchiveID() string { return m.id }

func (m *memory) LastSeq() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return uint64(len(m.changes))
}

func (m *memory) Changes(_ context.Context, since uint64, limit int) ([]call.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if since >= uint64(len(m.changes)) {
		return nil, nil
	}
	rest := m.changes[since:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (m *memory) Load(_ context.Context, key call.Key) (call.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loads[key]++
	if m.onLoad != nil {
		if err := m.onLoad(key); err != nil {
			return call.Record{}, err
		}
	}
	r, ok := m.records[key]
	if !ok {
		return r, fmt.Errorf("load %s: %w", key, call.ErrNotFound)
	}
	return r, nil
}

func (m *memory) Keys(_ context.Context, _ call.SourceID, fn func(call.Key) error) error {
	m.mu.Lock()
	keys := make([]call.Key, 0, len(m.records))
	for key := range m.records {
		keys = append(keys, key)
	}
	m.mu.Unlock()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	for _, key := range keys {
		if err := fn(key); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Updated() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.updated
}

// put stores calls in one commit.
func (m *memory) put(calls ...call.Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range calls {
		m.records[c.Key] = call.Record{Call: c}
		m.append(c.Key)
	}
	close(m.updated)
	m.updated = make(chan struct{})
}

func (m *memory) remove(key call.Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, key)
	m.append(key)
	close(m.updated)
	m.updated = make(chan struct{})
}

func (m *memory) append(key call.Key) {
	seq := uint64(len(m.changes) + 1)
	m.changes = append(m.changes, call.Change{Seq: seq, Key: key, Kind: call.ChangeUpdated, At: testTime(int(seq))})
}

func testTime(minutes int) time.Time {
	return time.Date(2025, 12, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// testCall makes a call of source crm; lines are "a: text" of the agent,
// "c: text" of the customer and "o: text" of anybody else.
func testCall(id string, lines ...string) call.Call {
	started := testTime(0)
	c := call.Call{Key: call.Key{Source: "crm", ID: call.ID(id)}, Source: "crm", Provider: "suresend", ID: call.ID(id),
		StartedAt: &started, FirstSeenAt: started, Settled: true,
		Parts: call.PartStates{Record: call.Stored, Transcript: call.None, Summary: call.None, Recording: call.None}}
	speakers := map[string]call.Speaker{"a": call.SpeakerAgent, "c": call.SpeakerCustomer, "o": call.SpeakerOther}
	for i, line := range lines {
		who, text, _ := strings.Cut(line, ": ")
		start := float64(i * 10)
		c.Transcript = append(c.Transcript, call.Turn{Speaker: speakers[who], Text: text, StartSeconds: &start})
		c.Parts.Transcript = call.Stored
	}
	return c
}

func ptr[T any](v T) *T { return &v }

// openTest opens an index over src that is caught up, and closes it at the end.
func openTest(t testing.TB, dir string, src Source) *Index {
	t.Helper()
	x, err := Open(dir, src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return x
}

// ids searches and returns the ids of all hits in order.
func ids(t testing.TB, x *Index, q call.SearchQuery) []string {
	t.Helper()
	r, err := x.Search(t.Context(), q)
	if err != nil {
		t.Fatalf("search %q: %v", q.Text, err)
	}
	out := []string{}
	for _, h := range r.Hits {
		out = append(out, string(h.Call.ID))
	}
	if q.Limit == 0 && r.Total != len(out) && r.Total <= defaultLimit {
		t.Errorf("search %q: total %d, %d hits", q.Text, r.Total, len(out))
	}
	return out
}
