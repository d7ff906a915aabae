package simulator

import (
	"net/http"
	"strconv"
	"time"

	"callsyncd/call"
)

// sureSend is Sure Send CRM, after its calls API guide; users and people after
// the guides of that name.
func sureSend() *spec {
	s := &spec{
		name: "suresend", prefix: "/api/partner", id: uuids, audio: "mp3", precision: time.Second,
		credentials: map[string]string{"token": "ss_"}, authorized: bearer, refused: "Invalid or expired token",
		failure: func(_ int, _, message string) any {
			return struct {
				ErrorMessage string `json:"errorMessage"`
			}{message}
		},
		limits: func(r *http.Request) []limit {
			if r.Header.Get("X-System-Id") != "" {
				return []limit{{600, time.Minute}}
			}
			return []limit{{300, time.Minute}}
		},
		truth: sureSendTruth, size: 25, maximum: 100,
		words: words{of: [...]string{answered: "answered", voicemail: "voicemail", noAnswer: "no-answer", busy: "busy",
			failed: "failed", canceled: "canceled", odd: "callback-scheduled"}},
	}
	s.routes = []route{
		{http.MethodGet, "/calls", kindList, []string{"page", "limit"}, sureSendList},
		{http.MethodGet, "/calls/{id}", kindDetail, nil, sureSendCall},
		{http.MethodGet, "/calls/{id}/transcript", kindTranscript, nil, sureSendTranscript},
		{http.MethodGet, "/users", kindLookup, []string{"offset", "limit"}, sureSendUsers},
		{http.MethodGet, "/people", kindLookup, []string{"offset", "limit", "page"}, sureSendPeople},
		{http.MethodGet, "/people/{id}", kindLookup, nil, sureSendPerson},
	}
	return s
}

// ssCall is a call as list and detail show it.
type ssCall struct {
	ID                      string   `json:"id"`
	PersonID                *string  `json:"personId"`
	UserID                  string   `json:"userId"`
	Phone                   string   `json:"phone"`
	Duration                any      `json:"duration"`
	IsIncoming              *bool    `json:"isIncoming"`
	Outcome                 *string  `json:"outcome"`
	HasRecording            bool     `json:"hasRecording"`
	RecordingURL            string   `json:"recordingUrl,omitempty"`
	RecordingURLExpiresIn   int      `json:"recordingUrlExpiresIn,omitempty"`
	HasTranscript           bool     `json:"hasTranscript"`
	ConversationSummary     *string  `json:"conversationSummary"`
	ConversationTopics      []string `json:"conversationTopics"`
	SentimentLabel          *string  `json:"sentimentLabel"`
	SentimentScore          *float64 `json:"sentimentScore"`
	IntelligenceProcessed   bool     `json:"intelligenceProcessed"`
	IntelligenceProcessedAt *string  `json:"intelligenceProcessedAt"`
	CreatedAt               string   `json:"createdAt"`
	UpdatedAt               string   `json:"updatedAt"`
}

// sureSendJSON is one call at a moment. Half of the late transcripts are
// announced before they can be had.
func (w *world) sureSendJSON(v view) ssCall {
	c := ssCall{ID: v.id, UserID: w.agent(v.agent).id, Phone: w.sureSendPhone(v.facts), Outcome: orNil(w.word(v)),
		HasTranscript: v.hasTranscript() && (v.ready || v.live == "" && v.number%2 == 0),
		CreatedAt:     stamp(v.created), UpdatedAt: stamp(w.sureSendUpdated(v))}
	if v.contact {
		c.PersonID = &w.ptrPerson(v.person).id
	}
	if v.direction != "" {
		c.IsIncoming = ptr(v.direction == "inbound")
	}
	if v.live == "" && (v.kind.spoken() || v.number%2 == 0) {
		c.Duration = v.quantity(v.duration, strconv.Itoa(v.duration))
	}
	if v.ready && v.hasRecording() {
		c.HasRecording = true
		c.RecordingURL, c.RecordingURLExpiresIn = w.amazonURL(v.facts), int(w.sim.options.URLLife/time.Second)
	}
	c.ConversationSummary, c.SentimentLabel, c.SentimentScore, c.ConversationTopics = w.insight(v)
	if v.ready && v.kind.spoken() {
		c.IntelligenceProcessed, c.IntelligenceProcessedAt = true, ptr(stamp(v.readyAt))
	}
	return c
}

