package simulator

import (
	"bytes"
	"encoding/json"
)

// smAgent is a row of the agents list.
type smAgent struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	AgentType     string `json:"agent_type"`
	VoiceProvider string `json:"voice_provider"`
	IsActive      bool   `json:"is_active"`
	IsDefault     bool   `json:"is_default"`
	CreatedAt     string `json:"created_at"`
}

// smContact is a row of the contacts list.
type smContact struct {
	ID          string   `json:"id"`
	PhoneNumber string   `json:"phone_number"`
	Name        string   `json:"name"`
	Email       string   `json:"email"`
	Company     string   `json:"company"`
	Tags        []string `json:"tags"`
	UpdatedAt   string   `json:"updated_at"`
}

func soloAgents(q *request) (any, *refusal) {
	picked, _, refused := q.lookup(agentCount, "limit", 50, false)
	if refused != nil {
		return nil, refused
	}
	list := make([]smAgent, 0, len(picked))
	for _, n := range picked {
		a := q.agent(n)
		list = append(list, smAgent{a.id, a.first, "both", "openai", true, n == 0, q.longAgo()})
	}
	return struct {
		Agents []smAgent `json:"agents"`
		Total  int       `json:"total"`
	}{list, agentCount}, nil
}

func soloContacts(q *request) (any, *refusal) {
	picked, win, refused := q.lookup(q.people, "limit", 50, false)
	if refused != nil {
		return nil, refused
	}
	list := make([]smContact, 0, len(picked))
	for _, n := range picked {
		p := q.person(n)
		list = append(list, smContact{p.id, p.phone, p.name(), p.email, p.company, []string{"customer"}, q.longAgo()})
	}
	return struct {
		Contacts []smContact `json:"contacts"`
		Total    int         `json:"total"`
		HasMore  bool        `json:"has_more"`
	}{list, q.people, win.skip+win.size < q.people}, nil
}

// join makes one JSON object of several, in order.
func join(objects ...any) json.RawMessage {
	out := []byte("{")
	for _, o := range objects {
		body := bytes.TrimSuffix(bytes.TrimPrefix(encode(o), []byte("{")), []byte("}"))
		if len(body) == 0 {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, body...)
	}
	return append(out, '}')
}
