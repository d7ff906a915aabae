package callsync

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/store"
	"callsyncd/store/media"
	"callsyncd/sync/download"
)

// fakeVendor is a Provider over calls in memory: a newest-first list with a
// transcript step, whose behaviour tests change under way.
type fakeVendor struct {
	mu       sync.Mutex
	calls    []*fakeCall // in list order
	paging   call.Paging
	order    call.Order
	window   bool
	noTotal  bool
	ignore   bool             // ignore time windows
	onList   func(number int) // called before each list answer, without the lock
	failList func(number int) error
	total    func(n int) int
	lists    int
	fetches  int
	relinks  int
	noCursor bool
	// keepsAnswering lets hidden calls answer when they are asked for by id.
	keepsAnswering bool
	hidden         []*fakeCall
	// linkTo makes the recording links, by how often links were renewed; nil for
	// those of a host that fakeMedia plays.
	linkTo func(id string, relinks int) string
	// linkLife is how long links live; nil for an hour.
	linkLife func(id string) time.Duration
	ahead    time.Duration // of the vendor's clock
	// plain is a description that knows of one recording only.
	plain bool
}

type fakeCall struct {
	ID         string    `json:"id"`
	Created    time.Time `json:"created"`
	Rev        int       `json:"rev"`
	Transcript string    `json:"-"`
	Promised   bool      `json:"promised"` // the flag says that a transcript exists
	Recording  bool      `json:"recording"`
	Status     string    `json:"status"`
	// Audio is what the vendor says of a recording whose address it does not show; empty means that there is none.
	Audio call.Evidence `json:"audio,omitempty"`
	// Mark identifies the recording, if anything does; its content is Sound. Neither changes the fingerprint.
	Mark  string  `json:"mark,omitempty"`
	Sound string  `json:"-"`
	Secs  float64 `json:"secs,omitempty"`
	// Legs are its further recordings.
	Legs []fakeLeg `json:"legs,omitempty"`
}

// fakeLeg is a further recording; it says the link and its label.
type fakeLeg struct {
	Label     string `json:"label"`
	Nowhere   bool   `json:"nowhere"` // it has no address
	Unsettled bool   `json:"unsettled"`
}

func (v *fakeVendor) Info() call.ProviderInfo {
	return call.ProviderInfo{
		Name: "fake", Paging: v.paging, FirstPage: 1, PageSize: 10, MinSize: 10, Order: v.order,
		Window: v.window, WindowOverlap: time.Hour, Mapping: fmt.Sprint(v.plain),
	}
}

