package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"callsyncd/call"
)

// FetchLookup reads a whole lookup table. It stops at the end of the table, when
// a page brings nothing new, or when it has all that fits.
func (p *Provider) FetchLookup(ctx context.Context, name string) (call.LookupTable, error) {
	op := "fetch lookup " + name
	l := p.d.spec.Lookups[name]
	if l == nil {
		return call.LookupTable{}, fmt.Errorf("%s: source %s: %w", op, p.source, call.ErrNotFound)
	}
	table := call.LookupTable{Name: name, Rows: map[string]json.RawMessage{}}
	req := call.ListRequest{}
	for pages := 0; pages < maxLookupPages; pages++ {
		page, n, err := p.lookupPage(ctx, op, l, l.Paging, req, &table)
		if pages == 0 && l.Paging != nil && errors.Is(err, errNotAccepted) {
			// Paging is not documented for every table; the whole of it may come at once.
			_, _, err = p.lookupPage(ctx, op, l, nil, req, &table)
			return table, err
		}
		if err != nil {
			return call.LookupTable{}, err
		}
		if table.FetchedAt.IsZero() {
			table.FetchedAt = page.FetchedAt
		}
		if weight(table.Rows) > maxLookupBytes {
			p.log.WarnContext(ctx, "names are left out: the table is too large", "lookup", name, "rows", len(table.Rows))
			return table, nil
		}
		if !advance(&req.Position, l.Paging, page, n, len(table.Rows)) {
			return table, nil
		}
	}
	return call.LookupTable{}, p.corrupt(op, "the table does not end")
}

// A lookup table is bounded: in memory each of its bytes costs some four.
const (
	maxLookupPages = 10_000
	maxLookupBytes = 8 << 20 // of ids and rows
)

func weight(rows map[string]json.RawMessage) (bytes int) {
	for id, row := range rows {
		bytes += len(id) + len(row)
	}
	return bytes
}

// lookupPage adds one page to table; n is the number of its rows that were new.
func (p *Provider) lookupPage(ctx context.Context, op string, l *lookup, g *paging, req call.ListRequest, table *call.LookupTable) (page call.Page, n int, err error) {
	out, err := p.pageRequest(&l.request, g, req, nil)
	if err != nil {
		return page, 0, &Error{Op: op, Source: p.source, Err: err}
	}
	r, err := p.ask(ctx, op, out, nil)
	if err != nil {
		return page, 0, err
	}
	content, rows, err := p.rows(ctx, op, r, l.Items)
	if err != nil {
		return page, 0, err
	}
	for _, row := range rows {
		id, kept, ok := p.lookupRow(ctx, l, row.value)
		if !ok {
			p.oddData(ctx, "lookups."+table.Name)
			continue
		}
		if _, known := table.Rows[id]; !known {
			n++
		}
		table.Rows[id] = kept
	}
	page = call.Page{FetchedAt: r.fetchedAt, Items: make([]call.Item, len(rows))}
	if g != nil {
		err = p.follow(ctx, op, g, content.value, out.url, &page)
	}
	return page, n, err
}

func (p *Provider) lookupRow(ctx context.Context, l *lookup, row any) (id string, kept json.RawMessage, ok bool) {
	v, err := l.ID.eval(ctx, row)
	text, isText := textOf(v)
	if err != nil || !isText || text == nil {
		return "", nil, false
	}
	v, err = l.Row.eval(ctx, row)
	if err != nil || v == nil {
		return "", nil, false
	}
	kept, err = canonical(v)
	return *text, kept, err == nil
}

// advance moves to the next page of a lookup table; false means there is none.
func advance(at *call.Position, g *paging, page call.Page, n, seen int) bool {
	rows := len(page.Items)
	if g == nil || rows == 0 || n == 0 {
		return false
	}
	switch call.Paging(g.Kind) {
	case call.PagingCursor, call.PagingURL:
		if page.Next != nil {
			*at = *page.Next
		}
		return page.Next != nil
	case call.PagingPage:
		at.Page = max(at.Page, g.firstPage()) + 1
	case call.PagingOffset:
		at.Offset += rows
	}
	switch {
	case page.More != nil:
		return *page.More
	case page.Total != nil:
		return seen < *page.Total
	case page.Size > 0:
		return rows >= page.Size
	}
	return rows >= g.Rows
}

// SetLookup puts a table to use, in place of the one of the same name. It is
// safe to call while calls are being mapped.
func (p *Provider) SetLookup(t call.LookupTable) {
	rows := make(map[string]any, len(t.Rows))
	for id, raw := range t.Rows {
		if v, err := decodeJSON(raw); err == nil {
			rows[id] = v
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tables[t.Name] = rows
	p.misses.renewed(&t)
	fresh := make(map[string]any, len(p.tables)+1)
	fresh[ownKey] = p.misses
	for name, table := range p.tables {
		fresh[name] = table
	}
	p.lookups.Store(&fresh)
}
