package simulator

import (
	"strings"
)

// person is somebody on the other end of the line.
type person struct {
	number                   int
	id                       string
	first, last, email, city string
	phone                    string // E.164, a 555-01xx number
	company                  string
}

// name is the whole name.
func (p person) name() string { return p.first + " " + p.last }

var (
	firstNames = strings.Fields(`Ada Amir Anna Boris Carla Chen Clara Dario Elena Emil Fatima Felix Grace Hana Hugo Ines Ivan
		Jonas Karin Leo Lena Marco Maya Mina Nadia Noah Olga Oscar Paula Priya Rafael Rosa Samir Sofia Tariq Theo Uma Vera Wanda Yusuf`)
	lastNames = strings.Fields(`Abbott Alvarez Bauer Brandt Castillo Cole Dahl Diaz Ekström Fischer Fontana Gomez Haddad Hansen
		Ito Jansen Keller Kowalski Larsen Lopez Meyer Moreau Nakamura Novak Okafor Olsen Park Petrov Quinn Rossi Santos Sato Silva
		Tanaka Thorne Vargas Weber Winter Yilmaz Zhang`)
	cities    = strings.Split("Springfield;Riverton;Lakewood;Fairview;Ashford;Millbrook;Oakdale;Greenville;Westport;Kingsbridge", ";")
	areaCodes = strings.Fields("201 206 212 303 312 404 415 503 512 602 617 619 702 713 718 773 808 813 901 916")
	employers = strings.Split("Acme Corp;Borealis Ltd;Cobalt Works;Delta Foods;Elmwood Studio", ";")
	callNames = strings.Fields("Sarah Alex Mike Julia Robin Dana")
)

// agentCount, campaignCount are the same for every vendor.
const (
	agentCount    = 6
	campaignCount = 6
	maxPeople     = 2000
)

// agent is somebody, or something, that handles calls for the vendor's customer.
type agent struct {
	id, first, last string
}

// campaign groups outbound or inbound calls.
type campaign struct {
	id, name string
	inbound  bool
}

var campaignNames = []string{"January Outreach", "Appointment Reminder", "Renewal Offers", "Customer Survey", "Support Line", "Order Hotline"}

// person returns somebody by number, below w.people.
func (w *world) person(n int) person {
	r := source(w.seed, "person", uint64(n))
	p := person{number: n, id: w.spec.id(w.seed, "contact", uint64(n)), first: pick(r, firstNames), last: pick(r, lastNames),
		city: pick(r, cities), company: pick(r, employers)}
	ascii := strings.NewReplacer("ö", "o").Replace
	p.email = ascii(strings.ToLower(p.first+"."+p.last)) + digits(n, 4) + "@example.com"
	area := n % len(areaCodes)
	p.phone = "+1" + areaCodes[area] + "55501" + digits((n/len(areaCodes)*37+area*13)%100, 2) // 37 visits all hundred
	return p
}

// digits writes n with leading zeros.
func digits(n, width int) string {
	b := make([]byte, width)
	for i := width - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b)
}

// agent returns one of the agents by number.
func (w *world) agent(n int) agent {
	r := source(w.seed, "agent", uint64(n))
	return agent{id: w.spec.id(w.seed, "agent", uint64(n)), first: callNames[n], last: pick(r, lastNames)}
}

// campaign returns one of the campaigns by number; the last two are inbound.
func (w *world) campaign(n int) campaign {
	return campaign{id: w.spec.id(w.seed, "campaign", uint64(n)), name: campaignNames[n], inbound: n >= campaignCount-2}
}

// ownNumber is the number of the vendor's customer.
func (w *world) ownNumber(agent int) string { return "+1800555019" + digits(agent, 1) }

// kind is how a call went.
type kind int

const (
	answered kind = iota
	voicemail
	noAnswer
	busy
	failed
	canceled
	odd // a status word nobody documents; somebody did speak
)

