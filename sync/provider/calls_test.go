package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callsyncd/call"
)

// recorder is a network that notes what was asked for and answers with text.
type recorder struct {
	asked []string
	body  func(n int) string
}

func (r *recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	line := q.Method + " " + q.URL.RequestURI()
	if q.Method == http.MethodPost {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			return nil, err
		}
		line += " " + string(text)
	}
	r.asked = append(r.asked, line)
	return respond(200, r.body(len(r.asked))), nil
}

// TestListRequests checks what is sent for a page, by vendor.
func TestListRequests(t *testing.T) {
	window := &call.Window{From: time.Date(2026, 6, 1, 12, 0, 0, 900, time.UTC), To: time.Date(2026, 6, 2, 12, 0, 0, 1, time.FixedZone("", 7200))}
	for _, test := range []struct {
		vendor string
		req    call.ListRequest
		answer string
		want   string
	}{
		{"suresend", call.ListRequest{}, emptyList, "GET /api/partner/calls?limit=100&page=1"},
		{"suresend", call.ListRequest{Position: call.Position{Page: 7}, Size: 25, Window: window}, emptyList, "GET /api/partner/calls?limit=25&page=7"},
		{"smartalex", call.ListRequest{Window: window}, `{"data": []}`, "GET /v1/calls?from_date=2026-06-01T12%3A00%3A00Z&page=1&per_page=100&to_date=2026-06-02T10%3A00%3A01Z"},
		{"smartalex", call.ListRequest{Window: &call.Window{From: window.From}}, `{"data": []}`, "GET /v1/calls?from_date=2026-06-01T12%3A00%3A00Z&page=1&per_page=100"},
		{"solomobile", call.ListRequest{Position: call.Position{Offset: 200}, Window: window}, `{"calls": []}`,
			`POST /functions/v1/list-calls {"from_date":"2026-06-01T12:00:00Z","limit":100,"offset":200,"to_date":"2026-06-02T10:00:01Z"}`},
		{"callcamp", call.ListRequest{Position: call.Position{Page: 2}}, `{"calls": []}`, "GET /api/calls?limit=100&page=2"},
		{"agentvoice", call.ListRequest{Position: call.Position{Offset: 50}, Size: 50}, `{"data": []}`,
			"GET /api/calls?fields=full&limit=50&offset=50&order=desc&order_by=created_at"},
	} {
		r := &recorder{body: func(int) string { return test.answer }}
		if _, err := builtin(t, test.vendor, r).List(t.Context(), test.req); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{test.want}, r.asked); diff != "" {
			t.Errorf("%s: %s", test.vendor, diff)
		}
	}
}

// TestPageAnswer checks what is read of a page, and that items are verbatim.
func TestPageAnswer(t *testing.T) {
	item := `{"id" : "a7",  "created_at":"2026-01-15T10:29:55Z","x":1.0,"x":1.00, "big":123456789012345678901234567890, "t":"\u00e4<"}`
	r := &recorder{body: func(int) string {
		return `{"data":[` + item + `,{"id":12345678901234567890}],"pagination":{"total":"1901","limit":10,"offset":0,"has_more":true}}`
	}}
	page, err := builtin(t, "agentvoice", r).List(t.Context(), call.ListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Items) != 2 || string(page.Items[0].Body) != item || page.Items[1].ID != "12345678901234567890" {
		t.Errorf("items %s", page.Items)
	}
	if page.Total == nil || *page.Total != 1901 || page.Size != 10 || page.More == nil || !*page.More || page.Next != nil {
		t.Errorf("page %+v", page)
	}
	if !page.Items[0].CreatedAt.Equal(time.Date(2026, 1, 15, 10, 29, 55, 0, time.UTC)) || !page.Items[1].CreatedAt.IsZero() {
		t.Errorf("times %v, %v", page.Items[0].CreatedAt, page.Items[1].CreatedAt)
	}
	if !page.FetchedAt.Equal(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("fetched at %v", page.FetchedAt)
	}
}

