package api

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
)

const (
	testToken = "canary-token-5550100"
	testHost  = "127.0.0.1:7411"
	// testInstall names the cookie of the archive.
	testInstall = "k7"
)

func ptr[T any](v T) *T { return &v }

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// fake is an archive in memory; what a test wants to see or to go wrong is a field.
type fake struct {
	dir     string // of recordings
	records map[call.Key]call.Record
	order   []call.Key
	gaps    []call.Gap
	hits    []call.Hit
	reasons []string
	retired []call.SourceID // not configured any more, and not without calls

	err        error // of every question
	panics     any   // of every question
	lastList   call.ListQuery
	lastSearch call.SearchQuery
	lastStats  call.StatsQuery
	woken      []string
	acks       []string

	mu      sync.Mutex
	changes []call.Change
	updated chan struct{}
}

func (f *fake) Load(_ context.Context, key call.Key) (call.Record, error) {
	if f.panics != nil {
		panic(f.panics)
	}
	r, ok := f.records[key]
	if f.err == nil && !ok {
		return r, call.ErrNotFound
	}
	return r, f.err
}

func (f *fake) LoadLight(ctx context.Context, key call.Key) (call.Record, error) {
	r, err := f.Load(ctx, key)
	r.Call.Transcript = nil
	return r, err
}

func (f *fake) Documents(context.Context, call.Key) (call.Documents, error) {
	return call.Documents{
		"list":   {Body: json.RawMessage(`{"id":"c1","note":"a <b> & c","n":1.50}`), FetchedAt: at("2025-12-01T10:00:00Z")},
		"detail": {Body: json.RawMessage(`{"id":"c1"}`), FetchedAt: at("2025-12-01T10:00:01Z")},
	}, f.err
}

func (f *fake) Versions(ctx context.Context, key call.Key) ([]call.Version, error) {
	documents, err := f.Documents(ctx, key)
	return []call.Version{{Number: 1, ObservedAt: at("2025-12-01T10:00:00Z"), Fingerprint: "00ff", Documents: documents}}, err
}

func (f *fake) History(_ context.Context, key call.Key) ([]call.Event, error) {
	if _, ok := f.records[key]; f.err == nil && !ok {
		return nil, call.ErrNotFound
	}
	return []call.Event{
		{At: at("2025-12-01T10:00:00Z"), Kind: call.EventListed, Version: 1, Documents: []string{"detail", "list"}, SHA256: "00ff"},
		{At: at("2025-12-01T10:01:00Z"), Kind: call.EventParts, SHA256: "0a1b", Parts: []call.PartEvent{
			{Part: call.PartTranscript, State: call.Pending, Reason: "not_ready", Attempts: 2}, {Part: call.PartRecording, State: call.Stored}}},
		{At: at("2025-12-01T10:02:00Z"), Kind: call.EventAcknowledged, Note: "known"},
		{At: at("2025-12-01T10:03:00Z"), Kind: call.EventQuarantined, Version: 1, Note: "the new summary is empty",
			Parts: []call.PartEvent{{Part: call.PartSummary, State: call.Stored, Reason: "worse_version_kept_aside"}}},
	}, f.err
}

// Statements knows two sources; the one that is not configured any more has
// the newer statement.
func (f *fake) OldestGap(context.Context, call.SourceID) (time.Time, bool, error) {
	return at("2025-12-01T12:00:00Z"), true, f.err
}

