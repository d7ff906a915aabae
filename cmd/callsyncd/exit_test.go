package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/sync/provider"
)

func TestExitCode(t *testing.T) {
	position := 3
	for _, tt := range []struct {
		name string
		err  error
		want int
	}{
		{"done", nil, 0},
		{"other", errors.New("disk"), 1},
		{"usage", usageError("", "no"), 2},
		{"bad request", &client.Problem{Status: 400}, 2},
		{"query", &client.Problem{Status: 400, Position: &position}, 2},
		{"unknown source", &client.Problem{Status: 400, Errors: []client.Complaint{{Location: "query.source", Message: `"x" is no source of this archive; known are crm`}}}, 4},
		{"no name of a source", &client.Problem{Status: 400, Errors: []client.Complaint{{Location: "query.source", Message: `"X" is not the name of a source`}}}, 2},
		{"cursor", fmt.Errorf("list: %w", call.ErrBadCursor), 2},
		{"partial", exitWith(exitPartial), 3},
		{"not found", &client.Problem{Status: 404}, 4},
		{"refused", fmt.Errorf("source crm: %w", call.ErrUnauthorized), 5},
		{"held", fmt.Errorf("open archive: %w", &call.HoldError{PID: 7}), 75},
		{"configuration", config.Problems{{Message: "no"}}, 78},
		{"description", fmt.Errorf("x: %w", provider.Problems{{Message: "no"}}), 78},
		{"joined", errors.Join(errors.New("close"), exitWith(exitPartial)), 3},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestHintOf(t *testing.T) {
	denied := &fs.PathError{Op: "mkdir", Path: "/var/lib/callsyncd", Err: fs.ErrPermission}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a data folder that cannot be made", fmt.Errorf("open archive: %w", denied), "name another one as data_dir"},
		{"somebody else's archive", fmt.Errorf("open archive: /data belongs to the user with id 7: %w", fs.ErrPermission), "sudo -u callsyncd"},
		{"a full disk", fmt.Errorf("open archive: %w", call.ErrNoSpace), "make room"},
		{"anything else", errors.New("odd"), ""},
	} {
		if got := hintOf(tt.err); tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestSyncExit(t *testing.T) {
	full := call.SourceReport{Complete: true, Counts: call.Counts{Calls: 3}}
	part := call.SourceReport{Counts: call.Counts{Calls: 3}}
	failed := call.SourceReport{Err: errors.New("down")}
	old := call.SourceReport{Err: errors.New("down"), Counts: call.Counts{Calls: 3}}
	refused := call.SourceReport{Err: fmt.Errorf("list: %w", call.ErrUnauthorized)}
	for _, tt := range []struct {
		name    string
		sources []call.SourceReport
		want    int
	}{
		{"complete", []call.SourceReport{full, full}, 0},
		{"something pending", []call.SourceReport{full, part}, 3},
		{"one failed", []call.SourceReport{full, failed}, 3},
		{"all failed, nothing stored", []call.SourceReport{failed, failed}, 1},
		{"all failed, something stored", []call.SourceReport{failed, old}, 3},
		{"one refused", []call.SourceReport{full, refused}, 5},
	} {
		if got := syncExit(&call.SyncReport{Sources: tt.sources}); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestRoundDone(t *testing.T) {
	was := call.SourceStatus{Round: 4}
	for _, tt := range []struct {
		name  string
		round int
		state string
		want  bool
	}{
		{"not begun", 4, "idle", false},
		{"runs", 4, "syncing", false},
		{"ended", 5, "idle", true},
		{"ended, credentials refused", 5, "refused", true},
		{"an earlier round ended, ours runs", 5, "syncing", false},
		{"ours ended, another walk runs", 6, "syncing", true},
	} {
		if got := roundDone(was, call.SourceStatus{Round: tt.round, State: tt.state}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"source", "source", 0}, {"source", "sorce", 1}, {"limit", "limti", 2}, {"", "abc", 3}, {"kitten", "sitting", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// Every command says what it does and shows an example.
func TestEveryCommandIsExplained(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" || !strings.Contains(c.Example, "callsyncd") {
			t.Errorf("%s: no description or no example", c.CommandPath())
		}
		if strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: the short description ends with a full stop", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(newRoot(&app{stdout: io.Discard, stderr: io.Discard, getenv: os.Getenv}))
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	var stderr strings.Builder
	code := run(context.Background(), []string{"version"}, strings.NewReader(""), fullDisk{}, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "no space left") {
		t.Errorf("exit code %d, %q; want %d and the reason", code, stderr.String(), exitFailed)
	}
}

func TestColored(t *testing.T) {
	for _, tt := range []struct {
		flag, noColor string
		want          bool
	}{{"always", "1", true}, {"never", "", false}, {"auto", "", false}} { // a builder is no terminal
		a := &app{color: tt.flag, getenv: func(string) string { return tt.noColor }}
		if got := a.colored(&strings.Builder{}); got != tt.want {
			t.Errorf("--color=%s: %v, want %v", tt.flag, got, tt.want)
		}
	}
}
