package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"

	"callsyncd/call"
)

// maxCursor bounds what a vendor may call the place of its next page, in bytes.
const maxCursor = 8 << 10

func (g *paging) firstPage() int {
	if g.First != nil {
		return *g.First
	}
	if g.Kind == pagingKind(call.PagingPage) {
		return 1
	}
	return 0
}

// List reads one page of the vendor's list. A cursor or URL in the request's
// position must come from an earlier page; for page and offset paging the
// caller counts, and zero means the first page.
func (p *Provider) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	const op = "list calls"
	l := &p.d.spec.List
	out, err := p.pageRequest(&l.request, l.Paging, req, l.Window)
	if err != nil {
		return call.Page{}, &Error{Op: op, Source: p.source, Err: err}
	}
	r, err := p.ask(ctx, op, out, nil)
	if err != nil {
		return call.Page{}, err
	}
	content, rows, err := p.rows(ctx, op, r, l.Items)
	if err != nil {
		return call.Page{}, err
	}
	page := call.Page{FetchedAt: r.fetchedAt, Items: make([]call.Item, 0, len(rows))}
	for i, row := range rows {
		item, err := p.item(ctx, row)
		if err != nil {
			p.log.Warn("unusable row in the list", "row", i+1, "why", err.Error())
			page.Unusable++
			continue
		}
		page.Items = append(page.Items, item)
	}
	return page, p.follow(ctx, op, l.Paging, content.value, out.url, &page)
}

func (p *Provider) corrupt(op, message string) *Error {
	return &Error{Op: op, Source: p.source, Message: p.clean(message), Err: call.ErrCorrupt}
}

// pageRequest builds the request for one page.
func (p *Provider) pageRequest(r *request, g *paging, req call.ListRequest, w *window) (outgoing, error) {
	params := map[string]any{}
	if w != nil && req.Window != nil {
		w.params(params, *req.Window)
	}
	if g == nil {
		return p.build(r, "", params)
	}
	if g.Kind == pagingKind(call.PagingURL) && req.Position.Cursor != "" {
		return p.nextURL(r, req.Position.Cursor)
	}
	if g.Size != "" {
		params[g.Size] = req.Size
		if req.Size <= 0 {
			params[g.Size] = g.Rows
		}
	}
	switch call.Paging(g.Kind) {
	case call.PagingPage:
		params[g.Position] = req.Position.Page
		if req.Position.Page == 0 {
			params[g.Position] = g.firstPage()
		}
	case call.PagingOffset:
		params[g.Position] = req.Position.Offset
	case call.PagingCursor:
		if req.Position.Cursor != "" {
			params[g.Position] = req.Position.Cursor
		}
	}
	return p.build(r, "", params)
}

// nextURL asks for the page whose path and query an earlier page gave.
func (p *Provider) nextURL(r *request, cursor string) (outgoing, error) {
	u, err := url.Parse(p.base.Scheme + "://" + p.base.Host + cursor)
	if err != nil || !strings.HasPrefix(cursor, "/") || origin(u) != origin(p.base) {
		return outgoing{}, fmt.Errorf("%w: next page is not at the API's own address", call.ErrRefused)
	}
	out, err := p.build(r, "", nil)
	out.url = u.String()
	return out, err
}

// params writes the bounds of a window in the vendor's way, wide rather than narrow.
func (w *window) params(params map[string]any, bounds call.Window) {
	if w.From != "" && !bounds.From.IsZero() {
		params[w.From] = w.format(bounds.From)
	}
	if w.To != "" && !bounds.To.IsZero() {
		step := time.Second
		if w.Format == timeDate {
			step = 24 * time.Hour
		}
		params[w.To] = w.format(bounds.To.Add(step - 1))
	}
}

func (w *window) format(t time.Time) any {
	switch t = t.UTC(); w.Format {
	case timeDate:
		return t.Format(time.DateOnly)
	case timeUnix:
		return t.Unix()
	}
	return t.Truncate(time.Second).Format(time.RFC3339)
}

