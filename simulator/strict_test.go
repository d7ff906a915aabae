package simulator

import (
	"net/http"
	"strings"
	"testing"
)

func TestMistakesAreRefusedAsDocumented(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 20})
	errorBody := map[string]string{
		"suresend":   `{"errorMessage":"%"}`,
		"smartalex":  `"message":"%"`,
		"solomobile": `"message":"%"`,
		"callcamp":   `{"error":"%"}`,
		"agentvoice": `{"error":"%"}`,
	}
	for _, x := range []struct {
		vendor, path, body string
		status             int
		message            string // empty: any
	}{
		{"suresend", "/call", "", 404, ""},
		{"suresend", "/calls/", "", 404, ""},
		{"suresend", "/calls/nobody", "", 404, "Call not found"},
		{"suresend", "/calls/nobody/transcript", "", 404, "Call not found"},
		{"suresend", "/people/nobody", "", 404, ""},
		{"suresend", "/calls", "{}", 405, ""},
		{"suresend", "/calls?limit=101", "", 400, ""},
		{"suresend", "/calls?limit=0", "", 400, ""},
		{"suresend", "/calls?limit=ten", "", 400, ""},
		{"suresend", "/calls?page=0", "", 400, ""},
		{"suresend", "/calls?page=1&page=2", "", 400, ""},
		{"suresend", "/calls?since=2024-01-01", "", 400, ""},
		{"suresend", "/calls/x?limit=1", "", 400, ""},
		{"suresend", "/calls?limit=%zz", "", 400, ""},
		{"smartalex", "/calls/nobody", "", 404, ""},
		{"smartalex", "/calls/nobody/recording", "", 404, ""},
		{"smartalex", "/calls?since_hours=3", "", 400, ""},
		{"smartalex", "/calls?from_date=yesterday", "", 400, ""},
		{"smartalex", "/calls?per_page=0", "", 400, ""},
		{"smartalex", "/calls?limit=3", "", 400, ""},
		{"solomobile", "/list-calls", "", 405, ""},
		{"solomobile", "/list-calls", `{"limit": 101}`, 400, ""},
		{"solomobile", "/list-calls", `{"limit": "10"}`, 400, ""},
		{"solomobile", "/list-calls", `{"limit": 1.5}`, 400, ""},
		{"solomobile", "/list-calls", `{"limit": 1, "limit": 2}`, 400, ""},
		{"solomobile", "/list-calls", `{"page": 1}`, 400, ""},
		{"solomobile", "/list-calls", `{"from_date": 5}`, 400, ""},
		{"solomobile", "/list-calls", `[]`, 400, ""},
		{"solomobile", "/list-calls", `{`, 400, ""},
		{"solomobile", "/list-calls?limit=1", `{}`, 400, ""},
		{"solomobile", "/get-call", `{}`, 400, "call_id is required"},
		{"solomobile", "/get-call", `{"call_id": "nobody"}`, 404, "Call not found"},
		{"solomobile", "/get-signed-recording-url", `{"call_id": "nobody"}`, 404, "Call not found"},
		{"callcamp", "/calls/nobody", "", 404, "Call not found"},
		{"callcamp", "/calls?startDate=2026-01-01", "", 400, ""},
		{"callcamp", "/calls?per_page=3", "", 400, ""},
		{"agentvoice", "/calls/nobody", "", 404, "Call not found"},
		{"agentvoice", "/calls?limit=101", "", 400, ""},
		{"agentvoice", "/calls?order_by=duration", "", 400, "Invalid order_by parameter"},
		{"agentvoice", "/calls?order=down", "", 400, ""},
		{"agentvoice", "/calls?fields=all", "", 400, ""},
		{"agentvoice", "/calls?include=everything", "", 400, ""},
		{"agentvoice", "/calls?from=yesterday", "", 400, ""},
		{"agentvoice", "/calls?page=1", "", 400, ""},
		{"agentvoice", "/calls?most_recent=true&agent_id=nobody", "", 404, "No calls found matching criteria"},
	} {
		rec := b.do(x.vendor, b.request(x.vendor, x.path, x.body))
		name := x.vendor + " " + x.path + " " + x.body
		if rec.Code != x.status {
			t.Errorf("%s: status %d, want %d: %s", name, rec.Code, x.status, rec.Body)
		}
		before, after, _ := strings.Cut(errorBody[x.vendor], "%")
		if !strings.Contains(rec.Body.String(), before+x.message) || !strings.Contains(rec.Body.String(), after) {
			t.Errorf("%s: body %s", name, rec.Body)
		}
	}
	if got := b.Stats("suresend").Rejected; got["parameter"] != 8 || got["path"] != 2 || got["method"] != 1 {
		t.Errorf("suresend: rejected %v", got)
	}
}

