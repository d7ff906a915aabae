package provider

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"callsyncd/call"
)

// sampleCall is a SmartAlex call whose transcript path says full.
func sampleCall(id, full string) call.Documents {
	return call.Documents{
		"list":       {Body: json.RawMessage(`{"id": "` + id + `", "status": "completed"}`)},
		"detail":     {Body: json.RawMessage(`{"data": {"id": "` + id + `", "status": "completed", "transcript": [{"speaker": "agent", "text": "Hello"}]}}`)},
		"transcript": {Body: json.RawMessage(`{"data": {"transcript": [{"speaker": "agent", "text": "` + full + `"}]}}`)},
	}
}

// TestSampling: the first three calls are checked, then every 64th; once the
// transcript path proved fuller, all are.
func TestSampling(t *testing.T) {
	p := builtin(t, "smartalex", nil)
	learned := map[string]string{}
	asked := func(id string) bool {
		docs := sampleCall(id, "")
		delete(docs, "transcript")
		step, ok := p.Wanted(docs, learned)
		return ok && step == "transcript"
	}
	for n := range 3 {
		id := fmt.Sprint("first-", n)
		if !asked(id) {
			t.Fatalf("call %d is not checked: %v", n, learned)
		}
		for range 2 { // learning from a call again teaches nothing
			if p.Learn(sampleCall(id, "Hello"), learned) || len(checkedCalls(learned["transcript.checked"])) != n+1 {
				t.Fatalf("after call %d: %v", n, learned)
			}
		}
	}
	sampled := 0
	for n := range 10000 {
		if asked(fmt.Sprint("later-", n)) {
			sampled++
		}
	}
	if sampled < 50 || sampled > 150 {
		t.Errorf("%d of 10000 calls are checked, want about 100", sampled)
	}
	if p.Learn(sampleCall("poorer", "Hell"), learned) {
		t.Error("a poorer transcript path taught something")
	}
	if !p.Learn(sampleCall("fuller", "Hello and good morning"), learned) || learned["transcript.strict"] != "true" {
		t.Fatalf("a fuller transcript path taught nothing: %v", learned)
	}
	silent := call.Documents{"list": {Body: json.RawMessage(`{"id": "s", "call_status": "voicemail"}`)}, "detail": {Body: json.RawMessage(`{"data": {"id": "s"}}`)}}
	if step, _ := p.Wanted(silent, learned); step != "transcript" || !asked("later-0") {
		t.Error("strict mode does not ask for every transcript")
	}
	if step, _ := p.Wanted(silent, nil); step != "transcript" {
		t.Error("a detail without transcript is believed without asking the transcript's own path")
	}
	missed := call.Documents{"list": {Body: json.RawMessage(`{"id": "m", "status": "no_answer"}`)}, "detail": {Body: json.RawMessage(`{"data": {"id": "m"}}`)}}
	if step, ok := p.Wanted(missed, learned); ok {
		t.Errorf("an unanswered call wants %s", step)
	}
}

// A transcript that ends long before its call does is checked more often than
// others, so that an excerpt is not taken for the whole.
func TestEarlyEndIsChecked(t *testing.T) {
	p := builtin(t, "smartalex", nil)
	docs := func(id string, last int) call.Documents {
		detail := fmt.Sprintf(`{"data": {"id": %q, "duration": 200, "transcript": [{"speaker": "agent", "text": "a", "timestamp": 0}, {"speaker": "caller", "text": "b", "timestamp": %d}]}}`, id, last)
		return call.Documents{"list": {Body: json.RawMessage(fmt.Sprintf(`{"id": %q, "status": "completed"}`, id))}, "detail": {Body: json.RawMessage(detail)}}
	}
	learned := map[string]string{"transcript.checked": "1,2,3"} // the first sample is full
	if _, ok := p.Wanted(docs("x1", 190), learned); ok {
		t.Error("a transcript as long as its call is checked")
	}
	if step, _ := p.Wanted(docs("x1", 8), learned); step != "transcript" {
		t.Error("a transcript that ends after 8 of 200 seconds is believed")
	}
	for n := range 7 { // those that end in time say nothing of the others
		p.Learn(proved(docs(fmt.Sprint("long-", n), 190)), learned)
	}
	for n := range 6 {
		next := docs(fmt.Sprint("early-", n), 8)
		if step, _ := p.Wanted(next, learned); step != "transcript" {
			t.Errorf("early end %d is believed: %v", n, learned)
		}
		p.Learn(proved(next), learned)
	}
	if _, ok := p.Wanted(docs("x1", 8), learned); ok {
		t.Error("a vendor whose early ends proved whole is asked for ever")
	}
}

// proved adds the transcript path's answer to a call, as much as its detail has.
func proved(docs call.Documents) call.Documents {
	docs["transcript"] = docs["detail"]
	return docs
}

// TestLargestTranscriptsAreChecked: a vendor that cuts long transcripts in the
// detail shows it only where they are longer than all that came before.
func TestLargestTranscriptsAreChecked(t *testing.T) {
	p := builtin(t, "smartalex", nil)
	docs := func(id string, turns int, text string) call.Documents {
		said := strings.Repeat(`,{"speaker": "agent", "text": "`+text+`"}`, turns)[1:]
		detail := fmt.Sprintf(`{"data": {"id": %q, "transcript": [%s]}}`, id, said)
		return call.Documents{"list": {Body: json.RawMessage(fmt.Sprintf(`{"id": %q, "status": "completed"}`, id))}, "detail": {Body: json.RawMessage(detail)}}
	}
	learned := map[string]string{}
	for n := range 3 {
		p.Learn(proved(docs(fmt.Sprint("first-", n), 4-n, "hello")), learned)
	}
	for _, c := range []struct {
		name, text string
		turns      int
		want       bool
	}{{"as many turns", "hello", 4, false}, {"more turns", "a", 5, true}, {"more words", "hello and good morning", 4, true}} {
		if step, _ := p.Wanted(docs("x1", c.turns, c.text), learned); (step == "transcript") != c.want {
			t.Errorf("%s: checked is %v with %v", c.name, !c.want, learned)
		}
	}
	p.Learn(proved(docs("larger", 5, "hello and good morning")), learned)
	if _, ok := p.Wanted(docs("x1", 5, "hello and good morning"), learned); ok {
		t.Errorf("as large as what proved whole, and checked: %v", learned)
	}
}