func (v *fakeVendor) List(_ context.Context, req call.ListRequest) (call.Page, error) {
	v.mu.Lock()
	v.lists++
	n := v.lists
	v.mu.Unlock()
	if v.onList != nil {
		v.onList(n)
	}
	if v.failList != nil {
		if err := v.failList(n); err != nil {
			return call.Page{}, err
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	rows := v.calls
	if req.Window != nil && !v.ignore {
		rows = slices.DeleteFunc(slices.Clone(rows), func(c *fakeCall) bool { return c.Created.Before(req.Window.From) })
	}
	from := req.Position.Offset
	switch v.paging {
	case call.PagingPage:
		from = (req.Position.Page - 1) * req.Size
	case call.PagingCursor:
		_, _ = fmt.Sscanf(req.Position.Cursor, "after-%d", &from)
	}
	from = min(from, len(rows))
	to := min(from+req.Size, len(rows))
	page := call.Page{FetchedAt: time.Now().Add(v.ahead)}
	for _, c := range rows[from:to] {
		body, _ := json.Marshal(c)
		unmarked := *c
		unmarked.Mark = ""
		plain, _ := json.Marshal(&unmarked)
		sum := sha256.Sum256(plain)
		page.Items = append(page.Items, call.Item{ID: call.ID(c.ID), Body: body, Fingerprint: hex.EncodeToString(sum[:]), CreatedAt: c.Created})
	}
	if !v.noTotal {
		total := len(rows)
		if v.total != nil {
			total = v.total(total)
		}
		page.Total = &total
	}
	if v.paging == call.PagingCursor && to < len(rows) {
		page.Next = &call.Position{Cursor: fmt.Sprintf("after-%d", to)}
		if v.noCursor {
			page.Next.Cursor = "after-10"
		}
	}
	return page, nil
}

func (v *fakeVendor) find(docs call.Documents) (*fakeCall, fakeCall) {
	var listed fakeCall
	_ = json.Unmarshal(docs[call.DocumentList].Body, &listed)
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.calls
	if v.keepsAnswering {
		known = append(slices.Clone(known), v.hidden...)
	}
	for _, c := range known {
		if c.ID == listed.ID {
			return c, listed
		}
	}
	return nil, listed
}

func (v *fakeVendor) Wanted(docs call.Documents, _ map[string]string) (string, bool) {
	_, listed := v.find(docs)
	_, have := docs["transcript"]
	return "transcript", listed.Promised && !have
}

func (v *fakeVendor) Fetch(_ context.Context, _ string, docs call.Documents) (call.Document, error) {
	c, _ := v.find(docs)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fetches++
	if c == nil || c.Transcript == "" {
		return call.Document{Status: 404, Body: json.RawMessage(`"none"`), FetchedAt: time.Now()}, nil
	}
	body, _ := json.Marshal(c.Transcript)
	return call.Document{Body: body, FetchedAt: time.Now()}, nil
}

func (v *fakeVendor) Learn(call.Documents, map[string]string) bool { return false }

func (v *fakeVendor) Renew(part call.PartName, _ call.Documents) []string {
	if part == call.PartTranscript {
		return []string{"transcript"}
	}
	return nil
}

func (v *fakeVendor) Fingerprint(name string, body json.RawMessage) (string, error) {
	if name == call.DocumentList {
		var c fakeCall
		_ = json.Unmarshal(body, &c)
		c.Mark = ""
		body, _ = json.Marshal(&c)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

func (v *fakeVendor) Map(docs call.Documents) (call.Mapped, error) {
	_, listed := v.find(docs)
	created := listed.Created
	status := call.Status(listed.Status)
	m := call.Mapped{Call: call.Call{ID: call.ID(listed.ID), CreatedAt: &created, StartedAt: &created, Status: &status, Metadata: json.RawMessage(`{}`)}}
	if listed.Secs > 0 {
		m.Call.DurationSeconds = &listed.Secs
	}
	m.RecordingMark = markOf(&listed)
	for _, leg := range listed.Legs {
		if v.plain {
			break
		}
		says := call.PartEvidence{Evidence: call.EvidencePresent}
		if leg.Nowhere {
			says = call.PartEvidence{Evidence: call.EvidencePromised, Reason: "not_ready"}
		}
		m.Further = append(m.Further, call.FurtherEvidence{Label: leg.Label, PartEvidence: says})
	}
	m.Summary = call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: "flag"}
	m.Transcript = call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: "flag"}
	m.Recording = call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: "flag"}
	switch {
	case listed.Recording:
		m.Recording.Evidence = call.EvidencePresent
	case listed.Audio != "":
		m.Recording = call.PartEvidence{Evidence: listed.Audio}
	}
	if listed.Promised {
		m.Transcript = call.PartEvidence{Evidence: call.EvidencePromised, Reason: "http_404"}
	}
	if doc, ok := docs["transcript"]; ok && doc.Status == 0 {
		var text string
		_ = json.Unmarshal(doc.Body, &text)
		m.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: text}}
		m.TranscriptFrom, m.Transcript = "transcript", call.PartEvidence{Evidence: call.EvidencePresent}
	}
	return m, nil
}

func (v *fakeVendor) Link(docs call.Documents) (call.RecordingLink, bool) {
	doc := docs[call.DocumentList]
	_, listed := v.find(docs)
	url := fmt.Sprintf("https://media.example/%s?%d", listed.ID, doc.FetchedAt.Unix())
	if v.linkTo != nil {
		v.mu.Lock()
		url = v.linkTo(listed.ID, v.relinks)
		v.mu.Unlock()
	}
	life := time.Hour
	if v.linkLife != nil {
		life = v.linkLife(listed.ID)
	}
	link := call.RecordingLink{URL: call.SignedURL(url), FetchedAt: doc.FetchedAt, ExpiresAt: doc.FetchedAt.Add(life), Mark: markOf(&listed), Further: map[string]call.RecordingLink{}}
	for _, leg := range listed.Legs {
		if !leg.Nowhere {
			one := link
			one.URL, one.Unsettled = call.SignedURL(fmt.Sprintf("https://media.example/%s.%s?%d", listed.ID, leg.Label, doc.FetchedAt.Unix())), leg.Unsettled
			one.Mark, one.Further = "", nil
			link.Further[leg.Label] = one
		}
	}
	return link, listed.Recording
}

