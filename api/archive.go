package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"callsyncd/call"
)

func (s *server) registerArchive() {
	register(s, operation(http.MethodGet, "/v1/changes", "list-changes", "Follow what happens to calls", changesParams), s.changes)
	register(s, operation(http.MethodGet, "/v1/status", "get-status", "State of the archive and of every source", nil), s.status)
	register(s, operation(http.MethodGet, "/v1/gaps", "list-gaps", "Every part that is not stored, and why", gapsParams), s.gaps)
	register(s, operation(http.MethodPost, "/v1/gaps/ack", "acknowledge-gap", "Accept the loss of a part", nil), s.acknowledge)
	sync := operation(http.MethodPost, "/v1/sync", "sync", "Wake one source, or all", nil)
	sync.DefaultStatus = http.StatusAccepted
	register(s, sync, s.sync)
	verify := operation(http.MethodPost, "/v1/verify", "verify", "Check the whole archive", nil)
	reindex := operation(http.MethodPost, "/v1/reindex", "reindex", "Build the full-text index anew", nil)
	verify.Security, reindex.Security = tokenOnly, tokenOnly
	register(s, verify, s.verify)
	register(s, reindex, s.reindex)
}

// feed is a stretch of the change feed.
type feed struct {
	Data []call.Change `json:"data" nullable:"false"`
	Next uint64        `json:"next" doc:"send it as since to go on"`
}

func (s *server) changes(ctx context.Context, in *input) (feed, error) {
	allow(ctx, in.wait+answerTime)
	timer := time.NewTimer(in.wait)
	defer timer.Stop()
	for {
		updated := s.Store.Updated() // before reading, so that nothing slips between
		changes, err := s.Store.Changes(ctx, in.since, in.limit)
		if err != nil {
			return feed{}, err
		}
		if len(changes) > 0 {
			return feed{changes, changes[len(changes)-1].Seq}, nil
		}
		empty := feed{[]call.Change{}, in.since}
		if in.wait == 0 {
			return empty, nil
		}
		select {
		case <-updated:
		case <-timer.C:
			return empty, nil
		case <-stopping(ctx):
			return empty, nil
		case <-ctx.Done():
			return feed{}, ctx.Err()
		}
	}
}

func (s *server) status(ctx context.Context, _ *input) (call.StatusReport, error) {
	return s.Control.Status(ctx)
}

func (s *server) gaps(ctx context.Context, in *input) (list[call.Gap], error) {
	status, err := s.Control.Status(ctx)
	if err != nil {
		return list[call.Gap]{}, err
	}
	if in.source != "" {
		if err := s.knowsSources(ctx, status.Sources, in.source); err != nil {
			return list[call.Gap]{}, err
		}
	}
	gaps, next, err := s.Store.Gaps(ctx, in.source, in.cursor, in.limit)
	if err != nil {
		return list[call.Gap]{}, err
	}
	total := 0
	for _, source := range status.Sources {
		if in.source == "" || in.source == source.Name {
			total += missingParts(source.Counts)
		}
	}
	if gaps == nil {
		gaps = []call.Gap{}
	}
	return list[call.Gap]{gaps, paginate(total, in.limit, next)}, nil
}

// missingParts is the number of gaps of one source.
func missingParts(c call.Counts) int {
	n := c.Acknowledged
	for _, name := range call.PartNames {
		n += c.Pending[name] + c.Lost[name]
	}
	return n
}

// loss names a lost or overdue part and why that is accepted.
type loss struct {
	Key    string        `json:"key" doc:"source/id"`
	Part   call.PartName `json:"part" enum:"record,transcript,summary,recording"`
	Reason string        `json:"reason" maxLength:"1000" doc:"kept with the call"`
}

type lossInput struct {
	query
	Body loss
}

