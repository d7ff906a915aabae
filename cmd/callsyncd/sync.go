package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
)

// pollInterval is how often a daemon is asked whether a round is done.
const pollInterval = 200 * time.Millisecond

func newSync(a *app) *cobra.Command {
	var sources []string
	var full, accept bool
	c := &cobra.Command{
		Use:   "sync",
		Short: "Do one complete round now: new calls, changes, recordings",
		Long: `Sync asks every vendor for new and changed calls, asks once more for every part that is still
missing, and fetches all recordings. Where a daemon runs, it does the work. Exit code 3 means that
something is still missing; ` + "`callsyncd gaps`" + ` lists it.`,
		Example: `  callsyncd sync
  callsyncd sync --source crm --full    # walk the vendor's whole list again
  callsyncd sync --source crm --full --accept-vanished    # the vendor deleted many calls, and that is right`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if accept && (len(sources) == 0 || !full) {
				return usageError("name the source whose vendor deleted calls", "--accept-vanished needs --source and --full")
			}
			report, now, err := a.sync(c.Context(), once(words[call.SourceID](sources)), wanted{full, accept})
			if err != nil {
				return err
			}
			switch {
			case a.json:
				err = a.printValue(report)
			case a.quiet:
				a.printErrors(&report)
			default:
				a.printReport(&report, now)
			}
			if err != nil {
				return err
			}
			return exitWith(syncExit(&report))
		},
	}
	c.Flags().StringSliceVar(&sources, "source", nil, "only this `source`; may be repeated")
	c.Flags().BoolVar(&full, "full", false, "walk the vendor's whole list, not only what is recent")
	c.Flags().BoolVar(&accept, "accept-vanished", false, "calls that vanished from the vendor's list were deleted on purpose, however many")
	a.jsonFlag(c)
	return c
}

// wanted is what a round is to do besides the usual.
type wanted struct {
	full           bool
	acceptVanished bool
}

// whoami names the person at the keyboard, for the record.
func whoami() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "somebody at the command line"
}

// once drops what a list names again.
func once(sources []call.SourceID) []call.SourceID {
	slices.Sort(sources)
	return slices.Compact(sources)
}

// sync does a round in this process, or lets the daemon do it. It also answers
// how every source stands after it.
func (a *app) sync(ctx context.Context, sources []call.SourceID, want wanted) (call.SyncReport, standing, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return call.SyncReport{}, nil, err
	}
	board := a.startBoard()
	defer board.stop()
	there, err := daemonOf(cfg)
	if err != nil {
		return call.SyncReport{}, nil, err
	}
	if there != nil {
		report, now, err := syncThere(ctx, there.Client, sources, want, board.observe)
		return report, now, there.daemon.blame(err)
	}
	r, err := a.open(ctx, service.Options{Config: cfg, Observe: board.observe})
	if err != nil {
		return call.SyncReport{}, nil, err
	}
	report, now, err := r.syncHere(ctx, sources, want)
	return report, now, errors.Join(err, r.close())
}

// standing is how each source stands.
type standing map[call.SourceID]call.SourceStatus

func (r *archive) syncHere(ctx context.Context, sources []call.SourceID, want wanted) (call.SyncReport, standing, error) {
	do := func() (call.SyncReport, error) { return r.own.Sync(ctx, sources, want.full) }
	if want.acceptVanished {
		do = func() (call.SyncReport, error) { return r.own.AcceptVanished(ctx, sources, whoami()) }
	}
	report, err := do()
	if err != nil {
		return report, nil, err
	}
	now, err := r.Status(ctx)
	return report, byName(&now.Value), err
}

// syncThere asks the daemon for a round of each source and waits for its end.
// What the round did is the difference of two states.
func syncThere(ctx context.Context, c *client.Client, sources []call.SourceID, want wanted, observe func(call.Progress)) (call.SyncReport, standing, error) {
	begin := time.Now()
	before, err := c.Status(ctx)
	if err != nil {
		return call.SyncReport{}, nil, err
	}
	if len(sources) == 0 {
		for _, s := range before.Value.Sources {
			sources = append(sources, s.Name)
		}
	}
	for _, name := range sources {
		wake := client.Wake{Source: name, Full: want.full, AcceptVanished: want.acceptVanished}
		if want.acceptVanished {
			wake.By = whoami()
		}
		if _, err := c.Sync(ctx, wake); err != nil {
			return call.SyncReport{}, nil, fmt.Errorf("source %q: %w", name, err)
		}
	}
	was, after := byName(&before.Value), standing{}
	report := call.SyncReport{Sources: make([]call.SourceReport, len(sources))}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for len(after) < len(sources) {
		select {
		case <-ctx.Done():
			return report, after, ctx.Err()
		case <-tick.C:
		}
		now, err := c.Status(ctx)
		if err != nil {
			return report, after, err
		}
		is := byName(&now.Value)
		for i, name := range sources {
			s := is[name]
			observe(call.Progress{Source: name, Phase: s.State, Counts: s.Counts})
			if _, done := after[name]; !done && roundDone(was[name], s) {
				after[name] = s
				report.Sources[i] = difference(was[name], s, want.full, time.Since(begin))
			}
		}
	}
	return report, after, nil
}

func byName(s *call.StatusReport) standing {
	m := make(standing, len(s.Sources))
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
		Seconds: took.Seconds(), Counts: is.Counts, Complete: is.Green, Changed: is.RoundChanged,
	}
	walk := is.LastTrailing
	if full || walk == nil {
		walk = is.LastSweep
	}
	if walk != nil {
		r.Error = walk.Error
	}
	if sweep := is.LastSweep; r.Error == "" && sweep != nil && (is.LastCompleteWalk == nil || sweep.FinishedAt.After(*is.LastCompleteWalk)) {
		r.Error = "the last walk over the whole list proved nothing: " + sweep.Error
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

// printReport shows what a round did for each source, what went wrong, and what
// else speaks against its completeness.
func (a *app) printReport(report *call.SyncReport, now standing) {
	ink := a.ink()
	g := newGrid("source", ">new", ">changed", ">recordings", ">pending", ">lost", ">requests", ">per call", ">seconds", "result")
	for i := range report.Sources {
		s := &report.Sources[i]
		g.row(safe(string(s.Source)), count(s.New), count(s.Changed), count(s.Recordings), count(sum(s.Counts.Pending)), count(sum(s.Counts.Lost)),
			count(s.Requests), perCall(s), fmt.Sprintf("%.1f", s.Seconds), result(ink, s))
	}
	g.print(a.stdout)
	for i := range report.Sources {
		s := &report.Sources[i]
		if s.Error != "" {
			a.printProblems(s.Source, []string{nameless(s.Source, s.Error)})
			if hint := cmp.Or(s.Hint, hintOf(s.Err)); hint != "" {
				a.say("  %s", safe(hint))
			}
		}
		is := now[s.Source]
		a.printProblems(s.Source, doubtsOf(&is, s.Error))
		a.printEmpty(&is)
	}
	if syncExit(report) == exitPartial {
		a.say("something is still missing; `callsyncd gaps` lists it, `callsyncd status` says more")
	}
}

// printErrors says on stderr only what went wrong.
func (a *app) printErrors(report *call.SyncReport) {
	for i := range report.Sources {
		if s := &report.Sources[i]; s.Error != "" {
			fmt.Fprintln(a.stderr, "callsyncd: "+safe(string(s.Source)+": "+nameless(s.Source, s.Error)))
		}
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
