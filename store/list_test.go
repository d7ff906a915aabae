package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

func TestListDefaultOrder(t *testing.T) {
	s := openTest(t, tempDir(t))
	save(t, s, write(record("a", "1", 5)), write(record("a", "2", 7)), write(record("a", "3", 7)), write(record("a", "4", 9)))
	save(t, s, write(record("b", "1", 7)), write(record("b", "2", 6)))
	got, total := keysOf(t, s, call.ListQuery{Limit: 2})
	wantKeys(t, got, "a/4", "a/2", "a/3", "b/1", "b/2", "a/1")
	if total != 6 {
		t.Errorf("total %d", total)
	}
	got, _ = keysOf(t, s, call.ListQuery{Limit: 2, Ascending: true})
	wantKeys(t, got, "a/1", "b/2", "a/2", "a/3", "b/1", "a/4")
	got, total = keysOf(t, s, call.ListQuery{Limit: 1, Filter: call.Filter{Source: []call.SourceID{"b", "b", "unknown"}}})
	wantKeys(t, got, "b/1", "b/2")
	if total != 2 {
		t.Errorf("total of a source %d", total)
	}
}

func TestListAbsentValuesComeLast(t *testing.T) {
	s := openTest(t, tempDir(t))
	none := record("a", "none", 1)
	none.Call.DurationSeconds = nil
	save(t, s, write(none), write(record("a", "long", 9)), write(record("a", "short", 2)))
	got, _ := keysOf(t, s, call.ListQuery{Limit: 1, OrderBy: call.ByDuration})
	wantKeys(t, got, "a/long", "a/short", "a/none")
	got, _ = keysOf(t, s, call.ListQuery{Limit: 1, OrderBy: call.ByDuration, Ascending: true})
	wantKeys(t, got, "a/short", "a/long", "a/none")
}

