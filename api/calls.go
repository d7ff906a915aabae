package api

import (
	"context"
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

// input is a request without a path of its own.
type input struct{ query }

// keyInput is a request about one call.
type keyInput struct {
	Source string `path:"source" doc:"name of the source"`
	ID     string `path:"id" doc:"the vendor's id of the call, percent-encoded into one segment"`
	query
}

func (s *server) registerCalls() {
	register(s, operation(http.MethodGet, "/v1/search", "search", "Search what was said", searchParams), s.search)
	register(s, operation(http.MethodGet, "/v1/calls", "list-calls", "List calls", callsParams), s.calls)
	const one = "/v1/calls/{source}/{id}"
	s.registerCall(operation(http.MethodGet, one, "get-call", "Show one call", viewParams))
	s.registerTranscript(operation(http.MethodGet, one+"/transcript", "get-transcript", "What was said in a call", transcriptParams))
	s.registerRecording(operation(http.MethodGet, one+"/recording", "get-recording", "The sound of a call, with ranges", recordingParams))
}

// hit is one row of a search answer.
type hit struct {
	Call     callView       `json:"call"`
	Score    float64        `json:"score"`
	Snippets []call.Snippet `json:"snippets" nullable:"false"`
}

// searchAnswer is a list of hits with how much of the archive it speaks for.
type searchAnswer struct {
	Coverage call.Coverage `json:"coverage"`
	Data     []hit         `json:"data" nullable:"false"`
	// Facets are there when asked for.
	Facets     map[string][]call.FacetCount `json:"facets,omitempty" doc:"counts among all matches, most frequent first (months: newest first); with facets="`
	Pagination pagination                   `json:"pagination"`
}

func (s *server) search(ctx context.Context, in *input) (searchAnswer, error) {
	if err := s.checkSources(ctx, in.filter.Source); err != nil {
		return searchAnswer{}, err
	}
	q := in.searchQuery()
	limit := q.Limit
	found, rows, err := s.searchPage(ctx, &q, in.view(false))
	if err != nil {
		return searchAnswer{}, err
	}
	if in.mostRecent {
		found.Next = ""
	}
	out := searchAnswer{Coverage: found.Coverage, Data: make([]hit, 0, len(rows)), Pagination: paginate(found.Total, limit, found.Next)}
	if len(q.Facets) > 0 {
		out.Facets = make(map[string][]call.FacetCount, len(q.Facets))
	}
	for _, name := range q.Facets {
		out.Facets[name] = append([]call.FacetCount{}, found.Facets[name]...)
	}
	for i, h := range found.Hits {
		if h.Snippets == nil {
			h.Snippets = []call.Snippet{}
		}
		out.Data = append(out.Data, hit{rows[i], h.Score, h.Snippets})
	}
	return out, nil
}

// searchPage searches for as many hits as one answer can hold.
func (s *server) searchPage(ctx context.Context, q *call.SearchQuery, v view) (call.SearchResult, []callView, error) {
	for {
		found, err := s.Searcher.Search(ctx, *q)
		if err != nil {
			return found, nil, err
		}
		calls := make([]call.Call, len(found.Hits))
		for i, h := range found.Hits {
			calls[i] = h.Call
		}
		rows, err := s.showPage(ctx, calls, v)
		if err != nil || len(rows) == len(calls) {
			return found, rows, err
		}
		q.Limit = len(rows)
	}
}

func (s *server) calls(ctx context.Context, in *input) (list[callView], error) {
	if err := s.checkSources(ctx, in.filter.Source); err != nil {
		return list[callView]{}, err
	}
	q := in.listQuery()
	limit := q.Limit
	for {
		found, err := s.Store.List(ctx, q)
		if err != nil {
			return list[callView]{}, err
		}
		rows, err := s.showPage(ctx, found.Calls, in.view(false))
		if err != nil {
			return list[callView]{}, err
		}
		if len(rows) < len(found.Calls) {
			q.Limit = len(rows)
			continue
		}
		if in.mostRecent {
			found.Next = ""
		}
		return list[callView]{rows, paginate(found.Total, limit, found.Next)}, nil
	}
}

func (s *server) registerCall(op huma.Operation) {
	op.Responses = map[string]*huma.Response{
		"200": {Description: "OK", Headers: etagHeader, Content: map[string]*huma.MediaType{"application/json": {Schema: schemaOf[callView](s.huma)}}},
		"304": unchanged,
	}
	registerStream(s, op, s.call)
}

func (s *server) call(ctx context.Context, in *keyInput) (func(http.ResponseWriter, *http.Request), error) {
	record, err := s.light(ctx, in)
	if err != nil {
		return nil, err
	}
	shown, err := s.show(ctx, record.Call, in.view(true))
	if err != nil {
		return nil, err
	}
	body, err := encode(shown)
	if err != nil {
		return nil, err
	}
	return tagged("application/json", body), nil
}

// key is the call the path names; one that no source could have is not found.
func (in *keyInput) key() (call.Key, error) {
	if !sourceName.MatchString(in.Source) || !utf8.ValidString(in.ID) {
		return call.Key{}, noSuchCall()
	}
	return call.Key{Source: call.SourceID(in.Source), ID: call.ID(in.ID)}, nil
}

func noSuchCall() *problem {
	return newProblem(http.StatusNotFound, "the archive holds no call with this key; a / inside an id is sent as %%2F")
}

// light loads the call of a request without its transcript.
func (s *server) light(ctx context.Context, in *keyInput) (call.Record, error) {
	return load(ctx, in, s.Store.LoadLight)
}

func load(ctx context.Context, in *keyInput, from func(context.Context, call.Key) (call.Record, error)) (call.Record, error) {
	key, err := in.key()
	if err != nil {
		return call.Record{}, err
	}
	record, err := from(ctx, key)
	if errors.Is(err, call.ErrNotFound) {
		return call.Record{}, noSuchCall()
	}
	return record, err
}
