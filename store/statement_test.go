package store

import (
	"bytes"
	"testing"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

func TestStatementsAreKeptNewestFirst(t *testing.T) {
	t.Parallel()
	s := openTest(t, tempDir(t))
	for i := range keptStatements + 5 {
		for _, source := range []call.SourceID{"a", "b", "b-2"} {
			st := &call.Statement{Source: source, Listed: i}
			if err := s.Save(t.Context(), call.Batch{Source: source, Statement: st}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, source := range []call.SourceID{"a", "b", "b-2"} {
		all, err := s.Statements(t.Context(), source, 0)
		if err != nil || len(all) != keptStatements {
			t.Fatalf("source %s: %d statements, %v", source, len(all), err)
		}
		for i, st := range all {
			if st.Source != source || st.Listed != keptStatements+4-i {
				t.Fatalf("source %s: statement %d is %+v", source, i, st)
			}
		}
	}
	if some, err := s.Statements(t.Context(), "b", 2); err != nil || len(some) != 2 {
		t.Errorf("%d statements, %v", len(some), err)
	}
	if none, err := s.Statements(t.Context(), "c", 0); err != nil || none == nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

// A statement that cannot be read proves nothing, and keeps no other one from
// being read.
func TestUnreadableStatement(t *testing.T) {
	t.Parallel()
	s, err := Open(tempDir(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		if err := s.Save(t.Context(), call.Batch{Source: "a", Statement: &call.Statement{Source: "a", Proved: true, FinishedAt: epoch}}); err != nil {
			t.Fatal(err)
		}
	}
	err = s.db.Update(func(tx *bolt.Tx) error {
		k, v := tx.Bucket(bucketStatements).Cursor().Last()
		return tx.Bucket(bucketStatements).Put(bytes.Clone(k), v[:len(v)-1])
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Statements(t.Context(), "a", 0)
	if err != nil || len(list) != 3 {
		t.Fatalf("%d statements, %v", len(list), err)
	}
	if list[0].Proved || len(list[0].Doubts) != 1 || list[0].Source != "a" || !list[1].Proved || !list[2].Proved {
		t.Errorf("%+v", list)
	}
}
