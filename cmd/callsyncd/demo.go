package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
	"callsyncd/simulator"
)

const demoLong = `Demo needs no account: it simulates five vendors on this machine, fetches their invented calls into
a temporary archive, searches them, and then keeps running while new calls come in, until Ctrl-C. A
few transcripts and recordings come late on purpose, as they do in life. Nothing remains.`

// demoWords are searched for until one is found at a known second.
var demoWords = []string{"insurance", "invoice", "warranty", "refund", "appointment", "price", "thank"}

// demo is one run of it.
type demo struct {
	*app
	dir  string
	once bool
	cfg  *config.Config
}

func newDemo(a *app) *cobra.Command {
	d := demo{app: a}
	var keep string
	o := simulator.Options{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work, without any account",
		Long:  demoLong,
		Example: `  callsyncd demo
  callsyncd demo --once --calls 200`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.Calls < 1 {
				return usageError("", "--calls: %d is less than 1", o.Calls)
			}
			return d.folder(keep, func() error { return d.run(c.Context(), o) })
		},
	}
	c.Flags().BoolVar(&d.once, "once", false, "end after the first complete sync")
	c.Flags().IntVar(&o.Calls, "calls", 40, "calls of each vendor")
	c.Flags().Uint64Var(&o.Seed, "seed", 1, "the same seed makes the same calls")
	c.Flags().DurationVar(&o.Growth, "growth", 20*time.Second, "time between two new calls of each vendor")
	c.Flags().StringVar(&keep, "keep", "", "put everything into this new `folder` and leave it there")
	return c
}

// folder runs do with d.dir, and removes it afterwards unless it is to be kept.
func (d *demo) folder(keep string, do func() error) (err error) {
	if keep == "" {
		if d.dir, err = os.MkdirTemp("", "callsyncd-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()
		return do()
	}
	if d.dir, err = newFolder(keep); err != nil {
		return err
	}
	return do()
}

// newFolder makes the folder of --keep, which must not be there yet, and
// answers its absolute path.
func newFolder(keep string) (string, error) {
	dir, err := filepath.Abs(keep)
	if err != nil {
		return "", err
	}
	err = os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return "", &fault{exitFailed, fmt.Errorf("--keep: %s is there already", dir), "name a new folder, so that nothing in an old one is touched"}
	}
	if err != nil {
		return "", fmt.Errorf("make the folder to keep: %w", err)
	}
	return dir, nil
}

func (d *demo) run(ctx context.Context, o simulator.Options) error {
	if d.once {
		o.Growth = 0
	} else {
		o.Late, o.LateAfter = 0.3, 90*time.Second
	}
	sim := simulator.New(o)
	if err := sim.Start(); err != nil {
		return err
	}
	err := d.archive(ctx, sim)
	return errors.Join(err, sim.Close())
}

// archive fills the archive once, shows it, and lets the daemon go on with it.
func (d *demo) archive(ctx context.Context, sim *simulator.Simulator) error {
	path, err := stage(d.dir, sim.Vendors(), "127.0.0.1:0", "{head: 2s, trailing: 30s, sweep: 24h}")
	if err != nil {
		return err
	}
	if d.cfg, err = config.Load(path, config.Options{Provider: knownProvider, Getenv: d.getenv}); err != nil {
		return err
	}
	d.title("Five simulated vendors on this machine; archive in %s", d.cfg.DataDir)
	report, err := d.fill(ctx)
	if err != nil || d.once {
		return errors.Join(err, exitWith(syncExit(&report)))
	}
	return d.live(ctx)
}

// title explains the block that follows it.
func (d *demo) title(format string, args ...any) {
	d.say("\n%s", d.ink().bold(safe(fmt.Sprintf(format, args...))))
}

