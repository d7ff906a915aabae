package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
	"callsyncd/sync/provider"
)

// loadConfig reads the configuration all commands but a few need.
func (a *app) loadConfig() (*config.Config, error) {
	return a.readConfig(config.Options{Provider: knownProvider, Getenv: a.getenv})
}

func (a *app) readConfig(o config.Options) (*config.Config, error) {
	path := config.Path(a.configFile, a.getenv)
	cfg, err := config.Load(path, o)
	if _, ok := errors.AsType[config.Problems](err); err == nil || ok {
		return cfg, err
	}
	f := &fault{code: exitConfig, err: err}
	if errors.Is(err, fs.ErrNotExist) {
		f.hint = "write one there, or name another with --config or CALLSYNCD_CONFIG; `callsyncd simulate` prints a ready example, `callsyncd demo` needs none"
	}
	return nil, f
}

func knownProvider(nameOrPath string) error {
	_, err := provider.Load(nameOrPath)
	return err
}

// brokenSources are the sources that cannot be opened, a line for each mistake.
type brokenSources struct{ error }

// checkSources makes what is wrong with a source a mistake of the configuration.
func checkSources(cfg *config.Config, reading bool) error {
	if err := service.CheckSources(cfg, reading); err != nil {
		return &fault{exitConfig, brokenSources{err}, "correct " + cfg.File + ", or put the secret where it points, then run `callsyncd config check`"}
	}
	return nil
}

// archive is the way to what is stored: the daemon's API where one runs, else
// the very same handlers within this process.
type archive struct {
	*client.Client
	own    *service.Archive // nil when a daemon answers
	daemon *daemon          // nil when none does
}

// localBase is the address under which the handlers answer within this
// process; nothing is ever sent there.
const localBase = "http://callsyncd.local"

// need says what an archive that is opened here must be able to do.
type need bool

const (
	// anySource is for commands that only read what is stored: a broken vendor
	// description is no reason to keep it.
	anySource need = false
	// everySource is for commands that speak for every source.
	everySource need = true
)

// reach finds the daemon, or opens the archive, for which the secrets of the
// sources need not be at hand.
func (a *app) reach(ctx context.Context, sources need) (*archive, error) {
	cfg, err := a.loadConfig()
	if err != nil {
		return nil, err
	}
	if remote, err := daemonOf(cfg); remote != nil || err != nil {
		return remote, err
	}
	if _, err := os.Lstat(filepath.Join(cfg.DataDir, "archive.db")); errors.Is(err, fs.ErrNotExist) {
		return nil, &fault{exitNotFound, errors.New("open " + cfg.DataDir + ": there is no archive yet"), "fill it with `callsyncd sync`, or start `callsyncd run`"}
	}
	own, err := a.open(ctx, service.Options{Config: cfg, Reading: true})
	if exitCode(err) == exitConfig && sources == anySource {
		own, err = a.open(ctx, service.Options{Config: withoutBroken(cfg), Reading: true})
	}
	if errors.Is(err, call.ErrLocked) {
		if remote, daemonErr := daemonOf(cfg); remote != nil || daemonErr != nil { // it has just started
			return remote, daemonErr
		}
	}
	return own, err
}

// daemonOf is the daemon of an archive; nil when there is none.
func daemonOf(cfg *config.Config) (*archive, error) {
	address, token, pid, ok := service.Running(cfg.DataDir)
	d := &daemon{pid, address, filepath.Join(cfg.DataDir, "api-token")}
	switch {
	case ok:
		return &archive{Client: client.New("http://"+address, token, nil), daemon: d}, nil
	case address != "":
		return nil, d.unreadable()
	}
	return nil, nil
}

// withoutBroken leaves out the sources that cannot be opened.
func withoutBroken(cfg *config.Config) *config.Config {
	rest := *cfg
	rest.Sources = nil
	for _, s := range cfg.Sources {
		alone := *cfg
		alone.Sources = []config.Source{s}
		if service.CheckSources(&alone, true) == nil {
			rest.Sources = append(rest.Sources, s)
		}
	}
	return &rest
}

// open opens the archive in this process. A mistake in a source is one of the
// configuration.
func (a *app) open(ctx context.Context, o service.Options) (*archive, error) {
	keepPrivate()
	o.Log, o.Version = a.logger(), buildVersion().Version
	own, err := service.Open(ctx, o)
	if err != nil {
		if broken := checkSources(o.Config, o.Reading); broken != nil && !errors.Is(err, call.ErrLocked) {
			err = broken
		}
		return nil, err
	}
	return &archive{Client: client.New(localBase, own.Token(), client.InProcess(own.Handler())), own: own}, nil
}

// catchUp lets an archive opened here know everything that is stored; a daemon
// does by itself.
func (r *archive) catchUp(ctx context.Context) error {
	if r.own == nil {
		return nil
	}
	return r.own.CatchUp(ctx)
}

func (r *archive) close() error {
	if r.own == nil {
		return nil
	}
	return r.own.Close()
}

// with runs do on the archive and closes it.
func (a *app) with(ctx context.Context, sources need, do func(*archive) error) error {
	r, err := a.reach(ctx, sources)
	if err != nil {
		return err
	}
	err = r.daemon.blame(do(r))
	if closeErr := r.close(); err == nil {
		err = closeErr
	}
	return err
}
