package redact

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"callsyncd/call"
)

// dialogueOf reads lines such as "a: text" and "c: text".
func dialogueOf(s string) []call.Turn {
	var turns []call.Turn
	for line := range strings.Lines(s) {
		who, text, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		speaker := map[string]call.Speaker{"a": call.SpeakerAgent, "c": call.SpeakerCustomer, "o": call.SpeakerOther}[who]
		turns = append(turns, call.Turn{Speaker: speaker, Text: text})
	}
	return turns
}

func TestTurns(t *testing.T) {
	for name, c := range map[string]string{
		"consecutive turns": `
			c: it's {4111 1111}
			c: {1111 1111} thanks`,
		"acknowledged": `
			a: Can I have the long number?
			c: {Four one one one}.
			a: Okay.
			c: {One one one one}.
			a: Uh-huh, go on.
			c: {one one one one}
			a: Brilliant, keep going.
			c: And {triple one one}.`,
		"read back": `
			c: {4111 1111}
			a: {4111 1111}
			c: yes, {1111 1111}
			a: {1111 1111}, thank you`,
		"digit by digit": `
			c: {5 5 5 5} um
			a: mm-hmm
			c: {5 5 5 5}
			a: yes
			c: {5 5 5 5}
			a: yeah
			c: {4 4 4 4}
			a: Your total is 45.00 and it ships on 12/05/2024.`,
		"speakers confused": `
			a: What is the card number?
			c: {4111 1111}
			a: {1111 1111}
			c: that's it`,
		"speakers confused, no card": `
			c: 4111 1111
			a: 1111 1111`,
		"long interruption": `
			c: 4111 1111
			a: Before we go on I would like to tell you about our new summer offers and prices
			c: 1111 1111`,
		"many interruptions in a row": `
			c: 4111 1111
			a: ok` + strings.Repeat("\no: ok", 9) + `
			c: 1111 1111`,
		"code asked for": `
			a: And the three digits on the back?
			c: Yeah, hang on, let me turn it over. It's {seven two two}.
			a: {722}, lovely. Order 4821 is on its way.`,
		"code in two turns": `
			a: And the CVV?
			c: {One}
			a: yes
			c: {two three}`,
		"nothing": `
			a: Order 12345 for 412-555-0123?
			c: Yes, two of them.`,
	} {
		t.Run(name, func(t *testing.T) {
			var turns, want []call.Turn
			for _, turn := range dialogueOf(c) {
				text, hidden := expect(turn.Text)
				turns = append(turns, call.Turn{Speaker: turn.Speaker, Text: text})
				want = append(want, call.Turn{Speaker: turn.Speaker, Text: hidden})
			}
			before := slices.Clone(turns)
			got, changed := Turns(turns)
			if !reflect.DeepEqual(got, want) || changed == reflect.DeepEqual(turns, want) {
				t.Errorf("changed %v\n got %v\nwant %v", changed, texts(got), texts(want))
			}
			if !reflect.DeepEqual(turns, before) {
				t.Errorf("the input changed to %v", turns)
			}
			if again, changed := Turns(got); changed {
				t.Errorf("a second time gave %v", texts(again))
			}
		})
	}
}

// Two customers on one line are told apart by their labels.
func TestTurnsByLabel(t *testing.T) {
	first, second := "Speaker 1", "Speaker 2"
	turns := []call.Turn{
		{Speaker: call.SpeakerCustomer, Label: &first, Text: "4111 1111"},
		{Speaker: call.SpeakerCustomer, Label: &second, Text: "five eggs"},
		{Speaker: call.SpeakerCustomer, Label: &first, Text: "1111 1111"},
	}
	got, _ := Turns(turns)
	if want := []string{"•••• ••••", "five eggs", "•••• ••••"}; !slices.Equal(texts(got), want) {
		t.Errorf("got %q", texts(got))
	}
}

func texts(turns []call.Turn) (all []string) {
	for _, t := range turns {
		all = append(all, t.Text)
	}
	return all
}

func TestMetadata(t *testing.T) {
	for in, want := range map[string]string{
		``:                                      ``,
		`{}`:                                    `{}`,
		`{"a": [1, 2.50, "x<y", true, null]}`:   `{"a": [1, 2.50, "x<y", true, null]}`,
		`{"n": 4111111111111111, "m" : 1}`:      `{"n": "••••••••••••••••", "m" : 1}`,
		`{"n":4111111111111111.0}`:              `{"n":"••••••••••••••••"}`,
		`[4.111111111111111e15,5e999999999]`:    `["••••••••••••••••",5e999999999]`,
		`{"s":"<b>4111 1111 1111 1111</b>\n"}`:  `{"s":"<b>•••• •••• •••• ••••</b>\n"}`,
		`{"4111111111111111":{"cvv":"123"}}`:    `{"••••••••••••••••":{"cvv":"•••"}}`,
		`{"cardSecurity":{"code":1234},"x":12}`: `{"cardSecurity":{"code":"••••"},"x":12}`,
		`{"security_code":"123","room":"456"}`:  `{"security_code":"•••","room":"456"}`,
		`{"order_id":6304000000000000}`:         `{"order_id":6304000000000000}`,
		`{"card_number":6304000000000000}`:      `{"card_number":"••••••••••••••••"}`,
		`{"at":1733311800000,"id":"7f3d-4111"}`: `{"at":1733311800000,"id":"7f3d-4111"}`,
		`"4111111111111111"`:                    `"••••••••••••••••"`,
		`broken 4111111111111111`:               `broken ••••••••••••••••`,
		`broken`:                                `broken`,
	} {
		raw := json.RawMessage(in)
		got := metadata(raw)
		if string(got) != want || string(raw) != in {
			t.Errorf("metadata(%s) = %s, want %s; input now %s", in, got, want, raw)
		}
		if again := metadata(got); string(again) != want {
			t.Errorf("a second time: %s", again)
		}
	}
}

func TestCall(t *testing.T) {
	pan := "4111 1111 1111 1111"
	ptr := func(s string) *string { return &s }
	make := func() call.Call {
		return call.Call{
			ID: "4111111111111111", Outcome: ptr("done"), Phone: ptr("+14125550123"),
			Transcript: []call.Turn{{Speaker: call.SpeakerCustomer, Text: pan}},
			Summary:    ptr("paid with " + pan), Note: ptr("CVV 123"), Topics: []string{"payment", pan},
			Metadata: json.RawMessage(`{"card":"` + pan + `"}`),
		}
	}
	c, hidden := make(), "•••• •••• •••• ••••"
	got := Call(c)
	want := make()
	want.Transcript[0].Text, want.Summary, want.Note = hidden, ptr("paid with "+hidden), ptr("CVV •••")
	want.Topics[1], want.Metadata = hidden, json.RawMessage(`{"card":"`+hidden+`"}`)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if !reflect.DeepEqual(c, make()) {
		t.Error("the input was changed")
	}
	if again := Call(got); !reflect.DeepEqual(again, want) {
		t.Errorf("a second time: %+v", again)
	}
	if got := Call(call.Call{}); !reflect.DeepEqual(got, call.Call{}) {
		t.Errorf("the empty call became %+v", got)
	}
}
