package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// invalid is the refusal of a parameter.
func invalid(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", fmt.Sprintf(format, args...)}
}

// parse reads the parameters of a request and refuses those the route does not
// document, and those given twice.
func (w *world) parse(r *http.Request, route *route) (map[string]any, *refusal) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("malformed query")
	}
	params := map[string]any{}
	if r.Method == http.MethodPost {
		if len(query) > 0 {
			return nil, invalid("query parameters are not accepted here")
		}
		if params, err = readBody(r); err != nil {
			return nil, invalid("%v", err)
		}
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, invalid("parameter '%s' was given more than once", name)
		}
		params[name] = values[0]
	}
	for name := range params {
		if !slices.Contains(route.params, name) {
			return nil, invalid("unknown parameter '%s'", name)
		}
	}
	return params, nil
}

// readBody reads a JSON object without duplicate keys.
func readBody(r *http.Request) (map[string]any, error) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/json" {
		return nil, errors.New("content type must be application/json")
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, errors.New("the body could not be read")
	}
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil || all == nil {
		return nil, errors.New("the body must be a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil {
		return nil, errors.New("the body must be a JSON object")
	}
	params := map[string]any{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, errors.New("malformed JSON")
		}
		name := key.(string) // json.Unmarshal has seen that it is an object
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("field '%s' was given more than once", name)
		}
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, errors.New("malformed JSON")
		}
		params[name] = value
	}
	return params, nil
}

// text returns a parameter; empty when it is not there.
func (q *request) text(name string) (string, *refusal) {
	switch value := q.params[name].(type) {
	case nil:
		return "", nil
	case string:
		return value, nil
	}
	return "", invalid("'%s' must be a string", name)
}

// oneOf is text that must be one of a few words.
func (q *request) oneOf(name, fallback string, words ...string) (string, *refusal) {
	value, refused := q.text(name)
	switch {
	case refused != nil:
		return "", refused
	case value == "":
		return fallback, nil
	case !slices.Contains(words, value):
		return "", invalid("Invalid %s parameter", name)
	}
	return value, nil
}

// number returns a whole number not below least; fallback when it is not there.
func (q *request) number(name string, fallback, least int) (int, *refusal) {
	n := 0
	switch value := q.params[name].(type) {
	case nil:
		return fallback, nil
	case float64:
		n = int(value)
		if float64(n) != value {
			return 0, invalid("'%s' must be an integer", name)
		}
	case string:
		parsed, err := strconv.Atoi(value)
		if err != nil || q.body {
			return 0, invalid("'%s' must be an integer", name)
		}
		n = parsed
	default:
		return 0, invalid("'%s' must be an integer", name)
	}
	if n < least {
		return 0, invalid("'%s' must be at least %d", name, least)
	}
	return n, nil
}

// moment returns an ISO 8601 time, or a day as its midnight; zero when it is
// not there.
func (q *request) moment(name string) (time.Time, *refusal) {
	value, refused := q.text(name)
	if refused != nil || value == "" {
		return time.Time{}, refused
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, value); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("'%s' must be an ISO 8601 date", name)
}

// window is the part of a list one request asks for.
type window struct {
	skip, size int
	page       int // 0 when paging is by offset
}

// size returns the page size in force for a request of that many rows.
func (q *request) size(name string, fallback, maximum int, clamp bool) (int, *refusal) {
	n, refused := q.number(name, fallback, 1)
	if refused != nil {
		return 0, refused
	}
	if n > maximum && !clamp {
		return 0, invalid("'%s' must not be more than %d", name, maximum)
	}
	return min(n, maximum), nil
}

// callSize is size for the list of calls, with PageCap and SmallPages.
func (q *request) callSize(name string) (int, *refusal) {
	n, refused := q.size(name, q.spec.size, q.spec.maximum, q.spec.clamp)
	if limit := q.sim.options.PageCap[q.spec.name]; limit > 0 {
		n = min(n, limit)
	}
	if q.faults.SmallPages > 0 && refused == nil {
		q.counts.fault("SmallPages")
		n = max(1, int(float64(n)*(1-q.faults.SmallPages)))
	}
	return n, refused
}

// paged returns the window of page and size parameters.
func (q *request) paged(size int) (window, *refusal) {
	page, refused := q.number("page", 1, 1)
	return window{skip: (page - 1) * size, size: size, page: page}, refused
}

// skipped returns the window of offset and size parameters.
func (q *request) skipped(size int) (window, *refusal) {
	offset, refused := q.number("offset", 0, 0)
	return window{skip: offset, size: size}, refused
}

// cut returns the rows of a window.
func cut[T any](rows []T, win window) []T {
	from := min(max(win.skip, 0), len(rows))
	return rows[from:min(from+win.size, len(rows))]
}
