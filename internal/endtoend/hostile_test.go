package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
)

// What must never be seen again once it was sent.
const (
	canaryToken     = "cnry-token-5b1f0c2e9d7a4436"
	canarySignature = "cnry-signature-0f8e7d6c5b4a"
)

// rogue is one account at a hostile vendor. It behaves like Call Camp, unless
// told otherwise: every handler that is set takes the place of the good one.
type rogue struct {
	name     string
	provider string           // built-in description; empty means callcamp
	settings string           // further lines of the source's configuration
	allow    []string         // further hosts recordings may be at
	calls    []map[string]any // the rows of the list
	list     func(w http.ResponseWriter, r *http.Request, page int)
	one      handler // everything else of the API
	media    handler

	requests, downloads atomic.Int64
	stage               *hostile
}

// add gives the account one more call, with a recording at the media host and
// what changes puts over it.
func (r *rogue) add(id any, changes map[string]any) {
	row := map[string]any{
		"uuid": id, "status": "completed", "direction": "inbound", "duration": 2, "summary": "A call about tea.",
		"createdAt":    time.Now().Add(-time.Duration(100+len(r.calls)) * time.Minute).UTC().Format(time.RFC3339),
		"transcript":   []map[string]string{{"role": "assistant", "text": "Good morning."}, {"role": "user", "text": "Tea, please."}},
		"recordingUrl": r.mediaURL(fmt.Sprint(id)),
	}
	for name, value := range changes {
		row[name] = value
	}
	r.calls = append(r.calls, row)
}

func (r *rogue) mediaURL(id string) string {
	return r.stage.media.URL + "/" + r.name + "/" + url.PathEscape(id) + "?X-Signature=" + canarySignature
}

// hostile is the machine all these accounts are at, and its media host.
type hostile struct {
	api, media *httptest.Server
	rogues     map[string]*rogue
	names      []string // of the rogues, in order

	mu    sync.Mutex
	leaks []string // what the media host was sent and must not be

	root, dir, config string // the data folder, dir, is all that may change below root
	vendors           string // a folder for vendor descriptions
	logs              bytes.Buffer
}

func newHostile(t testing.TB) *hostile {
	t.Helper()
	h := &hostile{rogues: make(map[string]*rogue)}
	h.api = httptest.NewServer(http.HandlerFunc(h.serveAPI))
	h.media = httptest.NewServer(http.HandlerFunc(h.serveMedia))
	t.Cleanup(func() {
		for _, s := range []*httptest.Server{h.api, h.media} {
			s.CloseClientConnections()
			s.Close()
		}
	})
	h.root, h.vendors = t.TempDir(), t.TempDir()
	h.dir, h.config = filepath.Join(h.root, "data"), filepath.Join(h.root, "config.yaml")
	return h
}

// rogue returns the account of this name, making it on first use.
func (h *hostile) rogue(name string) *rogue {
	if r := h.rogues[name]; r != nil {
		return r
	}
	r := &rogue{name: name, provider: "callcamp", stage: h}
	h.rogues[name] = r
	h.names = append(h.names, name)
	return r
}

func (h *hostile) serveAPI(w http.ResponseWriter, req *http.Request) {
	name, rest, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	r := h.rogues[name]
	if r == nil {
		http.NotFound(w, req)
		return
	}
	r.requests.Add(1)
	switch {
	case rest == "calls" && r.list != nil:
		page, _ := strconv.Atoi(req.URL.Query().Get("page"))
		r.list(w, req, page)
	case rest == "calls":
		answerJSON(w, r.page(req))
	case r.one != nil:
		r.one(w, req)
	case strings.HasPrefix(rest, "calls/"):
		r.serveOne(w, strings.TrimPrefix(rest, "calls/"))
	default: // tables of names
		answerJSON(w, map[string]any{rest: []any{}, "data": []any{}, "total": 0, "limit": 100})
	}
}

