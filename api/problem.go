package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

// problem is an RFC 9457 problem document: the body of every error.
type problem struct {
	Type   string `json:"type" doc:"always about:blank; the status says what kind of problem it is"`
	Title  string `json:"title" doc:"the status in words"`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"what went wrong here, and what to do about it"`
	// Position is set for a mistake in the text of a search.
	Position *int        `json:"position,omitempty" doc:"offset of the mistake in q, in characters (Unicode code points)"`
	Errors   []complaint `json:"errors,omitempty" nullable:"false" doc:"every single mistake, when there can be several"`

	header http.Header
}

// maxComplaints bounds the answer to a body full of mistakes.
const maxComplaints = 16

// complaint is one mistake in a request.
type complaint struct {
	Location string `json:"location,omitempty" doc:"where it is: query.NAME, body.NAME or path.NAME"`
	Message  string `json:"message"`
}

func (c *complaint) Error() string { return c.Message }

func newProblem(status int, format string, args ...any) *problem {
	return &problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// with adds a header of the answer.
func (p *problem) with(name, value string) *problem {
	if p.header == nil {
		p.header = http.Header{}
	}
	p.header.Set(name, value)
	return p
}

// Error, GetStatus, GetHeaders and ContentType make a problem the error of a
// huma handler.
func (p *problem) Error() string           { return p.Detail }
func (p *problem) GetStatus() int          { return p.Status }
func (p *problem) GetHeaders() http.Header { return p.header }
func (p *problem) ContentType(string) string {
	return "application/problem+json"
}

// write answers with the problem.
func (p *problem) write(w http.ResponseWriter) {
	body, err := encode(p)
	if err != nil {
		panic(err) // a problem holds only strings and numbers
	}
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Del("Content-Length")
	w.Header().Set("Content-Type", p.ContentType(""))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(body) // nobody is left to tell
}

// encode is the one way JSON leaves this package: verbatim vendor documents
// keep their <, > and &.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return b.Bytes(), nil
}

// kinds maps the kinds of errors to answers. The detail is all a caller sees.
var kinds = []struct {
	kind   error
	status int
	retry  string // Retry-After, in seconds
	detail string
}{
	{call.ErrNotFound, http.StatusNotFound, "", "there is no such thing in the archive"},
	{call.ErrRefused, http.StatusConflict, "", "that is not possible in the present state"},
	{ErrUnavailable, http.StatusServiceUnavailable, "5", "search is not available yet: the index is being built; see GET /v1/status"},
	{ErrBusy, http.StatusTooManyRequests, "1", "too many searches at once; try again in a moment"},
	{ErrTooSlow, http.StatusServiceUnavailable, "5", "the search takes too long: use more or longer words, or filters"},
	{call.ErrLocked, http.StatusServiceUnavailable, "5", "another process holds the archive"},
	{call.ErrTransient, http.StatusServiceUnavailable, "5", "temporary failure; try again"},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, "5", "the answer took too long"},
	{context.Canceled, http.StatusServiceUnavailable, "5", "the request was given up"},
}

// asProblem turns the error of a handler into its answer; ok is false for one
// that nobody expected and that belongs in the log.
func asProblem(err error) (p *problem, ok bool) {
	if errors.As(err, &p) {
		return p, true
	}
	if q, is := errors.AsType[*call.QueryError](err); is {
		p = newProblem(http.StatusBadRequest, "%s", q.Message)
		p.Position = &q.Position
		p.Errors = []complaint{{"query.q", q.Message}}
		return p, true
	}
	if errors.Is(err, call.ErrBadCursor) {
		return badRequest(complaint{"query.cursor", "is not a cursor of this list; start again without one"}), true
	}
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			p = newProblem(k.status, "%s", k.detail)
			if k.retry != "" {
				p.with("Retry-After", k.retry)
			}
			return p, true
		}
	}
	return newProblem(http.StatusInternalServerError, "this could not be answered; the daemon's log says why"), false
}

// badRequest lists mistakes; its detail repeats them in one sentence.
func badRequest(list ...complaint) *problem {
	words := make([]string, len(list))
	for i, c := range list {
		_, name, _ := strings.Cut(c.Location, ".")
		words[i] = strings.TrimSpace(name + " " + c.Message)
	}
	p := newProblem(http.StatusBadRequest, "%s", strings.Join(words, "; "))
	p.Errors = list
	return p
}

// fail is the error a handler returns to huma.
func (s *server) fail(ctx context.Context, err error) error {
	p, expected := asProblem(err)
	if !expected {
		s.Log.ErrorContext(ctx, "request failed", "route", routeOf(ctx), "err", err)
	}
	return p
}

func init() {
	// {"source": ..., "SOURCE": ...} would else be one field given twice.
	huma.ValidateStrictCasing = true
	// huma writes its own errors (a body that does not fit its schema) through
	// this variable, there is no other way to give them our shape.
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		if status == http.StatusUnprocessableEntity {
			status = http.StatusBadRequest
		}
		var list []complaint
		for _, err := range errs[:min(len(errs), maxComplaints)] {
			list = append(list, asComplaint(err))
		}
		if len(list) > 0 {
			p := badRequest(list...)
			p.Status, p.Title = status, http.StatusText(status)
			return p
		}
		return newProblem(status, "%s", message)
	}
}

func asComplaint(err error) complaint {
	if c, ok := errors.AsType[*complaint](err); ok {
		return *c
	}
	if d, ok := errors.AsType[*huma.ErrorDetail](err); ok {
		return complaint{tame(d.Location), tame(d.Message)}
	}
	return complaint{Message: tame(err.Error())}
}

// tame is what an answer may repeat of a request: short, and with everything
// that is not seen, or that moves what is, written as an escape.
func tame(s string) string {
	const most = 128
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "\\u%04X", r)
		}
	}
	return b.String()
}
