package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// TestCheckFinds damages an archive row by row: nothing stays unnoticed.
func TestCheckFinds(t *testing.T) {
	first := func(tx *bolt.Tx, bucket []byte) (b *bolt.Bucket, k, v []byte) {
		b = tx.Bucket(bucket)
		k, v = b.Cursor().First()
		return b, bytes.Clone(k), bytes.Clone(v)
	}
	remove := func(bucket []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b, k, _ := first(tx, bucket)
			return b.Delete(k)
		}
	}
	flip := func(bucket []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b, k, v := first(tx, bucket)
			v[len(v)-1] ^= 1
			return b.Put(k, v)
		}
	}
	add := func(bucket []byte) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			b, k, v := first(tx, bucket)
			return b.Put(append(k, 0), v)
		}
	}
	swap := func(tx *bolt.Tx) error { // a whole, sound version of another call
		b, k, _ := first(tx, bucketVersions)
		_, other := b.Cursor().Last()
		return b.Put(k, bytes.Clone(other))
	}
	tests := map[string]struct {
		damage func(*bolt.Tx) error
		want   string
	}{
		"call gone":               {remove(bucketCalls), "bad_counts"},
		"call changed":            {flip(bucketCalls), "bad_call"},
		"version gone":            {remove(bucketVersions), "bad_version"},
		"version changed":         {flip(bucketVersions), "bad_version"},
		"version of another call": {swap, "bad_version"},
		"version added":           {add(bucketVersions), "bad_version"},
		"transcript changed":      {flip(bucketTranscripts), "bad_transcript"},
		"transcript without call": {add(bucketTranscripts), "bad_transcript"},
		"time row gone":           {remove(bucketTimes), "bad_index"},
		"time row changed":        {flip(bucketTimes), "bad_index"},
		"time row added":          {add(bucketTimes), "bad_index"},
		"due row gone":            {remove(bucketDue), "bad_index"},
		"due row added":           {add(bucketDue), "bad_index"},
		"deadline row changed":    {flip(bucketDeadlines), "bad_index"},
		"gap gone":                {remove(bucketGaps), "bad_index"},
		"counters gone":           {remove(bucketCounts), "bad_counts"},
		"counters changed": {func(tx *bolt.Tx) error {
			b, k, v := first(tx, bucketCounts)
			return b.Put(k, bytes.Replace(v, []byte(`"calls":2`), []byte(`"calls":3`), 1))
		}, "bad_counts"},
		"feed entry gone":    {remove(bucketChanges), "bad_feed"},
		"feed entry changed": {flip(bucketChanges), "bad_feed"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := Open(tempDir(t), Options{Now: testClock()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for _, id := range []call.ID{"1", "2"} {
				r := record("crm", id, 1)
				r.Parts.Transcript.State = call.Stored
				r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: "Hello " + string(id)}}
				r.Parts.Recording = call.Part{State: call.Pending, NextTry: epoch, Deadline: epoch}
				save(t, s, write(r))
				r.Call.Transcript[0].Text = "Hello again"
				save(t, s, call.Write{Record: r})
			}
			checkClean(t, s)
			if err := s.db.Update(test.damage); err != nil {
				t.Fatal(err)
			}
			result, err := s.Check(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, f := range result.Findings {
				kinds = append(kinds, f.Kind)
			}
			if !strings.Contains(strings.Join(kinds, " "), test.want) {
				t.Errorf("found %+v, want %s", result.Findings, test.want)
			}
		})
	}
}

func TestCheckLeavesNoCopy(t *testing.T) {
	dir := tempDir(t)
	s := openTest(t, dir)
	save(t, s, write(record("crm", "1", 0)), write(record("crm", "2", 0)))
	if result := checkClean(t, s); result.Calls != 2 || result.Versions != 2 {
		t.Errorf("%+v", result)
	}
	copied := filepath.Join(dir, snapshotName)
	if exists, err := regularFile(copied); exists || err != nil {
		t.Errorf("the copy is left: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, copied, "left by a crash")
	openTest(t, dir)
	if exists, err := regularFile(copied); exists || err != nil {
		t.Errorf("the crash's copy is left: %v", err)
	}
}

// TestCheckFindsAnyFlippedBit flips one bit at a time of the values that
// nothing else implies.
func TestCheckFindsAnyFlippedBit(t *testing.T) {
	s := openTest(t, tempDir(t))
	r := record("crm", "1", 0)
	r.Call.Metadata = json.RawMessage(`{"rating": 5}`)
	w := write(r)
	w.Documents, w.Events = documents("a"), []call.Event{{Kind: call.EventParts, Note: "a word"}}
	if err := s.Save(t.Context(), call.Batch{Source: "crm", Writes: []call.Write{w}, Checkpoint: &call.Checkpoint{PageSize: 25}, Budget: spent(`{"used": 7}`), Statement: &call.Statement{}}); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveLookup(t.Context(), "crm", call.LookupTable{Name: "agents"}); err != nil {
		t.Fatal(err)
	}
	checkClean(t, s)
	for _, bucket := range [][]byte{bucketCalls, bucketVersions, bucketHistory, bucketCheckpoints, bucketBudgets, bucketStatements, bucketLookups} {
		var key, value []byte
		err := s.db.View(func(tx *bolt.Tx) error {
			k, v := tx.Bucket(bucket).Cursor().First()
			key, value = bytes.Clone(k), bytes.Clone(v)
			return nil
		})
		if err != nil || value == nil {
			t.Fatal(bucket, err)
		}
		put := func(v []byte) {
			if err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucket).Put(key, v) }); err != nil {
				t.Fatal(err)
			}
		}
		for bit := 0; bit < 8*len(value); bit += 1 + len(value) {
			damaged := bytes.Clone(value)
			damaged[bit/8] ^= 1 << (bit % 8)
			put(damaged)
			if result, err := s.Check(t.Context()); err != nil || len(result.Findings) == 0 {
				t.Errorf("bit %d of a row of %s: %v, no finding", bit, bucket, err)
			}
		}
		put(value)
	}
	checkClean(t, s)
}

// Values of before there were checksums are read as they are.
func TestUnsealedValues(t *testing.T) {
	for _, b := range [][]byte{nil, {}, []byte(`{"a": 1}`), {recordFormat, 0, 1}} {
		if got, err := openRow(nil, b); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%q became %q, %v", b, got, err)
		}
	}
	if _, err := unseal(nil, []byte{sealed, 1}); !errors.Is(err, call.ErrCorrupt) {
		t.Errorf("cut short: %v", err)
	}
	once := sealRow([]byte("k"), []byte("{}"))
	if got, err := openRow([]byte("k"), once); err != nil || string(got) != "{}" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := openRow([]byte("other"), once); !errors.Is(err, call.ErrCorrupt) {
		t.Errorf("under another key: %v", err)
	}
}