// page is one page of the list, as a good vendor would show it.
func (r *rogue) page(req *http.Request) map[string]any {
	page, _ := strconv.Atoi(req.URL.Query().Get("page"))
	limit, _ := strconv.Atoi(req.URL.Query().Get("limit"))
	from := min(len(r.calls), max(0, (page-1)*limit))
	to := min(len(r.calls), from+limit)
	return map[string]any{"calls": r.calls[from:to], "total": len(r.calls), "limit": limit, "page": page}
}

func (r *rogue) serveOne(w http.ResponseWriter, id string) {
	i := slices.IndexFunc(r.calls, func(row map[string]any) bool { return fmt.Sprint(row["uuid"]) == id })
	if i < 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answerJSON(w, r.calls[i])
}

// serveMedia serves sound. Whoever comes with a credential is noted.
func (h *hostile) serveMedia(w http.ResponseWriter, req *http.Request) {
	for name, values := range req.Header {
		if strings.Contains(strings.Join(values, " "), canaryToken) || slices.Contains([]string{"Authorization", "Cookie", "Referer", "X-Api-Key"}, name) {
			h.mu.Lock()
			h.leaks = append(h.leaks, name+" at "+req.URL.Path)
			h.mu.Unlock()
		}
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
	r := h.rogues[name]
	switch {
	case r == nil:
		http.NotFound(w, req)
	case r.media != nil:
		r.downloads.Add(1)
		r.media(w, req)
	default:
		r.downloads.Add(1)
		w.Header().Set("Content-Type", "audio/wav")
		_, _ = w.Write(sound(2))
	}
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// sound is a WAV file of some seconds of silence.
func sound(seconds int) []byte {
	const rate = 8000
	n := uint32(seconds * rate)
	le := func(v uint32) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)} }
	b := slices.Concat([]byte("RIFF"), le(36+n), []byte("WAVEfmt "), le(16), []byte{1, 0, 1, 0}, le(rate), le(rate), []byte{1, 0, 8, 0}, []byte("data"), le(n))
	return append(b, bytes.Repeat([]byte{0x80}, int(n))...)
}

