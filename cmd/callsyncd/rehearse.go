package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callsyncd/call"
	"callsyncd/rehearsal"
)

const rehearseLong = `Rehearse lets your own configuration live through faults before life does: your sources, schedules,
budgets, concurrency and recording settings, but simulated vendors with invented calls on this
machine in place of yours, and a temporary archive. Your vendors are not contacted, your secrets are
not read, your archive is not touched.

Days of vendor time pass in about a minute: new calls, late transcripts, edits and deletions, with
the chosen faults in between and calm at the end. Then the archive is compared with what the
simulated vendors know, call by call and recording by recording.

The same seed and configuration meet the same faults and end in the same figures; what depends on
the moment (requests, faults counted, times) is told apart.

Exit codes: 0 everything is held and as at the vendor; 3 something is missing, and listed where you
would look, or a source could not be rehearsed; 1 something is missing without a word, or a
recording is not the vendor's.`

// rehearse is one run of it.
type rehearse struct {
	*app
	options rehearsal.Options
	keep    string
	list    bool
}

func newRehearse(a *app) *cobra.Command {
	r := rehearse{app: a}
	c := &cobra.Command{
		Use:   "rehearse",
		Short: "Watch your own configuration survive faults, with simulated vendors",
		Long:  rehearseLong,
		Example: `  callsyncd rehearse                                  # your configuration, every fault
  callsyncd rehearse --faults outage,media_short --seed 7
  callsyncd rehearse --list-faults`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if r.list {
				return a.listFaults()
			}
			return r.run(c.Context())
		},
	}
	flags := c.Flags()
	flags.StringSliceVar(&r.options.Faults, "faults", []string{"all"}, "the `names` of the faults, separated by commas; all, or none")
	flags.Uint64Var(&r.options.Seed, "seed", 1, "the same seed makes the same calls and faults")
	flags.IntVar(&r.options.Calls, "calls", 40, "calls of each source at the start; half as many come later")
	flags.IntVar(&r.options.Rounds, "rounds", 48, "rounds the time is divided into")
	flags.DurationVar(&r.options.For, "for", 48*time.Hour, "vendor time to live through")
	flags.StringVar(&r.keep, "keep", "", "put everything into this new `folder` and leave it there")
	flags.BoolVar(&r.list, "list-faults", false, "only list the faults there are")
	a.jsonFlag(c)
	return c
}

func (r *rehearse) run(ctx context.Context) error {
	o := &r.options
	if o.Calls < 1 || o.Rounds < 1 || o.For < time.Duration(o.Rounds)*time.Second {
		return usageError("", "--calls and --rounds must be at least 1, and --for a second for each round")
	}
	if len(o.Faults) == 1 && o.Faults[0] == "none" {
		o.Faults = nil
	}
	var err error
	if o.Config, err = r.loadConfig(); err != nil {
		return err
	}
	o.Log, o.Version = r.logger(), buildVersion().Version
	o.Problems = func(s *call.SourceStatus) []string { return problemsOf(s) }
	line := r.startLine()
	o.Observe = line.show
	report, err := r.inFolder(ctx, line)
	if err != nil {
		return err
	}
	if r.json {
		err = r.printValue(report)
	} else {
		r.printRehearsal(report)
	}
	return errors.Join(err, exitWith(rehearsalExit(report)))
}

// inFolder rehearses in a folder that is removed afterwards unless it is to be kept.
func (r *rehearse) inFolder(ctx context.Context, line *progressLine) (report *rehearsal.Report, err error) {
	defer line.clear()
	if r.keep == "" {
		if r.options.Dir, err = os.MkdirTemp("", "callsyncd-rehearsal-"); err != nil {
			return nil, err
		}
		dir := r.options.Dir
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	} else if r.options.Dir, err = newFolder(r.keep); err != nil {
		return nil, err
	}
	report, err = rehearsal.Run(ctx, r.options)
	if unknown, ok := errors.AsType[*rehearsal.UnknownFault](err); ok {
		return nil, usageError("`callsyncd rehearse --list-faults` lists them", "--faults: %s", unknown)
	}
	if err == nil && r.keep != "" {
		report.Folder = r.options.Dir
	}
	return report, err
}

// rehearsalExit is the exit code of a rehearsal.
func rehearsalExit(r *rehearsal.Report) int {
	switch {
	case r.Failed():
		return exitFailed
	case !r.Complete():
		return exitPartial
	}
	return exitDone
}

func (a *app) listFaults() error {
	faults := rehearsal.Faults()
	if a.json {
		return a.printValue(faults)
	}
	g := newGrid("fault", "what happens")
	for _, f := range faults {
		g.row(f.Name, f.What)
	}
	g.print(a.stdout)
	return nil
}

// progressLine shows on a terminal where a rehearsal is.
type progressLine struct {
	app *app
	on  bool
}

func (a *app) startLine() *progressLine { return &progressLine{a, a.animated()} }

func (l *progressLine) show(p rehearsal.Progress) {
	if !l.on {
		return
	}
	text := fmt.Sprintf("round %d of %d, %s UTC: %s", p.Round, p.Rounds, moment(p.Now), strings.Join(p.Faults, ", "))
	if p.Round > p.Rounds {
		text = fmt.Sprintf("calm, %s UTC", moment(p.Now))
	}
	fmt.Fprintf(l.app.stderr, "\r\x1b[K%.100s", text)
}

func (l *progressLine) clear() {
	if l.on {
		fmt.Fprint(l.app.stderr, "\r\x1b[K")
	}
}
