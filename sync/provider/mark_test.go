package provider

import (
	"encoding/json"
	"fmt"
	"testing"

	"callsyncd/call"
)

// TestFurtherRecordingsAreCounted, so that archiving one of several is no secret.
func TestFurtherRecordingsAreCounted(t *testing.T) {
	p := builtin(t, "solomobile", nil)
	for detail, want := range map[string]int{
		`{"id": "1", "recording_url": "https://m.example.com/1.wav?token=t"}`:                                                                                              0,
		`{"id": "1", "recordings": [{"url": "https://m.example.com/2.mp3", "label": "transfer"}, {"url": "https://m.example.com/1.mp3", "label": "main"}, {"url": null}]}`: 2,
	} {
		docs := call.Documents{call.DocumentList: {Body: json.RawMessage(`{"id": "1"}`)}, "detail": {Body: json.RawMessage(detail)}}
		if link, ok := p.Link(docs); !ok || link.Of != want {
			t.Errorf("%s: %t, %d recordings, want %d", detail, ok, link.Of, want)
		}
	}
}

// TestMarkFollowsTheRecording: a new signature is no new recording, a new file
// name is one.
func TestMarkFollowsTheRecording(t *testing.T) {
	p := builtin(t, "callcamp", nil)
	mark := func(url string) string {
		docs := call.Documents{call.DocumentList: {Body: json.RawMessage(fmt.Sprintf(`{"uuid": "1", "recordingUrl": %q}`, url))}}
		link, _ := p.Link(docs)
		mapped, err := p.Map(docs)
		if err != nil || mapped.RecordingMark != link.Mark {
			t.Errorf("%s: mapped as %q, linked as %q, %v", url, mapped.RecordingMark, link.Mark, err)
		}
		return link.Mark
	}
	first := mark("https://media.example.com/2026/a.mp3?X-Amz-Signature=1")
	if first == "" || first != mark("https://media.example.com/2026/a.mp3?X-Amz-Signature=2") || first != mark("https://media.example.com/token-7/a.mp3") {
		t.Error("another signature is another mark")
	}
	if first == mark("https://media.example.com/2026/a-redacted.mp3?X-Amz-Signature=1") {
		t.Error("another file has the same mark")
	}
	for _, nameless := range []string{"https://media.example.com/?id=1", "https://media.example.com", ""} {
		if got := mark(nameless); got != "" {
			t.Errorf("%q: mark %q", nameless, got)
		}
	}
}
