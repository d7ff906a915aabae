package store

import (
	"testing"

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