// TestFingerprint: a signed URL that is new on each read is no change, the
// order of keys neither; everything else is.
func TestFingerprint(t *testing.T) {
	p := builtin(t, "smartalex", nil)
	print := func(document, body string) string {
		sum, err := p.Fingerprint(document, json.RawMessage(body))
		if err != nil || len(sum) != 32 {
			t.Fatalf("%q, %v", sum, err)
		}
		return sum
	}
	base := print("detail", `{"data": {"id": "a", "n": 1.10, "recording_url": "https://example.com/1"}, "request_id": 1}`)
	for body, same := range map[string]bool{
		`{"request_id": 2, "data": {"n": 1.10, "recording_url": "https://example.com/2", "id": "a"}}`: true,
		`{"data": {"id": "a", "n": 1.10}}`:                       true,
		`{"data": {"id": "a", "n": 1.1}}`:                        false,
		`{"data": {"id": "a", "n": 1.10, "recording_URL": "x"}}`: false,
		`{"data": null}`:                                         false,
		`{"data": ["a"]}`:                                        false,
		`"text"`:                                                 false,
	} {
		if got := print("detail", body); (got == base) != same {
			t.Errorf("%s: same is %v", body, !same)
		}
	}
	if _, err := p.Fingerprint("detail", json.RawMessage(`{`)); !errors.Is(err, call.ErrCorrupt) {
		t.Errorf("broken body: %v", err)
	}
}

func TestWanted(t *testing.T) {
	for _, test := range []struct{ vendor, item, want string }{
		{"suresend", `{"id": "a", "hasTranscript": true}`, "transcript"},
		{"suresend", `{"id": "a", "hasTranscript": false}`, ""},
		{"suresend", `{"id": "a", "hasTranscript": true, "outcome": "ringing"}`, ""},
		{"smartalex", `{"id": "a", "status": "no_answer"}`, "detail"},
		{"smartalex", `{"id": "a", "call_status": "in_progress"}`, ""},
		{"solomobile", `{"id": "a", "status": "In-Progress"}`, ""},
		{"solomobile", `{"id": "a", "status": "busy"}`, "detail"},
		{"callcamp", `{"uuid": "a", "status": "completed", "transcript": null}`, "detail"},
		{"callcamp", `{"uuid": "a", "status": "completed", "transcript": []}`, ""},
		{"callcamp", `{"uuid": "a", "status": "no-answer", "transcript": null}`, ""},
		{"callcamp", `{"uuid": "a", "status": "completed"}`, "detail"},
		{"callcamp", `{"uuid": "a", "status": "queued"}`, ""},
		{"agentvoice", `{"id": "a", "status": "completed"}`, ""},
	} {
		docs := call.Documents{"list": {Body: json.RawMessage(test.item)}}
		if got, ok := builtin(t, test.vendor, nil).Wanted(docs, nil); got != test.want || ok != (test.want != "") {
			t.Errorf("%s: %s wants %q", test.vendor, test.item, got)
		}
	}
}

