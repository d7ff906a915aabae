package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
)

func newCalls(a *app) *cobra.Command {
	var f filters
	c := &cobra.Command{
		Use:   "calls",
		Short: "List calls, newest first",
		Example: `  callsyncd calls --from yesterday --direction inbound
  callsyncd calls --phone 555-0134 --has recording
  callsyncd calls --order-by duration_seconds --limit 10 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.read(c, a.now()); err != nil {
				return err
			}
			o, err := f.list()
			if err != nil {
				return err
			}
			return a.with(c.Context(), anySource, func(r *archive) error { return a.calls(c.Context(), r, o) })
		},
	}
	f.add(c, "newest (default) or oldest", "most calls in one answer, up to 200 (default 25)")
	a.jsonFlag(c)
	return c
}

func (a *app) calls(ctx context.Context, r *archive, o client.ListOptions) error {
	page, err := r.Calls(ctx, o)
	if err != nil {
		return fmt.Errorf("list calls: %w", err)
	}
	if a.json {
		return a.printJSON(page.Body)
	}
	g := newGrid("time (UTC)", "source", "direction", "status", ">length", "other party", "agent", "key")
	for i := range page.Value.Data {
		c := &page.Value.Data[i].Call
		g.row(started(c), safe(string(c.Source)), or(c.Direction, "-"), or(c.Status, "-"), lengthOf(c), clip(party(c), 36), clip(agentOf(c), 24), safe(c.Key.String()))
	}
	if len(page.Value.Data) > 0 {
		g.print(a.stdout)
	}
	a.say("%s of %s", count(len(page.Value.Data)), plural(page.Value.Pagination.Total, "call"))
	a.more(page.Value.Pagination)
	a.hintAgents(ctx, r, &o.Filter, page.Value.Pagination.Total)
	a.warnUnread(ctx, r, o.Filter.Source)
	return nil
}
