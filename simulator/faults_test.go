package simulator

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPIFaults(t *testing.T) {
	for name, x := range map[string]struct {
		faults Faults
		check  func(*httptest.ResponseRecorder) bool
	}{
		"ErrorRate": {Faults{ErrorRate: 1}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 500 && strings.Contains(r.Body.String(), "errorMessage")
		}},
		"HTMLInsteadOfJSON": {Faults{HTMLInsteadOfJSON: 1}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 200 && strings.HasPrefix(r.Header().Get("Content-Type"), "text/html") && strings.HasPrefix(r.Body.String(), "<!DOCTYPE")
		}},
		"TruncatedJSON": {Faults{TruncatedJSON: 1}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 200 && strings.HasPrefix(r.Body.String(), `{"calls":[`) && !json.Valid(r.Body.Bytes())
		}},
		"TooManyRequests": {Faults{TooManyRequests: 1, RetryDelay: 1500 * time.Millisecond}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 429 && r.Header().Get("Retry-After") == "2"
		}},
		"TooManyRequests with a date": {Faults{TooManyRequests: 1, RetryAfter: "date", RetryDelay: time.Minute}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 429 && r.Header().Get("Retry-After") == "Sun, 01 Mar 2026 12:01:00 GMT"
		}},
		"TooManyRequests with nothing": {Faults{TooManyRequests: 1, RetryAfter: "none"}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 429 && r.Header().Values("Retry-After") == nil
		}},
		"TooManyRequests with garbage": {Faults{TooManyRequests: 1, RetryAfter: "soon"}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 429 && r.Header().Get("Retry-After") == "soon"
		}},
		"EmptyList": {Faults{EmptyList: 1}, func(r *httptest.ResponseRecorder) bool {
			return r.Body.String() == `{"calls":[],"meta":{"total_count":0,"current_page":1,"total_pages":0,"per_page":25}}`
		}},
		"WrongTotal": {Faults{WrongTotal: 7}, func(r *httptest.ResponseRecorder) bool {
			return strings.Contains(r.Body.String(), `"total_count":17`)
		}},
		"CredentialsRefused": {Faults{CredentialsRefused: []string{"suresend"}}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 401
		}},
		"CredentialsRefused beside another vendor's faults": {Faults{Vendors: []string{"callcamp"}, CredentialsRefused: []string{"suresend"}}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 401
		}},
		"other vendor": {Faults{Vendors: []string{"callcamp"}, ErrorRate: 1}, func(r *httptest.ResponseRecorder) bool {
			return r.Code == 200
		}},
	} {
		b := newBench(t, Options{Seed: 1, Calls: 10, Faults: x.faults})
		if rec := b.do("suresend", b.request("suresend", "/calls", "")); !x.check(rec) {
			t.Errorf("%s: %d %v %s", name, rec.Code, rec.Header(), rec.Body)
		}
		b.SetFaults(Faults{})
		if rec := b.do("suresend", b.request("suresend", "/calls", "")); rec.Code != 200 || !strings.Contains(rec.Body.String(), `"total_count":10`) {
			t.Errorf("%s: after the faults are gone: %d %s", name, rec.Code, rec.Body)
		}
	}
}

func TestFaultsAreSharesAndRepeat(t *testing.T) {
	outcomes := func(seed uint64) (failures int, pattern string) {
		b := newBench(t, Options{Seed: seed, Calls: 1, Faults: Faults{ErrorRate: 0.3}})
		for range 200 {
			if b.do("callcamp", b.request("callcamp", "/calls", "")).Code == 500 {
				failures++
				pattern += "x"
			} else {
				pattern += "."
			}
		}
		if got := b.Stats("callcamp").Faults["ErrorRate"]; got != failures {
			t.Errorf("%d failures, %d counted", failures, got)
		}
		return failures, pattern
	}
	failures, first := outcomes(1)
	_, again := outcomes(1)
	_, other := outcomes(2)
	if failures < 40 || failures > 80 || first != again || first == other {
		t.Errorf("%d of 200 failed; repeated %v; the same with another seed %v", failures, first == again, first == other)
	}
}

func TestPagingFaults(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30, Faults: Faults{LoopingPages: true}})
	for _, vendor := range vendorNames {
		first, _ := b.page(vendor, 10, 1)
		third, answer := b.page(vendor, 10, 3)
		if idOf(first[0]) != idOf(third[0]) {
			t.Errorf("%s: page 3 is not page 1", vendor)
		}
		if more, ok := answer["has_more"].(bool); ok && !more {
			t.Errorf("%s: looping pages promise no more", vendor)
		}
	}
	b = newBench(t, Options{Seed: 1, Calls: 30, Faults: Faults{ShiftWhilePaging: 1}})
	first, _ := b.page("smartalex", 10, 1)
	second, answer := b.page("smartalex", 10, 2)
	if idOf(second[0]) != idOf(first[9]) || answer["meta"].(map[string]any)["total"] != 31.0 {
		t.Errorf("page 2 after a shift begins with %s, page 1 ended with %s", idOf(second[0]), idOf(first[9]))
	}
	b = newBench(t, Options{Seed: 1, Calls: 30, Faults: Faults{VanishWhilePaging: 1}})
	seen := map[string]bool{}
	for _, row := range b.all("solomobile", 10) {
		seen[idOf(row)] = true
	}
	var hidden int
	for _, truth := range b.Truth("solomobile") {
		if !seen[string(truth.Call.ID)] {
			hidden++
		}
	}
	if hidden == 0 || len(b.Truth("solomobile")) >= 30 {
		t.Errorf("rows vanished during the walk, but %d calls remain and %d were hidden by it", len(b.Truth("solomobile")), hidden)
	}
	b = newBench(t, Options{Seed: 1, Calls: 30, Faults: Faults{IgnoreFilters: true}})
	if got := b.get("agentvoice", "/calls?from=2030-01-01T00:00:00Z", "")["pagination"].(map[string]any)["total"]; got != 30.0 {
		t.Errorf("an ignored filter leaves %v calls", got)
	}
}

