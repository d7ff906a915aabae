package provider

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

const emptyList = `{"calls": [], "meta": {"total_count": 0}}`

// asked runs List of a built-in vendor against a network that gives the
// answers in turn, the last one forever.
func asked(t *testing.T, replies ...func(r *http.Request) (*http.Response, error)) (requests int, waited time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := builtin(t, "suresend", answers(func(r *http.Request) (*http.Response, error) {
			requests++
			return replies[min(requests, len(replies))-1](r)
		}))
		start := time.Now()
		_, err = p.List(t.Context(), call.ListRequest{})
		waited = time.Since(start)
	})
	return requests, waited, err
}

func always(status int, body string, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return respond(status, body, header...), nil }
}

func TestRetries(t *testing.T) {
	good := always(200, emptyList)
	broken := func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset") }
	cut := func(*http.Request) (*http.Response, error) {
		r := respond(200, "")
		r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"calls": [`), failingReader{}))
		return r, nil
	}
	for name, test := range map[string]struct {
		replies  []func(*http.Request) (*http.Response, error)
		requests int
		kind     error // nil: succeeds
		least    time.Duration
	}{
		"network, then good":     {replies: []func(*http.Request) (*http.Response, error){broken, cut, good}, requests: 3},
		"network for good":       {replies: []func(*http.Request) (*http.Response, error){broken}, requests: 4, kind: call.ErrTransient},
		"503, then good":         {replies: []func(*http.Request) (*http.Response, error){always(503, ""), good}, requests: 2},
		"500 for good":           {replies: []func(*http.Request) (*http.Response, error){always(500, "<html>")}, requests: 4, kind: call.ErrTransient},
		"408":                    {replies: []func(*http.Request) (*http.Response, error){always(408, ""), good}, requests: 2},
		"429 with seconds":       {replies: []func(*http.Request) (*http.Response, error){always(429, "", "Retry-After", "7"), good}, requests: 2, least: 7 * time.Second},
		"429 without":            {replies: []func(*http.Request) (*http.Response, error){always(429, ""), good}, requests: 2},
		"HTML for JSON, then":    {replies: []func(*http.Request) (*http.Response, error){always(200, "<html><body>Maintenance"), good}, requests: 2},
		"HTML for good":          {replies: []func(*http.Request) (*http.Response, error){always(200, "<html>")}, requests: 4, kind: call.ErrCorrupt},
		"empty for good":         {replies: []func(*http.Request) (*http.Response, error){always(200, " \n")}, requests: 4, kind: call.ErrCorrupt},
		"half JSON":              {replies: []func(*http.Request) (*http.Response, error){always(200, `{"calls": [`)}, requests: 4, kind: call.ErrCorrupt},
		"two JSON values":        {replies: []func(*http.Request) (*http.Response, error){always(200, emptyList+emptyList)}, requests: 4, kind: call.ErrCorrupt},
		"not UTF-8":              {replies: []func(*http.Request) (*http.Response, error){always(200, "{\"calls\": [\"\xff\"]}")}, requests: 4, kind: call.ErrCorrupt},
		"too deep":               {replies: []func(*http.Request) (*http.Response, error){always(200, strings.Repeat("[", 65)+strings.Repeat("]", 65))}, requests: 4, kind: call.ErrCorrupt},
		"unknown compression":    {replies: []func(*http.Request) (*http.Response, error){always(200, emptyList, "Content-Encoding", "br")}, requests: 4, kind: call.ErrCorrupt},
		"claims to be gzip":      {replies: []func(*http.Request) (*http.Response, error){always(200, emptyList, "Content-Encoding", "gzip")}, requests: 4, kind: call.ErrCorrupt},
		"byte order mark":        {replies: []func(*http.Request) (*http.Response, error){always(200, "\ufeff"+emptyList)}, requests: 1},
		"items missing":          {replies: []func(*http.Request) (*http.Response, error){always(200, `{"meta": {}}`)}, requests: 1, kind: call.ErrCorrupt},
		"items null":             {replies: []func(*http.Request) (*http.Response, error){always(200, `{"calls": null}`)}, requests: 1, kind: call.ErrCorrupt},
		"items an object":        {replies: []func(*http.Request) (*http.Response, error){always(200, `{"calls": {}}`)}, requests: 1, kind: call.ErrCorrupt},
		"answer an array":        {replies: []func(*http.Request) (*http.Response, error){always(200, `[]`)}, requests: 1, kind: call.ErrCorrupt},
		"unauthorized":           {replies: []func(*http.Request) (*http.Response, error){always(401, `{}`)}, requests: 2, kind: call.ErrUnauthorized},
		"unauthorized for once":  {replies: []func(*http.Request) (*http.Response, error){always(401, `{}`), good}, requests: 2},
		"forbidden":              {replies: []func(*http.Request) (*http.Response, error){always(403, `<html>`)}, requests: 1, kind: call.ErrUnauthorized},
		"no such list":           {replies: []func(*http.Request) (*http.Response, error){always(404, ``)}, requests: 1, kind: call.ErrNotFound},
		"bad request":            {replies: []func(*http.Request) (*http.Response, error){always(400, ``)}, requests: 1, kind: errNotAccepted},
		"not modified":           {replies: []func(*http.Request) (*http.Response, error){always(304, ``)}, requests: 1, kind: errNotAccepted},
		"redirect elsewhere":     {replies: []func(*http.Request) (*http.Response, error){always(302, "", "Location", "https://evil.example.net/")}, requests: 1, kind: call.ErrRefused},
		"redirect to plain http": {replies: []func(*http.Request) (*http.Response, error){always(302, "", "Location", "http://api.suresend.ai/")}, requests: 1, kind: call.ErrRefused},
		"redirect to port":       {replies: []func(*http.Request) (*http.Response, error){always(307, "", "Location", "https://api.suresend.ai:444/")}, requests: 1, kind: call.ErrRefused},
		"redirect at home":       {replies: []func(*http.Request) (*http.Response, error){always(302, "", "Location", "/api/partner/v2"), good}, requests: 2},
		"redirect for ever":      {replies: []func(*http.Request) (*http.Response, error){always(302, "", "Location", "/api")}, requests: 4, kind: call.ErrRefused},
	} {
		t.Run(name, func(t *testing.T) {
			requests, waited, err := asked(t, test.replies...)
			if !errors.Is(err, test.kind) || err != nil && test.kind == nil {
				t.Fatalf("error %v, want %v", err, test.kind)
			}
			if requests != test.requests {
				t.Errorf("%d requests, want %d", requests, test.requests)
			}
			if waited < test.least {
				t.Errorf("waited %s, want at least %s", waited, test.least)
			}
			if _, ours := errors.AsType[*Error](err); err != nil && !ours {
				t.Errorf("%T is not an *Error", err)
			}
		})
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// Where no connection is made, the machine is likelier at fault than the vendor.
func TestUnreachableHostHasAHint(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		hint bool
	}{
		"no address": {&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.example.com"}}, true},
		"refused":    {&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}, true},
		"broken off": {&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, false},
	} {
		_, _, err := asked(t, func(*http.Request) (*http.Response, error) { return nil, tt.err })
		failure, ok := errors.AsType[*Error](err)
		if !ok || strings.Contains(failure.Hint, "base_url of source test") != tt.hint {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLongRetryAfterSpendsTheBudget(t *testing.T) {
	requests, waited, err := asked(t, always(429, "", "Retry-After", "1800"))
	budget, ok := errors.AsType[*call.BudgetError](err)
	if !ok || requests != 1 || waited != 0 {
		t.Fatalf("%d requests, waited %s, error %v", requests, waited, err)
	}
	if until := time.Until(budget.Until); budget.Source != "test" || budget.Until.IsZero() || until > time.Hour {
		t.Errorf("budget error %+v", budget)
	}
}

func TestBudgetOfTheTransportIsReturnedAtOnce(t *testing.T) {
	spent := &call.BudgetError{Source: "test", Why: "5 requests per 1s"}
	requests, waited, err := asked(t, func(*http.Request) (*http.Response, error) { return nil, spent })
	if got, ok := errors.AsType[*call.BudgetError](err); !ok || got != spent || requests != 1 || waited != 0 {
		t.Fatalf("%d requests, waited %s, error %v", requests, waited, err)
	}
}

func TestCancellationIsNotRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		requests := 0
		p := builtin(t, "suresend", answers(func(r *http.Request) (*http.Response, error) {
			requests++
			<-r.Context().Done()
			return nil, r.Context().Err()
		}))
		_, err := p.List(ctx, call.ListRequest{})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, call.ErrTransient) || requests != 1 {
			t.Errorf("%d requests, error %v", requests, err)
		}
	})
}

func zipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.String()
}

func TestCompressedAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		body     string
		requests int
		kind     error
	}{
		"fine":        {zipped(emptyList), 1, nil},
		"bomb":        {zipped(`{"calls": [], "pad": "` + strings.Repeat("0", 8<<20) + `"}`), 1, call.ErrCorrupt},
		"cut short":   {zipped(emptyList)[:20], 4, call.ErrTransient},
		"bad content": {zipped(emptyList)[:12] + "garbage garbage garbage", 4, call.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			requests, _, err := asked(t, always(200, test.body, "Content-Encoding", "gzip"))
			if !errors.Is(err, test.kind) || requests != test.requests {
				t.Errorf("%d requests, error %v", requests, err)
			}
		})
	}
	if _, _, err := asked(t, always(200, `{"calls": [], "pad": "`+strings.Repeat("0", maxBody)+`"}`)); !errors.Is(err, call.ErrCorrupt) {
		t.Errorf("an answer of more than 16 MiB: %v", err)
	}
}

// TestSecretsStayInside sends our own credentials back in every way a vendor
// or a network can, and looks for them in everything we say.
func TestSecretsStayInside(t *testing.T) {
	hostile := `{"errorMessage": "token ` + testSecret + ` is\u001b[31m bad, see https://api.example.com/x?token=abc&u=1 ` + strings.Repeat("x", 500) + `"}`
	for name, reply := range map[string]func(*http.Request) (*http.Response, error){
		"error answer": always(400, hostile),
		"unauthorized": always(401, hostile),
		"server error": always(500, hostile),
		"shape":        always(200, hostile),
		"redirect":     always(302, "", "Location", "https://"+testSecret+"@evil.example.net/?token="+testSecret),
		"bad location": always(302, "", "Location", "https://evil.example.net/%zz?token="+testSecret),
		"network error": func(r *http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: "https://api.example.com/?token=abc", Err: fmt.Errorf("proxy said %s at https://p.example.com/?sig=abc", testSecret)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := asked(t, reply)
			if err == nil {
				t.Fatal("no error")
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err)} {
				if strings.Contains(text, testSecret) || strings.Contains(text, "abc") || strings.ContainsRune(text, 0x1b) {
					t.Errorf("leaks: %q", text)
				}
				if len(text) > 2000 {
					t.Errorf("too long: %d bytes", len(text))
				}
			}
		})
	}
	_, _, err := asked(t, always(400, hostile))
	if e, _ := errors.AsType[*Error](err); !strings.HasPrefix(e.Message, `token <secret> is\x1b[31m bad, see https://api.example.com/x?…`) || len([]rune(e.Message)) > maxMessage+10 {
		t.Errorf("message %q", e.Message)
	}
}

// TestEchoedSecretsAreTakenOut lets a vendor repeat our credentials inside
// answers that are good otherwise: nobody further in may see them.
func TestEchoedSecretsAreTakenOut(t *testing.T) {
	const key = `k"ey/with+odd signs-4711`
	quoted := `k\"ey/with+odd signs-4711`
	body := `{"data": [{"id": "a", "organization_id": "org-4711-0815", "a": "` + quoted + `", "b": "` + strings.ReplaceAll(quoted, "/", `\/`) +
		`", "c": "https://x.example/?key=` + url.QueryEscape(key) + `", "d": "k", "` + quoted + `": 1}], "pagination": {"total": 1}}`
	d, err := Load("agentvoice")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  string
		want string // in place of the key; empty: it stays
	}{
		"secret": {key, "<secret>"},
		"short":  {"k", ""},    // would be found by chance
		"number": {"4711", ""}, // may be anything
	} {
		t.Run(name, func(t *testing.T) {
			p, err := New(d, Options{
				Source: "test", Credentials: map[string]call.Secret{"api_key": call.Secret(test.key), "organization_id": "org-4711-0815"},
				Transport: answers(func(*http.Request) (*http.Response, error) { return respond(200, body), nil }),
			})
			if err != nil {
				t.Fatal(err)
			}
			page, err := p.List(t.Context(), call.ListRequest{})
			if err != nil || len(page.Items) != 1 {
				t.Fatal(page, err)
			}
			want := body[strings.Index(body, "[")+1 : strings.LastIndex(body, "]")]
			if test.want != "" {
				want = `{"id": "a", "organization_id": "org-4711-0815", "a": "<secret>", "b": "<secret>", "c": "https://x.example/?key=<secret>", "d": "k", "<secret>": 1}`
			}
			if got := string(page.Items[0].Body); got != want {
				t.Errorf("item %s\nwant %s", got, want)
			}
		})
	}
}

// TestCredentialsGoToTheAPIOnly looks at every request that leaves.
func TestCredentialsGoToTheAPIOnly(t *testing.T) {
	var hosts []string
	p := builtin(t, "agentvoice", answers(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host)
		if r.Header.Get("X-Api-Key") != testSecret || r.Header.Get("X-Organization-Id") != testSecret || r.Header.Get("Referer") != "" {
			t.Errorf("headers %v", r.Header)
		}
		if len(hosts) == 1 {
			return respond(307, "", "Location", "https://API.agentvoice.com:443/api/calls?limit=1"), nil
		}
		return respond(307, "", "Location", "https://api.agentvoice.com.example.net/api/calls"), nil
	}))
	if err := p.Check(t.Context()); !errors.Is(err, call.ErrRefused) {
		t.Fatal(err)
	}
	if len(hosts) != 2 {
		t.Errorf("asked %v", hosts)
	}
	elsewhere, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://media.example.com/a.mp3", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.client.Do(elsewhere); !errors.Is(err, call.ErrRefused) || len(hosts) != 2 {
		t.Errorf("a request to another host: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	d, err := Load("suresend")
	if err != nil {
		t.Fatal(err)
	}
	token := map[string]call.Secret{"token": testSecret}
	for name, test := range map[string]struct {
		base        string
		credentials map[string]call.Secret
		want        string // part of the message; empty when accepted
	}{
		"fine":               {"", token, ""},
		"optional":           {"", map[string]call.Secret{"token": testSecret, "system_id": "s"}, ""},
		"loopback":           {"http://127.0.0.1:8080/x", token, ""},
		"loopback name":      {"http://localhost:8080", token, ""},
		"loopback 6":         {"http://[::1]:8080", token, ""},
		"missing":            {"", nil, `credential "token" is missing`},
		"empty":              {"", map[string]call.Secret{"token": ""}, `credential "token" is missing`},
		"unknown":            {"", map[string]call.Secret{"token": testSecret, "api_key": testSecret}, `credential "api_key" is unknown`},
		"line break":         {"", map[string]call.Secret{"token": testSecret + "\n"}, "control character"},
		"plain http":         {"http://api.example.com", token, "must be https"},
		"looks like it":      {"http://127.0.0.1.example.com", token, "must be https"},
		"looks like it, too": {"http://localhost.example.com", token, "must be https"},
		"query":              {"https://api.example.com?x=1", token, "query"},
		"user":               {"https://u:p@api.example.com", token, "user name"},
		"no host":            {"https:///x", token, "want an address"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(d, Options{Source: "crm", BaseURL: test.base, Credentials: test.credentials})
			switch {
			case test.want == "" && err != nil:
				t.Fatal(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Fatalf("error %v, want %q", err, test.want)
			case err != nil && strings.Contains(err.Error(), testSecret):
				t.Errorf("leaks: %v", err)
			}
		})
	}
}

// An offline provider needs no credentials, keeps none and asks nobody.
func TestOffline(t *testing.T) {
	d, err := Load("suresend")
	if err != nil {
		t.Fatal(err)
	}
	asked := answers(func(*http.Request) (*http.Response, error) {
		t.Error("a request was made")
		return respond(500, ""), nil
	})
	for name, credentials := range map[string]map[string]call.Secret{"none": nil, "some": {"token": testSecret}} {
		p, err := New(d, Options{Source: "crm", Credentials: credentials, Transport: asked, Offline: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if p.Info().Title == "" || p.auth.Load().header.Get("Authorization") != "" {
			t.Errorf("%s: %+v", name, p.Info())
		}
		if err := p.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "no requests are made here") {
			t.Errorf("%s: check: %v", name, err)
		}
	}
	if _, err := New(d, Options{Source: "crm", BaseURL: "http://api.example.com", Offline: true}); err == nil {
		t.Error("a wrong address is accepted")
	}
}

func TestIDsInPaths(t *testing.T) {
	for id, want := range map[string]string{
		"a/b?c#d %": "/api/partner/calls/a%2Fb%3Fc%23d%20%25/transcript",
		"../users":  "/api/partner/calls/..%2Fusers/transcript",
		"ä\x00":     "/api/partner/calls/%C3%A4%00/transcript",
		"..":        "",
		".":         "",
	} {
		var got string
		p := builtin(t, "suresend", answers(func(r *http.Request) (*http.Response, error) {
			got = r.URL.RequestURI()
			return respond(200, `{"transcript": "x"}`), nil
		}))
		_, err := p.Fetch(t.Context(), "transcript", call.Documents{"list": {Body: object("id", id)}})
		if got != want || (want == "") != errors.Is(err, call.ErrRefused) {
			t.Errorf("id %q: asked for %q, error %v", id, got, err)
		}
	}
}

// TestOddDataIsCounted checks that a field jq cannot digest is null, logged
// without its content, and does not flood the log.
func TestOddDataIsCounted(t *testing.T) {
	var log bytes.Buffer
	d, err := Load("smartalex")
	if err != nil {
		t.Fatal(err)
	}
	p := bind(t, d, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	docs := call.Documents{"list": {Body: []byte(`{"id": "a", "contact": "Robin Vale", "agent_id": {"x": 1}, "contact_id": {"x": "Robin"}, "direction": 5, "status": "completed"}`)}}
	for range 50 {
		m, err := p.Map(docs)
		if err != nil {
			t.Fatal(err)
		}
		if m.Call.ContactID != nil || m.Call.AgentID != nil || *m.Call.Direction != call.DirectionUnknown || *m.Call.Status != call.StatusCompleted {
			t.Fatalf("call %+v", m.Call)
		}
	}
	if n := strings.Count(log.String(), "field=map.contact_id"); n != 2 {
		t.Errorf("%d log lines for a field that failed 50 times\n%s", n, log.String())
	}
	if strings.Contains(log.String(), "Robin") {
		t.Error("the log quotes the data")
	}
}

// A row that cannot be stored is counted, and the rest of its page is not lost.
func TestRowsWithoutIDAreCounted(t *testing.T) {
	p := builtin(t, "suresend", answers(func(*http.Request) (*http.Response, error) {
		return respond(200, `{"calls": [{"id": "a"}, {"id": " "}, "b", {"id": 7}]}`), nil
	}))
	page, err := p.List(t.Context(), call.ListRequest{})
	if err != nil || page.Unusable != 2 || len(page.Items) != 2 || page.Items[1].ID != "7" {
		t.Errorf("%+v, %v", page, err)
	}
}

// A refusal that concerns one call must not stop the whole source.
func TestForbiddenCallIsNotRefusedCredentials(t *testing.T) {
	p := builtin(t, "solomobile", answers(func(*http.Request) (*http.Response, error) { return respond(403, `{}`), nil }))
	docs := call.Documents{call.DocumentList: {Body: []byte(`{"id": "a", "status": "completed"}`)}}
	if _, err := p.Fetch(t.Context(), "detail", docs); err == nil || errors.Is(err, call.ErrUnauthorized) {
		t.Errorf("fetch: %v", err)
	}
	if _, err := p.List(t.Context(), call.ListRequest{}); !errors.Is(err, call.ErrUnauthorized) {
		t.Errorf("list: %v", err)
	}
}

// A vendor that knows no paging of a table gives it whole.
func TestLookupWithoutPaging(t *testing.T) {
	var asked []string
	p := builtin(t, "smartalex", answers(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.RequestURI())
		if r.URL.RawQuery != "" {
			return respond(400, `{"error": {"code": "invalid_request", "message": "unknown parameter"}}`), nil
		}
		return respond(200, `{"data": [{"id": "a1", "name": "Robin"}]}`), nil
	}))
	table, err := p.FetchLookup(t.Context(), "agents")
	if err != nil || len(table.Rows) != 1 || len(asked) != 2 {
		t.Errorf("%d rows after %v: %v", len(table.Rows), asked, err)
	}
}

// Other credentials are used from the next request on, and the old ones stay
// out of our errors as well.
func TestReauthorize(t *testing.T) {
	var seen []string
	p := builtin(t, "solomobile", answers(func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.Header.Get("Authorization"))
		return respond(403, `{"message": "not old-token nor new-token"}`), nil
	}))
	use := func(token call.Secret) (bool, error) { return p.Reauthorize(map[string]call.Secret{"token": token}) }
	for _, step := range []struct {
		token   call.Secret
		changed bool
	}{{"old-token", true}, {"old-token", false}, {"new-token", true}} {
		if changed, err := use(step.token); err != nil || changed != step.changed {
			t.Errorf("%s: changed %v, %v", step.token.Reveal(), changed, err)
		}
		if err := p.Check(t.Context()); !errors.Is(err, call.ErrUnauthorized) || strings.Contains(err.Error(), "-token") {
			t.Errorf("error %v", err)
		}
	}
	for _, bad := range []call.Secret{"", "line\nbreak"} {
		if changed, err := use(bad); changed || err == nil {
			t.Errorf("%q was taken", bad.Reveal())
		}
	}
	if got := strings.Join(seen, ","); got != "Bearer old-token,Bearer old-token,Bearer new-token" {
		t.Errorf("sent %s", got)
	}
}

// TestAnswerTooLarge: a list of fewer rows may be read, the same again may not.
func TestAnswerTooLarge(t *testing.T) {
	for name, body := range map[string]string{
		"bytes":  `{"calls": [{"id": "x", "notes": "` + strings.Repeat("x", maxBody) + `"}]}`,
		"values": `{"calls": [` + strings.Repeat("1,", maxValues+1) + `1]}`,
	} {
		asked := 0
		p := builtin(t, "suresend", answers(func(*http.Request) (*http.Response, error) { asked++; return respond(200, body), nil }))
		_, err := p.List(t.Context(), call.ListRequest{})
		if !errors.Is(err, call.ErrTooLarge) || !errors.Is(err, call.ErrCorrupt) || asked != 1 {
			t.Errorf("%s: asked %d times, %v", name, asked, err)
		}
	}
	if n := builtin(t, "suresend", nil).Info().MaxBytes; n != maxBody {
		t.Errorf("the engine is told of %d bytes", n)
	}
}
