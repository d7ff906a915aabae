//go:build unix

package endtoend

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/simulator"
)

// secretsOutside looks at a daemon as other programs see it. What the system
// shows of its environment to root and to its own user is what it was started
// with: /proc/PID/environ holds the secrets of env: references, and nobody can
// change that from within; what it starts itself inherits none of them
// (config.TestForgetSecrets).
func secretsOutside(t *testing.T, _ *inbound) {
	b := newBed(t, simulator.Options{Seed: 35, Calls: 1})
	text, err := os.ReadFile(b.config)
	must(t, err)
	var env, secrets []string
	changed := regexp.MustCompile(`file:(\S+)`).ReplaceAllStringFunc(string(text), func(ref string) string {
		secret, err := os.ReadFile(strings.TrimPrefix(ref, "file:"))
		must(t, err)
		secrets = append(secrets, string(secret))
		env = append(env, fmt.Sprintf("ABUSE_SECRET_%d=%s", len(secrets), secret))
		return fmt.Sprintf("env:ABUSE_SECRET_%d", len(secrets))
	})
	must(t, os.WriteFile(b.config, []byte(changed), 0o600))
	p := b.start(t, env...)
	token, err := os.ReadFile(filepath.Join(b.dir, "api-token"))
	must(t, err)
	secrets = append(secrets, strings.TrimSpace(string(token)))
	absent := func(where, text string) {
		t.Helper()
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows the secret %.6s...", where, secret)
			}
		}
	}
	shown := []string{"cmdline", "status", "limits", "maps", "comm"}
	if runtime.GOOS != "linux" {
		shown = nil
	}
	for _, name := range shown {
		content, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p.Process.Pid, name))
		must(t, err)
		absent(name, string(content))
		if name == "limits" && !regexp.MustCompile(`Max core file size +0 +0 `).Match(content) {
			t.Errorf("core dumps are not off: %s", content)
		}
	}
	for _, args := range [][]string{{"service", "install", "--dry-run"}, {"service", "status"}, {"config", "show"}, {"config", "schema"}, {"status"}, {"status", "--json"}, {"version"}} {
		cmd := exec.Command(program(t), append(args, "--config", b.config)...)
		cmd.Env = append(os.Environ(), env...)
		out, _ := cmd.CombinedOutput() // how it ends is no matter here
		absent(strings.Join(args, " "), string(out))
	}
	must(t, p.Process.Signal(syscall.SIGQUIT)) // the runtime's own crash report
	<-p.done
	if !strings.Contains(p.log.from(0), "\ngoroutine 1 ") {
		t.Error("there is no crash report")
	}
	absent("the log with the crash report", p.log.from(0))
}

// noUmask: whatever umask we are started with, no file is for others. Stored
// recordings are 0440, in folders that are ours alone.
func noUmask(t *testing.T, _ *inbound) {
	b := newBed(t, simulator.Options{Seed: 36, Calls: 2})
	for _, command := range []string{"sync", "verify", "reindex"} {
		if out, err := exec.Command("sh", "-c", `umask 0; exec "$0" "$@"`, program(t), command, "--config", b.config).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	must(t, filepath.WalkDir(b.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := info.Mode().Perm()
		if recording := strings.Contains(path, "/recordings/") && !entry.IsDir(); mode&0o077 != 0 && !(recording && mode == 0o440) {
			t.Errorf("%s has mode %04o", path, mode)
		}
		return nil
	}))
}

