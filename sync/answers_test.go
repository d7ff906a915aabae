package callsync

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// answering enters one answer after the other.
type answering struct {
	answerWatch
	n  int
	at time.Time
}

func newAnswering() *answering {
	return &answering{answerWatch: answerWatch{docs: make(map[string]*call.AnswerHabit)}, at: time.Date(2025, 3, 1, 9, 0, 0, 0, time.UTC)}
}

func (a *answering) see(body string) call.ID {
	a.n++
	a.at = a.at.Add(time.Minute)
	return a.seeOf(call.ID(fmt.Sprintf("%04d", a.n)), a.at, body, false)
}

func (a *answering) seeOf(id call.ID, at time.Time, body string, again bool) call.ID {
	kinds := make(map[string]string)
	flatten(kinds, "", json.RawMessage(body), answerDepth)
	inbound := call.Inbound
	for _, d := range a.habits("detail", &inbound) {
		sees(d, call.AnsweredCall{ID: id, At: at}, kinds, again)
	}
	return id
}

func (a *answering) habit() *call.AnswerHabit { return a.docs["detail inbound"] }

// named is an answer whose field has the value; without one if that is empty.
func named(value string) string {
	if value == "" {
		return `{"data": {"id": "1"}}`
	}
	return fmt.Sprintf(`{"data": {"id": "1", "name": %s}}`, value)
}

func pick(yes bool, text string) string {
	if yes {
		return text
	}
	return ""
}

func TestAnswersLackAField(t *testing.T) {
	always := func(value string) func(int) string { return func(int) string { return value } }
	for name, tc := range map[string]struct {
		before, after func(i int) string
		had, answers  int
		text          string
	}{
		"there":             {always(`"x"`), always(`"y"`), 100, 20, ""},
		"now and then":      {func(i int) string { return pick(i%25 > 0, `"x"`) }, func(i int) string { return pick(i != 3, `"x"`) }, 100, 20, ""},
		"a short run":       {always(`"x"`), always(""), 100, missedRun - 1, ""},
		"vanished":          {always(`"x"`), always(""), 100, missedRun, "was in 100 % of the vendor's records, now in none"},
		"vanished, of most": {func(i int) string { return pick(i%25 > 0, `"x"`) }, always(""), 100, 60, `field "data.name" of the document detail was in 97 % of the vendor's records, now in none`},
		"null":              {always(`"x"`), always("null"), 100, 60, "now in none"},
		"another type":      {always(`7`), always(`"7"`), 100, 60, "was of the type number, now it is string"},
		"few had it":        {always(`"x"`), always(""), watchedRows - 1, 60, ""},
		"just enough":       {always(`"x"`), always(""), watchedRows, 60, "now in none"},
		"half of them":      {func(i int) string { return pick(i%2 == 0, `"x"`) }, always(""), 100, 60, ""},
		"only long calls":   {func(i int) string { return pick(i%10 < 3, `"x"`) }, func(i int) string { return pick(i > 30, `"x"`) }, 300, 90, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAnswering()
			for i := range tc.had {
				a.see(named(tc.before(i)))
			}
			var lacked []call.ID
			for i := range tc.answers {
				lacked = append(lacked, a.see(named(tc.after(i))))
			}
			if text := strings.Join(a.texts(2), "; "); !strings.Contains(text, tc.text) || tc.text == "" && text != "" {
				t.Errorf("told %q, want %q", text, tc.text)
			}
			for range backRun {
				a.see(named(tc.before(1)))
			}
			again := slices.Sorted(maps.Keys(a.habit().Again.IDs))
			again = slices.DeleteFunc(again, func(id call.ID) bool { return id < lacked[0] }) // of those before some may be read again too
			if tc.text == "" && len(a.habit().Again.IDs) > 0 || tc.text != "" && !slices.Equal(again, lacked) || !a.habit().Again.Since.IsZero() {
				t.Errorf("read again: %q, since %s", again, a.habit().Again.Since)
			}
			if text := a.texts(2); len(text) > 0 {
				t.Errorf("still told once it is back: %q", text)
			}
		})
	}
}

// Small accounts are told of what vanished, never of anything else.
func TestAnswersOfFewCalls(t *testing.T) {
	for calls := 5; calls <= 40; calls++ {
		a := newAnswering()
		for i := range calls {
			a.see(fmt.Sprintf(`{"a": 1, "long": %s}`, pick(i%3 > 0, "1")+pick(i%3 == 0, "null")))
		}
		if text := a.texts(2); len(text) > 0 {
			t.Fatalf("%d calls: %q", calls, text)
		}
		for range missedRun {
			a.see(`{}`)
		}
		if text := a.texts(2); (len(text) == 1) != (calls >= watchedRows) {
			t.Errorf("%d calls: %q", calls, text)
		}
	}
}

