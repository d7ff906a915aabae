package callsync

import (
	"context"
	"sync"

	"golang.org/x/sync/errgroup"

	"callsyncd/call"
)

// pageWork is what one list page came to.
type pageWork struct {
	writes  []call.Write
	touched int // calls that were new or had changed
	fresh   int // new calls
	edited  int // changed calls
	faults  int // calls whose further documents could not be read now
	skipped int // calls older than the wanted history
}

// process turns the items of a page, which the caller holds claimed, into
// writes. Calls that did not change cost neither a request nor a write.
func (e *Engine) process(ctx context.Context, page call.Page) (*pageWork, error) {
	ids := make([]call.ID, len(page.Items))
	for i, it := range page.Items {
		ids[i] = it.ID
	}
	known, err := e.store.Known(ctx, e.src.ID, ids)
	if err != nil {
		return nil, err
	}
	work := &pageWork{}
	todo := e.pick(page, known, work)
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, e.src.Concurrency))
	for _, it := range todo {
		g.Go(func() error {
			o, err := e.observeItem(ctx, it, page)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			work.add(o)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return work, nil
}

// claim holds the calls of a page until release is called.
func (e *Engine) claim(ctx context.Context, items []call.Item) (release func(), err error) {
	ids := make([]call.ID, len(items))
	for i, it := range items {
		ids[i] = it.ID
	}
	return e.claims.take(ctx, ids)
}

// pick picks the items that need work: those not stored yet and those whose
// fingerprint moved. An unchanged call whose recording is still to come gets
// its fresh link noted.
func (e *Engine) pick(page call.Page, known map[call.ID]call.Known, work *pageWork) []call.Item {
	var todo []call.Item
	picked := make(map[call.ID]bool)
	for _, it := range page.Items {
		if picked[it.ID] {
			continue
		}
		picked[it.ID] = true
		have, ok := known[it.ID]
		switch {
		case !ok && !e.src.Since.IsZero() && !it.CreatedAt.IsZero() && it.CreatedAt.Before(e.src.Since):
			work.skipped++
		case ok && have.ListFingerprint == it.Fingerprint:
			if have.RecordingPending {
				e.offerLink(it, page)
			}
		default:
			todo = append(todo, it)
		}
	}
	work.touched = len(todo)
	return todo
}

func (e *Engine) offerLink(it call.Item, page call.Page) {
	docs := call.Documents{call.DocumentList: {Body: it.Body, FetchedAt: page.FetchedAt}}
	if link, ok := e.src.Provider.Link(docs); ok {
		e.links.put(it.ID, link, false)
	}
}

// observeItem looks at one new or changed list item.
func (e *Engine) observeItem(ctx context.Context, it call.Item, page call.Page) (*observation, error) {
	key := e.key(it.ID)
	had, known, err := e.stored(ctx, key)
	if err != nil {
		return nil, err
	}
	docs := call.Documents{call.DocumentList: {Body: it.Body, FetchedAt: page.FetchedAt}}
	return e.observe(ctx, key, had, known, docs)
}

// add takes one observation into the page.
func (p *pageWork) add(o *observation) {
	if o.incomplete != nil {
		p.faults++
	}
	if !o.dirty {
		return
	}
	p.writes = append(p.writes, o.write)
	switch {
	case o.isNew:
		p.fresh++
	case o.edit:
		p.edited++
	}
}
