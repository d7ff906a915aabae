package simulator

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// callCamp is Call Camp, after its calls page; the newer generation after the
// page that replaced it. Authentication, campaigns and records after the pages
// of those names. Errors are undocumented; an "error" text is assumed.
func callCamp(newer bool) *spec {
	s := &spec{
		name: "callcamp", prefix: "/api", newer: newer, id: prefixed(map[string]string{"contact": "record"}), audio: "mp3",
		precision: time.Second, alwaysCampaign: true,
		credentials: map[string]string{"token": "cc_tok_"}, authorized: bearer, refused: "Unauthorized",
		failure: func(_ int, _, message string) any {
			return struct {
				Error string `json:"error"`
			}{message}
		},
		truth: callCampTruth, size: 10, maximum: 100, clamp: true,
		words: words{ringing: "ringing", talking: "in-progress", of: [...]string{answered: "completed", voicemail: "completed",
			noAnswer: "no-answer", busy: "busy", failed: "failed", canceled: "failed", odd: "do-not-call"}},
	}
	filters := []string{"campaignUuid", "status", "recordUuid", "page", "limit"}
	if newer {
		filters = []string{"campaignUuid", "status", "search", "startDate", "endDate", "page", "limit"}
	}
	paging := []string{"page", "limit"}
	s.routes = []route{
		{http.MethodGet, "/calls", kindList, filters, callCampList},
		{http.MethodGet, "/calls/{id}", kindDetail, nil, callCampCall},
		{http.MethodGet, "/auth/me", kindOther, nil, callCampMe},
		{http.MethodGet, "/campaigns", kindLookup, paging, callCampCampaigns},
		{http.MethodGet, "/records", kindLookup, paging, callCampRecords},
	}
	if newer {
		s.routes = append(s.routes, route{http.MethodGet, "/campaigns/{id}/orders", kindLookup, paging, callCampOrders})
	}
	return s
}

// ccTurn is one turn of a transcript.
type ccTurn struct {
	Role string `json:"role"`
	Text string `json:"text"`
}

// ccCall is a call as the older list and detail show it.
type ccCall struct {
	UUID         string   `json:"uuid"`
	CampaignUUID string   `json:"campaignUuid"`
	RecordUUID   *string  `json:"recordUuid"`
	Direction    *string  `json:"direction"`
	Status       string   `json:"status"`
	Duration     any      `json:"duration"`
	Cost         *float64 `json:"cost"`
	Transcript   []ccTurn `json:"transcript"`
	RecordingURL *string  `json:"recordingUrl"`
	Summary      *string  `json:"summary"`
	CreatedAt    string   `json:"createdAt"`
}

// ccNewCall is a call in the newer list; the detail has the transcript besides.
type ccNewCall struct {
	UUID                string   `json:"uuid"`
	CallOrderUUID       *string  `json:"callOrderUuid"`
	Status              string   `json:"status"`
	ToPhoneNumber       string   `json:"toPhoneNumber"`
	FromPhoneNumber     string   `json:"fromPhoneNumber"`
	CallDurationSeconds any      `json:"callDurationSeconds"`
	CallStartTime       *string  `json:"callStartTime"`
	Price               *float64 `json:"price"`
	CurrencyCode        string   `json:"currencyCode"`
	RecordingURL        *string  `json:"recordingUrl"`
	Summary             *string  `json:"summary"`
	CreatedAt           string   `json:"createdAt"`
}

// ccTranscript is what the newer detail adds.
type ccTranscript struct {
	Transcript []ccTurn `json:"transcript"`
}

// campCampaign is the campaign of a call; those without one in the facts, which
// are calls without a direction, belong to the first.
func (w *world) campCampaign(f facts) campaign { return w.campaign(max(f.campaign, 0)) }

func (w *world) campTurns(v view) []ccTurn {
	list := []ccTurn{}
	for _, l := range w.lines(v) {
		t := ccTurn{"user", flat(l.text)}
		if l.agent {
			t.Role = "assistant"
		}
		list = append(list, t)
	}
	return list
}

// campURL is the stable link of a recording; nil without one.
func (w *world) campURL(v view) *string {
	if !v.ready || !v.hasRecording() {
		return nil
	}
	return ptr(w.plainURL(v.facts))
}

// campDuration is null while a call goes on.
func (w *world) campDuration(v view) any {
	if n := w.finished(v); n != nil {
		return v.quantity(*n, strconv.Itoa(*n))
	}
	return nil
}

// campCost is null while a call goes on.
func campCost(v view) *float64 {
	if v.live != "" {
		return nil
	}
	return &v.cost
}

func (w *world) campItem(v view) any {
	summary, _, _, _ := w.insight(v)
	if w.spec.newer {
		return w.campNewItem(v, summary)
	}
	return ccCall{UUID: v.id, CampaignUUID: w.campCampaign(v.facts).id, RecordUUID: w.contactID(v.facts), Direction: orNil(v.direction),
		Status: w.word(v), Duration: w.campDuration(v), Cost: campCost(v), Transcript: w.campTurns(v), RecordingURL: w.campURL(v),
		Summary: summary, CreatedAt: stamp(v.created)}
}

func (w *world) campNewItem(v view, summary *string) ccNewCall {
	from, to := w.campNumbers(v.facts)
	return ccNewCall{UUID: v.id, CallOrderUUID: w.campOrder(v.facts), Status: w.word(v), ToPhoneNumber: to, FromPhoneNumber: from,
		CallDurationSeconds: w.campDuration(v), CallStartTime: stampOrNull(v.started, stamp), Price: campCost(v), CurrencyCode: "USD",
		RecordingURL: w.campURL(v), Summary: summary, CreatedAt: stamp(v.created)}
}

