package api

import (
	"context"
	"net/http"

	"callsyncd/call"
)

func (s *server) registerStats() {
	register(s, operation(http.MethodGet, "/v1/stats", "get-stats", "Calls, talk time and sentiment over time", statsParams), s.stats)
}

// statsAnswer says by what the figures are counted, and the figures.
type statsAnswer struct {
	By    string       `json:"by" enum:"day,week,month"`
	Group *string      `json:"group" doc:"source, agent or campaign; null when the periods are not split"`
	Data  []call.Stats `json:"data" nullable:"false" doc:"periods that hold calls, oldest first"`
}

func (s *server) stats(ctx context.Context, in *input) (statsAnswer, error) {
	if err := s.checkSources(ctx, in.filter.Source); err != nil {
		return statsAnswer{}, err
	}
	out := statsAnswer{By: in.by, Data: []call.Stats{}}
	if out.By == "" {
		out.By = "month"
	}
	if in.group != "" {
		out.Group = &in.group
	}
	found, err := s.Statistician.Stats(ctx, call.StatsQuery{Filter: in.filter, By: out.By, Group: in.group})
	out.Data = append(out.Data, found...)
	return out, err
}
