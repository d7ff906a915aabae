package store

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"callsyncd/call"
)

// someStarts lie at the edges of days, weeks, months and years, and far apart.
var someStarts = []time.Time{
	time.Date(2024, 12, 29, 23, 59, 59, 999999999, time.UTC), // a Sunday
	time.Date(2024, 12, 30, 0, 0, 0, 0, time.UTC),
	time.Date(2024, 12, 31, 23, 30, 0, 0, time.UTC),
	time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
	time.Date(2025, 1, 5, 12, 0, 0, 0, time.UTC),
	time.Date(2025, 1, 6, 0, 0, 0, 0, time.FixedZone("", 3600)), // still Sunday in UTC
	time.Date(2025, 3, 1, 9, 30, 0, 0, time.UTC),
	time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC),
	time.Date(1, 2, 3, 0, 0, 0, 0, time.UTC),
}

func drawFigures(rt *rapid.T, source call.SourceID, id int) call.Record {
	r := record(source, call.ID(fmt.Sprint(id)), 0)
	c := &r.Call
	c.StartedAt = ptr(pick(rt, "started", someStarts))
	c.AgentName, c.AgentID = pick(rt, "agent", someNames), pick(rt, "agent id", []*string{nil, ptr(""), ptr("a1"), ptr("A1")})
	c.CampaignName = pick(rt, "campaign", []*string{nil, ptr("Spring"), ptr("spring")})
	c.CampaignID = pick(rt, "campaign id", []*string{nil, ptr("k1")})
	c.DurationSeconds = pick(rt, "seconds", []*float64{nil, ptr(0.0), ptr(1.5), ptr(60.0)})
	c.SentimentLabel = pick(rt, "sentiment", []*string{nil, ptr("positive"), ptr("neutral"), ptr("negative"), ptr("odd")})
	c.SentimentScore = pick(rt, "score", []*float64{nil, ptr(-0.5), ptr(0.0), ptr(1.0)})
	return r
}

// plainStats counts without the time index.
func plainStats(q call.StatsQuery, calls []*call.Call) []call.Stats {
	rows, scores := map[string]*call.Stats{}, map[string][]float64{}
	for _, c := range calls {
		if !plainMatch(q.Filter, c) {
			continue
		}
		day := c.Time().UTC().Truncate(24 * time.Hour)
		switch q.By {
		case "month":
			day = day.AddDate(0, 0, 1-day.Day())
		case "week":
			for day.Weekday() != time.Monday {
				day = day.AddDate(0, 0, -1)
			}
		}
		group := ""
		for _, v := range map[string][]*string{"source": {ptr(string(c.Source))}, "agent": {c.AgentName, c.AgentID},
			"campaign": {c.CampaignName, c.CampaignID}}[q.Group] {
			if v != nil {
				group = cmp.Or(group, *v)
			}
		}
		key := day.Format(time.RFC3339) + group
		if rows[key] == nil {
			rows[key] = &call.Stats{Period: day.Format("2006-01-02")}
			if group != "" {
				rows[key].Group = &group
			}
		}
		row := rows[key]
		row.Calls++
		if c.DurationSeconds != nil {
			row.TalkSeconds += *c.DurationSeconds
		}
		if c.SentimentLabel != nil {
			for label, n := range map[string]*int{"positive": &row.Positive, "neutral": &row.Neutral, "negative": &row.Negative} {
				if *c.SentimentLabel == label {
					*n++
				}
			}
		}
		if c.SentimentScore != nil {
			scores[key] = append(scores[key], *c.SentimentScore)
			sum := 0.0
			for _, s := range scores[key] {
				sum += s
			}
			row.ScoreMean = ptr(sum / float64(len(scores[key])))
		}
	}
	list := []call.Stats{}
	for _, row := range rows {
		list = append(list, *row)
	}
	place := func(s call.Stats) string { // the unknown group comes last
		if s.Group == nil {
			return "\xff"
		}
		return *s.Group
	}
	slices.SortFunc(list, func(a, b call.Stats) int {
		return cmp.Or(cmp.Compare(periodTime(a), periodTime(b)), cmp.Compare(place(a), place(b)))
	})
	return list
}

func periodTime(s call.Stats) int64 {
	t, err := time.Parse(time.DateOnly, s.Period)
	if err != nil {
		panic(err)
	}
	return t.Unix()
}

