package main

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/sync/provider"
)

// The exit codes, as `callsyncd --help` explains them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3
	exitNotFound    = 4
	exitRefused     = 5
	exitHeld        = 75
	exitConfig      = 78
	exitInterrupted = 130
)

// fault is an error that knows its exit code, and what to do next.
type fault struct {
	code int
	err  error  // nil when everything was said on stdout
	hint string // may be empty
}

func (f *fault) Error() string {
	if f.err == nil {
		return fmt.Sprintf("exit code %d", f.code)
	}
	return f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

var errInterrupted = errors.New("interrupted")

// exitWith ends a command whose output says it all.
func exitWith(code int) error {
	if code == exitDone {
		return nil
	}
	return &fault{code: code}
}

// usageError is a mistake on the command line.
func usageError(hint, format string, args ...any) error {
	return &fault{exitUsage, fmt.Errorf(format, args...), hint}
}

// exitCode tells what an error means to scripts.
func exitCode(err error) int {
	if err == nil {
		return exitDone
	}
	if f, ok := errors.AsType[*fault](err); ok {
		return f.code
	}
	if _, ok := errors.AsType[*call.QueryError](err); ok {
		return exitUsage
	}
	if p, ok := errors.AsType[*client.Problem](err); ok && p.Status == 400 {
		if p.UnknownSource() {
			return exitNotFound
		}
		return exitUsage
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		return exitConfig
	}
	if _, ok := errors.AsType[provider.Problems](err); ok {
		return exitConfig
	}
	for _, kind := range []struct {
		is   error
		code int
	}{
		{call.ErrLocked, exitHeld}, {call.ErrUnauthorized, exitRefused},
		{call.ErrNotFound, exitNotFound}, {call.ErrBadCursor, exitUsage}, {errInterrupted, exitInterrupted},
	} {
		if errors.Is(err, kind.is) {
			return kind.code
		}
	}
	return exitFailed
}

// report says on stderr what went wrong and what to do next, and returns the
// exit code.
func (a *app) report(err error) int {
	code := exitCode(err)
	f, ok := errors.AsType[*fault](err)
	if err == nil || ok && f.err == nil {
		return code
	}
	hint := hintOf(err)
	if ok && f.hint != "" {
		hint = f.hint
	}
	for _, line := range problemLines(err) {
		fmt.Fprintln(a.stderr, safe(line))
	}
	fmt.Fprintln(a.stderr, "callsyncd: "+safe(messageOf(err)))
	if hint != "" {
		fmt.Fprintln(a.stderr, "  "+safe(hint))
	}
	return code
}

// problemLines are the mistakes of a file, one line each.
func problemLines(err error) []string {
	var lines []string
	if broken, ok := errors.AsType[brokenSources](err); ok {
		return strings.Split(broken.Error(), "\n")
	}
	if ps, ok := errors.AsType[config.Problems](err); ok {
		for _, p := range ps {
			lines = append(lines, p.String())
		}
	}
	if ps, ok := errors.AsType[provider.Problems](err); ok {
		for _, p := range ps {
			lines = append(lines, p.String())
		}
	}
	return lines
}

// messageOf is the one line about an error.
func messageOf(err error) string {
	if n := len(problemLines(err)); n > 0 {
		return plural(n, "problem") + " to correct first"
	}
	if q, ok := errors.AsType[*call.QueryError](err); ok {
		return fmt.Sprintf("search: %s (at character %d)", q.Message, q.Position+1)
	}
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}

// hintOf says what to do about the errors that every command can meet.
func hintOf(err error) string {
	_, badQuery := errors.AsType[*call.QueryError](err)
	switch {
	case errors.Is(err, call.ErrLocked):
		return "let it finish or stop it, then try again; while `callsyncd run` holds the archive, commands ask it instead"
	case errors.Is(err, call.ErrUnauthorized):
		return "check the credentials of this source with `callsyncd config check --online`"
	case badQuery:
		return "the query language is explained by `callsyncd search --help`"
	case errors.Is(err, call.ErrNoSpace):
		return "make room on the disk, then try again"
	case couldNotMake(err):
		return "make the folder and give it to this account, or name another one as data_dir in the configuration"
	case errors.Is(err, fs.ErrPermission):
		return "run it as the user who owns the archive, such as: sudo -u callsyncd callsyncd ..."
	}
	return ""
}

// couldNotMake reports whether this account may not make the data folder.
func couldNotMake(err error) bool {
	p, ok := errors.AsType[*fs.PathError](err)
	return ok && p.Op == "mkdir" && errors.Is(err, fs.ErrPermission)
}

var unknownShorthand = regexp.MustCompile(`^unknown shorthand flag: .* in -`)

var unknownFlag = regexp.MustCompile(`^unknown flag: --([^ =]+)`)

// usage gives what the command line parser complains about our form.
func usage(c *cobra.Command, err error) error {
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	message, suggestion, _ := strings.Cut(err.Error(), "\n")
	message = plainFlagError(message)
	hint := "see `" + c.CommandPath() + " --help`"
	if words := strings.Fields(suggestion); len(words) > 0 {
		hint = "did you mean " + words[len(words)-1] + "? " + hint
	}
	if c.Name() == "search" && unknownShorthand.MatchString(message) {
		hint = "put words that begin with - after --, such as: callsyncd search -- refund -trial"
	}
	if found := unknownFlag.FindStringSubmatch(message); found != nil {
		if flag := nearestFlag(c, found[1]); flag != "" {
			hint = "did you mean --" + flag + "? " + hint
		}
	}
	return &fault{exitUsage, errors.New(message), hint}
}

var parserWords = regexp.MustCompile(`strconv\.Parse(Int|Uint|Float|Bool): .*$`)

// plainFlagError says what a flag wants instead of how its parser failed.
func plainFlagError(message string) string {
	found := parserWords.FindStringSubmatchIndex(message)
	if found == nil {
		return message
	}
	wants := "it is not a whole number"
	switch message[found[2]:found[3]] {
	case "Uint":
		wants = "it is not a whole number from 0 up"
	case "Float":
		wants = "it is not a number"
	case "Bool":
		wants = "say true or false"
	}
	return message[:found[0]] + wants
}

// nearestFlag finds the flag of c most like name; empty when none is alike.
func nearestFlag(c *cobra.Command, name string) string {
	best, least := "", 3 // as far as cobra goes for commands
	look := func(f *pflag.Flag) {
		if d := distance(f.Name, name); d < least && !f.Hidden {
			best, least = f.Name, d
		}
	}
	c.Flags().VisitAll(look)
	c.InheritedFlags().VisitAll(look)
	return best
}

// distance is the number of letters to insert, delete or replace (Levenshtein).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diagonal
			if x[i] != y[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
