package store

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"callsyncd/call"
)

// Keys are unambiguous and keep the order of ids and times.
func FuzzKeys(f *testing.F) {
	f.Add("a", "a\x00", int64(-1), int64(0))
	f.Add("\x00", "\x00\xff", int64(253402300799), int64(-62135596800))
	f.Fuzz(func(t *testing.T, a, b string, x, y int64) {
		if a == "" || b == "" || len(a) > maxIDBytes || len(b) > maxIDBytes {
			return
		}
		x, y = x%(1<<40), y%(1<<40)
		ka := appendID(appendTime([]byte("crm\x00"), time.Unix(x, 1)), call.ID(a))
		kb := appendID(appendTime([]byte("crm\x00"), time.Unix(y, 1)), call.ID(b))
		want := bytes.Compare([]byte(a), []byte(b))
		if x != y {
			want = time.Unix(x, 1).Compare(time.Unix(y, 1))
		}
		if got := bytes.Compare(ka, kb); got != want {
			t.Errorf("compare %d, want %d", got, want)
		}
		if a != b && (bytes.HasPrefix(ka, kb) || bytes.HasPrefix(kb, ka)) {
			t.Error("one key begins with the other")
		}
		at, rest, err := cutTime(ka[4:])
		if err != nil || !at.Equal(time.Unix(x, 1)) {
			t.Errorf("time %s, %v", at, err)
		}
		if id, rest, err := cutID(rest); err != nil || string(id) != a || len(rest) != 0 {
			t.Errorf("id %q, %v", id, err)
		}
	})
}

// What decodes is what was encoded; anything else is call.ErrCorrupt.
func FuzzDecodeCallKey(f *testing.F) {
	f.Add([]byte("crm\x00a\x00\xff\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := parseCallKey(b)
		if err != nil {
			wantCorrupt(t, err)
			return
		}
		if again, err := callKey(key); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x became %x, %v", b, again, err)
		}
	})
}

func FuzzDecodeRecord(f *testing.F) {
	r := record("crm", "1", 1)
	b, err := encodeRecord(&r, &refs{versions: []uint64{1, 300}, transcript: 1, digest: []byte{1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, refs, err := decodeRecord(call.Key{Source: "crm", ID: "1"}, b)
		if _, knownErr := decodeKnown(call.Key{}, b); err == nil && knownErr != nil {
			t.Errorf("known: %v", knownErr)
		}
		if err != nil {
			wantCorrupt(t, err)
			return
		}
		once, err := encodeRecord(&r, &refs)
		if err != nil {
			return // JSON reads times it does not write
		}
		again, refs, err := decodeRecord(r.Call.Key, once)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := encodeRecord(&again, &refs); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q became %q, %v", once, twice, err)
		}
	})
}

func FuzzDecodeDocuments(f *testing.F) {
	f.Add(encodeDocuments(documents("a")))
	f.Add(encodeDocuments(call.Documents{"list": {Status: 404}, "": {}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		docs, err := decodeDocuments(b)
		if err != nil {
			wantCorrupt(t, err)
			return
		}
		if again, err := decodeDocuments(encodeDocuments(docs)); err != nil || !reflect.DeepEqual(docs, again) {
			t.Errorf("%v became %v, %v", docs, again, err)
		}
	})
}

func FuzzDecodeValues(f *testing.F) {
	f.Add((&storedVersion{[]byte("k"), 1, epoch, "f", documents("a"), []byte("[]")}).encode())
	f.Add(encodeChange(epoch, call.ChangeNew, []byte("crm\x00a\x00\x00")))
	f.Add(encodeLookup(&call.LookupTable{Name: "agents"}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, versionErr := decodeVersion(b)
		_, transcriptErr := decodeTranscript(b, digestOf(b))
		_, changeErr := decodeChange(seqKey(1), b)
		_, lookupErr := decodeLookup("agents", b)
		for _, err := range []error{versionErr, transcriptErr, changeErr, lookupErr} {
			if err != nil {
				wantCorrupt(t, err)
			}
		}
	})
}

func FuzzFacts(f *testing.F) {
	r := record("crm", "1", 1)
	seed := factsOf(&r.Call)
	f.Add(seed.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		var once, again facts
		if err := once.decode(b); err != nil {
			wantCorrupt(t, err)
			return
		}
		if err := again.decode(once.encode()); err != nil || !bytes.Equal(again.encode(), once.encode()) {
			t.Errorf("%x: %v", b, err)
		}
	})
}

// A cursor is refused or means one place; it never makes a list fail otherwise.
func FuzzCursors(f *testing.F) {
	key, err := callKey(call.Key{Source: "b", ID: "1"})
	if err != nil {
		f.Fatal(err)
	}
	for _, by := range orders {
		o := sorting{by, true}
		f.Add(o.cursor(&place{at: epoch, seconds: 1.5, key: key}), byte(0))
		f.Add(o.cursor(&place{absent: true, key: key}), byte(1))
	}
	f.Add(encodeGapCursor(append(key, 1)), byte(0))
	s, err := Open(f.TempDir(), Options{Now: testClock()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	for _, source := range []call.SourceID{"a", "b", "c"} {
		r := record(source, "1", 0)
		r.Parts.Transcript.State = call.Pending
		save(f, s, write(r))
	}
	f.Fuzz(func(t *testing.T, cursor string, order byte) {
		o := sorting{orders[int(order>>1)%len(orders)], order&1 == 1}
		p, err := o.parse(cursor)
		_, listErr := s.List(t.Context(), call.ListQuery{After: cursor, OrderBy: o.by, Ascending: o.ascending})
		switch {
		case err != nil:
			if !errors.Is(err, call.ErrBadCursor) || !errors.Is(listErr, call.ErrBadCursor) {
				t.Errorf("%v, %v", err, listErr)
			}
		case listErr != nil:
			t.Error(listErr)
		case p != nil && o.cursor(p) != cursor:
			t.Errorf("%q became %q", cursor, o.cursor(p))
		}
		if _, _, err := s.Gaps(t.Context(), "", cursor, 1); err != nil && !errors.Is(err, call.ErrBadCursor) {
			t.Error(err)
		}
	})
}

func wantCorrupt(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, call.ErrCorrupt) {
		t.Errorf("not an error kind: %v", err)
	}
}
