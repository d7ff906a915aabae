package simulator

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// soloMobile is Solo Mobile, after its call and recording pages; the newer
// generation, named Magpipe, returns the agent's name and no segments.
func soloMobile(newer bool) *spec {
	s := &spec{
		name: "solomobile", prefix: "/functions/v1", newer: newer, id: uuids, audio: "wav", precision: time.Second, setup: true,
		credentials: map[string]string{"token": "sm_"}, authorized: bearer, refused: "Unauthorized",
		failure: func(_ int, code, message string) any {
			type e struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			}
			return struct {
				Error e `json:"error"`
			}{e{code, message}}
		},
		limits: func(*http.Request) []limit { return []limit{{100, time.Minute}, {1000, time.Hour}} },
		truth:  soloTruth, size: 50, maximum: 100,
		words: words{ringing: "ringing", talking: "in-progress", of: [...]string{answered: "completed", voicemail: "completed",
			noAnswer: "no-answer", busy: "busy", failed: "failed", canceled: "canceled", odd: "forwarded"}},
	}
	if newer {
		s.precision, s.legs = time.Microsecond, true
	}
	s.routes = []route{
		{http.MethodPost, "/list-calls", kindList, []string{"limit", "offset", "direction", "status", "agent_id", "from_date",
			"to_date", "phone_number"}, soloList},
		{http.MethodPost, "/get-call", kindDetail, []string{"call_id"}, soloCall},
		{http.MethodPost, "/get-signed-recording-url", kindRecording, []string{"call_id", "expires_in"}, soloRecording},
		{http.MethodPost, "/list-agents", kindLookup, []string{"limit", "offset"}, soloAgents},
		{http.MethodPost, "/list-contacts", kindLookup, []string{"limit", "offset"}, soloContacts},
	}
	return s
}

// smItem is a call in the list. The last two are of the newer generation.
type smItem struct {
	ID          string  `json:"id"`
	AgentID     string  `json:"agent_id"`
	FromNumber  string  `json:"from_number"`
	ToNumber    string  `json:"to_number"`
	Direction   *string `json:"direction"`
	Status      string  `json:"status"`
	Duration    any     `json:"duration"`
	Sentiment   *string `json:"sentiment"`
	CallSummary *string `json:"call_summary"`
	CreatedAt   string  `json:"created_at"`
}

// smNewer is what the newer generation adds to list and detail.
type smNewer struct {
	AgentName string `json:"agent_name"`
}

// smTimes are in the newer list.
type smTimes struct {
	StartedAt *string `json:"started_at"`
	EndedAt   *string `json:"ended_at"`
}

// smSegment is one timed turn.
type smSegment struct {
	Speaker   string  `json:"speaker"`
	Text      string  `json:"text"`
	StartTime float64 `json:"start_time"`
	EndTime   float64 `json:"end_time"`
}

// smCall is the newer detail; the older one has segments besides.
type smCall struct {
	ID           string            `json:"id"`
	AgentID      string            `json:"agent_id"`
	FromNumber   string            `json:"from_number"`
	ToNumber     string            `json:"to_number"`
	Direction    *string           `json:"direction"`
	Status       string            `json:"status"`
	Duration     any               `json:"duration"`
	RecordingURL *string           `json:"recording_url"`
	Transcript   *string           `json:"transcript"`
	Sentiment    *string           `json:"sentiment"`
	CallSummary  *string           `json:"call_summary"`
	Metadata     map[string]string `json:"metadata"`
	StartedAt    *string           `json:"started_at"`
	EndedAt      *string           `json:"ended_at"`
	CreatedAt    string            `json:"created_at"`
}

// smSegments is what only the older detail has.
type smSegments struct {
	Segments []smSegment `json:"transcript_segments"`
}

// soloTime formats times: to the second, or as the newer database does.
func (w *world) soloTime(t time.Time) string {
	if w.spec.newer {
		return t.Format("2006-01-02T15:04:05.000000+00:00")
	}
	return stamp(t)
}

