package index

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/bleve/v2/registry"
	_ "modernc.org/sqlite" // the driver "sqlite", with FTS5

	"callsyncd/call"
	"callsyncd/simulator"
)

// The oracle is SQLite's FTS5 over the same calls. Its table exact holds the
// texts as they are: its tokenizer unicode61 splits, lowers and drops
// diacritics by the rules of ours once apostrophes within words are made word
// characters and all others are taken out of the text. Its table stemmed holds
// the stem of each word in its place, so that equal stems are equal words
// there. The columns are the fields in which we look; pieces of text, such as
// turns, are held apart by a word of their own.
type oracle struct {
	db      *sql.DB
	stemmer analysis.Analyzer
	stems   map[string]string
}

const betweenPieces = " \uE000 "

var (
	looseApostrophe = regexp.MustCompile(`(^|[^\pL\pM])'+|'+([^\pL]|$)`)
	oracleWord      = regexp.MustCompile(`[\pL\pM\pN\pCo]+(?:'[\pL][\pL\pM\pN]*)*`)
)

func newOracle(t *testing.T, calls []call.Call) *oracle {
	t.Helper()
	en, err := registry.NewCache().AnalyzerNamed("en")
	if err != nil {
		t.Fatal(err)
	}
	o := &oracle{stemmer: en, stems: map[string]string{}}
	if o.db, err = sql.Open("sqlite", ":memory:"); err != nil {
		t.Fatal(err)
	}
	o.db.SetMaxOpenConns(1) // one memory
	t.Cleanup(func() { _ = o.db.Close() })
	for _, table := range []string{"exact", "stemmed"} {
		o.exec(t, "CREATE VIRTUAL TABLE "+table+` USING fts5(agent, customer, rest, id UNINDEXED,
			tokenize = "unicode61 remove_diacritics 2 tokenchars ''''")`)
	}
	o.exec(t, "BEGIN")
	for i := range calls {
		agent, customer, rest := oracleTexts(&calls[i])
		o.exec(t, "INSERT INTO exact VALUES (?, ?, ?, ?)", agent, customer, rest, calls[i].ID)
		o.exec(t, "INSERT INTO stemmed VALUES (?, ?, ?, ?)", o.stemsOf(agent), o.stemsOf(customer), o.stemsOf(rest), calls[i].ID)
	}
	o.exec(t, "COMMIT")
	return o
}

func (o *oracle) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	if _, err := o.db.Exec(statement, args...); err != nil {
		t.Fatal(err)
	}
}

// oracleTexts is what is searched of a call, from the query language's description.
func oracleTexts(c *call.Call) (agent, customer, rest string) {
	sides := map[call.Speaker][]string{}
	for _, turn := range c.Transcript {
		sides[turn.Speaker] = append(sides[turn.Speaker], turn.Text)
	}
	others := slices.Concat(sides[call.SpeakerOther], c.Topics)
	for _, text := range []*string{c.Summary, c.Note, c.AgentName, c.ContactName, c.ContactEmail, c.CampaignName} {
		if text != nil {
			others = append(others, *text)
		}
	}
	join := func(pieces []string) string {
		return looseApostrophe.ReplaceAllString(strings.Join(pieces, betweenPieces), "$1 $2")
	}
	return join(sides[call.SpeakerAgent]), join(sides[call.SpeakerCustomer]), join(others)
}

func (o *oracle) stemsOf(text string) string {
	words := oracleWord.FindAllString(text, -1)
	for i, w := range words {
		words[i] = o.stem(w)
	}
	return strings.Join(words, " ")
}

// stem is the English stem of a word; the word itself when it has none.
func (o *oracle) stem(w string) string {
	w = strings.ToLower(w)
	stem, ok := o.stems[w]
	if !ok {
		stem = w
		if tokens := o.stemmer.Analyze([]byte(w)); len(tokens) == 1 {
			stem = string(tokens[0].Term)
		}
		o.stems[w] = stem
	}
	return stem
}

