package index

import (
	"strings"
	"sync"
	"time"

	"github.com/blevesearch/bleve/v2/numeric"
	bleveindex "github.com/blevesearch/bleve_index_api"

	"callsyncd/call"
)

// schema numbers what a call becomes in the index. It must change with every
// change of the fields, the words or the stems.
const schema = 4

// The text fields. What the two sides said is apart; rest holds everything
// else, and summary, topic and note once more for those who search there only.
const (
	textAgent    = "agent"
	textCustomer = "customer"
	textRest     = "rest"
	textSummary  = "summary"
	textTopic    = "topic"
	textNote     = "note"
	// stemsOf follows the name of a text field whose stems a field holds.
	stemsOf = "~"
)

// searched are the text fields that hold every word of a call once.
var searched = []string{textAgent, textCustomer, textRest}

// The fields of filters and orders.
const (
	keyID         = "id"
	keySource     = "source"
	keyAgentID    = "agent_id"
	keyAgent      = "agent_name"
	keyCampaignID = "campaign_id"
	keyCampaign   = "campaign_name"
	keyContactID  = "contact_id"
	keyUserID     = "user_id"
	keyPhone      = "phone"
	keyDirection  = "direction"
	keyStatus     = "status"
	keyOutcome    = "outcome"
	keySentiment  = "sentiment"
	keyPart       = "part"
	keyFlag       = "flag"
	keyFacets     = "facets" // what facets count, as one term
	keyOrders     = "orders" // what calls are ordered by, as one term
	flagSettled   = "settled"
	flagDeleted   = "deleted"
	flagCut       = "cut" // not all of its text can be found
	fieldDocument = "_id"
)

const (
	optionsText    = bleveindex.IndexField | bleveindex.IncludeTermVectors
	optionsStem    = bleveindex.IndexField
	optionsKeyword = bleveindex.IndexField | bleveindex.SkipFreqNorm
	optionsColumn  = optionsKeyword | bleveindex.DocValues
	optionsID      = bleveindex.IndexField | bleveindex.StoreField
)

// document is one call as scorch takes it, analyzed already.
type document struct {
	id     string
	fields []field
	bytes  int // of text
	words  int // of all text fields
	terms  int // different ones, of each text field and its stems
	cut    bool
}

func (d *document) ID() string                                      { return d.id }
func (d *document) Size() int                                       { return d.bytes }
func (d *document) VisitComposite(bleveindex.CompositeFieldVisitor) {}
func (d *document) HasComposite() bool                              { return false }
func (d *document) NumPlainTextBytes() uint64                       { return uint64(d.bytes) }
func (d *document) StoredFieldsBytes() uint64                       { return 0 }
func (d *document) Indexed() bool                                   { return true }
func (d *document) AddIDField()                                     { d.keyword(fieldDocument, optionsID, d.id) }
func (d *document) VisitFields(visit bleveindex.FieldVisitor) {
	for i := range d.fields {
		visit(&d.fields[i])
	}
}

// field is one field of a document.
type field struct {
	name    string
	options bleveindex.FieldIndexingOptions
	length  int // in words
	terms   bleveindex.TokenFrequencies
	value   []byte
}

func (f *field) Name() string                                          { return f.name }
func (f *field) Value() []byte                                         { return f.value }
func (f *field) ArrayPositions() []uint64                              { return nil }
func (f *field) EncodedFieldType() byte                                { return 't' }
func (f *field) Analyze()                                              {}
func (f *field) Options() bleveindex.FieldIndexingOptions              { return f.options }
func (f *field) AnalyzedLength() int                                   { return f.length }
func (f *field) AnalyzedTokenFrequencies() bleveindex.TokenFrequencies { return f.terms }
func (f *field) NumPlainTextBytes() uint64                             { return uint64(len(f.value)) }

// newDocument makes the document of a call.
func newDocument(a *analyzer, c *call.Call) *document {
	d := &document{id: c.Key.String()}
	d.texts(a, c)
	d.keywords(c)
	d.keyword(keyOrders, optionsColumn, orderTerm(c))
	d.keyword(keyFacets, optionsColumn, facetTerm(c))
	return d
}

// texts adds the text fields, those with little in them first: the words of a
// document are limited.
func (d *document) texts(a *analyzer, c *call.Call) {
	var agent, customer, rest []string
	summary, note := present(c.Summary), present(c.Note)
	rest = append(rest, present(c.AgentName, c.ContactName, c.ContactEmail, c.CampaignName)...)
	rest = append(rest, c.Topics...)
	rest = append(rest, summary...)
	rest = append(rest, note...)
	for i := range c.Transcript {
		switch turn := &c.Transcript[i]; turn.Speaker {
		case call.SpeakerAgent:
			agent = append(agent, turn.Text)
		case call.SpeakerCustomer:
			customer = append(customer, turn.Text)
		default:
			rest = append(rest, turn.Text)
		}
	}
	d.text(a, textTopic, c.Topics)
	d.text(a, textSummary, summary)
	d.text(a, textNote, note)
	d.text(a, textRest, rest)
	d.text(a, textAgent, agent)
	d.text(a, textCustomer, customer)
}

