package web_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
)

func ptr[T any](v T) *T { return &v }

// archive is an archive in memory with a plain search, enough for the page.
type archive struct {
	dir     string // of recordings
	records map[call.Key]call.Record
	order   []call.Key // newest first

	mu     sync.Mutex
	done   []string // what was asked to be done
	broken error    // of every search
}

func (a *archive) note(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = append(a.done, what)
}

func (a *archive) noted() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.done, "; ")
}

// fail makes every search fail, until it is called with nil.
func (a *archive) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = err
}

func (a *archive) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.broken
}

var (
	people    = []string{"Nora Lindqvist", "Tomás Albarracín", "Priya Raman", "Owen Fairweather", "Leila Haddad", "Mateo Ruiz", "Sofia Marchetti", "Jun Takahara", "Amara Okoye", "Felix Brandt"}
	agents    = []string{"Ada Example", "Bruno Sample", "Chidi Test", "Dana Proof"}
	campaigns = []string{"Spring renewals", "Welcome calls", ""}
	sources   = []call.SourceID{"crm", "frontdesk", "voicebot"}
)

// scenes are conversations; the speakers take turns, the agent first.
var scenes = []struct {
	summary, sentiment string
	topics             []string
	turns              []string
}{
	{"Was charged twice for March. The agent found the second payment and opened a refund, which takes three working days.", "negative", []string{"billing", "refund"}, []string{
		"Good morning, this is the billing desk. How can I help?",
		"Hello. I was charged twice for March and I would like a refund for one of them.",
		"I am sorry about that. May I have the number on the invoice?",
		"Yes, it is 2041. Both payments left my account on the same day.",
		"Thank you. I see the two payments here, eleven seconds apart. The second should not have gone through.",
		"That is what I thought. How long does a refund take?",
		"Three working days as a rule. You will have an e-mail from us within the hour that confirms it.",
		"Good. I had hoped it would be quicker, but all right.",
		"I understand. Is there anything else I can do for you today?",
		"No, that was all. Goodbye."}},
	{"Wants to add four seats before the new team starts on Monday. Agreed on the yearly plan.", "positive", []string{"upgrade", "pricing"}, []string{
		"Hello, you are speaking with the sales team.",
		"Hi! We have four new colleagues on Monday and need seats for them.",
		"Congratulations. Do you pay by the month or by the year at present?",
		"By the month, but I saw that the yearly plan is cheaper.",
		"It is, by about a fifth. I can move you over today and add the four seats at once.",
		"Perfect, let us do that. Can you send the new invoice to the office address?",
		"Of course. It is on its way, and the seats are open from now on.",
		"You have made my day. Thank you so much."}},
	{"Asks where the parcel is. It is held at the depot and comes tomorrow before noon.", "neutral", []string{"delivery"}, []string{
		"Welcome to the delivery line. What is your order number?",
		"It is 77-1830. It was to arrive on Tuesday and today is Thursday.",
		"One moment, please. It is at the depot, it came in last night.",
		"So when will I have it?",
		"Tomorrow before noon. Shall the driver ring you first?",
		"Yes, please. On this number.",
		"I have made a note of it."}},
	{"Wants to cancel the contract at the end of the term and asks for a written confirmation.", "negative", []string{"cancellation"}, []string{
		"Good afternoon, what can I do for you?",
		"I want to cancel my contract. I have had no use for it since autumn.",
		"I am sorry to hear it. Your term ends on the thirtieth. Would half the price change your mind?",
		"No, thank you. I only need a written confirmation that it is cancelled.",
		"You shall have it today. Nothing more will be charged after the thirtieth.",
		"Thank you. That is all I wanted."}},
}

// hostile is a call whose every text tries to be something else.
var hostile = call.Key{Source: "crm", ID: "evil/../<b>?#"}

const hostileText = "<script>alert(1)</script><img src=x onerror=\"document.title='owned'\"> \u202Egnp.exe\u202C \x1b[2J 𝒂𝒃 refund"

