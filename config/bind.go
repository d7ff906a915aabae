package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

const (
	maxFileBytes = 1 << 20
	maxDepth     = 32
)

// place is where a value stands in the file.
type place struct{ line, column int }

// reader reads one file. The library parses the YAML; the tree is then laid
// into the file struct here and not by the library's decoder, because that one
// quotes values, and so secrets, in its errors, names no keys, and takes
// quadratic time over repeated keys.
type reader struct {
	file     string
	problems Problems
	warnings Problems
	// places holds every value that the file gives, by path.
	places map[string]place
	// bad holds the keys complained about.
	bad map[string]bool
	// fromEnv holds the environment variable that gave a value, by path.
	fromEnv map[string]string
}

func newReader(name string) *reader {
	return &reader{file: name, places: map[string]place{}, bad: map[string]bool{}, fromEnv: map[string]string{}}
}

// read fills f, which holds the defaults; false when there is nothing to read.
func (r *reader) read(data []byte, f *file) bool {
	root, ok := r.parse(data)
	if ok {
		r.bind(root, reflect.ValueOf(f).Elem(), "")
	}
	return ok
}

// parse returns the file's top mapping; false when there is none.
func (r *reader) parse(data []byte) (*yaml.Node, bool) {
	if len(data) > maxFileBytes {
		r.add(place{1, 1}, "", "the file is larger than 1 MiB, which no configuration is")
		return nil, false
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if at, message := badText(data); message != "" {
		r.add(at, "", message)
		return nil, false
	}
	var document yaml.Node
	err := yaml.Load(data, &document, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		r.addYAML(data, err)
		return nil, false
	}
	root := &document
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		r.add(placeOf(root), "", "the file must hold keys and values, such as data_dir: /var/lib/callsyncd")
		return nil, false
	}
	return root, true
}

// badText finds bytes the YAML library would refuse without saying where.
func badText(data []byte) (place, string) {
	at := place{1, 1}
	for len(data) > 0 {
		c, size := utf8.DecodeRune(data)
		switch {
		case c == utf8.RuneError && size == 1:
			return at, "the file is not UTF-8 text; save it as UTF-8"
		case c < 0x20 && c != '\t' && c != '\n' && c != '\r', c >= 0x7f && c < 0xa0 && c != 0x85:
			return at, fmt.Sprintf("control character %U; remove it", c)
		case c == '\n':
			at = place{at.line + 1, 0}
		}
		at.column++
		data = data[size:]
	}
	return at, ""
}

// addYAML reports the library's error, with a place where it has one, and every
// line that is indented with a tab.
func (r *reader) addYAML(data []byte, err error) {
	at, message := place{1, 1}, "not valid YAML"
	var one *yaml.LoadError
	var many *yaml.LoadErrors
	if errors.As(err, &many) && len(many.Errors) > 0 {
		one = many.Errors[0]
	} else {
		errors.As(err, &one)
	}
	if one != nil {
		at = place{max(one.Mark.Line, 1), max(one.Mark.Column, 1)}
		message = yamlMessage(one.Message)
	}
	tabs := tabbed(data)
	if !slices.ContainsFunc(tabs, func(tab place) bool { return tab.line == at.line }) {
		r.add(at, "", message)
	}
	for _, tab := range tabs {
		r.add(tab, "", "tab used for indentation; use spaces")
	}
}

// tabbed finds the lines that are indented with a tab.
func tabbed(data []byte) (tabs []place) {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		content := bytes.TrimLeft(text, " \t")
		if at := bytes.IndexByte(text[:len(text)-len(content)], '\t'); at >= 0 && len(bytes.TrimSpace(content)) > 0 {
			tabs = append(tabs, place{line, at + 1})
		}
	}
	return tabs
}

// yamlMessage puts the commonest mistakes in the words of a user.
func yamlMessage(message string) string {
	switch {
	case strings.Contains(message, "no documents"):
		return "the file is empty; it must name data_dir and sources, as the example in the README does"
	case strings.Contains(message, "found multiple"):
		return "the file holds several documents; remove the --- lines"
	case strings.Contains(message, "anchor"):
		return noAliases
	case strings.Contains(message, "max depth"):
		return "the values are nested too deeply"
	case strings.Contains(message, "`"):
		return "not valid YAML" // the message may quote the file
	}
	return "not valid YAML: " + message
}

// bind lays n into v, which is a field of file. What cannot be laid is reported
// and v keeps its default.
func (r *reader) bind(n *yaml.Node, v reflect.Value, key string) {
	if message := foreign(n); message != "" {
		r.add(placeOf(n), key, message)
		return
	}
	if n.ShortTag() == "!!null" {
		if k := v.Kind(); k != reflect.Struct && k != reflect.Slice && k != reflect.Map {
			r.add(placeOf(n), key, "has no value; give one or delete the line")
		}
		return
	}
	if key != "" {
		r.places[key] = placeOf(n)
	}
	switch v.Kind() {
	case reflect.Struct:
		r.bindStruct(n, v, key)
	case reflect.Map:
		r.bindMap(n, v, key)
	case reflect.Slice:
		r.bindSlice(n, v, key)
	case reflect.Interface: // of what is not built yet, only the presence counts
	default:
		if n.Kind != yaml.ScalarNode {
			r.add(placeOf(n), key, "must be a single value")
			return
		}
		r.bindScalar(n, v, key)
	}
}