// Calls that arrive between two pages neither hide nor repeat others.
func TestListWhileCallsArrive(t *testing.T) {
	for _, ascending := range []bool{false, true} {
		t.Run(fmt.Sprint(ascending), func(t *testing.T) {
			s := openTest(t, tempDir(t))
			want := map[string]bool{}
			for i := range 40 {
				r := record("a", call.ID(fmt.Sprintf("old-%02d", i)), i/3)
				save(t, s, write(r))
				want[r.Call.Key.String()] = true
			}
			q, seen := call.ListQuery{Limit: 3, Ascending: ascending}, map[string]int{}
			for page := 0; ; page++ {
				list, err := s.List(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range list.Calls {
					seen[c.Key.String()]++
				}
				if list.Next == "" {
					break
				}
				q.After = list.Next
				save(t, s, write(record("a", call.ID(fmt.Sprintf("new-%02d", page)), page%14)))
				save(t, s, write(record("b", call.ID(fmt.Sprint(page)), 7)))
			}
			for key := range want {
				if seen[key] == 0 {
					t.Errorf("%s was skipped", key)
				}
			}
			for key, n := range seen {
				if n > 1 {
					t.Errorf("%s was shown %d times", key, n)
				}
			}
		})
	}
}

// Lists that need several transactions, with all calls at one time.
func TestListBeyondOneTransaction(t *testing.T) {
	s := openTest(t, tempDir(t))
	const n = 2*rowsPerView + 10
	var writes []call.Write
	for i := range n {
		r := record("a", call.ID(fmt.Sprintf("%05d", i)), 0)
		r.Call.AgentID = ptr(fmt.Sprint(i % 2))
		writes = append(writes, write(r))
	}
	save(t, s, writes...)
	for _, q := range []call.ListQuery{{}, {Ascending: true}, {OrderBy: call.ByDuration}, {Filter: call.Filter{AgentID: []string{"0", "1"}}}} {
		q.Limit = n - 1
		got, total := keysOf(t, s, q)
		for i, key := range got {
			if want := fmt.Sprintf("a/%05d", i); key != want {
				t.Fatalf("%+v: row %d is %s", q, i, key)
			}
		}
		if len(got) != n || total != n {
			t.Errorf("%+v: %d calls, total %d", q, len(got), total)
		}
	}
	count := 0
	err := s.Keys(t.Context(), "", func(key call.Key) error {
		if count++; count > 1 {
			return nil
		}
		return s.Save(t.Context(), call.Batch{Source: "a", Checkpoint: &call.Checkpoint{PageSize: 1}})
	})
	if err != nil || count != n {
		t.Errorf("%d keys, %v", count, err)
	}
	stop := errors.New("stop")
	if err := s.Each(t.Context(), "a", func(call.Record) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("each: %v", err)
	}
}

func TestListBadCursors(t *testing.T) {
	s := openTest(t, tempDir(t))
	save(t, s, write(record("a", "1", 1)), write(record("a", "2", 2)))
	list, err := s.List(t.Context(), call.ListQuery{Limit: 1})
	if err != nil || list.Next == "" {
		t.Fatal(list, err)
	}
	for _, q := range []call.ListQuery{
		{After: "!"}, {After: "bA"}, {After: list.Next + "A"}, {After: list.Next[:len(list.Next)-2]},
		{After: list.Next, Ascending: true}, {After: list.Next, OrderBy: call.ByEnded},
	} {
		if _, err := s.List(t.Context(), q); !errors.Is(err, call.ErrBadCursor) {
			t.Errorf("%+v: %v", q, err)
		}
	}
	if _, _, err := s.Gaps(t.Context(), "", list.Next, 1); !errors.Is(err, call.ErrBadCursor) {
		t.Errorf("gaps: %v", err)
	}
	if _, err := s.List(t.Context(), call.ListQuery{OrderBy: "cost"}); err == nil {
		t.Error("an unknown order was accepted")
	}
}

func TestGapsCursorBelongsToItsSource(t *testing.T) {
	s := openTest(t, tempDir(t))
	for _, source := range []call.SourceID{"a", "b"} {
		r := record(source, "1", 1)
		r.Parts.Transcript = call.Part{State: call.Pending}
		r.Parts.Summary = call.Part{State: call.Lost}
		save(t, s, write(r))
	}
	gaps, next, err := s.Gaps(t.Context(), "a", "", 1)
	if err != nil || len(gaps) != 1 || gaps[0].Part != call.PartTranscript || next == "" {
		t.Fatal(gaps, next, err)
	}
	if _, _, err := s.Gaps(t.Context(), "b", next, 1); !errors.Is(err, call.ErrBadCursor) {
		t.Errorf("another source's cursor: %v", err)
	}
}

func TestDueQueues(t *testing.T) {
	s := openTest(t, tempDir(t))
	pending := func(id call.ID, next, deadline int) call.Write {
		r := record("a", id, 0)
		for _, name := range []call.PartName{call.PartTranscript, call.PartRecording} {
			*r.Parts.Of(name) = call.Part{State: call.Pending, NextTry: epoch.Add(time.Duration(next) * time.Minute)}
			if deadline > 0 {
				r.Parts.Of(name).Deadline = epoch.Add(time.Duration(deadline) * time.Minute)
			}
		}
		return write(r)
	}
	save(t, s, pending("never", 1, 0), pending("soon", 3, 10), pending("urgent", 2, 5), pending("later", 9, 1))
	for part, want := range map[call.PartName][]string{
		call.PartTranscript: {"never", "urgent", "soon"},
		call.PartRecording:  {"urgent", "soon", "never"},
	} {
		due, err := s.Due(t.Context(), "a", part, epoch.Add(3*time.Minute), 0)
		var got []string
		for _, d := range due {
			got = append(got, string(d.Key.ID))
		}
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, got, want...)
	}
	if at, ok, err := s.NextLoss(t.Context(), "a"); err != nil || !ok || !at.Equal(epoch.Add(time.Minute)) {
		t.Errorf("next loss %s, %v, %v", at, ok, err)
	}
	if _, err := s.Due(t.Context(), "a", "audio", epoch, 1); err == nil {
		t.Error("an unknown part was accepted")
	}
}

// Large calls make a page shorter than asked for, and the pages together whole.
func TestListOfLargeCalls(t *testing.T) {
	s := openTest(t, tempDir(t))
	var want []string
	for i := range 20 {
		r := record("a", call.ID(fmt.Sprintf("%02d", i)), 0)
		text := strings.Repeat("tea ", maxPageBytes/4/5) // a fifth of a page
		switch i % 3 {
		case 0:
			r.Call.Summary = &text
		case 1:
			r.Call.Note = &text
		default:
			r.Call.Metadata = json.RawMessage(`"` + text + `"`)
		}
		save(t, s, write(r))
		want = append(want, r.Call.Key.String())
	}
	q, seen := call.ListQuery{Limit: 200}, []string{}
	for {
		list, err := s.List(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(list.Calls); n == 0 || n > 6 || list.Total != len(want) {
			t.Fatalf("%d calls on a page, total %d", n, list.Total)
		}
		for _, c := range list.Calls {
			seen = append(seen, c.Key.String())
		}
		if q.After = list.Next; q.After == "" {
			break
		}
	}
	if !slices.Equal(seen, want) {
		t.Errorf("listed %q", seen)
	}
}
