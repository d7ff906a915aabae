package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

const statementLong = `Statement prints what the last walk over every vendor's whole list proved, or could not prove, as a
document of plain text, 100 columns wide: what the vendor counts and lists, what is held, missing or
no longer listed, the state of every part, and the days on which something is open.

It exits with 3 when the newest statement of any source proves nothing, when something came up since
that keeps the source from being green, or when a source has none yet, and with 4 when there is no
statement at all.
` + "`callsyncd sync --full`" + ` makes new ones; a newer one of the same walk is made when nothing is open any
more, because the rest was stored or its loss accepted.`

// statementOptions are the flags of statement.
type statementOptions struct {
	sources []call.SourceID
	limit   int
	days    bool
	out     string
}

func newStatement(a *app) *cobra.Command {
	var o statementOptions
	var sources []string
	c := &cobra.Command{
		Use:   "statement",
		Short: "Print the statement of completeness, for the file of whoever must prove it",
		Long:  statementLong,
		Example: `  callsyncd statement --out completeness.txt
  callsyncd statement --source crm --limit 12 --days
  callsyncd statement --json | jq '.data[] | {source, proved, expected, held}'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("limit") && o.limit < 1 {
				return usageError("", "--limit: %d is less than 1", o.limit)
			}
			o.sources = words[call.SourceID](sources)
			return a.with(c.Context(), everySource, func(r *archive) error { return a.statement(c.Context(), r, &o) })
		},
	}
	c.Flags().StringSliceVar(&sources, "source", nil, "only of this `source`; may be repeated")
	c.Flags().IntVar(&o.limit, "limit", 0, "most statements of each source, newest first, up to 100 (default 1)")
	c.Flags().BoolVar(&o.days, "days", false, "list every day, not only those with something open or extra")
	c.Flags().StringVar(&o.out, "out", "", "write to this `file` instead of standard output; it appears when it is complete")
	a.jsonFlag(c)
	return c
}

func (a *app) statement(ctx context.Context, r *archive, o *statementOptions) error {
	found, err := r.Statements(ctx, o.sources, o.limit)
	if err != nil {
		return err
	}
	now, err := r.Status(ctx)
	if err != nil {
		return err
	}
	expected := once(o.sources)
	if len(expected) == 0 {
		for _, s := range now.Value.Sources {
			expected = append(expected, s.Name)
		}
	}
	list := found.Value.Data
	without := withoutStatement(list, expected)
	if err := knownSources(ctx, r, &now.Value, without); err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	switch {
	case a.json:
		err = a.into(o.out, func(a *app) error { return a.printJSON(found.Body) })
	case len(list) > 0:
		place := func(st call.Statement) int { return slices.Index(expected, st.Source) }
		slices.SortStableFunc(list, func(x, y call.Statement) int { return cmp.Compare(place(x), place(y)) }) // each source newest first
		err = a.into(o.out, func(a *app) error { a.printStatements(list, without, byName(&now.Value), o.days); return nil })
	}
	switch {
	case err != nil:
		return err
	case len(list) == 0:
		return &fault{exitNotFound, errors.New("statement: no walk over the whole list of a source was read to its end yet"), "make one with `callsyncd sync --full`"}
	case len(without) > 0 || !newestProved(list, byName(&now.Value)):
		return exitWith(exitPartial)
	}
	return nil
}

// knownSources refuses a name that is neither configured nor of any call.
func knownSources(ctx context.Context, r *archive, now *call.StatusReport, names []call.SourceID) error {
	configured := byName(now)
	for _, name := range names {
		if _, ok := configured[name]; ok {
			continue
		}
		o := client.ListOptions{ListQuery: call.ListQuery{Filter: call.Filter{Source: []call.SourceID{name}}, Limit: 1}}
		if _, err := r.Calls(ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// into lets print write to standard output, or to a file that appears when it
// is complete.
func (a *app) into(file string, print func(*app) error) error {
	if toStdout(file) {
		return print(a)
	}
	err := writeFile(file, func(w io.Writer) error {
		to, out := *a, &sink{Writer: w}
		to.stdout = out
		return errors.Join(print(&to), out.err)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	a.note("statement written to %s", safe(file))
	return nil
}

// withoutStatement are the expected sources that no statement speaks of.
func withoutStatement(list []call.Statement, expected []call.SourceID) []call.SourceID {
	var none []call.SourceID
	for _, name := range expected {
		if !slices.ContainsFunc(list, func(st call.Statement) bool { return st.Source == name }) {
			none = append(none, name)
		}
	}
	return none
}

// newestProved reports whether the first statement of every source proves it
// complete, and nothing has come up since; list is newest first.
func newestProved(list []call.Statement, now standing) bool {
	seen := make(map[call.SourceID]bool)
	for _, st := range list {
		if st.FinishedAt.IsZero() {
			return false // damaged: nobody knows whether it is the newest
		}
		if is := now[st.Source]; !seen[st.Source] && !(st.Proved && is.Counts.Open() == 0 && len(is.Problems) == 0) {
			return false
		}
		seen[st.Source] = true
	}
	return true
}
