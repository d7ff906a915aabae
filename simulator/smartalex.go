package simulator

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// smartAlex is SmartAlex, after its calls reference; the newer generation after
// the page that replaced it.
func smartAlex(newer bool) *spec {
	s := &spec{
		name: "smartalex", prefix: "/v1", newer: newer, id: prefixed(nil), audio: "mp3", precision: time.Second, web: true,
		credentials: map[string]string{"token": "sa_"}, authorized: bearer, refused: "Invalid or missing API key",
		failure: func(status int, code, message string) any {
			type e struct {
				Code    string `json:"code"`
				Message string `json:"message"`
				Status  int    `json:"status"`
			}
			return struct {
				Error e `json:"error"`
			}{e{code, message, status}}
		},
		limits: func(*http.Request) []limit { return []limit{{60, time.Minute}, {10_000, 24 * time.Hour}} },
		truth:  smartAlexTruth, size: 20, maximum: 100, clamp: true,
		words: words{ringing: "ringing", talking: "in_progress", of: [...]string{answered: "completed", voicemail: "voicemail",
			noAnswer: "no_answer", busy: "busy", failed: "failed", canceled: "failed", odd: "transferred"}},
	}
	filters := []string{"agent_id", "campaign_id", "direction", "status", "sentiment", "from_date", "to_date", "page", "per_page"}
	if newer {
		filters = append(filters, "since_hours")
	}
	paging := []string{"page", "per_page"}
	s.routes = []route{
		{http.MethodGet, "/calls", kindList, filters, smartAlexList},
		{http.MethodGet, "/calls/{id}", kindDetail, nil, smartAlexCall},
		{http.MethodGet, "/calls/{id}/transcript", kindTranscript, nil, smartAlexTranscript},
		{http.MethodGet, "/agents", kindLookup, paging, smartAlexAgents},
		{http.MethodGet, "/campaigns", kindLookup, paging, smartAlexCampaigns},
		{http.MethodGet, "/contacts", kindLookup, paging, smartAlexContacts},
		{http.MethodGet, "/contacts/{id}", kindLookup, nil, smartAlexContact},
	}
	if !newer {
		s.routes = append(s.routes, route{http.MethodGet, "/calls/{id}/recording", kindRecording, nil, smartAlexRecording})
	}
	return s
}

// data is the vendor's envelope.
type data[T any] struct {
	Data T `json:"data"`
}

// saMeta counts the rows of a list.
type saMeta struct {
	Total   int `json:"total"`
	Page    int `json:"page"`
	PerPage int `json:"per_page"`
}

// saContact is the contact inside a call; only the detail knows the email.
type saContact struct {
	ID        string  `json:"id"`
	FirstName string  `json:"first_name"`
	LastName  string  `json:"last_name"`
	Email     *string `json:"email,omitempty"`
}

// saTurn is one turn of a transcript.
type saTurn struct {
	Speaker   string `json:"speaker"`
	Text      string `json:"text"`
	Timestamp int    `json:"timestamp"`
}

// saItem is a call in the older list.
type saItem struct {
	ID          string     `json:"id"`
	Direction   *string    `json:"direction"`
	AgentID     string     `json:"agent_id"`
	PhoneNumber string     `json:"phone_number"`
	Contact     *saContact `json:"contact"`
	Status      string     `json:"status"`
	Duration    *int       `json:"duration"`
	Sentiment   *string    `json:"sentiment"`
	Cost        any        `json:"cost"`
	CreatedAt   string     `json:"created_at"`
}

// saCall is the older detail.
type saCall struct {
	ID           string     `json:"id"`
	Direction    *string    `json:"direction"`
	AgentID      string     `json:"agent_id"`
	CampaignID   *string    `json:"campaign_id"`
	PhoneNumber  string     `json:"phone_number"`
	Contact      *saContact `json:"contact"`
	Status       string     `json:"status"`
	Duration     *int       `json:"duration"`
	Sentiment    *string    `json:"sentiment"`
	Cost         any        `json:"cost"`
	RecordingURL *string    `json:"recording_url"`
	Transcript   []saTurn   `json:"transcript"`
	Summary      *string    `json:"summary"`
	CreatedAt    string     `json:"created_at"`
	EndedAt      *string    `json:"ended_at"`
}

func (w *world) smartAlexItem(v view) saItem {
	_, sentiment, _, _ := w.insight(v)
	return saItem{ID: v.id, Direction: orNil(v.direction), AgentID: w.agent(v.agent).id, PhoneNumber: w.person(v.person).phone,
		Contact: w.smartAlexParty(v.facts, false), Status: w.word(v), Duration: w.finished(v), Sentiment: sentiment,
		Cost: w.smartAlexCost(v), CreatedAt: stamp(v.created)}
}