// sureSendUpdated is when the record last changed.
func (w *world) sureSendUpdated(v view) time.Time {
	last := v.created
	if !v.ended.IsZero() {
		last = v.ended
	}
	if v.ready && v.kind.spoken() {
		last = v.readyAt
	}
	if v.edited.After(last) {
		last = v.edited
	}
	return last.Truncate(time.Second)
}

// sureSendPhone writes numbers as the vendor's examples do.
func (w *world) sureSendPhone(f facts) string { return "+1-" + spoken(w.person(f.person).phone) }

// ptrPerson is person as a pointer, for its fields' addresses.
func (w *world) ptrPerson(n int) *person { return ptr(w.person(n)) }

func sureSendList(q *request) (any, *refusal) {
	size, refused := q.callSize("limit")
	if refused != nil {
		return nil, refused
	}
	win, refused := q.paged(size)
	if refused != nil {
		return nil, refused
	}
	l := q.list("", win, filter{})
	type meta struct {
		TotalCount  int `json:"total_count"`
		CurrentPage int `json:"current_page"`
		TotalPages  int `json:"total_pages"`
		PerPage     int `json:"per_page"`
	}
	return struct {
		Calls []ssCall `json:"calls"`
		Meta  meta     `json:"meta"`
	}{each(l.views, q.sureSendJSON), meta{l.total, win.page, (l.total + size - 1) / size, size}}, nil
}

func sureSendCall(q *request) (any, *refusal) {
	v, ok := q.find(q.id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "not_found", "Call not found"}
	}
	return q.sureSendJSON(v), nil
}

func sureSendTranscript(q *request) (any, *refusal) {
	v, ok := q.find(q.id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "not_found", "Call not found"}
	}
	lines := q.lines(v)
	if lines == nil || q.withheld(v) {
		return nil, &refusal{http.StatusNotFound, "no_transcript", "No transcript available"}
	}
	return struct {
		Transcript    string `json:"transcript"`
		HasTranscript bool   `json:"hasTranscript"`
	}{labelled(lines, "[Agent]: ", "[Customer]: ", "\n", asIs), true}, nil
}

// labelled writes a conversation as one text.
func labelled(lines []turn, agent, customer, between string, text func(string) string) string {
	var out []byte
	for i, l := range lines {
		if i > 0 {
			out = append(out, between...)
		}
		label := customer
		if l.agent {
			label = agent
		}
		out = append(append(out, label...), text(l.text)...)
	}
	return string(out)
}

// asIs keeps the line breaks of a turn.
func asIs(text string) string { return text }

func sureSendTruth(w *world, v view) call.Call {
	summary, sentiment, score, topics := w.insight(v)
	word, phone := w.word(v), w.sureSendPhone(v.facts)
	agent := w.agent(v.agent)
	c := call.Call{
		Direction: direction(v.direction), Status: status(word), Outcome: &word, Phone: &phone,
		AgentName: ptr(agent.first + " " + agent.last), UserID: &agent.id,
		StartedAt: &v.created, StartedAtApproximate: true, CreatedAt: &v.created, UpdatedAt: ptr(w.sureSendUpdated(v)),
		SentimentLabel: sentiment, SentimentScore: score, Summary: summary, Topics: topics,
		Transcript: turns(w.lines(v), "Agent", "Customer", asIs, nil),
	}
	c.FromNumber, c.ToNumber = sides(v.direction, phone)
	if v.contact {
		p := w.person(v.person)
		c.ContactID, c.ContactName, c.ContactEmail = &p.id, ptr(p.name()), &p.email
	}
	if v.kind.spoken() || v.number%2 == 0 {
		c.DurationSeconds = ptr(float64(v.duration))
	}
	return c
}
