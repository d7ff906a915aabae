package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"callsyncd/api"
	"callsyncd/call"
	"callsyncd/index"
)

// searcher shows the index to the API.
type searcher struct{ index *index.Index }

func (s searcher) Search(ctx context.Context, q call.SearchQuery) (call.SearchResult, error) {
	result, err := s.index.Search(ctx, q)
	switch {
	case errors.Is(err, index.ErrUnavailable):
		err = fmt.Errorf("%w: %w", api.ErrUnavailable, err)
	case errors.Is(err, index.ErrBusy):
		err = fmt.Errorf("%w: %w", api.ErrBusy, err)
	case errors.Is(err, index.ErrTooSlow):
		err = fmt.Errorf("%w: %w", api.ErrTooSlow, err)
	}
	return result, err
}

// apiStore shows the store to the API.
type apiStore struct {
	redactedStore
	archive *Archive
}

// Acknowledge also renews the source's statement, which may be proved by that.
func (s apiStore) Acknowledge(ctx context.Context, key call.Key, part call.PartName, reason string) error {
	if err := s.redactedStore.Acknowledge(ctx, key, part, reason); err != nil {
		return err
	}
	of := s.archive.source(key.Source)
	if of == nil {
		return nil
	}
	if err := of.engine.Renew(ctx); err != nil { // the loss is accepted all the same
		s.archive.log.Warn("statement not renewed", "source", string(key.Source), "err", err)
	}
	return nil
}

// apiControl shows the rest of the archive to the API.
type apiControl struct{ *Archive }

// Sync wakes a source and returns at once.
func (c apiControl) Sync(_ context.Context, name call.SourceID, full bool) error {
	return c.ask(name, full, "")
}

// AcceptVanished wakes a source as Sync does, for by's word.
func (c apiControl) AcceptVanished(_ context.Context, name call.SourceID, by string) error {
	return c.ask(name, true, by)
}

func (c apiControl) ask(name call.SourceID, full bool, accepted string) error {
	var names []call.SourceID
	if name != "" {
		names = append(names, name)
	}
	chosen, err := c.choose(names)
	if err != nil {
		return err
	}
	for _, s := range chosen {
		s.rounds.ask(full, accepted)
	}
	return nil
}

// Ready says why answers are not to be had yet.
func (c apiControl) Ready() []string {
	if st := c.index.Status(); st.State != "ready" {
		return []string{"index: " + st.State}
	}
	return []string{}
}

func (c apiControl) Reindex(ctx context.Context) error { return c.Archive.Reindex(ctx, nil) }

// hostSet builds the API handler anew when the address it is reached under
// becomes known.
type hostSet struct {
	build   func(hosts []string) http.Handler
	current atomic.Pointer[http.Handler]
}

// inProcessHost is the Host of requests made within the process.
const inProcessHost = "callsyncd.local"

func (h *hostSet) wrap(build func([]string) http.Handler) http.Handler {
	h.build = build
	h.set([]string{inProcessHost})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*h.current.Load()).ServeHTTP(w, r) })
}

func (h *hostSet) set(hosts []string) {
	handler := h.build(hosts)
	h.current.Store(&handler)
}
