package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callsyncd/call"
)

// model is what the archive must hold, kept in the plainest way.
type model struct {
	dir     string
	s       *Store
	now     time.Time
	calls   map[call.Key]*modelCall
	changes []call.Change
	points  map[call.SourceID]call.Checkpoint
}

type modelCall struct {
	record   call.Record
	versions []call.Documents
}

// TestModel does random things to an archive and compares everything it
// answers with the model.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		m := &model{dir: dir, now: epoch, calls: map[call.Key]*modelCall{}, points: map[call.SourceID]call.Checkpoint{}}
		m.open(rt)
		defer func() { m.s.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"save":        m.save,
			"acknowledge": m.acknowledge,
			"reopen":      func(rt *rapid.T) { m.close(rt); m.open(rt) },
			"":            m.compare,
		})
		m.checkArchive(rt)
	})
}

func (m *model) open(rt *rapid.T) {
	s, err := Open(m.dir, Options{Now: func() time.Time { return m.now }})
	if err != nil {
		rt.Fatal(err)
	}
	m.s = s
}

func (m *model) close(rt *rapid.T) {
	m.checkArchive(rt)
	if err := m.s.Close(); err != nil {
		rt.Fatal(err)
	}
}

func (m *model) checkArchive(rt *rapid.T) {
	result, err := m.s.Check(context.Background())
	if err != nil || len(result.Findings) > 0 || result.Calls != len(m.calls) {
		rt.Fatalf("check: %+v, %v", result, err)
	}
}

var (
	someSources = []call.SourceID{"a", "a-1", "b"}
	someIDs     = []call.ID{"1", "2", "2 ", "A", "a", "a\x00", "\xff\xff\xff\xff", "z/../z"}
	someTimes   = []*time.Time{nil, ptr(time.Date(1960, 2, 3, 4, 5, 6, 7, time.UTC)), &epoch, ptr(epoch.Add(1)),
		ptr(epoch.Add(time.Hour)), ptr(time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC))}
	someSeconds = []*float64{nil, ptr(0.0), ptr(1.5), ptr(60.0)}
	someNames   = []*string{nil, ptr("Ada Example"), ptr("ADA example"), ptr("Grace")}
	someStates  = []call.State{call.Pending, call.Stored, call.None, call.Lost}
)

func pick[T any](rt *rapid.T, name string, from []T) T { return rapid.SampledFrom(from).Draw(rt, name) }

// plainTime is the zero time for nil.
func plainTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func drawRecord(rt *rapid.T, key call.Key) call.Record {
	r := call.Record{Call: call.Call{Key: key, Provider: "example", StartedAt: pick(rt, "started", someTimes), EndedAt: pick(rt, "ended", someTimes),
		CreatedAt: pick(rt, "created", someTimes), DurationSeconds: pick(rt, "seconds", someSeconds), AgentName: pick(rt, "agent", someNames),
		AgentID: pick(rt, "agent id", someNames), Status: pick(rt, "status", []*call.Status{nil, ptr(call.StatusCompleted), ptr(call.StatusBusy)})}}
	for _, name := range call.PartNames {
		part := r.Parts.Of(name)
		if part.State = pick(rt, string(name), someStates); part.State == call.Pending {
			part.NextTry, part.Deadline = plainTime(pick(rt, "next", someTimes)), plainTime(pick(rt, "deadline", someTimes))
			part.Attempts, part.Reason = rapid.IntRange(0, 3).Draw(rt, "attempts"), pick(rt, "reason", []string{"", "not_ready"})
		}
	}
	if r.Parts.Recording.State == call.Stored {
		r.Call.Recording = &call.Recording{File: ptr("recordings/x"), SizeBytes: ptr(rapid.Int64Range(0, 9).Draw(rt, "size"))}
	}
	if r.Parts.Transcript.State == call.Stored {
		r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: pick(rt, "text", []string{"hello", "bye"})}}
	}
	r.Fingerprints = map[string]string{"list": pick(rt, "fingerprint", []string{"f1", "f2"})}
	return r
}

func (m *model) save(rt *rapid.T) {
	m.now = m.now.Add(time.Minute)
	b := call.Batch{Source: pick(rt, "source", someSources)}
	if rapid.Bool().Draw(rt, "checkpoint") {
		b.Checkpoint = &call.Checkpoint{PageSize: rapid.IntRange(0, 3).Draw(rt, "page size")}
		m.points[b.Source] = *b.Checkpoint
	}
	for range rapid.IntRange(0, 4).Draw(rt, "writes") {
		key := call.Key{Source: b.Source, ID: pick(rt, "id", someIDs)}
		w := call.Write{Record: drawRecord(rt, key), Kind: pick(rt, "kind", []call.ChangeKind{"", call.ChangeNew, call.ChangePart})}
		if m.calls[key] == nil || rapid.Bool().Draw(rt, "changed") {
			body := fmt.Sprintf(`{"n": %d}`, rapid.Int().Draw(rt, "body"))
			w.Documents = call.Documents{pick(rt, "document", []string{"list", "detail"}): {Body: json.RawMessage(body), FetchedAt: m.now}}
		}
		b.Writes = append(b.Writes, w)
		m.apply(w)
	}
	if err := m.s.Save(context.Background(), b); err != nil {
		rt.Fatal(err)
	}
}

