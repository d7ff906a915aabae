package endtoend

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// identities are attacks 47 and 48: what calls are named and dated.
func identities() []attack {
	rows := []attack{
		{
			number: 47, name: "ids_that_look_alike", most: 60,
			do: func(r *rogue) {
				for _, id := range lookalikes {
					r.add(id, nil)
				}
			},
			check: func(t *testing.T, o *outcome) {
				believed(len(lookalikes))(t, o)
				files := make(map[string]bool)
				for _, id := range lookalikes {
					c, ok := o.calls[call.ID(fmt.Sprint(id))]
					if !ok || c.Recording == nil || c.Recording.File == nil {
						t.Errorf("%q is not stored with its recording", id)
						continue
					}
					if !ownName.MatchString(*c.Recording.File) || files[strings.ToLower(*c.Recording.File)] {
						t.Errorf("file %s", *c.Recording.File)
					}
					files[strings.ToLower(*c.Recording.File)] = true
				}
			},
		},
		{
			number: 47, name: "rows_without_id",
			do: func(r *rogue) {
				for _, id := range []any{"good", "", "  ", nil, map[string]any{}, []any{1}, true} {
					r.add(id, nil)
				}
			},
			check: suspicious(1, "6 rows of the vendor's list have no usable id, or are too large"),
		},
		{
			number: 47, name: "number_and_text_of_the_same_id",
			do:    func(r *rogue) { r.add(1, nil); r.add("1", nil) },
			check: suspicious(1, "the vendor counts 2 calls but listed 1"),
		},
		{
			number: 47, name: "rows_that_are_no_objects",
			do: func(r *rogue) {
				r.list = func(w http.ResponseWriter, req *http.Request, page int) {
					text(map[bool]string{true: `{"calls":[null,1,"x",[],{"uuid":"a","status":"busy"}],"total":5,"limit":100}`, false: `{"calls":[],"total":5}`}[page == 1])(w, req)
				}
			},
			check: suspicious(1, "4 rows of the vendor's list have no usable id, or are too large"),
		},
		{
			number: 47, name: "id_of_a_hundred_kilobytes",
			do: func(r *rogue) {
				r.add(strings.Repeat("x", 100<<10), nil)
				r.add("good", nil)
			},
			check: suspicious(1, "1 rows of the vendor's list have no usable id, or are too large"),
		},
	}
	for name, at := range odd {
		rows = append(rows, attack{
			number: 48, name: name, account: "dates", most: 120,
			do: func(r *rogue) {
				r.add(name, map[string]any{"createdAt": at.value, "callStartTime": at.value})
			},
			check: func(t *testing.T, o *outcome) {
				c, got := o.calls[call.ID(name)], "null"
				if c.StartedAt != nil {
					got = c.StartedAt.Format(time.RFC3339)
				}
				if got != at.want || c.Recording == nil || c.Recording.File == nil {
					t.Errorf("started_at %s, want %s; recording %+v", got, at.want, c.Recording)
				}
			},
		})
	}
	for name, value := range map[string]any{"infinite": json.Number("1e308"), "negative": -5, "text": "NaN", "number_in_text": "12"} {
		rows = append(rows, attack{
			number: 48, name: "duration_" + name, account: "lengths", most: 60,
			do: func(r *rogue) { r.add(name, map[string]any{"duration": value, "recordingUrl": nil, "transcript": nil}) },
			check: func(t *testing.T, o *outcome) {
				if got := o.recording(t, name); got != "pending not_ready" {
					t.Errorf("the recording of a call of this length is %q", got)
				}
			},
		})
	}
	return append(rows, clocks()...)
}

// lookalikes are ids that careless code takes for each other, or for a path.
var lookalikes = []any{
	"Abc", "abc", "ABC", "abc ", " abc", "caf\u00e9", "cafe\u0301", ".", "..", "../../../etc/passwd", "a/b", `a\b`, "a%2fb", "a\x00b", "a\nb", "\u202eabc",
	"CON", "nul.wav", "a:b", json.Number("9007199254740993"), json.Number("9007199254740992"), json.Number("-1"), json.Number("1.50"), "1.5", "?x=1", "#x", strings.Repeat("x", 300),
}

