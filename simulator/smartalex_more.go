package simulator

import (
	"net/http"
	"time"
)

// saNewItem is a call in the newer list.
type saNewItem struct {
	ID              string  `json:"id"`
	AgentID         string  `json:"agent_id"`
	ContactID       *string `json:"contact_id"`
	Direction       *string `json:"direction"`
	CallStatus      string  `json:"call_status"`
	DurationSeconds *int    `json:"duration_seconds"`
	Sentiment       *string `json:"sentiment"`
	Cost            any     `json:"cost"`
	StartTimestamp  string  `json:"start_timestamp"`
	EndTimestamp    *string `json:"end_timestamp"`
}

// saNewCall is the newer detail.
type saNewCall struct {
	ID              string   `json:"id"`
	AgentID         string   `json:"agent_id"`
	ContactID       *string  `json:"contact_id"`
	CampaignID      *string  `json:"campaign_id"`
	Direction       *string  `json:"direction"`
	CallStatus      string   `json:"call_status"`
	DurationSeconds *int     `json:"duration_seconds"`
	Sentiment       *string  `json:"sentiment"`
	Cost            any      `json:"cost"`
	Summary         *string  `json:"summary"`
	Transcript      []saTurn `json:"transcript"`
	RecordingURL    *string  `json:"recording_url"`
	StartTimestamp  string   `json:"start_timestamp"`
	EndTimestamp    *string  `json:"end_timestamp"`
}

func (w *world) smartAlexNewItem(v view) saNewItem {
	_, sentiment, _, _ := w.insight(v)
	return saNewItem{ID: v.id, AgentID: w.agent(v.agent).id, ContactID: w.contactID(v.facts), Direction: orNil(v.direction),
		CallStatus: w.word(v), DurationSeconds: w.finished(v), Sentiment: sentiment, Cost: w.smartAlexCost(v),
		StartTimestamp: stamp(v.created), EndTimestamp: stampOrNull(v.ended, stamp)}
}

func (w *world) smartAlexNewDetail(v view, turns []saTurn) saNewCall {
	summary, sentiment, _, _ := w.insight(v)
	return saNewCall{ID: v.id, AgentID: w.agent(v.agent).id, ContactID: w.contactID(v.facts), CampaignID: w.campaignID(v.facts),
		Direction: orNil(v.direction), CallStatus: w.word(v), DurationSeconds: w.finished(v), Sentiment: sentiment,
		Cost: w.smartAlexCost(v), Summary: summary, Transcript: turns, RecordingURL: w.smartAlexURL(v),
		StartTimestamp: stamp(v.created), EndTimestamp: stampOrNull(v.ended, stamp)}
}

// contactID is nil when the vendor does not know the person.
func (w *world) contactID(f facts) *string {
	if !f.contact {
		return nil
	}
	return ptr(w.person(f.person).id)
}

// saAgent is a row of the agents list.
type saAgent struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// saCampaign is a row of the campaigns list.
type saCampaign struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	AgentID   string `json:"agent_id"`
	Status    string `json:"status"`
	Objective string `json:"objective"`
	CreatedAt string `json:"created_at"`
}

// saPerson is a contact.
type saPerson struct {
	ID        string   `json:"id"`
	Phone     string   `json:"phone"`
	FirstName string   `json:"first_name"`
	LastName  string   `json:"last_name"`
	Email     string   `json:"email"`
	Company   string   `json:"company"`
	Tags      []string `json:"tags"`
	Status    string   `json:"status"`
	CreatedAt string   `json:"created_at"`
}

func smartAlexAgents(q *request) (any, *refusal) {
	picked, win, refused := q.lookup(agentCount, "per_page", 20, true)
	if refused != nil {
		return nil, refused
	}
	list := make([]saAgent, 0, len(picked))
	for _, n := range picked {
		a := q.agent(n)
		list = append(list, saAgent{a.id, a.first, "ready"})
	}
	return struct {
		Data []saAgent `json:"data"`
		Meta saMeta    `json:"meta"`
	}{list, saMeta{agentCount, win.number(), win.size}}, nil
}

// number is the page of a window, from 1.
func (win window) number() int { return win.skip/win.size + 1 }

func smartAlexCampaigns(q *request) (any, *refusal) {
	picked, _, refused := q.lookup(campaignCount, "per_page", 20, true)
	if refused != nil {
		return nil, refused
	}
	list := make([]saCampaign, 0, len(picked))
	for _, n := range picked {
		m := q.campaign(n)
		list = append(list, saCampaign{m.id, m.name, q.agent(n % agentCount).id, "active", "Schedule appointments", q.longAgo()})
	}
	return data[[]saCampaign]{list}, nil
}

// longAgo is when agents, campaigns and contacts were made.
func (w *world) longAgo() string { return stamp(w.sim.started.Add(-400 * 24 * time.Hour)) }

func (w *world) smartAlexPerson(n int) saPerson {
	p := w.person(n)
	return saPerson{p.id, p.phone, p.first, p.last, p.email, p.company, []string{"lead"}, "active", w.longAgo()}
}

func smartAlexContacts(q *request) (any, *refusal) {
	picked, win, refused := q.lookup(q.people, "per_page", 20, true)
	if refused != nil {
		return nil, refused
	}
	list := make([]saPerson, 0, len(picked))
	for _, n := range picked {
		list = append(list, q.smartAlexPerson(n))
	}
	return struct {
		Data []saPerson `json:"data"`
		Meta saMeta     `json:"meta"`
	}{list, saMeta{q.people, win.number(), win.size}}, nil
}

func smartAlexContact(q *request) (any, *refusal) {
	n, ok := q.personOf(q.id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "not_found", "Resource doesn't exist"}
	}
	return data[saPerson]{q.smartAlexPerson(n)}, nil
}
