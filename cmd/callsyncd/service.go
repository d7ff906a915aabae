package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"callsyncd/service"
)

func newService(a *app) *cobra.Command {
	var o service.ServiceOptions
	c := family("service", "Let the operating system run the daemon",
		"  callsyncd service install --dry-run\n  sudo callsyncd service install && sudo callsyncd service start",
		newServiceInstall(a, &o),
		a.newServiceAction("uninstall", "Stop the service and remove it; configuration and archive stay", "removed", &o, service.Uninstall),
		a.newServiceAction("start", "Start the installed service", "started", &o, service.StartService),
		a.newServiceAction("stop", "Stop the service", "stopped", &o, service.StopService),
		a.newServiceAction("restart", "Stop and start the service", "restarted", &o, service.RestartService),
		newServiceStatus(a, &o))
	c.PersistentFlags().BoolVar(&o.User, "user", false, "a service of your own session, not of the system")
	return c
}

func newServiceInstall(a *app, o *service.ServiceOptions) *cobra.Command {
	var dryRun bool
	c := &cobra.Command{
		Use:   "install",
		Short: "Make the daemon a service of the operating system",
		Long: `Install makes the daemon a service that starts with the machine, or with your session (--user).
It does not start it. The configuration must be correct.`,
		Example: `  callsyncd service install --dry-run    # print what would be written, and where
  sudo callsyncd service install --config /etc/callsyncd/config.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.serviceInstall(*o, dryRun) },
	}
	c.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be written, and where")
	c.Flags().StringVar(&o.Account, "account", "", "`user` the service runs as (default callsyncd on Linux)")
	return c
}

func (a *app) serviceInstall(o service.ServiceOptions, dryRun bool) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	o.Config, o.DataDir, o.Credentials = filepath.Clean(cfg.File), cfg.DataDir, cfg.SystemdCredentials()
	if dryRun {
		path, text, err := service.DryRun(o)
		if err != nil {
			return err
		}
		for _, doubt := range service.Doubts(o, cfg.SecretFiles()) {
			a.note("warning: %s", safe(doubt))
		}
		a.note("this would be written to %s:", path)
		_, err = fmt.Fprint(a.stdout, text)
		return err
	}
	path, err := service.Install(o)
	if err != nil {
		return err
	}
	a.say("installed: %s", path)
	a.say("%s", service.AfterInstall(o))
	return nil
}

func (a *app) newServiceAction(name, short, done string, o *service.ServiceOptions, action func(service.ServiceOptions) error) *cobra.Command {
	return &cobra.Command{
		Use:     name,
		Short:   short,
		Example: "  callsyncd service " + name,
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			err := action(*o)
			if errors.Is(err, service.ErrNotInstalled) {
				return &fault{code: exitNotFound, err: err}
			}
			if err == nil {
				a.say("%s", done)
			}
			return err
		},
	}
}

func newServiceStatus(a *app, o *service.ServiceOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say whether the service runs",
		Long: `Status asks the service manager, not the archive (that is ` + "`callsyncd status`" + `). It exits with 0
when the service runs, 3 when it is stopped, 1 when it failed and 4 when it is not installed.`,
		Example: "  callsyncd service status",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := service.StatusOfService(*o)
			if err != nil {
				return err
			}
			a.say("%s (%s)", s.State, s.Path)
			return exitWith(serviceExit(s.State))
		},
	}
}

func serviceExit(state string) int {
	switch state {
	case "running":
		return exitDone
	case "stopped":
		return exitPartial
	case "not installed":
		return exitNotFound
	}
	return exitFailed
}
