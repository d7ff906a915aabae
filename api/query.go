package api

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

// query is what the parameters of a request ask for, whatever the operation:
// its table says which of the fields can be set.
type query struct {
	filter     call.Filter
	text       string
	sort       string
	orderBy    call.OrderBy
	ascending  bool
	mostRecent bool
	limit      int
	cursor     string
	fields     string
	include    []string
	format     string
	label      string
	facets     []string
	by, group  string
	source     call.SourceID
	since      uint64
	wait       time.Duration

	given map[string]bool
}

// Resolve reads the query of the request by the table of its operation. huma
// calls it before the handler and answers 400 with everything it complains of.
func (q *query) Resolve(ctx huma.Context) []error {
	table, _ := ctx.Operation().Metadata[paramsKey].([]param)
	u := ctx.URL()
	var errs []error
	for _, c := range q.read(table, u.RawQuery) {
		errs = append(errs, &c)
	}
	return errs
}

// read fills q from a raw query string and returns every mistake in it, in a
// fixed order.
func (q *query) read(table []param, raw string) []complaint {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return []complaint{{"query", "the query string is not properly percent-encoded"}}
	}
	q.limit, q.given = defaultLimit, map[string]bool{}
	var bad []complaint
	for _, name := range unknown(table, values) {
		bad = append(bad, complaint{"query." + tame(clip(name)), "is not a parameter of this request"})
	}
	for _, p := range table {
		if list, ok := values[p.name]; ok {
			q.given[p.name] = true
			if message := p.take(q, list); message != "" {
				bad = append(bad, complaint{"query." + p.name, message})
			}
		}
	}
	if len(bad) == 0 {
		bad = q.contradictions()
	}
	return bad
}

func unknown(table []param, values url.Values) []string {
	var names []string
	for name := range values {
		if !slices.ContainsFunc(table, func(p param) bool { return p.name == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// take reads the values of one parameter; the answer says what is wrong.
func (p *param) take(q *query, values []string) string {
	if !p.many && len(values) > 1 {
		return "is given more than once"
	}
	if p.many {
		values = alternatives(values)
	}
	if len(values) > maxValues {
		return fmt.Sprintf("has more than %d values", maxValues)
	}
	for _, v := range values {
		if v == "" && !p.empty {
			return "is empty"
		}
		if !utf8.ValidString(v) {
			return "is not UTF-8"
		}
		if want := p.read(q, v); want != "" {
			return fmt.Sprintf("%q is not %s", clip(v), want)
		}
	}
	return ""
}

// alternatives splits values at commas. A backslash before a comma or another
// backslash makes it part of the value.
func alternatives(values []string) []string {
	var out []string
	for _, v := range values {
		var b strings.Builder
		for i := 0; i < len(v); i++ {
			switch {
			case v[i] == '\\' && i+1 < len(v) && (v[i+1] == ',' || v[i+1] == '\\'):
				i++
				b.WriteByte(v[i])
			case v[i] == ',':
				out = append(out, b.String())
				b.Reset()
			default:
				b.WriteByte(v[i])
			}
		}
		out = append(out, b.String())
	}
	return out
}

// clip keeps an echoed value short.
func clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// contradictions finds parameters that are right one by one but not together.
func (q *query) contradictions() []complaint {
	var bad []complaint
	add := func(name, message string) { bad = append(bad, complaint{"query." + name, message}) }
	f := &q.filter
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		add("to", "must not be before from")
	}
	if f.MinDuration != nil && f.MaxDuration != nil && *f.MinDuration > *f.MaxDuration {
		add("max_duration", "must not be below min_duration")
	}
	if q.mostRecent {
		for _, name := range []string{"order", "order_by", "sort", "cursor"} {
			if q.given[name] {
				add(name, "cannot be combined with most_recent=true")
			}
		}
	}
	if q.given["sort"] && (q.given["order"] || q.given["order_by"]) {
		add("sort", "cannot be combined with order or order_by")
	}
	return bad
}

// listQuery is the request as the store understands it.
func (q *query) listQuery() call.ListQuery {
	l := call.ListQuery{Filter: q.filter, OrderBy: q.orderBy, Ascending: q.ascending, Limit: q.limit, After: q.cursor}
	if l.OrderBy == "" {
		l.OrderBy = call.ByStarted
	}
	if q.mostRecent {
		l.Limit = 1
	}
	return l
}

// searchQuery is the request as the index understands it.
func (q *query) searchQuery() call.SearchQuery {
	s := call.SearchQuery{Text: q.text, Filter: q.filter, Sort: q.sort, OrderBy: q.orderBy, Limit: q.limit, After: q.cursor, Facets: q.facets}
	switch {
	case q.mostRecent:
		s.Sort, s.Limit = sortNewest, 1
	case q.ascending:
		s.Sort = sortOldest
	case q.given["order"] || q.given["order_by"]:
		s.Sort = sortNewest
	case s.Sort != "":
	case strings.TrimSpace(q.text) == "":
		s.Sort = sortNewest
	default:
		s.Sort = sortRelevance
	}
	return s
}

// view says which parts of a call an answer shows besides its light fields.
type view struct {
	transcript, metadata, raw, versions, parts, recordings bool
}

// view reads fields and include; full is the default of the operation.
func (q *query) view(full bool) view {
	if q.fields != "" {
		full = q.fields == fieldsFull
	}
	return view{
		transcript: full || slices.Contains(q.include, "transcript"),
		metadata:   full || slices.Contains(q.include, "metadata"),
		raw:        slices.Contains(q.include, "raw"),
		versions:   slices.Contains(q.include, "versions"),
		recordings: slices.Contains(q.include, "recordings"),
		parts:      slices.Contains(q.include, "parts"),
	}
}