// fill does one complete round and shows what came of it.
func (d *demo) fill(ctx context.Context) (call.SyncReport, error) {
	board := d.startBoard()
	defer board.stop()
	r, err := d.open(ctx, service.Options{Config: d.cfg, Observe: board.observe})
	if err != nil {
		return call.SyncReport{}, err
	}
	report, now, err := r.syncHere(ctx, nil, wanted{})
	board.stop()
	if err == nil {
		d.title("The first sync: calls, recordings and how many requests each call took")
		d.printReport(&report, now)
		if !d.once {
			d.say("Some transcripts and recordings arrive late on purpose, as they do in life; the daemon below fetches them.")
		}
		err = d.sample(ctx, r)
	}
	return report, errors.Join(err, r.close())
}

// sample searches for a word that is found at a known second.
func (d *demo) sample(ctx context.Context, r *archive) error {
	for i, word := range demoWords {
		o := client.SearchOptions{SearchQuery: call.SearchQuery{Text: word, Limit: 3}}
		found, err := r.Search(ctx, o)
		if err != nil {
			return err
		}
		if timed(&found.Value) || i == len(demoWords)-1 {
			d.title("A search: callsyncd search %s --limit 3 (the second in the recording, the words, the call's key)", word)
			d.printHits(&found.Value)
			return nil
		}
	}
	return nil
}

func timed(page *client.SearchPage) bool {
	for _, hit := range page.Data {
		for _, s := range hit.Snippets {
			if s.StartSeconds != nil && *s.StartSeconds >= 1 {
				return true
			}
		}
	}
	return false
}

// live runs the daemon and prints each new call, until ctx ends.
func (d *demo) live(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	ready := func(address string) {
		d.explain(address)
		go func() {
			defer close(watched)
			d.watch(ctx)
		}()
	}
	started := false
	err := service.Run(ctx, service.Options{Config: d.cfg, Log: d.logger(), Version: buildVersion().Version},
		func(address string) { started = true; ready(address) })
	cancel()
	if started {
		<-watched
	}
	return err
}

// explain tells how to look around while the demo runs.
func (d *demo) explain(address string) {
	token := filepath.Join(d.cfg.DataDir, "api-token")
	d.title("The daemon runs now; ask its API")
	d.say("curl -H \"Authorization: Bearer $(cat '%s')\" 'http://%s/v1/search?q=%s'", safe(token), address, demoWords[0])
	d.title("or look around from another terminal")
	d.say("callsyncd status --config '%s'", safe(d.cfg.File))
	d.title("New calls as they arrive; Ctrl-C ends the demo")
}

// watch follows the change feed and prints each new call, until ctx ends.
func (d *demo) watch(ctx context.Context) {
	daemon, err := daemonOf(d.cfg)
	if daemon == nil || err != nil {
		return
	}
	since, known := uint64(0), false // what the first sync brought is known already
	for ctx.Err() == nil {
		wait := 30 * time.Second
		if !known {
			wait = 0
		}
		feed, err := daemon.Changes(ctx, since, 200, wait)
		if err != nil {
			d.pause(ctx, err)
			continue
		}
		since = feed.Value.Next
		if !known {
			known = len(feed.Value.Data) == 0
			continue
		}
		for _, change := range feed.Value.Data {
			d.arrived(ctx, daemon.Client, change)
		}
	}
}

// pause waits a moment after the feed could not be read.
func (d *demo) pause(ctx context.Context, err error) {
	if d.verbose {
		d.note("callsyncd: follow changes: %s", safe(err.Error()))
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}

// arrived prints a line for a call that is new.
func (d *demo) arrived(ctx context.Context, c *client.Client, change call.Change) {
	if change.Kind != call.ChangeNew && change.Kind != call.ChangeRecording {
		return
	}
	found, err := c.Call(ctx, change.Key, client.Show{Fields: "light"})
	if err != nil {
		return // gone on: the next change tells
	}
	x := &found.Value.Call
	what := "new call "
	if change.Kind == call.ChangeRecording {
		what = "recording"
	}
	d.say("%s %s  %s  %s  %s  agent %s", d.ink().green(what), started(x), safe(string(x.Source)), or(x.Direction, "-"), party(x), agentOf(x))
}