// odd are dates, and what becomes of them.
var odd = map[string]struct {
	value any
	want  string
}{
	"year_0":             {"0000-01-01T00:00:00Z", "null"},
	"year_9999":          {"9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"},
	"year_10000":         {"10000-01-01T00:00:00Z", "null"},
	"start_of_1970":      {"1970-01-01T00:00:00", "null"},
	"zero":               {0, "null"},
	"without_zone":       {"2026-01-02T03:04:05", "2026-01-02T03:04:05Z"},
	"february_30":        {"2026-02-30T00:00:00Z", "null"},
	"epoch_s":            {1767323045, "2026-01-02T03:04:05Z"},
	"epoch_ms":           {1767323045000, "2026-01-02T03:04:05Z"},
	"epoch_text":         {"1767323045", "2026-01-02T03:04:05Z"},
	"negative_epoch":     {-1e18, "null"},
	"enormous_epoch":     {json.Number("1e300"), "null"},
	"words":              {"yesterday", "null"},
	"object":             {map[string]any{"seconds": 1}, "null"},
	"megabyte_of_sevens": {strings.Repeat("7", 900), "null"},
}

// clocks are Date headers no clock can have.
func clocks() (rows []attack) {
	for name, date := range map[string]string{
		"clock_of_9999": "Fri, 31 Dec 9999 23:59:59 GMT", "clock_of_year_1": "Mon, 01 Jan 0001 00:00:00 GMT",
		"clock_of_1970": "Thu, 01 Jan 1970 00:00:00 GMT", "clock_garbage": "soon",
	} {
		rows = append(rows, attack{
			number: 48, name: name,
			do: func(r *rogue) {
				r.add("a", nil)
				r.list = func(w http.ResponseWriter, req *http.Request, _ int) {
					w.Header().Set("Date", date)
					answerJSON(w, r.page(req))
				}
			},
			check: func(t *testing.T, o *outcome) {
				if got := o.recording(t, "a"); got != "stored" || !ownName.MatchString(*o.calls["a"].Recording.File) {
					t.Errorf("recording %s", got)
				}
				// Other answers have a good clock: whether the status complains depends
				// on which came last. It complains of nothing else.
				for _, p := range o.status.Problems {
					if !strings.Contains(p, "the clock of this machine") {
						t.Error(p)
					}
				}
			},
		})
	}
	return rows
}

// pagings are attack 49: lists without end.
func pagings() []attack {
	more := func(name, says string, calls int, most int64, page func(n int, cursor string) string) attack {
		return attack{
			number: 49, name: name, most: most,
			do: func(r *rogue) {
				r.provider = cursorVendor(r.stage)
				n := 0
				r.list = func(w http.ResponseWriter, req *http.Request, _ int) {
					n++
					_, _ = io.WriteString(w, page(n, req.URL.Query().Get("after")))
				}
			},
			check: suspicious(calls, says),
		}
	}
	row := `{"id":"a","created":"2026-01-02T03:04:05Z"}`
	return []attack{
		more("cursor_of_itself", "cursor runs in a circle", 1, 25, func(int, string) string { return `{"rows":[` + row + `],"next":"same"}` }),
		more("cursors_in_a_circle", "cursor runs in a circle", 2, 25, func(n int, cursor string) string {
			next := map[string]string{"": "b", "b": "c", "c": "b"}[cursor]
			return fmt.Sprintf(`{"rows":[{"id":"x%s"}],"next":%q}`, cursor, next)
		}),
		more("same_rows_for_ever", "repeats the same calls page after page", 1, 25, func(n int, _ string) string { return fmt.Sprintf(`{"rows":[%s],"next":"%d"}`, row, n) }),
		more("empty_pages_for_ever", "without calls", 0, 400, func(n int, _ string) string { return fmt.Sprintf(`{"rows":[],"next":"%d"}`, n) }),
		more("cursor_of_a_megabyte", "the place of the next page is 1048576 bytes long", 0, 25, func(int, string) string {
			return `{"rows":[` + row + `],"next":"` + strings.Repeat("x", 1<<20) + `"}`
		}),
		more("cursor_that_is_an_object", "the place of the next page is not a text", 0, 25, func(int, string) string { return `{"rows":[` + row + `],"next":{"a":1}}` }),
		{
			number: 49, name: "page_size_0",
			do: func(r *rogue) {
				for i := range 3 {
					r.add(i, nil)
				}
				r.list = func(w http.ResponseWriter, req *http.Request, page int) {
					body := r.page(req)
					body["limit"] = 0
					answerJSON(w, body)
				}
			},
			check: believed(3),
		},
		{
			number: 49, name: "has_more_always",
			do: func(r *rogue) {
				r.provider = "agentvoice"
				r.list = text(`{"data":[{"id":"a","created_at":"2026-01-02T03:04:05Z","status":"busy"}],"pagination":{"limit":100,"has_more":true}}`).page()
			},
			check: suspicious(1, "repeats the same calls page after page"),
		},
		{
			number: 49, name: "has_more_after_all_that_are_counted",
			do: func(r *rogue) {
				r.provider = "agentvoice"
				r.list = text(`{"data":[{"id":"a","created_at":"2026-01-02T03:04:05Z","status":"busy"}],"pagination":{"total":1,"limit":100,"has_more":true}}`).page()
			},
			check: believed(1),
		},
		{
			number: 49, name: "total_of_two_billion",
			do: func(r *rogue) {
				r.add("a", nil)
				r.list = func(w http.ResponseWriter, req *http.Request, _ int) {
					body := r.page(req)
					body["total"] = math.MaxInt32
					answerJSON(w, body)
				}
			},
			check: suspicious(1, "the vendor counts 2147483647 calls but listed 1"),
		},
		{
			number: 49, name: "next_page_elsewhere",
			do: func(r *rogue) {
				r.provider = urlVendor(r.stage)
				r.list = text(`{"rows":[` + row + `],"next":"https://evil.example.com/calls?token=` + canaryToken + `"}`).page()
			},
			check: suspicious(0, "not at the API's own address"),
		},
	}
}

