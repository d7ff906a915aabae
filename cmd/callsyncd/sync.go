package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

// pollInterval is how often a daemon is asked whether a round is done.
const pollInterval = 200 * time.Millisecond

func newSync(a *app) *cobra.Command {
	var sources []string
	var full bool
	c := &cobra.Command{
		Use:   "sync",
		Short: "Do one complete round now: new calls, changes, recordings",
		Long: `Sync asks every vendor for new and changed calls, asks once more for every part that is still
missing, and fetches all recordings. Where a daemon runs, it does the work. Exit code 3 means that
something is still missing; ` + "`callsyncd gaps`" + ` lists it.`,
		Example: `  callsyncd sync
  callsyncd sync --source crm --full    # walk the vendor's whole list again`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := a.sync(c.Context(), words[call.SourceID](sources), full)
			if err != nil {
				return err
			}
			if a.json {
				err = a.printValue(report)
			} else {
				a.printReport(&report)
			}
			if err != nil {
				return err
			}
			return exitWith(syncExit(&report))
		},
	}
	c.Flags().StringSliceVar(&sources, "source", nil, "only this `source`; may be repeated")
	c.Flags().BoolVar(&full, "full", false, "walk the vendor's whole list, not only what is recent")
	a.jsonFlag(c)
	return c
}

// sync does a round in this process, or lets the daemon do it.
func (a *app) sync(ctx context.Context, sources []call.SourceID, full bool) (call.SyncReport, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return call.SyncReport{}, err
	}
	board := a.startBoard()
	defer board.stop()
	if daemon := daemonOf(cfg); daemon != nil {
		return syncThere(ctx, daemon.Client, sources, full, board.observe)
	}
	r, err := a.open(ctx, cfg, board.observe)
	if err != nil {
		return call.SyncReport{}, err
	}
	report, err := r.own.Sync(ctx, sources, full)
	return report, errors.Join(err, r.close())
}

// syncThere asks the daemon for a round of each source and waits for its end.
// What the round did is the difference of two states.
func syncThere(ctx context.Context, c *client.Client, sources []call.SourceID, full bool, observe func(call.Progress)) (call.SyncReport, error) {
	begin := time.Now()
	before, err := c.Status(ctx)
	if err != nil {
		return call.SyncReport{}, err
	}
	if len(sources) == 0 {
		for _, s := range before.Value.Sources {
			sources = append(sources, s.Name)
		}
	}
	for _, name := range sources {
		if _, err := c.Sync(ctx, client.Wake{Source: name, Full: full}); err != nil {
			return call.SyncReport{}, fmt.Errorf("source %q: %w", name, err)
		}
	}
	was := byName(&before.Value)
	report := call.SyncReport{Sources: make([]call.SourceReport, len(sources))}
	finished := make(map[call.SourceID]bool)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for len(finished) < len(sources) {
		select {
		case <-ctx.Done():
			return report, ctx.Err()
		case <-tick.C:
		}
		now, err := c.Status(ctx)
		if err != nil {
			return report, err
		}
		is := byName(&now.Value)
		for i, name := range sources {
			s := is[name]
			observe(call.Progress{Source: name, Phase: s.State, Counts: s.Counts})
			if !finished[name] && roundDone(was[name], s) {
				finished[name] = true
				report.Sources[i] = difference(was[name], s, full, time.Since(begin))
			}
		}
	}
	return report, nil
}

func byName(s *call.StatusReport) map[call.SourceID]call.SourceStatus {
	m := make(map[call.SourceID]call.SourceStatus, len(s.Sources))
	for _, x := range s.Sources {
		m[x.Name] = x
	}
	return m
}

// roundDone reports whether a round asked for after the first state is over: one
// that ran already ends before ours begins, so that a busy source may have one
// to go.
func roundDone(was, is call.SourceStatus) bool {
	return is.Round > was.Round && (is.State != "syncing" || is.Round > was.Round+1)
}

// difference is what happened to a source between two states.
func difference(was, is call.SourceStatus, full bool, took time.Duration) call.SourceReport {
	r := call.SourceReport{
		Source: is.Name, New: is.Counts.Calls - was.Counts.Calls, Recordings: is.Counts.Recordings - was.Counts.Recordings,
		Requests: is.Requests - was.Requests, LookupRequests: is.LookupRequests - was.LookupRequests,
		Seconds: took.Seconds(), Counts: is.Counts, Complete: is.Green,
	}
	walk := is.LastTrailing
	if full || walk == nil {
		walk = is.LastSweep
	}
	if walk != nil {
		r.Changed = walk.Edits
		r.Error = walk.Error
	}
	if is.State == "refused" {
		r.Err = call.ErrUnauthorized
		if r.Error == "" {
			r.Error = r.Err.Error()
		}
	}
	if r.Error != "" && r.Err == nil {
		r.Err = errors.New(r.Error)
	}
	return r
}

// syncExit is the exit code of a round.
func syncExit(report *call.SyncReport) int {
	failed, stored, partial := 0, 0, false
	for _, s := range report.Sources {
		if errors.Is(s.Err, call.ErrUnauthorized) {
			return exitRefused
		}
		if s.Err != nil {
			failed++
		}
		stored += s.Counts.Calls
		partial = partial || !s.Complete
	}
	switch {
	case len(report.Sources) > 0 && failed == len(report.Sources) && stored == 0:
		return exitFailed
	case partial:
		return exitPartial
	}
	return exitDone
}

// printReport shows what a round did for each source, and what went wrong.
func (a *app) printReport(report *call.SyncReport) {
	ink := a.ink()
	g := newGrid("source", ">new", ">changed", ">recordings", ">pending", ">lost", ">requests", ">per call", ">seconds", "result")
	for i := range report.Sources {
		s := &report.Sources[i]
		g.row(safe(string(s.Source)), count(s.New), count(s.Changed), count(s.Recordings), count(sum(s.Counts.Pending)), count(sum(s.Counts.Lost)),
			count(s.Requests), perCall(s), fmt.Sprintf("%.1f", s.Seconds), result(ink, s))
	}
	g.print(a.stdout)
	for _, s := range report.Sources {
		if s.Error == "" {
			continue
		}
		a.say("%s %s", ink.red("!"), safe(joined(": ", string(s.Source), strings.TrimPrefix(s.Error, "source "+string(s.Source)+": "))))
		if hint := cmp.Or(s.Hint, hintOf(s.Err)); hint != "" {
			a.say("  %s", safe(hint))
		}
	}
	if syncExit(report) == exitPartial {
		a.say("something is still missing; `callsyncd gaps` lists it, `callsyncd status` says more")
	}
}

// perCall is how many requests each new call took; lookups count apart.
func perCall(s *call.SourceReport) string {
	if s.New == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", float64(s.Requests)/float64(s.New))
}

func result(ink paint, s *call.SourceReport) string {
	switch {
	case errors.Is(s.Err, call.ErrUnauthorized):
		return ink.red("refused")
	case s.Error != "":
		return ink.red("failed")
	case !s.Complete:
		return ink.yellow("partial")
	}
	return ink.green("complete")
}
