package provider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// The functions below turn what an expression gave into what a call holds. They
// yield nil for null and for what counts as nothing said; ok is false when the
// value is something else than asked for, and then the value is nil as well.

// textOf takes texts and numbers; a blank text is nothing said.
func textOf(v any) (text *string, ok bool) {
	s := ""
	switch v := v.(type) {
	case nil:
		return nil, true
	case string:
		s = v
	case json.Number:
		s = v.String()
	case int:
		s = strconv.Itoa(v)
	case *big.Int:
		s = v.String()
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, false
		}
		s = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return nil, false
	}
	if strings.TrimSpace(s) == "" {
		return nil, true
	}
	return &s, true
}

// numberOf takes numbers and texts that hold one; never NaN or an infinity.
func numberOf(v any) (number *float64, ok bool) {
	f := 0.0
	switch v := v.(type) {
	case nil:
		return nil, true
	case int:
		f = float64(v)
	case float64:
		f = v
	case *big.Int:
		f, _ = new(big.Float).SetInt(v).Float64()
	case json.Number:
		return numberOf(v.String())
	case string:
		v = strings.TrimSpace(v)
		if v == "" {
			return nil, true
		}
		parsed, err := strconv.ParseFloat(v, 64)
		if err != nil || strings.ContainsAny(v, "xXpP_iInN") {
			return nil, false
		}
		f = parsed
	default:
		return nil, false
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, false
	}
	return &f, true
}

// lengthOf takes numbers that are not negative.
func lengthOf(v any) (*float64, bool) {
	n, ok := numberOf(v)
	if n != nil && *n < 0 {
		return nil, false
	}
	return n, ok
}

// timeForms are the notations of a time, besides numbers. Without a zone it is UTC.
var timeForms = []string{
	time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02 15:04:05Z0700",
	"2006-01-02T15:04:05Z07", "2006-01-02 15:04:05Z07",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04", time.DateOnly,
}

// epochMilliseconds is where a number of seconds turns into one of milliseconds:
// the year 5138, or the spring of 1973.
const epochMilliseconds = 1e11

// timeOf takes RFC 3339 and its usual variants, and seconds or milliseconds
// since 1970. Dates that do not exist, and the zero of clocks, are not times.
func timeOf(v any) (*time.Time, bool) {
	if s, isText := v.(string); isText {
		s = strings.TrimSpace(s)
		if s == "" {
			return nil, true
		}
		for _, form := range timeForms {
			if t, err := time.Parse(form, s); err == nil {
				return believable(t)
			}
		}
	}
	n, ok := numberOf(v)
	if n == nil || !ok {
		return nil, ok
	}
	if math.Abs(*n) >= epochMilliseconds {
		return believable(time.UnixMilli(int64(math.Max(math.Min(*n, 1e15), -1e15))))
	}
	seconds, fraction := math.Modf(*n)
	return believable(time.Unix(int64(seconds), int64(math.Round(fraction*1e6))*1000))
}

// believable leaves out clocks that were never set.
func believable(t time.Time) (*time.Time, bool) {
	t = t.UTC()
	if t.Year() < 1971 || t.Year() > 9999 {
		return nil, false
	}
	return &t, true
}

// canonical writes a value with sorted keys and its numbers as they came.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