func (f *fake) Statements(_ context.Context, source call.SourceID, limit int) ([]call.Statement, error) {
	newest := map[call.SourceID]time.Time{"crm": at("2025-12-02T00:00:00Z"), "erp": at("2025-12-02T12:00:00Z")}[source]
	if newest.IsZero() {
		return []call.Statement{}, f.err
	}
	var list []call.Statement
	for i := range min(limit, 2) {
		end := newest.AddDate(0, 0, -i)
		list = append(list, call.Statement{
			Source: source, Provider: "suresend", StartedAt: end.Add(-time.Minute), FinishedAt: end, Doubts: []string{"the vendor counts 4 calls but listed 3"},
			Expected: ptr(4), Listed: 3, Held: 2, Missing: []call.ID{"c3"}, MissingCount: 1, Extra: []call.ID{"c9"}, ExtraCount: 1, DeletedUpstream: 1, Unwanted: 5,
			Parts: map[call.PartName]map[call.State]int{call.PartTranscript: {call.Stored: 1, call.Pending: 1}},
			Open:  map[call.PartName]map[string]int{call.PartTranscript: {"not_ready": 1}},
		})
		if i == 0 {
			list[i].Days = []call.StatementDay{{Day: "2025-12-01", Listed: 2, Extra: 1, Open: 1}}
		}
	}
	return list, f.err
}

func (f *fake) List(_ context.Context, q call.ListQuery) (call.List, error) {
	if len(q.Filter.Source) == 1 && q.Filter.Source[0] != "crm" {
		if slices.Contains(f.retired, q.Filter.Source[0]) {
			return call.List{Total: 1}, f.err
		}
		return call.List{}, f.err
	}
	f.lastList = q
	if q.After == "bad" {
		return call.List{}, call.ErrBadCursor
	}
	list := call.List{Total: len(f.order)}
	begin := 0
	if q.After == "second" {
		begin = 1
	}
	for i := begin; i < len(f.order) && i < begin+q.Limit; i++ {
		c := f.records[f.order[i]].Call
		c.Transcript, c.Metadata = nil, nil
		list.Calls = append(list.Calls, c)
	}
	if begin == 0 && q.Limit == 1 {
		list.Next = "second"
	}
	return list, f.err
}

func (f *fake) Gaps(_ context.Context, source call.SourceID, after string, limit int) ([]call.Gap, string, error) {
	if after == "bad" {
		return nil, "", call.ErrBadCursor
	}
	var out []call.Gap
	for _, g := range f.gaps {
		if source == "" || g.Key.Source == source {
			out = append(out, g)
		}
	}
	if limit < len(out) {
		return out[:limit], "more", f.err
	}
	return out, "", f.err
}

func (f *fake) Acknowledge(_ context.Context, key call.Key, part call.PartName, reason string) error {
	if _, ok := f.records[key]; !ok {
		return call.ErrNotFound
	}
	if part != call.PartRecording {
		return call.ErrRefused
	}
	f.acks = append(f.acks, key.String()+" "+string(part)+" "+reason)
	return f.err
}

func (f *fake) Changes(_ context.Context, since uint64, limit int) ([]call.Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []call.Change
	for _, c := range f.changes {
		if c.Seq > since && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, f.err
}

func (f *fake) LastSeq() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return uint64(len(f.changes))
}

func (f *fake) Updated() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.updated
}

// happen appends to the change feed.
func (f *fake) happen(key call.Key, kind call.ChangeKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, call.Change{Seq: uint64(len(f.changes)) + 1, Key: key, Kind: kind, At: at("2025-12-01T10:00:00Z")})
	close(f.updated)
	f.updated = make(chan struct{})
}

func (f *fake) Search(_ context.Context, q call.SearchQuery) (call.SearchResult, error) {
	f.lastSearch = q
	if strings.HasPrefix(q.Text, `"`) {
		return call.SearchResult{}, &call.QueryError{Position: 0, Message: "the quote is not closed"}
	}
	return call.SearchResult{
		Hits: f.hits, Total: 7, Next: "more", Facets: map[string][]call.FacetCount{"agent": {{Value: "Ada Example", Count: 7}}},
		Coverage: call.Coverage{Calls: 9, Searchable: 8, Waiting: call.CoverageWaiting{Transcript: 1}, TooLong: 1, AsOf: at("2025-12-02T00:00:00Z")},
	}, f.err
}

func (f *fake) Stats(_ context.Context, q call.StatsQuery) ([]call.Stats, error) {
	f.lastStats = q
	return []call.Stats{{Period: "2025-12-01", Group: ptr("crm"), Calls: 2, TalkSeconds: 180, Positive: 1, ScoreMean: ptr(0.75)}, {Period: "2026-01-05", Calls: 1}}, f.err
}

