package download

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"callsyncd/call"
)

// whole is a recording of which the first 10 bytes are at hand under tag.
const (
	whole = "0123456789abcdefghij"
	other = "ABCDEFGHIJKLMNOPQRST" // as long, another file
	tag   = `"v1"`
)

var atHand = call.MediaPart{Bytes: 10, TotalBytes: int64(len(whole)), ETag: tag}

// host answers whole to a request without Range, and as asked below to one with.
type host struct {
	status       int
	tag          string
	contentRange string
	body         string
	encoding     string
}

// TestRestIsTakenFromAnHonestHostOnly asks every kind of host for the rest of a
// recording. Whatever it answers, what is at hand and what comes make up one of
// the host's files, never a mixture.
func TestRestIsTakenFromAnHonestHostOnly(t *testing.T) {
	tests := []struct {
		name     string
		have     call.MediaPart
		host     host
		goesOn   bool
		content  string // of the Response
		requests int
	}{
		{"honest", atHand, host{206, tag, "bytes 10-19/20", whole[10:], ""}, true, whole[10:], 1},
		{"range ignored", atHand, host{200, tag, "", whole, ""}, false, whole, 1},
		{"another file by now", atHand, host{200, `"v2"`, "", other, ""}, false, other, 1},
		{"another file of another length", atHand, host{200, `"v2"`, "", other[:15], ""}, false, other[:15], 1},
		{"206 that begins earlier", atHand, host{206, tag, "bytes 5-19/20", whole[5:], ""}, false, whole, 2},
		{"206 that begins later", atHand, host{206, tag, "bytes 12-19/20", whole[12:], ""}, false, whole, 2},
		{"206 that ends earlier", atHand, host{206, tag, "bytes 10-15/20", whole[10:16], ""}, false, whole, 2},
		{"206 with a changed total", atHand, host{206, tag, "bytes 10-24/25", whole[10:] + "klmno", ""}, false, whole, 2},
		{"206 without a total", atHand, host{206, tag, "bytes 10-19/*", whole[10:], ""}, false, whole, 2},
		{"206 without Content-Range", atHand, host{206, tag, "", whole[10:], ""}, false, whole, 2},
		{"206 of another file although If-Range is stale", atHand, host{206, `"v2"`, "bytes 10-19/20", other[10:], ""}, false, whole, 2},
		{"206 with a weak tag", atHand, host{206, "W/" + tag, "bytes 10-19/20", whole[10:], ""}, false, whole, 2},
		{"206 without a tag", atHand, host{206, "", "bytes 10-19/20", whole[10:], ""}, false, whole, 2},
		{"206 compressed", atHand, host{206, tag, "bytes 10-19/20", whole[10:], "gzip"}, false, whole, 2},
		{"200 with a slice", atHand, host{200, tag, "bytes 10-19/20", whole[10:], ""}, false, whole, 2},
		{"200 with a slice that does not say so", atHand, host{200, "", "", whole[10:], ""}, false, whole, 2},
		{"416", atHand, host{416, "", "bytes */20", "", ""}, false, whole, 2},
		{"weak tag at hand", call.MediaPart{Bytes: 10, TotalBytes: 20, ETag: "W/" + tag}, host{}, false, whole, 1},
		{"no tag at hand", call.MediaPart{Bytes: 10, TotalBytes: 20}, host{}, false, whole, 1},
		{"everything at hand", call.MediaPart{Bytes: 20, TotalBytes: 20, ETag: tag}, host{}, false, whole, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			requests := 0
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				requests++
				if got := r.Header.Get("Accept-Encoding"); got != "identity" {
					t.Errorf("Accept-Encoding %q", got)
				}
				answer := host{200, tag, "", whole, ""}
				if r.Header.Get("Range") != "" {
					if r.Header.Get("Range") != "bytes=10-" || r.Header.Get("If-Range") != tag {
						t.Errorf("Range %q, If-Range %q", r.Header.Get("Range"), r.Header.Get("If-Range"))
					}
					answer = test.host
				}
				for name, value := range map[string]string{"ETag": answer.tag, "Content-Range": answer.contentRange, "Content-Encoding": answer.encoding} {
					if value != "" {
						w.Header().Set(name, value)
					}
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(answer.body)))
				w.WriteHeader(answer.status)
				_, _ = fmt.Fprint(w, answer.body)
			})
			content, response, err := fetchRest(t, clientFor(t, Options{}, server), signed(server.URL), test.have)
			if err != nil || content != test.content || requests != test.requests {
				t.Fatalf("got %q, %v after %d requests", content, err, requests)
			}
			from, size := int64(0), int64(len(test.content))
			if test.goesOn {
				from, size = 10, 20
			}
			if e := response.Expect; e.FromBytes != from || e.SizeBytes != size {
				t.Errorf("expect %+v", e)
			}
		})
	}
}

// TestDeadLinkOfARestIsAnExpiredLink: the part at hand waits for a fresh link.
func TestDeadLinkOfARestIsAnExpiredLink(t *testing.T) {
	requests := 0
	server := serve(t, func(w http.ResponseWriter, _ *http.Request) { requests++; w.WriteHeader(http.StatusForbidden) })
	_, _, err := fetchRest(t, clientFor(t, Options{}, server), signed(server.URL), atHand)
	if !errors.Is(err, call.ErrExpired) || requests != 1 {
		t.Errorf("%v after %d requests", err, requests)
	}
}