// TestRelink checks which requests bring a fresh link, by vendor.
func TestRelink(t *testing.T) {
	const fresh = "https://media.example.com/fresh.mp3"
	for name, test := range map[string]struct {
		vendor  string
		docs    call.Documents
		answers []string // "" is a 404
		asked   []string
		gone    bool
	}{
		"suresend": {"suresend", call.Documents{"list": {Body: object("id", "a")}},
			[]string{`{"id": "a", "recordingUrl": "` + fresh + `"}`}, []string{"GET /api/partner/calls/a"}, false},
		"smartalex": {"smartalex", call.Documents{"list": {Body: object("id", "a")}},
			[]string{`{"data": {"url": "` + fresh + `"}}`}, []string{"GET /v1/calls/a/recording"}, false},
		"smartalex without the path": {"smartalex", call.Documents{"list": {Body: object("id", "a")}},
			[]string{"", `{"data": {"recording_url": "` + fresh + `"}}`}, []string{"GET /v1/calls/a/recording", "GET /v1/calls/a"}, false},
		"smartalex gone": {"smartalex", call.Documents{"list": {Body: object("id", "a")}},
			[]string{"", ""}, []string{"GET /v1/calls/a/recording", "GET /v1/calls/a"}, true},
		"solomobile": {"solomobile", call.Documents{"list": {Body: object("id", "a")}},
			[]string{`{"id": "a", "recording_url": "` + fresh + `"}`}, []string{`POST /functions/v1/get-call {"call_id":"a"}`}, false},
		"callcamp older": {"callcamp", call.Documents{"list": {Body: json.RawMessage(`{"uuid": "a", "transcript": []}`)}},
			[]string{`{"uuid": "a", "recordingUrl": "` + fresh + `"}`}, []string{"GET /api/calls/a"}, false},
		"agentvoice": {"agentvoice", call.Documents{"list": {Body: object("id", "a")}},
			[]string{`{"data": {"id": "a", "recording_url": "` + fresh + `"}}`}, []string{"GET /api/calls/a?fields=full"}, false},
		"agentvoice bare": {"agentvoice", call.Documents{"list": {Body: object("id", "a")}},
			[]string{`{"id": "a", "recording_url": "` + fresh + `"}`}, []string{"GET /api/calls/a?fields=full"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			r := &recorder{body: func(n int) string { return test.answers[n-1] }}
			p := builtin(t, test.vendor, answers(func(q *http.Request) (*http.Response, error) {
				response, err := r.RoundTrip(q)
				asked = r.asked
				if err == nil && test.answers[len(asked)-1] == "" {
					return respond(404, `{"error": {"code": "recording_not_available"}}`), nil
				}
				return response, err
			}))
			docs, err := p.Relink(t.Context(), test.docs)
			if diff := cmp.Diff(test.asked, asked); diff != "" {
				t.Error(diff)
			}
			if test.gone {
				if !errors.Is(err, call.ErrNotFound) {
					t.Errorf("documents %v, error %v", docs, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for document, doc := range docs {
				test.docs[document] = doc
			}
			if link, ok := p.Link(test.docs); !ok || link.URL != fresh {
				t.Errorf("link %v, %v", link, ok)
			}
		})
	}
}

func TestAnswerAboutAnotherCall(t *testing.T) {
	for vendor, answer := range map[string]string{
		"suresend":   `{"id": "b", "recordingUrl": "https://media.example.com/b.mp3"}`,
		"smartalex":  `{"data": {"url": null}}`,
		"agentvoice": `{"data": null}`,
	} {
		r := &recorder{body: func(n int) string {
			if n == 2 {
				return `{"data": {"id": "b"}}`
			}
			return answer
		}}
		docs, err := builtin(t, vendor, r).Relink(t.Context(), call.Documents{"list": {Body: object("id", "a")}})
		if !errors.Is(err, call.ErrCorrupt) {
			t.Errorf("%s: %v, error %v", vendor, docs, err)
		}
	}
}

func TestLinkExpiry(t *testing.T) {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for query, want := range map[string]time.Duration{
		"": time.Hour,
		"?X-Amz-Date=20260601T115500Z&X-Amz-Expires=600":                   5 * time.Minute,
		"?x-goog-date=20260601T115500Z&x-goog-expires=1200":                15 * time.Minute,
		fmt.Sprint("?Expires=", at.Add(90*time.Second).Unix()):             90 * time.Second,
		"?se=2026-06-01T12%3A02%3A00Z&sig=x":                               2 * time.Minute,
		"?se=2026-06-01T12%3A02%3A00Z&Expires=" + fmt.Sprint(at.Unix()+30): 30 * time.Second,
		"?Expires=3600":                     time.Hour, // not a point in time: the guess stays
		"?X-Amz-Date=junk&X-Amz-Expires=-1": time.Hour,
	} {
		body := object("recordingUrl", "https://media.example.com/a.mp3"+query)
		item := strings.Replace(string(body), "{", `{"uuid": "a",`, 1)
		link, ok := builtin(t, "callcamp", nil).Link(call.Documents{"list": {Body: json.RawMessage(item), FetchedAt: at}})
		if got := link.ExpiresAt.Sub(at); !ok || got != want || link.Guessed != (want == time.Hour) {
			t.Errorf("%s: lives %s, guessed %v; want %s", query, got, link.Guessed, want)
		}
	}
	for _, address := range []string{"", "pending", "file:///etc/passwd", "//media.example.com/x", "ftp://media.example.com/x", "https://%zz"} {
		body := strings.Replace(string(object("recordingUrl", address)), "{", `{"id": "a", "hasRecording": true, `, 1)
		p, docs := builtin(t, "suresend", nil), call.Documents{"list": {Body: json.RawMessage(body)}}
		if link, ok := p.Link(docs); ok {
			t.Errorf("%q became the link %v", address, link.URL.Reveal())
		}
		if m, err := p.Map(docs); err != nil || m.Recording.Evidence != call.EvidencePromised {
			t.Errorf("%q: evidence %+v, %v", address, m.Recording, err)
		}
	}
}

// TestFresherDocumentsWin: the list says more, later, than the detail read
// before; nothing good is lost to a later null.
func TestFresherDocumentsWin(t *testing.T) {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	docs := call.Documents{
		"detail": {FetchedAt: at, Body: json.RawMessage(`{"id": "a", "status": "completed", "sentiment": null, "call_summary": "Early.", "duration": 10, "agent_name": "Noor"}`)},
		"list":   {FetchedAt: at.Add(time.Hour), Body: json.RawMessage(`{"id": "a", "status": "completed", "sentiment": "negative", "call_summary": null, "duration": 11}`)},
	}
	m, err := builtin(t, "solomobile", nil).Map(docs)
	if err != nil {
		t.Fatal(err)
	}
	if *m.Call.SentimentLabel != "negative" || *m.Call.Summary != "Early." || *m.Call.DurationSeconds != 11 || *m.Call.AgentName != "Noor" {
		t.Errorf("call %+v", m.Call)
	}
}

func TestLookupPaging(t *testing.T) {
	rows := func(from, to int) string {
		var list []string
		for n := from; n < to; n++ {
			list = append(list, fmt.Sprintf(`{"id": %d, "firstName": "F%d", "lastName": ""}`, n, n))
		}
		return strings.Join(list, ",")
	}
	for name, test := range map[string]struct {
		body     func(n int) string
		requests int
		rows     int
	}{
		"one short page":        {func(int) string { return `{"users": [` + rows(0, 3) + `]}` }, 1, 3},
		"total":                 {func(n int) string { return `{"users": [` + rows(n*10-10, n*10) + `], "meta": {"total": 25}}` }, 3, 30},
		"offset ignored":        {func(int) string { return `{"users": [` + rows(0, 100) + `]}` }, 2, 100},
		"empty":                 {func(int) string { return `{"users": []}` }, 1, 0},
		"full page, then empty": {func(n int) string { return `{"users": [` + []string{rows(0, 100), ""}[n-1] + `]}` }, 2, 100},
	} {
		t.Run(name, func(t *testing.T) {
			r := &recorder{body: test.body}
			p := builtin(t, "suresend", r)
			table, err := p.FetchLookup(t.Context(), "users")
			if err != nil || len(table.Rows) != test.rows || len(r.asked) != test.requests {
				t.Fatalf("%d rows, %d requests, error %v", len(table.Rows), len(r.asked), err)
			}
			if test.rows > 0 && string(table.Rows["0"]) != `{"email":null,"name":"F0"}` {
				t.Errorf("row %s", table.Rows["0"])
			}
		})
	}
	if _, err := builtin(t, "suresend", nil).FetchLookup(t.Context(), "nothing"); !errors.Is(err, call.ErrNotFound) {
		t.Errorf("unknown table: %v", err)
	}
}

func TestSetLookupWhileMapping(t *testing.T) {
	p := builtin(t, "suresend", nil)
	docs := call.Documents{"list": {Body: json.RawMessage(`{"id": "a", "userId": "u"}`)}}
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for range 50 {
				p.SetLookup(call.LookupTable{Name: "users", Rows: map[string]json.RawMessage{"u": object("name", fmt.Sprint(n))}})
				if m, err := p.Map(docs); err != nil || m.Call.AgentName == nil {
					t.Errorf("agent name %v, error %v", m.Call.AgentName, err)
				}
			}
		})
	}
	all.Wait()
}

