package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

func TestBadParameters(t *testing.T) {
	tests := []struct {
		target string
		bad    string // the parameters named, in order
	}{
		{"/v1/calls?limit=0", "limit"},
		{"/v1/calls?limit=201", "limit"},
		{"/v1/calls?limit=-5", "limit"},
		{"/v1/calls?limit=%2B5", "limit"},
		{"/v1/calls?limit=1e3", "limit"},
		{"/v1/calls?limit=1e9", "limit"},
		{"/v1/calls?limit=abc", "limit"},
		{"/v1/calls?limit=", "limit"},
		{"/v1/calls?limit=5&limit=5", "limit"},
		{"/v1/calls?limit=99999999999999999999", "limit"},
		{"/v1/calls?from=-1", "from"},
		{"/v1/calls?from=9e18", "from"},
		{"/v1/calls?from=2026-02-30", "from"},
		{"/v1/calls?from=yesterday", "from"},
		{"/v1/calls?from=2025-01-01T00:00:00", "from"},
		{"/v1/calls?from=2025-01-01+00:00:00Z", "from"},
		{"/v1/calls?to=2025-13-01", "to"},
		{"/v1/calls?from=2025-02-01&to=2025-01-31", "to"},
		{"/v1/calls?min_duration=NaN", "min_duration"},
		{"/v1/calls?min_duration=-1", "min_duration"},
		{"/v1/calls?min_duration=Inf", "min_duration"},
		{"/v1/calls?min_duration=0x1p4", "min_duration"},
		{"/v1/calls?max_duration=1e3", "max_duration"},
		{"/v1/calls?min_duration=10&max_duration=9.5", "max_duration"},
		{"/v1/calls?source=CRM", "source"},
		{"/v1/calls?source=crm,,erp", "source"},
		{"/v1/calls?source=../x", "source"},
		{"/v1/calls?direction=in", "direction"},
		{"/v1/calls?status=completed,done", "status"},
		{"/v1/calls?sentiment=happy", "sentiment"},
		{"/v1/calls?has=record", "has"},
		{"/v1/calls?settled=1", "settled"},
		{"/v1/calls?deleted_upstream=yes", "deleted_upstream"},
		{"/v1/calls?deleted_upstream=true,false", "deleted_upstream"},
		{"/v1/calls?most_recent=TRUE", "most_recent"},
		{"/v1/calls?phone=abc", "phone"},
		{"/v1/calls?agent=%FF", "agent"},
		{"/v1/calls?agent_id=", "agent_id"},
		{"/v1/calls?order=up", "order"},
		{"/v1/calls?order_by=cost", "order_by"},
		{"/v1/calls?fields=all", "fields"},
		{"/v1/calls?include=everything", "include"},
		{"/v1/calls?cursor=", "cursor"},
		{"/v1/calls?cursor=bad", "cursor"},
		{"/v1/calls?most_recent=true&order=asc&cursor=x", "order cursor"},
		{"/v1/calls?q=word", "q"},
		{"/v1/calls?sort=newest", "sort"},
		{"/v1/calls?facets=agent", "facets"},
		{"/v1/calls?Source=crm", "Source"},
		{"/v1/calls?zeta=1&alpha=2&limit=x", "alpha zeta limit"},
		{"/v1/calls?limit=0&from=x&status=y&bogus=1", "bogus status from limit"},
		{"/v1/search?q=x&facets=agent,moon", "facets"},
		{"/v1/search?q=x&facets=", "facets"},
		{"/v1/stats?by=year", "by"},
		{"/v1/stats?group=phone", "group"},
		{"/v1/stats?limit=3", "limit"},
		{"/v1/search?q=x&q=y", "q"},
		{"/v1/search?q=%FF", "q"},
		{"/v1/search?q=x&sort=best", "sort"},
		{"/v1/search?q=x&sort=newest&order=asc", "sort"},
		{"/v1/search?q=x&order_by=cost", "order_by"},
		{"/v1/search?q=x&sort=newest&order_by=ended_at", "sort"},
		{"/v1/search?q=x&sort=newest&most_recent=true", "sort"},
		{"/v1/calls/crm/c1?limit=5", "limit"},
		{"/v1/calls/crm/c1?fields=light&fields=full", "fields"},
		{"/v1/calls/crm/c1/transcript?format=pdf", "format"},
		{"/v1/calls/crm/c1/recording?download=1", "download"},
		{"/v1/changes?since=-1", "since"},
		{"/v1/changes?since=1.5", "since"},
		{"/v1/changes?wait=61s", "wait"},
		{"/v1/changes?wait=-1s", "wait"},
		{"/v1/changes?wait=61", "wait"},
		{"/v1/changes?wait=soon&limit=0&since=x", "since limit wait"},
		{"/v1/gaps?source=crm&source=erp", "source"},
		{"/v1/gaps?source=nope", "source"},
		{"/v1/calls?source=crm,nope", "source"},
		{"/v1/search?q=x&source=nope", "source"},
		{"/v1/stats?source=nope", "source"},
		{"/v1/gaps?part=recording", "part"},
		{"/v1/gaps?cursor=bad", "cursor"},
		{"/v1/calls/crm/c1/history?limit=5", "limit"},
		{"/v1/statements?limit=101", "limit"},
		{"/v1/statements?limit=0&source=CRM&day=1", "day source limit"},
		{"/v1/status?verbose=1", "verbose"},
		{"/healthz?x=1", "x"},
	}
	h := sample(t).handler(nil)
	for _, test := range tests {
		t.Run(test.target, func(t *testing.T) {
			p := askProblem(t, h, request("GET", test.target, ""), 400)
			var names []string
			for _, c := range p.Errors {
				names = append(names, strings.TrimPrefix(c.Location, "query."))
			}
			if got := strings.Join(names, " "); got != test.bad {
				t.Errorf("errors name %q, want %q", got, test.bad)
			}
			for _, name := range names {
				if !strings.Contains(p.Detail, name) {
					t.Errorf("detail does not name %s: %s", name, p.Detail)
				}
			}
		})
	}
}