func (m *model) apply(w call.Write) {
	key, next := w.Record.Call.Key, modelCall{record: w.Record}
	c := &next.record.Call
	had := m.calls[key]
	if had != nil {
		next.versions = had.versions
		c.FirstSeenAt, c.ChangedAt = had.record.Call.FirstSeenAt, had.record.Call.ChangedAt
		for _, name := range call.PartNames {
			old, part := had.record.Parts.Of(name), next.record.Parts.Of(name)
			if old.State == call.Lost && part.State == call.Lost && part.Acknowledged == nil {
				part.Acknowledged = old.Acknowledged
			}
			if old.State == call.Lost && old.Acknowledged != nil && part.State == call.Pending && part.Acknowledged == nil {
				*part = *old
			}
		}
	} else {
		c.FirstSeenAt = m.now
	}
	if len(w.Documents) > 0 {
		docs := call.Documents{}
		if n := len(next.versions); n > 0 {
			maps.Copy(docs, next.versions[n-1])
		}
		maps.Copy(docs, w.Documents)
		next.versions = append(slices.Clone(next.versions), docs)
		c.ChangedAt = m.now
	}
	next.record.OpenSince = nil
	for _, name := range call.PartNames {
		if state := next.record.Parts.Of(name).State; state != call.Pending && state != call.Lost {
			continue
		}
		since := m.now
		if had != nil && !had.record.OpenSince[name].IsZero() {
			since = had.record.OpenSince[name]
		}
		if next.record.OpenSince == nil {
			next.record.OpenSince = map[call.PartName]time.Time{}
		}
		next.record.OpenSince[name] = since
	}
	c.Version, c.Source, c.ID = len(next.versions), key.Source, key.ID
	next.record.Mirror()
	m.calls[key] = &next
	if w.Kind != "" {
		m.changes = append(m.changes, call.Change{Seq: uint64(len(m.changes) + 1), Key: key, Kind: w.Kind, At: m.now})
	}
}

func (m *model) acknowledge(rt *rapid.T) {
	m.now = m.now.Add(time.Minute)
	key := call.Key{Source: pick(rt, "source", someSources), ID: pick(rt, "id", someIDs)}
	name := pick(rt, "part", call.PartNames)
	err := m.s.Acknowledge(context.Background(), key, name, "accepted")
	had := m.calls[key]
	switch {
	case had == nil:
		if !errors.Is(err, call.ErrNotFound) {
			rt.Fatalf("acknowledge unknown: %v", err)
		}
	case had.record.Parts.Of(name).State != call.Lost && !had.record.Parts.Of(name).Overdue():
		if !errors.Is(err, call.ErrRefused) {
			rt.Fatalf("acknowledge %s: %v", had.record.Parts.Of(name).State, err)
		}
	case err != nil:
		rt.Fatal(err)
	default:
		r := had.record
		part := r.Parts.Of(name)
		*part = call.Part{State: call.Lost, Reason: part.Reason, Attempts: part.Attempts}
		part.Acknowledged = &call.Acknowledgement{At: m.now, Reason: "accepted"}
		m.apply(call.Write{Record: r, Kind: call.ChangePart})
	}
}

// sorted returns the calls in key order.
func (m *model) sorted(source call.SourceID) []*modelCall {
	var out []*modelCall
	for key, c := range m.calls {
		if source == "" || key.Source == source {
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b *modelCall) int { return compareKeys(a.record.Call.Key, b.record.Call.Key) })
	return out
}

func compareKeys(a, b call.Key) int {
	return cmp.Or(strings.Compare(string(a.Source), string(b.Source)), strings.Compare(string(a.ID), string(b.ID)))
}

func (m *model) compare(rt *rapid.T) {
	ctx := context.Background()
	for _, c := range m.sorted("") {
		key := c.record.Call.Key
		got, err := m.s.Load(ctx, key)
		same(rt, "load", got, c.record, err)
		versions, err := m.s.Versions(ctx, key)
		var docs []call.Documents
		for i, v := range versions {
			if v.Number != i+1 {
				rt.Fatalf("version %d has number %d", i+1, v.Number)
			}
			docs = append(docs, v.Documents)
		}
		same(rt, "versions", docs, c.versions, err)
	}
	changes, err := m.s.Changes(ctx, 0, 0)
	same(rt, "changes", changes, append([]call.Change{}, m.changes...), err)
	for _, source := range append([]call.SourceID{""}, someSources...) {
		m.compareSource(rt, source)
	}
	m.compareList(rt)
}

