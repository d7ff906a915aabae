package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

func TestSaveKeepsEveryField(t *testing.T) {
	s := openTest(t, tempDir(t))
	r := call.Record{}
	fill(reflect.ValueOf(&r).Elem(), 1)
	r.Call.Key = call.Key{Source: "crm", ID: "id"}
	r.Call.Metadata = json.RawMessage(`{ "kept" : "verbatim <&>", "n": 1.50 }`)
	r.Parts = call.Parts{
		Record:     call.Part{State: call.Stored},
		Transcript: call.Part{State: call.Pending, Reason: "not_ready", NextTry: epoch, Deadline: epoch.Add(time.Hour), Attempts: 3},
		Summary:    call.Part{State: call.Lost, Reason: "horizon", Acknowledged: &call.Acknowledgement{At: epoch, Reason: "fine"}},
		Recording:  call.Part{State: call.Stored},
	}
	r.Main.State, r.Further[0].Part.State, r.Further[1].Part.State = call.Stored, call.Pending, call.Stored
	r.Join()
	save(t, s, write(r))
	got := load(t, s, r.Call.Key)
	want := r
	want.Call.Source, want.Call.ID = "crm", "id"
	want.Call.Version, want.Call.FirstSeenAt, want.Call.ChangedAt = 1, got.Call.ChangedAt, got.Call.ChangedAt
	opened := got.Call.FirstSeenAt
	want.OpenSince = map[call.PartName]time.Time{call.PartTranscript: opened, call.PartSummary: opened, call.PartRecording: opened}
	want.Mirror()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	light, err := s.LoadLight(t.Context(), r.Call.Key)
	if want.Call.Transcript = nil; err != nil || !reflect.DeepEqual(light, want) {
		t.Errorf("light: got %+v, %v\nwant %+v", light, err, want)
	}
}

// fill sets every field to something that is not its zero value.
func fill(v reflect.Value, n int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n+1)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(epoch.Add(time.Duration(n) * time.Nanosecond)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n+i)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n+1)
	case reflect.Map:
		if v.Type() != reflect.TypeFor[map[string]string]() {
			return // the store's own
		}
		v.Set(reflect.ValueOf(map[string]string{"list": "aa", "detail": "bb"}))
	case reflect.String:
		v.SetString("text " + string(rune('a'+n%26)))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint8:
		v.SetUint(uint64('1'))
	case reflect.Float64:
		v.SetFloat(float64(n) + 0.25)
	case reflect.Bool:
		v.SetBool(true)
	default:
		panic(v.Kind())
	}
}

func TestSaveNumbersVersions(t *testing.T) {
	s := openTest(t, tempDir(t))
	r := record("crm", "1", 0)
	save(t, s, write(r))
	first := load(t, s, r.Call.Key)

	r.Call.Version, r.Call.FirstSeenAt, r.Call.ChangedAt = 77, epoch.AddDate(9, 0, 0), epoch.AddDate(9, 0, 0)
	r.Call.Note = ptr("bookkeeping")
	save(t, s, call.Write{Record: r})
	if got := load(t, s, r.Call.Key).Call; got.Version != 1 || !got.FirstSeenAt.Equal(first.Call.FirstSeenAt) || !got.ChangedAt.Equal(first.Call.ChangedAt) || *got.Note != "bookkeeping" {
		t.Errorf("without documents: %+v", got)
	}

	r.Fingerprints = map[string]string{"list": "new"}
	detail := call.Document{Body: json.RawMessage("{ \"verbatim\" : \"\\u0041<&>\"\n}"), Status: 404, FetchedAt: epoch.Add(time.Hour)}
	save(t, s, call.Write{Record: r, Documents: call.Documents{"detail": detail}})
	if got := load(t, s, r.Call.Key).Call; got.Version != 2 || !got.FirstSeenAt.Equal(first.Call.FirstSeenAt) || !got.ChangedAt.After(first.Call.ChangedAt) {
		t.Errorf("with documents: %+v", got)
	}
	versions, err := s.Versions(t.Context(), r.Call.Key)
	if err != nil || len(versions) != 2 {
		t.Fatalf("versions: %v, %v", versions, err)
	}
	list := documents("1")[call.DocumentList]
	if want := (call.Documents{"list": list}); !reflect.DeepEqual(versions[0].Documents, want) {
		t.Errorf("version 1: %v", versions[0].Documents)
	}
	if want := (call.Documents{"list": list, "detail": detail}); !reflect.DeepEqual(versions[1].Documents, want) {
		t.Errorf("version 2: %v", versions[1].Documents)
	}
	if versions[0].Fingerprint == versions[1].Fingerprint || len(versions[0].Fingerprint) != 64 {
		t.Errorf("fingerprints %q and %q", versions[0].Fingerprint, versions[1].Fingerprint)
	}
	docs, err := s.Documents(t.Context(), r.Call.Key)
	if err != nil || !reflect.DeepEqual(docs, versions[1].Documents) {
		t.Errorf("documents: %v, %v", docs, err)
	}
}

