package provider

import (
	"encoding/json"
	"testing"

	"callsyncd/call"

	"github.com/google/go-cmp/cmp"
)

// TestRecordingShownOnDemandOnly: where a step is read for the URL alone, the
// documents at hand do not show that there is no recording.
func TestRecordingShownOnDemandOnly(t *testing.T) {
	p := builtin(t, "smartalex", nil)
	for name, tc := range map[string]struct {
		status string
		want   []string
	}{
		"over":   {"completed", []string{"detail", "recording"}},
		"called": {"in_progress", nil},
	} {
		body := json.RawMessage(`{"id": "a", "status": "` + tc.status + `"}`)
		docs := call.Documents{"list": {Body: body}, "detail": {Body: body}}
		if diff := cmp.Diff(tc.want, p.Renew(call.PartRecording, docs)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestUnusableAddressIsSaid, also of a recording the vendor promises.
func TestUnusableAddressIsSaid(t *testing.T) {
	p := builtin(t, "suresend", nil)
	for address, want := range map[string]string{"file:///etc/passwd": "bad_url", "/recordings/a.mp3": "bad_url", "": "not_ready"} {
		body := json.RawMessage(`{"id": "a", "hasRecording": true, "recordingUrl": "` + address + `"}`)
		m, err := p.Map(call.Documents{"list": {Body: body}})
		if err != nil {
			t.Fatal(err)
		}
		if got := (call.PartEvidence{Evidence: call.EvidencePromised, Reason: want}); m.Recording != got {
			t.Errorf("%q: %+v, want %+v", address, m.Recording, got)
		}
	}
}