func TestTranscriptFaults(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30, Faults: Faults{TranscriptNotFoundOnce: 1, AbridgedDetail: true}})
	id := string(b.spokenRecently("suresend"))
	path := "/calls/" + id + "/transcript"
	rec := b.do("suresend", b.request("suresend", path, ""))
	if rec.Code != 404 || rec.Body.String() != `{"errorMessage":"No transcript available"}` {
		t.Errorf("first: %d %s", rec.Code, rec.Body)
	}
	if rec := b.do("suresend", b.request("suresend", path, "")); rec.Code != 200 {
		t.Errorf("second: %d %s", rec.Code, rec.Body)
	}
	id = string(b.spokenRecently("smartalex"))
	b.do("smartalex", b.request("smartalex", "/calls/"+id+"/transcript", "")) // withheld
	whole := b.get("smartalex", "/calls/"+id+"/transcript", "")["data"].(map[string]any)["transcript"].([]any)
	if got := b.detail("smartalex", id)["transcript"].([]any); len(got) != 2 || len(whole) < 6 {
		t.Errorf("abridged detail: %d of %d turns", len(got), len(whole))
	}
}

func TestMediaFaults(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30})
	for name, x := range map[string]struct {
		faults Faults
		status int
		kind   string
	}{
		"MediaErrorRate":    {Faults{MediaErrorRate: 1}, 503, "application/xml"},
		"MediaHTML":         {Faults{MediaHTML: 1}, 200, "text/html; charset=utf-8"},
		"MediaWrongType":    {Faults{MediaWrongType: 1}, 200, "text/plain"},
		"MediaExpiresEarly": {Faults{MediaExpiresEarly: 1}, 403, "application/xml"},
		"MediaShort":        {Faults{MediaShort: 1, Vendors: []string{"suresend"}}, 200, "audio/mpeg"},
		"MediaEmpty":        {Faults{MediaEmpty: 1, Vendors: []string{"suresend"}}, 200, "audio/mpeg"},
		"MediaGzip":         {Faults{MediaGzip: 1, Vendors: []string{"suresend"}}, 200, "audio/mpeg"},
	} {
		b.SetFaults(x.faults)
		for _, vendor := range vendorNames {
			if len(x.faults.Vendors) > 0 && vendor != "suresend" {
				continue
			}
			u := link(b.detail(vendor, string(b.spokenRecently(vendor))))
			if rec := b.media(u, nil); rec.Code != x.status || rec.Header().Get("Content-Type") != x.kind {
				t.Errorf("%s, %s: %d %s", name, vendor, rec.Code, rec.Header().Get("Content-Type"))
			}
		}
		if got := b.Stats("suresend").Faults[name]; got != 1 {
			t.Errorf("%s: counted %d times", name, got)
		}
	}
}

func TestMediaBytesAreSpoiled(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30})
	u := link(b.detail("callcamp", string(b.spokenRecently("callcamp"))))
	whole := b.media(u, nil).Body.Bytes()
	b.SetFaults(Faults{MediaShort: 1, MediaDisposition: `attachment; filename="../../x.sh"`})
	if rec := b.media(u, nil); rec.Body.Len() != len(whole)/2 || rec.Header().Get("ETag") != "" || !strings.Contains(rec.Header().Get("Content-Disposition"), "x.sh") {
		t.Errorf("short: %d of %d bytes, header %v", rec.Body.Len(), len(whole), rec.Header())
	}
	b.SetFaults(Faults{MediaEmpty: 1})
	if rec := b.media(u, nil); rec.Body.Len() != 0 {
		t.Errorf("empty: %d bytes", rec.Body.Len())
	}
	b.SetFaults(Faults{MediaGzip: 1})
	rec := b.media(u, nil)
	z, err := gzip.NewReader(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(z); err != nil || !bytes.Equal(data, whole) || rec.Header().Get("Content-Encoding") != "gzip" {
		t.Errorf("gzip: %d of %d bytes, error %v", len(data), len(whole), err)
	}
	b.SetFaults(Faults{MediaRedirect: "http://169.254.169.254/latest"})
	if rec := b.media(u, nil); rec.Code != 302 || rec.Header().Get("Location") != "http://169.254.169.254/latest" {
		t.Errorf("redirect: %d %v", rec.Code, rec.Header())
	}
}