// soloNumbers are the two sides of a call; without a direction they are those
// of an outbound one.
func (w *world) soloNumbers(f facts) (from, to string) {
	other, own := w.person(f.person).phone, w.ownNumber(f.agent)
	if f.direction == "inbound" {
		return other, own
	}
	return own, other
}

// soloDuration is null while a call goes on.
func (w *world) soloDuration(v view) any {
	if n := w.finished(v); n != nil {
		return v.quantity(*n, strconv.Itoa(*n))
	}
	return nil
}

// soloMetadata is what the caller of an outbound call attached to it.
func (w *world) soloMetadata(f facts) map[string]string {
	if f.direction != "outbound" {
		return nil
	}
	return map[string]string{"customer_id": "cust_" + digits(f.person, 4), "campaign": w.campaign(f.campaign).name}
}

func (w *world) soloItem(v view) any {
	summary, sentiment, _, _ := w.insight(v)
	from, to := w.soloNumbers(v.facts)
	item := smItem{ID: v.id, AgentID: w.agent(v.agent).id, FromNumber: from, ToNumber: to, Direction: orNil(v.direction),
		Status: w.word(v), Duration: w.soloDuration(v), Sentiment: sentiment, CallSummary: summary, CreatedAt: w.soloTime(v.created)}
	if w.spec.newer {
		return join(item, smNewer{w.agent(v.agent).first},
			smTimes{stampOrNull(v.started, w.soloTime), stampOrNull(v.ended, w.soloTime)})
	}
	return item
}

func (w *world) soloDetail(v view) any {
	summary, sentiment, _, _ := w.insight(v)
	from, to := w.soloNumbers(v.facts)
	lines := w.lines(v)
	c := smCall{ID: v.id, AgentID: w.agent(v.agent).id, FromNumber: from, ToNumber: to, Direction: orNil(v.direction),
		Status: w.word(v), Duration: w.soloDuration(v), Sentiment: sentiment, CallSummary: summary, Metadata: w.soloMetadata(v.facts),
		Transcript: orNil(labelled(lines, "Agent: ", "Caller: ", "\n\n", flat)),
		StartedAt:  stampOrNull(v.started, w.soloTime), EndedAt: stampOrNull(v.ended, w.soloTime), CreatedAt: w.soloTime(v.created)}
	if v.ready && v.hasRecording() {
		url, _ := w.tokenURL(v.facts, w.sim.options.URLLife)
		c.RecordingURL = &url
	}
	if w.spec.newer {
		list := smRecordings{[]smRecording{}}
		if c.RecordingURL != nil {
			list = w.soloRecordings(v, *c.RecordingURL, w.sim.options.URLLife)
		}
		return join(c, smNewer{w.agent(v.agent).first}, list)
	}
	segments := []smSegment{}
	for _, l := range lines {
		s := smSegment{"caller", flat(l.text), l.start, l.end}
		if l.agent {
			s.Speaker = "agent"
		}
		segments = append(segments, s)
	}
	return join(c, smSegments{segments})
}

func soloList(q *request) (any, *refusal) {
	size, refused := q.callSize("limit")
	if refused != nil {
		return nil, refused
	}
	win, refused := q.skipped(size)
	if refused != nil {
		return nil, refused
	}
	from, refused := q.moment("from_date")
	if refused != nil {
		return nil, refused
	}
	to, refused := q.moment("to_date")
	if refused != nil {
		return nil, refused
	}
	f := filter{created: between(from, to)}
	want := map[string]string{}
	for _, name := range []string{"direction", "status", "agent_id", "phone_number"} {
		value, refused := q.text(name)
		if refused != nil {
			return nil, refused
		}
		if value != "" {
			want[name] = value
		}
	}
	if len(want) > 0 {
		f.match = func(v view) bool { return q.soloMatch(v, want) }
	}
	l := q.list(newestFirst, win, f)
	return struct {
		Calls   []any `json:"calls"`
		Total   int   `json:"total"`
		HasMore bool  `json:"has_more"`
	}{each(l.views, q.soloItem), l.total, l.more}, nil
}