const noAliases = "anchors and aliases (& and *) are not supported; write the value out, in quotes if it begins with one"

// foreign refuses what YAML allows and a configuration does not need.
func foreign(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return noAliases
	case n.Style&yaml.TaggedStyle != 0:
		return "tags (!) are not supported; write the plain value"
	}
	return ""
}

func (r *reader) bindScalar(n *yaml.Node, v reflect.Value, key string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if err != nil || n.ShortTag() != "!!int" {
			r.add(placeOf(n), key, "must be a whole number")
			return
		}
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.ShortTag() != "!!bool" || (n.Value != "true" && n.Value != "false") {
			r.add(placeOf(n), key, "must be true or false")
			return
		}
		v.SetBool(n.Value == "true")
	}
}

func (r *reader) bindStruct(n *yaml.Node, v reflect.Value, key string) {
	known := map[string]int{}
	var names []string
	for i := range v.NumField() {
		name := yamlName(v.Type().Field(i))
		known[name] = i
		names = append(names, name)
	}
	r.pairs(n, key, func(name string, keyNode, value *yaml.Node) {
		i, ok := known[name]
		if !ok {
			r.add(placeOf(keyNode), join(key, printable(name)), "unknown key; known are "+strings.Join(names, ", "))
			return
		}
		r.bind(value, v.Field(i), join(key, name))
	})
}

func (r *reader) bindMap(n *yaml.Node, v reflect.Value, key string) {
	v.Set(reflect.MakeMap(v.Type()))
	r.pairs(n, key, func(name string, keyNode, value *yaml.Node) {
		if !credentialName.MatchString(name) {
			r.add(placeOf(keyNode), key, "the name of a credential has the letters a-z, digits and _ only, such as token")
			return
		}
		item := reflect.New(v.Type().Elem()).Elem()
		r.bind(value, item, join(key, name))
		v.SetMapIndex(reflect.ValueOf(name), item)
	})
}

func (r *reader) bindSlice(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.SequenceNode {
		r.add(placeOf(n), key, "must be a list: lines that begin with \"- \", or values in [ ]")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		if v.Type().Elem() == reflect.TypeFor[sourceFile]() {
			v.Index(i).Set(reflect.ValueOf(defaultSource()))
		}
		r.bind(item, v.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
}

// pairs calls fn for every key of a mapping that is a plain text and not
// repeated; the others are reported.
func (r *reader) pairs(n *yaml.Node, key string, fn func(name string, keyNode, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		r.add(placeOf(n), key, "must hold keys and values, indented below it")
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || foreign(k) != "" || k.ShortTag() == "!!merge" {
			r.add(placeOf(k), key, "a key must be a plain word")
			continue
		}
		if line, repeated := first[k.Value]; repeated {
			r.add(placeOf(k), join(key, printable(k.Value)), fmt.Sprintf("is given twice; the first is in line %d", line))
			continue
		}
		first[k.Value] = k.Line
		fn(k.Value, k, n.Content[i+1])
	}
}

// add reports a problem at a place.
func (r *reader) add(at place, key, message string) {
	r.report(Problem{File: r.file, Line: at.line, Column: at.column, Key: key, Message: message})
}

// problem reports what is wrong with the value of key.
func (r *reader) problem(key, format string, args ...any) {
	r.report(r.at(key, fmt.Sprintf(format, args...)))
}

func (r *reader) report(p Problem) {
	r.bad[p.Key] = true
	r.problems = append(r.problems, p)
}

// warn reports what is allowed but probably not meant.
func (r *reader) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, r.at(key, fmt.Sprintf(format, args...)))
}

// at is the problem of a value by its path: where it is written, else where
// the nearest thing around it is.
func (r *reader) at(key, message string) Problem {
	if name, ok := r.fromEnv[key]; ok {
		return Problem{File: name, Key: key, Message: message}
	}
	at := place{1, 1}
	for around := key; around != ""; around = parent(around) {
		if p, ok := r.places[around]; ok {
			at = p
			break
		}
	}
	return Problem{File: r.file, Line: at.line, Column: at.column, Key: key, Message: message}
}

func placeOf(n *yaml.Node) place { return place{max(n.Line, 1), max(n.Column, 1)} }

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// parent cuts the last step off a path.
func parent(key string) string {
	return key[:max(strings.LastIndexAny(key, ".["), 0)]
}

// printable shortens a foreign text and takes out what would disturb a terminal.
func printable(s string) string {
	const longest = 40
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "..."
	}
	quoted := strconv.Quote(s)
	if plain := quoted[1 : len(quoted)-1]; plain == s {
		return s
	}
	return quoted
}