// description writes a vendor description with another way of paging.
func description(h *hostile, name, paging string) string {
	path := filepath.Join(h.vendors, name+".yaml")
	text := `format: callsyncd.provider/1
name: ` + name + `
title: A vendor of its own kind
base_url: https://api.example.com
credentials:
  token: {help: "anywhere"}
headers:
  Authorization: Bearer {token}
list:
  path: /calls
  items: .rows
  id: .id
  created_at: .created
  paging: ` + paging + `
map:
  started_at: .created
  status: '"busy"'
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		panic(err)
	}
	return path
}

func cursorVendor(h *hostile) string {
	return description(h, "cursors", "{kind: cursor, position: after, size: limit, rows: 10, next: .next}")
}

func urlVendor(h *hostile) string {
	return description(h, "addresses", "{kind: next_url, size: limit, rows: 10, next: .next}")
}

// refusals are attacks 50 to 52: errors, certificates, echoes.
func refusals() []attack {
	return slices.Concat(delays(), certificates(), echoes())
}

func delays() (rows []attack) {
	for name, wait := range map[string]string{"negative": "-5", "past": "Mon, 02 Jan 2006 15:04:05 GMT", "garbage": "soon", "none": "", "fraction": "0.5", "nan": "NaN"} {
		rows = append(rows, attack{
			number: 50, name: name,
			do: func(r *rogue) {
				r.add("a", nil)
				answersOnce(r, tooMany(wait))
			},
			check: func(t *testing.T, o *outcome) {
				believed(1)(t, o)
				if o.report.Seconds < 1 {
					t.Errorf("it was not waited at all: %.1f s", o.report.Seconds)
				}
			},
		})
	}
	for name, wait := range map[string]string{"99999999": "99999999", "e300": strings.Repeat("9", 300), "far_date": "Fri, 31 Dec 9999 23:59:59 GMT"} {
		rows = append(rows, attack{
			number: 50, name: name, most: 3,
			do: func(r *rogue) {
				r.list = tooMany(wait).page()
			},
			check: func(t *testing.T, o *outcome) {
				suspicious(0, "the vendor answered 429", "free again at")(t, o)
				_, at, _ := strings.Cut(o.report.Error, "free again at ")
				until, err := time.Parse(time.RFC3339, at[:min(len(at), 20)])
				if left := time.Until(until); err != nil || left > time.Hour || left < 50*time.Minute {
					t.Errorf("%s %v: %s", left, err, o.report.Error)
				}
			},
		})
	}
	return append(rows,
		attack{number: 50, name: "every_value_by_the_clock", elsewhere: "sync TestTransportObeys429"},
		attack{number: 50, name: "clamp", elsewhere: "call TestRetryAfter"},
		attack{number: 50, name: "windows_survive_restarts", elsewhere: "sync TestBudgetSurvivesARestart"})
}

func tooMany(wait string) handler {
	return func(w http.ResponseWriter, _ *http.Request) {
		if wait != "" {
			w.Header().Set("Retry-After", wait)
		}
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error":"slow down, `+canaryToken+`"}`)
	}
}

// certificates are attack 51.
func certificates() []attack {
	var api, media *httptest.Server
	return []attack{
		{
			number: 51, name: "api_signed_by_itself", most: 1,
			do: func(r *rogue) {
				api = httptest.NewTLSServer(http.NotFoundHandler())
				r.settings = "    base_url: " + api.URL + "\n"
			},
			check: func(t *testing.T, o *outcome) {
				suspicious(0, "certificate")(t, o)
				api.Close()
			},
		},
		{
			number: 51, name: "media_host_signed_by_itself",
			do: func(r *rogue) {
				media = httptest.NewTLSServer(http.NotFoundHandler())
				r.allow = []string{media.Listener.Addr().String()}
				r.add("a", map[string]any{"recordingUrl": media.URL + "/a.wav?X-Signature=" + canarySignature})
			},
			check: func(t *testing.T, o *outcome) {
				unrecorded("a", "pending host_unreachable")(t, o)
				media.Close()
			},
		},
		{number: 51, name: "expired_and_wrong_host", elsewhere: "service TestVendorCertificates"},
		{number: 51, name: "media_host_expired_and_wrong_host", elsewhere: "sync/download TestCertificates"},
	}
}