// soloMatch compares a call with the filters given; a number may be on either side.
func (w *world) soloMatch(v view, want map[string]string) bool {
	from, to := w.soloNumbers(v.facts)
	have := map[string]string{"direction": v.direction, "status": w.word(v), "agent_id": w.agent(v.agent).id, "phone_number": from}
	if want["phone_number"] == to {
		have["phone_number"] = to
	}
	for name, value := range want {
		if have[name] != value {
			return false
		}
	}
	return true
}

// soloFind returns the call a body names.
func soloFind(q *request) (view, *refusal) {
	id, refused := q.text("call_id")
	if refused != nil {
		return view{}, refused
	}
	if id == "" {
		return view{}, &refusal{http.StatusBadRequest, "missing_param", "call_id is required"}
	}
	v, ok := q.find(id)
	if !ok {
		return v, &refusal{http.StatusNotFound, "not_found", "Call not found"}
	}
	return v, nil
}

func soloCall(q *request) (any, *refusal) {
	v, refused := soloFind(q)
	if refused != nil {
		return nil, refused
	}
	if q.withheld(v) {
		v.noTranscript = true
	}
	return q.soloDetail(v), nil
}

func soloRecording(q *request) (any, *refusal) {
	v, refused := soloFind(q)
	if refused != nil {
		return nil, refused
	}
	seconds, refused := q.number("expires_in", int(q.sim.options.URLLife/time.Second), 1)
	switch {
	case refused != nil:
		return nil, refused
	case seconds > 86400 && seconds > int(q.sim.options.URLLife/time.Second):
		return nil, invalid("'expires_in' must not be more than 86400")
	case !v.ready || !v.hasRecording():
		return nil, &refusal{http.StatusNotFound, "no_recording", "No recording available for this call"}
	}
	url, expires := q.tokenURL(v.facts, time.Duration(seconds)*time.Second)
	if strings.Contains(url, "?token=") {
		url += "&expires=" + strconv.FormatInt(expires.Unix(), 10)
	}
	type answer struct {
		RecordingURL string `json:"recording_url"`
		ExpiresAt    string `json:"expires_at"`
	}
	body := answer{url, stamp(expires)}
	if q.spec.newer {
		return join(body, q.soloRecordings(v, url, time.Duration(seconds)*time.Second)), nil
	}
	return body, nil
}

func soloTruth(w *world, v view) call.Call {
	summary, sentiment, _, _ := w.insight(v)
	word, agent := w.word(v), w.agent(v.agent)
	from, to := w.soloNumbers(v.facts)
	c := call.Call{
		Direction: direction(v.direction), Status: status(word), Outcome: &word, FromNumber: &from, ToNumber: &to,
		AgentID: &agent.id, AgentName: &agent.first, StartedAt: instant(v.started), EndedAt: instant(v.ended), CreatedAt: &v.created,
		SentimentLabel: sentiment, Summary: summary,
	}
	if c.Phone = &to; v.direction == "inbound" {
		c.Phone = &from
	}
	if n := w.finished(v); n != nil {
		c.DurationSeconds = ptr(float64(*n))
	}
	if m := w.soloMetadata(v.facts); m != nil {
		c.Metadata, c.CampaignName = encode(m), ptr(m["campaign"])
	}
	if w.spec.newer {
		c.Transcript = turns(w.lines(v), "Agent", "Caller", flat, nil)
	} else {
		c.Transcript = turns(w.lines(v), "agent", "caller", flat, func(t *call.Turn, l turn) {
			t.StartSeconds, t.EndSeconds = ptr(l.start), ptr(l.end)
		})
	}
	return c
}