func TestAddressesAndSecretsInTheWrongPlaces(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30})
	b.SetFaults(Faults{RecordingURL: "file:///etc/passwd"})
	for _, vendor := range vendorNames {
		if got := link(b.detail(vendor, string(b.spokenRecently(vendor)))); got != "file:///etc/passwd" {
			t.Errorf("%s: recording URL %s", vendor, got)
		}
	}
	b.SetFaults(Faults{ErrorRate: 1, EchoCredentials: true, ClockSkew: time.Hour})
	rec := b.do("agentvoice", b.request("agentvoice", "/calls", ""))
	if !strings.Contains(rec.Body.String(), b.must("agentvoice").credentials()["api_key"]) {
		t.Errorf("no credentials echoed: %s", rec.Body)
	}
	if got := rec.Header().Get("Date"); got != "Sun, 01 Mar 2026 13:00:00 GMT" {
		t.Errorf("date %s", got)
	}
}

// TestFaultsOfTheConnection needs sockets.
func TestFaultsOfTheConnection(t *testing.T) {
	s := New(Options{Seed: 1, Calls: 30})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v := s.Vendors()[3]
	fetch := func() ([]byte, error) {
		r, err := http.NewRequest(http.MethodGet, v.BaseURL+"/calls", nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Authorization", "Bearer "+v.Credentials["token"])
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		return io.ReadAll(resp.Body)
	}
	body, err := fetch()
	if err != nil {
		t.Fatal(err)
	}
	s.SetFaults(Faults{SlowBody: 1, SlowBodyDelay: time.Millisecond})
	if slow, err := fetch(); err != nil || len(slow) != len(body) {
		t.Errorf("slow body: %d bytes of %d, error %v", len(slow), len(body), err)
	}
	s.SetFaults(Faults{ConnectionReset: 1})
	if _, err := fetch(); err == nil {
		t.Error("the connection was not reset")
	}
	s.SetFaults(Faults{MediaTruncated: 1})
	for _, truth := range s.Truth("callcamp") {
		if truth.Parts.Recording != "stored" {
			continue
		}
		resp, err := http.Get("http://" + v.MediaHost + "/callcamp/recordings/" + string(truth.Call.ID) + ".mp3")
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !errors.Is(err, io.ErrUnexpectedEOF) || int64(len(data)) != *truth.Call.Recording.SizeBytes/2 {
			t.Errorf("truncated recording: %d of %d bytes, error %v", len(data), *truth.Call.Recording.SizeBytes, err)
		}
		break
	}
}

func TestLatencyIsWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Seed: 1, Calls: 1, Latency: 3 * time.Second})
		b := &bench{s, nil, t}
		began := time.Now()
		b.get("callcamp", "/calls", "")
		if waited := time.Since(began); waited != 3*time.Second {
			t.Errorf("answered after %s", waited)
		}
		s.SetFaults(Faults{SlowBody: 1})
		b.get("callcamp", "/calls", "")
		if waited := time.Since(began); waited != 8*time.Second {
			t.Errorf("the slow answer came after %s in all", waited)
		}
	})
}

func TestBudgets(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 1, Budgets: true})
	ask := func(vendor string, times int) (last *httptest.ResponseRecorder, refused int) {
		path, body := "/calls", ""
		if vendor == "solomobile" {
			path, body = "/list-calls", "{}"
		}
		for range times {
			if last = b.do(vendor, b.request(vendor, path, body)); last.Code == http.StatusTooManyRequests {
				refused++
			}
		}
		return last, refused
	}
	b.clock.advance(20 * time.Second)
	for vendor, limit := range map[string]int{"suresend": 300, "smartalex": 60, "solomobile": 100} {
		last, refused := ask(vendor, limit+2)
		if refused != 2 || last.Header().Get("Retry-After") != "40" || last.Header().Get("X-RateLimit-Remaining") != "0" {
			t.Errorf("%s: %d refused, header %v", vendor, refused, last.Header())
		}
		if got := b.Stats(vendor).Rejected["rate_limited"]; got != 2 {
			t.Errorf("%s: %d rejections counted", vendor, got)
		}
	}
	if _, refused := ask("callcamp", 500); refused != 0 {
		t.Errorf("callcamp documents no limit, %d refused", refused)
	}
	for range 9 {
		b.clock.advance(time.Minute)
		if _, refused := ask("solomobile", 100); refused != 0 {
			t.Fatalf("%d refused within the hour's budget", refused)
		}
	}
	b.clock.advance(time.Minute)
	last, refused := ask("solomobile", 1)
	if refused != 1 || last.Header().Get("Retry-After") != "2980" || last.Header().Get("X-RateLimit-Limit") != "1000" {
		t.Errorf("request 1001 of the hour: %d refused, header %v", refused, last.Header())
	}
	r := b.request("suresend", "/calls", "")
	r.Header.Set("X-System-Id", "system")
	if rec := b.do("suresend", r); rec.Header().Get("X-RateLimit-Limit") != "600" {
		t.Errorf("with a system id: %v", rec.Header())
	}
}
