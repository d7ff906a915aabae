package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refusal is an error answer.
type refusal struct {
	status        int
	code, message string
}

// request is one accepted request on its way through a route.
type request struct {
	*world
	faults Faults
	id     string         // what stands for {id} in the path
	what   string         // is asked for, the same for the same request
	params map[string]any // strings of a query, or the values of a JSON body
	body   bool           // whether the parameters came in a JSON body
	now    time.Time
}

// ServeHTTP answers as the vendor does. The order is: who are you, may you ask
// so much, do we know this path, are the parameters right.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	f := w.sim.faultsOf(w.spec.name)
	route, id, allowed := w.route(r)
	what := identify(r)
	w.counts.request(kindOf(route))
	if !pause(r.Context(), w.sim.options.Latency) {
		return
	}
	rw.Header().Set("Date", w.sim.now().Add(f.ClockSkew).Format(http.TimeFormat))
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	refused := slices.Contains(f.CredentialsRefused, w.spec.name)
	if refused && !f.Outage {
		w.counts.fault("CredentialsRefused")
	}
	if !f.Outage && (refused || !w.spec.authorized(w, r)) {
		w.refuse(rw, "unauthorized", refusal{http.StatusUnauthorized, "unauthorized", echo(w.spec.refused, r, f)})
		return
	}
	if w.disrupt(rw, r, what, f) || (w.sim.options.Budgets && w.spend(rw, r)) {
		return
	}
	switch {
	case route == nil && allowed != "":
		rw.Header().Set("Allow", allowed)
		w.refuse(rw, "method", refusal{http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed"})
		return
	case route == nil:
		w.refuse(rw, "path", refusal{http.StatusNotFound, "not_found", "Not found"})
		return
	}
	params, invalid := w.parse(r, route)
	if invalid != nil {
		w.refuse(rw, "parameter", *invalid)
		return
	}
	w.answer(rw, r, &request{world: w, faults: f, id: id, what: what, params: params, body: r.Method == http.MethodPost, now: w.sim.now()}, route)
}

// identify says what a request asks for. The body of a POST is read, and put
// back for whoever reads it next.
func identify(r *http.Request) string {
	what := r.Method + " " + r.URL.EscapedPath() + "?" + r.URL.RawQuery
	if r.Method != http.MethodPost {
		return what
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return what
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return what + " " + string(body)
}

// answer runs a route and sends what it says.
func (w *world) answer(rw http.ResponseWriter, r *http.Request, q *request, route *route) {
	w.mu.Lock()
	w.grow(q.now)
	body, refused := route.serve(q)
	w.mu.Unlock()
	if refused != nil {
		why := refused.code
		if refused.status == http.StatusBadRequest {
			why = "parameter"
		}
		w.refuse(rw, why, *refused)
		return
	}
	if f := q.faults; f.FieldsVanish+f.TypesChange > 0 {
		body = w.drift(body, route.kind, f)
	}
	if q.faults.ClockSkew != 0 {
		w.counts.fault("ClockSkew")
	}
	data := encode(body)
	switch {
	case w.strike("TruncatedJSON", q.what, q.faults.TruncatedJSON):
		rw.Write(data[:len(data)/2])
	case w.strike("SlowBody", q.what, q.faults.SlowBody):
		w.drip(rw, r, data, q.faults)
	default:
		rw.Write(data)
	}
}

// drip sends the two halves of a body with a pause between them.
func (w *world) drip(rw http.ResponseWriter, r *http.Request, data []byte, f Faults) {
	delay := f.SlowBodyDelay
	if delay == 0 {
		delay = 2 * time.Second
	}
	rw.Header().Set("Content-Length", strconv.Itoa(len(data)))
	rw.Write(data[:len(data)/2])
	if flusher, ok := rw.(http.Flusher); ok {
		flusher.Flush()
	}
	if pause(r.Context(), delay) {
		rw.Write(data[len(data)/2:])
	}
}

// refuse sends an error in the vendor's form and counts it.
func (w *world) refuse(rw http.ResponseWriter, why string, e refusal) {
	w.counts.reject(why)
	w.write(rw, e.status, w.spec.failure(e.status, e.code, e.message))
}

// write sends a body with a status.
func (w *world) write(rw http.ResponseWriter, status int, body any) {
	rw.WriteHeader(status)
	rw.Write(encode(body))
}

// encode is JSON without HTML escapes and without the final newline.
func encode(body any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(body); err != nil {
		panic("simulator: " + err.Error()) // our own types always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// pause waits; false when the client went away.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// route finds the documented request, and what stands for {id} in its path.
// Without one, allowed lists the methods the path knows.
func (w *world) route(r *http.Request) (found *route, id, allowed string) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), w.spec.prefix)
	if !ok {
		return nil, "", ""
	}
	var methods []string
	for i := range w.spec.routes {
		candidate := &w.spec.routes[i]
		segment, ok := match(candidate.path, path)
		switch {
		case ok && candidate.method == r.Method:
			return candidate, segment, ""
		case ok:
			methods = append(methods, candidate.method)
		}
	}
	return nil, "", strings.Join(methods, ", ")
}

// match compares a path with a pattern and returns what stands for {id}.
func match(pattern, path string) (id string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return "", false
	}
	for i := range want {
		switch {
		case want[i] == "{id}" && have[i] != "":
			id = have[i]
		case want[i] != have[i]:
			return "", false
		}
	}
	return id, true
}

// kindOf is a route's kind for Stats; other when there is no route.
func kindOf(r *route) string {
	if r == nil {
		return kindOther
	}
	return r.kind
}
