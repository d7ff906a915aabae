//go:build unix

package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/simulator"
)

// everywhere are requests of every kind that a header alone must stop.
func everywhere() []request {
	return []request{{}, {method: "POST", target: "/v1/sync", body: "{}"}, {target: "/healthz", noToken: true},
		{target: "/", noToken: true}, {target: "/page/app.js", noToken: true}, {target: "/openapi.json"}, {target: "/metrics"},
		{method: "POST", target: "/v1/session", noToken: true, body: `{"token":"x"}`}}
}

// port puts the port of the daemon where a text says PORT.
func (d *inbound) port(text string) string {
	_, port, _ := strings.Cut(d.address, ":")
	return strings.ReplaceAll(text, "PORT", port)
}

func hosts(names ...string) func(*testing.T, *inbound) {
	return func(t *testing.T, d *inbound) {
		for _, name := range names {
			for _, r := range everywhere() {
				r.host = d.port(name)
				d.refused(t, r, 403)
			}
		}
	}
}

func noHost(t *testing.T, d *inbound) {
	d.refused(t, request{noHost: true, version: "HTTP/1.0"}, 403)
	d.refused(t, request{noHost: true, header: []string{"Host:"}}, 403)
	d.turnedAway(t, d.text(request{noHost: true}), 400)
}

func twoHosts(t *testing.T, d *inbound) {
	d.turnedAway(t, d.text(request{header: []string{"Host: evil.example"}}), 400)
	d.turnedAway(t, d.text(request{header: []string{"Host: " + d.address}}), 400)
	d.turnedAway(t, d.text(request{host: "evil.example/<b>"}), 400)
}

func absoluteForm(t *testing.T, d *inbound) {
	for _, target := range []string{"http://evil.example/v1/calls", "http://" + d.address + "/v1/calls", "https://" + d.address + "/"} {
		d.refused(t, request{target: target}, 400)
		d.refused(t, request{target: target, host: "evil.example"}, 400)
	}
	d.refused(t, request{target: "*"}, 400)
	d.refused(t, request{target: "*", method: "OPTIONS"}, 405)
	d.refused(t, request{target: "evil.example:443", method: "CONNECT"}, 405)
}

// otherNames: a name is ours only in the spelling browsers send.
func otherNames(t *testing.T, d *inbound) {
	hosts("LOCALHOST.:PORT", "LOCALHOST:PORT", "localhost.:PORT", "localhost:PORT.", "localhost%00:PORT")(t, d)
	for _, name := range []string{"localhost:PORT", "127.0.0.1:PORT", "[::1]:PORT"} {
		if a := d.ask(t, request{host: d.port(name)}); a.status != 200 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
}

func otherSite(headers ...string) func(*testing.T, *inbound) {
	return func(t *testing.T, d *inbound) {
		for _, h := range headers {
			for _, r := range everywhere() {
				r.header = append(r.header, d.port(h))
				d.refused(t, r, 403)
			}
		}
		for _, h := range []string{"Origin: http://" + d.address, "Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: none"} {
			if a := d.ask(t, request{header: []string{h}}); a.status != 200 {
				t.Errorf("%s: %d", h, a.status)
			}
		}
	}
}

func foreignForm(t *testing.T, d *inbound) {
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp",
		"application/json, text/plain", "text/plain; application/json", "application/json; charset=utf-16"} {
		for _, target := range []string{"/v1/sync", "/v1/gaps/ack", "/v1/verify", "/v1/reindex", "/v1/session/link", "/v1/session"} {
			d.refused(t, request{method: "POST", target: target, body: "{}", header: []string{"Content-Type: " + media}}, 415)
		}
	}
}

func methodOverride(t *testing.T, d *inbound) {
	plain := d.ask(t, request{})
	for _, h := range []string{"X-HTTP-Method-Override: DELETE", "X-HTTP-Method: POST", "X-Method-Override: PUT"} {
		if a := d.ask(t, request{header: []string{h}}); a.status != 200 || a.body != plain.body {
			t.Errorf("%s: %d", h, a.status)
		}
		d.refused(t, request{target: "/v1/sync", header: []string{h}}, 405)
	}
	d.refused(t, request{target: "/v1/sync?_method=POST"}, 405, 400)
}

func preflight(t *testing.T, d *inbound) {
	for _, target := range []string{"/v1/calls", "/v1/sync", "/", "/nothing"} {
		d.refused(t, request{method: "OPTIONS", target: target, noToken: true, header: []string{"Origin: https://evil.example",
			"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization", "Access-Control-Request-Private-Network: true"}}, 403, 405)
	}
}