// Calls settle in any order: answers from before the field vanished, or came back,
// say nothing of now, and those that lack it are read again all the same.
func TestAnswersInAnotherOrder(t *testing.T) {
	a := newAnswering()
	for range 30 {
		a.see(named("1"))
	}
	early := a.at
	var lacked []call.ID
	for i := range missedRun + 4 {
		lacked = append(lacked, a.see(named("")))
		if i%4 == 3 {
			a.seeOf(call.ID(fmt.Sprint("before", i)), early, named("1"), false)
		}
	}
	meanwhile := a.at
	if len(a.texts(2)) != 1 {
		t.Fatal("not told")
	}
	for range backRun {
		a.see(named("1"))
	}
	lacked = append(lacked, a.seeOf("9999", meanwhile, named(""), false))
	for _, id := range lacked {
		if _, again := a.habit().Again.IDs[id]; !again {
			t.Errorf("%s is not read again", id)
		}
	}
}

// What is remembered stays small, and of many calls the time of the earliest
// answer is left, in whatever order they came.
func TestAnswersAreRememberedInLittle(t *testing.T) {
	full := make(map[string]int)
	for i := range 2 * answerFields {
		full[fmt.Sprintf("field_number_%d", i)] = i
	}
	full[strings.Repeat("x", answerNames+1)] = 1
	body, _ := json.Marshal(full)
	a := newAnswering()
	for range 100 {
		a.see(string(body))
	}
	earliest := a.at
	for round := range 5 {
		for i := range 300 {
			a.seeOf(call.ID(fmt.Sprintf("3f2504e0-4f89-11d3-9a0c-%012d", i)), earliest.Add(time.Duration(1000*round+300-i)*time.Minute), `{}`, false)
		}
	}
	d := a.habit()
	if len(d.Fields) != answerFields || len(d.Lacking.IDs) != 200 || !d.Lacking.Since.Equal(earliest.Add(time.Minute)) {
		t.Errorf("%d fields, %d calls, since %s", len(d.Fields), len(d.Lacking.IDs), d.Lacking.Since)
	}
	if text := some(a.texts(2)); len(text) != toldFields+1 {
		t.Errorf("%d texts", len(text))
	}
	if out, _ := json.Marshal(a.docs); len(out) > 60_000 {
		t.Errorf("the checkpoint has %d bytes", len(out))
	}
}

// detailVendor shows the campaign of a call, and its transcript, in its detail only.
type detailVendor struct {
	*fakeVendor
	lacks bool // the campaign
}

func (v *detailVendor) Wanted(docs call.Documents, _ map[string]string) (string, bool) {
	_, have := docs["detail"]
	return "detail", !have
}

// Fetch answers with a campaign, but for calls "out...", whose direction never has
// one, "missed...", which are no conversations, and "own...", which simply have none.
func (v *detailVendor) Fetch(_ context.Context, _ string, docs call.Documents) (call.Document, error) {
	_, listed := v.find(docs)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fetches++
	body := `{"data": {"id": "1", "campaign": "spring"}}`
	if v.lacks || strings.HasPrefix(listed.ID, "o") || strings.HasPrefix(listed.ID, "missed") {
		body = `{"data": {"id": "1"}}`
	}
	return call.Document{Body: json.RawMessage(body), FetchedAt: time.Now()}, nil
}

func (v *detailVendor) Map(docs call.Documents) (call.Mapped, error) {
	m, err := v.fakeVendor.Map(docs)
	var detail struct{ Data struct{ Campaign *string } }
	_ = json.Unmarshal(docs["detail"].Body, &detail)
	m.Call.CampaignName = detail.Data.Campaign
	direction := call.Inbound
	if strings.HasPrefix(string(m.Call.ID), "out") {
		direction = call.Outbound
	}
	m.Call.Direction = &direction
	if !strings.HasPrefix(string(m.Call.ID), "missed") {
		m.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: "Hello"}}
		m.TranscriptFrom, m.Transcript = "detail", call.PartEvidence{Evidence: call.EvidencePresent}
	}
	return m, err
}

func (v *detailVendor) lacking(yes bool) { v.edit(func() { v.lacks = yes }) }