func TestFilters(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		query string
		want  call.Filter
	}{
		{"", call.Filter{}},
		{"source=crm,erp&source=pbx", call.Filter{Source: []call.SourceID{"crm", "erp", "pbx"}}},
		{`agent=Ada+Example&agent=Smith%5C%2C+John,b`, call.Filter{Agent: []string{"Ada Example", "Smith, John", "b"}}},
		{`agent_id=a%5Cb%5C%5C,c`, call.Filter{AgentID: []string{`a\b\`, "c"}}},
		{"campaign=x&campaign_id=y&contact_id=z&user_id=u", call.Filter{Campaign: []string{"x"}, CampaignID: []string{"y"}, ContactID: []string{"z"}, UserID: []string{"u"}}},
		{"phone=%28202%29+555-0123", call.Filter{Phone: []string{"(202) 555-0123"}}},
		{"direction=inbound%2Cweb", call.Filter{Direction: []call.Direction{call.Inbound, call.Web}}},
		{"status=no_answer&status=busy", call.Filter{Status: []call.Status{call.StatusNoAnswer, call.StatusBusy}}},
		{"outcome=x&sentiment=negative", call.Filter{Outcome: []string{"x"}, Sentiment: []string{"negative"}}},
		{"from=2025-12-01&to=2025-12-02T01:30:00%2B01:00", call.Filter{From: at("2025-12-01T00:00:00Z"), To: at("2025-12-02T00:30:00Z")}},
		{"from=2025-12-01T01:00:00+01:00&to=2025-12-01", call.Filter{From: at("2025-12-01T00:00:00Z"), To: at("2025-12-01T00:00:00Z")}},
		{"min_duration=0&max_duration=90.5", call.Filter{MinDuration: ptr(0.0), MaxDuration: ptr(90.5)}},
		{"has=transcript,recording", call.Filter{Has: []call.PartName{call.PartTranscript, call.PartRecording}}},
		{"settled=true&deleted_upstream=false", call.Filter{Settled: &yes, DeletedUpstream: &no}},
	}
	for _, test := range tests {
		t.Run(test.query, func(t *testing.T) {
			f := sample(t)
			f.retired = []call.SourceID{"erp", "pbx"}
			h := f.handler(nil)
			for _, path := range []string{"/v1/calls?", "/v1/search?q=x&"} {
				if w := ask(h, request("GET", path+test.query, "")); w.Code != 200 {
					t.Fatalf("status %d: %s", w.Code, w.Body)
				}
			}
			if !reflect.DeepEqual(f.lastList.Filter, test.want) {
				t.Errorf("list filter %+v, want %+v", f.lastList.Filter, test.want)
			}
			if !reflect.DeepEqual(f.lastSearch.Filter, test.want) {
				t.Errorf("search filter %+v, want %+v", f.lastSearch.Filter, test.want)
			}
		})
	}
}

func TestOrders(t *testing.T) {
	none := call.Filter{}
	lists := map[string]call.ListQuery{
		"":                                      {Filter: none, OrderBy: call.ByStarted, Limit: 25},
		"order=asc&order_by=ended_at&limit=200": {Filter: none, OrderBy: call.ByEnded, Ascending: true, Limit: 200},
		"order=desc&cursor=abc":                 {Filter: none, OrderBy: call.ByStarted, Limit: 25, After: "abc"},
		"most_recent=true&limit=50":             {Filter: none, OrderBy: call.ByStarted, Limit: 1},
		"most_recent=false":                     {Filter: none, OrderBy: call.ByStarted, Limit: 25},
	}
	f := sample(t)
	h := f.handler(nil)
	for query, want := range lists {
		if w := ask(h, request("GET", "/v1/calls?"+query, "")); w.Code != 200 || !reflect.DeepEqual(f.lastList, want) {
			t.Errorf("calls?%s: %d %+v, want %+v", query, w.Code, f.lastList, want)
		}
	}
	searches := map[string]call.SearchQuery{
		"q=x":                             {Text: "x", Sort: "relevance", Limit: 25},
		"":                                {Sort: "newest", Limit: 25},
		"q=&limit=3":                      {Sort: "newest", Limit: 3},
		"q=%20&sort=relevance":            {Text: " ", Sort: "relevance", Limit: 25},
		"q=x&facets=agent,month":          {Text: "x", Sort: "relevance", Limit: 25, Facets: []string{"agent", "month"}},
		"q=a,b":                           {Text: "a,b", Sort: "relevance", Limit: 25},
		"q=x&sort=oldest&cursor=c":        {Text: "x", Sort: "oldest", Limit: 25, After: "c"},
		"q=x&order=asc":                   {Text: "x", Sort: "oldest", Limit: 25},
		"q=x&order=desc":                  {Text: "x", Sort: "newest", Limit: 25},
		"q=x&order_by=started_at":         {Text: "x", Sort: "newest", OrderBy: call.ByStarted, Limit: 25},
		"q=x&order_by=ended_at&order=asc": {Text: "x", Sort: "oldest", OrderBy: call.ByEnded, Limit: 25},
		"order_by=duration_seconds":       {Sort: "newest", OrderBy: call.ByDuration, Limit: 25},
		"q=x&most_recent=true&limit=10":   {Text: "x", Sort: "newest", Limit: 1},
	}
	for query, want := range searches {
		if w := ask(h, request("GET", "/v1/search?"+query, "")); w.Code != 200 || !reflect.DeepEqual(f.lastSearch, want) {
			t.Errorf("search?%s: %d %+v, want %+v", query, w.Code, f.lastSearch, want)
		}
	}
}

// Following next_cursor visits every call once.
func TestPagesFollow(t *testing.T) {
	f := sample(t)
	h := f.handler(nil)
	var seen []call.Key
	target := "/v1/calls?limit=1"
	for range 5 {
		var page list[call.Call]
		if err := json.Unmarshal(ask(h, request("GET", target, "")).Body.Bytes(), &page); err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Data {
			seen = append(seen, c.Key)
		}
		if page.Pagination.HasMore != (page.Pagination.NextCursor != nil) {
			t.Errorf("has_more %t with cursor %v", page.Pagination.HasMore, page.Pagination.NextCursor)
		}
		if page.Pagination.NextCursor == nil {
			break
		}
		target = "/v1/calls?limit=1&cursor=" + *page.Pagination.NextCursor
	}
	if !reflect.DeepEqual(seen, f.order) {
		t.Errorf("saw %v, want %v", seen, f.order)
	}
}

// FuzzQuery states what must hold for every query string: either at least one
// mistake is named, or everything read from it is within bounds.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "source=crm,erp&limit=5", "from=2025-01-01&to=2025-01-02", `agent=a\,b`, "limit=1e3", "a=%zz", "q=%22x&sort=newest",
		"min_duration=1.5", "most_recent=true&cursor=x", "wait=30s&since=18446744073709551615", "include=raw,raw", "phone=%2B1", ";"} {
		f.Add(seed)
	}
	tables := [][]param{callsParams, searchParams, changesParams, gapsParams, statementsParams, viewParams, transcriptParams, nil}
	f.Fuzz(func(t *testing.T, raw string) {
		for _, table := range tables {
			var q query
			if bad := q.read(table, raw); len(bad) > 0 {
				for _, c := range bad {
					if c.Message == "" || !strings.HasPrefix(c.Location, "query") {
						t.Fatalf("complaint %+v", c)
					}
				}
				continue
			}
			values, err := url.ParseQuery(raw)
			if err != nil || len(table) == 0 && len(values) > 0 {
				t.Fatalf("%q was accepted", raw)
			}
			if q.limit < 1 || q.limit > maxLimit || q.wait < 0 || q.wait > time.Minute {
				t.Fatalf("%q: limit %d, wait %s", raw, q.limit, q.wait)
			}
			fl := q.filter
			if !fl.To.IsZero() && !fl.From.IsZero() && fl.To.Before(fl.From) {
				t.Fatalf("%q: from %s to %s", raw, fl.From, fl.To)
			}
			for _, text := range append(append(fl.Agent, fl.Phone...), fl.Outcome...) {
				if text == "" {
					t.Fatalf("%q: empty value", raw)
				}
			}
			for _, d := range []*float64{fl.MinDuration, fl.MaxDuration} {
				if d != nil && !(*d >= 0 && *d < 1e9) {
					t.Fatalf("%q: duration %v", raw, *d)
				}
			}
		}
	})
}

// FuzzAlternatives: escaping any values and joining them by commas gives the
// same values back.
func FuzzAlternatives(f *testing.F) {
	f.Add("a", "b")
	f.Add(`a,\`, `\,`)
	f.Add("", `\\`)
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	f.Fuzz(func(t *testing.T, a, b string) {
		got := alternatives([]string{escape.Replace(a) + "," + escape.Replace(b)})
		if !reflect.DeepEqual(got, []string{a, b}) {
			t.Fatalf("%q", got)
		}
	})
}

// FuzzBody: what is accepted is one JSON value that decodes, and decodes to
// the same value whichever of two equal names wins.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{"", "{}", `{"a":[1,{"b":null}]}`, `{"a":1,"a":2}`, "[[", "{} x", strings.Repeat("[", 16) + strings.Repeat("]", 16), `"\ud800"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		message := checkJSON(body)
		if message == "" && len(body) > 0 && !json.Valid(body) {
			t.Fatalf("%q was accepted", body)
		}
		if message == "is not JSON" && json.Valid(body) {
			t.Fatalf("%q was refused: %s", body, message)
		}
	})
}

func TestLongValuesAreNotEchoed(t *testing.T) {
	p := askProblem(t, sample(t).handler(nil), request("GET", "/v1/calls?limit="+strings.Repeat("9", 3000), ""), 400)
	if text := fmt.Sprint(p); len(text) > 500 {
		t.Errorf("the problem has %d bytes", len(text))
	}
}