// TestGenerationsInOneList: one answer holds calls with the older and with the
// newer field names.
func TestGenerationsInOneList(t *testing.T) {
	type facts struct {
		Status   call.Status
		Duration float64
		Started  string
		Exact    bool
		Cost     float64
	}
	for vendor, test := range map[string]struct {
		answer string
		want   []facts
	}{
		"smartalex": {`{"data": [
			{"id": "old", "status": "completed", "duration": 245, "cost": 0.45, "created_at": "2026-01-15T14:30:00Z"},
			{"id": "new", "call_status": "no_answer", "duration_seconds": "12", "cost": "0.10", "start_timestamp": "2026-01-15T15:00:00Z"}]}`,
			[]facts{{call.StatusCompleted, 245, "14:30", true, 0.45}, {call.StatusNoAnswer, 12, "15:00", true, 0.10}}},
		"callcamp": {`{"calls": [
			{"uuid": "old", "status": "completed", "duration": 145, "cost": 0.45, "transcript": [], "createdAt": "2026-01-15T14:30:00Z"},
			{"uuid": "new", "status": "busy", "callDurationSeconds": 3, "price": 0.2, "callStartTime": "2026-01-15T15:00:00Z", "createdAt": "2026-01-15T14:59:00Z"}]}`,
			[]facts{{call.StatusCompleted, 145, "14:30", false, 0.45}, {call.StatusBusy, 3, "15:00", true, 0.2}}},
	} {
		p := builtin(t, vendor, &recorder{body: func(int) string { return test.answer }})
		page, err := p.List(t.Context(), call.ListRequest{})
		if err != nil {
			t.Fatal(err)
		}
		var got []facts
		for _, item := range page.Items {
			m, err := p.Map(call.Documents{"list": {Body: item.Body}})
			if err != nil || m.Call.ID != item.ID || item.CreatedAt.IsZero() {
				t.Fatalf("call %s, created %v, error %v", m.Call.ID, item.CreatedAt, err)
			}
			c := m.Call
			got = append(got, facts{*c.Status, *c.DurationSeconds, c.StartedAt.Format("15:04"), !c.StartedAtApproximate, *c.Cost})
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", vendor, diff)
		}
	}
}