func TestSaveTranscript(t *testing.T) {
	s := openTest(t, tempDir(t))
	r := record("crm", "1", 0)
	r.Parts.Transcript.State = call.Stored
	r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: "Hello"}, {Speaker: call.SpeakerCustomer, Text: "Hi", StartSeconds: ptr(1.5)}}
	save(t, s, write(r))
	if got := load(t, s, r.Call.Key).Call.Transcript; !reflect.DeepEqual(got, r.Call.Transcript) {
		t.Errorf("stored %v", got)
	}
	for i, w := range []call.Write{ // alone, with a version, with a version but as before, alone again
		{}, {Documents: documents("b")}, {Documents: documents("c")}, {},
	} {
		r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: []string{"one", "two", "two", "three"}[i]}}
		w.Record = r
		save(t, s, w)
		if got := load(t, s, r.Call.Key).Call.Transcript; !reflect.DeepEqual(got, r.Call.Transcript) {
			t.Errorf("write %d: %v", i, got)
		}
	}
	r.Call.Transcript = nil
	save(t, s, call.Write{Record: r})
	if got := load(t, s, r.Call.Key).Call.Transcript; got != nil {
		t.Errorf("removed %v", got)
	}
}

func TestSaveKeepsIDsApart(t *testing.T) {
	s := openTest(t, tempDir(t))
	ids := []call.ID{"a", "A", "a ", " a", "a\x00", "a\x00\x00", "a\x00\xff", "a\x00\x00\x00\x01", "\x00", "\xff\xff", "a/b", "..", "ä", "a\u0308", call.ID(strings.Repeat("x", maxIDBytes))}
	for i, id := range ids {
		save(t, s, write(record("crm", id, i)))
	}
	seen := map[call.ID]bool{}
	err := s.Keys(t.Context(), "crm", func(key call.Key) error { seen[key.ID] = true; return nil })
	if err != nil || len(seen) != len(ids) {
		t.Errorf("%d of %d ids kept apart, %v", len(seen), len(ids), err)
	}
	for i, id := range ids {
		if got := load(t, s, call.Key{Source: "crm", ID: id}); *got.Call.DurationSeconds != float64(10*i) || got.Call.ID != id {
			t.Errorf("%q: loaded %q", id, got.Call.ID)
		}
		if docs, err := s.Documents(t.Context(), call.Key{Source: "crm", ID: id}); err != nil || len(docs) != 1 {
			t.Errorf("%q: %v, %v", id, docs, err)
		}
	}
	keys, total := keysOf(t, s, call.ListQuery{Limit: 4, Ascending: true})
	if len(keys) != len(ids) || total != len(ids) {
		t.Errorf("listed %d, total %d", len(keys), total)
	}
}