func (m *model) compareSource(rt *rapid.T, source call.SourceID) {
	ctx := context.Background()
	var got, want []call.Record
	counts := newCounts()
	for _, c := range m.sorted(source) {
		r := c.record
		tally(&counts, r)
		r.Call.Transcript = nil
		want = append(want, r)
	}
	err := m.s.Each(ctx, source, func(r call.Record) error { got = append(got, r); return nil })
	same(rt, "each", got, want, err)
	gotCounts, err := m.s.Counts(ctx, source)
	same(rt, "counts", gotCounts, counts, err)
	gaps, limit := []call.Gap{}, rapid.IntRange(1, 5).Draw(rt, "limit")
	for after := ""; ; {
		page, next, err := m.s.Gaps(ctx, source, after, limit)
		if err != nil {
			rt.Fatal(err)
		}
		if gaps = append(gaps, page...); next == "" {
			break
		}
		after = next
	}
	same(rt, "gaps", gaps, wantGaps(want), nil)
	if source == "" {
		return
	}
	cp, err := m.s.Checkpoint(ctx, source)
	same(rt, "checkpoint", cp, m.points[source], err)
	m.compareQueues(rt, source, want)
}

func tally(c *call.Counts, r call.Record) {
	c.Calls++
	settled := 1
	for _, name := range call.PartNames {
		part := r.Parts.Of(name)
		switch {
		case part.State == call.Pending:
			c.Pending[name]++
			settled = 0
		case part.State == call.Lost && part.Acknowledged == nil:
			c.Lost[name]++
		case part.State == call.Lost:
			c.Acknowledged++
		case part.State == call.Stored && name == call.PartTranscript:
			c.Transcript++
		case part.State == call.Stored && name == call.PartRecording:
			c.Recordings++
			c.RecordingBytes += *r.Call.Recording.SizeBytes
		}
	}
	c.Settled += settled
}

func wantGaps(records []call.Record) []call.Gap {
	gaps := []call.Gap{}
	for _, r := range records {
		for _, name := range call.PartNames {
			part := r.Parts.Of(name)
			if part.State != call.Pending && part.State != call.Lost {
				continue
			}
			g := call.Gap{Key: r.Call.Key, Part: name, State: part.State, Attempts: part.Attempts, Acknowledged: part.Acknowledged}
			if part.Reason != "" {
				g.Reason = &part.Reason
			}
			if !part.NextTry.IsZero() {
				g.NextTry = &part.NextTry
			}
			if !part.Deadline.IsZero() {
				g.Deadline = &part.Deadline
			}
			gaps = append(gaps, g)
		}
	}
	return gaps
}

func (m *model) compareQueues(rt *rapid.T, source call.SourceID, records []call.Record) {
	ctx, before := context.Background(), *pick(rt, "before", someTimes[1:])
	limit := rapid.IntRange(0, 3).Draw(rt, "due limit")
	var nextDue, nextLoss *time.Time
	for _, name := range call.PartNames {
		want := []call.Due{}
		for _, r := range records {
			part := r.Parts.Of(name)
			if part.State != call.Pending {
				continue
			}
			if nextDue == nil || part.NextTry.Before(*nextDue) {
				nextDue = &part.NextTry
			}
			if !part.Deadline.IsZero() && (nextLoss == nil || part.Deadline.Before(*nextLoss)) {
				nextLoss = &part.Deadline
			}
			if !part.NextTry.After(before) {
				want = append(want, call.Due{Key: r.Call.Key, Part: name, NextTry: part.NextTry, Deadline: part.Deadline})
			}
		}
		slices.SortStableFunc(want, func(a, b call.Due) int {
			if name != call.PartRecording {
				return a.NextTry.Compare(b.NextTry)
			}
			if a.Deadline.IsZero() != b.Deadline.IsZero() {
				return -a.Deadline.Compare(b.Deadline)
			}
			return a.Deadline.Compare(b.Deadline)
		})
		if limit > 0 {
			want = want[:min(limit, len(want))]
		}
		got, err := m.s.Due(ctx, source, name, before, limit)
		same(rt, "due", got, want, err)
	}
	got, ok, err := m.s.NextDue(ctx, source)
	same(rt, "next due", []any{got, ok}, []any{plainTime(nextDue), nextDue != nil}, err)
	got, ok, err = m.s.NextLoss(ctx, source)
	same(rt, "next loss", []any{got, ok}, []any{plainTime(nextLoss), nextLoss != nil}, err)
}

