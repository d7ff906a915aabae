package provider

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"callsyncd/call"
)

// small is the least that is a description.
const small = `format: callsyncd.provider/1
name: small
title: Small
base_url: https://api.example.com
list:
  path: /calls
  items: .calls
  id: .id
  paging: {kind: page, position: page, rows: 10}
map:
  status: .status
`

func TestParseSmall(t *testing.T) {
	d := parse(t, small)
	p := bind(t, d, Options{})
	want := call.ProviderInfo{Name: "small", Title: "Small", BaseURL: "https://api.example.com", Paging: call.PagingPage, FirstPage: 1,
		PageSize: 10, MinSize: 10, MaxBytes: maxBody, Order: call.OrderUnknown, Mapping: d.hash, Budgets: []call.RateLimit{}, Hosts: []string{"https://api.example.com"}, Lookups: []string{}}
	if diff := cmp.Diff(want, p.Info()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if other := parse(t, strings.Replace(small, ".status", ".state", 1)); other.hash == d.hash {
		t.Error("another mapping has the same name")
	}
}

func TestParseProblems(t *testing.T) {
	for name, test := range map[string]struct {
		old, new string   // edit of small; an empty old appends
		want     []string // the problems, without the file name
	}{
		"unknown key":       {"name: small", "nmae: small", []string{`2:1: nmae: unknown key`, `1:1: name: is missing`}},
		"unknown deep key":  {"rows: 10", "rows: 10, raws: 2", []string{`9:50: list.paging.raws: unknown key`}},
		"twice":             {"name: small", "name: small\nname: large", []string{`3:1: name: is given twice`}},
		"format":            {"provider/1", "provider/2", []string{`1:9: format: unknown format "callsyncd.provider/2"`}},
		"name":              {"name: small", "name: Über", []string{`2:7: name: want lower-case`}},
		"base url":          {"https://api", "http://api", []string{`4:11: base_url: must be https`}},
		"bad jq":            {"items: .calls", "items: .calls[", []string{`7:17: list.items: jq: unexpected EOF`}},
		"bad jq in quotes":  {"id: .id", "id: '.id | )'", []string{`8:14: list.id: jq: unexpected token ")"`}},
		"unknown function":  {".status", "stauts(.x)", []string{`11:11: map.status: jq: function not defined: stauts/1`}},
		"unknown document":  {".status", "$detial.status", []string{`11:11: map.status: jq: variable not defined: $detial`}},
		"document too soon": {"id: .id", "id: $list.id", []string{`8:7: list.id: jq: variable not defined: $list`}},
		"escape from path":  {"items: .calls", "items: '.calls) | (.x'", []string{`7:17: list.items: jq: unexpected token ")"`}},
		"input":             {".status", "input", []string{`11:11: map.status: jq: input(s)/0 is not allowed`}},
		"module":            {".status", "import \"a\" as a; .x", []string{`11:11: map.status: jq: `}},
		"no expression":     {".status", "{a: 1}", []string{`11:11: map.status: want a jq expression`}},
		"null expression":   {".status", "", []string{`11:10: map.status: want a jq expression`}},
		"wrong type":        {"rows: 10", "rows: ten", []string{`9:46: list.paging.rows: want a whole number`}},
		"too few rows":      {"rows: 10", "rows: 0", []string{`9:46: list.paging.rows: want at least 1`}},
		"a list":            {"{kind: page, position: page, rows: 10}", "[1]", []string{`9:11: list.paging: want a mapping`}},
		"kind":              {"kind: page", "kind: pages", []string{`9:18: list.paging.kind: unknown word "pages"; want one of page, offset, cursor, next_url`}},
		"cursor":            {"kind: page", "kind: cursor", []string{`9:11: list.paging.next: is missing`}},
		"method":            {"path: /calls", "path: /calls\n  method: PUT", []string{`7:11: list.method: want GET or POST`}},
		"body of a GET":     {"path: /calls", "path: /calls\n  body: {a: 1}", []string{`7:9: list.body: only a POST has a body`}},
		"path":              {"path: /calls", "path: calls?x=1", []string{`6:9: list.path: want a path`}},
		"id in list":        {"path: /calls", "path: /calls/{id}", []string{`6:9: list.path: holds an unknown {name}`}},
		"duration":          {"", "budgets: [{requests: 0, per: fortnight}]", []string{`12:22: budgets[0].requests: want at least 1`, `12:30: budgets[0].per: want a duration`}},
		"header":            {"", "headers: {X-Key: \"{kye}\"}", []string{`12:18: headers.X-Key: {kye} is not a credential`}},
		"order":             {"", "renew: {summary: [detail]}\nrelink: [item]", []string{`12:19: renew.summary[0]: there is no step "detail"`, `13:10: relink[0]: there is no step "item"`}},
		"step without id":   {"", "steps: [{name: detail, path: /x}]", []string{`12:30: steps[0].path: must say which call`}},
		"step name":         {"", "steps: [{name: list, path: '/x/{id}'}]", []string{`12:16: steps[0].name: want lower-case`}},
		"steps twice":       {"", "steps: [{name: a, path: '/x/{id}'}, {name: a, path: '/x/{id}'}]", []string{`12:44: steps[1].name: is given twice`}},
		"missing":           {"", "steps: [{name: a, path: '/x/{id}', missing: [{status: 403, means: maybe}]}]", []string{`12:55: steps[0].missing[0].status: want 404 or 410`, `12:67: steps[0].missing[0].means: unknown word "maybe"`}},
		"check":             {"", "steps: [{name: a, path: '/x/{id}', check: {against: b, first: 1, every: 0}}]", []string{`12:63: steps[0].check.first: want first and every`, `12:53: steps[0].check.against: want list`}},
		"document":          {"", "transcript: {sources: [{document: b, value: .x, text: {forms: [lines]}}]}", []string{`12:35: transcript.sources[0].document: there is no document "b"`, `12:55: transcript.sources[0].text: lines and paragraphs need labels`}},
		"value":             {"", "values: {status: {done: finished}}", []string{`12:25: values.status.done: unknown value "finished"`}},
		"alias":             {"name: small", "name: &n small", []string{`2:7: name: anchors`}},
		"merge key":         {"  status: .status", "  <<: {status: .status}", []string{`11:3: map: want a plain key`}},
		"not YAML":          {"name: small", "name: \"small", []string{`: not YAML: `}},
		"order field":       {"  id: .id", "  id: .id\n  order: {by: updated_at, is: newest_first}", []string{`9:15: list.order.by: needs list.updated_at`}},
		"window":            {"  id: .id", "  id: .id\n  window: {format: unix}", []string{`9:11: list.window: want from, to or both`}},
	} {
		t.Run(name, func(t *testing.T) {
			text := small + test.new + "\n"
			if test.old != "" {
				text = strings.Replace(small, test.old, test.new, 1)
			}
			_, err := Parse("f.yaml", []byte(text))
			problems, ok := errors.AsType[Problems](err)
			if !ok {
				t.Fatalf("error %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(problems.Error(), want) {
					t.Errorf("no %q in\n%v", want, problems)
				}
			}
			if len(problems) != len(test.want) {
				t.Errorf("%d problems, want %d:\n%v", len(problems), len(test.want), problems)
			}
		})
	}
}

func TestParseOddFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "comment": "# nothing", "scalar": "hello", "list": "- a", "binary": "\xff\xfe\x00", "tabs": "\t\t: x",
		"large":     strings.Repeat("#", maxDescription+1),
		"many docs": small + "---\n" + small,
		"bomb":      "a: &a [x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]\n",
	} {
		if _, err := Parse("f.yaml", []byte(text)); err == nil {
			t.Errorf("%s: accepted", name)
		} else if _, ok := errors.AsType[Problems](err); !ok {
			t.Errorf("%s: %T", name, err)
		}
	}
}

