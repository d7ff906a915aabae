package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callsyncd/call"
)

func newStatus(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "status",
		Short: "Say whether the archive is complete, and what keeps it from being so",
		Long: `Status is green only when completeness is proved: a clean walk over every vendor's whole
list, nothing pending, nothing lost that nobody acknowledged. Otherwise it exits with 3.`,
		Example: `  callsyncd status
  callsyncd status --json | jq -r '.problems[]'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			err := a.with(c.Context(), everySource, func(r *archive) error { return a.status(c.Context(), r) })
			if f, ok := err.(*fault); ok && f.code == exitNotFound {
				f.code = exitPartial // no archive yet: everything is missing
			}
			return err
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) status(ctx context.Context, r *archive) error {
	if err := r.catchUp(ctx); err != nil {
		a.note("callsyncd: %s", safe(err.Error())) // the index says so itself
	}
	report, err := r.Status(ctx)
	if err != nil {
		return err
	}
	switch {
	case a.json:
		err = a.printJSON(report.Body)
	case !a.quiet:
		a.printStatus(&report.Value, r.own == nil)
	}
	if err == nil && !report.Value.Green {
		return exitWith(exitPartial)
	}
	return err
}

func (a *app) printStatus(s *call.StatusReport, daemon bool) {
	ink := a.ink()
	g := newGrid("source", "state", ">vendor counts", ">calls", ">settled", ">transcripts", ">recordings", ">pending", ">lost", "last complete walk (UTC)", "next loss", "budget", ">requests")
	for i := range s.Sources {
		x := &s.Sources[i]
		n := x.Counts
		g.row(safe(string(x.Name)), safe(x.State), countOr(x.VendorTotal, "-"), count(n.Calls), count(n.Settled), count(n.Transcript), count(n.Recordings),
			count(sum(n.Pending)), count(sum(n.Lost)), momentOr(x.LastCompleteWalk, "never"), nextLoss(x.MinutesToNextLoss), budgets(x.Budget), count(x.Requests))
	}
	g.print(a.stdout)
	a.say("index: %s, %s, %s", safe(s.Index.State), plural(s.Index.Documents, "call"), behind(s.Index.Lag))
	if daemon {
		a.say("daemon: running since %s UTC, version %s", moment(s.StartedAt), safe(s.Version))
	} else {
		a.say("daemon: not running")
	}
	a.printClocks(s)
	a.printNotes(s)
	for i := range s.Sources {
		a.printProblems(s.Sources[i].Name, problemsOf(&s.Sources[i]))
		a.printEmpty(&s.Sources[i])
	}
	for _, p := range ownProblems(s) {
		a.say("%s %s", ink.red("!"), safe(p))
	}
	if s.Green {
		a.say("%s", ink.green("green: completeness is proved for every source"+acceptedLosses(s)+asOf(s)))
	} else {
		a.say("%s", ink.red("red: completeness is not proved"+acceptedLosses(s)))
	}
}

// acceptedLosses counts the losses that were accepted; empty without any.
func acceptedLosses(s *call.StatusReport) string {
	n := 0
	for i := range s.Sources {
		n += s.Sources[i].Counts.Acknowledged
	}
	switch n {
	case 0:
		return ""
	case 1:
		return "; 1 accepted loss"
	}
	return "; " + count(n) + " accepted losses"
}

// asOf is the moment up to which every source was asked for new calls; empty
// when one does not say.
func asOf(s *call.StatusReport) string {
	var oldest time.Time
	for i := range s.Sources {
		var last time.Time
		for _, w := range []*call.Walk{s.Sources[i].LastHead, s.Sources[i].LastTrailing, s.Sources[i].LastSweep} {
			if w != nil && w.Clean && w.FinishedAt.After(last) {
				last = w.FinishedAt
			}
		}
		if i == 0 || last.Before(oldest) {
			oldest = last
		}
	}
	if oldest.IsZero() {
		return ""
	}
	return ", as of " + moment(oldest) + " UTC"
}

func countOr(n *int, otherwise string) string {
	if n == nil {
		return otherwise
	}
	return count(*n)
}

// clockApart is how far this machine's clock may be from a vendor's before it
// is worth a line.
const clockApart = time.Minute

// printClocks says where this machine's clock is not the vendor's.
func (a *app) printClocks(s *call.StatusReport) {
	for i := range s.Sources {
		ahead := time.Duration(s.Sources[i].ClockAheadSeconds * float64(time.Second)).Round(time.Second)
		word := "ahead of"
		if ahead < 0 {
			word = "behind"
		}
		if ahead.Abs() > clockApart {
			a.say("%s this machine's clock is %v %s the vendor's of %s: check its time", a.ink().yellow("?"), ahead.Abs(), word, safe(string(s.Sources[i].Name)))
		}
	}
}

// printNotes says what is worth knowing of a source and no problem.
func (a *app) printNotes(s *call.StatusReport) {
	for i := range s.Sources {
		for _, note := range s.Sources[i].Notes {
			a.say("%s %s: %s", a.ink().yellow("?"), safe(string(s.Sources[i].Name)), safe(note))
		}
	}
}

func sum(parts map[call.PartName]int) int {
	n := 0
	for _, m := range parts {
		n += m
	}
	return n
}

// nextLoss is the time left until the nearest deadline.
func nextLoss(minutes *float64) string {
	if minutes == nil {
		return "-"
	}
	left := time.Duration(*minutes * float64(time.Minute))
	switch {
	case left <= 0:
		return "now"
	case left < time.Hour:
		return fmt.Sprintf("%d min", int(left.Minutes()))
	case left < 48*time.Hour:
		return fmt.Sprintf("%d h", int(left.Hours()))
	}
	return fmt.Sprintf("%d days", int(left.Hours()/24))
}

func budgets(list []call.BudgetStatus) string {
	if len(list) == 0 {
		return "-"
	}
	var out []string
	for _, b := range list {
		out = append(out, fmt.Sprintf("%d/%d per %s", b.Used, b.Requests, window(b.PerSeconds)))
	}
	return strings.Join(out, ", ")
}

func window(seconds float64) string {
	switch seconds {
	case 1:
		return "s"
	case 60:
		return "min"
	case 3600:
		return "h"
	case 86400:
		return "day"
	}
	return fmt.Sprintf("%gs", seconds)
}

func behind(lag uint64) string {
	if lag == 0 {
		return "up to date"
	}
	return count(lag) + " changes behind"
}