func markOf(c *fakeCall) string {
	if c.Mark == "" || !c.Recording {
		return ""
	}
	return call.DocumentList + ":" + c.Mark
}

func (v *fakeVendor) Relink(_ context.Context, docs call.Documents) (call.Documents, error) {
	c, _ := v.find(docs)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.relinks++
	if c == nil {
		return nil, call.ErrNotFound
	}
	body, _ := json.Marshal(c)
	return call.Documents{call.DocumentList: {Body: body, FetchedAt: time.Now().Add(v.ahead)}}, nil
}

func (v *fakeVendor) FetchLookup(context.Context, string) (call.LookupTable, error) {
	return call.LookupTable{}, call.ErrNotFound
}
func (v *fakeVendor) SetLookup(call.LookupTable) {}
func (v *fakeVendor) Missed() []string           { return nil }

// fakeMedia is a media host and disk in one.
type fakeMedia struct {
	mu     sync.Mutex
	get    func(url string) error
	gets   int
	stored map[call.Key]string
	found  map[call.Key][]call.Found // files on disk
	// sound is what the host sends, and how many seconds it lasts; nil for the link itself, of unknown length.
	sound func(url string) (content string, seconds float64)
	// endUnproved bodies end without a word; end is what they say themselves.
	endUnproved bool
	end         call.FileEnd
}

func (m *fakeMedia) Get(_ context.Context, url call.SignedURL, _ call.MediaPart) (io.ReadCloser, call.MediaExpect, error) {
	m.mu.Lock()
	m.gets++
	get := m.get
	m.mu.Unlock()
	if get != nil {
		if err := get(url.Reveal()); err != nil {
			return nil, call.MediaExpect{}, err
		}
	}
	content := url.Reveal()
	if m.sound != nil {
		content, _ = m.sound(content)
	}
	return io.NopCloser(bytes.NewReader([]byte(content))), call.MediaExpect{SizeBytes: -1, EndUnproved: m.endUnproved}, nil
}