func TestSaveRefuses(t *testing.T) {
	s := openTest(t, tempDir(t))
	tests := map[string]struct {
		batch call.Batch
		want  string
	}{
		"no documents": {call.Batch{Source: "crm", Writes: []call.Write{{Record: record("crm", "1", 0)}}}, "no documents"},
		"other source": {call.Batch{Source: "crm", Writes: []call.Write{write(record("erp", "1", 0))}}, `belongs to source "erp"`},
		"no id":        {call.Batch{Source: "crm", Writes: []call.Write{write(record("crm", "", 0))}}, "without an id"},
		"long id":      {call.Batch{Source: "crm", Writes: []call.Write{write(record("crm", call.ID("no-"+strings.Repeat("x", maxIDBytes)), 0))}}, `"no-xxx`},
		"bad source":   {call.Batch{Source: "C/M", Writes: []call.Write{write(record("C/M", "1", 0))}}, "source name"},
		"year": {call.Batch{Source: "crm", Writes: []call.Write{write(func() call.Record {
			r := record("crm", "1", 0)
			r.Call.EndedAt = ptr(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))
			return r
		}())}}, "encode call"},
		"bad checkpoint": {call.Batch{Source: "", Checkpoint: &call.Checkpoint{}}, "source name"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.batch.Writes = append([]call.Write{}, test.batch.Writes...)
			if err := s.Save(t.Context(), test.batch); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	good := write(record("crm", "good", 0))
	if err := s.Save(t.Context(), call.Batch{Source: "crm", Writes: []call.Write{good, write(record("crm", "", 0))}}); err == nil {
		t.Error("half a batch was accepted")
	}
	if _, err := s.Load(t.Context(), good.Record.Call.Key); !errors.Is(err, call.ErrNotFound) {
		t.Errorf("half a batch was stored: %v", err)
	}
}

func TestSaveNothingDoesNotTouchTheFile(t *testing.T) {
	dir := tempDir(t)
	s := openTest(t, dir)
	r := record("crm", "1", 0)
	save(t, s, write(r))
	batch := call.Batch{Source: "crm", Writes: []call.Write{{Record: load(t, s, r.Call.Key)}},
		Checkpoint: &call.Checkpoint{PageSize: 100}, Budget: spent(`{"used":1}`)}
	started := lastTransaction(t, s)
	if err := s.Save(t.Context(), batch); err != nil || lastTransaction(t, s) == started {
		t.Errorf("news was not written, %v", err)
	}
	before := lastTransaction(t, s)
	for _, b := range []call.Batch{batch, {Source: "crm"}} {
		if err := s.Save(t.Context(), b); err != nil || lastTransaction(t, s) != before {
			t.Errorf("the file was touched, %v", err)
		}
	}
}

func TestSaveCheckpointAndBudget(t *testing.T) {
	dir := tempDir(t)
	s := openTest(t, dir)
	if cp, err := s.Checkpoint(t.Context(), "crm"); err != nil || !reflect.DeepEqual(cp, call.Checkpoint{}) {
		t.Errorf("before: %v, %v", cp, err)
	}
	if b, err := s.Budget(t.Context(), "crm"); err != nil || b != nil {
		t.Errorf("before: %s, %v", b, err)
	}
	cp := call.Checkpoint{Watermark: epoch, Order: call.OrderNewestFirst, Head: &call.Walk{StartedAt: epoch, Pages: 3}, Learned: map[string]string{"a": "b"}}
	if err := s.Save(t.Context(), call.Batch{Source: "crm", Checkpoint: &cp, Budget: spent(`{ "used": 1 }`)}); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(t.Context(), call.Batch{Source: "erp", Checkpoint: &call.Checkpoint{PageSize: 1}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Checkpoint(t.Context(), "crm"); err != nil || !reflect.DeepEqual(got, cp) {
		t.Errorf("after: %+v, %v", got, err)
	}
	if b, err := s.Budget(t.Context(), "crm"); err != nil || string(b) != `{ "used": 1 }` {
		t.Errorf("after: %s, %v", b, err)
	}
}

func TestLookup(t *testing.T) {
	s := openTest(t, tempDir(t))
	if got, err := s.Lookup(t.Context(), "crm", "agents"); err != nil || !got.FetchedAt.IsZero() || len(got.Rows) != 0 {
		t.Errorf("before: %v, %v", got, err)
	}
	table := call.LookupTable{Name: "agents", FetchedAt: epoch, Error: "late", Rows: map[string]json.RawMessage{"a1": json.RawMessage(`{ "name" : "<Ada>" }`), "": json.RawMessage(`1`)}}
	if err := s.SaveLookup(t.Context(), "crm", table); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Lookup(t.Context(), "crm", "agents"); err != nil || !reflect.DeepEqual(got, table) {
		t.Errorf("after: %v, %v", got, err)
	}
}

func TestKnown(t *testing.T) {
	s := openTest(t, tempDir(t))
	waits := record("crm", "waits", 1)
	waits.Parts.Recording = call.Part{State: call.Pending, NextTry: epoch}
	save(t, s, write(record("crm", "done", 0)), write(waits))
	ids := make([]call.ID, 2*rowsPerView, 2*rowsPerView+2)
	for i := range ids {
		ids[i] = call.ID("unknown-" + strings.Repeat("x", i))
	}
	got, err := s.Known(t.Context(), "crm", append(ids, "done", "waits"))
	want := map[call.ID]call.Known{"done": {ListFingerprint: "0"}, "waits": {ListFingerprint: "1", RecordingPending: true}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestUnknownCalls(t *testing.T) {
	s := openTest(t, tempDir(t))
	for _, key := range []call.Key{{Source: "crm", ID: "1"}, {Source: "C", ID: "1"}, {Source: "crm", ID: ""}, {}} {
		_, loadErr := s.Load(t.Context(), key)
		_, versionsErr := s.Versions(t.Context(), key)
		_, documentsErr := s.Documents(t.Context(), key)
		for _, err := range []error{loadErr, versionsErr, documentsErr, s.Acknowledge(t.Context(), key, call.PartRecording, "gone")} {
			if !errors.Is(err, call.ErrNotFound) {
				t.Errorf("%q: %v", key, err)
			}
		}
	}
}

func TestChangeFeed(t *testing.T) {
	dir := tempDir(t)
	s := openTest(t, dir)
	news := s.Updated()
	r := record("crm", "1", 0)
	save(t, s, write(r), call.Write{Record: record("crm", "2", 0), Documents: documents("2")})
	select {
	case <-news:
	default:
		t.Error("nobody was told")
	}
	news = s.Updated()
	save(t, s, call.Write{Record: r, Documents: documents("silent")})
	select {
	case <-news:
		t.Error("told of nothing")
	default:
	}
	save(t, s, call.Write{Record: r, Kind: call.ChangeRecording})
	changes, err := s.Changes(t.Context(), 0, 0)
	if err != nil || len(changes) != 2 || s.LastSeq() != 2 {
		t.Fatalf("%v, %v, last %d", changes, err, s.LastSeq())
	}
	if c := changes[1]; c.Seq != 2 || c.Key != r.Call.Key || c.Kind != call.ChangeRecording || c.At.IsZero() {
		t.Errorf("%+v", c)
	}
	if one, err := s.Changes(t.Context(), 0, 1); err != nil || len(one) != 1 || one[0].Seq != 1 {
		t.Errorf("first: %v, %v", one, err)
	}
	if none, err := s.Changes(t.Context(), 2, 0); err != nil || len(none) != 0 {
		t.Errorf("none: %v, %v", none, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if again := openTest(t, dir); again.LastSeq() != 2 {
		t.Errorf("after reopening the last entry is %d", again.LastSeq())
	}
}

func TestCancelled(t *testing.T) {
	s := openTest(t, tempDir(t))
	save(t, s, write(record("crm", "1", 0)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, listErr := s.List(ctx, call.ListQuery{})
	for _, err := range []error{listErr, s.Save(ctx, call.Batch{Source: "crm", Checkpoint: &call.Checkpoint{}}), s.Each(ctx, "", nil)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	}
}

// The oldest gap is the one open for longest without a break; accepted losses are
// none.
func TestOldestGap(t *testing.T) {
	s := openTest(t, tempDir(t))
	oldest := func(want time.Time) {
		t.Helper()
		since, ok, err := s.OldestGap(t.Context(), "crm")
		if err != nil || ok == want.IsZero() || !since.Equal(want) {
			t.Errorf("open since %s (%v, %v), want %s", since, ok, err, want)
		}
	}
	oldest(time.Time{})
	first, second := record("crm", "1", 1), record("crm", "2", 2)
	first.Parts.Transcript = call.Part{State: call.Pending, NextTry: epoch}
	save(t, s, write(first))
	opened := load(t, s, first.Call.Key).Call.FirstSeenAt
	second.Parts.Recording = call.Part{State: call.Pending, NextTry: epoch}
	save(t, s, write(second))
	other := load(t, s, second.Call.Key).Call.FirstSeenAt
	oldest(opened)
	first.Parts.Transcript.Attempts = 3
	save(t, s, call.Write{Record: first})
	oldest(opened)
	first.Parts.Transcript = call.Part{State: call.Stored}
	save(t, s, call.Write{Record: first})
	oldest(other)
	second.Parts.Recording = call.Part{State: call.Lost, Reason: "gone"}
	save(t, s, call.Write{Record: second})
	oldest(other)
	if err := s.Acknowledge(t.Context(), second.Call.Key, call.PartRecording, "known"); err != nil {
		t.Fatal(err)
	}
	oldest(time.Time{})
	first.Parts.Transcript = call.Part{State: call.Pending, NextTry: epoch}
	save(t, s, call.Write{Record: first})
	if since, ok, err := s.OldestGap(t.Context(), "crm"); err != nil || !ok || !since.After(other) {
		t.Errorf("open again since %s, %v %v", since, ok, err)
	}
	save(t, s, write(record("other", "1", 1)))
}

// Gaps of an archive of before, which do not tell since when they are open, are
// dated once: nobody reads their calls for it again.
func TestGapsOfBeforeAreDated(t *testing.T) {
	s := openTest(t, tempDir(t))
	open, accepted := record("crm", "1", 1), record("crm", "2", 2)
	open.Parts.Transcript = call.Part{State: call.Pending, NextTry: epoch}
	accepted.Parts.Recording = call.Part{State: call.Lost, Reason: "gone"}
	save(t, s, write(open), write(accepted))
	if err := s.Acknowledge(t.Context(), accepted.Call.Key, call.PartRecording, "known"); err != nil {
		t.Fatal(err)
	}
	err := s.db.Update(func(tx *bolt.Tx) error {
		for _, key := range []call.Key{open.Call.Key, accepted.Call.Key} {
			stored := keyBytes(t, key)
			r, refs, err := loadStored(tx, key, stored)
			if err != nil {
				return err
			}
			r.OpenSince = nil
			body, err := encodeRecord(&r, &refs)
			if err != nil {
				return err
			}
			if err := tx.Bucket(bucketCalls).Put(stored, body); err != nil {
				return err
			}
			for _, e := range entriesOf(stored, &r) {
				if bytes.Equal(e.bucket, bucketGaps) {
					if err := tx.Bucket(bucketGaps).Put(e.key, e.value[:1]); err != nil {
						return err
					}
				}
			}
		}
		return errors.Join(createAside(tx), sealDerived(tx))
	})
	if err != nil {
		t.Fatal(err)
	}
	err = s.db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucketGaps).ForEach(func(k, v []byte) error {
			if len(v) != 1+timeBytes+sealBytes {
				t.Errorf("gap %x is not dated: %x", k, v)
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
	since, ok, err := s.OldestGap(t.Context(), "crm")
	if want := load(t, s, open.Call.Key).Call.FirstSeenAt; err != nil || !ok || !since.Equal(want) {
		t.Errorf("open since %s (%v, %v), want %s", since, ok, err, want)
	}
}
