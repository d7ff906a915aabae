package redact

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"callsyncd/call"
)

// corpus makes sentences and dialogues with card numbers, codes and other
// numbers, always the same for one seed.
type corpus struct{ *rand.Rand }

func (c corpus) pick(from ...string) string { return from[c.IntN(len(from))] }

func (c corpus) random(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = '0' + byte(c.IntN(10))
	}
	return string(b)
}

func values(s string) []byte {
	b := []byte(s)
	for i := range b {
		b[i] -= '0'
	}
	return b
}

// card makes a number that passes Luhn.
func (c corpus) card() string {
	kinds := []struct {
		prefix string
		length int
	}{
		{"4", 16}, {"4", 16}, {"4", 13}, {"4", 19}, {"51", 16}, {"55", 16}, {"2221", 16}, {"2720", 16}, {"34", 15},
		{"37", 15}, {"6011", 16}, {"65", 16}, {"36", 14}, {"38", 14}, {"301", 14}, {"3528", 16}, {"3589", 16},
		{"62", 16}, {"62", 19}, {"5018", 16}, {"6759", 16},
	}
	k := kinds[c.IntN(len(kinds))]
	for {
		if n := k.prefix + c.random(k.length-len(k.prefix)); luhn(values(n)) {
			return n
		}
	}
}

// split cuts a number into groups as printed.
func split(n string) []string {
	sizes := []int{4, 4, 4, 4, 3}
	if len(n) == 15 || len(n) == 14 {
		sizes = []int{4, 6, 5}
	}
	var groups []string
	for _, size := range sizes {
		size = min(size, len(n))
		if size > 0 {
			groups = append(groups, n[:size])
		}
		n = n[size:]
	}
	return groups
}

