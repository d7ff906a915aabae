package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callsyncd/call"
)

// acmeServer answers as the vendor of testdata/acme.yaml would, and refuses
// what it does not know.
func acmeServer(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	row := func(n int) string {
		return fmt.Sprintf(`{"ref": %d, "way": "To us", "state": "closed", "kind": "spoken", "opened": %d, "touched": %d, "length_ms": "61500",
			"owner": "u%d", "party": {"number": "+15550160", "first": "Lee", "last": null}, "mood": "happy", "abstract": null, "abstract_state": "queued",
			"media": {"href": "https://media.example.com/%d?x=1", "seconds_left": 90}, "queue": "north"}`, n, 1780000000+n, 1780000100+n, n%2, n)
	}
	mux.HandleFunc("POST /rpc/conversations/query", func(w http.ResponseWriter, r *http.Request) {
		body := acmeBody(t, w, r)
		if diff := cmp.Diff([]any{"summary", "media"}, body["include"]); diff != "" || body["sort"] != "-closed" {
			t.Errorf("fixed fields of the body: %s", diff)
		}
		switch body["after"] {
		case nil:
			fmt.Fprintf(w, `{"result": {"rows": [%s,%s], "count": 3, "after": "c-2"}}`, row(9007199254740993), row(2))
		case "c-2":
			fmt.Fprintf(w, `{"result": {"rows": [%s], "count": 3, "after": null}}`, row(1))
		default:
			http.Error(w, `{"fault": {"text": "bad cursor"}}`, http.StatusBadRequest)
		}
	})
	mux.HandleFunc("POST /rpc/conversations/get", func(w http.ResponseWriter, r *http.Request) {
		if body := acmeBody(t, w, r); body["ref"] == "2" {
			fmt.Fprintf(w, `{"result": %s}`, row(2))
			return
		}
		http.Error(w, `{"fault": {"text": "unknown conversation"}}`, http.StatusNotFound)
	})
	mux.HandleFunc("GET /rpc/conversations/{ref}/words", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("ref") {
		case "1":
			http.Error(w, `{"fault": {"text": "wait", "code": "processing"}}`, http.StatusNotFound)
		case "2":
			fmt.Fprint(w, `{"result": {"lines": [{"who": "us", "said": "Hello", "from_ms": 0, "to_ms": 900}, {"who": "them", "said": "Hi", "from_ms": 1000, "to_ms": 1250}]}}`)
		case "3":
			http.Error(w, `{"fault": {"text": "never recorded"}}`, http.StatusGone)
		default:
			http.Error(w, `{"fault": {"text": "unknown conversation"}}`, http.StatusNotFound)
		}
	})
	mux.HandleFunc("POST /rpc/staff/query", func(w http.ResponseWriter, r *http.Request) {
		if acmeBody(t, w, r)["after"] == "s-1" {
			fmt.Fprint(w, `{"result": {"rows": [{"ref": "u1", "display": "Ash"}], "after": ""}}`)
			return
		}
		fmt.Fprint(w, `{"result": {"rows": [{"ref": "u0", "display": "Kit"}, {"display": "nobody"}], "after": "s-1"}}`)
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Acme-Key") != testSecret || len(r.Header.Values("X-Acme-Tenant")) != 0 {
			t.Errorf("headers of %s: key %q, tenant %q", r.URL, r.Header.Get("X-Acme-Key"), r.Header.Values("X-Acme-Tenant"))
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server
}

func acmeBody(t *testing.T, w http.ResponseWriter, r *http.Request) (body map[string]any) {
	t.Helper()
	data, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(data, &body) != nil || r.Header.Get("Content-Type") != "application/json" || r.URL.RawQuery != "" {
		t.Errorf("request to %s is not a JSON POST: %s", r.URL, data)
	}
	return body
}

func acme(t *testing.T, base string) *Provider {
	t.Helper()
	d, err := Load("testdata/acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return bind(t, d, Options{BaseURL: base, Transport: http.DefaultTransport.(*http.Transport).Clone()})
}

func TestSixthVendor(t *testing.T) {
	p := acme(t, acmeServer(t).URL+"/rpc/")
	ctx := t.Context()
	if err := p.Check(ctx); err != nil {
		t.Fatal(err)
	}
	first, err := p.List(ctx, call.ListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Items) != 2 || first.Items[0].ID != "9007199254740993" || *first.Total != 3 || first.Next == nil || first.Next.Cursor != "c-2" {
		t.Fatalf("first page: %+v", first)
	}
	if !first.Items[1].UpdatedAt.Equal(time.Unix(1780000102, 0)) {
		t.Errorf("updated_at: %v", first.Items[1].UpdatedAt)
	}
	last, err := p.List(ctx, call.ListRequest{Position: *first.Next})
	if err != nil || len(last.Items) != 1 || last.Next != nil {
		t.Fatalf("last page: %+v, %v", last, err)
	}

	table, err := p.FetchLookup(ctx, "staff")
	if err != nil || len(table.Rows) != 2 {
		t.Fatalf("lookup: %+v, %v", table, err)
	}
	p.SetLookup(table)

	docs := call.Documents{"list": {Body: first.Items[1].Body, FetchedAt: first.FetchedAt}}
	step, ok := p.Wanted(docs, nil)
	if !ok || step != "words" {
		t.Fatalf("wanted %q, %v", step, ok)
	}
	if docs["words"], err = p.Fetch(ctx, step, docs); err != nil {
		t.Fatal(err)
	}
	got, err := p.Map(docs)
	if err != nil {
		t.Fatal(err)
	}
	want := call.Mapped{
		Call: call.Call{
			Key: call.Key{Source: "test", ID: "2"}, Source: "test", Provider: "acme", ID: "2",
			Direction: new(call.Inbound), Status: new(call.StatusCompleted), Phone: new("+15550160"),
			UserID: new("u0"), AgentName: new("Kit"), ContactName: new("Lee"),
			StartedAt: new(time.Unix(1780000002, 0).UTC()), CreatedAt: new(time.Unix(1780000002, 0).UTC()),
			UpdatedAt: new(time.Unix(1780000102, 0).UTC()), SentimentLabel: new("positive"),
			Transcript: []call.Turn{
				{Speaker: call.SpeakerAgent, Label: new("us"), Text: "Hello", StartSeconds: new(0.0), EndSeconds: new(0.9)},
				{Speaker: call.SpeakerCustomer, Label: new("them"), Text: "Hi", StartSeconds: new(1.0), EndSeconds: new(1.25)},
			},
			Metadata: json.RawMessage(`{"queue":"north"}`),
		},
		TranscriptFrom: "words",
		Transcript:     call.PartEvidence{Evidence: call.EvidencePresent},
		Summary:        call.PartEvidence{Evidence: call.EvidencePromised, Reason: "not_ready"},
		Recording:      call.PartEvidence{Evidence: call.EvidencePresent},
		RecordingMark:  "list:448167b0a107c117", // of the identity the description gives
	}
	// length_ms is a text, which jq cannot divide: the field is lost, not the call.
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}

	fresh, err := p.Relink(ctx, docs)
	if err != nil || len(fresh) != 1 {
		t.Fatalf("relink: %v, %v", fresh, err)
	}
	link, ok := p.Link(fresh)
	if !ok || link.Guessed || !link.ExpiresAt.Equal(link.FetchedAt.Add(90*time.Second)) {
		t.Errorf("link: %+v, %v", link, ok)
	}
}

func TestSixthVendorAbsence(t *testing.T) {
	p := acme(t, acmeServer(t).URL+"/rpc")
	for _, test := range []struct {
		id     string
		status int
		want   call.PartEvidence
		err    error
	}{
		{id: "1", status: 404, want: call.PartEvidence{Evidence: call.EvidenceUnknown, Reason: "not_ready"}},
		{id: "3", status: 410, want: call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: "http_410"}},
		{id: "4", err: call.ErrNotFound},
	} {
		t.Run(test.id, func(t *testing.T) {
			docs := call.Documents{"list": {Body: json.RawMessage(`{"ref": "` + test.id + `", "kind": "spoken", "state": "closed"}`)}}
			doc, err := p.Fetch(t.Context(), "words", docs)
			if !errors.Is(err, test.err) || doc.Status != test.status {
				t.Fatalf("document %+v, error %v", doc, err)
			}
			if test.err != nil {
				return
			}
			docs["words"] = doc
			if step, ok := p.Wanted(docs, nil); ok {
				t.Errorf("wants %s again at once", step)
			}
			if diff := cmp.Diff([]string{"words"}, p.Renew(call.PartTranscript, docs)); diff != "" {
				t.Errorf("renew: %s", diff)
			}
			mapped, err := p.Map(docs)
			if err != nil || mapped.Transcript != test.want {
				t.Errorf("evidence %+v, %v", mapped.Transcript, err)
			}
		})
	}
	gone := call.Documents{"list": {Body: json.RawMessage(`{"ref": "4"}`)}}
	if _, err := p.Relink(t.Context(), gone); !errors.Is(err, call.ErrNotFound) || !strings.Contains(err.Error(), "unknown conversation") {
		t.Errorf("relink of a call that is gone: %v", err)
	}
}

