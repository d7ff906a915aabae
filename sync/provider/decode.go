package provider

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Problem is one mistake in a description.
type Problem struct {
	File         string
	Line, Column int    // from 1; 0 when the mistake has no place
	Key          string // such as "list.paging.rows"; empty for the whole file
	Message      string
}

func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Key != "" {
		s += ": " + p.Key
	}
	return s + ": " + p.Message
}

// Problems are all mistakes of a description, in the order of its lines.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// expression is what every kind of jq expression can do.
type expression interface {
	compile(variables []string) error
	place() *program
}

func (p *program) place() *program { return p }

// decoder fills the format's types from YAML nodes and keeps the place of
// everything it reads.
type decoder struct {
	file        string
	problems    Problems
	expressions []expression
	places      map[string]*yaml.Node // by key
}

func (d *decoder) problem(n *yaml.Node, key, format string, args ...any) {
	p := Problem{File: d.file, Key: key, Message: fmt.Sprintf(format, args...)}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, p)
}

// wrong reports a mistake at the nearest known place of key, unless one was
// already found there.
func (d *decoder) wrong(key, format string, args ...any) {
	for _, p := range d.problems {
		if p.Key != "" && (p.Key == key || strings.HasPrefix(key, p.Key+".")) {
			return
		}
	}
	for place := key; ; {
		if n := d.places[place]; n != nil || place == "" {
			d.problem(n, key, format, args...)
			return
		}
		place = place[:max(0, strings.LastIndexAny(place, ".["))]
	}
}

func (d *decoder) decode(n *yaml.Node, key string, to reflect.Value) {
	d.places[key] = n
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.problem(n, key, "anchors and aliases are not allowed")
		return
	}
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(to.Type().Elem()))
		if e, ok := to.Interface().(expression); ok {
			d.expression(n, key, e)
			return
		}
		to = to.Elem()
	}
	switch to.Kind() {
	case reflect.Struct:
		d.object(n, key, to)
	case reflect.Map:
		d.table(n, key, to)
	case reflect.Slice:
		d.sequence(n, key, to)
	case reflect.Interface:
		if v, ok := d.plain(n, key); ok && v != nil {
			to.Set(reflect.ValueOf(v))
		}
	default:
		d.scalar(n, key, to)
	}
}

func (d *decoder) kind(n *yaml.Node, key string, want yaml.Kind, name string) bool {
	if n.Kind == want {
		return true
	}
	d.problem(n, key, "want %s", name)
	return false
}

// pairs walks a mapping and reports repeated and non-text keys.
func (d *decoder) pairs(n *yaml.Node, key string, visit func(name string, at, value *yaml.Node)) {
	if !d.kind(n, key, yaml.MappingNode, "a mapping of keys to values") {
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		switch {
		case name.Kind != yaml.ScalarNode || name.ShortTag() == "!!merge":
			d.problem(name, key, "want a plain key")
		case seen[name.Value]:
			d.problem(name, join(key, name.Value), "is given twice")
		default:
			seen[name.Value] = true
			visit(name.Value, name, n.Content[i+1])
		}
	}
}

func (d *decoder) object(n *yaml.Node, key string, to reflect.Value) {
	fields, required := fieldsOf(to)
	d.pairs(n, key, func(name string, at, value *yaml.Node) {
		field, known := fields[name]
		if !known {
			d.problem(at, join(key, name), "unknown key; known here: %s", strings.Join(sortedKeys(fields), ", "))
			return
		}
		required = slices.DeleteFunc(required, func(r string) bool { return r == name })
		d.decode(value, join(key, name), field)
	})
	if n.Kind != yaml.MappingNode {
		return
	}
	for _, name := range required {
		d.problem(n, join(key, name), "is missing")
	}
}

// fieldsOf lists the fields of a struct and of those it embeds, by JSON name.
func fieldsOf(v reflect.Value) (fields map[string]reflect.Value, required []string) {
	fields = map[string]reflect.Value{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			inner, needed := fieldsOf(v.Field(i))
			for name, field := range inner {
				fields[name] = field
			}
			required = append(required, needed...)
			continue
		}
		if !f.IsExported() {
			continue
		}
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = v.Field(i)
		if option == "" {
			required = append(required, name)
		}
	}
	return fields, required
}