var (
	units = strings.Fields("zero one two three four five six seven eight nine")
	teens = strings.Fields("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
	tens  = strings.Fields("- - twenty thirty forty fifty sixty seventy eighty ninety")
)

// spoken says digits one by one, in pairs or with repeats, as people do.
func (c corpus) spoken(n string) string {
	var words []string
	for i := 0; i < len(n); {
		run := 1
		for i+run < len(n) && n[i+run] == n[i] && run < 4 {
			run++
		}
		v := int(n[i] - '0')
		unit := units[v]
		if v == 0 && c.IntN(2) == 0 {
			unit = c.pick("oh", "o", "nought")
		}
		switch {
		case run > 1 && c.IntN(2) == 0:
			if run == 4 && c.IntN(2) == 0 {
				run = 2
			}
			words = append(words, []string{"double", "triple", "quadruple"}[run-2]+" "+unit)
			i += run
		case i+1 < len(n) && v > 0 && c.IntN(6) == 0:
			words = append(words, pair(v, int(n[i+1]-'0')))
			i += 2
		default:
			words = append(words, unit)
			i++
		}
	}
	return strings.Join(words, " ")
}

func pair(a, b int) string {
	switch {
	case a == 1:
		return teens[b]
	case b == 0:
		return tens[a] + ","
	}
	return tens[a] + "-" + units[b]
}

// notation writes the number in one of many ways, as parts that may be said in
// different turns.
func (c corpus) notation(n string) []string {
	groups := split(n)
	switch c.IntN(9) {
	case 0:
		return []string{n}
	case 1:
		return []string{strings.Join(groups, c.pick(" ", "-", ".", "\n", " - ", "\u00a0", ", "))}
	case 2:
		return []string{strings.Join(strings.Split(n, ""), c.pick(" ", "-", ", ", "."))}
	case 3:
		return []string{c.spoken(n)}
	case 4:
		for i := range groups {
			groups[i] = c.spoken(groups[i])
		}
		return []string{strings.Join(groups, c.pick(", ", ". ", ", um, ", " then ", "\n", ", and then ", ", okay, "))}
	case 5:
		for i := range groups {
			if c.IntN(2) == 0 {
				groups[i] = c.spoken(groups[i])
			}
		}
		return []string{strings.Join(groups, " ")}
	case 6:
		for i := range groups {
			groups[i] = c.spoken(groups[i])
		}
	}
	return groups // of numerals or words, to be said in turns
}

func (c corpus) intro() string {
	return c.pick("My card number is", "Sure, it's", "Okay so", "It reads", "The long number:", "Yeah I have it here,",
		"Please charge", "I will pay with", "Right, let me read that out.", "")
}

func (c corpus) outro() string {
	return c.pick("and it's in my name.", "thanks.", "did you get that?", "That is all.", "on the account of Mary Example.", "")
}

// other makes a number that is no card's, with its sentence.
func (c corpus) other() string {
	switch c.IntN(14) {
	case 0:
		return "Order " + c.pick("number ", "") + c.random(5+c.IntN(6)) + " is on its way."
	case 1:
		return "Call me on " + c.pick("555-01"+c.random(2), "412-555-01"+c.random(2), "+1 412 555 01"+c.random(2), "(412) 555-01"+c.random(2), "412555"+"01"+c.random(2), "+44 20 7946 09"+c.random(2)) + "."
	case 2:
		return fmt.Sprintf("That was on %04d-%02d-%02d at %02d:%02d.", 2000+c.IntN(40), 1+c.IntN(12), 1+c.IntN(28), c.IntN(24), c.IntN(60))
	case 3:
		return fmt.Sprintf("From %02d/%02d/%d to %02d/%02d/%d.", 1+c.IntN(12), 1+c.IntN(28), 2025, 1+c.IntN(12), 1+c.IntN(28), 2026)
	case 4:
		return fmt.Sprintf("It is $%d,%03d.%02d plus %d.%02d shipping.", 1+c.IntN(99), c.IntN(1000), c.IntN(100), c.IntN(20), c.IntN(100))
	case 5:
		return "The tracking number is 1Z" + c.random(16) + "."
	case 6:
		return "Tracking 94" + c.random(20) + "."
	case 7:
		return "My number is " + c.spoken("412555"+"01"+c.random(2)) + "."
	case 8:
		return "The IMEI is 35" + c.random(13) + "."
	case 9:
		return "There are " + c.spoken(c.random(1)) + " people and " + c.spoken(c.random(2)) + " rooms for " + c.random(2) + " nights."
	case 10:
		return "The ticket is " + c.random(8) + "-" + c.random(4) + "."
	case 11:
		return "It ends in " + c.random(4) + "."
	case 12:
		return "Reference number " + c.random(13+c.IntN(4)) + "."
	}
	return fmt.Sprintf("It started at %d.", 1700000000000+c.Int64N(100000000000))
}

var talk = []string{"Thank you for calling, how can I help?", "I would like to pay my bill.", "Of course.", "One moment please.",
	"We deliver to two or three places for free.", "Oh, that is great news.", "I won the first prize too."}

// dialogue makes a short call; planted is the card number in it, if any.
func (c corpus) dialogue(card bool) (turns []call.Turn, planted string) {
	say := func(s call.Speaker, text string) {
		turns = append(turns, call.Turn{Speaker: s, Text: strings.TrimSpace(text)})
	}
	say(call.SpeakerAgent, c.pick(talk...))
	say(call.SpeakerCustomer, c.pick(talk...))
	if card {
		planted = c.card()
		parts := c.notation(planted)
		parts[0] = c.intro() + " " + parts[0]
		if c.IntN(2) == 0 {
			say(call.SpeakerAgent, "What is your card number?")
		}
		for i, part := range parts {
			if i == len(parts)-1 {
				part += c.pick(", ", ". ", " ") + c.outro()
			}
			say(call.SpeakerCustomer, part)
			if i < len(parts)-1 && c.IntN(4) > 0 {
				say(call.SpeakerAgent, c.pick("okay", "Uh-huh.", "Go on", "Yes?", "Mm-hmm, go ahead.", "got it", "Right.", "Lovely, carry on."))
			}
		}
	}
	for range 1 + c.IntN(3) {
		say(call.SpeakerAgent, c.pick(talk...))
		say(call.SpeakerCustomer, c.other())
	}
	return turns, planted
}

func TestPlantedCards(t *testing.T) {
	c := corpus{rand.New(rand.NewPCG(1, 2))}
	const planted = 4000
	left := 0
	for range planted {
		turns, card := c.dialogue(true)
		if hidden, _ := Turns(turns); !gone(turns, hidden, card) {
			left++
			if left <= 10 {
				t.Logf("left %s in %q of %q", card, texts(hidden), texts(turns))
			}
		}
	}
	t.Logf("planted %d, left %d", planted, left)
	if left > 0 {
		t.Errorf("%d of %d card numbers stayed", left, planted)
	}
}

// gone reports whether the digits that were hidden make up the card number.
func gone(before, after []call.Turn, card string) bool {
	var hidden strings.Builder
	for i := range before {
		was, is := []rune(before[i].Text), []rune(after[i].Text)
		for k := range was {
			if is[k] == was[k] && (unicode.IsLetter(was[k]) || unicode.IsDigit(was[k])) {
				was[k] = ';'
			}
		}
		hidden.WriteString(string(was) + " ")
	}
	return strings.Contains(digitsOf(hidden.String()), card)
}

// digitsOf lists the digits of a text in numerals and words.
func digitsOf(s string) string {
	var d dialogue
	d.scan(regexp.MustCompile(`[\n ]+`).ReplaceAllString(s, " "), 0)
	d.join(0)
	var b strings.Builder
	for _, a := range d.atoms {
		for _, v := range d.digits[a.lo:a.hi] {
			b.WriteByte('0' + v)
		}
	}
	return b.String()
}

func TestOtherNumbersStay(t *testing.T) {
	c := corpus{rand.New(rand.NewPCG(3, 4))}
	const calls = 5000
	numbers, accidents, wrong := 0, 0, 0
	for range calls {
		turns, _ := c.dialogue(false)
		got, _ := Turns(turns)
		for i := range turns {
			if digitsOf(turns[i].Text) != "" {
				numbers++
			}
			switch {
			case got[i].Text == turns[i].Text:
			case slices.ContainsFunc(blocks.FindAllString(turns[i].Text, -1), lookalike):
				accidents++ // by rule: it looks like a card number in every respect
			default:
				wrong++
				t.Logf("hidden in %q", turns[i].Text)
			}
		}
	}
	t.Logf("%d sentences with numbers, wrongly hidden in %d, card numbers by accident %d", numbers, wrong, accidents)
	if wrong > 0 || accidents == 0 {
		t.Errorf("wrongly hidden in %d sentences, card numbers by accident %d", wrong, accidents)
	}
}

func lookalike(block string) bool {
	v := values(block)
	return luhn(v) && issued(v) == certain
}

func TestPlantedCodes(t *testing.T) {
	c := corpus{rand.New(rand.NewPCG(5, 6))}
	const planted = 2000
	left := 0
	for range planted {
		code := c.random(3 + c.IntN(2))
		said := c.pick(code, c.spoken(code), strings.Join(strings.Split(code, ""), " "))
		name := c.pick("CVV", "CVC", "cvv2", "security code", "card verification code", "three digits on the back", "C V V")
		turns := []call.Turn{
			{Speaker: call.SpeakerAgent, Text: "And the " + name + c.pick(", please?", "?", " on your card?")},
			{Speaker: call.SpeakerCustomer, Text: c.pick("It's ", "Yes, hold on. ", "That is ", "", "Let me turn it over, um, ") + said + c.pick(".", " I think.", "")},
			{Speaker: call.SpeakerAgent, Text: c.other()},
		}
		switch c.IntN(3) {
		case 0:
			turns[0].Text, turns[1].Text = turns[1].Text, "Here is my "+name+": "+said
		case 1:
			turns[0].Text, turns[1].Text = "Anything else?", said+c.pick(" is the ", " is my ", ", that's the ")+name+"."
		}
		got, _ := Turns(turns)
		if digits := digitsOf(got[1].Text); strings.Contains(digits, strings.Trim(code, "-")) && digits != "2" {
			left++
			t.Logf("left %s in %q", code, texts(got))
		}
	}
	t.Logf("planted %d, left %d", planted, left)
	if left > 0 {
		t.Errorf("%d of %d codes stayed", left, planted)
	}
}

var blocks = regexp.MustCompile(`\b[0-9]+\b`)

// checkProperties holds for every text.
func checkProperties(t *testing.T, s string) {
	t.Helper()
	got, changed := Text(s)
	was, is := []rune(s), []rune(got)
	if len(was) != len(is) || utf8.RuneCountInString(s) != utf8.RuneCountInString(got) {
		t.Fatalf("%q has another length: %q", s, got)
	}
	for i := range was {
		if was[i] != is[i] && is[i] != mask {
			t.Fatalf("%q: rune %d became %q", s, i, is[i])
		}
	}
	if changed != (s != got) {
		t.Fatalf("%q: changed is %v", s, changed)
	}
	if again, changed := Text(got); changed {
		t.Fatalf("%q became %q, and that %q", s, got, again)
	}
	for _, block := range blocks.FindAllString(got, -1) {
		if lookalike(block) && !strings.ContainsAny(s, "+-.,$()") {
			t.Fatalf("%q: left %s in %q", s, block, got)
		}
	}
}

func TestProperties(t *testing.T) {
	c := corpus{rand.New(rand.NewPCG(7, 8))}
	pieces := []string{"4111", "1111", "4111111111111111", "card", "order", "cvv", "security code", "the", "for", "to", "one",
		"double", "four", "hundred", "next", "digits", "on the back", ",", ".", "\n", "-", "•", "••••", "okay", "555-0123", "+", "$", "x"}
	for range 5000 {
		var b strings.Builder
		for range c.IntN(40) {
			b.WriteString(c.pick(pieces...) + c.pick(" ", " ", ""))
			if c.IntN(5) == 0 {
				b.WriteString(c.random(c.IntN(6)))
			}
		}
		checkProperties(t, b.String())
	}
	for range 2000 {
		turns, _ := c.dialogue(true)
		got, _ := Turns(turns)
		if again, changed := Turns(got); changed {
			t.Fatalf("%q became %q, and that %q", texts(turns), texts(got), texts(again))
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "4111 1111 1111 1111", "four one one one, next four", "cvv is one two three", "\xff٤١١١4️⃣",
		"$4.11 555-0123 +44", "forty-one hundred eleven thousand double oh", "•••• cvv2 123"} {
		f.Add(s)
	}
	f.Fuzz(checkProperties)
}

// A transcript of about 6 KB in which nothing is found, and one with numbers.
func BenchmarkText(b *testing.B) {
	c := corpus{rand.New(rand.NewPCG(9, 10))}
	var plain, numbers strings.Builder
	for plain.Len() < 6000 {
		plain.WriteString("I was wondering whether you could help me with my subscription, because the invoice looks wrong. ")
	}
	for numbers.Len() < 6000 {
		numbers.WriteString(c.pick(talk...) + " Well, let me see what we have here, that was for the garden chairs. " + c.other() + " ")
	}
	card := numbers.String()[:5950] + " card 4111 1111 1111 1111"
	for name, text := range map[string]string{"plain": plain.String(), "numbers": numbers.String(), "card": card} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				Text(text)
			}
		})
	}
}

// A call of about 100 turns with numbers in every second one.
func BenchmarkTurns(b *testing.B) {
	c := corpus{rand.New(rand.NewPCG(11, 12))}
	var turns []call.Turn
	size := 0
	for len(turns) < 100 {
		more, _ := c.dialogue(false)
		for _, t := range more {
			size += len(t.Text)
		}
		turns = append(turns, more...)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		Turns(turns)
	}
}
