package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

func newStats(a *app) *cobra.Command {
	var f filters
	var by, group string
	c := &cobra.Command{
		Use:   "stats",
		Short: "Count calls, talk time and sentiment over time",
		Long: `Stats counts the calls the filters select, their talk time and their sentiment, for every day,
week (from Monday) or month in UTC that holds calls.`,
		Example: `  callsyncd stats --by week --from 12w
  callsyncd stats --group agent --direction inbound
  callsyncd stats --by day --group source --json | jq '.data[]'`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.read(c, a.now()); err != nil {
				return err
			}
			q := call.StatsQuery{Filter: f.filter, By: by, Group: group}
			return a.with(c.Context(), anySource, func(r *archive) error { return a.stats(c.Context(), r, q) })
		},
	}
	c.Flags().StringVar(&by, "by", "", "length of a period: day, week or month (default month)")
	c.Flags().StringVar(&group, "group", "", "split every period by source, agent or campaign")
	f.addSelection(c)
	a.jsonFlag(c)
	return c
}

func (a *app) stats(ctx context.Context, r *archive, q call.StatsQuery) error {
	if err := r.catchUp(ctx); err != nil {
		return err
	}
	found, err := r.Stats(ctx, q)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(found.Body)
	}
	a.printStats(&found.Value)
	return nil
}

func (a *app) printStats(s *client.Stats) {
	if len(s.Data) == 0 {
		a.say("no calls")
		return
	}
	headings := []string{safe(s.By) + " (UTC)", ">calls", ">talk time", ">positive", ">neutral", ">negative", ">mean score"}
	if s.Group != nil {
		headings = append(headings, safe(*s.Group))
	}
	g := newGrid(headings...)
	var total call.Stats
	for i := range s.Data {
		x := &s.Data[i]
		cells := statsCells(x)
		if s.Group != nil {
			cells = append(cells, clip(or(x.Group, "(unknown)"), 40))
		}
		g.row(cells...)
		total.Calls += x.Calls
		total.TalkSeconds += x.TalkSeconds
		total.Positive += x.Positive
		total.Neutral += x.Neutral
		total.Negative += x.Negative
	}
	total.Period = "total"
	g.row(statsCells(&total)...)
	g.print(a.stdout)
}

func statsCells(s *call.Stats) []any {
	score := "-"
	if s.ScoreMean != nil {
		score = fmt.Sprintf("%+.2f", *s.ScoreMean)
	}
	return []any{safe(s.Period), count(s.Calls), clock(s.TalkSeconds), count(s.Positive), count(s.Neutral), count(s.Negative), score}
}
