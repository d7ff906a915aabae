package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// full has every key there is.
const full = `data_dir: /var/lib/callsyncd
api:
  listen: 127.0.0.1:7411
sources:
  - name: crm
    provider: vendor
    base_url: https://api.example.com/partner/
    credentials:
      token: env:VENDOR_TOKEN
      system_id: file:/etc/callsyncd/system-id
    since: 2024-01-01
    schedule: {head: 5m, trailing: 30m, sweep: "0 3 * * *"}
    late_horizon: 72h
    budgets: [{requests: 300, per: minute}, {requests: 9000, per: 12h}]
    concurrency: 8
    recordings: false
    allow_private_hosts: [Media.example.org:8443, 10.1.2.3/8, "::1"]
  - name: "2"
    provider: vendors/own.yaml
recordings:
  parallel: 2
  min_free: 500MB
search:
  languages: [en, de]
redaction:
  card_numbers: true
retention: []
heartbeat_url: ""
`

// small is the least there must be; it ends inside the source.
const small = "data_dir: /data\nsources:\n  - name: crm\n    provider: vendor\n"

func noEnv(string) string { return "" }

func parse(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return Parse("config.yaml", []byte(text), Options{Getenv: noEnv})
}

func must(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parse(t, text)
	if err != nil {
		t.Fatalf("unexpected problems:\n%v", err)
	}
	return c
}

func TestParseFull(t *testing.T) {
	c, err := Parse("/etc/callsyncd/config.yaml", []byte(full), Options{Getenv: noEnv})
	if err != nil {
		t.Fatal(err)
	}
	if c.DataDir != "/var/lib/callsyncd" || c.API.Listen != "127.0.0.1:7411" || c.Recordings != (Recordings{2, 500_000_000, 0}) ||
		!c.Redaction.CardNumbers || !reflect.DeepEqual(c.Search.Languages, []string{"en", "de"}) || len(c.Sources) != 2 {
		t.Errorf("got %+v", c)
	}
	s := c.Sources[0]
	if s.Schedule.Sweep.String() != "0 3 * * *" || s.Schedule.Head.Every() != 5*time.Minute {
		t.Errorf("schedule %v", s.Schedule)
	}
	s.Schedule = Schedule{}
	want := Source{
		Name: "crm", Provider: "vendor", BaseURL: "https://api.example.com/partner",
		Credentials: map[string]Ref{"token": "env:VENDOR_TOKEN", "system_id": "file:/etc/callsyncd/system-id"},
		Since:       time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC),
		LateHorizon: 72 * time.Hour, Concurrency: 8,
		Budgets:           []call.RateLimit{{Requests: 300, Per: time.Minute}, {Requests: 9000, Per: 12 * time.Hour}},
		AllowPrivateHosts: []string{"media.example.org:8443", "10.0.0.0/8", "::1"},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("got  %+v\nwant %+v", s, want)
	}
	if p := c.Sources[1].Provider; p != "/etc/callsyncd/vendors/own.yaml" {
		t.Errorf("relative provider became %s", p)
	}
}

func TestDefaults(t *testing.T) {
	c := must(t, small)
	if c.API.Listen != "127.0.0.1:7411" || c.Recordings != (Recordings{4, 5 << 30, 0}) || !c.Redaction.CardNumbers ||
		!reflect.DeepEqual(c.Search.Languages, []string{"en"}) {
		t.Errorf("got %+v", c)
	}
	s := c.Sources[0]
	if s.Schedule.Head.Every() != 5*time.Minute || s.Schedule.Trailing.Every() != 30*time.Minute || s.Schedule.Sweep.Every() != 24*time.Hour ||
		s.LateHorizon != 72*time.Hour || s.Concurrency != 4 || !s.Recordings || !s.Since.IsZero() || s.BaseURL != "" || s.Budgets != nil {
		t.Errorf("got %+v", s)
	}
	if w := c.Warnings(); len(w) != 0 {
		t.Errorf("warnings %v", w)
	}
	// Keys whose lines are commented out keep the defaults.
	must(t, small+"api:\nrecordings:\nsearch:\nretention:\n")
}