func present(values ...*string) []string {
	var out []string
	for _, v := range values {
		if v != nil {
			out = append(out, *v)
		}
	}
	return out
}

// How much of a call can be found. A vendor that sends more must not wear out
// the index: in memory a word costs it some 140 bytes, and a different one some
// 600 more.
const (
	maxFieldBytes = 1 << 20 // of text, of one field
	maxTextWords  = 1 << 18 // of all fields: nearly thirty hours of speech
	maxDistinct   = 1 << 16 // different ones, of each field and its stems
	maxPlaces     = 1 << 14 // of the same word in one field
)

// text adds a text field and its stems. Positions jump between pieces, so that
// no phrase reaches from one into the next.
func (d *document) text(a *analyzer, name string, pieces []string) {
	if len(pieces) == 0 {
		return
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	position, room := 0, maxFieldBytes
	for _, piece := range pieces {
		if len(piece) > room {
			piece, d.cut = strings.ToValidUTF8(piece[:room], ""), true
		}
		room -= len(piece)
		d.bytes += len(piece)
		a.each(piece, func(_, _ int, w *word) bool {
			if d.words+len(s.words) >= maxTextWords || d.terms+len(s.terms)+len(s.stems) >= maxDistinct {
				d.cut = true
				return false
			}
			d.cut = !s.add(w, position) || d.cut
			position++
			return true
		})
		position++
	}
	if len(s.words) == 0 {
		return
	}
	d.words, d.terms = d.words+len(s.words), d.terms+len(s.terms)+len(s.stems)
	d.fields = append(d.fields, field{name: name, options: optionsText, length: len(s.words), terms: s.frequencies()})
	if len(s.stems) > 0 {
		d.fields = append(d.fields, field{name: name + stemsOf, options: optionsStem, length: len(s.words), terms: s.stemFrequencies()})
	}
}

// scratch is memory that serves one text field after the other; one call has a
// thousand words, and an index millions of calls.
type scratch struct {
	words     []*word
	positions []int // from 0
	numbers   map[string]int
	terms     []*word // by number
	counts    []int   // by number
	termOf    []int   // by place in words
	stems     map[string]int
}

// release makes s ready for the next field. One that grew large is not worth
// keeping.
func (s *scratch) release() {
	if len(s.words) > maxTextWords/16 {
		return
	}
	defer scratches.Put(s)
	clear(s.numbers)
	clear(s.stems)
	s.words, s.positions = s.words[:0], s.positions[:0]
	s.terms, s.counts, s.termOf = s.terms[:0], s.counts[:0], s.termOf[:0]
}

// add notes one word of the text, unless it stood there often enough.
func (s *scratch) add(w *word, position int) bool {
	n, ok := s.numbers[w.term]
	if !ok {
		n = len(s.terms)
		s.numbers[w.term] = n
		s.terms, s.counts = append(s.terms, w), append(s.counts, 0)
	} else if s.counts[n] >= maxPlaces {
		return false
	}
	s.counts[n]++
	s.words, s.positions, s.termOf = append(s.words, w), append(s.positions, position), append(s.termOf, n)
	for _, stem := range w.stems {
		s.stems[stem]++
	}
	return true
}

var scratches = sync.Pool{New: func() any { return &scratch{numbers: map[string]int{}, stems: map[string]int{}} }}

// places are locations shared by all documents: Bleve only reads them, and of
// ours nothing but the position counts.
var places = newPlaces(1 << 14)

func newPlaces(n int) []bleveindex.TokenLocation {
	out := make([]bleveindex.TokenLocation, n)
	for i := range out {
		out[i].Position = i + 1
	}
	return out
}

func place(position int) *bleveindex.TokenLocation {
	if position < len(places) {
		return &places[position]
	}
	return &bleveindex.TokenLocation{Position: position + 1}
}

// frequencies groups the words by term.
func (s *scratch) frequencies() bleveindex.TokenFrequencies {
	slab := make([]bleveindex.TokenFreq, len(s.terms))
	pointers := make([]*bleveindex.TokenLocation, len(s.words))
	out := make(bleveindex.TokenFrequencies, len(s.terms))
	from := 0
	for n, w := range s.terms {
		slab[n].Term, slab[n].Locations = w.bytes, pointers[from:from:from+s.counts[n]]
		slab[n].SetFrequency(s.counts[n])
		from += s.counts[n]
		out[w.term] = &slab[n]
	}
	for i, n := range s.termOf {
		slab[n].Locations = append(slab[n].Locations, place(s.positions[i]))
	}
	return out
}

func (s *scratch) stemFrequencies() bleveindex.TokenFrequencies {
	slab := make([]bleveindex.TokenFreq, 0, len(s.stems))
	out := make(bleveindex.TokenFrequencies, len(s.stems))
	for stem, n := range s.stems {
		slab = append(slab, bleveindex.TokenFreq{Term: []byte(stem)})
		slab[len(slab)-1].SetFrequency(n)
		out[stem] = &slab[len(slab)-1]
	}
	return out
}

func (d *document) keywords(c *call.Call) {
	id, key := strings.ToLower(string(c.ID)), strings.ToLower(c.Key.String())
	d.keyword(keyID, optionsKeyword, id, key)
	d.keyword(keySource, optionsKeyword, string(c.Source))
	d.optional(keyAgentID, c.AgentID)
	d.lower(keyAgent, c.AgentName)
	d.optional(keyCampaignID, c.CampaignID)
	d.lower(keyCampaign, c.CampaignName)
	d.optional(keyContactID, c.ContactID)
	d.optional(keyUserID, c.UserID)
	d.optional(keyOutcome, c.Outcome)
	d.optional(keySentiment, c.SentimentLabel)
	if c.Direction != nil {
		d.keyword(keyDirection, optionsKeyword, string(*c.Direction))
	}
	if c.Status != nil {
		d.keyword(keyStatus, optionsKeyword, string(*c.Status))
	}
	d.keyword(keyPhone, optionsKeyword, phoneTerms(c)...)
	d.keyword(keyPart, optionsKeyword, partTerm(call.PartTranscript, c.Parts.Transcript),
		partTerm(call.PartSummary, c.Parts.Summary), partTerm(call.PartRecording, c.Parts.Recording))
	var flags []string
	if c.Settled {
		flags = append(flags, flagSettled)
	}
	if c.DeletedUpstreamAt != nil {
		flags = append(flags, flagDeleted)
	}
	if d.cut {
		flags = append(flags, flagCut)
	}
	d.keyword(keyFlag, optionsKeyword, flags...)
}

func partTerm(part call.PartName, state call.State) string { return string(part) + "=" + string(state) }

func (d *document) optional(name string, value *string) {
	if value != nil && *value != "" {
		d.keyword(name, optionsKeyword, *value)
	}
}

func (d *document) lower(name string, value *string) {
	if value != nil && *value != "" {
		d.keyword(name, optionsKeyword, strings.ToLower(*value))
	}
}

// keyword adds a field of terms that are not words.
func (d *document) keyword(name string, options bleveindex.FieldIndexingOptions, terms ...string) {
	if len(terms) == 0 {
		return
	}
	f := field{name: name, options: options, length: len(terms), terms: make(bleveindex.TokenFrequencies, len(terms))}
	for _, term := range terms {
		freq := &bleveindex.TokenFreq{Term: []byte(term)}
		freq.SetFrequency(1)
		f.terms[term] = freq
	}
	if options.IsStored() {
		f.value = []byte(terms[0])
	}
	d.fields = append(d.fields, f)
}

// orderTerm is what a call is ordered by, in each of the orders.
func orderTerm(c *call.Call) string {
	var out []byte
	for _, by := range orders {
		out = appendRank(out, rankIn(by, c))
	}
	return string(out)
}

func rankIn(by call.OrderBy, c *call.Call) uint64 {
	started := c.Time()
	at := map[call.OrderBy]*time.Time{call.ByStarted: &started, call.ByEnded: c.EndedAt, call.ByCreated: c.CreatedAt}[by]
	switch {
	case at != nil:
		return rankOf(clampNanos(*at))
	case by == call.ByDuration && c.DurationSeconds != nil:
		return rankOf(numeric.Float64ToInt64(*c.DurationSeconds))
	}
	return absentRank
}

// The times an index can order by; others are taken for the nearest of them.
var minTime, maxTime = time.Unix(0, -1<<63).UTC(), time.Unix(0, 1<<63-1).UTC()

func clampNanos(t time.Time) int64 {
	switch {
	case t.Before(minTime):
		t = minTime
	case t.After(maxTime):
		t = maxTime
	}
	return t.UnixNano()
}

// textBytes is how much text a call has.
func textBytes(c *call.Call) int {
	n := 0
	for i := range c.Transcript {
		n += len(c.Transcript[i].Text)
	}
	for _, text := range present(c.Summary, c.Note, c.AgentName, c.ContactName, c.ContactEmail, c.CampaignName) {
		n += len(text)
	}
	for _, topic := range c.Topics {
		n += len(topic)
	}
	return n
}