func (m *model) compareList(rt *rapid.T) {
	q := call.ListQuery{OrderBy: pick(rt, "order", append(orders, "")), Ascending: rapid.Bool().Draw(rt, "ascending"),
		Limit: rapid.IntRange(1, 6).Draw(rt, "page"), Filter: drawFilter(rt)}
	var got, want []string
	total := 0
	for {
		list, err := m.s.List(context.Background(), q)
		if err != nil {
			rt.Fatal(err)
		}
		for _, c := range list.Calls {
			got = append(got, c.Key.String())
		}
		if total, q.After = list.Total, list.Next; list.Next == "" {
			break
		}
	}
	var calls []*call.Call
	for _, c := range m.sorted("") {
		if plainMatch(q.Filter, &c.record.Call) {
			calls = append(calls, &c.record.Call)
		}
	}
	slices.SortStableFunc(calls, func(a, b *call.Call) int {
		x, y := sortValue(q.OrderBy, a), sortValue(q.OrderBy, b)
		switch {
		case x == nil || y == nil:
			return cmp.Compare(len(y), len(x))
		case q.Ascending:
			return bytes.Compare(x, y)
		}
		return bytes.Compare(y, x)
	})
	for _, c := range calls {
		want = append(want, c.Key.String())
	}
	same(rt, fmt.Sprintf("list %+v", q), got, want, nil)
	if total != len(want) {
		rt.Fatalf("list %+v: total %d, want %d", q, total, len(want))
	}
}

// sortValue is a call's sort value as text of one length; nil when absent.
func sortValue(by call.OrderBy, c *call.Call) []byte {
	t := c.EndedAt
	switch by {
	case call.ByDuration:
		if c.DurationSeconds == nil {
			return nil
		}
		return fmt.Appendf(nil, "%020.3f", *c.DurationSeconds)
	case call.ByCreated:
		t = c.CreatedAt
	case call.ByStarted, "":
		t = ptr(c.Time())
	}
	if t == nil {
		return nil
	}
	return []byte(t.Format("2006-01-02T15:04:05.000000000"))
}

func drawFilter(rt *rapid.T) (f call.Filter) {
	if rapid.Bool().Draw(rt, "by source") {
		f.Source = rapid.SliceOfN(rapid.SampledFrom(someSources), 1, 2).Draw(rt, "sources")
	}
	if rapid.Bool().Draw(rt, "by time") {
		f.From, f.To = plainTime(pick(rt, "from", someTimes)), plainTime(pick(rt, "to", someTimes))
	}
	if rapid.Bool().Draw(rt, "by field") {
		f.Agent = pick(rt, "agents", [][]string{nil, {"ada example"}, {"Grace", "nobody"}})
		f.Status = pick(rt, "statuses", [][]call.Status{nil, {call.StatusBusy}, {call.StatusBusy, call.StatusCompleted}})
		f.Has = pick(rt, "has", [][]call.PartName{nil, {call.PartTranscript}, {call.PartSummary, call.PartRecording}})
		f.Settled = pick(rt, "settled", []*bool{nil, ptr(true), ptr(false)})
		f.MinDuration = pick(rt, "min", someSeconds)
	}
	return f
}

// plainMatch says what the drawn filters mean, without the index.
func plainMatch(f call.Filter, c *call.Call) bool {
	if f.Source != nil && !slices.Contains(f.Source, c.Source) {
		return false
	}
	if !f.From.IsZero() && c.Time().Before(f.From) || !f.To.IsZero() && !c.Time().Before(f.To) {
		return false
	}
	if f.Agent != nil && !slices.ContainsFunc(f.Agent, func(a string) bool {
		return c.AgentID != nil && *c.AgentID == a || c.AgentName != nil && strings.EqualFold(*c.AgentName, a)
	}) {
		return false
	}
	if f.Status != nil && (c.Status == nil || !slices.Contains(f.Status, *c.Status)) {
		return false
	}
	parts := call.Parts{Transcript: call.Part{State: c.Parts.Transcript}, Summary: call.Part{State: c.Parts.Summary}, Recording: call.Part{State: c.Parts.Recording}}
	for _, name := range f.Has {
		if parts.Of(name).State != call.Stored {
			return false
		}
	}
	if f.Settled != nil && *f.Settled != c.Settled {
		return false
	}
	return f.MinDuration == nil || c.DurationSeconds != nil && *c.DurationSeconds >= *f.MinDuration
}

func same(rt *rapid.T, what string, got, want any, err error) {
	rt.Helper()
	if err != nil {
		rt.Fatalf("%s: %v", what, err)
	}
	if !reflect.DeepEqual(got, want) {
		rt.Fatalf("%s:\ngot  %+v\nwant %+v", what, got, want)
	}
}
