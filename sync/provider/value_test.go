package provider

import (
	"encoding/json"
	"math"
	"math/big"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTextOf(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	for _, test := range []struct {
		in   any
		want string // empty means null
		ok   bool
	}{
		{nil, "", true}, {"", "", true}, {" \t", "", true}, {" a ", " a ", true},
		{json.Number("9007199254740993"), "9007199254740993", true}, {json.Number("1.50"), "1.50", true},
		{42, "42", true}, {huge, huge.String(), true}, {1e6, "1000000", true},
		{true, "", false}, {[]any{"a"}, "", false}, {map[string]any{}, "", false}, {math.NaN(), "", false},
	} {
		got, ok := textOf(test.in)
		if ok != test.ok || (got == nil) != (test.want == "") || got != nil && *got != test.want {
			t.Errorf("%#v: %v, %v", test.in, got, ok)
		}
	}
}

func TestNumberOf(t *testing.T) {
	for _, test := range []struct {
		in   any
		want any // nil or float64
		ok   bool
	}{
		{nil, nil, true}, {"", nil, true}, {json.Number("145"), 145.0, true}, {"145.5", 145.5, true}, {" 7 ", 7.0, true}, {-3, -3.0, true},
		{json.Number("1e400"), nil, false}, {"NaN", nil, false}, {"Inf", nil, false}, {"-Infinity", nil, false}, {math.Inf(1), nil, false},
		{"0x10", nil, false}, {"1_000", nil, false}, {"2 min", nil, false}, {true, nil, false},
	} {
		got, ok := numberOf(test.in)
		if ok != test.ok || (got == nil) != (test.want == nil) || got != nil && *got != test.want {
			t.Errorf("%#v: %v, %v", test.in, got, ok)
		}
	}
	if n, ok := lengthOf(-1); n != nil || ok {
		t.Error("a negative length is accepted")
	}
}

func TestTimeOf(t *testing.T) {
	for _, test := range []struct {
		in   any
		want string // RFC 3339; empty means null
		ok   bool
	}{
		{nil, "", true}, {"", "", true},
		{"2026-03-01T09:30:00Z", "2026-03-01T09:30:00Z", true},
		{"2026-03-01T09:30:00.123456789+02:00", "2026-03-01T07:30:00.123456789Z", true},
		{"2026-03-01T09:30:00", "2026-03-01T09:30:00Z", true},
		{"2026-03-01 09:30:00.5", "2026-03-01T09:30:00.5Z", true},
		{"2026-03-01 09:30:00+00", "2026-03-01T09:30:00Z", true}, {"2026-03-01T09:30:00.5+02", "2026-03-01T07:30:00.5Z", true},
		{"2026-03-01T09:30:00+0200", "2026-03-01T07:30:00Z", true},
		{"2026-03-01", "2026-03-01T00:00:00Z", true},
		{json.Number("1772357400"), "2026-03-01T09:30:00Z", true}, {json.Number("1772357400.25"), "2026-03-01T09:30:00.25Z", true},
		{json.Number("1772357400250"), "2026-03-01T09:30:00.25Z", true}, {"1772357400", "2026-03-01T09:30:00Z", true},
		{"2026-02-30T09:30:00Z", "", false}, {"2026-03-01T25:00:00Z", "", false}, {"yesterday", "", false}, {"0001-01-01T00:00:00Z", "", false},
		{0, "", false}, {json.Number("1e300"), "", false}, {true, "", false}, {245, "", false},
	} {
		got, ok := timeOf(test.in)
		if ok != test.ok || (got == nil) != (test.want == "") || got != nil && got.Format(time.RFC3339Nano) != test.want {
			t.Errorf("%#v: %v, %v", test.in, got, ok)
		}
	}
}

// TestExpressions checks what the jq of descriptions can and cannot do.
func TestExpressions(t *testing.T) {
	t.Setenv("CALLSYNCD_TEST", testSecret)
	for expression, want := range map[string]any{
		`.id`:                           json.Number("9007199254740993"),
		`.id + 1 | tostring`:            "9007199254740994",
		`.flag // "x"`:                  "x", // jq's own rule: // also skips false
		`lookup("users"; .user).name`:   "Kit",
		`lookup("users"; null)`:         nil,
		`lookup("users"; "nobody")`:     nil,
		`lookup("nothing"; "nobody")`:   nil,
		`[null, "a", " ", "b"] | words`: "a b",
		`[null, ""] | words`:            nil,
		`$list.id`:                      json.Number("9007199254740993"),
		`env | length`:                  0,
		`$ENV.CALLSYNCD_TEST`:           nil,
		`empty`:                         errNoResult,
		`.id.x`:                         errNoResult,
		`def f: f; f`:                   errNoResult, // ended by the clock
		`halt`:                          errNoResult,
		`error`:                         errNoResult,
	} {
		t.Run(expression, func(t *testing.T) {
			text, err := json.Marshal(expression)
			if err != nil {
				t.Fatal(err)
			}
			d := parse(t, small+"  outcome: "+string(text)+"\n")
			tables := map[string]any{"users": map[string]any{"u1": map[string]any{"name": "Kit"}}}
			item, err := decodeJSON([]byte(`{"id": 9007199254740993, "flag": false, "user": "u1"}`))
			if err != nil {
				t.Fatal(err)
			}
			got, err := run(t.Context(), d.spec.Map.Outcome.code, item, tables, item)
			if want == errNoResult {
				if err == nil {
					t.Errorf("got %v", got)
				}
				return
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, -want +got:\n%s", err, diff)
			}
		})
	}
}
