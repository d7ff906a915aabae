package simulator

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// agentVoice is AgentVoice, after its calls reference.
func agentVoice() *spec {
	s := &spec{
		name: "agentvoice", prefix: "/api", id: uuids, audio: "mp3", precision: time.Millisecond, setup: true,
		credentials: map[string]string{"api_key": "av_key_", "organization_id": "av_org_"},
		authorized: func(w *world, r *http.Request) bool {
			want := w.credentials()
			return slices.Equal(r.Header.Values("X-Api-Key"), []string{want["api_key"]}) &&
				slices.Equal(r.Header.Values("X-Organization-Id"), []string{want["organization_id"]})
		},
		refused: "Authentication failed",
		failure: func(_ int, _, message string) any {
			return struct {
				Error string `json:"error"`
			}{message}
		},
		truth: voiceTruth, size: 50, maximum: 100,
		words: words{ringing: "ringing", talking: "in-progress", of: [...]string{answered: "completed", voicemail: "completed",
			noAnswer: "no-answer", busy: "busy", failed: "failed", canceled: "canceled", odd: "forwarded"}},
	}
	filters := []string{"limit", "offset", "order", "order_by", "fields", "phone_number", "contact_id", "agent_id", "campaign_id",
		"status", "call_type", "from", "to", "most_recent", "include"}
	s.routes = []route{
		{http.MethodGet, "/calls", kindList, filters, voiceList},
		{http.MethodGet, "/calls/{id}", kindDetail, []string{"fields", "include"}, voiceCall},
		{http.MethodGet, "/contacts", kindLookup, nil, voiceContacts},
		{http.MethodGet, "/contacts/{id}", kindLookup, nil, voiceContact},
	}
	return s
}

// avCall is the light payload.
type avCall struct {
	ID               string  `json:"id"`
	AgentID          string  `json:"agent_id"`
	AgentName        string  `json:"agent_name"`
	ContactID        *string `json:"contact_id"`
	ContactFirstName *string `json:"contact_first_name"`
	ContactLastName  *string `json:"contact_last_name"`
	ContactEmail     *string `json:"contact_email"`
	PhoneNumber      string  `json:"phone_number"`
	CalledFrom       string  `json:"phone_number_called_from"`
	CallType         *string `json:"call_type"`
	Status           string  `json:"status"`
	CallSuccess      *bool   `json:"call_success"`
	WentToVoicemail  bool    `json:"went_to_voicemail"`
	CallDuration     any     `json:"call_duration"`
	StartedAt        *string `json:"started_at"`
	EndedAt          *string `json:"ended_at"`
	EndedReason      *string `json:"ended_reason"`
	RecordingURL     *string `json:"recording_url"`
	CampaignID       *string `json:"campaign_id"`
	CampaignName     *string `json:"campaign_name"`
	CreatedAt        string  `json:"created_at"`
}

