package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"unicode/utf8"
)

const (
	maxBodyBytes = 64 << 10
	maxBodyDepth = 16
)

// readBody reads the body of a request that may change something, refuses what is not one plain
// JSON value, and puts it back for the handler.
func readBody(w http.ResponseWriter, r *http.Request) *problem {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, big := errors.AsType[*http.MaxBytesError](err); big {
		return newProblem(http.StatusRequestEntityTooLarge, "the body is longer than %d bytes", maxBodyBytes)
	}
	if timeout, is := errors.AsType[net.Error](err); is && timeout.Timeout() {
		return newProblem(http.StatusRequestTimeout, "the body did not arrive in time")
	}
	if err != nil {
		return newProblem(http.StatusBadRequest, "the body ended early")
	}
	if message := checkJSON(body); message != "" {
		return badRequest(complaint{"body", message})
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json") // the guard let it pass as that; huma knows one spelling
	}
	return nil
}

// checkJSON says what keeps body from being exactly one JSON value that every
// reader understands alike; empty when it is one, or when there is no body.
func checkJSON(body []byte) string {
	if len(body) == 0 {
		return ""
	}
	if !utf8.Valid(body) {
		return "is not UTF-8"
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if message := checkValue(d, 0); message != "" {
		return message
	}
	if _, err := d.Token(); err != io.EOF {
		return "goes on after its JSON value"
	}
	return ""
}

func checkValue(d *json.Decoder, depth int) string {
	token, err := d.Token()
	if err != nil {
		return "is not JSON"
	}
	delim, nested := token.(json.Delim)
	if !nested {
		return ""
	}
	if depth == maxBodyDepth {
		return "is nested deeper than " + strconv.Itoa(maxBodyDepth) + " levels"
	}
	seen := map[string]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return "is not JSON"
			}
			text, _ := name.(string)
			if seen[text] {
				return "names a field twice"
			}
			seen[text] = true
		}
		if message := checkValue(d, depth+1); message != "" {
			return message
		}
	}
	if _, err := d.Token(); err != nil {
		return "is not JSON"
	}
	return ""
}