// campNumbers are the two sides of a call, by the type of its campaign.
func (w *world) campNumbers(f facts) (from, to string) {
	other, own := w.person(f.person).phone, w.ownNumber(f.agent)
	if w.campCampaign(f).inbound {
		return other, own
	}
	return own, other
}

// orderID joins a campaign and a record.
func (w *world) orderID(campaign, person int) string {
	return w.spec.id(w.seed, "order", uint64(campaign*maxPeople+person))
}

// campOrder is the order of a call; nil when the person is unknown.
func (w *world) campOrder(f facts) *string {
	if !f.contact {
		return nil
	}
	return ptr(w.orderID(max(f.campaign, 0), f.person))
}

func callCampList(q *request) (any, *refusal) {
	size, refused := q.callSize("limit")
	if refused != nil {
		return nil, refused
	}
	win, refused := q.paged(size)
	if refused != nil {
		return nil, refused
	}
	f, refused := callCampFilter(q)
	if refused != nil {
		return nil, refused
	}
	l := q.list("", win, f)
	type older struct {
		Calls []any `json:"calls"`
		Total int   `json:"total"`
		Page  int   `json:"page"`
		Limit int   `json:"limit"`
	}
	type newer struct {
		TotalPages    int     `json:"totalPages"`
		TotalDuration int     `json:"totalDuration"`
		TotalPrice    float64 `json:"totalPrice"`
	}
	body := older{each(l.views, q.campItem), l.total, win.page, size}
	if !q.spec.newer {
		return body, nil
	}
	sums := newer{TotalPages: (l.total + size - 1) / size}
	for _, v := range l.views {
		sums.TotalDuration += v.duration
		sums.TotalPrice = math.Round((sums.TotalPrice+v.cost)*100) / 100
	}
	return join(body, sums), nil
}

// callCampFilter reads the filters; days are in UTC, both inclusive.
func callCampFilter(q *request) (filter, *refusal) {
	want := map[string]string{}
	for _, name := range []string{"campaignUuid", "status", "recordUuid", "search"} {
		value, refused := q.text(name)
		if refused != nil {
			return filter{}, refused
		}
		if value != "" {
			want[name] = value
		}
	}
	var days [2]time.Time
	for i, name := range []string{"startDate", "endDate"} {
		value, refused := q.text(name)
		if refused != nil {
			return filter{}, refused
		}
		if value != "" {
			day, err := time.Parse(time.DateOnly, value)
			if err != nil {
				return filter{}, invalid("'%s' must be YYYY-MM-DD", name)
			}
			days[i] = day.AddDate(0, 0, i).Add(-time.Duration(i)) // endDate means until the day's last moment
		}
	}
	f := filter{created: between(days[0], days[1])}
	if len(want) > 0 {
		f.match = func(v view) bool { return q.campMatch(v, want) }
	}
	return f, nil
}

// campMatch compares a call with the filters given.
func (w *world) campMatch(v view, want map[string]string) bool {
	p, m := w.person(v.person), w.campCampaign(v.facts)
	record := w.contactID(v.facts)
	for name, value := range want {
		ok := false
		switch name {
		case "campaignUuid":
			ok = m.id == value
		case "status":
			ok = w.word(v) == value
		case "recordUuid":
			ok = record != nil && *record == value
		case "search":
			ok = strings.Contains(strings.ToLower(p.phone+" "+m.name+" "+p.name()), strings.ToLower(value))
		}
		if !ok {
			return false
		}
	}
	return true
}

func callCampCall(q *request) (any, *refusal) {
	v, ok := q.find(q.id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "not_found", "Call not found"}
	}
	if q.withheld(v) {
		v.noTranscript = true
	}
	item := q.campItem(v)
	if q.spec.newer {
		return join(item, ccTranscript{q.campTurns(v)}), nil
	}
	return item, nil
}

func callCampTruth(w *world, v view) call.Call {
	summary, _, _, _ := w.insight(v)
	word, p, m := w.word(v), w.person(v.person), w.campCampaign(v.facts)
	c := call.Call{
		Direction: direction(v.direction), Status: status(word), Outcome: &word, CampaignID: &m.id, CampaignName: &m.name,
		StartedAt: &v.created, StartedAtApproximate: true, CreatedAt: &v.created, Cost: &v.cost, Summary: summary,
		Transcript: turns(w.lines(v), "assistant", "user", flat, nil),
	}
	if v.contact {
		c.ContactID, c.ContactName, c.ContactEmail, c.Phone = &p.id, ptr(p.name()), &p.email, &p.phone
	}
	if n := w.finished(v); n != nil {
		c.DurationSeconds = ptr(float64(*n))
	}
	if c.Direction == nil { // then the type of the campaign tells
		c.Direction = ptr(call.Outbound)
		if m.inbound {
			c.Direction = ptr(call.Inbound)
		}
	}
	if w.spec.newer {
		w.campNewTruth(&c, v)
	}
	return c
}

// campNewTruth changes what the newer shape tells differently: numbers, start
// and currency are there; campaign, contact and direction could only be had
// from the orders of every campaign, and count as unknown.
func (w *world) campNewTruth(c *call.Call, v view) {
	from, to := w.campNumbers(v.facts)
	c.FromNumber, c.ToNumber, c.CostCurrency = &from, &to, ptr("USD")
	if !v.started.IsZero() {
		c.StartedAt, c.StartedAtApproximate = &v.started, false
	}
	c.Direction, c.CampaignID, c.CampaignName, c.Phone = nil, nil, nil, nil
	c.ContactID, c.ContactName, c.ContactEmail = nil, nil, nil
}
