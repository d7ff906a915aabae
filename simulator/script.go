package simulator

import (
	_ "embed"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

//go:embed data/conversations.txt
var conversations string

// exchange is one question and answer; agent says who speaks first.
type exchange struct{ first, second string }

// ending closes a conversation and says what came of it.
type ending struct {
	outcome, sentiment string
	topics             []string
	exchange
	summary string
}

// trade is everything one line of business talks about.
type trade struct {
	name                             string
	companies, items, topics         []string
	inbound, outbound                []string
	questions, objections, farewells []exchange
	endings                          []ending
}

// script is the parsed conversations: the trades, and what suits every trade.
type script struct {
	trades []*trade
	any    *trade
}

// loadScript parses the embedded text once.
var loadScript = sync.OnceValue(func() *script { return parseScript(conversations) })

// parseScript reads the embedded format, which its first lines explain. The
// text is part of the program, so a mistake in it panics.
func parseScript(text string) *script {
	s := &script{}
	var t *trade
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		name, heading := strings.CutPrefix(line, "== ")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case heading && name == "any":
			t = &trade{name: name}
			s.any = t
		case heading:
			t = &trade{name: name}
			s.trades = append(s.trades, t)
		default:
			if err := t.add(line); err != nil {
				panic(fmt.Sprintf("simulator: conversations line %d: %v", n+1, err))
			}
		}
	}
	return s
}

// add takes one line of a trade.
func (t *trade) add(line string) error {
	key, value, _ := strings.Cut(line, ": ")
	value = strings.ReplaceAll(value, `\n`, "\n")
	switch key {
	case "company":
		t.companies = strings.Split(value, "; ")
	case "item":
		t.items = strings.Split(value, "; ")
	case "topics":
		t.topics = strings.Split(value, "; ")
	case "in":
		t.inbound = append(t.inbound, value)
	case "out":
		t.outbound = append(t.outbound, value)
	case "qa":
		return addExchange(&t.questions, value)
	case "ob":
		return addExchange(&t.objections, value)
	case "close":
		return addExchange(&t.farewells, value)
	case "end":
		return t.addEnding(value)
	default:
		return fmt.Errorf("unknown key %q", key)
	}
	return nil
}

// addExchange parses "first | second".
func addExchange(list *[]exchange, value string) error {
	first, second, ok := strings.Cut(value, " | ")
	if !ok {
		return fmt.Errorf("want two sides in %q", value)
	}
	*list = append(*list, exchange{first, second})
	return nil
}

// addEnding parses "outcome; sentiment; topics; first | second | summary".
func (t *trade) addEnding(value string) error {
	head := strings.SplitN(value, "; ", 4)
	if len(head) != 4 {
		return fmt.Errorf("want outcome; sentiment; topics; text in %q", value)
	}
	sides := strings.Split(head[3], " | ")
	if len(sides) != 3 {
		return fmt.Errorf("want two sides and a summary in %q", value)
	}
	t.endings = append(t.endings, ending{outcome: head[0], sentiment: head[1], topics: strings.Split(head[2], ", "),
		exchange: exchange{sides[0], sides[1]}, summary: sides[2]})
	return nil
}

// turn is one stretch of speech; start and end are seconds from the beginning
// of the conversation, in tenths.
type turn struct {
	agent      bool
	text       string
	start, end float64
}

// talk is the content of one call.
type talk struct {
	turns     []turn
	summary   string
	sentiment string // positive, neutral or negative
	score     float64
	topics    []string
	result    string // what came of it, in the trade's words
	trade     string
}

// slots are the words filled into one conversation.
type slots map[string]string

var (
	months = strings.Fields("January February March April May June July August September October November December")
	hours  = strings.Split("8:30 am;9 am;9:45 am;10:15 am;11 am;1 pm;2 pm;2:30 pm;3:15 pm;4 pm;5:30 pm", ";")
)

// fillers draws the words for one conversation.
func (s *script) fillers(r *rand.Rand, t *trade, agent string, p person) slots {
	price := 20 + r.IntN(80)*5
	return slots{
		"company": pick(r, t.companies), "item": pick(r, t.items), "agent": agent,
		"first": p.first, "last": p.last, "email": p.email, "city": p.city, "phone": spoken(p.phone),
		"price": fmt.Sprintf("$%d", price), "price2": fmt.Sprintf("$%d", price/3+1),
		"date":  fmt.Sprintf("%s %d", pick(r, months), 1+r.IntN(28)),
		"time":  pick(r, hours),
		"order": fmt.Sprintf("%c%c-%05d", 'A'+r.IntN(26), 'A'+r.IntN(26), r.IntN(100000)),
	}
}

// spoken writes an E.164 number the way people say it.
func spoken(e164 string) string { return e164[2:5] + "-" + e164[5:8] + "-" + e164[8:] }

