package provider

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Limits of an API answer, after decompression.
const (
	maxBody   = 32 << 20 // bytes
	maxDepth  = 64       // nested objects and arrays
	maxValues = 500_000  // a decoded value costs some hundred bytes, however few it was sent in
	maxNumber = 1000     // bytes of one number
	// A gzip answer may grow by maxRatio once it is larger than ratioFrom bytes.
	maxRatio  = 100
	ratioFrom = 1 << 20
)

var (
	errTooLarge = errors.New("answer is larger than 32 MiB")
	errRatio    = errors.New("compressed answer grows suspiciously")
	errEncoding = errors.New("answer is compressed in a way we did not ask for")
)

// readBody reads and decompresses an answer within the limits.
func readBody(response *http.Response) ([]byte, error) {
	wire := &counter{r: response.Body}
	var r io.Reader = wire
	switch strings.ToLower(response.Header.Get("Content-Encoding")) {
	case "", "identity":
		wire = nil
	case "gzip":
		unzip, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = unzip
	default:
		return nil, errEncoding
	}
	var body bytes.Buffer
	for {
		_, err := io.CopyN(&body, r, ratioFrom)
		size := int64(body.Len())
		switch {
		case size > maxBody:
			return nil, errTooLarge
		case wire != nil && size > ratioFrom && size > maxRatio*wire.n:
			return nil, errRatio
		case err == io.EOF:
			return body.Bytes(), nil
		case err != nil:
			return nil, err
		}
	}
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
				return fmt.Errorf("answer has more than %d values", maxValues)
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
