package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// Stats counts calls over time: one row for every period and group that holds
// a call of the filter, oldest period first, within a period by group with the
// unknown one last. Names are grouped as they are spelled; calls without a
// name by the id. A period or group of another kind than call.StatsQuery names
// is an error.
//
// Every call of the filter's sources and times is looked at, in the time
// index, which costs well under a microsecond each.
func (s *Store) Stats(ctx context.Context, q call.StatsQuery) ([]call.Stats, error) {
	t, err := newStatistics(q)
	if err == nil {
		err = s.mending(ctx, func() error { return s.countOver(ctx, t) })
	}
	if err != nil {
		return nil, fmt.Errorf("count calls over time: %w", err)
	}
	return t.rows(), nil
}

func (s *Store) countOver(ctx context.Context, t *statistics) error {
	clear(t.counts)
	var sources []call.SourceID
	err := s.view(ctx, func(tx *bolt.Tx) (err error) {
		sources, err = sourcesOf(tx)
		return err
	})
	for _, source := range sources {
		if err != nil || !t.match.source(source) {
			continue
		}
		prefix := sourcePrefix(source)
		var after []byte
		if !t.match.from.IsZero() {
			after = appendTime(slices.Clone(prefix), t.match.from)
		}
		t.source, t.until = []byte(source), time.Time{}
		err = s.scan(ctx, bucketTimes, prefix, after, scanner{row: func(_ *bolt.Tx, k, v []byte) (bool, error) {
			return t.visit(k[len(prefix):], v)
		}})
	}
	return err
}

// statistics are one run of Stats.
type statistics struct {
	match  *matcher
	by     func(time.Time) (from, until time.Time)
	group  func() []byte // of the row being read; empty when unknown
	counts map[statsKey]*statsRow

	// What is being read: a row, of a source, in a period that has not begun
	// before the first row.
	source      []byte
	facts       facts
	from, until time.Time
}

// statsKey is a period, by the Unix time it begins at, and a group.
type statsKey struct {
	period int64
	group  string
}

type statsRow struct {
	call.Stats
	scores float64 // their sum
	scored int     // calls that have one
}

func newStatistics(q call.StatsQuery) (*statistics, error) {
	t := &statistics{match: newMatcher(q.Filter), counts: map[statsKey]*statsRow{}}
	switch q.By {
	case "day":
		t.by = dayOf
	case "week":
		t.by = weekOf
	case "month":
		t.by = monthOf
	default:
		return nil, fmt.Errorf("no period is named %q: want day, week or month", q.By)
	}
	switch q.Group {
	case "":
		t.group = func() []byte { return nil }
	case "source":
		t.group = func() []byte { return t.source }
	case "agent":
		t.group = func() []byte { return t.facts.nameOrID(textAgent, textAgentID) }
	case "campaign":
		t.group = func() []byte { return t.facts.nameOrID(textCampaign, textCampaignID) }
	default:
		return nil, fmt.Errorf("no group is named %q: want source, agent or campaign", q.Group)
	}
	return t, nil
}

func (f *facts) nameOrID(name, id int) []byte {
	if len(f.text[name]) > 0 {
		return f.text[name]
	}
	return f.text[id]
}

func dayOf(t time.Time) (from, until time.Time) {
	year, month, day := t.Date()
	from = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 0, 1)
}

func weekOf(t time.Time) (from, until time.Time) {
	year, month, day := t.Date()
	monday := day - (int(t.Weekday())+6)%7
	from = time.Date(year, month, monday, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 0, 7)
}

func monthOf(t time.Time) (from, until time.Time) {
	year, month, _ := t.Date()
	from = time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	return from, from.AddDate(0, 1, 0)
}

// visit counts one row of the time index; they come in the order of time. more
// is false behind the filter's times.
func (t *statistics) visit(k, v []byte) (more bool, err error) {
	at, _, err := cutTime(k)
	if err != nil {
		return false, &misled{bucketTimes, err}
	}
	if !t.match.time(at) {
		return t.match.to.IsZero() || at.Before(t.match.to), nil
	}
	if err := t.facts.decode(v); err != nil {
		return false, &misled{bucketTimes, err}
	}
	if !t.match.facts(&t.facts) {
		return true, nil
	}
	if t.until.IsZero() || !at.Before(t.until) {
		t.from, t.until = t.by(at)
	}
	t.row().add(&t.facts)
	return true, nil
}

// row is where the call being read counts.
func (t *statistics) row() *statsRow {
	group := t.group()
	row := t.counts[statsKey{t.from.Unix(), string(group)}]
	if row == nil {
		row = &statsRow{Stats: call.Stats{Period: t.from.Format(time.DateOnly)}}
		if name := string(group); name != "" {
			row.Group = &name
		}
		t.counts[statsKey{t.from.Unix(), string(group)}] = row
	}
	return row
}

func (r *statsRow) add(f *facts) {
	r.Calls++
	r.TalkSeconds += f.duration
	switch string(f.text[textSentiment]) {
	case "positive":
		r.Positive++
	case "neutral":
		r.Neutral++
	case "negative":
		r.Negative++
	}
	if f.has(hasScore) {
		r.scores += f.score
		r.scored++
	}
}

// rows are the counts in order.
func (t *statistics) rows() []call.Stats {
	keys := make([]statsKey, 0, len(t.counts))
	for key := range t.counts {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b statsKey) int {
		if c := cmp.Compare(a.period, b.period); c != 0 {
			return c
		}
		if (a.group == "") != (b.group == "") {
			return strings.Compare(b.group, a.group)
		}
		return strings.Compare(a.group, b.group)
	})
	rows := make([]call.Stats, len(keys))
	for i, key := range keys {
		row := t.counts[key]
		if row.scored > 0 {
			mean := row.scores / float64(row.scored)
			row.ScoreMean = &mean
		}
		rows[i] = row.Stats
	}
	return rows
}
