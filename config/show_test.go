package config

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"
)

// What Show prints is itself a configuration with the same meaning.
func TestShow(t *testing.T) {
	env := map[string]string{EnvListen: "127.0.0.1:0"}
	o := Options{Getenv: func(name string) string { return env[name] }}
	long := strings.Repeat("/a long folder", 20)
	for _, text := range []string{full, small, strings.Replace(small, "/data", "'"+long+"'", 1)} {
		c, err := Parse("/etc/callsyncd/config.yaml", []byte(text), o)
		if err != nil {
			t.Fatal(err)
		}
		shown := Show(c)
		again, err := Parse("/etc/callsyncd/config.yaml", shown, o)
		if err != nil {
			t.Fatalf("%v\n%s", err, shown)
		}
		if !reflect.DeepEqual(c.Sources, again.Sources) || c.DataDir != again.DataDir || c.API != again.API || c.Recordings != again.Recordings {
			t.Errorf("got %+v\nwant %+v\n%s", again, c, shown)
		}
	}
	c, err := Parse("config.yaml", []byte(full), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"# config.yaml\n", "data_dir: /var/lib/callsyncd # line 1\n", "listen: 127.0.0.1:0 # environment CALLSYNCD_API_LISTEN\n",
		"token: env:VENDOR_TOKEN # line 9\n", "concurrency: 4 # default\n", "- de # line 24\n"} {
		if !strings.Contains(string(Show(c)), want) {
			t.Errorf("%q is not in\n%s", want, Show(c))
		}
	}
}

func TestSchema(t *testing.T) {
	var s jsonschema.Schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(&jsonschema.ResolveOptions{ValidateDefaults: true})
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		full: true, small: true,
		small + "bogus: 1\n":                          false,
		small + "    credentials: {token: hunter2}\n": false,
		small + "    concurrency: 99\n":               false,
		small + "retention: [7y]\n":                   false,
		small + "search: {languages: [xx]}\n":         false,
		"data_dir: /data\n":                           false,
		strings.Replace(small, "crm", "CRM", 1):       false,
	} {
		var value map[string]any
		if err := yaml.Load([]byte(strings.Replace(text, "since: 2024-01-01", "since: '2024-01-01'", 1)), &value); err != nil {
			t.Fatal(err)
		}
		if err := resolved.Validate(value); (err == nil) != ok {
			t.Errorf("%s\nvalidates: %v", text, err)
		}
	}
}