func TestLoadUnknown(t *testing.T) {
	if _, err := Load("suresent"); !errors.Is(err, call.ErrNotFound) || !strings.Contains(err.Error(), "suresend") {
		t.Errorf("unknown name: %v", err)
	}
	if _, err := Load("./nowhere.yaml"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestSchema(t *testing.T) {
	const file = "../../docs/provider.schema.json"
	if *update {
		if err := os.WriteFile(file, Schema(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if written, err := os.ReadFile(file); err != nil || string(written) != string(Schema()) {
		t.Errorf("%s is not the schema of this format (go test -run TestSchema -update writes it): %v", file, err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text []byte) error {
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var instance any
		if err := json.Unmarshal(data, &instance); err != nil {
			t.Fatal(err)
		}
		return resolved.Validate(instance)
	}
	sixth, err := os.ReadFile("testdata/acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	good := map[string][]byte{"small": []byte(small), "acme": sixth}
	for _, name := range Builtin() {
		good[name], _ = BuiltinSource(name)
	}
	for name, text := range good {
		if err := validate(text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, edit := range map[string][2]string{
		"unknown key": {"name:", "nmae:"}, "missing": {"title: Small\n", ""}, "type": {"rows: 10", "rows: ten"},
		"word": {"kind: page", "kind: pages"}, "format": {"provider/1", "provider/9"},
		"duration": {"list:", "budgets: [{requests: 1, per: fortnight}]\nlist:"}, "deep": {"id: .id", "id: .id\n  idd: .id"},
	} {
		if err := validate([]byte(strings.Replace(small, edit[0], edit[1], 1))); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
