package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"callsyncd/call"
)

func newVerify(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Prove that the archive is what was written",
		Long: `Verify checks the whole archive against itself - database, every version, every recording,
the index - and says what that proves and what it cannot prove. It exits with 1 on any contradiction.`,
		Example: `  callsyncd verify
  callsyncd verify --json | jq '.problems'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), anySource, func(r *archive) error { return a.verify(c.Context(), r) })
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) verify(ctx context.Context, r *archive) error {
	report, err := r.Verify(ctx)
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(report.Body)
	} else {
		a.printVerify(&report.Value)
	}
	if err == nil && !report.Value.OK {
		return exitWith(exitFailed)
	}
	return err
}

func (a *app) printVerify(v *call.VerifyReport) {
	ink := a.ink()
	a.say("%s, %s, %s (%s) checked in %.1f s", plural(v.Calls, "call"), plural(v.Versions, "version"), plural(v.Recordings, "recording"), size(v.Bytes), v.FinishedAt.Sub(v.StartedAt).Seconds())
	findings := func(list []call.VerifyFinding, mark string) {
		for _, f := range list {
			where := safe(f.File)
			if f.Key != nil {
				where = joined(" ", safe(f.Key.String()), where)
			}
			a.say("%s %s: %s", mark, joined(" ", safe(f.Kind), where), safe(f.Detail))
		}
	}
	findings(v.Problems, ink.red("!"))
	findings(v.Notes, "-")
	if v.OK {
		a.say("%s", ink.green("no contradiction found"))
		a.list("this proves:", v.Proves)
	} else {
		a.say("%s", ink.red(plural(len(v.Problems), "contradiction")+" found"))
		a.list("what to do:", remedies(v))
	}
	a.list("it cannot prove:", v.CannotProve)
}

// remedies says once for each kind of finding what to do about it.
func remedies(v *call.VerifyReport) []string {
	var lines []string
	for _, p := range v.Problems {
		line := ""
		switch p.Kind {
		case "database":
			line = "database: stop callsyncd and restore archive.db from a backup; what can still be read, `callsyncd export` writes"
		case "bad_call", "bad_transcript", "missing_file", "hash_mismatch":
			line = p.Kind + ": run `callsyncd sync`; the vendor is asked again while it still has it, `callsyncd gaps` lists what is open"
		case "bad_version", "bad_history", "bad_feed":
			line = p.Kind + ": what was remembered there is gone for good and only a backup has it; the calls as they are now are not concerned"
		case "bad_source":
			line = "bad_source: run `callsyncd sync`, which finds it out anew; a statement that is damaged stays so until newer ones take its place"
		case "bad_index", "bad_counts":
			line = p.Kind + ": run `callsyncd verify` again; it was made anew from the calls"
		case "stray_file":
			line = "stray_file: find out who put it there and move it away; callsyncd never removes what it does not know"
		case "unreadable_file":
			line = "unreadable_file: look at the disk and at who may read the file, then run `callsyncd verify` again"
		}
		if line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (a *app) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	a.say("%s", title)
	for _, line := range lines {
		a.say("  - %s", safe(line))
	}
}
