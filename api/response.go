package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"
)

// headers go with every answer, errors included.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "no-referrer",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cache-Control":                "no-store",
}

// response remembers what was answered, for the log and after a panic.
type response struct {
	http.ResponseWriter
	route  string // pattern of the mux; empty when none matched
	status int    // 0 until the answer has begun
	bytes  int64
}

func (w *response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

type responseKey struct{}

// routeOf is the pattern of the request ctx belongs to.
func routeOf(ctx context.Context) string {
	w, ok := ctx.Value(responseKey{}).(*response)
	if !ok {
		return ""
	}
	return w.route
}

// allow gives the answer until d from now; 0 takes the limit away, for work
// whose length nobody knows. In-process callers have no limit to move.
func allow(ctx context.Context, d time.Duration) {
	w, ok := ctx.Value(responseKey{}).(*response)
	if !ok {
		return
	}
	var deadline time.Time
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(deadline)
}

func (s *server) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w := &response{ResponseWriter: rw}
	r = r.WithContext(context.WithValue(r.Context(), responseKey{}, w))
	begin := time.Now()
	defer func() { s.finish(w, r, begin, recover()) }()
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	if p := s.admit(w, r); p != nil {
		p.write(w)
		return
	}
	s.route(w, r)
}

// admit runs the guard and takes in the body.
func (s *server) admit(w http.ResponseWriter, r *http.Request) *problem {
	if p := s.guard.check(r); p != nil {
		return p
	}
	if mayChange(r) {
		if p := readBody(w, r); p != nil {
			return p
		}
	}
	return nil
}

// route serves r, with a problem document where the mux would answer in text.
func (s *server) route(w *response, r *http.Request) {
	handler, pattern := s.mux.Handler(r)
	if pattern != "" {
		w.route = pattern
		s.mux.ServeHTTP(w, r)
		return
	}
	text := refusal{header: http.Header{}}
	handler.ServeHTTP(&text, r)
	if text.status == http.StatusMethodNotAllowed {
		methods := text.header.Get("Allow")
		newProblem(text.status, "this path knows %s", methods).with("Allow", methods).write(w)
		return
	}
	noSuchPath().write(w)
}

// refusal takes the mux's own answer, to say the same as a problem document.
type refusal struct {
	header http.Header
	status int
}

func (w *refusal) Header() http.Header         { return w.header }
func (w *refusal) WriteHeader(status int)      { w.status = status }
func (w *refusal) Write(b []byte) (int, error) { return len(b), nil }

// finish logs the request. After a panic it answers 500, or cuts the
// connection when the answer had already begun.
func (s *server) finish(w *response, r *http.Request, begin time.Time, panicked any) {
	broken := panicked != nil && w.status != 0
	if panicked != nil && panicked != http.ErrAbortHandler {
		s.Log.Error("panic in a request", "route", w.route, "type", fmt.Sprintf("%T", panicked), "stack", string(debug.Stack()))
		if !broken {
			newProblem(http.StatusInternalServerError, "this could not be answered; the daemon's log says why").write(w)
		}
	}
	s.Log.Debug("request", "method", r.Method, "route", w.route, "status", w.status, "bytes", w.bytes,
		"duration_ms", time.Since(begin).Milliseconds())
	if broken || panicked == http.ErrAbortHandler {
		panic(http.ErrAbortHandler)
	}
}