func (w *world) smartAlexDetail(v view, turns []saTurn) saCall {
	summary, sentiment, _, _ := w.insight(v)
	return saCall{ID: v.id, Direction: orNil(v.direction), AgentID: w.agent(v.agent).id, CampaignID: w.campaignID(v.facts),
		PhoneNumber: w.person(v.person).phone, Contact: w.smartAlexParty(v.facts, true), Status: w.word(v), Duration: w.finished(v),
		Sentiment: sentiment, Cost: w.smartAlexCost(v), RecordingURL: w.smartAlexURL(v), Transcript: turns,
		Summary: summary, CreatedAt: stamp(v.created), EndedAt: stampOrNull(v.ended, stamp)}
}

// campaignID is nil for calls outside campaigns.
func (w *world) campaignID(f facts) *string {
	if f.campaign < 0 {
		return nil
	}
	return ptr(w.campaign(f.campaign).id)
}

// finished is the length of a call; nil while it goes on, and for half of the
// calls nobody answered.
func (w *world) finished(v view) *int {
	if v.live != "" || !v.kind.spoken() && v.number%2 != 0 {
		return nil
	}
	return ptr(v.duration)
}

func (w *world) smartAlexCost(v view) any {
	if v.live != "" {
		return nil
	}
	return v.quantity(v.cost, strconv.FormatFloat(v.cost, 'f', 2, 64))
}

// smartAlexParty is the contact of a call; nil when the vendor knows none.
func (w *world) smartAlexParty(f facts, email bool) *saContact {
	if !f.contact {
		return nil
	}
	p := w.person(f.person)
	c := &saContact{ID: p.id, FirstName: p.first, LastName: p.last}
	if email {
		c.Email = &p.email
	}
	return c
}

// smartAlexURL is a link whose path dies without showing when; nil without a
// recording.
func (w *world) smartAlexURL(v view) *string {
	if !v.ready || !v.hasRecording() {
		return nil
	}
	url, _ := w.pathURL(v.facts)
	return &url
}

// smartAlexTurns is the whole transcript.
func (w *world) smartAlexTurns(v view) []saTurn {
	list := []saTurn{}
	for _, l := range w.lines(v) {
		t := saTurn{Speaker: "caller", Text: flat(l.text), Timestamp: int(l.start)}
		if l.agent {
			t.Speaker = "agent"
		}
		list = append(list, t)
	}
	return list
}

// flat puts a turn on one line.
func flat(text string) string { return strings.ReplaceAll(text, "\n", " ") }

func smartAlexList(q *request) (any, *refusal) {
	size, refused := q.callSize("per_page")
	if refused != nil {
		return nil, refused
	}
	win, refused := q.paged(size)
	if refused != nil {
		return nil, refused
	}
	f, refused := smartAlexFilter(q)
	if refused != nil {
		return nil, refused
	}
	l := q.list("", win, f)
	if q.spec.newer {
		return struct {
			Data []saNewItem `json:"data"`
			Meta saMeta      `json:"meta"`
		}{each(l.views, q.smartAlexNewItem), saMeta{l.total, win.page, size}}, nil
	}
	return struct {
		Data []saItem `json:"data"`
		Meta saMeta   `json:"meta"`
	}{each(l.views, q.smartAlexItem), saMeta{l.total, win.page, size}}, nil
}

// smartAlexFilter reads the filters. The newer generation ignores those of the
// older page.
func smartAlexFilter(q *request) (filter, *refusal) {
	want := map[string]string{}
	for _, name := range []string{"agent_id", "campaign_id", "direction", "status", "sentiment"} {
		value, refused := q.text(name)
		if refused != nil {
			return filter{}, refused
		}
		if value != "" && (!q.spec.newer || name == "status") {
			want[name] = value
		}
	}
	from, refused := q.moment("from_date")
	if refused != nil {
		return filter{}, refused
	}
	to, refused := q.moment("to_date")
	if refused != nil {
		return filter{}, refused
	}
	if q.spec.newer {
		hours, refused := q.number("since_hours", 0, 1)
		if refused != nil {
			return filter{}, refused
		}
		from, to = time.Time{}, time.Time{}
		if hours > 0 {
			from = q.now.Add(-time.Duration(min(hours, math.MaxInt32)) * time.Hour)
		}
	}
	f := filter{created: between(from, to)}
	if len(want) > 0 {
		f.match = func(v view) bool { return q.smartAlexMatch(v, want) }
	}
	return f, nil
}

