package provider

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// told writes turns as "speaker/label: text" lines.
func told(turns []call.Turn) string {
	lines := make([]string, len(turns))
	for i, turn := range turns {
		label := "-"
		if turn.Label != nil {
			label = *turn.Label
		}
		lines[i] = fmt.Sprintf("%s/%s: %q", turn.Speaker, label, turn.Text)
	}
	return strings.Join(lines, "\n")
}

func TestTextTurns(t *testing.T) {
	brackets := textForm{Forms: []textKind{textBrackets}}
	lines := textForm{Forms: []textKind{textBrackets, textLines}, Labels: []string{"Agent", "User", "AI"}}
	paragraphs := textForm{Forms: []textKind{textParagraphs}, Labels: []string{"Agent", "Caller"}}
	for name, test := range map[string]struct {
		form  textForm
		text  string
		want  string
		split bool
	}{
		"brackets":           {brackets, "[Agent]: Hello.\n[Customer]: Hi.", "agent/Agent: \"Hello.\"\ncustomer/Customer: \"Hi.\"", false},
		"several lines":      {brackets, "[Agent]: One,\n\ntwo.\r\n[Customer]: Yes.", "agent/Agent: \"One,\\n\\ntwo.\"\ncustomer/Customer: \"Yes.\"", false},
		"a mere colon":       {brackets, "[Agent]: Two things\nNote: this is one. [Customer]: too\nAgent: not a label", "agent/Agent: \"Two things\\nNote: this is one. [Customer]: too\\nAgent: not a label\"", false},
		"unlabelled start":   {brackets, "Call connected\n[Robot 7]: Hi", "other/-: \"Call connected\"\nother/Robot 7: \"Hi\"", false},
		"no label":           {brackets, "Just words.", "other/-: \"Just words.\"", false},
		"label without text": {brackets, "[Agent]:\n[Customer]:  \n[Agent]: Hi", "agent/Agent: \"Hi\"", false},
		"label too long":     {brackets, "[" + strings.Repeat("x", 61) + "]: a", "other/-: \"[" + strings.Repeat("x", 61) + "]: a\"", false},
		"nothing":            {brackets, " \n ", "", false},
		"lines":              {lines, "AI: Hi\nuser: one: two\nPrice: ten\n[Human]: ok", "agent/AI: \"Hi\"\ncustomer/user: \"one: two\\nPrice: ten\"\ncustomer/Human: \"ok\"", false},
		"paragraphs":         {paragraphs, "Agent: Hello.\nCaller: this is still the agent\n\nCaller: Hi.", "agent/Agent: \"Hello.\\nCaller: this is still the agent\"\ncustomer/Caller: \"Hi.\"", false},
		"one line":           {paragraphs, "Agent: Hello. Caller: Hi there. Agent: Bye.", "agent/Agent: \"Hello.\"\ncustomer/Caller: \"Hi there.\"\nagent/Agent: \"Bye.\"", true},
		"one honest turn":    {paragraphs, "Agent: My agent: none.", "agent/Agent: \"My agent: none.\"", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := usual.textTurns(test.text, newLabels(&test.form))
			if told(got.turns) != test.want || got.split != test.split {
				t.Errorf("split %v, got\n%s\nwant\n%s", got.split, told(got.turns), test.want)
			}
		})
	}
}

