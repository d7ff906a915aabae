package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"callsyncd/call"
)

// clock is a time that moves by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bench is a simulator without sockets under a clock of its own.
type bench struct {
	*Simulator
	clock *clock
	t     *testing.T
}

func newBench(t *testing.T, o Options) *bench {
	c := newClock()
	o.Now = c.now
	return &bench{New(o), c, t}
}

// vendorNames are all vendors, in the order of Vendors.
var vendorNames = []string{"suresend", "smartalex", "solomobile", "callcamp", "agentvoice"}

// request makes an authorized request; a body makes it a POST.
func (b *bench) request(vendor, path, body string) *http.Request {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	w := b.must(vendor)
	r := httptest.NewRequest(method, w.spec.prefix+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range w.credentials() {
		switch name {
		case "token":
			r.Header.Set("Authorization", "Bearer "+value)
		case "api_key":
			r.Header.Set("x-api-key", value)
		case "organization_id":
			r.Header.Set("x-organization-id", value)
		}
	}
	return r
}

// do answers a request.
func (b *bench) do(vendor string, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	b.Handler(vendor).ServeHTTP(rec, r)
	return rec
}

// get answers a request that must succeed.
func (b *bench) get(vendor, path, body string) map[string]any {
	b.t.Helper()
	rec := b.do(vendor, b.request(vendor, path, body))
	if rec.Code != http.StatusOK {
		b.t.Fatalf("%s %s %s: status %d: %s", vendor, path, body, rec.Code, rec.Body)
	}
	var answer map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		b.t.Fatalf("%s %s: %v", vendor, path, err)
	}
	return answer
}

// page reads one page of a vendor's list.
func (b *bench) page(vendor string, size, number int) (rows []map[string]any, answer map[string]any) {
	b.t.Helper()
	switch vendor {
	case "suresend", "callcamp":
		answer = b.get(vendor, fmt.Sprintf("/calls?page=%d&limit=%d", number, size), "")
	case "smartalex":
		answer = b.get(vendor, fmt.Sprintf("/calls?page=%d&per_page=%d", number, size), "")
	case "solomobile":
		answer = b.get(vendor, "/list-calls", fmt.Sprintf(`{"limit": %d, "offset": %d}`, size, (number-1)*size))
	case "agentvoice":
		answer = b.get(vendor, fmt.Sprintf("/calls?limit=%d&offset=%d&fields=full", size, (number-1)*size), "")
	}
	list, ok := answer["calls"].([]any)
	if !ok {
		list = answer["data"].([]any)
	}
	for _, row := range list {
		rows = append(rows, row.(map[string]any))
	}
	return rows, answer
}

// all reads a vendor's whole list.
func (b *bench) all(vendor string, size int) []map[string]any {
	b.t.Helper()
	var all []map[string]any
	for number := 1; ; number++ {
		rows, _ := b.page(vendor, size, number)
		if len(rows) == 0 {
			return all
		}
		all = append(all, rows...)
	}
}

// idOf is the identifier of a row.
func idOf(row map[string]any) string {
	if id, ok := row["id"].(string); ok {
		return id
	}
	return row["uuid"].(string)
}

// detail reads one call.
func (b *bench) detail(vendor, id string) map[string]any {
	b.t.Helper()
	switch vendor {
	case "solomobile":
		return b.get(vendor, "/get-call", `{"call_id": "`+id+`"}`)
	case "smartalex":
		return b.get(vendor, "/calls/"+id, "")["data"].(map[string]any)
	case "agentvoice":
		return b.get(vendor, "/calls/"+id+"?fields=full", "")
	}
	return b.get(vendor, "/calls/"+id, "")
}

// media answers a request at the media host.
func (b *bench) media(link string, edit func(*http.Request)) *httptest.ResponseRecorder {
	b.t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		b.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, u.RequestURI(), nil)
	if edit != nil {
		edit(r)
	}
	rec := httptest.NewRecorder()
	b.MediaHandler().ServeHTTP(rec, r)
	return rec
}

// link is the recording URL in a call; empty when there is none.
func link(row map[string]any) string {
	for _, name := range []string{"recordingUrl", "recording_url"} {
		if s, ok := row[name].(string); ok {
			return s
		}
	}
	return ""
}