// echoes are attack 52: our own secrets sent back.
func echoes() []attack {
	says := `{"error":{"message":"token ` + canaryToken + ` is bad"},"errorMessage":"key ` + canaryToken + `","url":"https://x.example.com/?X-Signature=` + canarySignature + `"}`
	status := func(code int) handler {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Debug", canaryToken)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, says)
		}
	}
	refused := func(t *testing.T, o *outcome) {
		suspicious(0)(t, o)
		if o.status.State != "refused" || !strings.Contains(strings.Join(o.status.Problems, "\n"), "refuses the credentials") {
			t.Errorf("state %s", o.status.State)
		}
	}
	return []attack{
		{number: 52, name: "in_401", do: func(r *rogue) { r.list = status(401).page() }, check: refused, most: 6},
		{number: 52, name: "in_403", do: func(r *rogue) { r.list = status(403).page() }, check: refused, most: 6},
		{number: 52, name: "in_400", do: func(r *rogue) { r.list = status(400).page() }, check: suspicious(0, "HTTP 400", "not accepted"), most: 6},
		{number: 52, name: "in_500", do: func(r *rogue) { r.list = status(500).page() }, check: suspicious(0, "HTTP 500", "temporary failure")},
		{number: 52, name: "in_200", do: func(r *rogue) { r.list = status(200).page() }, check: suspicious(0, "token <secret> is bad", "corrupt")},
		{number: 52, name: "in_a_login_page", do: func(r *rogue) { r.list = text("<html><body>" + canaryToken).page() }, check: suspicious(0, "HTML or XML, not JSON")},
		{
			number: 52, name: "in_every_field",
			do: func(r *rogue) {
				r.add("a", map[string]any{
					"status": canaryToken, "summary": "Bearer " + canaryToken, "fromPhoneNumber": canaryToken, "hidden": []any{canaryToken},
					"transcript": []map[string]string{{"role": "assistant", "text": "your token is " + canaryToken}}, canaryToken: 1,
				})
			},
			check: believed(1),
		},
		{
			number: 52, name: "in_an_id",
			do:    func(r *rogue) { r.add("call-"+canaryToken, nil) },
			check: believed(1),
		},
		{
			number: 52, name: "in_a_missing_transcript", most: 40,
			do: func(r *rogue) {
				r.provider = "suresend"
				r.list = func(w http.ResponseWriter, _ *http.Request, _ int) {
					answerJSON(w, map[string]any{"calls": []any{map[string]any{"id": "a", "hasTranscript": true, "createdAt": "2026-01-02T03:04:05Z", "duration": 5}}, "meta": map[string]any{"total_count": 1, "per_page": 100}})
				}
				r.one = func(w http.ResponseWriter, req *http.Request) {
					if strings.HasSuffix(req.URL.Path, "/transcript") {
						status(404)(w, req)
						return
					}
					answerJSON(w, map[string]any{"users": []any{}, "people": []any{}, "meta": map[string]any{"total_count": 0}})
				}
			},
			check: func(t *testing.T, o *outcome) {
				if c := o.calls["a"]; c.Parts.Transcript != call.Pending || o.status.Green {
					t.Errorf("transcript %s", c.Parts.Transcript)
				}
			},
		},
		{
			number: 52, name: "in_the_table_of_names",
			do: func(r *rogue) {
				r.add("a", map[string]any{"campaignUuid": "c"})
				r.one = text(`{"campaigns":[{"uuid":"c","name":"` + canaryToken + `"}],"records":[],"total":1,"limit":100}`)
			},
			check: believed(1),
		},
		{
			number: 52, name: "signature_in_the_media_hosts_error",
			do: func(r *rogue) {
				r.add("a", nil)
				r.media = status(403)
			},
			check: unrecorded("a", "pending expired"),
		},
		{
			number: 52, name: "html_for_audio",
			do: func(r *rogue) {
				r.add("a", nil)
				r.media = text("<html>" + canarySignature + strings.Repeat(" ", 5000))
			},
			check: unrecorded("a", "pending not_audio"),
		},
	}
}