func inDetail(t *testing.T, calls int, fn func(*testbed, *detailVendor)) {
	inBubble(t, calls, func(b *testbed) {
		v := &detailVendor{fakeVendor: b.vendor}
		b.source.Provider = v
		b.restart()
		b.mustRound(true)
		fn(b, v)
	})
}

// arrive has calls arrive, a minute from one to the next.
func (b *testbed) arrive(name string, n int) {
	for i := range n {
		time.Sleep(time.Minute)
		b.arrives(fmt.Sprintf("%s%03d", name, i))
	}
}

// wantCampaigns wants calls to be as the vendor has them now.
func (b *testbed) wantCampaigns(name string, n int) {
	b.t.Helper()
	for i := range n {
		if r := b.load(call.ID(fmt.Sprintf("%s%03d", name, i))); r.Call.CampaignName == nil || r.Parts.Record.State != call.Stored {
			b.t.Errorf("%s%03d: %+v", name, i, r.Parts)
		}
	}
}

// A field that vanishes from the answers about single calls is told of, and what
// was read meanwhile is read again once it is back.
func TestFieldVanishesFromAnswers(t *testing.T) {
	for name, calls := range map[string]int{"for some calls": 12, "for more than are noted": 230} {
		t.Run(name, func(t *testing.T) {
			inDetail(t, 60, func(b *testbed, v *detailVendor) {
				v.lacking(true)
				b.arrive("n", calls)
				if r := b.round(false); len(b.engine.Checkpoint().AnswerDrift) != 1 || r.Complete {
					b.t.Errorf("complete %t, told %q", r.Complete, b.engine.Checkpoint().AnswerDrift)
				}
				b.restart() // what was counted outlives the process
				if r := b.round(true); r.Complete || !strings.Contains(r.Error, `field "data.campaign" of the document detail was in 100 % of the vendor's records, now in none`) {
					b.t.Errorf("a sweep: %+v", r)
				}
				v.lacking(false)
				b.arrive("z", backRun)
				fetches := v.fetches
				b.mustRound(true)
				b.mustRound(true)
				if n := v.fetches - fetches; n != calls+backRun {
					b.t.Errorf("%d details were read, want %d", n, calls+backRun)
				}
				b.wantCampaigns("n", calls)
				if c := b.engine.Checkpoint(); len(c.AnswerDrift)+len(c.Drift) > 0 {
					b.t.Errorf("still told: %q", c.AnswerDrift)
				}
			})
		})
	}
}

// What a sweep told of is how the vendor answers from the next on; its calls are
// read again even so when it comes back.
func TestFieldIsGoneForLong(t *testing.T) {
	inDetail(t, 60, func(b *testbed, v *detailVendor) {
		v.lacking(true)
		b.arrive("n", 12)
		if err := b.engine.Head(b.t.Context()); err != nil || len(b.engine.Checkpoint().AnswerDrift) != 1 {
			b.t.Errorf("head: %v, told %q", err, b.engine.Checkpoint().AnswerDrift)
		}
		if err := b.engine.Sweep(b.t.Context()); !isSuspicion(err) || b.statement().Proved {
			b.t.Errorf("a sweep: %v", err)
		}
		if err := b.engine.Trailing(b.t.Context()); err != nil || b.statement().Proved {
			b.t.Errorf("a sweep's doubt was lifted, %v", err)
		}
		b.mustRound(true)
		b.arrive("later", 1)
		b.mustRound(true)
		b.restart()
		v.lacking(false)
		b.arrive("z", backRun)
		b.mustRound(true)
		b.wantCampaigns("n", 12)
		b.wantCampaigns("later", 1)
	})
}

// Nothing is called proved while calls are known to lack what is there again, be it
// a walk or the pending pass that saw it there.
func TestNothingIsProvedOfCallsThatLackFields(t *testing.T) {
	inDetail(t, 60, func(b *testbed, v *detailVendor) {
		v.lacking(true)
		b.arrive("n", 12)
		_ = b.engine.Head(b.t.Context())
		v.lacking(false)
		b.arrive("z", backRun)
		if err := b.engine.Sweep(b.t.Context()); err != nil || b.statement().Proved || b.statement().Open[call.PartRecord][lacking] != 12 {
			b.t.Errorf("%v: %+v", err, b.statement())
		}
		b.mustRound(false)
		b.wantCampaigns("n", 12)

		v.lacking(true)
		b.arrive("m", 12)
		b.round(false)
		for i := range backRun { // asked for again, and not by a walk
			if err := b.engine.againSome(b.t.Context(), []call.Key{b.engine.key(call.ID(fmt.Sprintf("c%03d", i+1)))}, func(r *call.Record, _ call.Documents) *call.Write {
				return b.engine.askedAgain(r)
			}); err != nil {
				b.t.Fatal(err)
			}
		}
		v.lacking(false)
		time.Sleep(time.Minute)
		if r := b.round(false); r.Complete {
			b.t.Error("complete, and calls are to be read again")
		}
		b.mustRound(true)
		b.wantCampaigns("m", 12)
	})
}

