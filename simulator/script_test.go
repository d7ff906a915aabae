package simulator

import (
	"slices"
	"strings"
	"testing"
)

func TestConversationsAreDistinctAndWellFormed(t *testing.T) {
	w := newBench(t, Options{Seed: 1, Calls: 600}).must("suresend")
	texts, trades, all := map[string]bool{}, map[string]bool{}, ""
	longest := 0
	for _, e := range w.entries {
		f := w.facts(e)
		if !f.kind.spoken() {
			continue
		}
		c := w.talk(f)
		whole, at := "", 0.0
		for _, l := range c.turns {
			whole += l.text + "\n"
			if l.text == "" || strings.ContainsAny(l.text, "{}|") || l.start < at || l.end <= l.start {
				t.Errorf("turn %+v after %.1f s", l, at)
			}
			at = l.end
		}
		if at > float64(f.duration) || at < 0.9*float64(f.duration)-2 {
			t.Errorf("the last turn ends at %.1f of %d s", at, f.duration)
		}
		if n := len(c.turns); f.kind == answered && (n < 6 || n > 40) {
			t.Errorf("%d turns in a call of %d s", n, f.duration)
		}
		if !slices.Contains([]string{"positive", "neutral", "negative"}, c.sentiment) || c.score < -1 || c.score > 1 || c.summary == "" || len(c.topics) == 0 {
			t.Errorf("insight: %q %.2f %q %q", c.sentiment, c.score, c.summary, c.topics)
		}
		longest = max(longest, len(c.turns))
		texts[whole], trades[c.trade] = true, true
		all += whole + c.summary
	}
	if len(texts) < 500 || len(trades) < 8 || longest < 30 {
		t.Errorf("%d distinct conversations about %d trades, the longest of %d turns", len(texts), len(trades), longest)
	}
	for _, phrase := range []string{"refund policy", "cancel my subscription", "appointment", "invoice", "\nNote: ", "@example.com", "-555-01"} {
		if !strings.Contains(all, phrase) {
			t.Errorf("nobody says %q", phrase)
		}
	}
}

func TestMistakesInTheConversationsPanic(t *testing.T) {
	for _, text := range []string{
		"== x\nhello: there", "== x\nqa: only one side", "== x\nend: booked; positive; topic", "== x\nend: a; b; c; one | two",
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q: accepted", text)
				}
			}()
			parseScript(text)
		}()
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown word in braces is accepted")
		}
	}()
	slots{"a": "b"}.fill("{c}")
}

func TestPeopleAreInvented(t *testing.T) {
	w := newBench(t, Options{Calls: 3 * maxPeople}).must("smartalex")
	phones, emails := map[string]bool{}, map[string]bool{}
	for n := range w.people {
		p := w.person(n)
		phones[p.phone], emails[p.email] = true, true
		if len(p.phone) != 12 || p.phone[5:10] != "55501" || !strings.HasSuffix(p.email, "@example.com") {
			t.Fatalf("%+v", p)
		}
	}
	if len(phones) != maxPeople || len(emails) != maxPeople {
		t.Errorf("%d people, %d numbers, %d addresses", w.people, len(phones), len(emails))
	}
}
