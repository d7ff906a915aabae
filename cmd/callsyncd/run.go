package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"callsyncd/config"
	"callsyncd/service"
)

func newRun(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon in the foreground",
		Long: `Run keeps all sources in sync on their schedules and serves the local API, until it is told to
end (SIGTERM or Ctrl-C). It logs to standard error: text on a terminal, JSON elsewhere. The message
"ready" names the address of the API.`,
		Example: `  callsyncd run --config /etc/callsyncd/config.yaml
  callsyncd service install    # let the operating system run it`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.runDaemon(c.Context()) },
	}
}

func (a *app) runDaemon(ctx context.Context) error {
	keepPrivate()
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	if err := checkSources(cfg, false); err != nil {
		return err
	}
	log := a.daemonLog()
	for _, w := range cfg.Warnings() {
		log.Warn("configuration", "file", w.File, "line", w.Line, "key", w.Key, "warning", w.Message)
	}
	options := service.Options{Config: cfg, Log: log, Version: buildVersion().Version}
	err = service.RunAsService(ctx, log, func(ctx context.Context) error {
		return service.Run(ctx, options, func(address string) {
			cfg.ForgetSecrets()
			a.announce(cfg, address)
		})
	})
	if errors.Is(err, syscall.EADDRINUSE) {
		return &fault{exitFailed, err, "another program listens there; choose another port for api.listen in " + cfg.File}
	}
	return err
}

// daemonLog is for people on a terminal and for machines elsewhere.
func (a *app) daemonLog() *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelInfo}
	switch {
	case a.verbose:
		o.Level = slog.LevelDebug
	case a.quiet:
		o.Level = slog.LevelError
	}
	if isTerminal(a.stderr) {
		return slog.New(slog.NewTextHandler(a.stderr, o))
	}
	return slog.New(slog.NewJSONHandler(a.stderr, o))
}

// announce tells whoever started the daemon by hand what to do with it.
func (a *app) announce(cfg *config.Config, address string) {
	if isTerminal(a.stderr) {
		a.note("the API answers at http://%s (token in %s); Ctrl-C ends the daemon", address, safe(filepath.Join(cfg.DataDir, "api-token")))
	}
}
