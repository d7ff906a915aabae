package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"callsyncd/api/client"
	"callsyncd/call"
)

// printJSON prints an answer of the API, indented.
func (a *app) printJSON(body []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(body), "", "  "); err != nil {
		return fmt.Errorf("print answer: %w", err)
	}
	out := b.Bytes()
	if isTerminal(a.stdout) {
		out = safeJSON(out)
	}
	_, err := a.stdout.Write(append(out, '\n'))
	return err
}

// printValue prints what no API answered as JSON.
func (a *app) printValue(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return a.printJSON(b.Bytes())
}

// say prints a line of our own words; foreign text in it must be safe.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stdout, format+"\n", args...)
}

// note tells the user something on stderr, unless --quiet.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		fmt.Fprintf(a.stderr, format+"\n", args...)
	}
}

// grid is a table without lines. Its cells must be safe.
type grid struct{ w table.Writer }

// newGrid makes a table; a heading that begins with > is aligned right.
func newGrid(headings ...string) *grid {
	w := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	w.SetStyle(style)
	w.SuppressTrailingSpaces()
	var row table.Row
	var columns []table.ColumnConfig
	for i, h := range headings {
		name, right := strings.CutPrefix(h, ">")
		if right {
			columns = append(columns, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
		row = append(row, name)
	}
	w.AppendHeader(row)
	w.SetColumnConfigs(columns)
	return &grid{w: w}
}

func (g *grid) row(cells ...any) { g.w.AppendRow(cells) }

func (g *grid) print(w io.Writer) {
	fmt.Fprintln(w, g.w.Render())
}

// count writes a number with separators.
func count[T int | int64 | uint64](n T) string { return humanize.Comma(int64(n)) }

// plural writes "1 call" and "2 calls".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// more tells how to see the next page.
func (a *app) more(p client.Pagination) {
	if p.NextCursor != nil {
		a.say("more with --cursor %s", safe(*p.NextCursor))
	}
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// moment writes a time to the second, in UTC.
func moment(t time.Time) string { return momentOr(&t, "unknown time") }

// momentOr writes a time that may be unknown.
func momentOr(t *time.Time, unknown string) string {
	if t == nil || t.IsZero() {
		return unknown
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// clock writes seconds as 01:23 or 1:02:03.
func clock(seconds float64) string {
	n := int(seconds)
	if n >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", n/3600, n/60%60, n%60)
	}
	return fmt.Sprintf("%02d:%02d", n/60, n%60)
}

// or is the text behind a pointer, safe to print, or something for nil.
func or[T ~string](s *T, unknown string) string {
	if s == nil || *s == "" {
		return unknown
	}
	return safe(string(*s))
}

// lengthOf writes how long a call was.
func lengthOf(c *call.Call) string {
	if c.DurationSeconds == nil {
		return "-"
	}
	return clock(*c.DurationSeconds)
}

// party is the other side of a call: the name with the number, as far as known.
func party(c *call.Call) string {
	name, phone := or(c.ContactName, ""), or(c.Phone, "")
	switch {
	case name == "" && phone == "":
		return "-"
	case name == "":
		return phone
	case phone == "":
		return name
	}
	return name + " " + phone
}

// agentOf names the agent of a call.
func agentOf(c *call.Call) string { return or(c.AgentName, or(c.AgentID, "-")) }

// started is the time a call is listed under; ~ marks one that is not its start.
func started(c *call.Call) string {
	if c.StartedAt == nil || c.StartedAtApproximate {
		return "~" + moment(c.Time())
	}
	return moment(c.Time())
}