func (s *server) acknowledge(ctx context.Context, in *lossInput) (loss, error) {
	key, err := call.ParseKey(in.Body.Key)
	if err != nil {
		return loss{}, badRequest(complaint{"body.key", "is not a key: want SOURCE/ID"})
	}
	reason := strings.TrimSpace(in.Body.Reason)
	if reason == "" {
		return loss{}, badRequest(complaint{"body.reason", "is empty: say why the loss is accepted"})
	}
	err = s.Store.Acknowledge(ctx, key, in.Body.Part, reason)
	switch {
	case errors.Is(err, call.ErrNotFound):
		return loss{}, noSuchCall()
	case errors.Is(err, call.ErrRefused):
		return loss{}, newProblem(http.StatusConflict, "the %s of this call is neither lost nor past its late horizon, so there is nothing to acknowledge", in.Body.Part)
	case err != nil:
		return loss{}, err
	}
	return loss{in.Body.Key, in.Body.Part, reason}, nil
}

// wake is what POST /v1/sync asks for.
type wake struct {
	Source string `json:"source,omitempty" doc:"name of a source; all when absent"`
	Full   bool   `json:"full,omitempty" doc:"also walk the vendor's whole list"`
	// AcceptVanished needs full and a source.
	AcceptVanished bool   `json:"accept_vanished,omitempty" doc:"calls that vanished from the vendor's list were deleted on purpose, however many: they count as missed, and as deleted upstream once two walks missed them; needs source and full; nothing is deleted here"`
	By             string `json:"by,omitempty" maxLength:"100" doc:"who says so, for the record"`
}

type wakeInput struct {
	query
	Body *wake
}

func (s *server) sync(ctx context.Context, in *wakeInput) (wake, error) {
	var want wake
	if in.Body != nil {
		want = *in.Body
	}
	if want.AcceptVanished && (want.Source == "" || !want.Full) {
		return wake{}, badRequest(complaint{"body.accept_vanished", "needs a source and full"})
	}
	wakeUp := func() error { return s.Control.Sync(ctx, call.SourceID(want.Source), want.Full) }
	if want.AcceptVanished {
		want.By = cmp.Or(strings.TrimSpace(want.By), "a holder of the API token")
		wakeUp = func() error { return s.Control.AcceptVanished(ctx, call.SourceID(want.Source), want.By) }
	}
	err := wakeUp()
	if errors.Is(err, call.ErrNotFound) {
		return wake{}, newProblem(http.StatusNotFound, "no source of this name is configured")
	}
	return want, err
}

// nothing is the body of a request that has nothing to say.
type nothing struct{}

type nothingInput struct {
	query
	Body *nothing
}

func (s *server) verify(ctx context.Context, _ *nothingInput) (call.VerifyReport, error) {
	allow(ctx, 0)
	defer allow(ctx, answerTime)
	return s.Control.Verify(ctx)
}

func (s *server) reindex(ctx context.Context, _ *nothingInput) (call.IndexStatus, error) {
	allow(ctx, 0)
	defer allow(ctx, answerTime)
	if err := s.Control.Reindex(ctx); err != nil {
		return call.IndexStatus{}, err
	}
	status, err := s.Control.Status(ctx)
	return status.Index, err
}

// health is the answer of the two probes.
type health struct {
	Status string `json:"status"`
}

func (s *server) registerHealth() {
	alive := operation(http.MethodGet, "/healthz", "alive", "Whether the daemon runs", nil)
	ready := operation(http.MethodGet, "/readyz", "ready", "Whether the daemon can answer", nil)
	alive.Security, ready.Security = everybody, everybody
	ready.Errors = []int{http.StatusServiceUnavailable}
	register(s, alive, func(context.Context, *input) (health, error) { return health{"ok"}, nil })
	register(s, ready, s.ready)
}

func (s *server) ready(context.Context, *input) (health, error) {
	reasons := s.Control.Ready()
	if len(reasons) == 0 {
		return health{"ready"}, nil
	}
	p := newProblem(http.StatusServiceUnavailable, "not ready: %s", strings.Join(reasons, "; ")).with("Retry-After", "5")
	for _, reason := range reasons {
		p.Errors = append(p.Errors, complaint{Message: reason})
	}
	return health{}, p
}