func newArchive(t testing.TB) *archive {
	t.Helper()
	a := &archive{dir: t.TempDir(), records: map[call.Key]call.Record{}}
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Now().UTC().Truncate(time.Minute)
	for i := range 200 {
		a.add(generate(i, now.Add(-time.Duration(i)*(20*time.Hour)-time.Duration(random.IntN(600))*time.Minute), random))
	}
	if err := os.WriteFile(filepath.Join(a.dir, "tone.wav"), tone(40), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *archive) add(r call.Record) {
	r.Mirror()
	a.records[r.Call.Key] = r
	a.order = append(a.order, r.Call.Key)
	slices.SortFunc(a.order, func(x, y call.Key) int {
		cx, cy := a.records[x].Call, a.records[y].Call
		return cy.Time().Compare(cx.Time())
	})
}

func generate(i int, at time.Time, random *rand.Rand) call.Record {
	source := sources[i%len(sources)]
	scene := scenes[i%len(scenes)]
	if random.IntN(4) == 0 {
		scene = scenes[random.IntN(len(scenes))]
	}
	c := call.Call{
		Key: call.Key{Source: source, ID: call.ID(fmt.Sprintf("c%04d", i))}, Source: source, Provider: "example", ID: call.ID(fmt.Sprintf("c%04d", i)),
		Direction: ptr([]call.Direction{call.Inbound, call.Outbound}[random.IntN(2)]), Status: ptr(call.StatusCompleted), Outcome: ptr("answered"),
		Phone: ptr(fmt.Sprintf("+1 202 555 01%02d", i%100)), ContactName: ptr(people[random.IntN(len(people))]),
		AgentName: ptr(agents[random.IntN(len(agents))]), StartedAt: &at, CreatedAt: &at, UpdatedAt: &at, Version: 1 + i%3, FirstSeenAt: at, ChangedAt: at,
		DurationSeconds: ptr(40.0), SentimentLabel: &scene.sentiment, SentimentScore: ptr(0.5), Summary: &scene.summary, Topics: scene.topics,
		Metadata: json.RawMessage(`{"queue":"north","wrap_up":"<done>"}`),
	}
	if name := campaigns[random.IntN(len(campaigns))]; name != "" {
		c.CampaignName = &name
	}
	parts := call.Parts{Record: call.Part{State: call.Stored}, Transcript: call.Part{State: call.Stored}, Summary: call.Part{State: call.Stored}, Recording: call.Part{State: call.Stored}}
	for j, text := range scene.turns {
		turn := call.Turn{Speaker: []call.Speaker{call.SpeakerAgent, call.SpeakerCustomer}[j%2], Text: text}
		if source != "voicebot" {
			turn.StartSeconds, turn.EndSeconds = ptr(float64(j)*4), ptr(float64(j)*4+3.5)
		}
		c.Transcript = append(c.Transcript, turn)
	}
	switch {
	case i%17 == 3:
		parts.Transcript = call.Part{State: call.Pending, Reason: "not_ready", NextTry: time.Now().Add(9*time.Minute + 30*time.Second), Deadline: time.Now().Add(50 * time.Hour), Attempts: 2}
		c.Transcript, c.Summary, c.SentimentLabel = nil, nil, nil
	case i%23 == 5:
		parts.Recording = call.Part{State: call.Lost, Reason: "expired", Deadline: at.Add(time.Hour), Attempts: 4}
	}
	if parts.Recording.State == call.Stored {
		c.Recording = &call.Recording{State: call.Stored, File: ptr("tone.wav"), SHA256: ptr(strings.Repeat("0a1b", 16)), SizeBytes: ptr(int64(320_044)),
			ContentType: ptr("audio/wav"), DurationSeconds: ptr(40.0), StoredAt: &at}
	}
	return call.Record{Call: c, Parts: parts}
}

func hostileRecord(at time.Time) call.Record {
	c := call.Call{Key: hostile, Source: hostile.Source, Provider: "example", ID: hostile.ID, ContactName: ptr(hostileText), AgentName: ptr("</title>" + hostileText),
		CampaignName: ptr("javascript:alert(1)"), StartedAt: &at, FirstSeenAt: at, ChangedAt: at, Version: 1, Summary: ptr(hostileText), Topics: []string{hostileText},
		Note: ptr(hostileText), Metadata: json.RawMessage(`{"<b>":"<svg onload=alert(1)>"}`),
		Transcript: []call.Turn{{Speaker: call.SpeakerCustomer, Label: ptr("<b>x</b>"), Text: hostileText}}}
	return call.Record{Call: c, Parts: call.Parts{Record: call.Part{State: call.Stored}, Transcript: call.Part{State: call.Stored}, Summary: call.Part{State: call.Stored}, Recording: call.Part{State: call.Pending, Reason: "<i>"}}}
}

// tone is a WAV file of so many seconds.
func tone(seconds int) []byte {
	const rate = 8000
	samples := make([]byte, rate*seconds)
	for i := range samples {
		samples[i] = byte(128 + 40*math.Sin(2*math.Pi*220*float64(i)/rate))
	}
	b := []byte("RIFF....WAVEfmt ")
	binary.LittleEndian.PutUint32(b[4:], uint32(36+len(samples)))
	for _, v := range []any{uint32(16), uint16(1), uint16(1), uint32(rate), uint32(rate), uint16(1), uint16(8)} {
		b, _ = binary.Append(b, binary.LittleEndian, v) // fixed-size values always fit
	}
	b = binary.LittleEndian.AppendUint32(append(b, "data"...), uint32(len(samples)))
	return append(b, samples...)
}

func (a *archive) Load(_ context.Context, key call.Key) (call.Record, error) {
	r, ok := a.records[key]
	if !ok {
		return r, call.ErrNotFound
	}
	return r, nil
}

func (a *archive) LoadLight(ctx context.Context, key call.Key) (call.Record, error) {
	return a.Load(ctx, key)
}

func (a *archive) Documents(context.Context, call.Key) (call.Documents, error) {
	return call.Documents{"list": {Body: json.RawMessage(`{}`), FetchedAt: time.Now()}}, nil
}

func (a *archive) Versions(ctx context.Context, key call.Key) ([]call.Version, error) {
	documents, err := a.Documents(ctx, key)
	return []call.Version{{Number: 1, ObservedAt: time.Now(), Fingerprint: "00ff", Documents: documents}}, err
}

func (a *archive) List(context.Context, call.ListQuery) (call.List, error) { return call.List{}, nil }

func (a *archive) OldestGap(context.Context, call.SourceID) (since time.Time, ok bool, err error) {
	return since, false, nil
}

func (a *archive) Gaps(_ context.Context, source call.SourceID, _ string, _ int) ([]call.Gap, string, error) {
	var out []call.Gap
	for _, key := range a.order {
		r := a.records[key]
		for _, name := range call.PartNames {
			p := r.Parts.Of(name)
			if (p.State == call.Pending || p.State == call.Lost) && (source == "" || source == key.Source) {
				g := call.Gap{Key: key, Part: name, State: p.State, Reason: &p.Reason, Attempts: p.Attempts}
				if !p.NextTry.IsZero() {
					g.NextTry = &p.NextTry
				}
				if !p.Deadline.IsZero() {
					g.Deadline = &p.Deadline
				}
				out = append(out, g)
			}
		}
	}
	return out, "", nil
}

func (a *archive) Acknowledge(_ context.Context, key call.Key, part call.PartName, reason string) error {
	a.note("accept " + key.String() + " " + string(part) + ": " + reason)
	return nil
}

func (a *archive) Changes(context.Context, uint64, int) ([]call.Change, error) { return nil, nil }
func (a *archive) LastSeq() uint64                                             { return 0 }
func (a *archive) Updated() <-chan struct{}                                    { return nil }
func (a *archive) Open(file string) (*os.File, error)                          { return os.Open(filepath.Join(a.dir, file)) }

// choose answers the calls a filter lets through, newest first.
func (a *archive) choose(f call.Filter) []call.Record {
	var out []call.Record
	for _, key := range a.order {
		r := a.records[key]
		c := &r.Call
		if matches(f.Source, &c.Source) && matches(f.Agent, c.AgentName) && matches(f.Campaign, c.CampaignName) && matches(f.Direction, c.Direction) &&
			matches(f.Status, c.Status) && matches(f.Sentiment, c.SentimentLabel) && !c.Time().Before(f.From) && (f.To.IsZero() || c.Time().Before(f.To)) &&
			!slices.ContainsFunc(f.Has, func(name call.PartName) bool { return r.Parts.Of(name).State != call.Stored }) {
			out = append(out, r)
		}
	}
	return out
}

func matches[T comparable](wanted []T, v *T) bool {
	return len(wanted) == 0 || v != nil && slices.Contains(wanted, *v)
}

func (a *archive) Search(_ context.Context, q call.SearchQuery) (call.SearchResult, error) {
	if err := a.failure(); err != nil {
		return call.SearchResult{}, err
	}
	if n := strings.Count(q.Text, `"`); n%2 == 1 {
		return call.SearchResult{}, &call.QueryError{Position: strings.LastIndex(q.Text, `"`), Message: "the quote is not closed"}
	}
	all := a.choose(q.Filter)
	var hits []call.Hit
	for _, r := range all {
		if snippets, ok := look(&r.Call, strings.ToLower(q.Text)); ok {
			hits = append(hits, call.Hit{Call: r.Call, Snippets: snippets})
		}
	}
	if q.Sort == "oldest" {
		slices.Reverse(hits)
	}
	out := call.SearchResult{Total: len(hits), Facets: facets(q.Facets, hits),
		Coverage: call.Coverage{Calls: len(all), Searchable: len(all), AsOf: time.Now().UTC()}}
	for _, r := range all {
		if r.Parts.Transcript.State == call.Pending {
			out.Coverage.Waiting.Transcript++
			out.Coverage.Searchable--
		}
	}
	begin, _ := strconv.Atoi(q.After)
	end := min(begin+q.Limit, len(hits))
	if out.Hits = hits[begin:end]; end < len(hits) {
		out.Next = strconv.Itoa(end)
	}
	return out, nil
}

// look finds one word in a call.
func look(c *call.Call, word string) ([]call.Snippet, bool) {
	if word == "" {
		return nil, true
	}
	var out []call.Snippet
	for i, t := range c.Transcript {
		if at := strings.Index(strings.ToLower(t.Text), word); at >= 0 {
			start := len([]rune(t.Text[:at]))
			out = append(out, call.Snippet{Part: "transcript", Turn: &i, Speaker: &t.Speaker, Text: t.Text,
				Marks: [][2]int{{start, start + len([]rune(word))}}, StartSeconds: t.StartSeconds})
		}
	}
	return out, len(out) > 0
}

func facets(names []string, hits []call.Hit) map[string][]call.FacetCount {
	out := map[string][]call.FacetCount{}
	for _, name := range names {
		counts := map[string]int{}
		for _, h := range hits {
			if v := facetOf(&h.Call, name); v != "" {
				counts[v]++
			}
		}
		for value, n := range counts {
			out[name] = append(out[name], call.FacetCount{Value: value, Count: n})
		}
		sort.Slice(out[name], func(i, j int) bool {
			x, y := out[name][i], out[name][j]
			return x.Count > y.Count || x.Count == y.Count && x.Value < y.Value
		})
	}
	return out
}

func facetOf(c *call.Call, name string) string {
	switch name {
	case "source":
		return string(c.Source)
	case "agent":
		return value(c.AgentName)
	case "campaign":
		return value(c.CampaignName)
	case "direction":
		return string(value(c.Direction))
	case "status":
		return string(value(c.Status))
	case "sentiment":
		return value(c.SentimentLabel)
	}
	return c.Time().Format("2006-01")
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func (a *archive) Stats(_ context.Context, q call.StatsQuery) ([]call.Stats, error) {
	rows := map[string]*call.Stats{}
	for _, r := range a.choose(q.Filter) {
		day := r.Call.Time().Truncate(24 * time.Hour)
		switch q.By {
		case "week":
			day = day.AddDate(0, 0, -(int(day.Weekday())+6)%7)
		case "month":
			day = day.AddDate(0, 0, 1-day.Day())
		}
		period := day.Format(time.DateOnly)
		if rows[period] == nil {
			rows[period] = &call.Stats{Period: period}
		}
		s := rows[period]
		s.Calls++
		switch value(r.Call.SentimentLabel) {
		case "positive":
			s.Positive++
		case "neutral":
			s.Neutral++
		case "negative":
			s.Negative++
		}
	}
	var out []call.Stats
	for _, s := range rows {
		out = append(out, *s)
	}
	slices.SortFunc(out, func(a, b call.Stats) int { return strings.Compare(a.Period, b.Period) })
	return out, nil
}

func (a *archive) Status(context.Context) (call.StatusReport, error) {
	now := time.Now().UTC()
	report := call.StatusReport{Version: "1.4.0", StartedAt: now.Add(-50 * time.Hour), Now: now, Problems: []string{"crm: 9 parts are lost; `callsyncd gaps` lists them", "the disk is nearly full: `"},
		Index: call.IndexStatus{State: "ready", Documents: len(a.order), Applied: 410}}
	for i, name := range sources {
		counts := call.Counts{RecordingBytes: 98_304_221, Pending: map[call.PartName]int{}, Lost: map[call.PartName]int{}}
		for key, r := range a.records {
			if key.Source != name {
				continue
			}
			counts.Calls++
			for _, part := range call.PartNames {
				switch r.Parts.Of(part).State {
				case call.Pending:
					counts.Pending[part]++
				case call.Lost:
					counts.Lost[part]++
				}
			}
		}
		counts.Transcript, counts.Recordings = counts.Calls-counts.Pending[call.PartTranscript], counts.Calls-counts.Lost[call.PartRecording]
		s := call.SourceStatus{Name: name, Provider: "example", BaseURL: "https://api.example.com", State: "idle", Problems: []string{}, Counts: counts,
			LastCompleteWalk: ptr(now.Add(-time.Duration(i+1) * 4 * time.Hour)), BackfillDone: true, VendorTotal: ptr(counts.Calls + i),
			Budget: []call.BudgetStatus{{Requests: 100, PerSeconds: 60, Used: 12 * (i + 1)}, {Requests: 1000, PerSeconds: 3600, Used: 310}}}
		if counts.Open() == 0 {
			s.Green = true
		} else if i == 0 {
			s.MinutesToNextLoss = ptr(47.0)
			s.Problems = []string{fmt.Sprintf("%d recordings are lost and nobody has accepted that, see `callsyncd gaps`", counts.Lost[call.PartRecording])}
		}
		report.Sources = append(report.Sources, s)
	}
	return report, nil
}

func (a *archive) Sync(_ context.Context, source call.SourceID, _ bool) error {
	a.note("sync " + string(source))
	return nil
}

func (a *archive) AcceptVanished(ctx context.Context, source call.SourceID, _ string) error {
	return a.Sync(ctx, source, true)
}

func (a *archive) Ready() []string { return nil }
func (a *archive) Verify(context.Context) (call.VerifyReport, error) {
	return call.VerifyReport{}, nil
}
func (a *archive) Reindex(context.Context) error { return nil }

func (a *archive) History(context.Context, call.Key) ([]call.Event, error) {
	return []call.Event{}, nil
}

func (a *archive) Statements(context.Context, call.SourceID, int) ([]call.Statement, error) {
	return []call.Statement{}, nil
}