func TestTheSameOptionsGiveTheSameCalls(t *testing.T) {
	a, b := newBench(t, Options{Seed: 5, Calls: 40}), newBench(t, Options{Seed: 5, Calls: 40})
	other := newBench(t, Options{Seed: 6, Calls: 40})
	for _, vendor := range vendorNames {
		if !reflect.DeepEqual(a.Truth(vendor), b.Truth(vendor)) {
			t.Errorf("%s: two simulators with the same seed differ", vendor)
		}
		if a.Truth(vendor)[0].Call.ID == other.Truth(vendor)[0].Call.ID {
			t.Errorf("%s: another seed gives the same calls", vendor)
		}
		first, _ := a.page(vendor, 5, 1)
		second, _ := b.page(vendor, 5, 1)
		if !reflect.DeepEqual(first, second) {
			t.Errorf("%s: the lists differ", vendor)
		}
	}
}

func TestCallsAreSpreadOverTheSpan(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 200})
	for _, vendor := range vendorNames {
		var hour, days, all int
		for _, truth := range b.Truth(vendor) {
			age := b.clock.now().Sub(*truth.Call.CreatedAt)
			if age > 30*24*time.Hour+time.Second || age < 5*time.Minute {
				t.Errorf("%s: a call is %s old", vendor, age)
			}
			all++
			if age < 72*time.Hour {
				days++
			}
			if age < time.Hour {
				hour++
			}
		}
		if all != 200 || hour < 3 || days < 20 || days > 120 {
			t.Errorf("%s: %d calls, %d in the last hour, %d in the last 72 hours", vendor, all, hour, days)
		}
	}
}

func TestEveryOrderPagesThroughEveryCallOnce(t *testing.T) {
	for _, order := range []string{newestFirst, oldestFirst, shuffled} {
		b := newBench(t, Options{Seed: 3, Calls: 95, PageCap: map[string]int{"suresend": 7, "callcamp": 10},
			Order: map[string]string{"suresend": order, "smartalex": order, "callcamp": order}})
		for _, vendor := range vendorNames {
			size := 20
			if vendor == "suresend" {
				size = 7
			} else if vendor == "callcamp" {
				size = 10
			}
			rows := b.all(vendor, size)
			seen := map[string]bool{}
			var times []string
			for _, row := range rows {
				seen[idOf(row)] = true
				for _, name := range []string{"createdAt", "created_at"} {
					if s, ok := row[name].(string); ok {
						times = append(times, s)
					}
				}
			}
			if len(rows) != 95 || len(seen) != 95 {
				t.Errorf("%s, %s: %d rows, %d calls, want 95", vendor, order, len(rows), len(seen))
			}
			if vendor == "agentvoice" || vendor == "solomobile" {
				continue // have an order of their own
			}
			ascending := slices.IsSorted(times)
			slices.Reverse(times)
			descending := slices.IsSorted(times)
			if ascending != (order == oldestFirst) || descending != (order == newestFirst) {
				t.Errorf("%s: order %s: ascending %v, descending %v", vendor, order, ascending, descending)
			}
		}
	}
}

func TestPageSizesAreCappedAndEchoed(t *testing.T) {
	b := newBench(t, Options{Seed: 3, Calls: 130, PageCap: map[string]int{"agentvoice": 30}})
	_, clamped := b.page("smartalex", 500, 1)
	if got := clamped["meta"].(map[string]any)["per_page"]; got != 100.0 {
		t.Errorf("smartalex echoes %v, want 100", got)
	}
	_, clamped = b.page("callcamp", 500, 1)
	if got := clamped["limit"]; got != 100.0 {
		t.Errorf("callcamp echoes %v, want 100", got)
	}
	rows, capped := b.page("agentvoice", 100, 1)
	if got := capped["pagination"].(map[string]any)["limit"]; len(rows) != 30 || got != 30.0 {
		t.Errorf("agentvoice gives %d rows and echoes %v, want 30", len(rows), got)
	}
}

func TestGrowthFollowsTheClock(t *testing.T) {
	b := newBench(t, Options{Seed: 4, Calls: 10, Growth: time.Minute})
	b.clock.advance(3*time.Minute + time.Second)
	for _, vendor := range vendorNames {
		rows := b.all(vendor, 50)
		if len(rows) != 13 {
			t.Errorf("%s: %d calls after three minutes, want 13", vendor, len(rows))
		}
	}
	newest, _ := b.page("solomobile", 1, 1)
	if status := newest[0]["status"]; status != "ringing" && status != "in-progress" {
		t.Errorf("the call that has just begun is %v", status)
	}
	b.clock.advance(50 * time.Second)
	if status := b.detail("solomobile", idOf(newest[0]))["status"]; status == "ringing" || status == "in-progress" {
		t.Errorf("the call is still %v after 50 seconds", status)
	}
}

