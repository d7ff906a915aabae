package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

func inProcessClient(h http.HandlerFunc) *http.Client { return &http.Client{Transport: InProcess(h)} }

// A body arrives while the handler still writes, and closing it early ends
// the handler before Close returns.
func TestInProcessStreams(t *testing.T) {
	goOn, ended := make(chan struct{}), make(chan error, 1)
	c := inProcessClient(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Order", "first")
		_, _ = io.WriteString(w, "one")
		<-goOn
		w.Header().Set("X-Late", "never sent")
		_, _ = io.WriteString(w, "two")
		_, err := io.WriteString(w, "three")
		<-r.Context().Done()
		ended <- err
	})
	res, err := c.Get("http://archive.example/x")
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 3)
	if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "one" {
		t.Fatalf("%q, %v", b, err)
	}
	close(goOn)
	if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "two" {
		t.Fatalf("%q, %v", b, err)
	}
	if res.Header.Get("X-Order") != "first" || res.Header.Get("X-Late") != "" {
		t.Errorf("headers %v", res.Header)
	}
	_ = res.Body.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the handler could write after the body was closed")
		}
	default:
		t.Error("Close returned while the handler was running")
	}
}

func TestInProcessRequest(t *testing.T) {
	var got *http.Request
	var body string
	c := inProcessClient(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		w.WriteHeader(http.StatusTeapot)
	})
	res, err := c.Post("http://archive.example:7411/v1/a%2Fb?x=1", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got.Host != "archive.example:7411" || got.RequestURI != "/v1/a%2Fb?x=1" || got.URL.Host != "" || body != "{}" || got.Method != "POST" {
		t.Errorf("the handler saw %s %s %s %q", got.Method, got.Host, got.RequestURI, body)
	}
	if res.StatusCode != http.StatusTeapot {
		t.Errorf("status %d", res.StatusCode)
	}
}

func TestInProcessPanicCutsTheAnswer(t *testing.T) {
	c := inProcessClient(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	})
	res, err := c.Get("http://archive.example/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); string(b) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", b, err)
	}
}

func TestInProcessCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := New("http://archive.example", "t", InProcess(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})))
	if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Another program on the port may answer anything.
func TestForeignAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   string
	}{
		{"page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, "read the API's answer"},
		{"text error", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<b>no</b>", http.StatusBadGateway) }, "the API answered 502 Bad Gateway"},
		{"broken problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "{")
		}, "the API answered 500 Internal Server Error"},
		{"lying problem", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(500)
			_, _ = io.WriteString(w, `{"status":404,"detail":"gone"}`)
		}, "gone"},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/status" {
				t.Errorf("followed to %s", r.URL.Path)
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}, "the API answered 302 Found"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			srv := httptest.NewServer(test.answer)
			defer srv.Close()
			_, err := New(srv.URL+"/", "t", nil).Status(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, call.ErrNotFound) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

// What takes requests and says nothing is given up, unless it was asked to
// wait or to work.
func TestNoAnswer(t *testing.T) {
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		busy := map[string]time.Duration{verifyPath: time.Hour, "/v1/changes": 30 * time.Second}[r.URL.Path]
		if r.URL.Path == "/v1/gaps" {
			_, _ = io.WriteString(w, "{") // a body that never ends
		}
		if busy == 0 {
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		time.Sleep(busy)
		_, _ = io.WriteString(w, `{"ok":true,"data":[],"next":3}`)
	})
	synctest.Test(t, func(t *testing.T) {
		c := New("http://archive.example", "t", InProcess(slow))
		c.patience = patience
		if _, err := c.Status(t.Context()); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("status: %v", err)
		}
		if _, err := c.Gaps(t.Context(), "", 0, ""); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("gaps: %v", err)
		}
		if found, err := c.Verify(t.Context()); err != nil || !found.Value.OK {
			t.Errorf("verify: %v", err)
		}
		if found, err := c.Changes(t.Context(), 3, 0, 30*time.Second); err != nil || found.Value.Next != 3 {
			t.Errorf("changes: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Status(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrNoAnswer) {
			t.Errorf("given up by the caller: %v", err)
		}
	})
}

// The query may hold a phone number; the error of a request that never
// arrived does not repeat it.
func TestErrorsDoNotRepeatTheQuery(t *testing.T) {
	c := New("http://archive.example", "secret-token", roundTrip(func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }))
	_, err := c.Calls(t.Context(), ListOptions{ListQuery: call.ListQuery{Filter: call.Filter{Phone: []string{"2025550123"}}}})
	if !errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "5550123") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAllCallsStopsAtACursorThatDoesNotMove(t *testing.T) {
	c := New("http://archive.example", "t", InProcess(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[{"key":"crm/c1"}],"pagination":{"next_cursor":"same","has_more":true}}`)
	})))
	n := 0
	err := c.AllCalls(t.Context(), ListOptions{}, func(Call) error { n++; return nil })
	if !errors.Is(err, call.ErrCorrupt) || n != 2 {
		t.Errorf("%d calls, %v", n, err)
	}
	stop := errors.New("enough")
	if err := c.AllCalls(t.Context(), ListOptions{}, func(Call) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
}

func TestCallPath(t *testing.T) {
	for id, want := range map[call.ID]string{
		"c1": "c1", "a/b": "a%2Fb", "..": "%2E%2E", ".": "%2E", "a b?#%": "a%20b%3F%23%25", "ü\x00": "%C3%BC%00",
	} {
		if got := callPath(call.Key{Source: "crm", ID: id}); got != "/v1/calls/crm/"+want {
			t.Errorf("%q: %s", id, got)
		}
	}
}