// TestTranscriptComesLate: the flag says that there is a transcript, the path
// says 404, and later gives it.
func TestTranscriptComesLate(t *testing.T) {
	requests := 0
	p := builtin(t, "suresend", answers(func(*http.Request) (*http.Response, error) {
		if requests++; requests == 1 {
			return respond(404, `{"errorMessage": "No transcript available"}`), nil
		}
		return respond(200, `{"transcript": "[Agent]: Hello", "hasTranscript": true}`), nil
	}))
	docs := call.Documents{"list": {Body: json.RawMessage(`{"id": "a", "hasTranscript": true}`)}}
	for _, want := range []call.PartEvidence{{Evidence: call.EvidencePromised, Reason: "not_ready"}, {Evidence: call.EvidencePresent}} {
		var err error
		if docs["transcript"], err = p.Fetch(t.Context(), "transcript", docs); err != nil {
			t.Fatal(err)
		}
		if m, err := p.Map(docs); err != nil || m.Transcript != want {
			t.Errorf("evidence %+v, want %+v, error %v", m.Transcript, want, err)
		}
		if diff := cmp.Diff([]string{"transcript"}, p.Renew(call.PartTranscript, docs)); diff != "" {
			t.Errorf("renew: %s", diff)
		}
	}
}

// TestSmallDescription checks what the built-in vendors do not use: paths
// through arrays, pages from zero, windows of days and of seconds, bodies with
// every kind of value.
func TestSmallDescription(t *testing.T) {
	text := strings.NewReplacer("path: /calls\n", "path: /calls\n  method: POST\n  body: {n: 1.50, yes: true, nothing: null, list: [a, {b: c}]}\n  window: {from: since, to: until, format: date}\n",
		"items: .calls", `items: ".[0].pages[-1]"`, "rows: 10", "rows: 10, first: 0").Replace(small)
	r := &recorder{body: func(int) string { return `[{"pages": [[], [{"id": 1 }]]}]` }}
	p := bind(t, parse(t, text), Options{Transport: r})
	window := &call.Window{From: time.Date(2026, 6, 1, 23, 0, 0, 0, time.UTC), To: time.Date(2026, 6, 2, 0, 0, 1, 0, time.UTC)}
	page, err := p.List(t.Context(), call.ListRequest{Window: window})
	if err != nil || len(page.Items) != 1 || string(page.Items[0].Body) != `{"id": 1 }` {
		t.Fatalf("page %s, error %v", page.Items, err)
	}
	want := `POST /calls {"list":["a",{"b":"c"}],"n":1.50,"nothing":null,"page":0,"since":"2026-06-01","until":"2026-06-03","yes":true}`
	if diff := cmp.Diff([]string{want}, r.asked); diff != "" {
		t.Error(diff)
	}

	r = &recorder{body: func(int) string { return `{"calls": []}` }}
	p = bind(t, parse(t, strings.Replace(small, "path: /calls\n", "path: /calls\n  window: {from: since, to: until, format: unix}\n", 1)), Options{Transport: r})
	if _, err := p.List(t.Context(), call.ListRequest{Window: window}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"GET /calls?page=1&since=1780354800&until=1780358401"}, r.asked); diff != "" {
		t.Error(diff)
	}
}

