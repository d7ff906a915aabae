package store

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// spoil flips a bit in the middle of the first value of a bucket whose key
// begins so, and returns what came of it.
func spoil(t *testing.T, s *Store, bucket, prefix []byte) (value []byte) {
	t.Helper()
	err := s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		k, v := b.Cursor().Seek(prefix)
		value = bytes.Clone(v)
		value[len(value)/2] ^= 1
		return b.Put(bytes.Clone(k), value)
	})
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func keyBytes(t *testing.T, key call.Key) []byte {
	t.Helper()
	b, err := callKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// spoiledStore holds five calls of crm and one of another source; the records of
// "2" and "4" cannot be read.
func spoiledStore(t *testing.T) (*Store, [][]byte) {
	s := openTest(t, tempDir(t))
	for i, id := range []call.ID{"1", "2", "3", "4", "5"} {
		r := record("crm", id, i)
		r.Parts.Transcript.State = call.Stored
		r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: "Hello " + string(id)}}
		r.Parts.Recording = call.Part{State: call.Lost, Reason: "gone"}
		save(t, s, write(r))
		r.Call.Transcript[0].Text = "Hello again"
		save(t, s, call.Write{Record: r})
	}
	save(t, s, write(record("other", "2", 9)))
	var values [][]byte
	for _, id := range []call.ID{"2", "4"} {
		values = append(values, spoil(t, s, bucketCalls, keyBytes(t, call.Key{Source: "crm", ID: id})))
	}
	return s, values
}

