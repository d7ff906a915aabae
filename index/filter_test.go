package index

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"callsyncd/call"
)

func maybe[T any](t *rapid.T, name string, values ...T) *T {
	i := rapid.IntRange(-1, len(values)-1).Draw(t, name)
	if i < 0 {
		return nil
	}
	return &values[i]
}

func drawCall(t *rapid.T, i int) call.Call {
	c := testCall(fmt.Sprintf("call-%03d", i), "a: hello")
	c.Source = rapid.SampledFrom([]call.SourceID{"crm", "voice"}).Draw(t, "source")
	c.Key.Source = c.Source
	c.AgentID, c.AgentName = maybe(t, "agent id", "a1", "A1", ""), maybe(t, "agent name", "Ada", "ADA", "a1", "Über")
	c.CampaignID, c.CampaignName = maybe(t, "campaign id", "k1", "k2"), maybe(t, "campaign name", "Spring", "K1")
	c.ContactID, c.UserID = maybe(t, "contact", "x", "y"), maybe(t, "user", "x", "y")
	c.Phone = maybe(t, "phone", "+1 415 555 0101", "555-0101", "0101", "(0415) 555-0101", "00 1 415 555 0102", "")
	c.FromNumber = maybe(t, "from", "+44 (0)20 7946 0123", "020 7946 0123", "4155550101")
	c.Direction, c.Status = maybe(t, "direction", call.Inbound, call.Outbound), maybe(t, "status", call.StatusBusy, call.StatusCompleted)
	c.Outcome, c.SentimentLabel = maybe(t, "outcome", "Sold", "sold"), maybe(t, "sentiment", "positive", "negative")
	c.DurationSeconds = maybe(t, "duration", 0.0, 1.5, 60, 60.25, -1, 1e9)
	c.StartedAt = maybe(t, "started", testTime(1), testTime(2), testTime(2).Add(time.Nanosecond), time.Unix(0, 0), time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC))
	c.Settled = rapid.Bool().Draw(t, "settled")
	if rapid.Bool().Draw(t, "deleted") {
		c.DeletedUpstreamAt = ptr(testTime(5))
	}
	states := []call.State{call.Pending, call.Stored, call.None, call.Lost}
	c.Parts.Transcript = rapid.SampledFrom(states).Draw(t, "transcript")
	c.Parts.Summary = rapid.SampledFrom(states).Draw(t, "summary")
	c.Parts.Recording = rapid.SampledFrom(states).Draw(t, "recording")
	return c
}

func some[T any](t *rapid.T, name string, values ...T) []T {
	if rapid.IntRange(0, 3).Draw(t, name+"?") > 0 {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(values), 1, 2).Draw(t, name)
}

func drawFilter(t *rapid.T) call.Filter {
	f := call.Filter{
		Source: some[call.SourceID](t, "source", "crm", "voice", "none"),
		Agent:  some(t, "agent", "a1", "ada", "ÜBER", ""), AgentID: some(t, "agent id", "a1", "A1", ""),
		Campaign: some(t, "campaign", "spring", "k1"), CampaignID: some(t, "campaign id", "k1", "K1"),
		ContactID: some(t, "contact", "x"), UserID: some(t, "user", "y"),
		Phone:     some(t, "phone", "+14155550101", "4155550101", "5550101", "0101", "1 (415) 555 0102", "+442079460123", "2079460123", "07946 0123", "", "0555-0101"),
		Direction: some(t, "direction", call.Inbound), Status: some(t, "status", call.StatusBusy, call.StatusFailed),
		Outcome: some(t, "outcome", "sold"), Sentiment: some(t, "sentiment", "positive", "Negative"),
		Has: some(t, "has", call.PartRecord, call.PartTranscript, call.PartSummary, call.PartRecording, "video"),
	}
	if rapid.IntRange(0, 2).Draw(t, "from?") == 0 {
		f.From = rapid.SampledFrom([]time.Time{testTime(1), testTime(2), testTime(2).Add(time.Nanosecond), time.Unix(0, 0)}).Draw(t, "from")
	}
	if rapid.IntRange(0, 2).Draw(t, "to?") == 0 {
		f.To = rapid.SampledFrom([]time.Time{testTime(1), testTime(2), testTime(3)}).Draw(t, "to")
	}
	f.MinDuration, f.MaxDuration = maybe(t, "min", 0.0, 1.5, 60), maybe(t, "max", 0.0, 60, 60.25)
	f.Settled, f.DeletedUpstream = maybe(t, "want settled", true, false), maybe(t, "want deleted", true, false)
	return f
}