func strangeConfigs(t *testing.T, _ *inbound) {
	b := newBed(t, simulator.Options{Seed: 37})
	good, err := os.ReadFile(b.config)
	must(t, err)
	bomb := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 9), ", "))
	}
	with := func(line string) string { return string(good) + line + "\n" }
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":           {with("colour: blue"), "colour: "},
		"unknown key of escape": {with("\"\\e[2J\\u202e\": blue"), ": "},
		"bomb of aliases":       {bomb + string(good), "alias"},
		"merge of itself":       {with("recordings: &r {<<: *r}"), ""},
		"deep":                  {with("search: " + strings.Repeat("[", 100_000)), ""},
		"10 MB":                 {with("#" + strings.Repeat("x", 10<<20)), "larger than 1 MiB"},
		"10 MB in one key":      {with(strings.Repeat("k", 10<<20) + ": 1"), "larger than 1 MiB"},
		"schedule in a zone":    {strings.Replace(string(good), "    budgets:", "    schedule: {head: \"TZ=0\"}\n    budgets:", 1), "schedule.head: "},
		"schedule in a zone 2":  {strings.Replace(string(good), "    budgets:", "    schedule: {head: \"CRON_TZ=UTC 0 2 * * *\"}\n    budgets:", 1), "schedule.head: "},
		"schedule never":        {strings.Replace(string(good), "    budgets:", "    schedule: {sweep: \"0 0 30 2 *\"}\n    budgets:", 1), "schedule.sweep: "},
		"literal secret":        {regexp.MustCompile(`file:\S+`).ReplaceAllString(string(good), canary), "credentials"},
		"any address":           {strings.Replace(string(good), "127.0.0.1:0", "0.0.0.0:7411", 1), "api.listen: "},
		"name of an address":    {strings.Replace(string(good), "127.0.0.1:0", "localhost:7411", 1), "api.listen: "},
		"no address":            {strings.Replace(string(good), "127.0.0.1:0", "':7411'", 1), "api.listen: "},
		"relative folder":       {strings.Replace(string(good), "data_dir: /", "data_dir: ", 1), "data_dir: "},
		"nul":                   {with("a: \x00"), "control character U+0000"},
		"UTF-16":                {"\xff\xfed\x00a\x00", "not UTF-8"},
		"empty":                 {"", "empty"},
		"two documents":         {string(good) + "---\n" + string(good), "several documents"},
		"tag":                   {with("heartbeat_url: !!binary aGk="), ""},
	} {
		t.Run(name, func(t *testing.T) {
			bad := *b
			bad.config = filepath.Join(t.TempDir(), "config.yaml")
			must(t, os.WriteFile(bad.config, []byte(c.text), 0o600))
			e := bad.run(t, "run")
			first, _, _ := strings.Cut(e.stderr, "\n")
			if e.code != 78 || !strings.HasPrefix(first, bad.config+":") || !strings.Contains(first, c.want) {
				t.Errorf("%d: %.300s", e.code, e.stderr)
			}
			if strings.Count(e.stderr, "\n") > 14 || len(e.stderr) > 4<<10 || strings.ContainsFunc(strings.ReplaceAll(e.stderr, "\n", ""), unseen) || strings.Contains(e.stderr, canary) {
				t.Errorf("not a clear line: %.500q", e.stderr)
			}
			if _, err := os.Stat(b.dir); err == nil {
				t.Error("the data folder was made")
			}
		})
	}
	marked := *b
	marked.config = filepath.Join(t.TempDir(), "config.yaml")
	must(t, os.WriteFile(marked.config, append([]byte("\ufeff"), good...), 0o600))
	if e := marked.run(t, "config", "check"); e.code != 0 { // as Windows editors write it
		t.Errorf("with a byte order mark: %d %s", e.code, e.stderr)
	}
}