func TestParseAccepts(t *testing.T) {
	for _, more := range []string{
		"    base_url: http://127.0.0.1:8080/v1\n", "    base_url: http://localhost:1\n", "    base_url: http://[::1]:1\n",
		"    since: 2024-01-01T10:00:00+02:00\n", "    schedule: {head: 1s, sweep: '@daily'}\n", "    late_horizon: 1s\n",
		"    budgets: []\n", "    allow_private_hosts: [nas, '[fd00::1]:443', fd00::/8]\n", "    schedule:\n", "    credentials: {}\n",
		"api: {listen: '[::1]:0'}\n", "search: {languages: [no, sv]}\n", "api: {listen: '127.0.0.2:65535', allow_remote: false}\n", "recordings: {min_free: 0}\n", "recordings: {max_rate: 10MiB}\n", "recordings: {max_rate: ''}\n",
		"recordings: {min_free: 1.5 GiB}\n",
	} {
		must(t, small+more)
	}
	must(t, "\ufeff"+small)
	must(t, strings.ReplaceAll(small, "\n", "\r\n"))
	must(t, "# Überschrift\n---\n"+small)
}

func TestProblems(t *testing.T) {
	top := "data_dir: /data\nsources: [{name: crm, provider: vendor}]\n" // further keys begin in line 3
	for _, c := range []struct{ text, want string }{
		// the file
		{"", "1:1: the file is empty; it must name data_dir and sources, as the example in the README does"},
		{"# nothing\n", "1:1: the file is empty"},
		{"- a\n", "1:1: the file must hold keys and values"},
		{"data_dir: /data\n\tsources: 1\n", "2:1: tab used for indentation"},
		{"data_dir: /data\nsources:\n\t- name: crm\n", "3:1: tab used for indentation"},
		{"data_dir: /data\napi:\n  \tlisten: x\nsources:\n\t- name: crm\n", "3:3: tab used for indentation; use spaces\nconfig.yaml:5:1: tab used"},
		{"data_dir: \"/data\nsources:\n\t- name: crm\n", "3:1: tab used for indentation"},
		{"data_dir: [\n", "2:1: not valid YAML: did not find"},
		{"data_dir: a\n---\ndata_dir: b\n", "1:1: the file holds several documents"},
		{"data_dir: /data\nnote: \xff\n", "2:7: the file is not UTF-8"},
		{"\xff\xfed\x00", "1:1: the file is not UTF-8"},
		{"data_dir: /data\x00\n", "1:16: control character U+0000"},
		{"# \x1b[2J\n", "1:3: control character U+001B"},
		{"# " + strings.Repeat("x", 1<<20), "1:1: the file is larger than 1 MiB"},
		{"a: " + strings.Repeat("[", 100), "nested too deeply"},
		{strings.Repeat("x: 1\n", 5000), "4902 more problems follow"},
		// keys
		{top + "bogus: 1\n", "3:1: bogus: unknown key; known are data_dir, api,"},
		{top + "\"\\e[2J\": 1\n", `3:1: "\x1b[2J": unknown key`},
		{top + "data_dir: /other\n", "3:1: data_dir: is given twice; the first is in line 1"},
		{small + "    name: other\n", "5:5: sources[0].name: is given twice; the first is in line 3"},
		{top + "? [a]\n: b\n", "3:3: a key must be a plain word"},
		{top + "<<: {data_dir: /x}\n", "3:1: a key must be a plain word"},
		{top + "api: &a {listen: '127.0.0.1:1'}\n", "3:6: api: anchors and aliases"},
		{top + "search: *a\n", "anchors and aliases"},
		{top + "search: {languages: !!str en}\n", "3:21: search.languages: tags (!)"},
		{top + "api: 5\n", "3:6: api: must hold keys and values"},
		{"data_dir: /data\n", "1:1: sources: is missing"},
		{"data_dir: /data\nsources: []\n", "2:10: sources: is missing"},
		{"data_dir: /data\nsources: crm\n", "2:10: sources: must be a list"},
		{"data_dir: /data\nsources: [crm]\n", "2:11: sources[0]: must hold keys and values"},
		// data_dir
		{"sources: [{name: crm, provider: vendor}]\n", "1:1: data_dir: is missing"},
		{strings.Replace(top, "/data", "", 1), "1:10: data_dir: has no value"},
		{strings.Replace(top, "/data", `""`, 1), "1:11: data_dir: is missing"},
		{strings.Replace(top, "/data", "var/lib", 1), `1:11: data_dir: "var/lib" is not an absolute path`},
		{strings.Replace(top, "/data", "//", 1), `data_dir: "//" is the root`},
		{strings.Replace(top, "/data", "[/data]", 1), "1:11: data_dir: must be a single value"},
		// api
		{top + "api:\n  listen: localhost:7411\n", "4:11: api.listen: write 127.0.0.1 instead of localhost"},
		{top + "api: {listen: '0.0.0.0:7411'}\n", "api.listen: 0.0.0.0 is not an address of this machine only"},
		{top + "api: {listen: '[::ffff:127.0.0.1]:1'}\n", "is not an address of this machine only"},
		{top + "api: {listen: '192.168.1.1:1'}\n", "is not an address of this machine only"},
		{top + "api: {listen: ':7411'}\n", `api.listen: "" is not an IP address`},
		{top + "api: {listen: 'archive.example.com:1'}\n", `"archive.example.com" is not an IP address`},
		{top + "api: {listen: 7411}\n", `api.listen: "7411" is not an address and port`},
		{top + "api: {listen: '127.0.0.1:65536'}\n", `port "65536" is not a number`},
		{top + "api: {listen: '127.0.0.1:http'}\n", `port "http" is not a number`},
		{top + "api: {allow_remote: true}\n", "3:21: api.allow_remote: remote access with TLS is not supported yet"},
		{top + "api: {tls: {cert: /a, key: /b}}\n", "api.allow_remote: remote access with TLS is not supported yet"},
		// sources
		{"data_dir: /d\nsources:\n  - provider: vendor\n", "3:5: sources[0].name: is missing"},
		{"data_dir: /d\nsources:\n  - name: crm\n", "3:5: sources[0].provider: is missing"},
		{"data_dir: /d\nsources:\n  - name: CRM\n    provider: v\n", `3:11: sources[0].name: "CRM" is not a name`},
		{"data_dir: /d\nsources:\n  - name: " + strings.Repeat("a", 33) + "\n    provider: v\n", "is not a name"},
		{small + "  - name: crm\n    provider: vendor\n", `5:11: sources[1].name: "crm" is already the name of sources[0]`},
		{strings.Replace(small, "vendor", "~/own.yaml", 1), "4:15: sources[0].provider: ~ is not supported"},
		{small + "    base_url: http://api.example.com\n", "5:15: sources[0].base_url: must begin with https://"},
		{small + "    base_url: ftp://127.0.0.1\n", "must begin with https://"},
		{small + "    base_url: http://127.0.0.1.example.com\n", "must begin with https://"},
		{small + "    base_url: api.example.com\n", "is not an address such as"},
		{small + "    base_url: ''\n", "is not an address such as"},
		{small + "    base_url: https://:443\n", "is not an address such as"},
		{small + "    base_url: 'https://api.example.com?key=hunter2'\n", "must not hold a query"},
		{small + "    base_url: https://user:hunter2@api.example.com\n", "must not hold a user name or password"},
		{small + "    base_url: 'https://user:hunter2@api example.com'\n", "is not an address such as"},
		{small + "    since: 2024-02-30\n", `5:12: sources[0].since: "2024-02-30" is not a date`},
		{small + "    since: ''\n", `5:12: sources[0].since: "" is not a date`},
		{small + "    since: yesterday\n", "is not a date"},
		{small + "    schedule: 5m\n", "5:15: sources[0].schedule: must hold keys and values"},
		{small + "    schedule:\n      head: TZ=0\n", "6:13: sources[0].schedule.head: time zones are not supported"},
		{small + "    schedule: {trailing: 0 0 30 2 *}\n", "sources[0].schedule.trailing: \"0 0 30 2 *\" never comes"},
		{small + "    schedule: {sweep: 10ms}\n", "sources[0].schedule.sweep: \"10ms\" is shorter than 1s"},
		{small + "    schedule: {sweeep: 1h}\n", "5:16: sources[0].schedule.sweeep: unknown key; known are head, trailing, sweep"},
		{small + "    late_horizon: 3d\n", `5:19: sources[0].late_horizon: "3d" is not a duration`},
		{small + "    late_horizon: 10ms\n", "10ms is shorter than 1s"},
		{small + "    late_horizon: 99999999999h\n", "is not a duration"},
		{small + "    budgets: [{requests: 0, per: minute}]\n", "5:26: sources[0].budgets[0].requests: 0 is not from 1 to"},
		{small + "    budgets: [{requests: 5}]\n", "5:15: sources[0].budgets[0].per: \"\" is not second"},
		{small + "    budgets: [{requests: 5, per: fortnight}]\n", `"fortnight" is not second, minute, hour, day`},
		{small + "    budgets: {requests: 5, per: day}\n", "5:14: sources[0].budgets: must be a list"},
		{small + "    concurrency: 0\n", "5:18: sources[0].concurrency: 0 is not from 1 to 32"},
		{small + "    concurrency: 33\n", "33 is not from 1 to 32"},
		{small + "    concurrency: 4.5\n", "must be a whole number"},
		{small + "    concurrency: '4'\n", "must be a whole number"},
		{small + "    concurrency: 99999999999999999999\n", "must be a whole number"},
		{small + "    recordings: yes\n", "5:17: sources[0].recordings: must be true or false"},
		{small + "    allow_private_hosts: ['https://nas']\n", `sources[0].allow_private_hosts[0]: "https://nas" is not a host`},
		{small + "    allow_private_hosts: [0.0.0.0/0]\n", "0.0.0.0/0 allows every address"},
		{small + "    allow_private_hosts: [10.0.0.0/33]\n", "is not a host"},
		{small + "    allow_private_hosts: ['nas:0']\n", `port "0" is not a number`},
		{small + "    allow_private_hosts: nas\n", "must be a list"},
		// credentials
		{small + "    credentials: {token: hunter2}\n", "5:26: sources[0].credentials.token: a secret must not stand in this file"},
		{small + "    credentials: {token: 'env:hunter2 x'}\n", "what follows env: is not a name"},
		{small + "    credentials: {token: 'env:'}\n", "what follows env: is not a name"},
		{small + "    credentials: {token: 'credential:../hunter2'}\n", "what follows credential: is not a name"},
		{small + "    credentials: {token: 'credential:..'}\n", "what follows credential: is not a name"},
		{small + "    credentials: {token: 'file:hunter2'}\n", "must be absolute"},
		{small + "    credentials: {token: [hunter2]}\n", "credentials.token: must be a single value"},
		{small + "    credentials: {token: }\n", "credentials.token: has no value"},
		{small + "    credentials: {hunter2-: env:A}\n", "5:19: sources[0].credentials: the name of a credential has"},
		{small + "    credentials: {token: *hunter2}\n", "anchors and aliases"},
		{small + "    credentials: {token: !hunter2 x}\n", "tags (!)"},
		{small + "    credentials: hunter2\n", "5:18: sources[0].credentials: must hold keys and values"},
		{small + "    credentials: {token: \"hunter2}\n", "not valid YAML"},
		// the rest
		{top + "recordings: {parallel: 0}\n", "3:24: recordings.parallel: 0 is not from 1 to 32"},
		{top + "recordings: {max_rate: quick}\n", `3:24: recordings.max_rate: "quick" is not a size`},
		{top + "recordings: {max_rate: 10KiB}\n", "use at least 64KiB"},
		{top + "recordings: {min_free: lots}\n", `3:24: recordings.min_free: "lots" is not a size`},
		{top + "recordings: {min_free: -5GiB}\n", "is not a size"},
		{top + "recordings: {min_free: 99999999999EiB}\n", "is not a size"},
		{top + "search: {languages: []}\n", "3:21: search.languages: is empty"},
		{top + "search: {languages: [en, xx]}\n", `3:26: search.languages[1]: "xx" is not a language`},
		{top + "search: {languages: [en, en]}\n", `search.languages[1]: "en" is given twice`},
		{top + "search: {languages: [[en]]}\n", "search.languages[0]: must be a single value"},
		{top + "redaction: {card_numbers: false}\n", "3:27: redaction.card_numbers: switching it off is not supported yet"},
		{top + "retention: [{keep: 7y}]\n", "3:12: retention: retention rules are not supported yet"},
		{top + "heartbeat_url: https://example.com\n", "3:16: heartbeat_url: is not supported yet"},
	} {
		_, err := parse(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.120q:\n got %v\nwant %s", c.text, err, c.want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%.120q: the secret is in the problem: %v", c.text, err)
		}
		for line := range strings.Lines(err.Error()) {
			if !regexp.MustCompile(`^config\.yaml:[1-9]\d*:[1-9]\d*: `).MatchString(line) {
				t.Errorf("%.120q: a problem without a place: %s", c.text, line)
			}
		}
	}
}