func (d *decoder) table(n *yaml.Node, key string, to reflect.Value) {
	to.Set(reflect.MakeMap(to.Type()))
	d.pairs(n, key, func(name string, _, value *yaml.Node) {
		v := reflect.New(to.Type().Elem()).Elem()
		d.decode(value, join(key, name), v)
		to.SetMapIndex(reflect.ValueOf(name), v)
	})
}

func (d *decoder) sequence(n *yaml.Node, key string, to reflect.Value) {
	if !d.kind(n, key, yaml.SequenceNode, "a list") {
		return
	}
	for i, item := range n.Content {
		v := reflect.New(to.Type().Elem()).Elem()
		d.decode(item, fmt.Sprintf("%s[%d]", key, i), v)
		to.Set(reflect.Append(to, v))
	}
}

func (d *decoder) expression(n *yaml.Node, key string, e expression) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "" {
		d.problem(n, key, "want a jq expression")
	}
	*e.place() = program{key: key, source: n.Value, line: n.Line, column: n.Column}
	d.expressions = append(d.expressions, e)
}

func (d *decoder) scalar(n *yaml.Node, key string, to reflect.Value) {
	if !d.kind(n, key, yaml.ScalarNode, "a single value") {
		return
	}
	tag := n.ShortTag()
	switch {
	case to.Type() == reflect.TypeFor[span]():
		length, ok := parseSpan(n.Value)
		if !ok {
			d.problem(n, key, "want a duration such as 90s, 10m or 24h")
		}
		to.SetInt(int64(length))
	case to.Kind() == reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if tag != "!!int" || err != nil {
			d.problem(n, key, "want a whole number")
		}
		to.SetInt(int64(i))
	case to.Kind() == reflect.Bool:
		if tag != "!!bool" || n.Value != "true" && n.Value != "false" {
			d.problem(n, key, "want true or false")
		}
		to.SetBool(n.Value == "true")
	case tag == "!!null" || n.Value == "":
		d.problem(n, key, "want a text")
	default:
		if known := vocabulary[to.Type().Name()]; known != nil && !slices.Contains(known, n.Value) {
			d.problem(n, key, "unknown word %q; want one of %s", n.Value, strings.Join(known, ", "))
		}
		to.SetString(n.Value)
	}
}

// plain reads a value of a request body as JSON would have it.
func (d *decoder) plain(n *yaml.Node, key string) (any, bool) {
	before := len(d.problems)
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		object := map[string]any{}
		d.pairs(n, key, func(name string, _, value *yaml.Node) {
			object[name], _ = d.plain(value, join(key, name))
		})
		v = object
	case yaml.SequenceNode:
		array := []any{}
		for i, item := range n.Content {
			element, _ := d.plain(item, fmt.Sprintf("%s[%d]", key, i))
			array = append(array, element)
		}
		v = array
	case yaml.ScalarNode:
		v = d.plainScalar(n, key)
	default:
		d.problem(n, key, "anchors and aliases are not allowed")
	}
	return v, len(d.problems) == before
}

func (d *decoder) plainScalar(n *yaml.Node, key string) any {
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	case "!!int", "!!float":
		if !json.Valid([]byte(n.Value)) {
			d.problem(n, key, "want a number as JSON writes it, or a text in quotes")
		}
		return json.Number(n.Value)
	}
	return n.Value
}

// parseSpan reads a duration, or the name of a stretch of time.
func parseSpan(s string) (span, bool) {
	switch s {
	case "second":
		return span(time.Second), true
	case "minute":
		return span(time.Minute), true
	case "hour":
		return span(time.Hour), true
	case "day":
		return span(24 * time.Hour), true
	}
	length, err := time.ParseDuration(s)
	return span(length), err == nil && length > 0
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
