package main

import (
	"flag"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"callsyncd/call"
)

var update = flag.Bool("update", false, "write the golden files")

// statementOf is a statement of a source with everything to tell.
func statementOf(t *testing.T) call.Statement {
	t.Helper()
	end := time.Date(2026, 3, 8, 2, 30, 0, 0, time.UTC)
	expected := 12040
	st := call.Statement{
		Source: "crm", Provider: "suresend", StartedAt: end.Add(-time.Hour), FinishedAt: end, Expected: &expected, Listed: 12037, Held: 12035,
		Doubts:  []string{"the vendor counts 12040 calls but listed 12037", "the vendor's records changed: " + strings.Repeat("field note was there in 98 of 100 calls and is in none; ", 3)},
		Missing: []call.ID{"c-1", "c-2\x1b[2J"}, MissingCount: 2, ExtraCount: 14, DeletedUpstream: 3, Unwanted: 7,
		Accepted: &call.Acceptance{At: end.Add(-time.Minute), By: "kim\x1b[2J", Calls: 11},
		Parts: map[call.PartName]map[call.State]int{call.PartRecord: {call.Stored: 12049}, call.PartTranscript: {call.Stored: 11000, call.None: 1040, call.Pending: 8, call.Lost: 1},
			call.PartSummary: {call.None: 12049}, call.PartRecording: {call.Stored: 12039, call.Lost: 10}},
		Open:           map[call.PartName]map[string]int{call.PartTranscript: {"not_ready": 8, "http_404": 1}, call.PartRecording: {"expired": 3}},
		AcceptedLosses: map[call.PartName]map[string]int{call.PartRecording: {"expired": 6, "gone": 1}},
		Days:           []call.StatementDay{{Day: "2026-03-07", Listed: 4000, Extra: 2, Open: 9, Reasons: map[call.PartName]map[string]int{call.PartTranscript: {"not_ready": 7, "http_404": 1}, call.PartSummary: {"not_ready": 1}}}, {Day: "2026-03-06", Listed: 4000}, {Day: "2026-03-05", Listed: 4035, Extra: 12, Open: 3, Reasons: map[call.PartName]map[string]int{call.PartRecording: {"expired": 3}}}},
	}
	for i := range st.ExtraCount {
		st.Extra = append(st.Extra, call.ID("gone-"+strconv.Itoa(i)+strings.Repeat("x", 12*i)))
	}
	return st
}

// statementPage is the document about statements.
func statementPage(list []call.Statement, without []call.SourceID, now standing, days bool) string {
	var b strings.Builder
	a := &app{stdout: &b, now: func() time.Time { return time.Date(2026, 3, 8, 9, 0, 0, 0, time.UTC) }}
	a.printStatements(list, without, now, days)
	return b.String()
}

