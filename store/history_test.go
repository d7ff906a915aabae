package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"callsyncd/call"
)

func TestHistoryTellsTheLifeOfACall(t *testing.T) {
	t.Parallel()
	s := openTest(t, tempDir(t))
	key := call.Key{Source: "crm", ID: "1"}
	save := func(w call.Write) {
		t.Helper()
		if err := s.Save(t.Context(), call.Batch{Source: "crm", Writes: []call.Write{w}}); err != nil {
			t.Fatal(err)
		}
	}
	first := write(record("crm", "1", 1))
	first.Record.Parts.Recording = call.Part{State: call.Pending, Reason: "queued"}
	save(first)
	failed := first
	failed.Documents, failed.Events = nil, []call.Event{{Kind: call.EventLinkRenewed}}
	failed.Record.Parts.Recording = call.Part{State: call.Pending, Reason: "expired", Attempts: 1}
	save(failed)
	lost := failed
	lost.Events = nil
	lost.Record.Parts.Recording = call.Part{State: call.Lost, Reason: "expired", Attempts: 2}
	save(lost)
	save(lost) // nothing new, nothing to tell
	if err := s.Acknowledge(t.Context(), key, call.PartRecording, "the customer agreed"); err != nil {
		t.Fatal(err)
	}
	other := write(record("crm", "10", 1)) // a key that begins like the first
	save(other)
	events, err := s.History(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []call.EventKind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
		if e.At.IsZero() {
			t.Errorf("%s has no time", e.Kind)
		}
	}
	want := []call.EventKind{call.EventListed, call.EventLinkRenewed, call.EventParts, call.EventParts, call.EventAcknowledged}
	if len(kinds) != len(want) {
		t.Fatalf("events %v, want %v", kinds, want)
	}
	for i := range want {
		if kinds[i] != want[i] {
			t.Fatalf("events %v, want %v", kinds, want)
		}
	}
	if p := events[3].Parts[0]; p.State != call.Lost || p.Attempts != 2 || events[4].Note != "the customer agreed" || events[0].Version != 1 {
		t.Errorf("%+v", events)
	}
	if _, err := s.History(t.Context(), call.Key{Source: "crm", ID: "2"}); !errors.Is(err, call.ErrNotFound) {
		t.Errorf("unknown call: %v", err)
	}
}

// TestFormerRecordingsAreKept with their call, and the mark is at hand without
// reading the record.
func TestFormerRecordingsAreKept(t *testing.T) {
	t.Parallel()
	s := openTest(t, tempDir(t))
	key := call.Key{Source: "crm", ID: "1"}
	file, other, sum := "recordings/crm/a.wav", "recordings/crm/b.wav", "00"
	record := call.Record{Call: call.Call{Key: key, Recording: &call.Recording{File: &file, SHA256: &sum}}, Fingerprints: map[string]string{call.DocumentList: "f1"},
		RecordingMark: "list:0123", Former: []call.FormerRecording{{Recording: call.Recording{State: call.Stored, File: &other, SHA256: &sum}, SetAsideAt: time.Unix(1700000000, 0).UTC()}}}
	record.Parts.Recording.State = call.Stored
	first := call.Write{Record: record, Documents: call.Documents{call.DocumentList: {Body: []byte(`{}`)}}, Kind: call.ChangeNew}
	if err := s.Save(t.Context(), call.Batch{Source: "crm", Writes: []call.Write{first}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load(t.Context(), key)
	if err != nil || got.RecordingMark != record.RecordingMark || len(got.Former) != 1 || *got.Former[0].File != other || !got.Former[0].SetAsideAt.Equal(record.Former[0].SetAsideAt) {
		t.Errorf("%+v, %v", got, err)
	}
	known, err := s.Known(t.Context(), "crm", []call.ID{"1"})
	if k := known["1"]; err != nil || k.ListFingerprint != "f1" || k.RecordingMark != "list:0123" {
		t.Errorf("%+v, %v", k, err)
	}
}

// A version of the past that cannot be read keeps nobody from the others, nor from
// the call's life.
func TestDamagedVersionOfThePast(t *testing.T) {
	s, err := Open(tempDir(t), Options{Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	key := call.Key{Source: "crm", ID: "1"}
	for i := range 3 {
		r := record("crm", "1", 1)
		r.Fingerprints = map[string]string{call.DocumentList: fmt.Sprint("print", i)}
		save(t, s, call.Write{Record: r, Documents: documents(fmt.Sprint(i))})
	}
	spoil(t, s, bucketVersions, seqKey(2))
	versions, err := s.Versions(t.Context(), key)
	if err != nil || len(versions) != 3 || !versions[1].Damaged || versions[1].Number != 2 || versions[0].Damaged || versions[2].Damaged || len(versions[2].Documents) != 1 {
		t.Fatalf("%+v, %v", versions, err)
	}
	life, err := s.History(t.Context(), key)
	if err != nil || len(life) < 3 || life[1].Version != 2 || life[1].Note == "" || life[2].Note != "" {
		t.Errorf("%+v, %v", life, err)
	}
}
