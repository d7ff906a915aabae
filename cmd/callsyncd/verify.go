package main

import (
	"context"

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
	}
	a.list("it cannot prove:", v.CannotProve)
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
