package index

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"callsyncd/call"
)

const (
	maxSearches   = 2 // at once
	maxWaiting    = 8
	searchTimeout = 2 * time.Second
	defaultLimit  = 25
	maxLimit      = 200
	// A page ends early once this much text was read for it, or so much time has
	// passed: its cursor leads on.
	maxPageText = 4 << 20
	maxPageTime = searchTimeout / 2
	// panicRest is how long a panic raises no further doubt, so that a query
	// that trips over Bleve itself does not keep the index rebuilding.
	panicRest = time.Hour
)

// The orders of hits.
const (
	sortRelevance = "relevance"
	sortNewest    = "newest"
	sortOldest    = "oldest"
)

// orders are what hits can be ordered by besides relevance.
var orders = []call.OrderBy{call.ByStarted, call.ByEnded, call.ByCreated, call.ByDuration}

// ErrTooSlow: the search took longer than two seconds and was given up.
var ErrTooSlow = errors.New("the search takes too long: use more or longer words, or filters")

// Search answers a query with calls as the store has them now. A blank text
// selects all calls of the filters, the newest first unless Sort says oldest.
// Facets count the calls of Total as they were indexed; unknown names of
// facets are ignored. Errors: *call.QueryError for the text, call.ErrBadCursor,
// ErrUnavailable, ErrBusy, ErrTooSlow. An unknown Sort or a Limit outside 0 to
// 200 is an error too. Calls of megabytes make a page shorter than its limit.
//
// Going on from a page's cursor neither skips nor repeats a call while others
// are indexed or leave, but two things move calls: one that changed itself
// takes its new place, and by relevance all may move a little when a word of
// the query has become much more or less frequent in the archive.
func (x *Index) Search(ctx context.Context, q call.SearchQuery) (call.SearchResult, error) {
	s, err := x.newSearch(&q)
	if err != nil {
		return call.SearchResult{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, searchTimeout, ErrTooSlow)
	defer cancel()
	leave, err := x.enter(ctx)
	if err != nil {
		return call.SearchResult{}, err
	}
	defer leave()
	result, err := x.guarded(ctx, s)
	if err != nil && errors.Is(context.Cause(ctx), ErrTooSlow) {
		err = ErrTooSlow
	}
	return result, err
}

// request is one checked search.
type request struct {
	text   query // empty selects everything
	filter *call.Filter
	order  string
	by     call.OrderBy // for orders other than relevance
	limit  int
	after  *mark    // where the previous page ended; nil for the first
	facets []string // what to count
	bound  string
}

func (x *Index) newSearch(q *call.SearchQuery) (*request, error) {
	blank := strings.TrimSpace(q.Text) == ""
	if blank {
		q.Text = ""
	}
	switch q.Sort {
	case "", sortRelevance:
		q.Sort = sortRelevance
		if blank {
			q.Sort = sortNewest
		}
	case sortNewest, sortOldest:
	default:
		return nil, fmt.Errorf("search: sort %q: want relevance, newest or oldest", q.Sort)
	}
	if q.OrderBy == "" {
		q.OrderBy = call.ByStarted
	}
	if !slices.Contains(orders, q.OrderBy) {
		return nil, fmt.Errorf("search: no order is named %q", q.OrderBy)
	}
	s := &request{filter: &q.Filter, order: q.Sort, by: q.OrderBy, limit: q.Limit, facets: q.Facets, bound: bindCursor(q)}
	if s.limit == 0 {
		s.limit = defaultLimit
	}
	if s.limit < 1 || s.limit > maxLimit {
		return nil, fmt.Errorf("search: limit %d: want 1 to %d", q.Limit, maxLimit)
	}
	var err error
	if !blank {
		if s.text, err = parseQuery(x.analyzer, q.Text); err != nil {
			return nil, err
		}
	}
	if s.after, err = parseCursor(q.After, s.bound); err != nil {
		return nil, err
	}
	return s, nil
}

// enter waits for a place among the searches under way.
func (x *Index) enter(ctx context.Context) (leave func(), err error) {
	if x.waiting.Add(1) > maxSearches+maxWaiting {
		x.waiting.Add(-1)
		return nil, ErrBusy
	}
	select {
	case x.slots <- struct{}{}:
		return func() { <-x.slots; x.waiting.Add(-1) }, nil
	case <-ctx.Done():
		x.waiting.Add(-1)
		if err := context.Cause(ctx); !errors.Is(err, ErrTooSlow) {
			return nil, err
		}
		return nil, ErrBusy // the searches ahead were slow, not this one
	}
}

// guarded turns a panic over damaged files, or a fault reading them, into an
// error and a doubt about the index.
func (x *Index) guarded(ctx context.Context, s *request) (result call.SearchResult, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			x.log.Error("search panicked", "err", panicWords(r), "stack", string(debug.Stack()))
			x.panicked()
			err = fmt.Errorf("search: %w", call.ErrCorrupt)
		}
	}()
	return x.search(ctx, s)
}

