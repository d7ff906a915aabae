package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

var update = flag.Bool("update", false, "write the golden files")

// answers are the requests of the contract with their golden files.
var answers = []struct {
	name, method, target, body string
	status                     int
	operation                  string
}{
	{"search", "GET", "/v1/search?q=cost", "", 200, "search"},
	{"search_full", "GET", "/v1/search?q=cost&fields=full", "", 200, "search"},
	{"search_facets", "GET", "/v1/search?facets=agent,month&limit=1", "", 200, "search"},
	{"stats", "GET", "/v1/stats", "", 200, "get-stats"},
	{"stats_group", "GET", "/v1/stats?by=week&group=source&source=crm", "", 200, "get-stats"},
	{"calls", "GET", "/v1/calls", "", 200, "list-calls"},
	{"calls_first_page", "GET", "/v1/calls?limit=1", "", 200, "list-calls"},
	{"calls_most_recent", "GET", "/v1/calls?most_recent=true", "", 200, "list-calls"},
	{"calls_include", "GET", "/v1/calls?limit=1&include=transcript,raw", "", 200, "list-calls"},
	{"call", "GET", "/v1/calls/crm/c1", "", 200, "get-call"},
	{"call_light", "GET", "/v1/calls/crm/c1?fields=light", "", 200, "get-call"},
	{"call_include", "GET", "/v1/calls/crm/c1?fields=light&include=metadata&include=raw,versions", "", 200, "get-call"},
	{"call_parts", "GET", "/v1/calls/crm/a%2Fb%20%22%C3%BC%22%20..?fields=light&include=parts", "", 200, "get-call"},
	{"call_unknown_fields", "GET", "/v1/calls/crm/a%2Fb%20%22%C3%BC%22%20..", "", 200, "get-call"},
	{"transcript", "GET", "/v1/calls/crm/c1/transcript", "", 200, "get-transcript"},
	{"history", "GET", "/v1/calls/crm/c1/history", "", 200, "get-history"},
	{"statements", "GET", "/v1/statements", "", 200, "list-statements"},
	{"statements_limit", "GET", "/v1/statements?source=erp,crm&source=crm&limit=2", "", 200, "list-statements"},
	{"changes", "GET", "/v1/changes?since=1", "", 200, "list-changes"},
	{"changes_none", "GET", "/v1/changes?since=2", "", 200, "list-changes"},
	{"status", "GET", "/v1/status", "", 200, "get-status"},
	{"gaps", "GET", "/v1/gaps", "", 200, "list-gaps"},
	{"gaps_first_page", "GET", "/v1/gaps?limit=1", "", 200, "list-gaps"},
	{"gaps_ack", "POST", "/v1/gaps/ack", `{"key":"crm/c1","part":"recording","reason":" vendor lost it "}`, 200, "acknowledge-gap"},
	{"sync", "POST", "/v1/sync", `{"source":"crm","full":true}`, 202, "sync"},
	{"sync_all", "POST", "/v1/sync", `{}`, 202, "sync"},
	{"verify", "POST", "/v1/verify", "", 200, "verify"},
	{"reindex", "POST", "/v1/reindex", "{}", 200, "reindex"},
	{"healthz", "GET", "/healthz", "", 200, "alive"},
	{"readyz", "GET", "/readyz", "", 200, "ready"},
	{"problem_parameters", "GET", "/v1/calls?limit=0&facets=agent&status=gone", "", 400, "list-calls"},
	{"problem_query", "GET", "/v1/search?q=%22open", "", 400, "search"},
	{"problem_not_found", "GET", "/v1/calls/crm/none", "", 404, "get-call"},
}