func TestErrorCodes(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 20})
	for _, x := range []struct{ vendor, path, body, want string }{
		{"smartalex", "/calls/nobody", "", `{"error":{"code":"call_not_found","message":"Call ID doesn't exist","status":404}}`},
		{"smartalex", "/calls?x=1", "", `{"error":{"code":"invalid_request","message":"unknown parameter 'x'","status":400}}`},
		{"solomobile", "/get-call", `{}`, `{"error":{"code":"missing_param","message":"call_id is required"}}`},
	} {
		if got := b.do(x.vendor, b.request(x.vendor, x.path, x.body)).Body.String(); got != x.want {
			t.Errorf("%s %s: %s, want %s", x.vendor, x.path, got, x.want)
		}
	}
	for _, truth := range b.Truth("smartalex") {
		if truth.Parts.Recording == "none" {
			rec := b.do("smartalex", b.request("smartalex", "/calls/"+string(truth.Call.ID)+"/recording", ""))
			if rec.Code != 404 || !strings.Contains(rec.Body.String(), "recording_not_available") {
				t.Errorf("no recording: %d %s", rec.Code, rec.Body)
			}
		}
		if truth.Parts.Transcript == "none" {
			return
		}
	}
	t.Error("no call without transcript among the samples")
}

func TestCredentialsAreChecked(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 2})
	want := map[string]string{
		"suresend":   `{"errorMessage":"Invalid or expired token"}`,
		"smartalex":  `{"error":{"code":"unauthorized","message":"Invalid or missing API key","status":401}}`,
		"solomobile": `{"error":{"code":"unauthorized","message":"Unauthorized"}}`,
		"callcamp":   `{"error":"Unauthorized"}`,
		"agentvoice": `{"error":"Authentication failed"}`,
	}
	spoil := map[string]func(http.Header){
		"missing":      func(h http.Header) { h.Del("Authorization"); h.Del("X-Api-Key") },
		"wrong":        func(h http.Header) { h.Set("Authorization", "Bearer nonsense"); h.Set("X-Api-Key", "nonsense") },
		"twice":        func(h http.Header) { h.Add("Authorization", "Bearer x"); h.Add("X-Api-Key", "x") },
		"other scheme": func(h http.Header) { h.Set("Authorization", "Basic x"); h.Del("X-Organization-Id") },
	}
	for vendor, body := range want {
		path, post := "/calls", ""
		if vendor == "solomobile" {
			path, post = "/list-calls", "{}"
		}
		for name, change := range spoil {
			r := b.request(vendor, path, post)
			change(r.Header)
			if rec := b.do(vendor, r); rec.Code != http.StatusUnauthorized || rec.Body.String() != body {
				t.Errorf("%s, %s credentials: %d %s", vendor, name, rec.Code, rec.Body)
			}
		}
		if got := b.Stats(vendor).Rejected["unauthorized"]; got != len(spoil) {
			t.Errorf("%s: %d rejections counted, want %d", vendor, got, len(spoil))
		}
	}
}