// panicWords describes a panic without its value, which may hold the text of a
// call; what the runtime says names types and numbers only.
func panicWords(r any) string {
	if err, ok := r.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("panic with a %T", r)
}

func (x *Index) panicked() {
	x.mu.Lock()
	recent := !x.panicAt.IsZero() && x.now().Sub(x.panicAt) < panicRest
	if !recent {
		x.panicAt = x.now()
	}
	x.mu.Unlock()
	if !recent {
		x.distrust("a search panicked")
	}
}

func (x *Index) search(ctx context.Context, s *request) (call.SearchResult, error) {
	g := x.serving()
	if g == nil {
		return call.SearchResult{}, ErrUnavailable
	}
	var found collected
	result := call.SearchResult{Hits: []call.Hit{}}
	err := g.view(func(r bleveindex.IndexReader) error {
		p, err := x.newPlanner(ctx, g, r)
		if err != nil {
			return err
		}
		selected, err := p.filtered(s.filter)
		if err != nil {
			return err
		}
		if result.Coverage, err = x.coverage(p, s.filter, selected); err != nil {
			return err
		}
		if found, err = p.collect(s, selected); err != nil {
			return err
		}
		result.Total, result.Facets = found.total, found.facets
		if len(found.hits) > s.limit {
			found.hits = found.hits[:s.limit]
			result.Next = found.hits[s.limit-1].cursor(s.bound)
		}
		return nil
	})
	if err != nil {
		return call.SearchResult{}, searchError(err)
	}
	return result, x.loadHits(ctx, s, found.hits, &result)
}

func searchError(err error) error {
	if _, ok := errors.AsType[*call.QueryError](err); ok || errors.Is(err, ErrUnavailable) {
		return err
	}
	return fmt.Errorf("search: %w", err)
}

func (x *Index) newPlanner(ctx context.Context, g *generation, r bleveindex.IndexReader) (*planner, error) {
	snapshot, ok := r.(*scorch.IndexSnapshot)
	if !ok {
		return nil, fmt.Errorf("%w: not an index of scorch", errDamaged)
	}
	documents, err := r.DocCount()
	if err != nil {
		return nil, err
	}
	return &planner{ctx: ctx, reader: r, parts: g.columns.parts(snapshot), analyzer: x.analyzer, documents: documents}, nil
}

// loadHits shows calls as the store has them, also when they changed since
// they were indexed. Those that are gone are left out.
func (x *Index) loadHits(ctx context.Context, s *request, found []match, result *call.SearchResult) error {
	h := newHighlighter(x.analyzer, s.text)
	began, text := time.Now(), 0
	for i := range found {
		if text > maxPageText || len(result.Hits) > 0 && time.Since(began) > maxPageTime {
			result.Next = found[i-1].cursor(s.bound)
			return nil
		}
		key, err := call.ParseKey(found[i].key)
		if err != nil {
			return fmt.Errorf("search: %w: %w", call.ErrCorrupt, err)
		}
		record, err := x.src.Load(ctx, key)
		if errors.Is(err, call.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("search: load call: %w", err)
		}
		text += textBytes(&record.Call) + len(record.Call.Metadata)
		result.Hits = append(result.Hits, call.Hit{Call: record.Call, Score: found[i].score(s.order),
			Snippets: h.snippets(&record.Call)})
	}
	return nil
}

// keyOf returns the key of a match.
func (p *planner) keyOf(m *match) (string, error) {
	key, err := p.parts[m.part].DocID(uint64(m.doc))
	return string(key), err
}
