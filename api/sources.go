package api

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"callsyncd/call"
)

// checkSources refuses the name of a source that is neither configured nor
// holds any call: a typing mistake would else look like an archive without calls.
func (s *server) checkSources(ctx context.Context, named []call.SourceID) error {
	if len(named) == 0 {
		return nil
	}
	status, err := s.Control.Status(ctx)
	if err != nil {
		return err
	}
	return s.knowsSources(ctx, status.Sources, named...)
}

func (s *server) knowsSources(ctx context.Context, configured []call.SourceStatus, named ...call.SourceID) error {
	var known []string
	for i := range configured {
		known = append(known, string(configured[i].Name))
	}
	for _, name := range named {
		if slices.Contains(known, string(name)) {
			continue
		}
		held, err := s.Store.List(ctx, call.ListQuery{Filter: call.Filter{Source: []call.SourceID{name}}, OrderBy: call.ByStarted, Limit: 1})
		if err != nil {
			return err
		}
		if held.Total == 0 {
			return badRequest(complaint{"query.source", noSuchSource(name, known)})
		}
	}
	return nil
}

func noSuchSource(name call.SourceID, known []string) string {
	if len(known) == 0 {
		return fmt.Sprintf("%q is no source of this archive; none is configured", name)
	}
	return fmt.Sprintf("%q is no source of this archive; known are %s", name, strings.Join(known, ", "))
}