func TestFilters(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 200})
	newer := newBench(t, Options{Seed: 1, Calls: 200, Generation: map[string]string{"smartalex": "new", "callcamp": "new"}})
	total := func(answer map[string]any) int {
		for _, inner := range []string{"meta", "pagination"} {
			if m, ok := answer[inner].(map[string]any); ok {
				answer = m
			}
		}
		return int(answer["total"].(float64))
	}
	sample := b.example("agentvoice")
	for name, x := range map[string]struct {
		answer map[string]any
		lo, hi int // bounds of the total
	}{
		"smartalex future":      {answer: b.get("smartalex", "/calls?from_date=2030-01-01T00:00:00Z", "")},
		"smartalex past":        {answer: b.get("smartalex", "/calls?to_date=2020-01-01", "")},
		"smartalex three days":  {answer: b.get("smartalex", "/calls?from_date=2026-02-26T12:00:00Z", ""), lo: 20, hi: 100},
		"smartalex direction":   {answer: b.get("smartalex", "/calls?direction=web", ""), lo: 1, hi: 40},
		"smartalex status":      {answer: b.get("smartalex", "/calls?status=completed&sentiment=negative", ""), lo: 1, hi: 100},
		"newer since":           {answer: newer.get("smartalex", "/calls?since_hours=72", ""), lo: 20, hi: 100},
		"newer ignores":         {answer: newer.get("smartalex", "/calls?from_date=2030-01-01T00:00:00Z", ""), lo: 200, hi: 200},
		"solomobile future":     {answer: b.get("solomobile", "/list-calls", `{"from_date": "2030-01-01T00:00:00Z"}`)},
		"solomobile direction":  {answer: b.get("solomobile", "/list-calls", `{"direction": "inbound"}`), lo: 30, hi: 120},
		"callcamp status":       {answer: b.get("callcamp", "/calls?status=busy", ""), lo: 1, hi: 30},
		"newer callcamp future": {answer: newer.get("callcamp", "/calls?startDate=2030-01-01", "")},
		"newer callcamp day":    {answer: newer.get("callcamp", "/calls?startDate=2026-03-01&endDate=2026-03-01", ""), lo: 3, hi: 60},
		"newer callcamp search": {answer: newer.get("callcamp", "/calls?search=reminder", ""), lo: 5, hi: 80},
		"agentvoice future":     {answer: b.get("agentvoice", "/calls?from=2030-01-01T00:00:00Z", "")},
		"agentvoice type":       {answer: b.get("agentvoice", "/calls?call_type=inbound", ""), lo: 30, hi: 120},
		"agentvoice phone": {answer: b.get("agentvoice", "/calls?phone_number=%2B"+strings.TrimPrefix(sample["phone_number"].(string), "+"), ""),
			lo: 1, hi: 20},
		"agentvoice campaign": {answer: b.get("agentvoice", "/calls?campaign_id="+sample["campaign_id"].(string), ""), lo: 5, hi: 80},
	} {
		if got := total(x.answer); got < x.lo || got > x.hi {
			t.Errorf("%s: %d calls, want %d to %d", name, got, x.lo, x.hi)
		}
	}
}

func TestSoloMobileWindowIsInclusive(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 20})
	at := stamp(*b.Truth("solomobile")[7].Call.CreatedAt)
	answer := b.get("solomobile", "/list-calls", `{"from_date": "`+at+`", "to_date": "`+at+`"}`)
	if answer["total"] != 1.0 {
		t.Errorf("a window of one moment holds %v calls, want 1", answer["total"])
	}
}

func TestAgentVoiceOrdersPutAbsentTimesWhereDatabasesDo(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 200})
	times := func(query string) (list []any) {
		for offset := 0; offset < 200; offset += 100 {
			suffix := ""
			if offset > 0 {
				suffix = "&offset=100"
			}
			for _, row := range b.get("agentvoice", "/calls?limit=100&"+query+suffix, "")["data"].([]any) {
				list = append(list, row.(map[string]any)["started_at"])
			}
		}
		return list
	}
	desc, asc := times("order_by=started_at&order=desc"), times("order_by=started_at&order=asc")
	if desc[0] != nil || asc[len(asc)-1] != nil || asc[0] == nil {
		t.Errorf("descending begins with %v, ascending begins with %v and ends with %v", desc[0], asc[0], asc[len(asc)-1])
	}
	last := ""
	for _, at := range asc {
		if at == nil {
			break
		}
		if at.(string) < last {
			t.Fatalf("%s comes after %s", at, last)
		}
		last = at.(string)
	}
}
