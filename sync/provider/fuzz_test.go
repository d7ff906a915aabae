package provider

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"callsyncd/call"
)

// FuzzParseDescription: any text is a description or a list of problems that
// all have a message.
func FuzzParseDescription(f *testing.F) {
	f.Add(small)
	for _, name := range Builtin() {
		text, _ := BuiltinSource(name)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse("f.yaml", []byte(text))
		if err == nil {
			if _, err := New(d, Options{Source: "x"}); err != nil && len(d.Credentials()) == 0 {
				t.Errorf("a checked description cannot be used: %v", err)
			}
			return
		}
		problems, ok := errors.AsType[Problems](err)
		if !ok || len(problems) == 0 {
			t.Fatalf("%T %v", err, err)
		}
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 {
				t.Errorf("problem %+v", p)
			}
		}
	})
}

// FuzzMap: foreign JSON never panics and never costs the call its id.
func FuzzMap(f *testing.F) {
	var providers []*Provider
	for _, name := range Builtin() {
		providers = append(providers, builtin(f, name, nil))
	}
	f.Add(`{"status": "completed", "transcript": [{"text": 5}], "metadata": {"a": 1e999}}`, `{"data": {"transcript": "Agent: a Caller: b"}}`)
	f.Add(`{"duration": "1e309", "createdAt": -1, "contact": [], "sentimentScore": "x"}`, `[[[]]]`)
	f.Add(`{"transcript_formatted": [{"text": "a", "start": 1e300}], "went_to_voicemail": 7}`, `null`)
	f.Fuzz(func(t *testing.T, item, step string) {
		var fields map[string]json.RawMessage
		if !json.Valid([]byte(item)) || json.Unmarshal([]byte(item), &fields) != nil || fields == nil {
			return
		}
		fields["id"], fields["uuid"] = json.RawMessage(`"the-id"`), json.RawMessage(`"the-id"`)
		body, err := json.Marshal(fields)
		if err != nil || checkShape(body) != nil || !utf8.Valid(body) {
			return
		}
		docs := call.Documents{"list": {Body: body}, "detail": {Body: json.RawMessage(step)}, "transcript": {Body: json.RawMessage(step)},
			"recording": {Body: json.RawMessage(step), Status: 404}}
		for _, p := range providers {
			m, err := p.Map(docs)
			if err != nil || m.Call.ID != "the-id" {
				t.Fatalf("%s: id %q, error %v", p.d.Name(), m.Call.ID, err)
			}
			if _, err := json.Marshal(m); err != nil {
				t.Fatalf("%s: a call JSON cannot write: %v", p.d.Name(), err)
			}
			checkTurns(t, m.Call.Transcript)
			p.Wanted(docs, nil)
			p.Learn(docs, map[string]string{})
			p.Link(docs)
		}
	})
}

func checkTurns(t *testing.T, turns []call.Turn) {
	t.Helper()
	for _, turn := range turns {
		if strings.TrimSpace(turn.Text) == "" || !utf8.ValidString(turn.Text) || turn.Speaker == "" {
			t.Fatalf("turn %+v", turn)
		}
		for _, at := range []*float64{turn.StartSeconds, turn.EndSeconds} {
			if at != nil && (math.IsNaN(*at) || math.IsInf(*at, 0) || *at < 0) {
				t.Fatalf("time %v", *at)
			}
		}
	}
}

// FuzzTranscriptText: no word of a transcript is lost, none invented.
func FuzzTranscriptText(f *testing.F) {
	f.Add("[Agent]: Hi\n[Customer]: one: two\nthree")
	f.Add("Agent: Hi Caller: there\n\nCaller: x\r\nAgent:")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		for _, kind := range []textKind{textBrackets, textLines, textParagraphs} {
			turns := usual.textTurns(text, newLabels(&textForm{Forms: []textKind{kind}, Labels: []string{"Agent", "Caller"}})).turns
			checkTurns(t, turns)
			var b strings.Builder
			for _, turn := range turns {
				if turn.Label != nil {
					b.WriteString(*turn.Label)
				}
				b.WriteString(turn.Text)
			}
			left, said := letters(text), letters(b.String())
			if left != said && len(turns) > 0 && !strings.Contains(text, ":") {
				t.Fatalf("%q became %q", left, said)
			}
			if len(said) > len(left) {
				t.Fatalf("%q grew to %q", left, said)
			}
		}
	})
}

// letters drops what separates words and labels.
func letters(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]: \t\r\n\v\f\u0085\u00a0", r) || r > utf8.RuneSelf {
			return -1
		}
		return r
	}, s)
}