// What the pending pass saw vanish is not forgotten when the process ends.
func TestMissedFieldsAreStoredAtOnce(t *testing.T) {
	inDetail(t, 60, func(b *testbed, v *detailVendor) {
		v.lacking(true)
		for i := range 12 {
			if err := b.engine.againSome(b.t.Context(), []call.Key{b.engine.key(call.ID(fmt.Sprintf("c%03d", i+1)))}, func(r *call.Record, _ call.Documents) *call.Write {
				return b.engine.askedAgain(r)
			}); err != nil {
				b.t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		if err := b.engine.pending(b.t.Context(), false, time.Time{}); err != nil {
			b.t.Fatal(err)
		}
		b.restart()
		d := b.engine.answers.docs["detail inbound"]
		if len(b.engine.Checkpoint().AnswerDrift) != 1 || len(d.Lacking.IDs) < 12 {
			b.t.Errorf("%d calls, told %q", len(d.Lacking.IDs), b.engine.Checkpoint().AnswerDrift)
		}
	})
}

// A healthy vendor whose calls come in runs is never suspected.
func TestCallsComeInRuns(t *testing.T) {
	inDetail(t, 40, func(b *testbed, v *detailVendor) {
		for day := range 6 {
			for _, some := range []struct {
				name string
				n    int
			}{{"in", 20}, {"missed", 15}, {"out", 8}} {
				b.arrive(fmt.Sprint(some.name, day, "x"), some.n)
				b.mustRound(false)
			}
			fetches := v.fetches
			b.mustRound(true)
			if v.fetches != fetches {
				b.t.Error("calls were read again")
			}
			time.Sleep(12 * time.Hour)
		}
	})
}

// What was missed for nothing, since the calls read again lack it still, is told
// of once and never again.
func TestFieldThatSomeCallsNeverHad(t *testing.T) {
	inDetail(t, 200, func(b *testbed, _ *detailVendor) {
		red := 0
		for day := range 8 {
			b.arrive(fmt.Sprint("in", day, "x"), 130)
			b.round(false)
			b.arrive(fmt.Sprint("own", day, "x"), 12)
			b.round(false)
			if r := b.round(true); !r.Complete {
				red++
			}
			time.Sleep(12 * time.Hour)
		}
		if red > 1 {
			b.t.Errorf("%d of 8 sweeps were doubtful", red)
		}
		b.mustRound(true)
	})
}

// Walks that end at the same time both have calls read again.
func TestTwoWalksReadAgain(t *testing.T) {
	inDetail(t, 60, func(b *testbed, _ *detailVendor) {
		e := b.engine
		e.mu.Lock()
		e.answers.docs["detail inbound"].Again.Add(call.AnsweredCall{ID: "c001"}, call.AnsweredCall{ID: "c002"})
		e.mu.Unlock()
		release, err := e.claims.take(b.t.Context(), []call.ID{"c001"}) // a page is worked on
		if err != nil {
			b.t.Fatal(err)
		}
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- e.readLacking(b.t.Context()) }()
		}
		synctest.Wait()
		e.mu.Lock() // an answer comes in meanwhile
		e.answers.docs["detail inbound"].Again.Add(call.AnsweredCall{ID: "c003"}, call.AnsweredCall{ID: "c002", At: time.Now()})
		e.mu.Unlock()
		release()
		for range 2 {
			if err := <-done; err != nil {
				b.t.Error(err)
			}
		}
		for id, want := range map[call.ID]call.State{"c001": call.Pending, "c002": call.Pending, "c003": call.Pending, "c004": call.Stored} {
			if got := b.load(id).Parts.Record.State; got != want {
				b.t.Errorf("%s is %s", id, got)
			}
		}
		if n := len(e.lackedCalls()); n > 0 {
			b.t.Errorf("%d still to be read again", n)
		}
	})
}