// ids are the calls that match, in ascending order.
func (o *oracle) ids(t *testing.T, table, match string) []string {
	t.Helper()
	rows, err := o.db.Query("SELECT id FROM "+table+" WHERE "+table+" MATCH ? ORDER BY id", match)
	if err != nil {
		t.Fatalf("%s: %v", match, err)
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			t.Fatal(err)
		}
		out = append(out, id)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// allIDs pages through everything a query finds.
func allIDs(t testing.TB, x *Index, q call.SearchQuery) []string {
	t.Helper()
	out := []string{}
	for {
		r, err := x.Search(t.Context(), q)
		if err != nil {
			t.Fatalf("search %q: %v", q.Text, err)
		}
		for _, h := range r.Hits {
			out = append(out, string(h.Call.ID))
		}
		if q.After = r.Next; q.After == "" {
			if len(out) != r.Total {
				t.Errorf("search %q: %d hits on all pages, total %d", q.Text, len(out), r.Total)
			}
			return out
		}
	}
}

// oracleQuery is the same question in both languages.
type oracleQuery struct{ ours, table, theirs string }

// asker makes questions from the words of random calls.
type asker struct {
	*rand.Rand
	o      *oracle
	pieces [][]string // the words of every piece of text
}

func newAsker(o *oracle, calls []call.Call) *asker {
	a := &asker{Rand: rand.New(rand.NewPCG(7, 11)), o: o}
	for i := range calls {
		for _, column := range func() []string { x, y, z := oracleTexts(&calls[i]); return []string{x, y, z} }() {
			for piece := range strings.SplitSeq(column, betweenPieces) {
				if words := oracleWord.FindAllString(piece, -1); len(words) > 1 {
					a.pieces = append(a.pieces, words)
				}
			}
		}
	}
	return a
}

// word draws a word that is no number: numbers may be telephone numbers.
func (a *asker) word() string {
	for {
		piece := a.pieces[a.IntN(len(a.pieces))]
		if w := strings.ToLower(piece[a.IntN(len(piece))]); w[0] > '9' {
			return w
		}
	}
}

// span draws some words that stand side by side.
func (a *asker) span() string {
	piece := a.pieces[a.IntN(len(a.pieces))]
	from := a.IntN(len(piece) - 1)
	to := min(len(piece), from+2+a.IntN(5))
	return `"` + strings.Join(piece[from:to], " ") + `"`
}

func quoted(s string) string { return `"` + s + `"` }

// questions are the kinds of queries, by name.
func (a *asker) questions() map[string]func() oracleQuery {
	stem := func(w string) string { return quoted(a.o.stem(w)) }
	return map[string]func() oracleQuery{
		"word": func() oracleQuery {
			w := quoted(a.word())
			return oracleQuery{w, "exact", w}
		},
		"stemmed word": func() oracleQuery {
			w := a.word()
			return oracleQuery{w, "stemmed", stem(w)}
		},
		"conjunction": func() oracleQuery {
			q := oracleQuery{table: "exact"}
			for i := range 2 + a.IntN(3) {
				w := quoted(a.word())
				q.ours += " " + w
				q.theirs += []string{"", " AND "}[min(i, 1)] + w
			}
			return q
		},
		"stemmed conjunction": func() oracleQuery {
			w, v, u := a.word(), a.word(), a.word()
			return oracleQuery{w + " " + v + " " + u, "stemmed", stem(w) + " AND " + stem(v) + " AND " + stem(u)}
		},
		"phrase": func() oracleQuery {
			span := a.span()
			return oracleQuery{span, "exact", span}
		},
		"phrase out of order": func() oracleQuery {
			p := quoted(a.word() + " " + a.word())
			return oracleQuery{p, "exact", p}
		},
		"phrase and word": func() oracleQuery {
			p, w := a.span(), quoted(a.word())
			return oracleQuery{p + " " + w, "exact", p + " AND " + w}
		},
		"exclusion": func() oracleQuery {
			w, v := quoted(a.word()), quoted(a.word())
			return oracleQuery{w + " -" + v, "exact", w + " NOT " + v}
		},
		"alternatives": func() oracleQuery {
			w, v, p := quoted(a.word()), quoted(a.word()), a.span()
			return oracleQuery{w + " " + v + " OR " + p, "exact", w + " AND (" + v + " OR " + p + ")"}
		},
		"prefix": func() oracleQuery {
			for {
				if r := []rune(a.word()); len(r) >= minOpenLetters && !strings.Contains(string(r), "'") {
					p := string(r[:minOpenLetters+a.IntN(len(r)-minOpenLetters+1)])
					return oracleQuery{p + "*", "exact", quoted(p) + "*"}
				}
			}
		},
		"one side": func() oracleQuery {
			side, p := []string{"agent", "customer"}[a.IntN(2)], a.span()
			return oracleQuery{side + ":" + p, "exact", side + " : " + p}
		},
	}
}

// simulatedCalls are n calls of the simulator, a few of them with notes in
// letters that English does not have.
func simulatedCalls(n int) []call.Call {
	sim := simulator.New(simulator.Options{Seed: 5, Calls: (n + 4) / 5, Span: 365 * 24 * time.Hour,
		Now: func() time.Time { return testTime(0) }})
	notes := []string{"Café Zürich, très naïve façade", "Señor Müller rief wegen der Straße an", "l'été à la Plage, rock ’n’ roll"}
	var out []call.Call
	for _, v := range sim.Vendors() {
		for i, truth := range sim.Truth(v.Name) {
			c := truth.Call
			c.Source, c.Parts = call.SourceID(v.Name), truth.Parts
			c.Key = call.Key{Source: c.Source, ID: c.ID}
			if c.Note == nil && i%10 == 0 {
				c.Note = &notes[i/10%len(notes)]
			}
			out = append(out, c)
		}
	}
	return out[:min(n, len(out))]
}

// What a search finds is what SQLite's FTS5 finds.
func TestSearchFindsWhatSQLiteFinds(t *testing.T) {
	size, each := 3000, 50
	if underRace {
		each = 10 // nothing here is done at the same time as anything else
	}
	if n, err := strconv.Atoi(os.Getenv("CALLSYNCD_ORACLE_CALLS")); err == nil {
		size, each = n, 400
	}
	calls := simulatedCalls(size)
	src := newMemory()
	src.put(calls...)
	x := openTest(t, t.TempDir(), src)
	for key, r := range src.records { // hits need no text, and snippets cost time
		r.Call.Transcript, r.Call.Summary = nil, nil
		src.records[key] = r
	}
	o := newOracle(t, calls)
	a := newAsker(o, calls)
	for name, ask := range sorted(a.questions()) {
		t.Run(name, func(t *testing.T) {
			found := 0
			for range each {
				q := ask()
				want := o.ids(t, q.table, q.theirs)
				got := allIDs(t, x, call.SearchQuery{Text: q.ours, Limit: maxLimit})
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Fatalf("search %s: %d calls, SQLite finds %d with %s: %s", q.ours, len(got), len(want), q.theirs, difference(got, want))
				}
				found += len(got)
			}
			t.Logf("%d queries, %d hits in %d calls", each, found, len(calls))
			if found == 0 && !underRace {
				t.Error("nothing was ever found, so nothing was compared")
			}
		})
	}
}

// sorted goes through a map in the order of its keys, so that the same seed
// asks the same.
func sorted[V any](m map[string]V) func(yield func(string, V) bool) {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return func(yield func(string, V) bool) {
		for _, name := range names {
			if !yield(name, m[name]) {
				return
			}
		}
	}
}

func difference(got, want []string) string {
	only := func(a, b []string) []string {
		var out []string
		for _, id := range a {
			if _, ok := slices.BinarySearch(b, id); !ok && len(out) < 5 {
				out = append(out, id)
			}
		}
		return out
	}
	return fmt.Sprintf("only here %q, only there %q", only(got, want), only(want, got))
}