func (f *fake) Open(file string) (*os.File, error) {
	return os.Open(filepath.Join(f.dir, filepath.FromSlash(file)))
}

func (f *fake) Status(context.Context) (call.StatusReport, error) {
	counts := call.Counts{Calls: 2, Pending: map[call.PartName]int{call.PartTranscript: 1}, Lost: map[call.PartName]int{}, Acknowledged: 1}
	return call.StatusReport{
		Version: "1.2.3", StartedAt: at("2025-12-01T00:00:00Z"), Now: at("2025-12-02T00:00:00Z"), Problems: []string{},
		Sources: []call.SourceStatus{{Name: "crm", Provider: "suresend", BaseURL: "https://api.example.com", Problems: []string{}, State: "idle",
			Counts: counts, Overdue: map[call.PartName]int{}, Notes: []string{}, Budget: []call.BudgetStatus{{Requests: 100, PerSeconds: 60, Used: 3}}, Order: call.OrderNewestFirst}},
		Index: call.IndexStatus{State: "ready", Documents: 2, Applied: 5},
	}, f.err
}

func (f *fake) Sync(_ context.Context, source call.SourceID, full bool) error {
	if name, _, _ := strings.Cut(string(source), " "); name != "" && name != "crm" {
		return call.ErrNotFound
	}
	word := string(source)
	if full {
		word += " full"
	}
	f.woken = append(f.woken, word)
	return f.err
}

func (f *fake) AcceptVanished(ctx context.Context, source call.SourceID, by string) error {
	return f.Sync(ctx, source+call.SourceID(" accepted by "+by), true)
}

func (f *fake) Ready() []string { return f.reasons }

func (f *fake) Verify(context.Context) (call.VerifyReport, error) {
	return call.VerifyReport{
		StartedAt: at("2025-12-02T00:00:00Z"), FinishedAt: at("2025-12-02T00:00:05Z"), Calls: 2, Versions: 3, Recordings: 1, Bytes: 10,
		Problems: []call.VerifyFinding{{Kind: "hash_mismatch", Key: &call.Key{Source: "crm", ID: "c1"}, Detail: "the file changed"}},
		Notes:    []call.VerifyFinding{}, Proves: []string{"all versions"}, CannotProve: []string{},
	}, f.err
}

func (f *fake) Reindex(context.Context) error { return f.err }

