package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"callsyncd/call"
)

// Problem is an answer that is not a success, an RFC 9457 document. It is one
// of the error kinds of package call where there is one, and a
// *call.QueryError for a mistake in the text of a search.
type Problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Position is the place of a mistake in the text of a search, in runes;
	// nil for everything else.
	Position *int        `json:"position"`
	Errors   []Complaint `json:"errors"`
	// Body is the document as it was sent.
	Body json.RawMessage `json:"-"`
}

// Complaint is one mistake in a request.
type Complaint struct {
	// Location is query.NAME, body.NAME or path.NAME; empty for the whole.
	Location string `json:"location"`
	Message  string `json:"message"`
}

func (p *Problem) Error() string {
	if p.Detail == "" {
		return fmt.Sprintf("the API answered %d %s", p.Status, p.Title)
	}
	return p.Detail
}

// UnknownSource reports whether the request named a source that the archive
// does not know, rather than something that cannot be a name.
func (p *Problem) UnknownSource() bool {
	return p.Status == http.StatusBadRequest && len(p.Errors) == 1 && p.Errors[0].Location == "query.source" &&
		strings.Contains(p.Errors[0].Message, "is no source of this archive")
}

// Is tells the kind of the problem by its status.
func (p *Problem) Is(kind error) bool {
	switch p.Status {
	case http.StatusNotFound:
		return kind == call.ErrNotFound
	case http.StatusUnauthorized:
		return kind == call.ErrUnauthorized
	case http.StatusForbidden, http.StatusConflict:
		return kind == call.ErrRefused
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return kind == call.ErrTransient
	case http.StatusBadRequest:
		return kind == call.ErrBadCursor && len(p.Errors) == 1 && p.Errors[0].Location == "query.cursor"
	}
	return false
}

// As makes a mistake in the text of a search a *call.QueryError.
func (p *Problem) As(target any) bool {
	q, ok := target.(**call.QueryError)
	if !ok || p.Position == nil {
		return false
	}
	*q = &call.QueryError{Position: *p.Position, Message: p.Detail}
	return true
}

// problemOf reads a refusal and closes it. What is no problem document, such
// as an answer of some other program on the port, keeps only its status.
func problemOf(res *http.Response) *Problem {
	defer func() { _ = res.Body.Close() }() // it was only read
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	p := &Problem{}
	if err == nil && res.Header.Get("Content-Type") == "application/problem+json" && json.Unmarshal(body, p) == nil {
		p.Body = body
	}
	p.Status = res.StatusCode
	if p.Title == "" {
		p.Title = http.StatusText(res.StatusCode)
	}
	return p
}
