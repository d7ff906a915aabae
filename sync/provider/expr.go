package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/itchyny/gojq"
)

// runLimits bound the time one expression may keep jq busy: at first, and once
// more when that was not enough. A machine that is overloaded, or slept, must not
// look like odd data: the field would stay empty although the vendor gave it.
var runLimits = []time.Duration{time.Second, 20 * time.Second}

// program is one compiled jq expression with its place in the description.
type program struct {
	key          string // "map.direction"
	source       string
	line, column int
	code         *gojq.Code
}

// The kinds of expressions.
type (
	answerExpr   struct{ program } // works on an answer alone
	callExpr     struct{ program } // works on all documents of a call: '.' and one variable per document
	pathExpr     struct{ program } // names a place in an answer, such as .data
	volatileExpr struct{ program } // names what to leave out of a fingerprint
)

// prelude are the functions every call expression may use.
const prelude = `
def words: map(select(type == "string" and test("\\S"))) | if length == 0 then null else join(" ") end;
def lookup($table; $id): if $id == null then null else
($lookup[$table] // {})[$id | tostring] // _missed($lookup; $table; $id | tostring) end;`

var preludeDefs = mustParse(prelude + " .").FuncDefs

func mustParse(source string) *gojq.Query {
	q, err := gojq.Parse(source)
	if err != nil {
		panic(err)
	}
	return q
}

// compile prepares an expression on an answer.
func (e *answerExpr) compile([]string) error { return e.build(e.source, nil, nil) }

// compile prepares an expression that may use the documents and the prelude.
func (e *callExpr) compile(variables []string) error {
	return e.build(e.source, preludeDefs, variables)
}

// compile makes an expression that yields the places e names.
func (e *pathExpr) compile([]string) error { return e.build("path("+e.source+"\n)", nil, nil) }

// compile makes an expression that deletes what e names.
func (e *volatileExpr) compile([]string) error { return e.build("del("+e.source+"\n)", nil, nil) }

func (p *program) build(source string, defs []*gojq.FuncDef, variables []string) error {
	if _, err := gojq.Parse(p.source); err != nil {
		return err
	}
	query, err := gojq.Parse(source)
	if err != nil {
		return err
	}
	query.FuncDefs = append(append([]*gojq.FuncDef{}, defs...), query.FuncDefs...)
	p.code, err = gojq.Compile(query, gojq.WithVariables(variables), gojq.WithFunction("_missed", 3, 3, missed))
	return err
}

// errNoResult is what a jq expression that yields nothing, such as empty, ends in.
var errNoResult = errors.New("no result")

// run evaluates code and returns its first result; a nil code yields null.
// Whatever goes wrong inside jq, also a panic, becomes an error. It does not
// end with ctx: a cancellation half-way must not look like odd data.
func run(ctx context.Context, code *gojq.Code, input any, variables ...any) (v any, err error) {
	if code == nil {
		return nil, nil
	}
	for _, limit := range runLimits {
		if v, err = runOnce(ctx, limit, code, input, variables); !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return v, err
}

func runOnce(ctx context.Context, limit time.Duration, code *gojq.Code, input any, variables []any) (v any, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, fmt.Errorf("jq: %v", r)
		}
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	v, ok := code.RunWithContext(ctx, input, variables...).Next()
	if !ok {
		return nil, errNoResult
	}
	if err, bad := v.(error); bad {
		return nil, err
	}
	return v, nil
}

// eval evaluates an expression on an answer; a nil expression yields null.
func (e *answerExpr) eval(ctx context.Context, answer any) (any, error) {
	if e == nil {
		return nil, nil
	}
	return run(ctx, e.code, answer)
}

// truthy is jq's idea of true.
func truthy(v any) bool {
	b, isBool := v.(bool)
	return v != nil && (!isBool || b)
}

// answer is JSON as the vendor sent it, and decoded with exact numbers.
type answer struct {
	raw   json.RawMessage
	value any
}

// at returns the part of a that path names; a nil path names all of it. Its
// raw is nil when nothing is there.
func (a answer) at(ctx context.Context, path *pathExpr) (answer, error) {
	if path == nil {
		return a, nil
	}
	place, err := run(ctx, path.code, a.value)
	if err != nil {
		return answer{}, err
	}
	keys, _ := place.([]any)
	for _, key := range keys {
		if a, err = a.child(key); err != nil || a.raw == nil {
			return answer{}, err
		}
	}
	return a, nil
}

// child follows one step of a jq path.
func (a answer) child(key any) (answer, error) {
	switch value := a.value.(type) {
	case map[string]any:
		var object map[string]json.RawMessage
		if err := json.Unmarshal(a.raw, &object); err != nil {
			return answer{}, err
		}
		name, _ := key.(string)
		return answer{object[name], value[name]}, nil
	case []any:
		var array []json.RawMessage
		if err := json.Unmarshal(a.raw, &array); err != nil {
			return answer{}, err
		}
		i, ok := gojq.ToInt(key)
		if ok && i < 0 {
			i += len(array)
		}
		if !ok || i < 0 || i >= len(array) {
			return answer{}, nil
		}
		return answer{array[i], value[i]}, nil
	}
	return answer{}, nil
}
