package provider

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/itchyny/gojq"
	"go.yaml.in/yaml/v4"

	"callsyncd/call"
)

//go:embed vendors/*.yaml
var vendors embed.FS

// maxDescription bounds the size of a description, in bytes.
const maxDescription = 1 << 20

// Builtin returns the names of the descriptions that come with the program, sorted.
func Builtin() []string {
	entries, err := vendors.ReadDir("vendors")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".yaml")
	}
	return names
}

// BuiltinSource returns the text of a description that comes with the program.
func BuiltinSource(name string) ([]byte, bool) {
	data, err := vendors.ReadFile(path.Join("vendors", name+".yaml"))
	return data, err == nil
}

// Load reads a description: a built-in one by its name, or a file by its path.
// The error is Problems when the description is wrong.
func Load(nameOrPath string) (*Description, error) {
	if data, ok := BuiltinSource(nameOrPath); ok {
		return Parse(nameOrPath+".yaml", data)
	}
	if !strings.ContainsAny(nameOrPath, `/\.`) {
		return nil, fmt.Errorf("load provider %q: %w: built in are %s; anything else must be the path of a YAML file",
			nameOrPath, call.ErrNotFound, strings.Join(Builtin(), ", "))
	}
	info, err := os.Stat(nameOrPath)
	if err != nil {
		return nil, fmt.Errorf("load provider: %w", err)
	}
	if info.Size() > maxDescription {
		return nil, Problems{{File: nameOrPath, Message: "is larger than 1 MiB"}}
	}
	data, err := os.ReadFile(nameOrPath)
	if err != nil {
		return nil, fmt.Errorf("load provider: %w", err)
	}
	return Parse(nameOrPath, data)
}

// Parse checks a description completely and offline; file is used in messages
// only. The error is Problems, with every mistake that was found.
func Parse(file string, data []byte) (*Description, error) {
	dec := &decoder{file: file, places: map[string]*yaml.Node{}}
	d := &Description{}
	if root := dec.document(data); root != nil {
		dec.decode(root, "", reflect.ValueOf(&d.spec).Elem())
		d.finish(dec)
	}
	if len(dec.problems) > 0 {
		slices.SortStableFunc(dec.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, dec.problems
	}
	sum := sha256.Sum256(append([]byte(interpreterVersion+"\n"), data...))
	d.hash = hex.EncodeToString(sum[:8])
	return d, nil
}

// document parses the YAML text into its single root node.
func (d *decoder) document(data []byte) *yaml.Node {
	switch {
	case len(data) > maxDescription:
		d.problem(nil, "", "is larger than 1 MiB")
		return nil
	case !utf8.Valid(data):
		d.problem(nil, "", "is not UTF-8 text")
		return nil
	}
	var document yaml.Node
	if err := safely(func() error { return yaml.Load(data, &document) }); err != nil {
		d.syntax(err)
		return nil
	}
	if len(document.Content) != 1 {
		d.problem(nil, "", "is empty")
		return nil
	}
	return document.Content[0]
}

// safely turns a panic of a library on a strange text into an error.
func safely(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be read: %v", r)
		}
	}()
	return f()
}

func (d *decoder) syntax(err error) {
	p := Problem{File: d.file, Message: "not YAML: " + err.Error()}
	if at, ok := errors.AsType[*yaml.LoadError](err); ok {
		p.Line, p.Column, p.Message = at.Mark.Line, at.Mark.Column, "not YAML: "+at.Message
	}
	d.problems = append(d.problems, p)
}

// compileAll compiles every expression, with the documents as variables.
func (d *decoder) compileAll(variables []string) {
	for _, e := range d.expressions {
		p := e.place()
		if strings.TrimSpace(p.source) == "" {
			continue
		}
		err := safely(func() error { return e.compile(variables) })
		if err == nil {
			continue
		}
		at := *d.places[p.key]
		problem := Problem{File: d.file, Line: at.Line, Column: at.Column, Key: p.key, Message: "jq: " + err.Error()}
		if parse, ok := errors.AsType[*gojq.ParseError](err); ok {
			problem.Line, problem.Column = offsetPlace(at, parse.Offset-len(parse.Token))
		}
		d.problems = append(d.problems, problem)
	}
}

// offsetPlace finds the line and column of a byte offset in a scalar.
func offsetPlace(n yaml.Node, offset int) (line, column int) {
	before := n.Value[:min(max(offset, 0), len(n.Value))]
	if n.Style&(yaml.LiteralStyle) != 0 {
		return n.Line + 1 + strings.Count(before, "\n"), 1
	}
	if n.Style&(yaml.FoldedStyle) != 0 {
		return n.Line + 1, 1
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		return n.Line, n.Column + 1 + utf8.RuneCountInString(before)
	}
	return n.Line, n.Column + utf8.RuneCountInString(before)
}
