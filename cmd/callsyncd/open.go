package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
)

func newOpen(a *app) *cobra.Command {
	var onlyPrint bool
	c := &cobra.Command{
		Use:   "open",
		Short: "Open the page of the running daemon in the browser",
		Long: `Open asks the running daemon for a link to its page, opens it in the default browser and prints
it. The link works once, within a minute. Whoever opens it first reads the archive: keep it to
yourself.`,
		Example: `  callsyncd open
  callsyncd open --print    # on a machine without a browser; then forward the port with ssh -L`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.openPage(c.Context(), onlyPrint) },
	}
	c.Flags().BoolVar(&onlyPrint, "print", false, "only print the link")
	return c
}

func (a *app) openPage(ctx context.Context, onlyPrint bool) error {
	cfg, err := a.loadConfig()
	if err != nil {
		return err
	}
	r, err := daemonOf(cfg)
	if err != nil {
		return err
	}
	if r == nil {
		return &fault{exitFailed, fmt.Errorf("open the page: no daemon serves %s", cfg.DataDir),
			"start one with `callsyncd run`, or with `callsyncd service start` where it is installed"}
	}
	base := "http://" + r.daemon.address
	link, err := r.OpenLink(ctx)
	if err != nil {
		return r.daemon.blame(err)
	}
	// A browser opens anything; only the page of this daemon is meant.
	if !strings.HasPrefix(link.Value.URL, base+"/") {
		return errors.New("open the page: the daemon answered with a link to elsewhere")
	}
	a.say("%s", safe(link.Value.URL))
	if onlyPrint {
		return nil
	}
	if err := browse(link.Value.URL); err != nil {
		a.note("no browser could be started (%s); open the link yourself within a minute", safe(err.Error()))
	}
	return nil
}

// browse starts the default browser and leaves it to itself.
func browse(url string) error {
	command := []string{"xdg-open", url}
	switch runtime.GOOS {
	case "darwin":
		command = []string{"open", url}
	case "windows":
		command = []string{"rundll32", "url.dll,FileProtocolHandler", url}
	}
	browser := exec.Command(command[0], command[1:]...)
	if err := browser.Start(); err != nil {
		return err
	}
	return browser.Process.Release()
}