func TestStatsAgree(t *testing.T) {
	dir, rounds := tempDir(t), 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		s := openTest(t, fmt.Sprint(dir, rounds))
		var calls []*call.Call
		for _, source := range someSources {
			var writes []call.Write
			for i := range 15 {
				r := drawFigures(rt, source, i)
				writes = append(writes, write(r))
				r.Mirror()
				r.Call.FirstSeenAt = epoch
				calls = append(calls, &r.Call)
			}
			save(t, s, writes...)
		}
		for range 10 {
			f := drawFilter(rt)
			if !f.From.IsZero() {
				f.From = pick(rt, "from", someStarts)
			}
			for _, by := range []string{"day", "week", "month"} {
				q := call.StatsQuery{Filter: f, By: by, Group: pick(rt, "group", []string{"", "source", "agent", "campaign"})}
				got, err := s.Stats(t.Context(), q)
				same(rt, fmt.Sprintf("stats %+v", q), got, plainStats(q, calls), err)
			}
		}
	})
}

// More calls than one transaction reads, in the middle of a period.
func TestStatsBeyondOneTransaction(t *testing.T) {
	s := openTest(t, tempDir(t))
	const n = 2*rowsPerView + 10
	var writes []call.Write
	for i := range n {
		r := record("a", call.ID(fmt.Sprint(i)), 0)
		r.Call.StartedAt = ptr(epoch.Add(time.Duration(i) * time.Second))
		writes = append(writes, write(r))
	}
	save(t, s, writes...)
	got, err := s.Stats(t.Context(), call.StatsQuery{By: "week"})
	if err != nil || len(got) != 1 || got[0].Calls != n || got[0].Period != "2025-02-24" {
		t.Errorf("%+v, %v", got, err)
	}
	from, to := epoch.Add(3*time.Second), epoch.Add((n-3)*time.Second)
	got, err = s.Stats(t.Context(), call.StatsQuery{By: "day", Filter: call.Filter{From: from, To: to}})
	if err != nil || len(got) != 1 || got[0].Calls != n-6 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestStatsRefusals(t *testing.T) {
	s := openTest(t, tempDir(t))
	if got, err := s.Stats(t.Context(), call.StatsQuery{By: "day"}); err != nil || got == nil || len(got) != 0 {
		t.Errorf("an empty archive: %v, %v", got, err)
	}
	save(t, s, write(record("a", "1", 1)))
	for _, q := range []call.StatsQuery{{}, {By: "year"}, {By: "day", Group: "phone"}} {
		if _, err := s.Stats(t.Context(), q); err == nil {
			t.Errorf("%+v was accepted", q)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Stats(ctx, call.StatsQuery{By: "day"}); err == nil {
		t.Error("a cancelled context was ignored")
	}
}

// An archive of the schema before names kept their spelling and scores were
// among the facts opens with a right time index, in spite of a damaged call.
func TestMigrateFacts(t *testing.T) {
	dir := tempDir(t)
	s, err := Open(dir, Options{Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	r, bad := record("a", "1", 1), record("a", "2", 2)
	r.Call.SentimentScore = ptr(0.25)
	save(t, s, write(r), write(bad))
	err = s.db.Update(func(tx *bolt.Tx) error {
		times, old := tx.Bucket(bucketTimes), r.Call
		old.AgentName, old.SentimentScore = ptr("ada example"), nil
		facts := factsOf(&old)
		if err := times.Put(timeKey(&old), facts.encode()); err != nil {
			return err
		}
		key, err := callKey(bad.Call.Key)
		if err != nil {
			return err
		}
		if err := tx.Bucket(bucketCalls).Put(key, []byte("damaged")); err != nil {
			return err
		}
		return tx.Bucket(bucketMeta).Put(metaSchema, binary.BigEndian.AppendUint32(nil, 3))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(dir, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Stats(t.Context(), call.StatsQuery{By: "day", Group: "agent"})
	if err != nil || len(got) != 1 || *got[0].Group != "Ada Example" || got[0].Calls != 2 || *got[0].ScoreMean != 0.25 {
		t.Errorf("%+v, %v", got, err)
	}
	result, err := s.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range result.Findings {
		if f.Key != nil && *f.Key == r.Call.Key {
			t.Errorf("%s: %s", f.Kind, f.Detail)
		}
	}
}

// BenchmarkStats counts 10,000 calls by day and agent: all, and those of one agent.
func BenchmarkStats(b *testing.B) {
	s, _ := benchStore(b, 10000)
	for name, filter := range map[string]call.Filter{"all": {}, "agent": {Agent: []string{"7"}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if rows, err := s.Stats(b.Context(), call.StatsQuery{By: "day", Group: "agent", Filter: filter}); err != nil || len(rows) == 0 {
					b.Fatal(rows, err)
				}
			}
		})
	}
}