// sample is a call with everything, and one with as little as a call can have.
func sample(t testing.TB) *fake {
	t.Helper()
	f := &fake{dir: t.TempDir(), records: map[call.Key]call.Record{}, updated: make(chan struct{})}
	full := call.Call{
		Key: call.Key{Source: "crm", ID: "c1"}, Source: "crm", Provider: "suresend", ID: "c1",
		Direction: ptr(call.Outbound), Status: ptr(call.StatusCompleted), Outcome: ptr("answered"),
		Phone: ptr("+12025550123"), AgentName: ptr("Ada Example"), ContactID: ptr("k9"),
		StartedAt: ptr(at("2025-12-01T09:30:00Z")), StartedAtApproximate: true,
		CreatedAt: ptr(at("2025-12-01T09:30:00Z")), UpdatedAt: ptr(at("2025-12-01T10:00:00Z")),
		DurationSeconds: ptr(180.0), SentimentLabel: ptr("positive"), SentimentScore: ptr(0.75),
		Summary: ptr("Wants a price <list> & a call"), Topics: []string{"pricing"},
		Transcript: []call.Turn{
			{Speaker: call.SpeakerAgent, Label: ptr("Agent"), Text: "Good morning.", StartSeconds: ptr(0.5), EndSeconds: ptr(2.25)},
			{Speaker: call.SpeakerCustomer, Text: "What does it cost?"},
		},
		Recording: &call.Recording{State: call.Stored, File: ptr("recordings/crm/2025/12/01/093000_c1_0a1b.mp3"), SHA256: ptr("0a1b"),
			SizeBytes: ptr(int64(10)), ContentType: ptr("audio/mpeg"), DurationSeconds: ptr(179.9), StoredAt: ptr(at("2025-12-01T10:01:00Z"))},
		Version: 3, FirstSeenAt: at("2025-12-01T10:00:00Z"), ChangedAt: at("2025-12-01T10:00:00Z"), Metadata: json.RawMessage(`{"queue":"north"}`),
	}
	f.add(call.Record{Call: full, Parts: parts(call.Stored, call.Stored)})
	f.add(call.Record{Call: call.Call{Key: call.Key{Source: "crm", ID: `a/b "ü" ..`}, Source: "crm", Provider: "suresend", ID: `a/b "ü" ..`,
		Version: 1, FirstSeenAt: at("2025-11-30T10:00:00Z"), ChangedAt: at("2025-11-30T10:00:00Z")}, Parts: parts(call.Pending, call.None)})
	f.write(t, "recordings/crm/2025/12/01/093000_c1_0a1b.mp3", "0123456789")
	f.hits = []call.Hit{{Call: f.records[f.order[0]].Call, Score: 2.5, Snippets: []call.Snippet{
		{Part: "transcript", Turn: ptr(1), Speaker: ptr(call.SpeakerCustomer), Text: "What does it cost?", Marks: [][2]int{{13, 17}}, StartSeconds: ptr(2.25)}}}}
	f.gaps = []call.Gap{
		{Key: f.order[1], Part: call.PartTranscript, State: call.Pending, Reason: ptr("not_ready"), NextTry: ptr(at("2025-12-01T11:00:00Z")), Attempts: 2},
		{Key: f.order[0], Part: call.PartRecording, State: call.Lost, Reason: ptr("expired"), Deadline: ptr(at("2025-12-01T11:00:00Z")),
			Acknowledged: &call.Acknowledgement{At: at("2025-12-01T12:00:00Z"), Reason: "known"}},
	}
	f.happen(f.order[0], call.ChangeNew)
	f.happen(f.order[1], call.ChangeNew)
	return f
}

func parts(transcript, recording call.State) call.Parts {
	return call.Parts{Record: call.Part{State: call.Stored}, Transcript: call.Part{State: transcript},
		Summary: call.Part{State: call.Stored}, Recording: call.Part{State: recording}}
}

func (f *fake) add(r call.Record) {
	r.Mirror()
	f.records[r.Call.Key] = r
	f.order = append(f.order, r.Call.Key)
}

func (f *fake) write(t testing.TB, file, content string) {
	t.Helper()
	name := filepath.Join(f.dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// handler is the API over f; what it logs goes to log when given.
func (f *fake) handler(log io.Writer) http.Handler {
	if log == nil {
		log = io.Discard
	}
	return New(Options{
		Store: f, Searcher: f, Media: f, Control: f, Statistician: f, Token: testToken, Hosts: []string{testHost, "localhost:7411"},
		InstallID: testInstall, Version: "1.2.3",
		Log: slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
}

// request is a well-behaved request, for a test to spoil.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = testHost
	r.Header.Set("Authorization", "Bearer "+testToken)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func ask(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// askProblem expects a problem document with this status.
func askProblem(t *testing.T, h http.Handler, r *http.Request, status int) problem {
	t.Helper()
	w := ask(h, r)
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%s %s: %d, not a problem document: %q", r.Method, r.RequestURI, w.Code, w.Body)
	}
	if w.Code != status || p.Status != status || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%s %.200s: status %d, in the document %d, type %s, want %d: %s", r.Method, r.RequestURI, w.Code, p.Status, w.Header().Get("Content-Type"), status, w.Body)
	}
	if p.Title == "" || p.Detail == "" || p.Type != "about:blank" {
		t.Errorf("%s %s: incomplete problem %s", r.Method, r.RequestURI, w.Body)
	}
	return p
}
