package main

import (
	"context"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"callsyncd/call"
)

func newReindex(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "reindex",
		Short: "Build the full-text index anew from the archive",
		Long: `Reindex builds the full-text index anew from what is stored. No vendor is asked. Searches are
answered from the old index until the new one is complete.`,
		Example: "  callsyncd reindex",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.with(c.Context(), anySource, func(r *archive) error { return a.reindex(c.Context(), r) })
		},
	}
	a.jsonFlag(c)
	return c
}

func (a *app) reindex(ctx context.Context, r *archive) error {
	status, err := a.rebuild(ctx, r)
	if err != nil {
		return err
	}
	if a.json {
		return a.printValue(status)
	}
	a.say("index: %s, %s, %s", safe(status.State), plural(status.Documents, "call"), behind(status.Lag))
	return nil
}

// rebuild shows how far it is where the archive was opened here; a daemon only
// says when it is done.
func (a *app) rebuild(ctx context.Context, r *archive) (call.IndexStatus, error) {
	if r.own == nil {
		done, err := r.Reindex(ctx)
		return done.Value, err
	}
	bar := progressbar.NewOptions(-1, progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetVisibility(a.animated()),
		progressbar.OptionSetDescription("indexing"), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
	err := r.own.Reindex(ctx, func(done, total int) {
		bar.ChangeMax(total)
		_ = bar.Set(done) // only a picture
	})
	_ = bar.Finish()
	if err != nil {
		return call.IndexStatus{}, err
	}
	status, err := r.Status(ctx)
	return status.Value.Index, err
}

// animated reports whether progress is shown: somebody watches, and wants it.
func (a *app) animated() bool { return isTerminal(a.stderr) && !a.quiet }
