package simulator

import "net/http"

// avLine is one turn of the structured transcript. The vendor does not document
// its shape.
type avLine struct {
	Speaker string  `json:"speaker"`
	Text    string  `json:"text"`
	Start   float64 `json:"start"`
	End     float64 `json:"end"`
}

// avTranscript is the group "transcript".
type avTranscript struct {
	Transcript *string  `json:"transcript"`
	Formatted  []avLine `json:"transcript_formatted"`
}

// avAnalysis is what only the full payload has.
type avAnalysis struct {
	PostCall    *avPostCall       `json:"post_call_analysis"`
	Description *string           `json:"call_description"`
	Custom      map[string]string `json:"custom_analysis"`
	Structured  map[string]string `json:"structured_data_results"`
	Notes       []string          `json:"notes"`
}

// avPostCall is the analysis of a call. The vendor does not document its shape.
type avPostCall struct {
	Sentiment *string `json:"sentiment"`
	Result    string  `json:"result"`
}

// avActions is the group "actions".
type avActions struct {
	Executions []string `json:"action_executions"`
	Summary    *string  `json:"action_summary"`
}

// avQuality is in the full payload and in the group "metrics".
type avQuality struct {
	Quality map[string]float64 `json:"quality_metrics"`
}

// avContext is in the full payload.
type avContext struct {
	Context map[string]string `json:"enhanced_context"`
}

// avMetrics is the rest of the group "metrics".
type avMetrics struct {
	Latency map[string]int `json:"latency_metrics"`
	Audio   map[string]int `json:"audio_metrics"`
}

// avDiagnostics is the group "diagnostics".
type avDiagnostics struct {
	TurnEvents    []string `json:"turn_events"`
	Interruptions []string `json:"interruptions"`
	ToolUsage     []string `json:"tool_usage"`
}

func (w *world) voiceTranscript(v view) avTranscript {
	lines := w.lines(v)
	t := avTranscript{Transcript: orNil(labelled(lines, "Agent: ", "Customer: ", "\n", flat))}
	for _, l := range lines {
		line := avLine{"customer", flat(l.text), l.start, l.end}
		if l.agent {
			line.Speaker = "agent"
		}
		t.Formatted = append(t.Formatted, line)
	}
	return t
}

func (w *world) voiceAnalysis(v view) avAnalysis {
	summary, sentiment, _, _ := w.insight(v)
	a := avAnalysis{Description: summary, Notes: []string{}}
	if summary != nil || sentiment != nil {
		t := v.said()
		a.PostCall = &avPostCall{sentiment, t.result}
		a.Custom, a.Structured = map[string]string{}, map[string]string{"trade": t.trade}
	}
	return a
}

// avContact is a contact.
type avContact struct {
	ID             string  `json:"id"`
	UserID         string  `json:"user_id"`
	FirstName      string  `json:"first_name"`
	LastName       string  `json:"last_name"`
	Email          string  `json:"email"`
	Phone          string  `json:"phone"`
	Company        string  `json:"company"`
	CreatedAt      string  `json:"created_at"`
	UpdatedAt      string  `json:"updated_at"`
	LastTaskRun    *string `json:"last_task_run"`
	TotalTasksRun  int     `json:"total_tasks_run"`
	OrganizationID string  `json:"organization_id"`
	CRMID          *string `json:"crm_id"`
	CRMSource      *string `json:"crm_source"`
}

func (w *world) voicePerson(n int) avContact {
	p := w.person(n)
	return avContact{ID: p.id, UserID: uuid(w.seed, "user", 0), FirstName: p.first, LastName: p.last, Email: p.email, Phone: p.phone,
		Company: p.company, CreatedAt: w.longAgo(), UpdatedAt: w.longAgo(), OrganizationID: uuid(w.seed, "organization", 0)}
}

func voiceContacts(q *request) (any, *refusal) {
	list := make([]avContact, 0, q.people)
	for n := range q.people {
		list = append(list, q.voicePerson(n))
	}
	return list, nil
}

func voiceContact(q *request) (any, *refusal) {
	n, ok := q.personOf(q.id)
	if !ok {
		return nil, &refusal{http.StatusNotFound, "not_found", "Contact not found"}
	}
	return q.voicePerson(n), nil
}
