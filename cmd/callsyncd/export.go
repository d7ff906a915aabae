package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

// exportPage is how many calls are asked for at once: with their transcripts,
// some hundred kilobytes.
const exportPage = 50

var exportFormats = []string{"ndjson", "csv"}

func newExport(a *app) *cobra.Command {
	var f filters
	var format, out string
	c := &cobra.Command{
		Use:   "export",
		Short: "Write calls to a file: ndjson or csv",
		Long: `Export writes the calls the filters select, in the order of ` + "`callsyncd calls`" + `.

ndjson: one call per line, with transcript and metadata, exactly as the API shows it.
csv: one row per call, without transcript and metadata. Text that a spreadsheet would take for
a formula (it begins with = + - @, a tab or a carriage return) gets a ' before it.

It exits with 3 when calls may be missing because a source was never read completely or the
archive is damaged, or when parts of the calls written are pending, or lost and not accepted.`,
		Example: `  callsyncd export --format csv --from 2025-12-01 --to 2026-01-01 --out december.csv
  callsyncd export --source crm --sort oldest | jq -c '{key, summary}'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("format") && strings.EqualFold(filepath.Ext(out), ".csv") {
				format = "csv"
			}
			if !slices.Contains(exportFormats, format) {
				return usageError("say --format "+strings.Join(exportFormats, " or --format "), "--format: %q is not a format", format)
			}
			if err := f.read(c, a.now()); err != nil {
				return err
			}
			o, err := f.list()
			if err != nil {
				return err
			}
			return a.with(c.Context(), anySource, func(r *archive) error { return a.export(c.Context(), r, o, format, out) })
		},
	}
	f.add(c, "newest (default) or oldest", "most calls to write (default all)")
	c.Flags().StringVar(&format, "format", "ndjson", "ndjson or csv; csv too when the name after --out ends in .csv")
	c.Flags().StringVar(&out, "out", "", "write to this `file` instead of standard output; it appears when it is complete")
	return c
}

func (a *app) export(ctx context.Context, r *archive, o client.ListOptions, format, out string) error {
	now, err := r.Status(ctx)
	if err != nil {
		return err
	}
	unlisted, err := hidden(ctx, r, &now.Value, o.Filter.Source)
	if err != nil {
		return err
	}
	lost := byName(&now.Value)
	var done exported
	if toStdout(out) {
		done, err = exportTo(ctx, a.stdout, r, o, format, lost)
		if err != nil {
			return err
		}
		return a.exportExit(done, unlisted, unread(&now.Value, o.Filter.Source))
	}
	err = writeFile(out, func(w io.Writer) (err error) {
		done, err = exportTo(ctx, w, r, o, format, lost)
		return err
	})
	if err != nil {
		return fmt.Errorf("export to %s: %w", out, err)
	}
	a.note("%s written to %s", plural(done.calls, "call"), safe(out))
	return a.exportExit(done, unlisted, unread(&now.Value, o.Filter.Source))
}

// hidden counts the calls of the chosen sources that are held and that lists do
// not show, because the index of their times is damaged: it counts them alone.
func hidden(ctx context.Context, r *archive, now *call.StatusReport, chosen []call.SourceID) (n int, err error) {
	found, err := r.Stats(ctx, call.StatsQuery{Filter: call.Filter{Source: chosen}, By: "month", Group: "source"})
	if err != nil {
		return 0, err
	}
	listed := make(map[call.SourceID]int)
	for _, row := range found.Value.Data {
		listed[call.SourceID(*row.Group)] += row.Calls
	}
	for i := range now.Sources {
		if s := &now.Sources[i]; len(chosen) == 0 || slices.Contains(chosen, s.Name) {
			n += max(0, s.Counts.Calls-listed[s.Name])
		}
	}
	return n, nil
}

// exported counts what was written.
type exported struct{ calls, incomplete int }

// count enters a page. A lost part counts only while its source has losses that
// nobody accepted.
func (e *exported) count(page []client.Call, now standing) {
	e.calls += len(page)
	for i := range page {
		parts := page[i].Parts
		lost := now[page[i].Source].Counts.Lost
		open := false
		for name, state := range map[call.PartName]call.State{
			call.PartRecord: parts.Record, call.PartTranscript: parts.Transcript, call.PartSummary: parts.Summary, call.PartRecording: parts.Recording,
		} {
			open = open || state == call.Pending || state == call.Lost && lost[name] > 0
		}
		if open {
			e.incomplete++
		}
	}
}

// exportExit says what is missing from an export.
func (a *app) exportExit(done exported, unlisted int, never []string) error {
	a.noteUnread(never)
	if unlisted > 0 {
		a.note("the archive is damaged: it holds %s that no list shows; run `callsyncd verify`, which mends that, then export again", plural(unlisted, "call"))
	}
	if done.incomplete > 0 {
		a.note("%s incomplete: parts are pending or lost; `callsyncd gaps` lists them", plural(done.incomplete, "call"))
	}
	if len(never) > 0 || done.incomplete > 0 || unlisted > 0 {
		return exitWith(exitPartial)
	}
	return nil
}

// exportTo streams all pages of the list.
func exportTo(ctx context.Context, w io.Writer, r *archive, o client.ListOptions, format string, now standing) (exported, error) {
	buffered := bufio.NewWriter(w)
	var write func([]byte) error
	end := func() error { return nil }
	if format == "csv" {
		table := newCSV(buffered)
		write, end = table.add, table.end
	} else {
		o.Fields = "full"
		write = func(body []byte) error { return writeLines(buffered, body) }
	}
	var done exported
	err := eachPage(ctx, r, o, func(page *client.Page[client.Call], body []byte) error {
		done.count(page.Data, now)
		return write(body)
	})
	if err == nil {
		err = end()
	}
	if err == nil {
		err = buffered.Flush()
	}
	return done, err
}

// eachPage hands on every page and its body, until o.Limit calls are through; 0
// means all.
func eachPage(ctx context.Context, r *archive, o client.ListOptions, take func(page *client.Page[client.Call], body []byte) error) error {
	calls, wanted := 0, o.Limit
	for {
		o.Limit = exportPage
		if wanted > 0 {
			o.Limit = min(exportPage, wanted-calls)
		}
		page, err := r.Calls(ctx, o)
		if err != nil {
			return err
		}
		if err := take(&page.Value, page.Body); err != nil {
			return err
		}
		calls += len(page.Value.Data)
		next := page.Value.Pagination.NextCursor
		if next == nil || *next == o.After || wanted > 0 && calls >= wanted {
			return nil
		}
		o.After = *next
	}
}

// writeLines writes each call of a page as it came, on a line of its own.
func writeLines(w io.Writer, body []byte) error {
	var page struct{ Data []json.RawMessage }
	if err := json.Unmarshal(body, &page); err != nil {
		return fmt.Errorf("read the API's answer: %w", err)
	}
	for _, c := range page.Data {
		var line bytes.Buffer
		if err := json.Compact(&line, c); err != nil {
			return fmt.Errorf("read the API's answer: %w", err)
		}
		line.WriteByte('\n')
		if _, err := w.Write(line.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
