package store

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// benchWords are what invented conversations are made of.
var benchWords = strings.Fields(`account address agent appointment billing calendar cancel charge confirm contract customer
	delivery deposit discount email estimate friday hello help hour insurance invoice issue later manager meeting minute
	monday month morning number office offer order package payment people phone plan please policy price problem product
	question quote receipt refund reminder repair replace report request schedule service shipping signature solution
	support team thank ticket today tomorrow tuesday update upgrade vacation visit warranty website week welcome year`)

// benchPage makes a page of calls as vendors send them: a list row, a detail
// with an inline transcript, a summary.
func benchPage(page, size int) call.Batch {
	rng := rand.New(rand.NewPCG(1, uint64(page)))
	sentence := func(n int) string {
		words := make([]string, n)
		for i := range words {
			words[i] = benchWords[rng.IntN(len(benchWords))]
		}
		return strings.Join(words, " ")
	}
	b := call.Batch{Source: "bench", Checkpoint: &call.Checkpoint{PageSize: page}, Budget: spent(`{"used":1}`)}
	for i := range size {
		r := record("bench", call.ID(fmt.Sprintf("%016x-%016x", rng.Uint64(), rng.Uint64())), page*size+i)
		r.Parts.Transcript.State, r.Parts.Summary.State = call.Stored, call.Stored
		r.Parts.Recording = call.Part{State: call.Pending, NextTry: epoch, Deadline: *r.Call.StartedAt}
		r.Call.Summary, r.Call.ContactName = ptr(sentence(40)), ptr("Grace Example")
		r.Call.AgentID = ptr(fmt.Sprint(rng.IntN(50)))
		var said []map[string]any
		for turn := range 30 {
			speaker := []call.Speaker{call.SpeakerAgent, call.SpeakerCustomer}[turn%2]
			text := sentence(5 + rng.IntN(25))
			r.Call.Transcript = append(r.Call.Transcript, call.Turn{Speaker: speaker, Text: text, StartSeconds: ptr(float64(turn * 7))})
			said = append(said, map[string]any{"role": speaker, "content": text, "seconds_from_start": turn * 7})
		}
		detail, err := json.Marshal(map[string]any{"data": map[string]any{"id": r.Call.ID, "transcript": said, "summary": r.Call.Summary}})
		if err != nil {
			panic(err)
		}
		list := fmt.Sprintf(`{"id":%q,"started_at":%q,"duration":%d,"phone":"+15555550100","agent":%q,"status":"completed"}`, r.Call.ID, r.Call.StartedAt.Format(time.RFC3339), i, *r.Call.AgentID)
		b.Writes = append(b.Writes, call.Write{Record: r, Kind: call.ChangeNew, Documents: call.Documents{
			call.DocumentList: {Body: json.RawMessage(list), FetchedAt: epoch}, "detail": {Body: detail, FetchedAt: epoch}}})
	}
	return b
}

// benchStore is an archive of n calls, written 500 at a time.
func benchStore(b *testing.B, n int) (*Store, []call.Key) {
	b.Helper()
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	var keys []call.Key
	for page := range n / 500 {
		batch := benchPage(page, 500)
		if err := s.Save(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		for _, w := range batch.Writes {
			keys = append(keys, w.Record.Call.Key)
		}
	}
	return s, keys
}

// BenchmarkSavePage saves pages of 100 new calls each.
func BenchmarkSavePage(b *testing.B) {
	s, _ := benchStore(b, 0)
	page := 0
	for b.Loop() {
		b.StopTimer()
		batch := benchPage(page, 100)
		page++
		b.StartTimer()
		if err := s.Save(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkListLatest lists the newest 50 of 20,000 calls: of all, and of one agent.
func BenchmarkListLatest(b *testing.B) {
	s, _ := benchStore(b, 20000)
	for name, filter := range map[string]call.Filter{"all": {}, "agent": {AgentID: []string{"7"}}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if list, err := s.List(b.Context(), call.ListQuery{Limit: 50, Filter: filter}); err != nil || len(list.Calls) != 50 {
					b.Fatal(len(list.Calls), err)
				}
			}
		})
	}
}

// BenchmarkLoad loads single calls, with and without transcript, and what
// decides whether a page is news.
func BenchmarkLoad(b *testing.B) {
	s, keys := benchStore(b, 20000)
	rng := rand.New(rand.NewPCG(1, 2))
	b.Run("full", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Load(b.Context(), keys[rng.IntN(len(keys))]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("light", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.LoadLight(b.Context(), keys[rng.IntN(len(keys))]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("known100", func(b *testing.B) {
		ids := make([]call.ID, 100)
		for b.Loop() {
			for i := range ids {
				ids[i] = keys[rng.IntN(len(keys))].ID
			}
			if known, err := s.Known(b.Context(), "bench", ids); err != nil || len(known) == 0 {
				b.Fatal(len(known), err)
			}
		}
	})
}

// BenchmarkRederive holds 20,000 calls against what is derived from them, and has
// all of that made anew, beside reading the calls alone.
func BenchmarkRederive(b *testing.B) {
	s, _ := benchStore(b, 20000)
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if err := s.Each(b.Context(), "", func(call.Record) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("sound", func(b *testing.B) {
		for b.Loop() {
			if mended, err := s.Rederive(b.Context(), ""); err != nil || mended {
				b.Fatal(mended, err)
			}
		}
	})
	b.Run("mended", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			err := s.db.Update(func(tx *bolt.Tx) error {
				c := tx.Bucket(bucketTimes).Cursor()
				c.First()
				return c.Delete()
			})
			b.StartTimer()
			if mended, mendErr := s.Rederive(b.Context(), ""); err != nil || mendErr != nil || !mended {
				b.Fatal(mended, err, mendErr)
			}
		}
	})
}