// spoken reports whether there is anything to hear.
func (k kind) spoken() bool { return k == answered || k == voicemail || k == odd }

// facts are what is known about a call without making up its conversation.
type facts struct {
	number    int
	id        string
	kind      kind
	direction string // inbound, outbound, web or empty
	person    int
	contact   bool // the vendor knows who the person is
	agent     int
	campaign  int // -1 for none
	// setup is seconds from creation to the answer, or to the end of an
	// unanswered call; duration is the seconds of speech.
	setup, duration int
	cost            float64
	numeric         bool // numbers that come as strings
	// Missing for good, and only in calls older than any late change.
	noTranscript, noSummary, noRecording bool
	take                                 int // how often the recording was replaced
	legs                                 int // further recordings, of transfers
	leg                                  int // the further recording these facts are about; 0 for the main one
}

// facts makes up a call.
func (w *world) facts(e *entry) facts {
	n := e.number
	r := source(w.seed, "call", uint64(n))
	f := facts{number: n, id: w.spec.id(w.seed, "call", uint64(n)), person: r.IntN(w.people), contact: r.IntN(12) != 0,
		agent: r.IntN(agentCount), campaign: -1, setup: 4 + r.IntN(10), take: e.take}
	f.kind = pickKind(r.Float64())
	if e.spoken {
		f.kind = answered
	}
	f.direction = "outbound"
	if r.IntN(100) < 45 {
		f.direction = "inbound"
	}
	if w.spec.web && r.IntN(12) == 0 {
		f.direction = "web"
	}
	if f.kind != answered && f.kind != odd {
		f.direction = "outbound"
	}
	switch {
	case f.direction == "outbound":
		f.campaign = r.IntN(campaignCount - 2)
	case f.direction == "inbound" && (w.spec.alwaysCampaign || r.IntN(3) == 0):
		f.campaign = campaignCount - 2 + r.IntN(2)
	}
	f.duration = lengthOf(r.Float64(), r.Float64(), e.brief, f.kind)
	if f.kind.spoken() {
		if !w.spec.setup {
			f.setup = 0
		}
		f.cost = float64(1+f.duration*18/60) / 100
	}
	if n%89 == 7 {
		f.direction = ""
	}
	f.numeric = n%97 == 13
	if lacking := r.IntN(100); e.old && f.kind == answered {
		f.noTranscript, f.noSummary, f.noRecording = lacking < 2, lacking == 0 || lacking == 3, lacking < 2 || lacking == 4
	}
	if w.spec.legs && f.kind == answered {
		f.legs = max(0, int(mix(w.seed, "legs", uint64(n))%10)-7)
	}
	return f
}

// pickKind spreads the kinds of calls as call centres see them.
func pickKind(x float64) kind {
	for _, share := range []struct {
		kind  kind
		until float64
	}{{answered, 0.76}, {voicemail, 0.84}, {noAnswer, 0.91}, {busy, 0.94}, {failed, 0.97}, {canceled, 0.985}} {
		if x < share.until {
			return share.kind
		}
	}
	return odd
}

// lengthOf draws the seconds of speech: mostly under a minute, up to four.
func lengthOf(x, y float64, brief bool, k kind) int {
	switch {
	case !k.spoken():
		return 0
	case brief || k == voicemail:
		return 15 + int(x*20)
	case x < 0.6:
		return 20 + int(y*40)
	case x < 0.9:
		return 60 + int(y*60)
	}
	return 120 + int(y*120)
}

// talk makes up what was said; the zero talk when nobody spoke.
func (w *world) talk(f facts) talk {
	r := source(w.seed, "talk", uint64(f.number))
	p, name := w.person(f.person), w.agent(f.agent).first
	switch {
	case f.kind == voicemail:
		return w.sim.script.leaveMessage(r, f.duration, name, p)
	case f.kind.spoken():
		return w.sim.script.converse(r, f.direction != "outbound", f.duration, name, p)
	}
	return talk{}
}
