package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"callsyncd/api"
)

// maxConnections is how many clients may be connected at once; others wait in
// the operating system's queue.
const maxConnections = 64

// stopLimit is how long requests under way may take once the daemon stops.
const stopLimit = 2 * time.Second

// Run is the daemon: it keeps all sources in sync on their schedules and serves
// the API until ctx ends. ready, which may be nil, is called with the API's
// address once it answers. An end asked for by ctx is no error.
func Run(ctx context.Context, o Options, ready func(address string)) error {
	a, err := Open(ctx, o)
	if err != nil {
		return err
	}
	err = a.run(ctx, ready)
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		err = nil
	}
	return errors.Join(err, a.Close())
}

func (a *Archive) run(ctx context.Context, ready func(string)) error {
	listener, err := net.Listen("tcp", a.cfg.API.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s (api.listen): %w", a.cfg.API.Listen, err)
	}
	address := listener.Addr().String()
	a.hosts.set(append(loopbackHosts(listener.Addr()), inProcessHost))
	if err := a.store.SetAddress(address); err != nil {
		return errors.Join(err, listener.Close())
	}
	for _, s := range a.sources {
		s.rounds.requests = make(chan struct{}, 1)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return a.serve(ctx, listener) })
	g.Go(func() error { return a.index.Run(ctx) })
	for _, s := range a.sources {
		g.Go(func() error { return s.engine.Run(ctx) })
		g.Go(func() error { return s.serveRounds(ctx) })
		g.Go(func() error { return s.watchSecrets(ctx, a.clock, a.log) })
	}
	g.Go(func() error { return a.schedule(ctx) })
	a.log.Info("ready", "address", address, "data_dir", a.cfg.DataDir, "sources", len(a.sources))
	a.notify(daemon.SdNotifyReady)
	if ready != nil {
		ready(address)
	}
	<-ctx.Done()
	a.notify(daemon.SdNotifyStopping)
	a.log.Info("stopping", "cause", context.Cause(ctx))
	return g.Wait()
}

// notify tells systemd, when it started us and asked to be told.
func (a *Archive) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		a.log.Warn("notify service manager", "err", err)
	}
}

// serve answers requests until ctx ends.
func (a *Archive) serve(ctx context.Context, listener net.Listener) error {
	server := api.Server(a.handler, a.log)
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(netutil.LimitListener(listener, maxConnections)) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve API: %w", err)
	case <-ctx.Done():
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
	defer cancel()
	if server.Shutdown(limit) != nil {
		_ = server.Close() // whoever is still reading is cut off
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return context.Cause(ctx)
}

// serveRounds carries out the rounds asked for through the API.
func (s *source) serveRounds(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.rounds.requests:
		}
		if full, accepted, ok := s.rounds.begin(); ok {
			s.rounds.end(s.round(ctx, full, accepted))
		}
	}
}