// TestSixthVendorNextURL is the same vendor with URLs instead of cursors.
func TestSixthVendorNextURL(t *testing.T) {
	text, err := os.ReadFile("testdata/acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	byURL := strings.Replace(string(text), "{kind: cursor, position: after,", "{kind: next_url,", 1)
	byURL = strings.Replace(byURL, "method: POST\n  path: /conversations/query\n  body: {include: [summary, media], sort: \"-closed\"}", "path: /conversations", 1)
	for name, test := range map[string]struct {
		next string
		want string // path and query asked for; empty when refused
	}{
		"absolute":    {"https://dialer.example.com/rpc/conversations?p=2&sig=%2Fa", "/rpc/conversations?p=2&sig=%2Fa"},
		"same port":   {"https://DIALER.example.com:443/rpc/conversations?p=2", "/rpc/conversations?p=2"},
		"relative":    {"?p=2", "/rpc/conversations?p=2"},
		"other host":  {"https://evil.example.net/rpc", ""},
		"other port":  {"https://dialer.example.com:8443/rpc", ""},
		"plain http":  {"http://dialer.example.com/rpc", ""},
		"user name":   {"https://dialer.example.com@evil.example.net/", ""},
		"schemeless":  {"//evil.example.net/rpc", ""},
		"other thing": {"file:///etc/passwd", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var asked []string
			p := bind(t, parse(t, byURL), Options{Transport: answers(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.URL.RequestURI())
				next, _ := json.Marshal(test.next)
				if len(asked) > 1 {
					next = []byte("null")
				}
				return respond(200, `{"result": {"rows": [], "after": `+string(next)+`}}`), nil
			})})
			page, err := p.List(t.Context(), call.ListRequest{Size: 7})
			if test.want == "" {
				if !errors.Is(err, call.ErrRefused) {
					t.Fatalf("page %+v, error %v", page, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.List(t.Context(), call.ListRequest{Position: *page.Next}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{"/rpc/conversations?take=7", test.want}, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDocumentedExample keeps the example in the documentation the tested one.
func TestDocumentedExample(t *testing.T) {
	example, err := os.ReadFile("testdata/acme.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("../../docs/provider-format.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(doc), string(example)) {
		t.Error("docs/provider-format.md does not hold testdata/acme.yaml word for word")
	}
}