// TestTextTimes: a text may say when its turns began.
func TestTextTimes(t *testing.T) {
	labels := newLabels(&textForm{Forms: []textKind{textBrackets, textLines}, Labels: []string{"Agent", "Customer"}})
	for name, test := range map[string]struct{ text, want string }{
		"in brackets":         {"[00:01] Agent: Hi\n[01:05.5] Customer: Yes\nand no", "1 agent Hi, 65.5 customer Yes\nand no"},
		"in parentheses":      {"(0:01) Agent: Hi\n(1:00:00) Customer: Yes", "1 agent Hi, 3600 customer Yes"},
		"bare":                {"00:01 Agent: Hi\n00:02 - Customer: Yes", "1 agent Hi, 2 customer Yes"},
		"behind the label":    {"Agent [00:01]: Hi\nCustomer (00:02): Yes", "1 agent Hi, 2 customer Yes"},
		"and a label so":      {"[00:01] [Agent]: Hi\n[Customer]: Yes", "1 agent Hi, - customer Yes"},
		"a time in the words": {"Agent: Come at\n[10:30] or\n10:30 [sic]: so", "- agent Come at\n[10:30] or\n10:30 [sic]: so"},
	} {
		var got []string
		for _, turn := range usual.textTurns(test.text, labels).turns {
			start := "-"
			if turn.StartSeconds != nil {
				start = fmt.Sprint(*turn.StartSeconds)
			}
			got = append(got, fmt.Sprint(start, " ", turn.Speaker, " ", turn.Text))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestTurnTimes(t *testing.T) {
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		unit     timeUnit
		duration float64 // of the call; 0 is unknown
		started  bool
		times    string // start and end of two turns
		want     string
	}{
		"seconds":           {unitSeconds, 245, true, `0, 4.5, 5, null`, "0 4.5 5 -"},
		"default":           {"", 245, true, `1, 2, 3, 4`, "1 2 3 4"},
		"milliseconds":      {unitMilliseconds, 0, false, `1500, 2000, 2250, 3000`, "1.5 2 2.25 3"},
		"auto seconds":      {unitAuto, 245, true, `0, 5, 8, 200`, "0 5 8 200"},
		"auto milliseconds": {unitAuto, 30, true, `0, 1500, 2000, 29000`, "0 1.5 2 29"},
		"auto, no duration": {unitAuto, 0, true, `0, 1500, 2000, 90000`, "0 1.5 2 90"},
		"auto epoch":        {unitAuto, 30, true, `1780315201, 1780315202.5, 1780315203, null`, "1 2.5 3 -"},
		"auto epoch ms":     {unitAuto, 30, true, `1780315201000, 1780315202500, 1780315203000, null`, "1 2.5 3 -"},
		"epoch, no start":   {unitAuto, 30, false, `1780315201, 1780315202, 1780315203, null`, "- - - -"},
		"clock":             {unitAuto, 4000, true, `"0:01", "00:05.5", "1:00:02", null`, "1 5.5 3602 -"},
		"numeric text":      {unitSeconds, 30, true, `"1", "2.5", "x", true`, "1 2.5 - -"},
		"end before start":  {unitSeconds, 30, true, `5, 4, -1, 3`, "5 - - 3"},
	} {
		t.Run(name, func(t *testing.T) {
			var times []json.RawMessage
			if err := json.Unmarshal([]byte("["+test.times+"]"), &times); err != nil {
				t.Fatal(err)
			}
			elements, err := decodeJSON(fmt.Appendf(nil, `[{"x": "a", "s": %s, "e": %s}, {"x": "b", "s": %s, "e": %s}]`, times[0], times[1], times[2], times[3]))
			if err != nil {
				t.Fatal(err)
			}
			c := &call.Call{}
			if test.duration > 0 {
				c.DurationSeconds = &test.duration
			}
			if test.started {
				c.StartedAt = &start
			}
			source := &transcriptSource{Turns: turnForm{Text: []string{"x"}, Start: []string{"s"}, End: []string{"e"}, Unit: test.unit}}
			turns, ok := usual.arrayTurns(elements.([]any), source, c)
			var got []string
			for _, turn := range turns {
				for _, at := range []*float64{turn.StartSeconds, turn.EndSeconds} {
					if at == nil {
						got = append(got, "-")
					} else {
						got = append(got, fmt.Sprint(*at))
					}
				}
			}
			if strings.Join(got, " ") != test.want || !ok {
				t.Errorf("got %s, want %s", strings.Join(got, " "), test.want)
			}
		})
	}
}

func TestOddTurnsAreLeftOut(t *testing.T) {
	elements, err := decodeJSON([]byte(`[7, null, {"x": ["y"]}, {"x": ""}, {"x": 5}, "Agent: in one text", {"x": "b", "who": {"a": 1}}]`))
	if err != nil {
		t.Fatal(err)
	}
	source := &transcriptSource{Turns: turnForm{Text: []string{"x"}, Speaker: []string{"who"}}}
	turns, ok := usual.arrayTurns(elements.([]any), source, &call.Call{})
	want := "other/-: \"5\"\nother/-: \"Agent: in one text\"\nother/-: \"b\""
	if told(turns) != want || ok {
		t.Errorf("ok %v, got\n%s", ok, told(turns))
	}
}