// The filters of the index select what the comments of call.Filter say, and
// coverage counts the same calls before and after they are indexed.
func TestFiltersAgree(t *testing.T) {
	dir := t.TempDir()
	rounds := 0
	rapid.Check(t, func(rt *rapid.T) {
		src := newMemory()
		calls := make([]call.Call, 12)
		for i := range calls {
			calls[i] = drawCall(rt, i)
		}
		rounds++
		x := openTest(t, fmt.Sprintf("%s/%d", dir, rounds), src)
		filters := rapid.SliceOfN(rapid.Custom(drawFilter), 20, 20).Draw(rt, "filters")
		src.put(calls...)
		for _, indexed := range []bool{false, true} {
			if indexed {
				if err := x.CatchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range filters {
				compareFilter(rt, x, calls, f, indexed)
			}
		}
	})
}

func compareFilter(t *rapid.T, x *Index, calls []call.Call, f call.Filter, indexed bool) {
	var want, got []string
	pending := 0
	for i := range calls {
		if selects(&f, &calls[i]) {
			want = append(want, calls[i].Key.String())
			if calls[i].Parts.Transcript == call.Pending {
				pending++
			}
		}
	}
	r, err := x.Search(t.Context(), call.SearchQuery{Text: "hello", Filter: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.Hits {
		got = append(got, h.Call.Key.String())
	}
	coverage := call.Coverage{Calls: len(want), Searchable: len(want) - pending, AsOf: r.Coverage.AsOf,
		Waiting: call.CoverageWaiting{Transcript: pending}}
	if !indexed {
		want, coverage.Searchable, coverage.Waiting.Index = nil, 0, len(want)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("filter %+v: got %q, want %q", f, got, want)
	}
	if r.Coverage != coverage {
		t.Fatalf("filter %+v, indexed %v: coverage %+v, want %+v", f, indexed, r.Coverage, coverage)
	}
}

// selects is the comments of call.Filter, written down naively.
func selects(f *call.Filter, c *call.Call) bool {
	is := func(values []string, v *string) bool {
		return len(values) == 0 || v != nil && *v != "" && slices.Contains(values, *v)
	}
	isNamed := func(values []string, id, name *string) bool {
		if is(values, id) {
			return true
		}
		for _, v := range values {
			if name != nil && v != "" && fold(lower(v)) == fold(lower(*name)) {
				return true
			}
		}
		return false
	}
	ok := is(f.AgentID, c.AgentID) && is(f.CampaignID, c.CampaignID) && is(f.ContactID, c.ContactID) && is(f.UserID, c.UserID) &&
		is(f.Outcome, c.Outcome) && is(f.Sentiment, c.SentimentLabel) &&
		isNamed(f.Agent, c.AgentID, c.AgentName) && isNamed(f.Campaign, c.CampaignID, c.CampaignName) &&
		(len(f.Source) == 0 || slices.Contains(f.Source, c.Source)) &&
		(len(f.Direction) == 0 || c.Direction != nil && slices.Contains(f.Direction, *c.Direction)) &&
		(len(f.Status) == 0 || c.Status != nil && slices.Contains(f.Status, *c.Status)) &&
		(f.From.IsZero() || !c.Time().Before(f.From)) && (f.To.IsZero() || c.Time().Before(f.To)) &&
		(f.MinDuration == nil || c.DurationSeconds != nil && *c.DurationSeconds >= *f.MinDuration) &&
		(f.MaxDuration == nil || c.DurationSeconds != nil && *c.DurationSeconds <= *f.MaxDuration) &&
		(f.Settled == nil || *f.Settled == c.Settled) &&
		(f.DeletedUpstream == nil || *f.DeletedUpstream == (c.DeletedUpstreamAt != nil))
	for _, part := range f.Has {
		states := map[call.PartName]call.State{call.PartRecord: call.Stored, call.PartTranscript: c.Parts.Transcript,
			call.PartSummary: c.Parts.Summary, call.PartRecording: c.Parts.Recording}
		ok = ok && states[part] == call.Stored
	}
	return ok && (len(f.Phone) == 0 || hasPhone(f.Phone, c))
}

func hasPhone(wanted []string, c *call.Call) bool {
	for _, stored := range []*string{c.Phone, c.FromNumber, c.ToNumber} {
		for _, w := range wanted {
			if stored != nil && call.SamePhone(call.PhoneDigits(w), call.PhoneDigits(*stored)) {
				return true
			}
		}
	}
	return false
}

func lower(s string) string {
	out := []byte{}
	for _, r := range s {
		out = appendLower(out, r)
	}
	return string(out)
}

func TestSamePhone(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{"+1 415 555 0101", "(415) 555-0101", true},
		{"415.555.0101", "0014155550101", true},
		{"+44 (0)20 7946 0123", "020 7946 0123", true},
		{"+2 415 555 0101", "+1 415 555 0101", false},
		{"+415 555 0101", "+1 415 555 0101", false},
		{"0101", "+1 415 555 0101", false},
		{"0101", "0101", true},
		{"", "", false},
	} {
		a, b := call.PhoneDigits(tc.a), call.PhoneDigits(tc.b)
		if call.SamePhone(a, b) != tc.want || call.SamePhone(b, a) != tc.want {
			t.Errorf("%q and %q: want %v", tc.a, tc.b, tc.want)
		}
	}
}
