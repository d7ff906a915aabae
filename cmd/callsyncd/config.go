package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
)

func newConfig(a *app) *cobra.Command {
	return family("config", "Check and show the configuration",
		"  callsyncd config check --online\n  callsyncd config schema > callsyncd.schema.json",
		newConfigCheck(a), newConfigShow(a), newConfigSchema(a))
}

func newConfigCheck(a *app) *cobra.Command {
	var online bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Name every mistake in the configuration with its line",
		Long: `Check reads the configuration, the vendor descriptions it names and the secrets it points to,
without any request. With --online it also asks each vendor for one call; exit code 5 means that a
vendor refused the credentials.`,
		Example: `  callsyncd config check
  callsyncd config check --online --config ./config.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.configCheck(c.Context(), online) },
	}
	c.Flags().BoolVar(&online, "online", false, "also ask each vendor for one call")
	return c
}

func (a *app) configCheck(ctx context.Context, online bool) error {
	cfg, err := a.readConfig(config.Options{Provider: knownProvider, Getenv: a.getenv, Source: service.CheckSource})
	if _, ok := errors.AsType[config.Problems](err); ok {
		return &fault{exitConfig, err, "correct the file, or put the secret where it points, then run `callsyncd config check` again"}
	}
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings() {
		a.note("warning: %s", safe(w.String()))
	}
	a.say("%s: correct, %s, archive in %s", safe(cfg.File), plural(len(cfg.Sources), "source"), safe(cfg.DataDir))
	if online {
		return a.checkOnline(ctx, cfg)
	}
	return nil
}

func (a *app) checkOnline(ctx context.Context, cfg *config.Config) error {
	ink := a.ink()
	code := exitDone
	for _, check := range service.CheckOnline(ctx, cfg, buildVersion().Version) {
		if check.Err == nil {
			a.say("%s %s answers at %s", ink.green("+"), safe(string(check.Source)), safe(check.BaseURL))
			continue
		}
		a.say("%s %s: %s", ink.red("!"), safe(string(check.Source)), safe(check.Err.Error()))
		if check.Hint != "" {
			a.say("  %s", safe(check.Hint))
		}
		switch {
		case errors.Is(check.Err, call.ErrUnauthorized):
			code = exitRefused
		case code == exitDone:
			code = exitFailed
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return exitWith(code)
}

func newConfigShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "show",
		Short:   "Print the configuration in force, and where each value comes from",
		Long:    "Show prints the configuration with all defaults filled in, and where each value comes from. Secrets appear as references.",
		Example: "  callsyncd config show",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := a.loadConfig()
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(config.Show(cfg))
			return err
		},
	}
}

func newConfigSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "schema",
		Short:   "Print the JSON schema of the configuration file, for editors",
		Example: "  callsyncd config schema > callsyncd.schema.json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(config.Schema())
			return err
		},
	}
}
