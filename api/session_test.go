package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// newLink makes a one-time link and answers its fragment.
func newLink(t *testing.T, h http.Handler) string {
	t.Helper()
	w := ask(h, request("POST", "/v1/session/link", "{}"))
	var link sessionLink
	if err := json.Unmarshal(w.Body.Bytes(), &link); err != nil || w.Code != 200 {
		t.Fatalf("%d %v", w.Code, err)
	}
	base, secret, ok := strings.Cut(link.URL, "#")
	if base != "http://"+testHost+"/" || !ok || len(secret) < 43 {
		t.Fatalf("link to %s with a secret of %d characters", base, len(secret))
	}
	return secret
}

func exchangeRequest(secret string) *http.Request {
	r := request("POST", "/v1/session", `{"token":"`+secret+`"}`)
	r.Header.Del("Authorization")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// begin opens a session and answers its cookie.
func begin(t *testing.T, h http.Handler) *http.Cookie {
	t.Helper()
	w := ask(h, exchangeRequest(newLink(t, h)))
	cookies := w.Result().Cookies()
	if w.Code != 200 || len(cookies) != 1 {
		t.Fatalf("%d, cookies %v", w.Code, cookies)
	}
	return cookies[0]
}

// browse is a request of the page.
func browse(method, target, body string, cookies ...*http.Cookie) *http.Request {
	r := request(method, target, body)
	r.Header.Del("Authorization")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func TestSessionCookie(t *testing.T) {
	h := sample(t).handler(nil)
	w := ask(h, exchangeRequest(newLink(t, h)))
	text := w.Header().Get("Set-Cookie")
	if !strings.HasPrefix(text, "callsyncd-"+testInstall+"=") || !strings.HasSuffix(text, "; Path=/; HttpOnly; SameSite=Strict") {
		t.Errorf("Set-Cookie %q", text)
	}
	if w.Body.String() != `{"idle_seconds":43200}`+"\n" {
		t.Errorf("body %s", w.Body)
	}
	hasHeaders(t, w)
}

func TestSessionMay(t *testing.T) {
	h := sample(t).handler(nil)
	cookie := begin(t, h)
	tests := []struct {
		method, target, body string
		status               int
	}{
		{"GET", "/v1/calls", "", 200},
		{"HEAD", "/v1/status", "", 200},
		{"GET", "/v1/calls/crm/c1/recording", "", 200},
		{"GET", "/openapi.json", "", 200},
		{"POST", "/v1/sync", "{}", 202},
		{"POST", "/v1/gaps/ack", `{"key":"crm/c1","part":"recording","reason":"x"}`, 200},
		{"POST", "/v1/verify", "{}", 403},
		{"POST", "/v1/reindex", "{}", 403},
		{"POST", "/v1/session/link", "{}", 403},
		{"GET", "/metrics", "", 403},
	}
	for _, test := range tests {
		if w := ask(h, browse(test.method, test.target, test.body, cookie)); w.Code != test.status {
			t.Errorf("%s %s: %d, want %d", test.method, test.target, w.Code, test.status)
		}
	}
	// What holds for everybody holds for a session: another site cannot use it.
	foreign := browse("POST", "/v1/sync", "{}", cookie)
	foreign.Header.Set("Origin", "https://evil.example")
	askProblem(t, h, foreign, 403)
	form := browse("POST", "/v1/sync", "{}", cookie)
	form.Header.Set("Content-Type", "text/plain")
	askProblem(t, h, form, 415)
}

func TestSessionRefused(t *testing.T) {
	h := sample(t).handler(nil)
	cookie := begin(t, h)
	other := *cookie
	other.Name = "callsyncd-other"
	wrong := *cookie
	wrong.Value = strings.ToLower(wrong.Value)
	empty := *cookie
	empty.Value = ""
	for name, cookies := range map[string][]*http.Cookie{"none": nil, "of another install": {&other}, "wrong": {&wrong}, "empty": {&empty}} {
		if w := ask(h, browse("GET", "/v1/calls", "", cookies...)); w.Code != 401 {
			t.Errorf("cookie %s: %d", name, w.Code)
		}
	}
	if w := ask(h, browse("GET", "/v1/calls", "", &wrong, cookie)); w.Code != 200 {
		t.Errorf("a foreign cookie of the same name locks the browser out: %d", w.Code)
	}
	withToken := browse("GET", "/v1/calls", "", cookie)
	withToken.Header.Set("Authorization", "Bearer wrong")
	askProblem(t, h, withToken, 401)
	askProblem(t, sample(t).handler(nil), browse("GET", "/v1/calls", "", cookie), 401) // a new daemon
}

func TestLinkIsGoodOnce(t *testing.T) {
	var log strings.Builder
	h := sample(t).handler(&log)
	secret := newLink(t, h)
	if w := ask(h, exchangeRequest(secret)); w.Code != 200 {
		t.Fatal(w.Code)
	}
	askProblem(t, h, exchangeRequest(secret), 401)
	for _, wrong := range []string{"", "x", strings.Repeat("A", 200)} {
		askProblem(t, h, exchangeRequest(wrong), 401)
	}
	askProblem(t, h, exchangeRequest(strings.Repeat("A", 201)), 400)
	askProblem(t, h, browse("POST", "/v1/session/link", "{}"), 401)
	if strings.Contains(log.String(), secret) {
		t.Error("the secret is in the log")
	}
}

func TestLinkAndSessionEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sample(t).handler(nil)
		late := newLink(t, h)
		time.Sleep(linkLife)
		askProblem(t, h, exchangeRequest(late), 401)
		cookie := begin(t, h)
		for range 3 { // every use prolongs it
			time.Sleep(sessionIdle - time.Second)
			if w := ask(h, browse("GET", "/v1/calls", "", cookie)); w.Code != 200 {
				t.Fatal(w.Code)
			}
		}
		time.Sleep(sessionIdle)
		askProblem(t, h, browse("GET", "/v1/calls", "", cookie), 401)
	})
}

func TestSessionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := sample(t).handler(nil)
		first := begin(t, h)
		var last *http.Cookie
		for range maxSessions {
			time.Sleep(time.Second)
			last = begin(t, h)
		}
		askProblem(t, h, browse("GET", "/v1/calls", "", first), 401)
		if w := ask(h, browse("GET", "/v1/calls", "", last)); w.Code != 200 {
			t.Error(w.Code)
		}
		unused := newLink(t, h)
		for range maxLinks {
			time.Sleep(time.Millisecond)
			newLink(t, h)
		}
		askProblem(t, h, exchangeRequest(unused), 401)
		s := h.(*server).sessions
		if len(s.links) != maxLinks || len(s.open) != maxSessions {
			t.Errorf("%d links, %d sessions", len(s.links), len(s.open))
		}
	})
}

func TestPageFiles(t *testing.T) {
	h := sample(t).handler(nil)
	for path, media := range map[string]string{"/": "text/html; charset=utf-8", "/page/index.html": "text/html; charset=utf-8", "/page/app.css": "text/css; charset=utf-8",
		"/page/app.js": "text/javascript; charset=utf-8", "/page/icon.svg": "image/svg+xml"} {
		w := ask(h, browse("GET", path, ""))
		if w.Code != 200 || w.Header().Get("Content-Type") != media || w.Body.Len() == 0 {
			t.Errorf("%s: %d %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		hasHeaders(t, w)
	}
	page := ask(h, browse("GET", "/", "")).Body.String()
	for _, bad := range []string{"<style", "style=", "onclick", "http://", "https://", "<script>"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	for _, path := range []string{"/page/", "/page/web.go", "/page/none.js", "/page/a/b.js", "/page/..%2Fweb.go", "/page/testdata"} {
		w := ask(h, browse("GET", path, ""))
		if w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
		hasHeaders(t, w)
	}
	r := browse("GET", "/", "")
	r.Host = "evil.example"
	askProblem(t, h, r, 403)
	askProblem(t, h, browse("POST", "/page/app.js", "{}"), 401)
}

func TestETags(t *testing.T) {
	f := sample(t)
	h := f.handler(nil)
	get := func(target, known string) *httptest.ResponseRecorder {
		r := request("GET", target, "")
		r.Header.Set("If-None-Match", known)
		return ask(h, r)
	}
	for _, target := range []string{"/v1/calls/crm/c1", "/v1/calls/crm/c1?include=raw", "/v1/calls/crm/c1/transcript", "/v1/calls/crm/c1/transcript?format=txt"} {
		first := get(target, `"other"`)
		tag := first.Header().Get("ETag")
		if first.Code != 200 || len(tag) < 20 {
			t.Fatalf("%s: %d, ETag %s", target, first.Code, tag)
		}
		for _, known := range []string{tag, "W/" + tag, `"a", ` + tag, "*"} {
			if w := get(target, known); w.Code != 304 || w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
				t.Errorf("%s with %s: %d, %d bytes", target, known, w.Code, w.Body.Len())
			}
		}
		r := f.records[f.order[0]]
		r.Call.Transcript = append(r.Call.Transcript[:1:1], r.Call.Transcript[0])
		r.Call.Version++
		f.records[f.order[0]] = r
		if w := get(target, tag); w.Code != 200 || w.Header().Get("ETag") == tag {
			t.Errorf("%s after a change: %d", target, w.Code)
		}
		f = sample(t)
		h = f.handler(nil)
	}
}
