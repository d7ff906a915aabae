package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "github.com/mattn/go-sqlite3"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
)

// The rows of calls are in the order of time, so that FTS5 finds the newest
// first without sorting, which is its best plan. A program that learns of old
// calls after new ones could not number them so.
const tables = `
CREATE TABLE calls(rowid INTEGER PRIMARY KEY, key TEXT, source TEXT, direction TEXT, status TEXT, sentiment TEXT,
	campaign TEXT, agent TEXT, month TEXT, started_at TEXT, duration REAL, summary TEXT);
CREATE TABLE texts(rowid INTEGER PRIMARY KEY, agent TEXT, customer TEXT, rest TEXT);
CREATE VIRTUAL TABLE fts USING fts5(agent, customer, rest, content='texts', content_rowid='rowid', prefix='3 4',
	tokenize="porter unicode61 remove_diacritics 2 tokenchars ''''");`

// openSQLite opens the same calls in SQLite, filling the file on first use.
func openSQLite(ctx context.Context, dir string, a *service.Archive) (*sql.DB, error) {
	path := filepath.Join(dir, "fts5.db")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, "copying the calls into SQLite")
		if err := fillSQLite(ctx, path+".draft", a); err != nil {
			return nil, err
		}
		if err := os.Rename(path+".draft", path); err != nil {
			return nil, err
		}
	}
	// 256 MB of page cache and memory mapping: all of the file.
	db, err := sql.Open("sqlite3", path+"?_cache_size=-262144&mode=ro")
	if err == nil {
		db.SetMaxOpenConns(1)
		_, err = db.ExecContext(ctx, "PRAGMA mmap_size=2000000000")
	}
	return db, err
}

func fillSQLite(ctx context.Context, path string, a *service.Archive) (err error) {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	db, err := sql.Open("sqlite3", path+"?_journal_mode=off&_synchronous=off")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, tables); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := eachCall(ctx, a, func(row int, c *call.Call) error { return insert(ctx, tx, row, c) }); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, "INSERT INTO fts(fts) VALUES('optimize'); ANALYZE")
	return err
}

// eachCall goes through all calls of an archive, the oldest first, with row
// numbers from 1.
func eachCall(ctx context.Context, a *service.Archive, fn func(row int, c *call.Call) error) error {
	api := client.New(inProcess, a.Token(), client.InProcess(a.Handler()))
	list := client.ListOptions{ListQuery: call.ListQuery{Ascending: true, Limit: 200}, Show: client.Show{Include: []string{"transcript"}}}
	row := 0
	return api.AllCalls(ctx, list, func(c client.Call) error {
		row++
		return fn(row, &c.Call)
	})
}

func insert(ctx context.Context, tx *sql.Tx, row int, c *call.Call) error {
	agent, customer, rest := columns(c)
	campaign, name := c.CampaignName, c.AgentName
	if name == nil {
		name = c.AgentID
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO calls VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", row, c.Key.String(), string(c.Source),
		c.Direction, c.Status, c.SentimentLabel, campaign, name, c.Time().UTC().Format("2006-01"), c.Time().UTC(), c.DurationSeconds, c.Summary)
	if err == nil {
		_, err = tx.ExecContext(ctx, "INSERT INTO texts VALUES (?,?,?,?)", row, agent, customer, rest)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "INSERT INTO fts(rowid, agent, customer, rest) VALUES (?,?,?,?)", row, agent, customer, rest)
	}
	return err
}

// columns are the texts of a call as the index has them: what each side said,
// and the rest.
func columns(c *call.Call) (agent, customer, rest string) {
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
	join := func(pieces []string) string { return strings.Join(pieces, " \uE000 ") }
	return join(sides[call.SpeakerAgent]), join(sides[call.SpeakerCustomer]), join(others)
}

// vocabulary draws words and phrases of the calls by how common they are.
type vocabulary struct {
	*rand.Rand
	words         []string // in ascending order
	calls         map[string]int
	total         int
	phrases       []string // of three to five words
	commonPhrases []string // of words that a tenth of all calls hold or more
	rarest        []string
	textSize      int
}

func newVocabulary(ctx context.Context, db *sql.DB) (*vocabulary, error) {
	v := &vocabulary{Rand: rand.New(rand.NewPCG(3, 5)), calls: map[string]int{}}
	rows, err := db.QueryContext(ctx, "SELECT agent, customer, rest FROM texts")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var columns [3]string
		if err := rows.Scan(&columns[0], &columns[1], &columns[2]); err != nil {
			return nil, err
		}
		v.add(columns[:])
	}
	for w := range v.calls {
		if len(w) > 2 {
			v.words = append(v.words, w)
		}
	}
	slices.Sort(v.words)
	v.rarest = slices.Clone(v.words)
	slices.SortStableFunc(v.rarest, func(a, b string) int { return v.calls[a] - v.calls[b] })
	v.rarest = v.rarest[:min(100, len(v.rarest))]
	for _, p := range v.phrases {
		if words := strings.Fields(p); !slices.ContainsFunc(words, func(w string) bool { return 10*v.calls[w] < v.total }) {
			v.commonPhrases = append(v.commonPhrases, p)
		}
	}
	return v, rows.Err()
}

func (v *vocabulary) add(columns []string) {
	v.total++
	seen := map[string]bool{}
	for _, column := range columns {
		v.textSize += len(column)
		for piece := range strings.SplitSeq(column, "\uE000") {
			words := strings.FieldsFunc(strings.ToLower(piece), func(r rune) bool { return r < 'a' || r > 'z' })
			for _, w := range words {
				seen[w] = true
			}
			if len(words) > 6 && v.IntN(200) == 0 {
				from := v.IntN(len(words) - 5)
				v.phrases = append(v.phrases, strings.Join(words[from:from+3+v.IntN(3)], " "))
			}
		}
	}
	for w := range seen {
		v.calls[w]++
	}
}

// draw returns a word that between low and high of all calls hold, as shares.
func (v *vocabulary) draw(low, high float64) string {
	for {
		w := v.words[v.IntN(len(v.words))]
		if share := float64(v.calls[w]) / float64(v.total); share >= low && share <= high {
			return w
		}
	}
}

// rare returns one of the hundred rarest words.
func (v *vocabulary) rare() string { return v.rarest[v.IntN(len(v.rarest))] }

func (v *vocabulary) phrase() string       { return v.phrases[v.IntN(len(v.phrases))] }
func (v *vocabulary) commonPhrase() string { return v.commonPhrases[v.IntN(len(v.commonPhrases))] }
