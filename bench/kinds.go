package main

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"callsyncd/call"
)

// limit is how many hits are asked for.
const limit = 10

// question is the same question to both engines.
type question struct {
	call.SearchQuery
	// list asks for the list of calls instead of a search.
	list bool
	// match is the question in FTS5's language; empty when it has none.
	match string
}

// kind is a kind of question, with the fastest way we know to ask FTS5. Our
// answers hold the total, ten calls with snippets, and how much of the archive
// they speak for; theirs hold row numbers, and what else the plan says.
type kind struct {
	name string
	draw func(v *vocabulary) question
	ask  func(ctx context.Context, db *sql.DB, q *question) error
}

const (
	middling = 0.02
	common   = 0.3
)

// The plans. The cross joins keep SQLite from walking the calls first.
const (
	byScore = `SELECT rowid FROM fts WHERE fts MATCH ? ORDER BY rank LIMIT 10`
	newest  = `SELECT rowid FROM fts WHERE fts MATCH ? ORDER BY rowid DESC LIMIT 10`
	counted = `SELECT count(*) FROM fts WHERE fts MATCH ?`
	faceted = `SELECT c.source, c.direction, c.status, c.sentiment, c.campaign, c.agent, c.month, count(*)
		FROM fts CROSS JOIN calls c ON c.rowid = fts.rowid WHERE fts MATCH ? GROUP BY 1, 2, 3, 4, 5, 6, 7`
	filtered = `SELECT fts.rowid FROM fts CROSS JOIN calls c ON c.rowid = fts.rowid
		WHERE fts MATCH ? AND c.sentiment = 'positive' AND c.direction = 'outbound' ORDER BY rank LIMIT 10`
	filteredNewest = `SELECT fts.rowid FROM fts CROSS JOIN calls c ON c.rowid = fts.rowid
		WHERE fts MATCH ? AND c.sentiment = 'positive' AND c.direction = 'outbound' ORDER BY fts.rowid DESC LIMIT 10`
	filteredFaceted = `SELECT c.source, c.direction, c.status, c.sentiment, c.campaign, c.agent, c.month, count(*)
		FROM fts CROSS JOIN calls c ON c.rowid = fts.rowid
		WHERE fts MATCH ? AND c.sentiment = 'positive' AND c.direction = 'outbound' GROUP BY 1, 2, 3, 4, 5, 6, 7`
	snippets = `SELECT rowid, snippet(fts, -1, '[', ']', '…', 32) FROM fts WHERE fts MATCH ? AND rowid IN (`
	latest   = `SELECT * FROM calls ORDER BY rowid DESC LIMIT 50`
)