func (m *fakeMedia) Put(_ context.Context, key call.Key, _ time.Time, body io.Reader, expect call.MediaExpect) (call.Recording, error) {
	b, err := io.ReadAll(body)
	if err != nil {
		return call.Recording{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if expect.Label == "" {
		m.stored[key] = string(b)
	}
	hash := sha256.Sum256(b)
	sum := hex.EncodeToString(hash[:])
	file, size, now := "recordings/"+string(key.ID)+expect.Label, int64(len(b)), time.Now()
	r := call.Recording{File: &file, SizeBytes: &size, SHA256: &sum, StoredAt: &now}
	if m.sound != nil {
		file += "_" + sum[:4]
		_, seconds := m.sound("/" + string(key.ID) + "?")
		r.DurationSeconds = &seconds
	}
	if expect.Accept != nil && !expect.Accept(call.Heard{Seconds: r.DurationSeconds, SHA256: sum, End: m.end}) {
		return call.Recording{}, oddLength{}
	}
	if m.found == nil {
		m.found = make(map[call.Key][]call.Found)
	}
	m.found[key] = append(m.found[key], call.Found{Recording: r, End: m.end})
	return r, nil
}

func (m *fakeMedia) Find(_ context.Context, key call.Key, _ time.Time) ([]call.Found, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.found[key], nil
}

// oddLength is the answer to a recording that was not accepted.
type oddLength struct{}

func (oddLength) Error() string      { return "the audio is not as long as the call" }
func (oddLength) PartReason() string { return "length" }
func (oddLength) Unwrap() error      { return call.ErrCorrupt }

func (m *fakeMedia) Part(call.Key, string) call.MediaPart { return call.MediaPart{} }
func (m *fakeMedia) Forget(call.Key)                      {}

// bench is one engine over a fake vendor and a real store.
type testbed struct {
	ahead  time.Duration // of the store's clock
	t      *testing.T
	vendor *fakeVendor
	media  *fakeMedia
	store  *store.Store
	folder string // of the store
	engine *Engine
	source Source
	// disk and download take the place of media when set.
	disk     Media
	download Downloader
}

// newBed makes n calls, one an hour into the past, newest first.
func newBed(t *testing.T, n int) *testbed {
	v := &fakeVendor{paging: call.PagingPage, order: call.OrderUnknown}
	for i := range n {
		v.calls = append(v.calls, &fakeCall{ID: fmt.Sprintf("c%03d", n-i), Created: time.Now().Add(-time.Duration(i+1) * time.Hour).UTC(), Status: "completed"})
	}
	b := &testbed{t: t, vendor: v, media: &fakeMedia{stored: make(map[call.Key]string)}}
	b.folder = t.TempDir()
	b.openStore()
	b.source = Source{ID: "crm", Provider: v, Horizon: 72 * time.Hour, Concurrency: 3, Recordings: true}
	b.restart()
	t.Cleanup(func() {
		result, err := b.store.Check(context.Background())
		if err != nil || len(result.Findings) > 0 {
			t.Errorf("store check: %v %v", err, result.Findings)
		}
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *testbed) openStore() {
	b.t.Helper()
	var err error
	b.store, err = store.Open(b.folder, store.Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return time.Now().Add(b.ahead) }})
	if err != nil {
		b.t.Fatal(err)
	}
}

// restart makes a new engine on the same store, as a new process would.
func (b *testbed) restart() {
	b.t.Helper()
	b.source.Budget = NewBudget("crm", nil, time.Minute)
	var disk Media = b.media
	var down Downloader = b.media
	if b.disk != nil {
		disk, down = b.disk, b.download
	}
	engine, err := New(b.t.Context(), b.source, Options{
		Store: b.store, Media: disk, Download: down, Slots: NewSlots(2, 0, call.RealClock{}), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.engine = engine
}

// realMedia lets the engine work with a real folder of recordings and the real
// client, which may reach host.
func (b *testbed) realMedia(o media.Options, host string) *media.Archive {
	b.t.Helper()
	archive, err := media.Open(b.t.TempDir(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	client, err := download.New(download.Options{Allow: []string{host}})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		client.Close()
		if err := archive.Close(); err != nil {
			b.t.Error(err)
		}
	})
	b.disk, b.download = archive, realDownloads{client}
	b.restart()
	return archive
}

func (b *testbed) round(full bool) call.SourceReport {
	b.t.Helper()
	return b.engine.Round(b.t.Context(), full)
}

func (b *testbed) mustRound(full bool) call.SourceReport {
	b.t.Helper()
	r := b.round(full)
	if !r.Complete {
		b.t.Fatalf("not complete: %+v", r)
	}
	return r
}

func (b *testbed) held() int {
	b.t.Helper()
	counts, err := b.store.Counts(b.t.Context(), "crm")
	if err != nil {
		b.t.Fatal(err)
	}
	return counts.Calls
}

func (b *testbed) load(id call.ID) call.Record {
	b.t.Helper()
	r, err := b.store.Load(b.t.Context(), call.Key{Source: "crm", ID: id})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// add puts a call in front of the list.
func (v *fakeVendor) add(c *fakeCall) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = append([]*fakeCall{c}, v.calls...)
}

func (v *fakeVendor) remove(i int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls = slices.Delete(slices.Clone(v.calls), i, i+1)
}

func (v *fakeVendor) edit(fn func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	fn()
}

// hide takes a call from the list; show puts it back.
func (v *fakeVendor) hide(c *fakeCall) {
	v.edit(func() {
		v.calls = slices.DeleteFunc(slices.Clone(v.calls), func(x *fakeCall) bool { return x == c })
		v.hidden = append(v.hidden, c)
	})
}

func (v *fakeVendor) show(c *fakeCall, at int) {
	v.edit(func() { v.calls = slices.Insert(slices.Clone(v.calls), at, c) })
}