func TestAnswers(t *testing.T) {
	for _, test := range answers {
		t.Run(test.name, func(t *testing.T) {
			f := sample(t)
			h := f.handler(nil)
			w := ask(h, request(test.method, test.target, test.body))
			if w.Code != test.status {
				t.Fatalf("status %d, want %d: %s", w.Code, test.status, w.Body)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
			golden := filepath.Join("testdata", test.name+".json")
			if *update {
				if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(pretty.Bytes(), want) {
				t.Errorf("answer differs from %s:\n%s", golden, pretty.Bytes())
			}
			fitsSchema(t, h.(*server).huma.OpenAPI(), test.operation, test.status, w.Body.Bytes())
		})
	}
}

// fitsSchema checks an answer against what the OpenAPI document promises.
func fitsSchema(t *testing.T, doc *huma.OpenAPI, id string, status int, body []byte) {
	t.Helper()
	var op *huma.Operation
	for _, path := range doc.Paths {
		for _, candidate := range []*huma.Operation{path.Get, path.Post} {
			if candidate != nil && candidate.OperationID == id {
				op = candidate
			}
		}
	}
	if op == nil {
		t.Fatalf("no operation %s", id)
	}
	response, media := op.Responses[fmt.Sprint(status)], "application/json"
	if response == nil {
		response = op.Responses["default"]
	}
	if status >= 400 {
		media = "application/problem+json"
	}
	if response == nil || response.Content[media] == nil {
		t.Fatalf("%s: no answer with status %d described", id, status)
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatal(err)
	}
	var result huma.ValidateResult
	huma.Validate(doc.Components.Schemas, response.Content[media].Schema, huma.NewPathBuffer(nil, 0), huma.ModeReadFromServer, value, &result)
	for _, err := range result.Errors {
		t.Errorf("%s: the answer does not fit its schema: %v", id, err)
	}
}

// Every field of the contract is there, also when nothing is known.
func TestEveryFieldPresent(t *testing.T) {
	contract := strings.Fields(`key source provider id direction status outcome phone from_number to_number agent_id agent_name user_id
		contact_id contact_name contact_email campaign_id campaign_name started_at started_at_approximate ended_at created_at updated_at
		duration_seconds cost cost_currency sentiment_label sentiment_score summary topics note transcript recording parts settled version
		first_seen_at changed_at deleted_upstream_at metadata`)
	w := ask(sample(t).handler(nil), request("GET", "/v1/calls/crm/a%2Fb%20%22%C3%BC%22%20..", ""))
	var got map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, name := range contract {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing", name)
		}
		delete(got, name)
	}
	for name := range got {
		t.Errorf("%s is not in the contract", name)
	}
}

func TestErrorKinds(t *testing.T) {
	tests := []struct {
		err    error
		status int
		retry  string
	}{
		{call.ErrNotFound, 404, ""},
		{call.ErrRefused, 409, ""},
		{ErrUnavailable, 503, "5"},
		{ErrBusy, 429, "1"},
		{ErrTooSlow, 503, "5"},
		{&call.HoldError{PID: 1}, 503, "5"},
		{&call.BudgetError{}, 503, "5"},
		{call.ErrBadCursor, 400, ""},
		{&call.QueryError{Position: 3, Message: "no"}, 400, ""},
		{context.DeadlineExceeded, 503, "5"},
		{call.ErrCorrupt, 500, ""},
		{errors.New("page 17 of /var/lib/secret is torn"), 500, ""},
	}
	for _, test := range tests {
		t.Run(test.err.Error(), func(t *testing.T) {
			f := sample(t)
			f.err = fmt.Errorf("list calls: %w", test.err)
			h := f.handler(nil)
			p := askProblem(t, h, request("GET", "/v1/search?q=x", ""), test.status)
			if strings.Contains(p.Detail, "secret") || strings.Contains(p.Detail, "list calls") {
				t.Errorf("detail shows internals: %s", p.Detail)
			}
			if got := ask(h, request("GET", "/v1/search?q=x", "")).Header().Get("Retry-After"); got != test.retry {
				t.Errorf("Retry-After %q, want %q", got, test.retry)
			}
		})
	}
}

func TestQueryErrorHasPosition(t *testing.T) {
	f := sample(t)
	f.err = &call.QueryError{Position: 3, Message: "a word is missing"}
	p := askProblem(t, f.handler(nil), request("GET", "/v1/search?q=abc", ""), 400)
	if p.Position == nil || *p.Position != 3 || p.Detail != "a word is missing" {
		t.Errorf("problem %+v", p)
	}
}

func TestNotReady(t *testing.T) {
	f := sample(t)
	f.reasons = []string{"the index is being built", "a source is refused"}
	p := askProblem(t, f.handler(nil), request("GET", "/readyz", ""), 503)
	if len(p.Errors) != 2 || p.Errors[0].Message != f.reasons[0] {
		t.Errorf("problem %+v", p)
	}
	if w := ask(f.handler(nil), request("GET", "/healthz", "")); w.Code != 200 {
		t.Errorf("healthz %d while not ready", w.Code)
	}
}

func TestPosts(t *testing.T) {
	f := sample(t)
	h := f.handler(nil)
	tests := []struct {
		target, body string
		status       int
		location     string
	}{
		{"/v1/sync", `{"source":"erp"}`, 404, ""},
		{"/v1/sync", `{"sauce":"crm"}`, 400, "body.sauce"},
		{"/v1/sync", `{"source":"crm","SOURCE":"erp"}`, 400, "body.SOURCE"},
		{"/v1/sync", `{"source":1}`, 400, "body.source"},
		{"/v1/sync", `{"full":"yes"}`, 400, "body.full"},
		{"/v1/sync", `{"source":"crm","accept_vanished":true}`, 400, "body.accept_vanished"},
		{"/v1/sync", `{"full":true,"accept_vanished":true}`, 400, "body.accept_vanished"},
		{"/v1/sync", `[]`, 400, "body"},
		{"/v1/sync?source=crm", `{}`, 400, "query.source"},
		{"/v1/verify", `{"quick":true}`, 400, "body.quick"},
		{"/v1/gaps/ack", ``, 400, ""},
		{"/v1/gaps/ack", `{"key":"crm/c1","part":"recording"}`, 400, "body"},
		{"/v1/gaps/ack", `{"key":"crm/c1","part":"recording","reason":"  "}`, 400, "body.reason"},
		{"/v1/gaps/ack", `{"key":"crm","part":"recording","reason":"x"}`, 400, "body.key"},
		{"/v1/gaps/ack", `{"key":"crm/c1","part":"sound","reason":"x"}`, 400, "body.part"},
		{"/v1/gaps/ack", `{"key":"crm/c2","part":"recording","reason":"x"}`, 404, ""},
		{"/v1/gaps/ack", `{"key":"crm/c1","part":"transcript","reason":"x"}`, 409, ""},
	}
	for _, test := range tests {
		p := askProblem(t, h, request("POST", test.target, test.body), test.status)
		if test.location != "" && (len(p.Errors) == 0 || p.Errors[0].Location != test.location) {
			t.Errorf("%s %s: errors %+v, want %s", test.target, test.body, p.Errors, test.location)
		}
	}
	if len(f.woken)+len(f.acks) != 0 {
		t.Errorf("refused requests did something: %q %q", f.woken, f.acks)
	}
	for _, good := range []string{``, `{}`, `{"source":"crm"}`, `{"source":"crm","full":true}`,
		`{"source":"crm","full":true,"accept_vanished":true,"by":"kim"}`} {
		if w := ask(h, request("POST", "/v1/sync", good)); w.Code != http.StatusAccepted {
			t.Errorf("sync %s: %d %s", good, w.Code, w.Body)
		}
	}
	if got, want := strings.Join(f.woken, "|"), "||crm|crm full|crm accepted by kim full"; got != want {
		t.Errorf("woke %q, want %q", got, want)
	}
}