// voiceTime formats times to the millisecond.
func voiceTime(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

// voiceStart is when a call began: unanswered ones have a start too, those that
// failed or were canceled have none.
func voiceStart(v view) time.Time {
	if v.kind.spoken() {
		return v.started
	}
	if v.kind == failed || v.kind == canceled || v.live != "" {
		return time.Time{}
	}
	return v.created
}

// voiceFrom is the originating number: the customer's for every second inbound
// call, our own for the others.
func (w *world) voiceFrom(f facts) string {
	if f.direction == "inbound" && f.number%2 == 0 {
		return w.person(f.person).phone
	}
	return w.ownNumber(f.agent)
}

func (w *world) voiceLight(v view) avCall {
	p, a := w.person(v.person), w.agent(v.agent)
	c := avCall{ID: v.id, AgentID: a.id, AgentName: a.first, PhoneNumber: p.phone, CalledFrom: w.voiceFrom(v.facts),
		CallType: orNil(v.direction), Status: w.word(v), WentToVoicemail: v.kind == voicemail && v.live == "",
		StartedAt: stampOrNull(voiceStart(v), voiceTime), EndedAt: stampOrNull(v.ended, voiceTime), CreatedAt: voiceTime(v.created)}
	if v.contact {
		c.ContactID, c.ContactFirstName, c.ContactLastName, c.ContactEmail = &p.id, &p.first, &p.last, &p.email
	}
	if v.live == "" {
		c.CallSuccess, c.EndedReason = ptr(v.kind == answered), ptr(endedReasons[v.kind])
	}
	if n := w.finished(v); n != nil {
		c.CallDuration = v.quantity(*n, strconv.Itoa(*n))
	}
	c.RecordingURL = w.campURL(v)
	if v.campaign >= 0 {
		m := w.campaign(v.campaign)
		c.CampaignID, c.CampaignName = &m.id, &m.name
	}
	return c
}

var endedReasons = [...]string{answered: "customer-ended-call", voicemail: "voicemail", noAnswer: "customer-did-not-answer",
	busy: "customer-busy", failed: "call-failed", canceled: "canceled", odd: "assistant-forwarded-call"}

// voiceQuery is what list and detail have in common.
type voiceQuery struct {
	full    bool
	include []string
}

// voiceShape reads fields and include.
func voiceShape(q *request) (voiceQuery, *refusal) {
	fields, refused := q.oneOf("fields", "light", "light", "full")
	if refused != nil {
		return voiceQuery{}, refused
	}
	shape := voiceQuery{full: fields == "full"}
	include, refused := q.text("include")
	if refused != nil {
		return voiceQuery{}, refused
	}
	for _, group := range strings.FieldsFunc(include, func(c rune) bool { return c == ',' }) {
		if !slices.Contains([]string{"transcript", "metrics", "diagnostics", "actions"}, group) {
			return voiceQuery{}, invalid("Invalid include parameter")
		}
		shape.include = append(shape.include, group)
	}
	return shape, nil
}

// voiceJSON is a call in the shape asked for.
func (w *world) voiceJSON(v view, shape voiceQuery) any {
	light := w.voiceLight(v)
	if !shape.full && len(shape.include) == 0 {
		return light
	}
	has := func(group string) bool { return slices.Contains(shape.include, group) }
	parts := []any{light}
	if shape.full || has("transcript") {
		parts = append(parts, w.voiceTranscript(v))
	}
	if shape.full {
		parts = append(parts, w.voiceAnalysis(v))
	}
	if shape.full || has("actions") {
		parts = append(parts, avActions{Executions: []string{}})
	}
	if shape.full || has("metrics") {
		parts = append(parts, avQuality{map[string]float64{"clarity": 0.9}})
	}
	if shape.full {
		parts = append(parts, avContext{map[string]string{}})
	}
	if has("metrics") {
		parts = append(parts, avMetrics{map[string]int{"average_ms": 640}, map[string]int{"sample_rate": 8000}})
	}
	if has("diagnostics") {
		parts = append(parts, avDiagnostics{[]string{}, []string{}, []string{}})
	}
	return join(parts...)
}

// voiceOrder reads order and order_by into the name of an order.
func voiceOrder(q *request) (string, *refusal) {
	by, refused := q.oneOf("order_by", "started_at", "started_at", "ended_at", "created_at")
	if refused != nil {
		return "", refused
	}
	order, refused := q.oneOf("order", "desc", "asc", "desc")
	return by + " " + order, refused
}

func voiceList(q *request) (any, *refusal) {
	shape, refused := voiceShape(q)
	if refused != nil {
		return nil, refused
	}
	size, refused := q.callSize("limit")
	if refused != nil {
		return nil, refused
	}
	win, refused := q.skipped(size)
	if refused != nil {
		return nil, refused
	}
	order, refused := voiceOrder(q)
	if refused != nil {
		return nil, refused
	}
	f, refused := voiceFilter(q)
	if refused != nil {
		return nil, refused
	}
	recent, refused := q.oneOf("most_recent", "false", "true", "false")
	if refused != nil {
		return nil, refused
	}
	if recent == "true" {
		return voiceMostRecent(q, f, shape)
	}
	l := q.list(order, win, f)
	type pagination struct {
		Total   int  `json:"total"`
		Limit   int  `json:"limit"`
		Offset  int  `json:"offset"`
		HasMore bool `json:"has_more"`
	}
	return struct {
		Data       []any      `json:"data"`
		Pagination pagination `json:"pagination"`
	}{each(l.views, func(v view) any { return q.voiceJSON(v, shape) }), pagination{l.total, size, win.skip, l.more}}, nil
}

func voiceMostRecent(q *request, f filter, shape voiceQuery) (any, *refusal) {
	l := q.list("created_at desc", window{size: 1}, f)
	if len(l.views) == 0 {
		return nil, &refusal{http.StatusNotFound, "not_found", "No calls found matching criteria"}
	}
	return q.voiceJSON(l.views[0], shape), nil
}

// voiceFilter reads the filters; from and to compare with the start, both
// exclusive, so that calls without a start are left out.
func voiceFilter(q *request) (filter, *refusal) {
	want := map[string]string{}
	for _, name := range []string{"phone_number", "contact_id", "agent_id", "campaign_id", "status", "call_type"} {
		value, refused := q.text(name)
		if refused != nil {
			return filter{}, refused
		}
		if value != "" {
			want[name] = value
		}
	}
	from, refused := q.moment("from")
	if refused != nil {
		return filter{}, refused
	}
	to, refused := q.moment("to")
	if refused != nil {
		return filter{}, refused
	}
	if len(want) == 0 && from.IsZero() && to.IsZero() {
		return filter{}, nil
	}
	return filter{match: func(v view) bool {
		start := voiceStart(v)
		if !from.IsZero() && !start.After(from) || !to.IsZero() && (start.IsZero() || !start.Before(to)) {
			return false
		}
		return q.voiceMatch(v, want)
	}}, nil
}

// voiceMatch compares a call with the filters given.
func (w *world) voiceMatch(v view, want map[string]string) bool {
	have := map[string]*string{"phone_number": &w.ptrPerson(v.person).phone, "contact_id": w.contactID(v.facts),
		"agent_id": ptr(w.agent(v.agent).id), "campaign_id": w.campaignID(v.facts), "status": ptr(w.word(v)), "call_type": &v.direction}
	for name, value := range want {
		if have[name] == nil || *have[name] != value {
			return false
		}
	}
	return true
}

// sorted is rows, and for AgentVoice by its three times: absent ones come first
// when descending and last when ascending, as in common databases.
func (w *world) sorted(order string, now time.Time) []*entry {
	by, direction, ok := strings.Cut(order, " ")
	if !ok {
		return w.rows(order)
	}
	if rows, cached := w.orders[order]; cached && !w.liveUntil.After(now) {
		return rows
	}
	type keyed struct {
		*entry
		at time.Time
	}
	var list []keyed
	for _, e := range w.rows(oldestFirst) {
		v := w.at(e, now)
		at := map[string]time.Time{"created_at": v.created, "started_at": voiceStart(v), "ended_at": v.ended}[by]
		if at.IsZero() {
			at = final
		}
		list = append(list, keyed{e, at})
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		if direction == "asc" {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.number, b.number))
		}
		return cmp.Or(b.at.Compare(a.at), cmp.Compare(b.number, a.number))
	})
	rows := make([]*entry, len(list))
	for i, k := range list {
		rows[i] = k.entry
	}
	if !w.liveUntil.After(now) {
		w.orders[order] = rows // rows() made the map
	}
	return rows
}