func upgrade(t *testing.T, d *inbound) {
	for _, h := range []string{"Upgrade: websocket", "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "Connection: Upgrade"} {
		for _, target := range []string{"/v1/changes", "/", "/healthz"} {
			d.refused(t, request{target: target, header: []string{h, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"}}, 400)
		}
	}
}

func wrongToken(t *testing.T, d *inbound) {
	bearer := func(v string) request { return request{noToken: true, header: []string{"Authorization: " + v}} }
	other := strings.Repeat("A", len(d.token))
	for _, r := range []request{{noToken: true}, bearer("Bearer " + other), bearer("Bearer " + d.token[:len(d.token)-1]), bearer("Bearer"), bearer("Bearer "),
		bearer("Basic " + d.token), bearer(d.token), bearer("Bearer  " + d.token), bearer("Bearer " + strings.ToLower(d.token)),
		{header: []string{"Authorization: Bearer " + d.token}}, {noToken: true, header: []string{"Cookie: callsyncd=" + d.token}},
		{noToken: true, header: []string{"X-Api-Key: " + d.token}}} {
		for _, target := range []string{"/v1/calls", "/metrics", "/openapi.json", "/nothing"} {
			r.target = target
			d.refused(t, r, 401)
		}
	}
	d.refused(t, request{noToken: true, target: "/v1/calls?token=" + d.token}, 401)
	d.refused(t, request{noToken: true, target: "/v1/calls?access_token=" + d.token}, 401)
	// A line end cannot be part of a header's value: what follows is a header
	// of its own, and the space at the end of a value does not count.
	d.turnedAway(t, d.text(bearer("Bearer "+d.token+"\n\x00")), 400)
	near, far := d.token[:len(d.token)-1]+"!", other
	one, two := d.medians(t, near, far)
	if max(one, two) > 2*min(one, two)+time.Millisecond {
		t.Errorf("a token that is nearly right takes %s, another %s", one, two)
	}
	t.Logf("nearly right token %s, another %s", one, two)
}

// medians are how long the refusals of two tokens take, asked with in turn so
// that other work of the machine slows both.
func (d *inbound) medians(t *testing.T, one, two string) (_, _ time.Duration) {
	t.Helper()
	var took [2][]time.Duration
	for range 101 {
		for i, token := range []string{one, two} {
			took[i] = append(took[i], d.refusal(t, token))
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	return took[0][50], took[1][50]
}

// refusal is how long the refusal of a token takes.
func (d *inbound) refusal(t *testing.T, token string) time.Duration {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+d.address+"/v1/calls", nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	begin := time.Now()
	res, err := http.DefaultClient.Do(r)
	took := time.Since(begin)
	d.count(1)
	if err != nil || res.StatusCode != 401 {
		t.Fatal(res, err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return took
}

// link makes a one-time link and answers its secret.
func (d *inbound) link(t testing.TB) string {
	t.Helper()
	a := d.ask(t, request{method: "POST", target: "/v1/session/link", body: "{}"})
	var link struct{ URL string }
	if err := json.Unmarshal([]byte(a.body), &link); err != nil || a.status != 200 {
		t.Fatalf("%d %v", a.status, err)
	}
	base, secret, _ := strings.Cut(link.URL, "#")
	if base != "http://"+d.address+"/" {
		t.Fatalf("the link leads to %s", base)
	}
	return secret
}

func exchange(secret string) request {
	return request{method: "POST", target: "/v1/session", noToken: true, body: fmt.Sprintf(`{"token":%q}`, secret), header: []string{"Sec-Fetch-Site: same-origin"}}
}

// session opens the page as a browser does and answers its cookie.
func (d *inbound) session(t testing.TB) *http.Cookie {
	t.Helper()
	a := d.ask(t, exchange(d.link(t)))
	cookies := (&http.Response{Header: a.header}).Cookies()
	if a.status != 200 || len(cookies) != 1 {
		t.Fatalf("%d, cookies %v", a.status, cookies)
	}
	return cookies[0]
}

// usedLink: that a link ends after 60 seconds is in api, with a clock that can
// be moved: TestLinkAndSessionEnd.
func usedLink(t *testing.T, d *inbound) {
	secret := d.link(t)
	a := d.ask(t, exchange(secret))
	cookie := a.header.Get("Set-Cookie")
	if a.status != 200 || strings.Contains(cookie, secret) || !strings.HasSuffix(cookie, "; Path=/; HttpOnly; SameSite=Strict") || strings.Contains(cookie, "Domain") {
		t.Errorf("%d %s", a.status, cookie)
	}
	d.refused(t, exchange(secret), 401)
	for _, wrong := range []string{"", "x", d.token, strings.Repeat("A", 200), secret + " ", secret[:len(secret)-1]} {
		d.refused(t, exchange(wrong), 401)
	}
	d.refused(t, request{noToken: true, target: "/v1/calls?token=" + d.link(t)}, 401)
	foreign := exchange(d.link(t))
	foreign.header = []string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}
	d.refused(t, foreign, 403)
	if strings.Contains(d.logs.from(0), secret) {
		t.Error("the secret of a link is in the log")
	}
}

func foreignCookie(t *testing.T, d *inbound) {
	other := startInbound(t, newBed(t, simulator.Options{Seed: 32}))
	theirs, ours := other.session(t), d.session(t)
	if theirs.Name == ours.Name || !strings.HasPrefix(ours.Name, "callsyncd-") {
		t.Errorf("cookies %s and %s", theirs.Name, ours.Name)
	}
	for _, cookie := range []string{theirs.Name + "=" + theirs.Value, ours.Name + "=" + theirs.Value, theirs.Name + "=" + ours.Value, "callsyncd=" + ours.Value} {
		d.refused(t, request{noToken: true, header: []string{"Cookie: " + cookie}}, 401)
	}
	// Browsers send both to both: ports do not keep cookies apart.
	both := request{noToken: true, header: []string{"Cookie: " + theirs.Name + "=" + theirs.Value + "; " + ours.Name + "=" + ours.Value}}
	if a := d.ask(t, both); a.status != 200 {
		t.Errorf("with the cookies of both: %d", a.status)
	}
	other.refused(t, request{noToken: true, header: []string{"Cookie: " + ours.Name + "=" + ours.Value}}, 401)
}

// sessionRights: there is one token, and a browser session with fewer rights.
// There is no second, read-only token; holds, retention, erasure and export
// are no requests of this API yet, so nobody can send them.
func sessionRights(t *testing.T, d *inbound) {
	cookie := d.session(t)
	browser := func(method, target string) request {
		r := request{method: method, target: target, noToken: true, header: []string{"Cookie: " + cookie.String(), "Sec-Fetch-Site: same-origin"}}
		if method == "POST" {
			r.body = "{}"
		}
		return r
	}
	for _, target := range []string{"/v1/verify", "/v1/reindex", "/v1/session/link"} {
		d.refused(t, browser("POST", target), 403)
	}
	d.refused(t, browser("GET", "/metrics"), 403)
	for _, target := range []string{"/v1/calls", "/v1/status", "/v1/gaps", "/openapi.json", "/v1/search?q=kettle"} {
		if a := d.ask(t, browser("GET", target)); a.status != 200 {
			t.Errorf("%s: %d", target, a.status)
		}
	}
	for _, target := range []string{"/v1/erase", "/v1/hold", "/v1/holds", "/v1/retention", "/v1/export"} {
		d.refused(t, browser("POST", target), 403)
		d.refused(t, browser("GET", target), 404)
		d.refused(t, request{method: "POST", target: target, body: "{}"}, 404)
		d.refused(t, request{method: "DELETE", target: target}, 405)
	}
}

func strangePaths(t *testing.T, d *inbound) {
	for _, id := range []string{"../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cetc%5cpasswd", "%00", "a%00b", "C:%5C", "%5C%5Chost%5Cshare", "CON", "nul.mp3",
		"a:b", "a::$DATA", "%252e%252e%252f", "..;/", "%c0%ae%c0%ae/", ".", "..", "%2E%2E", "a/b/c", "~root", "%2fetc%2fpasswd", "recordings%2f.tmp", "api-token"} {
		for _, target := range []string{"/v1/calls/suresend/" + id, "/v1/calls/" + id, "/v1/calls/suresend/" + id + "/recording", "/v1/calls/suresend/" + id + "/transcript", "/page/" + id, "/" + id} {
			d.refused(t, request{target: target}, 404)
		}
	}
	for _, target := range []string{"//evil.example/", "/v1//calls", "/v1/./calls", "/v1/calls/", "/v1/../v1/calls", "/V1/CALLS", "/v1/calls;a=b"} {
		d.refused(t, request{target: target}, 404)
	}
}

func longIDs(t *testing.T, d *inbound) {
	for _, n := range []int{5 << 10, 12 << 10} {
		d.refused(t, request{target: "/v1/calls/suresend/" + strings.Repeat("a", n)}, 414)
		d.refused(t, request{target: "/v1/calls/suresend/" + strings.Repeat("%41", n/3) + "/recording"}, 414)
	}
	d.refused(t, request{target: "/v1/calls/suresend/" + strings.Repeat("a", 4000)}, 404)
	d.turnedAway(t, d.text(request{target: "/v1/calls/suresend/" + strings.Repeat("a", 64<<10)}), 431)
}

func controlIDs(t *testing.T, d *inbound) {
	for _, id := range []string{"a%0D%0ASet-Cookie:%20x=y", "a%0Alevel=ERROR", "%1B%5B2J", "%1b]0;owned%07", "%E2%80%AEcba", "%E2%81%A6", "%FF%FE", "%C2%9B2J", "%EF%BB%BFa", "%7F"} {
		for _, target := range []string{"/v1/calls/suresend/" + id, "/v1/calls/suresend/" + id + "/history", "/v1/calls/" + id + "/x", "/" + id} {
			d.refused(t, request{target: target}, 404)
		}
		for _, target := range []string{"/v1/calls?source=" + id, "/v1/calls?" + id + "=1", "/v1/calls?cursor=" + id, "/v1/search?q=" + id + "%22", "/v1/gaps?source=" + id} {
			d.refused(t, request{target: target}, 400)
		}
	}
	for _, raw := range []string{"/v1/calls/suresend/a\x1b[2J", "/v1/calls/suresend/a\x00", "/v1/calls/suresend/\x7f"} {
		d.turnedAway(t, d.text(request{target: raw}), 400)
	}
	d.refused(t, request{target: "/v1/calls/suresend/\xff\xfe"}, 404)
	d.turnedAway(t, d.text(request{header: []string{"X-A: b\x1b[2J\x00"}}), 400)
}

func strangeNumbers(t *testing.T, d *inbound) {
	for _, q := range []string{"from=-1", "size=-5", "size=1e9", "from=9e18", "size=abc", "size=1e3", "offset=-1", "limit=-1", "limit=0", "limit=201", "limit=1e9", "limit=9000000000000000000",
		"limit=99999999999999999999", "limit=abc", "limit=1e2", "limit=0x10", "limit=+5", "limit=%205", "limit=٣", "limit=", "limit=5&limit=6", "cursor=x", "cursor=AAAA", "min_duration=-1", "min_duration=NaN", "min_duration=Inf",
		"max_duration=1e309", "min_duration=5&max_duration=4", "to=0000-00-00", "from=2026-02-30", "from=99999-01-01T00:00:00Z", "settled=1", "most_recent=yes", "limit=5%00"} {
		d.refused(t, request{target: "/v1/calls?" + q}, 400)
		d.refused(t, request{target: "/v1/search?q=kettle&" + q}, 400)
	}
	for _, q := range []string{"since=-1", "since=1e3", "since=18446744073709551616", "since=", "limit=-1", "wait=-1s", "wait=1h", "wait=NaN", "wait=9999999999h"} {
		d.refused(t, request{target: "/v1/changes?" + q}, 400)
	}
	d.refused(t, request{target: "/v1/stats?by=second"}, 400)
	d.refused(t, request{target: "/v1/calls?" + strings.Repeat("a=1&", 2000)}, 400)
}

func longHeader(t *testing.T, d *inbound) {
	d.turnedAway(t, d.text(request{header: []string{"X-Long: " + strings.Repeat("a", 1<<20)}}), 431)
	d.turnedAway(t, d.text(request{header: []string{strings.Repeat("X-Many: a\r\n", 100_000) + "X-Last: a"}}), 431)
	d.turnedAway(t, d.text(request{header: []string{"Cookie: " + strings.Repeat("a=b; ", 200_000)}}), 431)
}

func strangeBodies(t *testing.T, d *inbound) {
	post := func(body string) request { return request{method: "POST", target: "/v1/sync", body: body} }
	d.refused(t, post(`{"source":"`+strings.Repeat("a", 100<<20)+`"}`), 413)
	for _, body := range []string{strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000), strings.Repeat(`{"a":`, 10_000), `{"source":"suresend","source":"callcamp"}`, `{} {}`, `{}}`, `{"source":`, `nul`, `[]`, `"x"`, `1`,
		`{"source":5}`, `{"unknown":1}`, `{"SOURCE":"suresend"}`, "{\"source\":\"\xff\"}", "\xef\xbb\xbf{}", `{"full":"yes"}`, `{"source":"suresend","full":1e400}`, "{\"\\u202e\\u001b[2J\":1}", `{"` + strings.Repeat("a", 60_000) + `":1}`} {
		d.refused(t, post(body), 400)
	}
	d.refused(t, request{method: "POST", target: "/v1/gaps/ack", body: `{"key":"suresend/\u0000","part":"recording","reason":"x"}`}, 404, 400)
	d.refused(t, request{method: "POST", target: "/v1/gaps/ack", body: `{"key":"suresend/x","part":"recording","reason":"` + strings.Repeat("a", 2000) + `"}`}, 400)
}

// recording is the path of a stored recording.
func (d *inbound) recording(t testing.TB) (target string, c client.Call) {
	t.Helper()
	page, err := d.client.Calls(context.Background(), client.ListOptions{ListQuery: call.ListQuery{Filter: call.Filter{Has: []call.PartName{call.PartRecording}}}})
	d.count(1)
	if err != nil || len(page.Value.Data) == 0 {
		t.Fatal("no call has a recording: ", err)
	}
	c = page.Value.Data[0]
	return "/v1/calls/" + string(c.Source) + "/" + url.PathEscape(string(c.ID)) + "/recording", c
}

func strangeRanges(t *testing.T, d *inbound) {
	target, c := d.recording(t)
	size := *c.Recording.SizeBytes
	get := func(value string) request { return request{target: target, header: []string{"Range: " + value}} }
	for _, value := range []string{"bytes=9000000000000000000-", fmt.Sprintf("bytes=%d-", size), "bytes=x", "bytes=5-2", "bytes=--1", "bytes=99999999999999999999-"} {
		d.refused(t, get(value), 416)
	}
	for value, want := range map[string]int64{"bytes=-1": 1, "bytes=0-0": 1, "bytes=-9000000000000000000": size, "bytes=0-9000000000000000000": size,
		"bytes=0-0" + strings.Repeat(",0-0", 3000): size, "bytes=0-,0-,0-": size, "lines=1-2": size} {
		a := d.ask(t, get(value))
		if int64(len(a.body)) != want && a.status != 416 || a.status >= 500 {
			t.Errorf("%.40s: %d with %d bytes of %d", value, a.status, len(a.body), size)
		}
	}
	d.turnedAway(t, d.text(get("bytes=0-0"+strings.Repeat(",0-0", 9999))), 431) // 40 KB of header
}

func compressedBody(t *testing.T, d *inbound) {
	for _, coding := range []string{"gzip", "deflate", "br", "identity, gzip", "x"} {
		d.refused(t, request{method: "POST", target: "/v1/sync", body: "\x1f\x8b\x08{}", header: []string{"Content-Encoding: " + coding}}, 415)
	}
}

func strangeFraming(t *testing.T, d *inbound) {
	// HTTP/2 without asking, and a version nobody knows.
	d.count(1)
	if a := d.send(t, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); a.status != 405 {
		t.Errorf("HTTP/2: %d", a.status)
	}
	d.turnedAway(t, "GET / HTTP/9.9\r\nHost: "+d.address+"\r\n\r\n", 505)
	d.turnedAway(t, "GET / \r\n\r\n", 400)
	d.turnedAway(t, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400) // TLS
	for _, lengths := range []string{"Content-Length: 2\r\nContent-Length: 3", "Content-Length: -1", "Content-Length: 2 3", "Content-Length: 0x2", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, identity",
		"Transfer-Encoding: gzip, chunked", "Content-Length : 2"} {
		d.turnedAway(t, "POST /v1/sync HTTP/1.1\r\nHost: "+d.address+"\r\nAuthorization: Bearer "+d.token+"\r\nContent-Type: application/json\r\n"+lengths+"\r\n\r\n{}", 400, 501)
	}
	// One request inside another: refused, and the inner one never answered.
	inner := "GET /v1/calls HTTP/1.1\r\nHost: " + d.address + "\r\nAuthorization: Bearer " + d.token + "\r\n\r\n"
	for _, outer := range []string{"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"} {
		d.count(1)
		a := d.send(t, "POST /v1/sync HTTP/1.1\r\nHost: "+d.address+"\r\nAuthorization: Bearer "+d.token+"\r\nContent-Type: application/json\r\n"+outer+inner)
		if a.status != 411 || !a.closed {
			t.Errorf("%q: %d, closed %t", outer, a.status, a.closed)
		}
	}
	// Requests sent without waiting are answered one by one, each on its merits.
	d.count(3)
	if a := d.send(t, inner+strings.Replace(inner, d.address, "evil.example", 1)+inner); a.status != 200 {
		t.Errorf("pipelined: %d", a.status)
	}
}

// hostileTranscripts: what the page makes of such text is in api/web, in a
// browser: TestHostileTextIsText.
func hostileTranscripts(t *testing.T, d *inbound) {
	found := d.ask(t, request{target: "/v1/search?q=kettle&limit=1"})
	var hits struct{ Data []struct{ Call call.Call } }
	if err := json.Unmarshal([]byte(found.body), &hits); err != nil || len(hits.Data) != 1 {
		t.Fatalf("%d %v %.200s", found.status, err, found.body)
	}
	key := hits.Data[0].Call.Key
	path := "/v1/calls/" + string(key.Source) + "/" + url.PathEscape(string(key.ID))
	for target, media := range map[string]string{path: "application/json", path + "/transcript": "application/json", path + "/transcript?format=txt": "text/plain; charset=utf-8",
		path + "/transcript?format=vtt": "text/vtt; charset=utf-8", path + "/transcript?format=srt": "application/x-subrip; charset=utf-8", "/v1/search?q=kettle": "application/json", path + "/history": "application/json"} {
		a := d.ask(t, request{target: target})
		if a.status == 404 && strings.Contains(target, "format=") { // this vendor tells no times, so there are no subtitles
			continue
		}
		if a.status != 200 || a.header.Get("Content-Type") != media {
			t.Errorf("%s: %d as %s", target, a.status, a.header.Get("Content-Type"))
		}
		if strings.HasSuffix(target, "transcript") && !strings.Contains(a.body, canary) {
			t.Errorf("%s does not say what was said", target)
		}
	}
	noTest(t, "page_test.go", "TestHostileTextIsText")
}

// hostileRecordings: what else a recording may turn out to be is in api,
// TestRecordingTypes; that no page is stored as one, in store/media.
func hostileRecordings(t *testing.T, d *inbound) {
	target, c := d.recording(t)
	a := d.ask(t, request{target: target, header: []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Dest: audio"}})
	if a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "audio/") || int64(len(a.body)) != *c.Recording.SizeBytes ||
		!strings.HasSuffix(a.header.Get("Content-Disposition"), `; filename="`+filepath.Base(*c.Recording.File)+`"`) {
		t.Errorf("%d %v", a.status, a.header)
	}
	d.refused(t, request{target: target, header: []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Dest: audio"}}, 403)
	noTest(t, filepath.Join("..", "recording_test.go"), "TestRecordingTypes")
}

// framedPage: a browser's word for it is TestPageIsNotFramed in api/web. Here
// every kind of answer carries the policy that says so.
func framedPage(t *testing.T, d *inbound) {
	target, _ := d.recording(t)
	for status, list := range map[int][]request{
		200: {{target: "/", noToken: true}, {target: "/page/app.js"}, {target: "/page/app.css"}, {target: "/page/icon.svg"}, {target: "/healthz"}, {target: "/readyz"}, {target: "/openapi.json"}, {target: "/metrics"}, {target: target}, {method: "HEAD"}},
		400: {{target: "/v1/calls?limit=0"}}, 401: {{noToken: true}}, 403: {{host: "evil.example"}}, 404: {{target: "/nothing"}, {target: "/page/none.js"}}, 405: {{method: "PUT"}, {method: "POST", body: "{}"}},
		411: {{method: "POST", target: "/v1/sync", header: []string{"Transfer-Encoding: chunked", "Content-Type: application/json"}}}, 414: {{target: "/" + strings.Repeat("a", 5000)}},
		415: {{method: "POST", target: "/v1/sync", body: "x", header: []string{"Content-Type: text/plain"}}}, 416: {{target: target, header: []string{"Range: bytes=x"}}},
	} {
		for _, r := range list {
			if a := d.ask(t, r); a.status != status { // which looks at the headers
				t.Errorf("%s %.60s: %d, want %d", r.method, r.target, a.status, status)
			}
		}
	}
	noTest(t, "page_test.go", "TestPageIsNotFramed")
}

// noTest fails the test when another one it relies on has gone.
func noTest(t *testing.T, file, name string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "..", "api", "web", file))
	if err != nil || !strings.Contains(string(source), "func "+name+"(t *testing.T)") {
		t.Errorf("%s is not in %s: %v", name, file, err)
	}
}
