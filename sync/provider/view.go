package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"callsyncd/call"
)

// view is what the documents of one call look like to expressions.
type view struct {
	id        call.ID
	docs      call.Documents
	merged    map[string]any // '.': the list item joined by the fuller copies of it
	values    map[string]any // content by document; absent and refused ones are missing
	variables []any          // in the order of Description.variables
}

// see decodes the documents of a call. Only a list item that is not an object
// with an id is an error; other broken documents are as good as absent.
func (p *Provider) see(ctx context.Context, docs call.Documents) (*view, error) {
	v := &view{docs: docs, values: map[string]any{}}
	for _, name := range p.d.documents {
		if doc, ok := docs[name]; ok && doc.Status == 0 {
			if value := p.look(ctx, name, doc.Body); value != nil {
				v.values[name] = value
			}
		}
	}
	item, ok := v.values[call.DocumentList].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("source %s: %w: the list item is not an object", p.source, call.ErrCorrupt)
	}
	id, err := p.d.spec.List.ID.eval(ctx, item)
	text, ok := textOf(id)
	if err != nil || !ok || text == nil {
		return nil, fmt.Errorf("source %s: %w: the list item has no id", p.source, call.ErrCorrupt)
	}
	v.id = call.ID(*text)
	v.merged = p.merge(v)
	v.variables = append(v.variables, *p.lookups.Load())
	for _, name := range p.d.documents {
		v.variables = append(v.variables, v.values[name])
	}
	return v, nil
}

// look decodes one document and takes it out of its wrapping.
func (p *Provider) look(ctx context.Context, name string, body json.RawMessage) any {
	parsed, err := parseJSON(body)
	if err != nil {
		p.oddData(ctx, name)
		return nil
	}
	st := p.d.steps[name]
	if st == nil {
		return parsed.value
	}
	content, err := p.content(ctx, parsed, st.Unwrap)
	if err != nil {
		p.oddData(ctx, name)
		return nil
	}
	return content.value
}

// merge joins the list item and its fuller copies. Of a field that several
// have, the one read last wins, but never an empty one over one that is not.
func (p *Provider) merge(v *view) map[string]any {
	var names []string
	for _, name := range p.d.documents {
		if st := p.d.steps[name]; st == nil || st.Merge {
			names = append(names, name)
		}
	}
	slices.SortStableFunc(names, func(a, b string) int {
		return cmp.Compare(v.docs[a].FetchedAt.UnixNano(), v.docs[b].FetchedAt.UnixNano())
	})
	merged := map[string]any{}
	for _, name := range names {
		object, _ := v.values[name].(map[string]any)
		for field, value := range object {
			if _, known := merged[field]; !known || !empty(value) {
				merged[field] = value
			}
		}
	}
	return merged
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// field evaluates an expression on the whole call. Data it cannot digest makes
// the field null and is counted.
func (p *Provider) field(ctx context.Context, v *view, e *callExpr) any {
	return p.fieldOf(ctx, v, e, v.merged)
}

// fieldOf evaluates an expression on one part of the call.
func (p *Provider) fieldOf(ctx context.Context, v *view, e *callExpr, input any) any {
	if e == nil {
		return nil
	}
	value, err := run(ctx, e.code, input, v.variables...)
	if err != nil {
		p.oddData(ctx, e.key)
		return nil
	}
	return value
}

// status is the normalized status of the call; empty when the vendor gave none.
func (p *Provider) status(ctx context.Context, v *view) call.Status {
	e := p.d.spec.Map.Status
	word := pick(p, ctx, v, e, textOf)
	if word == nil {
		return ""
	}
	return p.d.words.statusOf(*word)
}

// pick evaluates an expression and converts its result; what cannot be
// converted is null and counted.
func pick[T any](p *Provider, ctx context.Context, v *view, e *callExpr, convert func(any) (*T, bool)) *T {
	value, ok := convert(p.field(ctx, v, e))
	if !ok {
		p.oddData(ctx, e.key)
	}
	return value
}