// TestSentiment: a score alone gives a label, which is marked as ours.
func TestSentiment(t *testing.T) {
	for item, want := range map[string]string{
		`"sentimentScore": 0.26`:                                "positive 0.26 true",
		`"sentimentScore": "0.25"`:                              "neutral 0.25 true",
		`"sentimentScore": -0.3, "sentimentLabel": ""`:          "negative -0.3 true",
		`"sentimentScore": -0.3, "sentimentLabel": " POSITIVE"`: "positive -0.3 false",
		`"sentimentScore": 40`:                                  "- - false",
		`"sentimentLabel": "mixed"`:                             "- - false",
	} {
		m, err := builtin(t, "suresend", nil).Map(call.Documents{"list": {Body: json.RawMessage(`{"id": "a", ` + item + `}`)}})
		if err != nil {
			t.Fatal(err)
		}
		label, score := "-", "-"
		if m.Call.SentimentLabel != nil {
			label = *m.Call.SentimentLabel
		}
		if m.Call.SentimentScore != nil {
			score = fmt.Sprint(*m.Call.SentimentScore)
		}
		got := fmt.Sprint(label, " ", score, " ", strings.Contains(string(m.Call.Metadata), `"sentiment_derived":true`))
		if got != want {
			t.Errorf("%s: %s, want %s", item, got, want)
		}
	}
}
