package redact

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"callsyncd/call"
)

// spokenCard is a card number with as much between its digits as one may have.
var spokenCard = "my card number is " + strings.Join(strings.Fields("four one one one one one one one one one one one one one one one"), " um uh okay and then the ") + " that is all i have to say about it"

// A card is found wherever a large text is cut.
func TestCardsInLargeTexts(t *testing.T) {
	hidden, _ := Text(spokenCard)
	want := strings.Count(hidden, "•") // fillers between digits stay
	if want != strings.Count(spokenCard, "four")*4+15*3 {
		t.Fatalf("the test's card is not hidden: %s", hidden)
	}
	r := rand.New(rand.NewPCG(1, 2))
	var whole strings.Builder
	var turns []call.Turn
	cards := 0
	for whole.Len() < 6*largeBytes {
		talk := strings.Repeat("tea ", r.IntN(900)) + spokenCard
		whole.WriteString(talk + ". ")
		turns = append(turns, call.Turn{Text: talk, Speaker: call.SpeakerAgent}, call.Turn{Text: "thank you, is there anything else we can do for you", Speaker: call.SpeakerCustomer})
		cards++
	}
	text, _ := Text(whole.String())
	if got := strings.Count(text, "•"); got != cards*want {
		t.Errorf("%d of the %d letters of %d cards are hidden", got, cards*want, cards)
	}
	masked, _ := Turns(turns)
	got := 0
	for _, turn := range masked {
		got += strings.Count(turn.Text, "•")
	}
	if got != cards*want {
		t.Errorf("in turns %d of the %d letters of %d cards are hidden", got, cards*want, cards)
	}
}

// In a row of digits that is longer than a stretch its label holds to the end.
func TestLabelOfALongRow(t *testing.T) {
	row := strings.Repeat("7 7 ", 100_000)
	text, _ := Text("my card is " + row + "4 111111111111 1 1 1 " + row)
	if strings.Contains(text, "111111111111") {
		t.Error("a card in the middle of a row of digits is shown")
	}
}

// A large text of digits takes no more memory than a small part of it would.
func TestMemoryOfLargeTexts(t *testing.T) {
	text := strings.Repeat("1 ", 2<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _ = Text(text)
	runtime.ReadMemStats(&after)
	if perByte := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(text)); perByte > 40 {
		t.Errorf("%.0f bytes allocated for each byte of text", perByte)
	} else {
		t.Logf("%.1f bytes allocated for each byte of text", perByte)
	}
}
