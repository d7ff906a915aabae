package api

import (
	"strings"
	"testing"

	"callsyncd/call"
)

func TestTranscriptFormats(t *testing.T) {
	turns := []call.Turn{
		{Speaker: call.SpeakerAgent, Label: ptr("Ada\nExample"), Text: "Good\n\nmorning & <b>welcome</b> --> now", StartSeconds: ptr(0.5), EndSeconds: ptr(2.25)},
		{Speaker: call.SpeakerCustomer, Text: "What does it cost?", StartSeconds: ptr(2.25)},
		{Speaker: call.SpeakerOther, Label: ptr(" "), Text: "Hm.", StartSeconds: ptr(3.0), EndSeconds: ptr(3.0)},
		{Speaker: call.SpeakerAgent, Text: "Later.", StartSeconds: ptr(3661.9996)},
	}
	want := map[string]string{
		"txt": "[00:00:00] Ada Example: Good morning & <b>welcome</b> --> now\n[00:00:02] customer: What does it cost?\n" +
			"[00:00:03] other: Hm.\n[01:01:02] agent: Later.\n",
		"vtt": "WEBVTT\n\n00:00:00.500 --> 00:00:02.250\n<v Ada Example>Good morning &amp; &lt;b&gt;welcome&lt;/b&gt; --&gt; now\n" +
			"\n00:00:02.250 --> 00:00:03.000\n<v customer>What does it cost?\n" +
			"\n00:00:03.000 --> 00:00:04.000\n<v other>Hm.\n" +
			"\n01:01:02.000 --> 01:01:03.000\n<v agent>Later.\n",
		"srt": "1\n00:00:00,500 --> 00:00:02,250\nAda Example: Good morning & <b>welcome</b> -> now\n\n" +
			"2\n00:00:02,250 --> 00:00:03,000\ncustomer: What does it cost?\n\n" +
			"3\n00:00:03,000 --> 00:00:04,000\nother: Hm.\n\n" +
			"4\n01:01:02,000 --> 01:01:03,000\nagent: Later.\n\n",
	}
	f := sample(t)
	r := f.records[f.order[0]]
	r.Call.Transcript = turns
	f.records[f.order[0]] = r
	h := f.handler(nil)
	for format, text := range want {
		w := ask(h, request("GET", "/v1/calls/crm/c1/transcript?format="+format, ""))
		if w.Code != 200 || w.Body.String() != text {
			t.Errorf("%s: %d\n%s\nwant\n%s", format, w.Code, w.Body, text)
		}
		if got := w.Header().Get("Content-Type"); got != transcriptTypes[format] {
			t.Errorf("%s: type %s", format, got)
		}
	}
}

// Turns without a start take the end of the one before, and cues come in the
// order of their starts.
func TestCuesAreOrdered(t *testing.T) {
	cues := cuesOf(&call.Call{Transcript: []call.Turn{
		{Text: "b", StartSeconds: ptr(5.0), EndSeconds: ptr(6.0)},
		{Text: "c"},
		{Text: "a", StartSeconds: ptr(-1.0), EndSeconds: ptr(1.0)},
	}})
	var order string
	for i, q := range cues {
		order += q.text
		if q.end <= q.start || i > 0 && q.start < cues[i-1].start {
			t.Errorf("cue %d: %v to %v", i, q.start, q.end)
		}
	}
	if order != "abc" {
		t.Errorf("order %s", order)
	}
}

func TestTranscriptRefused(t *testing.T) {
	f := sample(t)
	h := f.handler(nil)
	p := askProblem(t, h, request("GET", "/v1/calls/crm/a%2Fb%20%22%C3%BC%22%20../transcript", ""), 404)
	if !strings.Contains(p.Detail, "pending") {
		t.Errorf("detail %q does not say why", p.Detail)
	}
	askProblem(t, h, request("GET", "/v1/calls/crm/none/transcript", ""), 404)
	r := f.records[f.order[0]]
	r.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: "no times"}}
	f.records[f.order[0]] = r
	for _, format := range []string{"vtt", "srt"} {
		p := askProblem(t, h, request("GET", "/v1/calls/crm/c1/transcript?format="+format, ""), 404)
		if !strings.Contains(p.Detail, "format=txt") {
			t.Errorf("detail %q does not say what to do", p.Detail)
		}
	}
}