// rows finds the array of rows in an answer. An answer without it is corrupt:
// an empty list says so with an empty array.
func (p *Provider) rows(ctx context.Context, op string, r reply, items *pathExpr) (content answer, rows []answer, err error) {
	content, err = p.content(ctx, r.answer, nil)
	if err != nil {
		return answer{}, nil, p.corrupt(op, "answer has an unexpected shape")
	}
	array, err := content.at(ctx, items)
	values, ok := array.value.([]any)
	if err != nil || !ok {
		if message := p.vendorMessage(r.value); message != "" {
			return answer{}, nil, p.corrupt(op, message)
		}
		return answer{}, nil, p.corrupt(op, fmt.Sprintf("no array at %s of the answer", items.source))
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(array.raw, &raws); err != nil {
		return answer{}, nil, p.corrupt(op, "answer is not JSON")
	}
	for i, value := range values {
		rows = append(rows, answer{raw: raws[i], value: value})
	}
	return content, rows, nil
}

// content takes an answer out of its envelope and wrapping.
func (p *Provider) content(ctx context.Context, a answer, unwrap *pathExpr) (answer, error) {
	a, err := a.at(ctx, p.d.spec.Envelope)
	if err != nil {
		return answer{}, err
	}
	return a.at(ctx, unwrap)
}

// item reads what the engine must know of one row of the list.
func (p *Provider) item(ctx context.Context, row answer) (call.Item, error) {
	if _, ok := row.value.(map[string]any); !ok {
		return call.Item{}, fmt.Errorf("is not an object")
	}
	if n := len(row.raw); n > maxCall {
		return call.Item{}, fmt.Errorf("has %d bytes", n)
	}
	l := &p.d.spec.List
	id, err := l.ID.eval(ctx, row.value)
	text, ok := textOf(id)
	if err != nil || !ok || text == nil {
		return call.Item{}, fmt.Errorf("has no id")
	}
	if n := len(*text); n > call.MaxIDBytes {
		return call.Item{}, fmt.Errorf("has an id of %d bytes", n)
	}
	return call.Item{
		ID: call.ID(*text), Body: row.raw, Fingerprint: p.fingerprint(ctx, call.DocumentList, row.value),
		CreatedAt: p.listTime(ctx, "list.created_at", l.CreatedAt, row.value),
		UpdatedAt: p.listTime(ctx, "list.updated_at", l.UpdatedAt, row.value),
	}, nil
}

func (p *Provider) listTime(ctx context.Context, field string, e *answerExpr, row any) time.Time {
	v, err := e.eval(ctx, row)
	t, ok := timeOf(v)
	if err != nil || !ok {
		p.oddData(ctx, field)
	}
	if t == nil {
		return time.Time{}
	}
	return *t
}

// follow fills in what an answer says about the pages around it.
func (p *Provider) follow(ctx context.Context, op string, g *paging, content any, asked string, page *call.Page) error {
	page.Total = p.count(ctx, "list.paging.total", g.Total, content)
	if size := p.count(ctx, "list.paging.echo", g.Echo, content); size != nil {
		page.Size = *size
	}
	if v, err := g.More.eval(ctx, content); err == nil {
		if more, ok := v.(bool); ok {
			page.More = &more
		}
	}
	next, err := g.Next.eval(ctx, content)
	cursor, ok := textOf(next)
	switch {
	case err != nil || !ok:
		return p.corrupt(op, "the place of the next page is not a text")
	case cursor == nil:
		return nil
	case len(*cursor) > maxCursor:
		return p.corrupt(op, fmt.Sprintf("the place of the next page is %d bytes long", len(*cursor)))
	case g.Kind == pagingKind(call.PagingURL):
		place, err := p.ownPlace(*cursor, asked)
		if err != nil {
			return &Error{Op: op, Source: p.source, Message: "next page", Err: err}
		}
		cursor = &place
	}
	page.Next = &call.Position{Cursor: *cursor}
	return nil
}

// ownPlace turns the URL of a next page, absolute or relative to the one asked
// for, into its path and query. It must be at the API's own address.
func (p *Provider) ownPlace(next, asked string) (string, error) {
	from, err := url.Parse(asked)
	if err != nil {
		return "", fmt.Errorf("%w: not a usable address", call.ErrRefused)
	}
	to, err := from.Parse(next)
	if err != nil || to.User != nil || origin(to) != origin(p.base) {
		return "", fmt.Errorf("%w: it is not at the API's own address", call.ErrRefused)
	}
	to.Fragment = ""
	return to.RequestURI(), nil
}

// count evaluates an expression for a whole number of rows.
func (p *Provider) count(ctx context.Context, field string, e *answerExpr, content any) *int {
	v, err := e.eval(ctx, content)
	n, ok := numberOf(v)
	if err != nil || !ok || n != nil && (*n < 0 || *n > math.MaxInt32 || *n != math.Trunc(*n)) {
		p.oddData(ctx, field)
		return nil
	}
	if n == nil {
		return nil
	}
	count := int(*n)
	return &count
}