// fill replaces the words in braces and starts with a capital letter.
func (s slots) fill(text string) string {
	for strings.Contains(text, "{") {
		before, rest, _ := strings.Cut(text, "{")
		name, after, _ := strings.Cut(rest, "}")
		value, ok := s[name]
		if !ok {
			panic("simulator: conversations: no word for {" + name + "}")
		}
		text = before + value + after
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// converse makes the conversation of an answered call of so many seconds.
func (s *script) converse(r *rand.Rand, inbound bool, seconds int, agent string, p person) talk {
	t := pick(r, s.trades)
	words := s.fillers(r, t, agent, p)
	end := pick(r, t.endings)
	c := talk{summary: words.fill(end.summary), sentiment: end.sentiment, score: score(r, end.sentiment),
		result: end.outcome, trade: t.name}
	for _, topic := range append(append([]string(nil), t.topics[:1+r.IntN(len(t.topics))]...), end.topics...) {
		c.addTopic(strings.ToLower(words.fill(topic)))
	}
	say := func(agent bool, text string) { c.turns = append(c.turns, turn{agent: agent, text: words.fill(text)}) }
	say(true, greeting(inbound))
	if inbound {
		say(false, pick(r, t.inbound))
	} else {
		say(false, pick(r, []string{"Yes, speaking.", "Hello? Yes, that's me.", "Who is this, please?"}))
		say(true, pick(r, t.outbound))
		say(false, pick(r, []string{"Ah, right.", "Oh yes, I remember.", "Okay, go on."}))
	}
	for _, x := range s.middle(r, t, (seconds/6-len(c.turns)-4)/2) {
		say(x.agentFirst, x.first)
		say(!x.agentFirst, x.second)
	}
	say(true, end.first)
	say(false, end.second)
	bye := pick(r, s.any.farewells)
	say(true, bye.first)
	say(false, bye.second)
	c.time(float64(seconds))
	return c
}

// greeting is the first thing the agent says.
func greeting(inbound bool) string {
	if inbound {
		return "Thank you for calling {company}, this is {agent}. How can I help you?"
	}
	return "Hello, this is {agent} from {company}. Am I speaking with {first} {last}?"
}

// addTopic adds a topic once.
func (c *talk) addTopic(topic string) {
	if !slices.Contains(c.topics, topic) {
		c.topics = append(c.topics, topic)
	}
}

// ordered is an exchange with the side that begins.
type ordered struct {
	exchange
	agentFirst bool
}

// middle draws up to n exchanges, no one twice, and at most 16 so that a call
// stays within 40 turns.
func (s *script) middle(r *rand.Rand, t *trade, n int) []ordered {
	var all []ordered
	for _, x := range append(append([]exchange(nil), t.questions...), s.any.questions...) {
		all = append(all, ordered{x, true})
	}
	for _, x := range append(append([]exchange(nil), t.objections...), s.any.objections...) {
		all = append(all, ordered{x, false})
	}
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:max(0, min(n, 16))]
}

// score draws a sentiment score that agrees with the label.
func score(r *rand.Rand, label string) float64 {
	base := map[string]float64{"positive": 0.4, "neutral": -0.2, "negative": -0.95}[label]
	width := map[string]float64{"positive": 0.55, "neutral": 0.4, "negative": 0.5}[label]
	return math.Round((base+width*r.Float64())*100) / 100
}

// leaveMessage makes the two turns of a call that reached a voicemail.
func (s *script) leaveMessage(r *rand.Rand, seconds int, agent string, p person) talk {
	t := pick(r, s.trades)
	words := s.fillers(r, t, agent, p)
	c := talk{sentiment: "neutral", topics: []string{"voicemail"}, result: "message left", trade: t.name,
		summary: words.fill("Voicemail reached; the agent left a message about the {item} for {first} {last}.")}
	c.turns = []turn{
		{agent: false, text: words.fill("You have reached {first} {last}. Please leave a message after the tone.")},
		{agent: true, text: words.fill("Hello, this is {agent} from {company}. " + pick(r, t.outbound) + " Please call us back at your convenience.")},
	}
	c.time(float64(seconds))
	return c
}

// time spreads the turns over the call by their number of words.
func (c *talk) time(seconds float64) {
	const lead, gap = 0.5, 1.0 // seconds before the first turn; words' worth of pause between turns
	total := 0.0
	for i := range c.turns {
		total += weight(c.turns[i].text) + gap
	}
	perWord := (seconds - 2*lead) / total
	at := lead
	for i := range c.turns {
		c.turns[i].start = tenth(at)
		at += weight(c.turns[i].text) * perWord
		c.turns[i].end = tenth(at)
		at += gap * perWord
	}
}

func weight(text string) float64 { return float64(len(strings.Fields(text))) + 1 }

func tenth(x float64) float64 { return math.Round(x*10) / 10 }