// One mistake gives one line, and all mistakes come at once, in file order.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := parse(t, `data_dir: data
bogus: 1
sources:
  - name: CRM
    provider: vendor
    credentials: {token: hunter2, other: [1]}
    schedule: {head: TZ=0, sweep: }
    concurrency: many
  - crm
recordings: {parallel: no}
`)
	problems, ok := errors.AsType[Problems](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Key)
	}
	want := []string{"data_dir", "bogus", "sources[0].name", "sources[0].credentials.token", "sources[0].credentials.other",
		"sources[0].schedule.head", "sources[0].schedule.sweep", "sources[0].concurrency", "sources[1]", "recordings.parallel"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v\n%v", got, want, err)
	}
}

// Repeated keys and aliases in great number cost neither time nor memory.
func TestBombs(t *testing.T) {
	aliases := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'l'; c++ {
		aliases += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	for name, text := range map[string]string{
		"aliases": small + aliases, "repeated keys": strings.Repeat("x: 1\n", 50_000),
		"sources": "data_dir: /d\nsources: [" + strings.Repeat("{},", 50_000) + "]\n",
		"depth":   strings.Repeat("- ", 100_000),
	} {
		start := time.Now()
		if _, err := parse(t, text); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestWarnings(t *testing.T) {
	c := must(t, small+"    schedule: {head: 59s}\n    since: 2999-01-01\n    allow_private_hosts: [10.0.0.0/8]\n")
	var got []string
	for _, w := range c.Warnings() {
		got = append(got, w.String())
	}
	for i, want := range []string{
		"config.yaml:5:22: sources[0].schedule.head: 59s is short",
		"config.yaml:6:12: sources[0].since: 2999-01-01T00:00:00Z is in the future",
		"config.yaml:7:26: sources[0].allow_private_hosts: recording links of this vendor may reach",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestProviderCheck(t *testing.T) {
	asked := ""
	o := Options{Getenv: noEnv, Provider: func(name string) error {
		asked = name
		return errors.New("own.yaml:3:1: list: is missing\nown.yaml:9:1: bogus: unknown key")
	}}
	_, err := Parse("/etc/callsyncd/config.yaml", []byte(strings.Replace(small, "vendor", "./own.yaml", 1)), o)
	want := "/etc/callsyncd/config.yaml:4:15: sources[0].provider: own.yaml:3:1: list: is missing; own.yaml:9:1: bogus: unknown key"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if asked != "/etc/callsyncd/own.yaml" {
		t.Errorf("asked for %s", asked)
	}
	o.Provider = func(name string) error { asked = name; return nil }
	if _, err := Parse("/etc/callsyncd/config.yaml", []byte(small), o); err != nil || asked != "vendor" {
		t.Errorf("asked for %s, %v", asked, err)
	}
}

// TestSourceCheckOfCredentials: what is said about a credential has its place.
func TestSourceCheckOfCredentials(t *testing.T) {
	text := "data_dir: /a\nsources:\n- name: one\n  provider: vendor\n  credentials:\n    tokn: env:X\n"
	_, err := Parse("config.yaml", []byte(text), Options{Source: func(*Source) error {
		return errors.New("source one: credential tokn: env:X: not set\nsource one: credential \"token\" is missing\nsource one: credential \"tokn\" is unknown")
	}})
	want := "config.yaml:6:5: sources[0].credentials.token: credential \"token\" is missing\n" +
		"config.yaml:6:11: sources[0].credentials.tokn: credential tokn: env:X: not set\n" +
		"config.yaml:6:11: sources[0].credentials.tokn: credential \"tokn\" is unknown"
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

// What keeps a source from being opened is told with all other mistakes, once.
func TestSourceCheck(t *testing.T) {
	text := "data_dir: relative\nsources:\n- {name: one, provider: vendor}\n- {name: two, provider: vendor, base_url: 1}\n- {name: three, provider: vendor, schedule: {head: often}}\n"
	var asked []string
	_, err := Parse("config.yaml", []byte(text), Options{Source: func(s *Source) error {
		asked = append(asked, string(s.Name))
		return fmt.Errorf("source %s: no token\nno key", s.Name)
	}})
	want := []string{"1:11: data_dir:", "3:3: sources[0]: no token", "3:3: sources[0]: no key", "4:43: sources[1].base_url:", "5:3: sources[2]: no token", "5:3: sources[2]: no key", "5:52: sources[2].schedule.head:"}
	got := strings.Split(fmt.Sprint(err), "\n")
	if len(got) != len(want) || !slices.Equal(asked, []string{"one", "three"}) {
		t.Fatalf("asked about %v: %v", asked, err)
	}
	for i := range got {
		if !strings.HasPrefix(got[i], "config.yaml:"+want[i]) {
			t.Errorf("%q, want %q", got[i], want[i])
		}
	}
}

func TestEnvironment(t *testing.T) {
	env := map[string]string{EnvDataDir: "/elsewhere", EnvListen: "127.0.0.1:0"}
	getenv := func(name string) string { return env[name] }
	c, err := Parse("config.yaml", []byte(small), Options{Getenv: getenv})
	if err != nil || c.DataDir != "/elsewhere" || c.API.Listen != "127.0.0.1:0" {
		t.Errorf("got %+v, %v", c, err)
	}
	env[EnvDataDir], env[EnvListen] = "elsewhere", "0.0.0.0:0"
	_, err = Parse("config.yaml", []byte(small), Options{Getenv: getenv})
	want := "CALLSYNCD_DATA_DIR: data_dir: \"elsewhere\" is not an absolute path, such as /var/lib/callsyncd\n" +
		"CALLSYNCD_API_LISTEN: api.listen: 0.0.0.0 is not an address of this machine only; use 127.0.0.1 or [::1]"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if err := os.WriteFile("c.yaml", []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load("c.yaml", Options{Getenv: noEnv})
	if err != nil || !filepath.IsAbs(c.File) || filepath.Base(c.File) != "c.yaml" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := Load("absent.yaml", Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if _, err := Load(dir, Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: %v", err)
	}
	if err := os.WriteFile("big.yaml", bytes.Repeat([]byte("#\n"), 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load("big.yaml", Options{}); err == nil || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("big file: %v", err)
	}
}

func TestPath(t *testing.T) {
	env := map[string]string{EnvConfig: "/env.yaml"}
	getenv := func(name string) string { return env[name] }
	if got := Path("/flag.yaml", getenv); got != "/flag.yaml" {
		t.Errorf("flag: %s", got)
	}
	if got := Path("", getenv); got != "/env.yaml" {
		t.Errorf("environment: %s", got)
	}
	dir := t.TempDir()
	system := filepath.Join(dir, "system.yaml")
	if got := defaultPath(system, true); got != system {
		t.Errorf("root: %s", got)
	}
	if runtime.GOOS == "linux" {
		t.Setenv("XDG_CONFIG_HOME", dir)
		if got, want := defaultPath(system, false), filepath.Join(dir, "callsyncd", "config.yaml"); got != want {
			t.Errorf("user: got %s, want %s", got, want)
		}
		t.Setenv("XDG_CONFIG_HOME", "")
		t.Setenv("HOME", "")
		if got := defaultPath(system, false); got != system {
			t.Errorf("user without home: %s", got)
		}
	}
	if err := os.WriteFile(system, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := defaultPath(system, false); got != system {
		t.Errorf("existing system file: %s", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte(small))
	f.Add([]byte("a: &a [*a]\n<<: *a\n"))
	f.Add([]byte("data_dir: !!binary aGk=\nsources:\n\t- x"))
	f.Add([]byte(small + "    schedule: {head: TZ=0}\n    credentials: {token: hunter2}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("config.yaml", data, Options{Getenv: noEnv})
		if err == nil {
			if _, err := Parse("config.yaml", Show(c), Options{Getenv: noEnv}); err != nil {
				t.Errorf("what Show prints is refused: %v\n%s", err, Show(c))
			}
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 || len(problems) > maxProblems+1 {
			t.Fatalf("not a list of problems: %v", err)
		}
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Message == "" || strings.ContainsAny(p.String(), "\n\x1b") {
				t.Errorf("bad problem %#v", p)
			}
		}
	})
}
