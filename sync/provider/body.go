package provider

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"callsyncd/call"
)

// Limits of an API answer, after decompression.
const (
	maxBody   = 16 << 20 // bytes
	maxCall   = 4 << 20  // bytes about one call: eighty hours of speech
	maxDepth  = 64       // nested objects and arrays
	maxValues = 500_000  // a decoded value costs some hundred bytes, however few it was sent in
	maxNumber = 1000     // bytes of one number
	// A gzip answer may grow by maxRatio once it is larger than ratioFrom bytes.
	maxRatio  = 100
	ratioFrom = 1 << 20
)

// What all sources together may have in memory: of answers larger than hugeBody
// one, until it is stored; of those larger than heavyBody one may be decoded
// at a time.
const (
	heavyBody = 1 << 20 // bytes
	hugeBody  = 4 << 20
)

var (
	huge  = make(call.Seats, 1)
	heavy = make(call.Seats, 1)
)

var (
	errTooLarge = errors.New("answer is larger than 16 MiB")
	errTooMany  = fmt.Errorf("answer has more than %d values", maxValues)
	errRatio    = errors.New("compressed answer grows suspiciously")
	errEncoding = errors.New("answer is compressed in a way we did not ask for")
	errBusy     = fmt.Errorf("%w: too many large answers at once", call.ErrTransient)
)

// readBody reads and decompresses an answer within the limits. What it returns
// besides must be called once the body is decoded, or was not to be.
func readBody(ctx context.Context, response *http.Response) (body []byte, release func(keep bool), err error) {
	release = func(bool) {}
	if response.ContentLength > maxBody {
		return nil, release, errTooLarge
	}
	wire := &counter{r: response.Body}
	var r io.Reader = wire
	switch strings.ToLower(response.Header.Get("Content-Encoding")) {
	case "", "identity":
		wire = nil
	case "gzip":
		unzip, err := gzip.NewReader(r)
		if err != nil {
			return nil, release, err
		}
		r = unzip
	default:
		return nil, release, errEncoding
	}
	for _, size := range []int{4 << 10, 64 << 10, ratioFrom, hugeBody, maxBody + 1} {
		if size > hugeBody {
			var ok bool
			if release, ok = huge.Take(ctx); !ok {
				return nil, func(bool) {}, errBusy
			}
		}
		body, err = fill(body, size, r)
		switch {
		case len(body) > maxBody:
			err = errTooLarge
		case wire != nil && len(body) > ratioFrom && int64(len(body)) > maxRatio*wire.n:
			err = errRatio
		}
		if err != nil {
			break
		}
	}
	if err == io.EOF {
		err = nil
	}
	if cap(body) > 2*len(body) {
		body = bytes.Clone(body) // documents stay in memory for a while
	}
	return body, release, err
}

// fill reads on until body has a size; io.EOF means that r has ended.
func fill(body []byte, size int, r io.Reader) ([]byte, error) {
	grown := make([]byte, size)
	n := copy(grown, body)
	for n < size {
		more, err := r.Read(grown[n:])
		n += more
		if err != nil {
			return grown[:n], err
		}
	}
	return grown, nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// parseJSON checks and decodes an answer. The error says what is wrong without
// quoting the answer.
func parseJSON(body []byte) (answer, error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	switch trimmed := bytes.TrimSpace(body); {
	case len(trimmed) == 0:
		return answer{}, errors.New("answer is empty")
	case trimmed[0] == '<':
		return answer{}, errors.New("answer is HTML or XML, not JSON")
	case !utf8.Valid(body):
		return answer{}, errors.New("answer is not UTF-8")
	}
	if err := checkShape(body); err != nil {
		return answer{}, err
	}
	if !json.Valid(body) {
		return answer{}, errors.New("answer is not JSON")
	}
	value, err := decodeJSON(body)
	return answer{raw: body, value: value}, err
}

// decodeJSON decodes with exact numbers; body must be valid.
func decodeJSON(body []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, errors.New("answer is not JSON")
	}
	return value, nil
}

// checkShape refuses what would make decoding expensive: deep nesting and
// numbers of absurd length.
func checkShape(body []byte) error {
	depth, number, values := 0, 0, 0
	inText := false
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == ',' || c == ':':
			if values++; values > maxValues {
				return errTooMany
			}
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return fmt.Errorf("answer is nested deeper than %d levels", maxDepth)
			}
		case c == '}' || c == ']':
			depth--
		}
		if number++; inText || c < '0' || c > '9' {
			number = 0
		}
		if number > maxNumber {
			return fmt.Errorf("answer holds a number of more than %d digits", maxNumber)
		}
	}
	return nil
}
