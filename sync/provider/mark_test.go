package provider

import (
	"encoding/json"
	"fmt"
	"testing"

	"callsyncd/call"
)

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
