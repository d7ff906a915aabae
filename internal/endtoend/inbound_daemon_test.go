//go:build unix

package endtoend

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
)

const (
	// canary is in a transcript and a summary of every vendor. It may be read
	// through the API; in a log it proves a leak.
	canary = "canary-spoken-5550142"
	// hostileText takes the place of a sentence the simulator often says.
	hostileText = `</title><script>alert(1)</script><img src=x onerror=alert(1)><svg onload=alert(1)> javascript:alert(1) ` +
		"\u202egnp.exe\u202c " + canary + " kettle"
	sentence = "How can I help you?"
)

// lines is a log that is written to and read at the same time.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// from is what was written after the first n bytes.
func (l *lines) from(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text.Bytes()[n:])
}

func (l *lines) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Len()
}

// inbound is a running daemon that is attacked over real sockets.
type inbound struct {
	*bed
	logs    *lines
	address string
	token   string
	secrets []string // of the vendors, and the token
	client  *client.Client
	ended   chan error

	mu    sync.Mutex
	asked int // requests that reach a handler, and so the log
}

// hostileVendors lets everybody at the vendors say hostileText.
func hostileVendors(t testing.TB, b *bed) {
	t.Helper()
	said, err := json.Marshal(hostileText)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(b.config)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for _, v := range b.sim.Vendors() {
		inner := b.sim.Handler(v.Name)
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			inner.ServeHTTP(answer, r)
			maps.Copy(w.Header(), answer.Header())
			w.Header().Del("Content-Length")
			w.WriteHeader(answer.Code)
			_, _ = w.Write(bytes.ReplaceAll(answer.Body.Bytes(), []byte(sentence), said[1:len(said)-1]))
		}))
		t.Cleanup(proxy.Close)
		base := strings.Index(v.BaseURL, "//") + 2
		path := v.BaseURL[base+strings.IndexByte(v.BaseURL[base:]+"/", '/'):]
		changed = strings.Replace(changed, "base_url: "+v.BaseURL, "base_url: "+proxy.URL+path, 1)
	}
	if err := os.WriteFile(b.config, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startInbound runs the daemon until the test ends and waits until it has
// everything its vendors have.
func startInbound(t testing.TB, b *bed) *inbound {
	t.Helper()
	d := &inbound{bed: b, logs: &lines{}, ended: make(chan error, 1)}
	o := b.options(t)
	o.Log = slog.New(slog.NewJSONHandler(d.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan string, 1)
	go func() { d.ended <- service.Run(ctx, o, func(address string) { ready <- address }) }()
	select {
	case d.address = <-ready:
	case err := <-d.ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-d.ended; err != nil {
			t.Error(err)
		}
	})
	token, err := os.ReadFile(filepath.Join(b.dir, "api-token"))
	if err != nil {
		t.Fatal(err)
	}
	d.token = strings.TrimSpace(string(token))
	d.secrets = []string{d.token}
	for _, v := range b.sim.Vendors() {
		for name, secret := range v.Credentials {
			if !strings.Contains(name, "organization") { // an id
				d.secrets = append(d.secrets, secret)
			}
		}
	}
	d.client = client.New("http://"+d.address, call.Secret(d.token), &http.Transport{DisableKeepAlives: true}) // connections are few
	d.settle(t)
	return d
}

// settle waits until nothing is under way any more.
func (d *inbound) settle(t testing.TB) {
	t.Helper()
	awaitFor(t, 20*time.Minute, "the daemon to settle", func() bool {
		status, err := d.client.Status(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		d.count(1)
		quiet := status.Value.Index.State == "ready" && status.Value.Index.Lag == 0
		for _, s := range status.Value.Sources {
			quiet = quiet && s.BackfillDone && s.State == "idle" && s.Counts.Pending[call.PartRecording] == 0
		}
		return quiet
	})
}

func (d *inbound) count(n int) {
	d.mu.Lock()
	d.asked += n
	d.mu.Unlock()
}

// state is what no refused request may change.
type state struct {
	changes int
	files   map[string]string
}

func (d *inbound) state(t testing.TB) state {
	t.Helper()
	s := state{files: map[string]string{}}
	for since := uint64(0); ; {
		d.count(1)
		feed, err := d.client.Changes(context.Background(), since, 200, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(feed.Value.Data) == 0 {
			break
		}
		s.changes, since = s.changes+len(feed.Value.Data), feed.Value.Next
	}
	err := filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() && entry.Name() == "index" { // a cache that tidies itself
			return cmp.Or(err, fs.SkipDir)
		}
		info, err := entry.Info()
		if err != nil || entry.IsDir() {
			return err
		}
		s.files[path] = fmt.Sprint(info.Mode(), info.Size(), info.ModTime())
		if filepath.Dir(path) == d.dir {
			content, err := os.ReadFile(path)
			s.files[path] += fmt.Sprintf(" %x", sha256.Sum256(content))
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request is written byte by byte as it is given; the zero value of a field
// is what a good client sends.
type request struct {
	method, target, host string
	version              string
	header               []string // whole lines
	noToken              bool
	body                 string
	noHost               bool
}

func (d *inbound) text(r request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s\r\n", cmp.Or(r.method, "GET"), cmp.Or(r.target, "/v1/calls"), cmp.Or(r.version, "HTTP/1.1"))
	if !r.noHost {
		fmt.Fprintf(&b, "Host: %s\r\n", cmp.Or(r.host, d.address))
	}
	if !r.noToken {
		fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", d.token)
	}
	if r.body != "" && !slices.ContainsFunc(r.header, func(h string) bool { return strings.HasPrefix(h, "Content-Type:") }) {
		b.WriteString("Content-Type: application/json\r\n")
	}
	if r.body != "" && !slices.ContainsFunc(r.header, func(h string) bool { return strings.HasPrefix(h, "Transfer-Encoding:") }) {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(r.body))
	}
	for _, h := range r.header {
		b.WriteString(h + "\r\n")
	}
	b.WriteString("Connection: close\r\n\r\n" + r.body)
	return b.String()
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	closed bool // the daemon ends the connection
}

// send writes a request to a connection of its own and reads the answer, whose
// status is 0 when the daemon cut the connection: what it had not read yet
// then also takes away the answer.
func (d *inbound) send(t testing.TB, text string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", d.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	go func() { _, _ = io.WriteString(conn, text) }() // the daemon may answer before it has read all
	method, _, _ := strings.Cut(text, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if errors.Is(err, syscall.ECONNRESET) {
		return answer{closed: true}
	}
	if err != nil {
		t.Fatalf("%.80q: %v", text, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil && !(res.Close && errors.Is(err, syscall.ECONNRESET)) {
		t.Fatalf("%.80q: %v", text, err)
	}
	return answer{res.StatusCode, res.Header, string(body), res.Close}
}

// ask sends a request that a handler sees.
func (d *inbound) ask(t testing.TB, r request) answer {
	t.Helper()
	d.count(1)
	a := d.send(t, d.text(r))
	d.protected(t, r, a)
	return a
}

// refused asks and wants a problem document with one of some statuses.
func (d *inbound) refused(t testing.TB, r request, statuses ...int) answer {
	t.Helper()
	a := d.ask(t, r)
	if !slices.Contains(statuses, a.status) {
		t.Errorf("%s %.80q: status %d, want one of %v: %.200q", r.method, r.target, a.status, statuses, a.body)
	}
	if a.header.Get("Content-Type") != "application/problem+json" || len(a.body) > 8<<10 || r.method != "HEAD" && !json.Valid([]byte(a.body)) {
		t.Errorf("%s %.80q: no problem document: %s %.200q", r.method, r.target, a.header.Get("Content-Type"), a.body)
	}
	if len(a.header.Values("Set-Cookie")) > 0 || strings.Contains(a.body, canary) {
		t.Errorf("%s %.80q: more than a refusal: %v %.200q", r.method, r.target, a.header, a.body)
	}
	if i := strings.IndexFunc(strings.TrimSuffix(a.body, "\n"), unseen); i >= 0 {
		t.Errorf("%s %.80q: raw %q in the answer", r.method, r.target, a.body[i:i+3])
	}
	return a
}

// turnedAway sends what net/http refuses by itself: a short plain text that
// repeats nothing, and the end of the connection.
func (d *inbound) turnedAway(t testing.TB, text string, statuses ...int) {
	t.Helper()
	a := d.send(t, text)
	if a.status == 0 && len(text) > 16<<10 {
		return
	}
	if !slices.Contains(statuses, a.status) || a.header.Get("Content-Type") != "text/plain; charset=utf-8" || !a.closed {
		t.Errorf("%.80q: status %d, want one of %v, %v", text, a.status, statuses, a.header)
	}
	for _, word := range strings.Fields(a.body) {
		if len(a.body) > 80 || strings.Contains(text, word) && len(word) > 6 && word != "Request" && word != "header" && word != "Content-Length" {
			t.Errorf("%.80q: the answer repeats %q: %.200q", text, word, a.body)
		}
	}
}

// unseen are characters that are not seen or move what is.
func unseen(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

// policy is the one content security policy of everything but recordings.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// protected fails the test when an answer lacks a protective header, opens the
// API to other sites, or tells a secret.
func (d *inbound) protected(t testing.TB, r request, a answer) {
	t.Helper()
	want := map[string]string{"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"}
	if strings.HasSuffix(r.target, "/recording") && (a.status < 400 || a.status == 416) {
		want["Content-Security-Policy"] = "sandbox; default-src 'none'"
	}
	for name, value := range want {
		if got := a.header.Values(name); !slices.Equal(got, []string{value}) {
			t.Errorf("%s %.80q: %d with %s %q", r.method, r.target, a.status, name, got)
		}
	}
	for name := range a.header {
		if strings.HasPrefix(name, "Access-Control-") || name == "Server" {
			t.Errorf("%s %.80q: header %s", r.method, r.target, name)
		}
	}
	for _, secret := range d.secrets {
		if strings.Contains(a.body, secret) || strings.Contains(fmt.Sprint(a.header), secret) {
			t.Errorf("%s %.80q: a secret is in the answer", r.method, r.target)
		}
	}
}

// unharmed runs an attack and fails the test unless afterwards everything is
// as it was, every request left one clean line in the log, and the daemon
// answers.
func (d *inbound) unharmed(t *testing.T, attack func(*testing.T)) {
	t.Helper()
	before, log, asked := d.state(t), 0, 0
	await(t, "the log", func() bool { log, asked = d.logs.size(), d.asked; return d.logged(0) == asked })
	attack(t)
	await(t, "one line in the log for each request", func() bool { return d.logged(log) >= d.asked-asked })
	d.clean(t, d.logs.from(log))
	if n := d.logged(log); n != d.asked-asked {
		t.Errorf("%d lines in the log for %d requests:\n%.2000s", n, d.asked-asked, d.logs.from(log))
	}
	after := d.state(t)
	if before.changes != after.changes || !maps.Equal(before.files, after.files) {
		t.Errorf("%d changes became %d; files before %v, after %v", before.changes, after.changes, before.files, after.files)
	}
	if a := d.ask(t, request{target: "/healthz"}); a.status != 200 {
		t.Errorf("afterwards /healthz: %d", a.status)
	}
}

// logged counts the requests in the log after its first n bytes.
func (d *inbound) logged(n int) int { return strings.Count(d.logs.from(n), `"msg":"request"`) }

// clean fails the test when a log tells what it must not.
func (d *inbound) clean(t testing.TB, log string) {
	t.Helper()
	for _, secret := range append([]string{canary, "evil.example", "X-Amz", "token="}, d.secrets...) {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %.20q", secret)
		}
	}
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		if strings.ContainsFunc(line, unseen) || !json.Valid([]byte(line)) || len(line) > 16<<10 {
			t.Errorf("a line of the log is not clean: %.300q", line)
		}
	}
}

// stall is how long the machine may take to make a byte durable before times
// measured on it say nothing about us.
const stall = 300 * time.Millisecond

// quick fails the test when the log after its first n bytes tells of a
// transaction that was open for more than a second, unless the machine itself
// stood still: see probe.
func (d *inbound) quick(t testing.TB, n int, stood time.Duration) {
	t.Helper()
	for line := range strings.Lines(d.logs.from(n)) {
		switch {
		case !strings.Contains(line, "a transaction was open for long"):
		case stood > stall || underRace:
			t.Logf("the machine stood still for up to %s, or the race detector slows it: %s", stood, line)
		default:
			t.Error(line)
		}
	}
}

// probe makes a small file durable again and again, as the archive does, and
// answers at its end how long that took at the most.
func probe(t testing.TB) (end func() time.Duration) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "probe"))
	if err != nil {
		t.Fatal(err)
	}
	stop, longest := make(chan struct{}), make(chan time.Duration)
	go func() {
		most, begin := time.Duration(0), time.Now()
		for {
			select {
			case <-stop:
				longest <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
			if _, err := f.WriteAt([]byte("x"), 0); err != nil || f.Sync() != nil {
				t.Error("the probe cannot write")
			}
			most, begin = max(most, time.Since(begin)-20*time.Millisecond), time.Now()
		}
	}()
	return func() time.Duration {
		close(stop)
		defer f.Close()
		return <-longest
	}
}

// newInbound is a daemon over n calls of each vendor, whose texts are hostile.
func newInbound(t testing.TB, o simulator.Options) *inbound {
	t.Helper()
	b := newBed(t, o)
	hostileVendors(t, b)
	return startInbound(t, b)
}
