package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"callsyncd/call"
)

func (s *server) registerHistory() {
	register(s, operation(http.MethodGet, "/v1/calls/{source}/{id}/history", "get-history", "The life of a call: versions, and what became of its parts", nil), s.history)
	register(s, operation(http.MethodGet, "/v1/statements", "list-statements", "What the walks over the vendors' whole lists proved", statementsParams), s.statements)
}

// life is what happened to one call.
type life struct {
	Key  call.Key     `json:"key"`
	Data []call.Event `json:"data" nullable:"false" doc:"oldest first"`
}

func (s *server) history(ctx context.Context, in *keyInput) (life, error) {
	key, err := in.key()
	if err != nil {
		return life{}, err
	}
	events, err := s.Store.History(ctx, key)
	if errors.Is(err, call.ErrNotFound) {
		err = noSuchCall()
	}
	return life{key, events}, err
}

// statements are the completeness statements of several sources.
type statements struct {
	Data []call.Statement `json:"data" nullable:"false" doc:"newest first, over all sources"`
}

func (s *server) statements(ctx context.Context, in *input) (statements, error) {
	names := in.filter.Source
	status, err := s.Control.Status(ctx)
	if err != nil {
		return statements{}, err
	}
	if len(names) == 0 {
		for _, source := range status.Sources {
			names = append(names, source.Name)
		}
	}
	limit := 1
	if in.given["limit"] {
		limit = in.limit
	}
	slices.Sort(names)
	out := statements{[]call.Statement{}}
	for _, name := range slices.Compact(names) {
		list, err := s.Store.Statements(ctx, name, limit)
		if err != nil {
			return statements{}, err
		}
		i := slices.IndexFunc(status.Sources, func(st call.SourceStatus) bool { return st.Name == name })
		if len(list) > 0 && i >= 0 {
			now := &status.Sources[i]
			list[0].Proved = list[0].Proved && now.Counts.Open() == 0
			list[0].Since = now.Problems
		}
		out.Data = append(out.Data, list...)
	}
	for i := range out.Data {
		out.Data[i].Days = append([]call.StatementDay{}, out.Data[i].Days...) // [] when there are none
	}
	slices.SortStableFunc(out.Data, func(a, b call.Statement) int {
		return cmp.Or(b.FinishedAt.Compare(a.FinishedAt), cmp.Compare(a.Source, b.Source))
	})
	return out, nil
}