func voiceCall(q *request) (any, *refusal) {
	shape, refused := voiceShape(q)
	if refused != nil {
		return nil, refused
	}
	v, ok := q.find(q.id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "not_found", "Call not found"}
	}
	if q.withheld(v) {
		v.noTranscript = true
	}
	return q.voiceJSON(v, shape), nil
}

func voiceTruth(w *world, v view) call.Call {
	summary, sentiment, _, _ := w.insight(v)
	word, p, a := w.word(v), w.person(v.person), w.agent(v.agent)
	if v.kind == voicemail {
		word = "voicemail"
	}
	c := call.Call{
		Direction: direction(v.direction), Status: status(word), Outcome: &word, Phone: &p.phone, AgentID: &a.id, AgentName: &a.first,
		StartedAt: instant(voiceStart(v)), EndedAt: instant(v.ended), CreatedAt: &v.created, SentimentLabel: sentiment, Summary: summary,
	}
	switch own := w.voiceFrom(v.facts); v.direction {
	case "outbound":
		c.FromNumber, c.ToNumber = &own, &p.phone
	case "inbound":
		c.FromNumber = &p.phone
		if own != p.phone {
			c.ToNumber = &own
		}
	}
	c.Transcript = turns(w.lines(v), "agent", "customer", flat, func(t *call.Turn, l turn) {
		t.StartSeconds, t.EndSeconds = ptr(l.start), ptr(l.end)
	})
	if v.contact {
		c.ContactID, c.ContactName, c.ContactEmail = &p.id, ptr(p.name()), &p.email
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