// Whatever meets a record that cannot be read goes on with the others: what is
// left of the call is pending, what cannot be read is kept.
func TestUnreadableRecordIsSetAside(t *testing.T) {
	two := call.Key{Source: "crm", ID: "2"}
	for name, meet := range map[string]func(t *testing.T, s *Store) (n int, err error){
		"known": func(t *testing.T, s *Store) (int, error) {
			known, err := s.Known(t.Context(), "crm", []call.ID{"1", "2", "3", "4", "5"})
			if known["2"].ListFingerprint != "" || known["3"].ListFingerprint == "" {
				t.Errorf("%+v", known)
			}
			return len(known), err
		},
		"each": func(t *testing.T, s *Store) (n int, err error) {
			err = s.Each(t.Context(), "crm", func(call.Record) error { n++; return nil })
			return n, err
		},
		"list": func(t *testing.T, s *Store) (int, error) {
			list, err := s.List(t.Context(), call.ListQuery{Filter: call.Filter{Source: []call.SourceID{"crm"}}})
			return len(list.Calls), err
		},
		"gaps": func(t *testing.T, s *Store) (int, error) {
			gaps, _, err := s.Gaps(t.Context(), "crm", "", 100)
			keys := make(map[call.Key]bool)
			for _, gap := range gaps {
				keys[gap.Key] = true
			}
			return len(keys), err
		},
		"load":      func(t *testing.T, s *Store) (int, error) { _, err := s.Load(t.Context(), two); return 5, err },
		"documents": func(t *testing.T, s *Store) (int, error) { _, err := s.Documents(t.Context(), two); return 5, err },
		"versions":  func(t *testing.T, s *Store) (int, error) { _, err := s.Versions(t.Context(), two); return 5, err },
		"acknowledge": func(t *testing.T, s *Store) (int, error) {
			return 5, s.Acknowledge(t.Context(), call.Key{Source: "crm", ID: "1"}, call.PartRecording, "known")
		},
		"save": func(t *testing.T, s *Store) (int, error) {
			r := record("crm", "2", 1)
			return 5, s.Save(t.Context(), call.Batch{Source: "crm", Writes: []call.Write{{Record: record("crm", "5", 5)}, {Record: r}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, values := spoiledStore(t)
			if n, err := meet(t, s); err != nil || n != 5 {
				t.Fatalf("%d calls, %v", n, err)
			}
			for i, id := range []call.ID{"2", "4"} {
				key := call.Key{Source: "crm", ID: id}
				if name == "save" && id == "2" {
					continue // it was written anew
				}
				r := load(t, s, key)
				if p := r.Parts.Record; p.State != call.Pending || p.Reason != call.Damaged || p.NextTry.IsZero() || p.Deadline.IsZero() || len(r.Fingerprints) > 0 {
					t.Errorf("%s: %+v", id, r)
				}
				if r.Call.Version != 1 || !r.Call.FirstSeenAt.Before(epoch.Add(time.Minute)) {
					t.Errorf("version %d, first seen %s", r.Call.Version, r.Call.FirstSeenAt)
				}
				docs, err := s.Documents(t.Context(), key)
				if err != nil || !bytes.Equal(docs[call.DocumentList].Body, documents(string(id))[call.DocumentList].Body) {
					t.Errorf("documents %v, %v", docs, err)
				}
				if kept := asideOf(t, s, key); !slices.ContainsFunc(kept, func(v []byte) bool { return bytes.Equal(v, values[i]) }) {
					t.Errorf("the spoiled value is not among the %d kept", len(kept))
				}
				life, err := s.History(t.Context(), key)
				if err != nil || !slices.ContainsFunc(life, func(e call.Event) bool { return e.Kind == call.EventDamaged }) {
					t.Errorf("its life does not tell: %+v %v", life, err)
				}
			}
			var told []call.Key
			if err := s.Aside(t.Context(), func(key call.Key, at time.Time) error { told = append(told, key); return nil }); err != nil || len(told) != 4 { // records and transcripts
				t.Errorf("%v are told of, %v", told, err)
			}
			counts, err := s.Counts(t.Context(), "crm")
			if err != nil || counts.Calls != 5 || counts.Pending[call.PartRecord] < 1 {
				t.Errorf("%+v %v", counts, err)
			}
		})
	}
}

func asideOf(t *testing.T, s *Store, key call.Key) (values [][]byte) {
	t.Helper()
	err := s.scan(context.Background(), bucketAside, keyBytes(t, key), nil, scanner{row: func(_ *bolt.Tx, _, v []byte) (bool, error) {
		values = append(values, bytes.Clone(v))
		return true, nil
	}})
	if err != nil {
		t.Error(err)
	}
	return values
}

// A call whose versions are gone too waits to be listed, and may be given up.
func TestNothingIsLeftOfACall(t *testing.T) {
	s, err := Open(tempDir(t), Options{Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := call.Key{Source: "crm", ID: "1"}
	save(t, s, write(record("crm", "1", 1)))
	r := load(t, s, key)
	at := r.Call.Time()
	spoil(t, s, bucketCalls, nil)
	spoil(t, s, bucketVersions, nil)
	docs, err := s.Documents(t.Context(), key)
	if r := load(t, s, key); err != nil || len(docs) > 0 || !r.Parts.Record.Overdue() || !r.Call.Time().Equal(at) {
		t.Errorf("%+v, %d documents, %v", r, len(docs), err)
	}
	save(t, s, write(record("crm", "1", 1)))
	if docs, err = s.Documents(t.Context(), key); err != nil || len(docs) != 1 {
		t.Errorf("listed again: %v %v", docs, err)
	}
}

// A version or a transcript that cannot be read has the call read again, unless
// later versions brought all there is.
func TestUnreadableVersionHasTheCallReadAgain(t *testing.T) {
	for name, later := range map[string]bool{"needed": false, "of the past": true} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(tempDir(t), Options{Now: testClock()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			key := call.Key{Source: "crm", ID: "1"}
			r := record("crm", "1", 1)
			r.Parts.Transcript.State = call.Stored
			r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: "Hello"}}
			save(t, s, write(r))
			if later {
				r.Call.Transcript[0].Text = "Hello again"
				save(t, s, write(r))
			}
			spoil(t, s, bucketVersions, nil)
			docs, err := s.Documents(t.Context(), key)
			if err != nil || len(docs) == 1 != later {
				t.Errorf("%d documents, %v", len(docs), err)
			}
			got, err := s.Load(t.Context(), key)
			if err != nil || got.Parts.Record.State == call.Pending == later || len(got.Call.Transcript) == 0 == later {
				t.Errorf("%+v, %v", got, err)
			}
			if got.Call.Phone == nil {
				t.Error("what can be read was given up")
			}
			if !later && (got.Parts.Transcript.Reason != call.Damaged || len(got.Fingerprints) > 0) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// When more records cannot be read than a spot on the disk explains, a fault of
// the program is likelier: they stay as they are, and the source is told of.
func TestTooManyUnreadableRecordsAreLeftAlone(t *testing.T) {
	for name, of := range map[string]struct{ calls, spoiled int }{"a small source": {5, 4}, "more than a tenth": {50, 6}, "a tenth": {50, 5}} {
		t.Run(name, func(t *testing.T) {
			s, err := Open(tempDir(t), Options{Now: testClock()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			values := make(map[call.ID][]byte)
			for i := range of.calls {
				id := call.ID(fmt.Sprintf("%03d", i))
				save(t, s, write(record("crm", id, i)))
				if i < of.spoiled {
					values[id] = spoil(t, s, bucketCalls, keyBytes(t, call.Key{Source: "crm", ID: id}))
				}
			}
			save(t, s, write(record("other", "1", 1)))
			few := of.spoiled <= of.calls/10
			for range 2 {
				err = s.Each(t.Context(), "crm", func(call.Record) error { return nil })
				if told := s.Unreadable("crm"); (err == nil) != few || (told == nil) != few {
					t.Fatalf("%v, %v", err, told)
				}
			}
			if few {
				return
			}
			if err := s.Unreadable("crm"); !strings.Contains(err.Error(), fmt.Sprintf("%d of the %d calls of source crm", of.spoiled, of.calls)) || s.Unreadable("other") != nil {
				t.Error(err)
			}
			for id, value := range values {
				err := s.db.View(func(tx *bolt.Tx) error {
					if !bytes.Equal(tx.Bucket(bucketCalls).Get(keyBytes(t, call.Key{Source: "crm", ID: id})), value) {
						t.Errorf("the record of %s was replaced", id)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
			if err := s.Each(t.Context(), "other", func(call.Record) error { return nil }); err != nil {
				t.Error(err)
			}
		})
	}
}