func kinds() []kind {
	someCalls := call.Filter{Sentiment: []string{"positive"}, Direction: []call.Direction{call.Outbound}}
	search := func(text, match string) question {
		return question{SearchQuery: call.SearchQuery{Text: text, Limit: limit}, match: match}
	}
	word := func(low, high float64) func(v *vocabulary) question {
		return func(v *vocabulary) question {
			w := v.draw(low, high)
			return search(w, w)
		}
	}
	two := func(low, high float64) func(v *vocabulary) question {
		return func(v *vocabulary) question {
			a, b := v.draw(low, high), v.draw(low, high)
			return search(a+" "+b, a+" AND "+b)
		}
	}
	change := func(draw func(*vocabulary) question, change func(*question)) func(*vocabulary) question {
		return func(v *vocabulary) question {
			q := draw(v)
			change(&q)
			return q
		}
	}
	return []kind{
		{"rare term", func(v *vocabulary) question {
			w := v.rare()
			return search(w, w)
		}, plan(byScore)},
		{"common term", word(common, 1), plan(byScore)},
		{"two common terms", two(common, 1), plan(byScore)},
		{"two middling terms", two(middling, 0.1), plan(byScore)},
		{"phrase", func(v *vocabulary) question {
			p := `"` + v.phrase() + `"`
			return search(p, p)
		}, plan(byScore)},
		{"phrase of common words", func(v *vocabulary) question {
			p := `"` + v.commonPhrase() + `"`
			return search(p, p)
		}, plan(byScore)},
		{"prefix", func(v *vocabulary) question {
			w := v.draw(0, 1)
			w = w[:min(len(w), 3+v.IntN(2))]
			return search(w+"*", w+" *")
		}, plan(byScore)},
		{"fuzzy", func(v *vocabulary) question {
			w := v.draw(0, 1)
			return search(w[:len(w)-1]+"x~", "")
		}, nil},
		{"count only", change(word(common, 1), func(q *question) { q.Limit = 1 }), plan(counted)},
		{"newest first", change(word(common, 1), func(q *question) { q.Sort = "newest" }), plan(newest)},
		{"newest first, and total", change(word(common, 1), func(q *question) { q.Sort = "newest" }), plans(plan(newest), plan(counted))},
		{"facets", change(word(common, 1), func(q *question) { q.Facets = call.FacetNames }), plans(plan(byScore), plan(faceted))},
		{"term, filters, snippets", change(word(middling, 1), func(q *question) { q.Filter = someCalls }), withSnippets(filtered)},
		{"everything", change(two(middling, 1), func(q *question) {
			q.Filter, q.Sort, q.Facets = someCalls, "newest", call.FacetNames
		}), plans(withSnippets(filteredNewest), plan(filteredFaceted))},
		{"latest 50", func(*vocabulary) question {
			return question{SearchQuery: call.SearchQuery{Limit: 50}, list: true, match: "-"}
		}, func(ctx context.Context, db *sql.DB, _ *question) error {
			_, err := rows(ctx, db, latest)
			return err
		}},
	}
}

// plan asks one statement with the match as its parameter.
func plan(statement string) func(context.Context, *sql.DB, *question) error {
	return func(ctx context.Context, db *sql.DB, q *question) error {
		_, err := rows(ctx, db, statement, q.match)
		return err
	}
}

func plans(steps ...func(context.Context, *sql.DB, *question) error) func(context.Context, *sql.DB, *question) error {
	return func(ctx context.Context, db *sql.DB, q *question) error {
		for _, step := range steps {
			if err := step(ctx, db, q); err != nil {
				return err
			}
		}
		return nil
	}
}

// withSnippets makes snippets of the rows of a statement, of no others.
func withSnippets(statement string) func(context.Context, *sql.DB, *question) error {
	return func(ctx context.Context, db *sql.DB, q *question) error {
		found, err := rows(ctx, db, statement, q.match)
		if err != nil || len(found) == 0 {
			return err
		}
		_, err = rows(ctx, db, snippets+strings.Join(found, ",")+")", q.match)
		return err
	}
}

// rows reads all that a statement answers, and returns the first column.
func rows(ctx context.Context, db *sql.DB, statement string, args ...any) (first []string, err error) {
	r, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	names, err := r.Columns()
	if err != nil {
		return nil, err
	}
	values := make([]sql.NullString, len(names))
	into := make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return nil, err
		}
		first = append(first, values[0].String)
	}
	return first, r.Err()
}

// address is the question to the HTTP API.
func (q *question) address() string {
	p := url.Values{"limit": {strconv.Itoa(q.Limit)}}
	if q.list {
		return inProcess + "/v1/calls?" + p.Encode()
	}
	p.Set("q", q.Text)
	if q.Sort != "" {
		p.Set("sort", q.Sort)
	}
	if len(q.Facets) > 0 {
		p.Set("facets", strings.Join(q.Facets, ","))
	}
	for _, s := range q.Filter.Sentiment {
		p.Add("sentiment", s)
	}
	for _, d := range q.Filter.Direction {
		p.Add("direction", string(d))
	}
	return inProcess + "/v1/search?" + p.Encode()
}