// open writes the configuration and opens the archive.
func (h *hostile) open(t testing.TB) *service.Archive {
	t.Helper()
	a, err := service.Open(context.Background(), h.options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (h *hostile) options(t testing.TB) service.Options {
	t.Helper()
	if err := os.WriteFile(h.config, []byte(h.yaml(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(h.config, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&h.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return service.Options{Config: cfg, Log: log, Version: "test"}
}

func (h *hostile) yaml(t testing.TB) string {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(canaryToken), 0o600); err != nil {
		t.Fatal(err)
	}
	var y strings.Builder
	fmt.Fprintf(&y, "data_dir: %s\napi: {listen: 127.0.0.1:0}\nrecordings: {min_free: 1MB}\nsources:\n", h.dir)
	for _, name := range h.names {
		r := h.rogues[name]
		fmt.Fprintf(&y, "  - name: %s\n    provider: %s\n", name, r.provider)
		if !strings.Contains(r.settings, "base_url:") {
			fmt.Fprintf(&y, "    base_url: %s/%s\n", h.api.URL, name)
		}
		if r.provider == "agentvoice" {
			fmt.Fprintf(&y, "    credentials: {api_key: file:%s, organization_id: file:%s}\n", token, token)
		} else {
			fmt.Fprintf(&y, "    credentials: {token: file:%s}\n", token)
		}
		if !strings.Contains(r.settings, "budgets:") {
			fmt.Fprintf(&y, "    budgets: [{requests: 100000, per: minute}]\n")
		}
		allow := append([]string{strings.TrimPrefix(h.media.URL, "http://")}, r.allow...)
		fmt.Fprintf(&y, "    allow_private_hosts: [\"%s\"]\n%s", strings.Join(allow, `","`), r.settings)
	}
	return y.String()
}

// outcome is what a round made of one account.
type outcome struct {
	rogue  *rogue
	report call.SourceReport
	status call.SourceStatus
	calls  map[call.ID]client.Call
}

// recording is the state and reason of a call's recording.
func (o *outcome) recording(t *testing.T, id string) string {
	t.Helper()
	c, ok := o.calls[call.ID(id)]
	if !ok {
		t.Fatalf("call %q is not stored", id)
	}
	part := c.Details[call.PartRecording]
	if part.Reason == nil {
		return string(part.State)
	}
	return string(part.State) + " " + *part.Reason
}

// round syncs everybody once and reads back, through the API, what came of it.
func (h *hostile) round(t testing.TB, a *service.Archive) map[string]*outcome {
	t.Helper()
	out := make(map[string]*outcome)
	for _, r := range syncAll(t, a, false).Sources {
		out[string(r.Source)] = &outcome{rogue: h.rogues[string(r.Source)], report: r, calls: make(map[call.ID]client.Call)}
	}
	c := client.New("http://callsyncd.local", a.Token(), client.InProcess(a.Handler()))
	status, err := c.Status(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	h.seek(t, "the status", status.Body)
	for _, s := range status.Value.Sources {
		out[string(s.Name)].status = s
	}
	o := client.ListOptions{ListQuery: call.ListQuery{Limit: 200}, Show: client.Show{Fields: "full", Include: []string{"parts"}}}
	if err := c.AllCalls(context.Background(), o, func(got client.Call) error {
		out[string(got.Source)].calls[got.ID] = got
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// seek fails when a canary is in what callsyncd says or keeps.
func (h *hostile) seek(t testing.TB, where string, content []byte) {
	t.Helper()
	for _, canary := range []string{canaryToken, canarySignature} {
		if i := bytes.Index(content, []byte(canary)); i >= 0 {
			t.Errorf("%s shows %s: %.300q", where, canary, content[max(0, i-100):])
		}
	}
}

// seekAll looks for canaries in the log, in every answer of the API about every
// call, and in every file; and for files where none should be.
func (h *hostile) seekAll(t testing.TB, a *service.Archive) {
	t.Helper()
	h.seek(t, "the log", h.logs.Bytes())
	h.seekAnswers(t, a)
	err := filepath.WalkDir(h.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if inside := strings.HasPrefix(path, h.dir+string(filepath.Separator)); !inside && path != h.config {
			t.Errorf("%s was written outside the data folder", path)
		}
		content, err := os.ReadFile(path)
		h.seek(t, path, content)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.leaks) > 0 {
		t.Errorf("the media host was sent: %q", h.leaks)
	}
}

// seekAnswers asks the API for everything it tells. Only the vendor's own
// documents may show a signature: they are kept as they came.
func (h *hostile) seekAnswers(t testing.TB, a *service.Archive) {
	t.Helper()
	c, ctx := client.New("http://callsyncd.local", a.Token(), client.InProcess(a.Handler())), context.Background()
	look := func(where string, body []byte, err error) {
		if err != nil {
			t.Errorf("%s: %v", where, err)
		}
		h.seek(t, where, body)
	}
	for key := range fromArchive(t, a) {
		shown, err := c.Call(ctx, key, client.Show{Include: []string{"transcript", "metadata", "parts"}})
		look(key.String(), shown.Body, err)
		life, err := c.History(ctx, key)
		look(key.String()+" history", life.Body, err)
		raw, err := c.Call(ctx, key, client.Show{Include: []string{"raw", "versions"}})
		look(key.String()+" raw", bytes.ReplaceAll(raw.Body, []byte(canarySignature), nil), err)
	}
	for _, path := range []string{"/v1/gaps?limit=200", "/v1/stats", "/v1/changes?since=0", "/v1/statements", "/metrics", "/v1/search?q=tea&limit=200"} {
		req := httptest.NewRequest(http.MethodGet, path, nil)
		req.Host = "callsyncd.local"
		req.Header.Set("Authorization", "Bearer "+a.Token().Reveal())
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		h.seek(t, path, w.Body.Bytes())
	}
}