func TestLatePartsComeLater(t *testing.T) {
	for _, released := range []bool{false, true} {
		b := newBench(t, Options{Seed: 4, Calls: 40, Late: 1, LateAfter: time.Hour})
		for _, vendor := range vendorNames {
			id := string(b.spokenRecently(vendor))
			if got := b.detail(vendor, id); link(got) != "" || got["summary"] != nil || got["call_summary"] != nil {
				t.Errorf("%s: a late call has its parts at once: %v", vendor, got)
			}
		}
		if released {
			b.ReleaseLate()
		} else {
			b.clock.advance(time.Hour + time.Minute)
		}
		for _, vendor := range vendorNames {
			id := string(b.spokenRecently(vendor))
			if got := b.detail(vendor, id); link(got) == "" {
				t.Errorf("%s, released %v: no recording after an hour: %v", vendor, released, got)
			}
		}
	}
}

// spokenRecently is the newest call with all parts.
func (b *bench) spokenRecently(vendor string) call.ID {
	b.t.Helper()
	list := b.Truth(vendor)
	slices.Reverse(list)
	for _, truth := range list {
		if truth.Parts.Transcript == call.Stored && truth.Parts.Summary == call.Stored && truth.Parts.Recording == call.Stored {
			return truth.Call.ID
		}
	}
	b.t.Fatal("no call with all parts")
	return ""
}

func TestAddEditAndDelete(t *testing.T) {
	b := newBench(t, Options{Seed: 9, Calls: 12})
	for _, vendor := range vendorNames {
		id := b.AddCall(vendor)
		if link(b.detail(vendor, string(id))) == "" {
			t.Errorf("%s: the added call has no recording", vendor)
		}
		first, _ := b.page(vendor, 1, 1)
		if vendor != "agentvoice" && idOf(first[0]) != string(id) {
			t.Errorf("%s: the added call is not the newest", vendor)
		}
		b.clock.advance(time.Hour)
		if err := b.EditCall(vendor, id, Edit{Summary: ptr("changed by hand")}); err != nil {
			t.Fatal(err)
		}
		if err := b.EditCall(vendor, id, Edit{Outcome: ptr("voicemail")}); err != nil {
			t.Fatal(err)
		}
		truths := b.Truth(vendor)
		at := slices.IndexFunc(truths, func(x Truth) bool { return x.Call.ID == id })
		got := truths[at].Call
		if *got.Summary != "changed by hand" || *got.Status != call.StatusVoicemail {
			t.Errorf("%s: truth after the edits: summary %q, status %q", vendor, *got.Summary, *got.Status)
		}
		if vendor == "suresend" && !got.UpdatedAt.Equal(b.clock.now()) {
			t.Errorf("suresend: updatedAt is %s after an edit at %s", got.UpdatedAt, b.clock.now())
		}
		if err := b.DeleteCall(vendor, id); err != nil {
			t.Fatal(err)
		}
		if err := b.DeleteCall(vendor, id); err != call.ErrNotFound {
			t.Errorf("%s: deleting twice: %v", vendor, err)
		}
		if len(b.Truth(vendor)) != 12 || len(b.all(vendor, 50)) != 12 {
			t.Errorf("%s: the deleted call is still there", vendor)
		}
	}
}

func TestOptionsWithUnknownNamesPanic(t *testing.T) {
	for name, o := range map[string]Options{
		"order of nobody":  {Order: map[string]string{"nobody": newestFirst}},
		"order":            {Order: map[string]string{"suresend": "random"}},
		"page cap":         {PageCap: map[string]int{"nobody": 3}},
		"generation":       {Generation: map[string]string{"smartalex": "newest"}},
		"no newer exists":  {Generation: map[string]string{"agentvoice": "new"}},
		"generation (who)": {Generation: map[string]string{"nobody": "new"}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			New(o)
		}()
	}
}

func TestSocketsServeTheSame(t *testing.T) {
	s := New(Options{Seed: 2, Calls: 3})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := s.Vendors()[0]
	r, err := http.NewRequest(http.MethodGet, v.BaseURL+"/calls", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+v.Credentials["token"])
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		Calls []map[string]any `json:"calls"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || len(answer.Calls) != 3 {
		t.Fatalf("%d calls, error %v", len(answer.Calls), err)
	}
	for _, row := range answer.Calls {
		if u := link(row); u != "" {
			got, err := http.Get(u)
			if err != nil {
				t.Fatal(err)
			}
			got.Body.Close()
			if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != "audio/mpeg" || !strings.Contains(u, "//"+v.MediaHost+"/") {
				t.Errorf("%s: status %d, type %s", u, got.StatusCode, got.Header.Get("Content-Type"))
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