// stopAndContinue stops the daemon for several of its intervals. Afterwards it
// has what came meanwhile, once, and does not make up for the walks it missed.
func stopAndContinue(t *testing.T, _ *inbound) {
	b := newBed(t, simulator.Options{Seed: 38, Calls: 2})
	text, err := os.ReadFile(b.config)
	must(t, err, os.WriteFile(b.config, bytes.ReplaceAll(text, []byte("    budgets:"), []byte("    schedule: {head: 1s, trailing: 2s, sweep: 1h}\n    budgets:")), 0o600))
	p := b.start(t)
	address := regexp.MustCompile(`"address":"([^"]+)"`).FindStringSubmatch(p.log.from(0))[1]
	token, err := os.ReadFile(filepath.Join(b.dir, "api-token"))
	must(t, err)
	c := client.New("http://"+address, call.Secret(strings.TrimSpace(string(token))), nil)
	has := func(id call.ID) bool {
		got, err := c.Call(context.Background(), call.Key{Source: "suresend", ID: id}, client.Show{})
		return err == nil && got.Value.Parts.Recording == call.Stored
	}
	before := b.sim.AddCall("suresend")
	await(t, "a call before the stop", func() bool { return has(before) })
	must(t, p.Process.Signal(syscall.SIGSTOP))
	during := b.sim.AddCall("suresend")
	const stopped = 4 * time.Second
	time.Sleep(stopped) // the clock of another process
	asked := b.sim.Stats("suresend").Requests["list"]
	must(t, p.Process.Signal(syscall.SIGCONT))
	begin := time.Now()
	await(t, "the call of the stop", func() bool { return has(during) })
	time.Sleep(1500 * time.Millisecond)
	walked, took := b.sim.Stats("suresend").Requests["list"]-asked, time.Since(begin)
	// One walk of each kind that was due, then the usual ones: head every
	// second, trailing every other, each one list of one page, read twice at
	// the most.
	if most := 2 + int(2*1.5*(took.Seconds()+1)); walked > most {
		t.Errorf("%d lists in %s after the stop, at most %d are due", walked, took, most)
	}
	seen := map[string]int{}
	feed, err := c.Changes(context.Background(), 0, 200, 0)
	must(t, err)
	for _, change := range feed.Value.Data {
		if change.Key.ID == during {
			seen[string(change.Kind)]++
		}
	}
	got, err := c.Call(context.Background(), call.Key{Source: "suresend", ID: during}, client.Show{})
	if err != nil || got.Value.Version != 1 || seen["call.new"] != 1 {
		t.Errorf("%v, version %d, changes %v", err, got.Value.Version, seen)
	}
	if log := p.log.from(0); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, "panic") {
		t.Errorf("log: %s", log)
	}
	t.Logf("caught up; %d lists within %s of the end of a stop of %s", walked, took.Round(time.Millisecond), stopped)
}

// canariesEverywhere comes last: none of the secrets is in a log, in a file of
// the archive, in an answer or in an export. What was said is in no log.
func canariesEverywhere(t *testing.T, d *inbound) {
	faults := simulator.Faults{EchoCredentials: true}
	for _, v := range d.sim.Vendors() {
		faults.CredentialsRefused = append(faults.CredentialsRefused, v.Name)
	}
	d.sim.SetFaults(faults)
	done := d.rounds(t)
	if a := d.ask(t, request{method: "POST", target: "/v1/sync", body: `{"full":true}`}); a.status != 202 {
		t.Fatal(a.status)
	}
	await(t, "the round that fails", func() bool { return d.rounds(t) >= done+5 })
	d.sim.SetFaults(simulator.Faults{})
	target, _ := d.recording(t)
	for _, target := range []string{"/v1/calls?limit=200&include=raw,versions,transcript,metadata,parts", "/v1/search?q=kettle&fields=full&limit=200", "/v1/status", "/v1/gaps?limit=200", "/v1/changes?limit=200",
		"/v1/statements?limit=100", "/v1/stats?by=day&group=agent", "/metrics", "/openapi.json", "/readyz", "/", "/page/app.js", strings.TrimSuffix(target, "/recording") + "/history", target} {
		if a := d.ask(t, request{target: target}); a.status != 200 { // which looks for secrets
			t.Errorf("%s: %d", target, a.status)
		}
	}
	d.clean(t, d.logs.from(0))
	looked := 0
	must(t, filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "api-token" {
			return err
		}
		content, err := os.ReadFile(path)
		looked += len(content)
		for _, secret := range d.secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds a secret", path)
			}
		}
		return err
	}))
	if looked < 1<<20 {
		t.Errorf("only %d bytes were looked at", looked)
	}
	config := *d.bed
	for _, format := range []string{"ndjson", "csv"} {
		e := config.run(t, "export", "--format", format)
		for _, secret := range d.secrets {
			if strings.Contains(e.stdout+e.stderr, secret) {
				t.Errorf("the export as %s holds a secret", format)
			}
		}
		if e.code != 0 || format == "ndjson" && !strings.Contains(e.stdout, canary) {
			t.Errorf("export as %s: %d, %d bytes: %s", format, e.code, len(e.stdout), e.stderr)
		}
	}
}

// rounds counts the rounds all sources have done.
func (d *inbound) rounds(t testing.TB) (n int) {
	t.Helper()
	d.count(1)
	status, err := d.client.Status(context.Background())
	must(t, err)
	for _, s := range status.Value.Sources {
		n += s.Round
	}
	return n
}