// between lets pass what lies between two times, both inclusive; zero times are
// open. It is nil when both are.
func between(from, to time.Time) func(time.Time) bool {
	if from.IsZero() && to.IsZero() {
		return nil
	}
	return func(t time.Time) bool {
		return (from.IsZero() || !t.Before(from)) && (to.IsZero() || !t.After(to))
	}
}

// smartAlexMatch compares a call with the filters given.
func (w *world) smartAlexMatch(v view, want map[string]string) bool {
	_, sentiment, _, _ := w.insight(v)
	have := map[string]*string{"agent_id": ptr(w.agent(v.agent).id), "campaign_id": w.campaignID(v.facts),
		"direction": &v.direction, "status": ptr(w.word(v)), "sentiment": sentiment}
	for name, value := range want {
		if have[name] == nil || *have[name] != value {
			return false
		}
	}
	return true
}

// smartAlexFind returns the call of a request.
func smartAlexFind(q *request) (view, *refusal) {
	v, ok := q.find(q.id)
	if !ok {
		return v, &refusal{http.StatusNotFound, "call_not_found", "Call ID doesn't exist"}
	}
	return v, nil
}

func smartAlexCall(q *request) (any, *refusal) {
	v, refused := smartAlexFind(q)
	if refused != nil {
		return nil, refused
	}
	turns := q.smartAlexTurns(v)
	if q.faults.AbridgedDetail {
		turns = turns[:min(2, len(turns))]
	}
	if q.spec.newer {
		return data[saNewCall]{q.smartAlexNewDetail(v, turns)}, nil
	}
	return data[saCall]{q.smartAlexDetail(v, turns)}, nil
}

func smartAlexTranscript(q *request) (any, *refusal) {
	v, refused := smartAlexFind(q)
	if refused != nil {
		return nil, refused
	}
	if q.withheld(v) {
		return nil, &refusal{http.StatusNotFound, "not_found", "Resource doesn't exist"}
	}
	type body struct {
		CallID     string   `json:"call_id"`
		Transcript []saTurn `json:"transcript"`
		Summary    *string  `json:"summary"`
	}
	summary, _, _, _ := q.insight(v)
	return data[body]{body{v.id, q.smartAlexTurns(v), summary}}, nil
}

func smartAlexRecording(q *request) (any, *refusal) {
	v, refused := smartAlexFind(q)
	if refused != nil {
		return nil, refused
	}
	if !v.ready || !v.hasRecording() {
		return nil, &refusal{http.StatusNotFound, "recording_not_available", "Recording doesn't exist or has expired"}
	}
	type body struct {
		URL       string `json:"url"`
		Duration  int    `json:"duration"`
		ExpiresAt string `json:"expires_at"`
	}
	url, expires := q.pathURL(v.facts)
	return data[body]{body{url, v.duration, stamp(expires)}}, nil
}

func smartAlexTruth(w *world, v view) call.Call {
	summary, sentiment, _, _ := w.insight(v)
	word, p := w.word(v), w.person(v.person)
	agent := w.agent(v.agent)
	c := call.Call{
		Direction: direction(v.direction), Status: status(word), Outcome: &word, Phone: &p.phone,
		AgentID: &agent.id, AgentName: ptr(agent.first), StartedAt: &v.created,
		CreatedAt: &v.created, EndedAt: &v.ended, Cost: ptr(v.cost), SentimentLabel: sentiment, Summary: summary,
	}
	c.Transcript = turns(w.lines(v), "agent", "caller", flat, func(t *call.Turn, l turn) { t.StartSeconds = ptr(math.Floor(l.start)) })
	for i := range c.Transcript[:max(0, len(c.Transcript)-1)] {
		c.Transcript[i].EndSeconds = c.Transcript[i+1].StartSeconds
	}
	if v.contact {
		c.ContactID, c.ContactName, c.ContactEmail = &p.id, ptr(p.name()), &p.email
	} else if w.spec.newer {
		c.Phone = nil // the newer shape knows the number through the contact only
	}
	if c.Phone != nil {
		c.FromNumber, c.ToNumber = sides(v.direction, p.phone)
	}
	if v.campaign >= 0 {
		m := w.campaign(v.campaign)
		c.CampaignID, c.CampaignName = &m.id, &m.name
	}
	if n := w.finished(v); n != nil {
		c.DurationSeconds = ptr(float64(*n))
	}
	return c
}
