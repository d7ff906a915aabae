package api

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"callsyncd/call"
)

// spoil changes a good request.
type spoil func(*http.Request)

func host(v string) spoil { return func(r *http.Request) { r.Host = v } }

func header(name string, values ...string) spoil {
	return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(name)] = values }
}

func target(v string) spoil { return func(r *http.Request) { r.RequestURI = v } }

// TestAbuse sends what an attacker, a foreign web page or a broken client
// would. Each must be refused without touching the archive, without telling a
// secret, and with every protective header.
func TestAbuse(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	tests := []struct {
		name, method, target, body string
		spoil                      spoil
		status                     int
	}{
		{"foreign host", "GET", "/v1/calls", "", host("evil.example"), 403},
		{"our address as a label", "GET", "/v1/calls", "", host("127.0.0.1.evil.example:7411"), 403},
		{"localhost as a label", "GET", "/v1/calls", "", host("localhost.evil.example"), 403},
		{"no host", "GET", "/v1/calls", "", host(""), 403},
		{"foreign host without a token", "GET", "/healthz", "", host("evil.example"), 403},
		{"absolute form", "GET", "/v1/calls", "", target("http://evil.example/v1/calls"), 400},
		{"asterisk form", "GET", "/v1/calls", "", target("*"), 400},
		{"authority form", "CONNECT", "/", "", target("evil.example:443"), 405},
		{"wrong port", "GET", "/v1/calls", "", host("127.0.0.1:7412"), 403},
		{"no port", "GET", "/v1/calls", "", host("127.0.0.1"), 403},
		{"mapped address", "GET", "/v1/calls", "", host("[::ffff:127.0.0.1]:7411"), 403},
		{"any address", "GET", "/v1/calls", "", host("0.0.0.0:7411"), 403},
		{"address as a number", "GET", "/v1/calls", "", host("2130706433:7411"), 403},
		{"other spelling", "GET", "/v1/calls", "", host("LOCALHOST.:7411"), 403},
		{"foreign origin", "GET", "/v1/calls", "", header("Origin", "https://evil.example"), 403},
		{"foreign origin, post", "POST", "/v1/sync", "{}", header("Origin", "https://evil.example"), 403},
		{"origin of another port", "GET", "/v1/calls", "", header("Origin", "http://127.0.0.1:8080"), 403},
		{"origin of another scheme", "GET", "/v1/calls", "", header("Origin", "https://"+testHost), 403},
		{"null origin", "GET", "/v1/calls", "", header("Origin", "null"), 403},
		{"two origins", "GET", "/v1/calls", "", header("Origin", "http://"+testHost, "https://evil.example"), 403},
		{"cross-site", "GET", "/v1/calls", "", header("Sec-Fetch-Site", "cross-site"), 403},
		{"same-site", "GET", "/v1/calls", "", header("Sec-Fetch-Site", "same-site"), 403},
		{"form", "POST", "/v1/sync", "{}", header("Content-Type", "text/plain"), 415},
		{"form types", "POST", "/v1/sync", "{}", header("Content-Type", "application/json", "text/plain"), 415},
		{"json in another charset", "POST", "/v1/sync", "{}", header("Content-Type", "application/json; charset=utf-16"), 415},
		{"json with a broken parameter", "POST", "/v1/sync", "{}", header("Content-Type", "application/json; charset"), 415},
		{"form type without a body", "POST", "/v1/sync", "", header("Content-Type", "text/plain"), 415},
		{"no content type, length unknown", "POST", "/v1/sync", "{}", func(r *http.Request) {
			r.Header.Del("Content-Type")
			r.ContentLength = -1
		}, 415},
		{"chunked body", "POST", "/v1/sync", "{}", func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, 411},
		{"chunked body of a read", "GET", "/v1/calls", "", func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, 411},
		{"no body where one is needed", "POST", "/v1/gaps/ack", "", header("Content-Type"), 400},
		{"no content type", "POST", "/v1/sync", "{}", header("Content-Type"), 415},
		{"delete", "DELETE", "/v1/calls/crm/c1", "", nil, 405},
		{"preflight", "OPTIONS", "/v1/sync", "", header("Access-Control-Request-Method", "POST"), 405},
		{"trace", "TRACE", "/v1/calls", "", nil, 405},
		{"post to a list", "POST", "/v1/calls", "{}", nil, 405},
		{"get of an action", "GET", "/v1/sync", "", nil, 405},
		{"websocket", "GET", "/v1/changes", "", header("Upgrade", "websocket"), 400},
		{"upgrade without a name", "GET", "/v1/changes", "", header("Connection", "keep-alive, Upgrade"), 400},
		{"no token", "GET", "/v1/calls", "", header("Authorization"), 401},
		{"no token, unknown path", "GET", "/v2", "", header("Authorization"), 401},
		{"no token, description", "GET", "/openapi.json", "", header("Authorization"), 401},
		{"empty token", "GET", "/v1/calls", "", header("Authorization", "Bearer "), 401},
		{"wrong token", "GET", "/v1/calls", "", header("Authorization", "Bearer canary-token-5550101"), 401},
		{"token and more", "GET", "/v1/calls", "", header("Authorization", "Bearer "+testToken+"\n"), 401},
		{"token twice", "GET", "/v1/calls", "", header("Authorization", "Bearer "+testToken, "Bearer "+testToken), 401},
		{"token as a password", "GET", "/v1/calls", "", header("Authorization", "Basic "+testToken), 401},
		{"token in the query", "GET", "/v1/calls?token=" + testToken, "", header("Authorization"), 401},
		{"token as a cookie", "GET", "/v1/calls", "", func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set("Cookie", "callsyncd="+testToken)
		}, 401},
		{"dots", "GET", "/v1/calls/../../etc/passwd", "", nil, 404},
		{"dots to a probe", "GET", "/healthz/../v1/calls", "", header("Authorization"), 401},
		{"escaped dots", "GET", "/v1/calls/%2e%2e%2f%2e%2e/etc", "", nil, 404},
		{"dots with a backslash", "GET", "/v1/calls/crm/..%5c..%5cetc", "", nil, 404},
		{"nul", "GET", "/v1/calls/crm/%00", "", nil, 404},
		{"drive", "GET", "/v1/calls/crm/C:%5C", "", nil, 404},
		{"share", "GET", "/v1/calls/crm/%5C%5Chost%5Cshare", "", nil, 404},
		{"device", "GET", "/v1/calls/CON/nul.mp3/recording", "", nil, 404},
		{"stream", "GET", "/v1/calls/crm/a:b/recording", "", nil, 404},
		{"empty segment", "GET", "/v1//calls", "", nil, 404},
		{"slash at the end", "GET", "/v1/calls/", "", nil, 404},
		{"unknown path", "GET", "/admin", "", nil, 404},
		{"id of 64 KiB", "GET", "/v1/calls/crm/" + strings.Repeat("a", 64<<10), "", nil, 414},
		{"id with line ends", "GET", "/v1/calls/crm/a%0D%0ASet-Cookie:%20x", "", nil, 404},
		{"id with an escape sequence", "GET", "/v1/calls/crm/%1B%5B2J", "", nil, 404},
		{"id with a turn of direction", "GET", "/v1/calls/crm/%E2%80%AEcba", "", nil, 404},
		{"id that is not UTF-8", "GET", "/v1/calls/crm/%FF%FE", "", nil, 404},
		{"source that is none", "GET", "/v1/calls/CRM/c1", "", nil, 404},
		{"thousands of values", "GET", "/v1/calls?phone=" + strings.Repeat("1,", 2000) + "1", "", nil, 400},
		{"values one by one", "GET", "/v1/calls?" + strings.Repeat("agent=a&", 65), "", nil, 400},
		{"broken escape in the query", "GET", "/v1/calls?source=%zz", "", nil, 400},
		{"body of 100 MB", "POST", "/v1/sync", "", func(r *http.Request) {
			r.Body = io.NopCloser(io.LimitReader(zeros{}, 100<<20))
		}, 413},
		{"deep body", "POST", "/v1/sync", deep[:60_000], nil, 400},
		{"body just too deep", "POST", "/v1/sync", strings.Repeat("[", 17) + strings.Repeat("]", 17), nil, 400},
		{"field twice", "POST", "/v1/sync", `{"source":"crm","source":"erp"}`, nil, 400},
		{"field twice, deeper", "POST", "/v1/sync", `{"source":{"a":1,"a":2}}`, nil, 400},
		{"trailing garbage", "POST", "/v1/sync", `{} {}`, nil, 400},
		{"trailing brace", "POST", "/v1/sync", `{}}`, nil, 400},
		{"half a body", "POST", "/v1/sync", `{"source":`, nil, 400},
		{"body that is not UTF-8", "POST", "/v1/sync", "{\"source\":\"\xff\"}", nil, 400},
		{"body that breaks off", "POST", "/v1/sync", "", func(r *http.Request) {
			r.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
		}, 400},
		{"gzip body", "POST", "/v1/sync", "\x1f\x8b", header("Content-Encoding", "gzip"), 415},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			f := sample(t)
			h := f.handler(&log)
			build := func() *http.Request {
				r := request(test.method, test.target, test.body)
				if test.spoil != nil {
					test.spoil(r)
				}
				return r
			}
			askProblem(t, h, build(), test.status)
			w := ask(h, build())
			hasHeaders(t, w)
			if strings.Contains(w.Body.String(), testToken) || strings.Contains(log.String(), testToken) {
				t.Errorf("the token is in the answer or the log")
			}
			if lines := strings.Count(log.String(), "\n"); lines != 2 { // one for each request
				t.Errorf("%d log lines:\n%s", lines, log.String())
			}
			if len(f.woken)+len(f.acks) != 0 {
				t.Errorf("something was done: %q %q", f.woken, f.acks)
			}
			if w := ask(h, request("GET", "/v1/calls/crm/c1", "")); w.Code != 200 {
				t.Errorf("afterwards: %d", w.Code)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func hasHeaders(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	for name, value := range headers {
		if got := w.Header().Get(name); got != value {
			t.Errorf("header %s: %q, want %q", name, got, value)
		}
	}
	for name := range w.Header() {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("header %s: %q", name, w.Header().Get(name))
		}
	}
}

func TestAllowed(t *testing.T) {
	tests := []struct {
		name   string
		spoil  spoil
		method string
		target string
	}{
		{"plain", func(*http.Request) {}, "GET", "/v1/calls"},
		{"head", func(*http.Request) {}, "HEAD", "/v1/calls"},
		{"other name of ours", host("localhost:7411"), "GET", "/v1/calls"},
		{"own page", header("Sec-Fetch-Site", "same-origin"), "GET", "/v1/calls"},
		{"typed address", header("Sec-Fetch-Site", "none"), "GET", "/v1/calls"},
		{"own origin", header("Origin", "http://"+testHost), "GET", "/v1/calls"},
		{"own origin with TLS", func(r *http.Request) {
			r.TLS = &tls.ConnectionState{}
			r.Header.Set("Origin", "https://"+testHost)
		}, "GET", "/v1/calls"},
		{"method override is ignored", header("X-HTTP-Method-Override", "DELETE"), "GET", "/v1/calls"},
		{"scheme in lower case", header("Authorization", "bearer "+testToken), "GET", "/v1/calls"},
		{"probe without a token", header("Authorization"), "GET", "/healthz"},
		{"readiness without a token", header("Authorization"), "GET", "/readyz"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := request(test.method, test.target, "")
			test.spoil(r)
			w := ask(sample(t).handler(nil), r)
			if w.Code != 200 {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			hasHeaders(t, w)
		})
	}
}

func TestBodyTypes(t *testing.T) {
	for _, test := range []struct{ target, body, media string }{
		{"/v1/sync", `{"source":"crm"}`, "application/json; charset=utf-8"},
		{"/v1/sync", `{}`, "Application/JSON;charset=UTF-8"},
		{"/v1/sync", "", ""}, {"/v1/verify", "", ""}, {"/v1/reindex", "", ""}, {"/v1/session/link", "", ""},
	} {
		r := request("POST", test.target, test.body)
		r.Header.Set("Content-Type", test.media)
		if test.media == "" {
			r.Header.Del("Content-Type")
		}
		if w := ask(sample(t).handler(nil), r); w.Code/100 != 2 {
			t.Errorf("%s as %q: %d %s", test.target, test.media, w.Code, w.Body)
		}
	}
}

func TestEmptyTokenLetsNobodyIn(t *testing.T) {
	f := sample(t)
	h := New(Options{Store: f, Searcher: f, Media: f, Control: f, Hosts: []string{testHost}, Log: f.handler(nil).(*server).Log})
	for _, value := range []string{"", "Bearer", "Bearer ", "Bearer x"} {
		r := request("GET", "/v1/calls", "")
		r.Header.Set("Authorization", value)
		askProblem(t, h, r, 401)
	}
}

func TestRefusalsSayWhatIsAllowed(t *testing.T) {
	h := sample(t).handler(nil)
	for target, want := range map[string]string{"/v1/sync": "POST", "/v1/calls": "GET, HEAD"} {
		method := "GET"
		if want != "POST" {
			method = "POST"
		}
		if got := ask(h, request(method, target, "{}")).Header().Get("Allow"); got != want {
			t.Errorf("%s %s: Allow %q, want %q", method, target, got, want)
		}
	}
	r := request("GET", "/v1/calls", "")
	r.Header.Del("Authorization")
	if got := ask(h, r).Header().Get("WWW-Authenticate"); got != "Bearer" {
		t.Errorf("WWW-Authenticate %q", got)
	}
}

// TestRawConnections covers what net/http itself must refuse before a handler
// sees it.
func TestRawConnections(t *testing.T) {
	f := sample(t)
	h := f.handler(nil)
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = Server(h, h.(*server).Log)
	srv.Start()
	defer srv.Close()
	auth := "Authorization: Bearer " + testToken + "\r\n"
	tests := []struct {
		name, raw string
		status    []int
	}{
		{"two hosts", "GET /v1/calls HTTP/1.1\r\nHost: " + testHost + "\r\nHost: evil.example\r\n" + auth + "\r\n", []int{400}},
		{"no host at all", "GET /v1/calls HTTP/1.0\r\n" + auth + "\r\n", []int{403}},
		{"absolute form", "GET http://" + testHost + "/v1/calls HTTP/1.1\r\nHost: " + testHost + "\r\n" + auth + "\r\n", []int{400}},
		{"asterisk", "OPTIONS * HTTP/1.1\r\nHost: " + testHost + "\r\n\r\n", []int{405}},
		{"id of 64 KiB", "GET /v1/calls/crm/" + strings.Repeat("a", 64<<10) + " HTTP/1.1\r\nHost: " + testHost + "\r\n" + auth + "\r\n", []int{414, 431}},
		{"header of 1 MB", "GET /v1/calls HTTP/1.1\r\nHost: " + testHost + "\r\nX-Long: " + strings.Repeat("a", 1<<20) + "\r\n\r\n", []int{431}},
		{"http/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []int{400, 405, 505}},
		{"two lengths", "POST /v1/sync HTTP/1.1\r\nHost: " + testHost + "\r\n" + auth +
			"Content-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", []int{400}},
		{"smuggled", "POST /v1/sync HTTP/1.1\r\nHost: " + testHost + "\r\n" + auth +
			"Content-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/calls HTTP/1.1\r\nHost: evil.example\r\n\r\n", []int{411}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { _, _ = io.WriteString(conn, test.raw) }() // the server may answer before it has read all
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if !slices.Contains(test.status, res.StatusCode) {
				body, _ := io.ReadAll(res.Body)
				t.Errorf("status %d, want one of %v: %s", res.StatusCode, test.status, body)
			}
		})
	}
	if len(f.woken) != 0 {
		t.Errorf("woke %q", f.woken)
	}
}

func TestPanic(t *testing.T) {
	var log bytes.Buffer
	f := sample(t)
	f.panics = fmt.Errorf("hunter2: %w", call.ErrCorrupt)
	h := f.handler(&log)
	askProblem(t, h, request("GET", "/v1/calls/crm/c1", ""), 500)
	if strings.Contains(log.String(), "hunter2") {
		t.Errorf("the log shows the panic's value:\n%s", log.String())
	}
	for _, want := range []string{`"type":"*fmt.wrapError"`, "Load", `"route":"GET /v1/calls/{source}/{id}"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, log.String())
		}
	}
}

// An answer that cannot be encoded is a clean 500, not half an answer.
func TestUnencodable(t *testing.T) {
	f := sample(t)
	r := f.records[f.order[0]]
	r.Call.Metadata = []byte(`{"broken`)
	f.records[f.order[0]] = r
	askProblem(t, f.handler(nil), request("GET", "/v1/calls/crm/c1", ""), 500)
}

func TestLogHoldsNoValues(t *testing.T) {
	var log bytes.Buffer
	h := sample(t).handler(&log)
	ask(h, request("GET", "/v1/search?q=hunter2&phone=2025550123", ""))
	ask(h, request("GET", "/v1/calls/crm/hunter2", ""))
	if text := log.String(); strings.Contains(text, "hunter2") || strings.Contains(text, "5550123") || !strings.Contains(text, "GET /v1/search") {
		t.Errorf("log:\n%s", text)
	}
}

// What an answer repeats of a request is short and visible, however strange
// and however much it was.
func TestAnswersRepeatLittle(t *testing.T) {
	h := sample(t).handler(nil)
	hostile := "\u202e\u0007\u009b" + strings.Repeat("x", 300)
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("%q:1", fmt.Sprint(i, hostile[:20])))
	}
	for name, r := range map[string]*http.Request{
		"parameter": request("GET", "/v1/calls?"+url.QueryEscape(hostile)+"=1", ""),
		"value":     request("GET", "/v1/calls?status="+url.QueryEscape(hostile), ""),
		"field":     request("POST", "/v1/sync", `{"`+strings.ReplaceAll(hostile, "\a", `\u0007`)+`":1}`),
		"fields":    request("POST", "/v1/sync", "{"+strings.ReplaceAll(strings.Join(many, ","), `\a`, `\u0007`)+"}"),
	} {
		w := ask(h, r)
		p := w.Body.String()
		if w.Code != 400 || strings.ContainsAny(p, "\u202e\u0007\u009b") || len(p) > 8<<10 {
			t.Errorf("%s: %d, %d bytes: %.300q", name, w.Code, len(p), p)
		}
		var body problem
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || strings.ContainsAny(body.Detail, "\u202e\u0007\u009b") {
			t.Errorf("%s: %q, %v", name, body.Detail, err)
		}
	}
}

func TestUnexpectedErrorIsLogged(t *testing.T) {
	var log bytes.Buffer
	f := sample(t)
	f.err = fmt.Errorf("load call: %w", call.ErrCorrupt)
	askProblem(t, f.handler(&log), request("GET", "/v1/calls/crm/c1", ""), 500)
	if !strings.Contains(log.String(), "load call: corrupt") {
		t.Errorf("log:\n%s", log.String())
	}
}
