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
	touched int       // calls that were new or had changed
	fresh   int       // new calls
	edited  int       // changed calls
	skipped []call.ID // calls older than the wanted history
	// contested are changed calls another walk stored, or confirmed, while this
	// answer was under way: only a later answer can say how they are.
	contested int
	returned  []call.Key // calls that were missing
}

// process turns the items of a page into writes. Calls that did not change cost
// neither a request nor a write. The calls of the result are held claimed until
// release is called, after the commit, so that nobody else sees one half done.
func (e *Engine) process(ctx context.Context, page call.Page, a reply) (work *pageWork, release func(), err error) {
	work = &pageWork{}
	todo, err := e.pick(ctx, page, page.Items, a, e.replies.now(), work)
	for _, key := range work.returned {
		if err == nil {
			err = e.welcome(ctx, key)
		}
	}
	if err != nil || len(todo) == 0 {
		return work, func() {}, err
	}
	ids := idsOf(todo)
	unclaim, err := e.claims.take(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	unhold := e.replies.hold(ids)
	release = func() {
		unhold()
		unclaim()
	}
	if err = e.work(ctx, page, todo, a, work); err != nil {
		release()
		return nil, nil, err
	}
	return work, release, nil
}

// work observes the claimed items that still need it.
func (e *Engine) work(ctx context.Context, page call.Page, items []call.Item, a reply, work *pageWork) error {
	*work = pageWork{skipped: work.skipped}
	todo, err := e.pick(ctx, page, items, a, claimed, work)
	if err != nil {
		return err
	}
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
	return g.Wait()
}

func idsOf(items []call.Item) []call.ID {
	ids := make([]call.ID, len(items))
	for i, it := range items {
		ids[i] = it.ID
	}
	return ids
}

// pick picks the items that need work: those not stored yet and those whose
// fingerprint moved. An unchanged call whose recording is still to come gets
// its fresh link noted. Once the items are claimed, those are left out that this
// answer may be too old for.
func (e *Engine) pick(ctx context.Context, page call.Page, items []call.Item, a reply, turn int, work *pageWork) ([]call.Item, error) {
	known, err := e.store.Known(ctx, e.src.ID, idsOf(items))
	if err != nil {
		return nil, err
	}
	var todo []call.Item
	picked := make(map[call.ID]bool)
	for _, it := range items {
		if picked[it.ID] {
			continue
		}
		picked[it.ID] = true
		have, ok := known[it.ID]
		if have.Missing {
			work.returned = append(work.returned, e.key(it.ID))
		}
		switch {
		case !ok && !e.src.Since.IsZero() && !it.CreatedAt.IsZero() && it.CreatedAt.Before(e.src.Since):
			work.skipped = append(work.skipped, it.ID)
		case ok && have.ListFingerprint == it.Fingerprint && e.replies.confirm(it.ID, a, turn):
			switch {
			case have.RecordingPending:
				e.offerLink(it, page)
			case have.RecordingMark != "" && e.otherRecording(it, page, have.RecordingMark):
				todo = append(todo, it)
			}
		case turn == claimed && !e.replies.replace(it.ID, a):
			work.contested++
		default:
			todo = append(todo, it)
		}
	}
	work.touched = len(todo) + work.contested
	return todo, nil
}

// otherRecording reports whether an item that is otherwise unchanged shows
// another recording than the one that is stored.
func (e *Engine) otherRecording(it call.Item, page call.Page, mark string) bool {
	link, ok := e.src.Provider.Link(call.Documents{call.DocumentList: {Body: it.Body, FetchedAt: page.FetchedAt}})
	return ok && e.src.Recordings && replaced(mark, link.Mark) && e.mayRefetch(it.ID)
}

func (e *Engine) offerLink(it call.Item, page call.Page) {
	docs := call.Documents{call.DocumentList: {Body: it.Body, FetchedAt: page.FetchedAt}}
	if link, ok := e.src.Provider.Link(docs); ok {
		e.links.put(it.ID, link, false)
	} else {
		e.links.none(it.ID, e.now())
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