func TestStatementPage(t *testing.T) {
	version = "1.2.3"
	t.Cleanup(func() { version = "" })
	newest := statementOf(t)
	older := newest
	older.StartedAt = older.StartedAt.Add(-time.Hour)
	read := older.StartedAt.Add(time.Minute)
	older.ListReadAt = &read
	older.FinishedAt, older.Proved, older.Doubts, older.Open, older.Expected = newest.StartedAt, true, nil, nil, nil
	older.Missing, older.MissingCount, older.Extra, older.ExtraCount, older.DeletedUpstream = nil, 0, nil, 0, 0
	older.Parts, older.Days = map[call.PartName]map[call.State]int{call.PartRecord: {call.Stored: 4000}}, older.Days[1:2]
	now := standing{"crm": {Name: "crm", Problems: []string{
		"the last sweep was not clean: the vendor counts 12040 calls but listed 12037",
		"the last head walk was not clean: the vendor lists no calls at all",
		"pending: 8 transcripts; see `callsyncd gaps`",
	}}}
	page := statementPage([]call.Statement{newest, older}, []call.SourceID{"phones"}, now, false)
	const golden = "testdata/statement.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if page != string(want) {
		t.Errorf("the document differs from %s:\n%s", golden, page)
	}
	all := statementPage([]call.Statement{newest}, nil, nil, true)
	if !strings.Contains(all, "2026-03-06") || strings.Contains(page, "2026-03-06") {
		t.Error("only --days lists a day with nothing open and nothing extra")
	}
	for line := range strings.Lines(page + all) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > pageWidth || strings.ContainsRune(line, '\x1b') {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

func TestStatementExit(t *testing.T) {
	of := func(source call.SourceID, proved bool) call.Statement {
		return call.Statement{Source: source, Proved: proved, FinishedAt: time.Date(2026, 3, 6, 9, 0, 0, 0, time.UTC)}
	}
	damaged := call.Statement{Source: "a", Doubts: []string{"this statement cannot be read any more"}}
	open := standing{"b": {Name: "b", Counts: call.Counts{Pending: map[call.PartName]int{call.PartTranscript: 1}}}}
	doubted := standing{"a": {Name: "a", Problems: []string{"the last sweep was not clean"}}}
	for _, tt := range []struct {
		name     string
		list     []call.Statement
		expected []call.SourceID
		now      standing
		proved   bool
		without  []call.SourceID
	}{
		{"open since", []call.Statement{of("a", true), of("b", true)}, []call.SourceID{"a", "b"}, open, false, nil},
		{"doubted since", []call.Statement{of("a", true)}, []call.SourceID{"a"}, doubted, false, nil},
		{"all proved", []call.Statement{of("a", true), of("b", true)}, []call.SourceID{"a", "b"}, nil, true, nil},
		{"one is not", []call.Statement{of("a", true), of("b", false)}, []call.SourceID{"a", "b"}, nil, false, nil},
		{"an older one is not", []call.Statement{of("a", true), of("a", false)}, []call.SourceID{"a"}, nil, true, nil},
		{"the newer one is not", []call.Statement{of("a", false), of("a", true)}, []call.SourceID{"a"}, nil, false, nil},
		{"a damaged one, however old", []call.Statement{of("a", true), damaged}, []call.SourceID{"a"}, nil, false, nil},
		{"a source without", []call.Statement{of("a", true)}, []call.SourceID{"a", "b"}, nil, true, []call.SourceID{"b"}},
	} {
		if got := newestProved(tt.list, tt.now); got != tt.proved {
			t.Errorf("%s: proved %v, want %v", tt.name, got, tt.proved)
		}
		if got := withoutStatement(tt.list, tt.expected); !slices.Equal(got, tt.without) {
			t.Errorf("%s: without a statement %v, want %v", tt.name, got, tt.without)
		}
	}
}

func TestProblemsAreToldOnce(t *testing.T) {
	s := call.SourceStatus{Name: "crm", Problems: []string{
		"the last sweep was not clean: source crm: the vendor lists no calls at all",
		"the last trailing walk was not clean: the vendor lists no calls at all",
		"the last head walk was not clean: list calls, page 1: source crm: answer is HTML",
		"lost: 3 recordings; see `callsyncd gaps`",
	}}
	want := []string{
		"the last sweep was not clean: the vendor lists no calls at all",
		"the last head walk was not clean: list calls, page 1: answer is HTML",
		"lost: 3 recordings; see `callsyncd gaps`",
	}
	if got := problemsOf(&s); !slices.Equal(got, want) {
		t.Errorf("problems %q, want %q", got, want)
	}
	if got := doubtsOf(&s, "source crm: the last walk over the whole list proved nothing: the vendor lists no calls at all"); !slices.Equal(got, want[1:2]) {
		t.Errorf("doubts %q, want %q", got, want[1:2])
	}
	report := call.StatusReport{Sources: []call.SourceStatus{s}, Problems: []string{"crm: " + s.Problems[0], "index: rebuilding"}}
	if got := ownProblems(&report); !slices.Equal(got, []string{"index: rebuilding"}) {
		t.Errorf("problems of no source %q", got)
	}
}

// A round through the daemon is told like one in this process.
func TestDifference(t *testing.T) {
	day := time.Date(2026, 3, 8, 0, 0, 0, 0, time.UTC)
	clean := &call.Walk{FinishedAt: day, Clean: true, Edits: 2}
	doubtful := &call.Walk{FinishedAt: day.Add(time.Hour), Error: "the vendor lists no calls at all"}
	for _, tt := range []struct {
		name string
		is   call.SourceStatus
		want string
	}{
		{"clean", call.SourceStatus{LastTrailing: clean, LastSweep: clean, LastCompleteWalk: &day, RoundChanged: 3}, ""},
		{"the round failed", call.SourceStatus{LastTrailing: doubtful, LastSweep: clean, LastCompleteWalk: &day}, "the vendor lists no calls at all"},
		{"an earlier sweep proved nothing", call.SourceStatus{LastTrailing: clean, LastSweep: doubtful, LastCompleteWalk: &day},
			"the last walk over the whole list proved nothing: the vendor lists no calls at all"},
		{"never proved", call.SourceStatus{LastTrailing: clean, LastSweep: doubtful}, "the last walk over the whole list proved nothing: the vendor lists no calls at all"},
	} {
		if got := difference(call.SourceStatus{}, tt.is, false, time.Second); got.Error != tt.want || (got.Err != nil) != (tt.want != "") || got.Changed != tt.is.RoundChanged {
			t.Errorf("%s: %q and %d changed, want %q and %d", tt.name, got.Error, got.Changed, tt.want, tt.is.RoundChanged)
		}
	}
}
