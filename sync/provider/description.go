package provider

import (
	"time"

	"callsyncd/call"
)

// formatVersion is the only value of a description's "format" key.
const formatVersion = "callsyncd.provider/1"

// interpreterVersion changes whenever this package maps the same documents
// differently, so that stored calls are mapped anew.
const interpreterVersion = "1"

// Description is a checked vendor description. It is immutable and safe for
// concurrent use.
type Description struct {
	spec spec
	hash string // identifies the text and the interpreter
	// documents are the names of all documents of a call: "list", then the steps in order.
	documents []string
	steps     map[string]*step
	words     words
}

// Name is the description's own name, such as "acme".
func (d *Description) Name() string { return d.spec.Name }

// Title is the vendor's name for people.
func (d *Description) Title() string { return d.spec.Title }

// BaseURL is where the vendor's API is found unless configured otherwise.
func (d *Description) BaseURL() string { return d.spec.BaseURL }

// Credential is one secret a description asks for.
type Credential struct {
	Name     string
	Optional bool
	Help     string // where to find it; may be empty
}

// Credentials lists what the vendor needs to let us in, sorted by name.
func (d *Description) Credentials() []Credential {
	list := make([]Credential, 0, len(d.spec.Credentials))
	for _, name := range sortedKeys(d.spec.Credentials) {
		c := d.spec.Credentials[name]
		list = append(list, Credential{Name: name, Optional: c.Optional, Help: c.Help})
	}
	return list
}

// Budgets are the vendor's documented request limits; all apply at once.
func (d *Description) Budgets() []call.RateLimit {
	limits := make([]call.RateLimit, 0, len(d.spec.Budgets))
	for _, b := range d.spec.Budgets {
		limits = append(limits, call.RateLimit{Requests: b.Requests, Per: time.Duration(b.Per)})
	}
	return limits
}

// The types below are the format itself: the YAML decoder, the JSON schema and
// docs/provider-format.md all follow them. A field without omitempty is
// required.

type spec struct {
	Format      string                     `json:"format" jsonschema:"Version of the format: callsyncd.provider/1."`
	Name        string                     `json:"name" jsonschema:"Short name: lower-case letters, digits and hyphens."`
	Title       string                     `json:"title" jsonschema:"The vendor's name for people."`
	BaseURL     string                     `json:"base_url" jsonschema:"Where the API begins: https, no query."`
	Credentials map[string]credential      `json:"credentials,omitempty" jsonschema:"Secrets the API asks for, by name."`
	Headers     map[string]string          `json:"headers,omitempty" jsonschema:"Headers sent to the API; {name} inserts a credential."`
	Budgets     []budget                   `json:"budgets,omitempty" jsonschema:"Documented request limits; all apply at once."`
	Error       *answerExpr                `json:"error,omitempty" jsonschema:"Takes the message out of an error answer."`
	Envelope    *pathExpr                  `json:"envelope,omitempty" jsonschema:"Path to the content of every good answer; default the whole answer."`
	List        list                       `json:"list" jsonschema:"The list of calls."`
	Item        *request                   `json:"item,omitempty" jsonschema:"Reads one call in the shape of a list item; its answer replaces the document list."`
	Steps       []*step                    `json:"steps,omitempty" jsonschema:"Further documents of a call, in the order they are fetched."`
	Volatile    map[string][]*volatileExpr `json:"volatile,omitempty" jsonschema:"Paths that change without meaning anything, by document: signed URLs and the like."`
	Renew       renewals                   `json:"renew,omitempty" jsonschema:"Steps to fetch again while a part is pending."`
	Relink      []string                   `json:"relink,omitempty" jsonschema:"What to re-read for a fresh recording URL, in order until one has it: item, or steps the call has."`
	Values      values                     `json:"values,omitempty" jsonschema:"Words of this vendor beyond the usual ones."`
	Map         mapping                    `json:"map" jsonschema:"Where each field of a call is found."`
	Transcript  transcript                 `json:"transcript,omitempty" jsonschema:"Where the transcript is found."`
	Summary     evidence                   `json:"summary,omitempty" jsonschema:"What proves the summary absent or promised."`
	Recording   recording                  `json:"recording,omitempty" jsonschema:"Where the recording's URL is found."`
	Lookups     map[string]*lookup         `json:"lookups,omitempty" jsonschema:"Tables that name what calls refer to by id."`
}

type credential struct {
	Optional bool   `json:"optional,omitempty" jsonschema:"May be left out."`
	Help     string `json:"help,omitempty" jsonschema:"Where to find it."`
	Public   bool   `json:"public,omitempty" jsonschema:"An id rather than a secret: the vendor's answers may show it."`
}

type budget struct {
	Requests int  `json:"requests" jsonschema:"How many requests."`
	Per      span `json:"per" jsonschema:"In which time: second, minute, hour, day or a duration."`
}

// request is one HTTP request. {id} in Path and in Body strings stands for the
// call's id.
type request struct {
	Method string            `json:"method,omitempty" jsonschema:"GET (default) or POST."`
	Path   string            `json:"path" jsonschema:"Path below base_url; {id} inserts the call's id."`
	Query  map[string]string `json:"query,omitempty" jsonschema:"Fixed query parameters."`
	Body   map[string]any    `json:"body,omitempty" jsonschema:"Fixed fields of the JSON body of a POST; {id} inserts the call's id."`
	Unwrap *pathExpr         `json:"unwrap,omitempty" jsonschema:"Path to the content of the answer, below the envelope."`
}

type list struct {
	request
	Items     *pathExpr   `json:"items" jsonschema:"Path to the array of calls."`
	ID        *answerExpr `json:"id" jsonschema:"The id of an item."`
	CreatedAt *answerExpr `json:"created_at,omitempty" jsonschema:"The creation time of an item."`
	UpdatedAt *answerExpr `json:"updated_at,omitempty" jsonschema:"The time of an item's last change."`
	Paging    *paging     `json:"paging" jsonschema:"How pages follow each other."`
	Window    *window     `json:"window,omitempty" jsonschema:"Parameters that bound the list by time."`
	Order     *order      `json:"order,omitempty" jsonschema:"The promised order of the list; left out when nothing is promised."`
}

type paging struct {
	Kind     pagingKind  `json:"kind" jsonschema:"page, offset, cursor or next_url."`
	Position string      `json:"position,omitempty" jsonschema:"Parameter with the page number, offset or cursor."`
	First    *int        `json:"first,omitempty" jsonschema:"Number of the first page; default 1."`
	Size     string      `json:"size,omitempty" jsonschema:"Parameter with the page size."`
	Rows     int         `json:"rows" jsonschema:"Rows to ask for."`
	MinRows  int         `json:"min_rows,omitempty" jsonschema:"Smallest useful page when pages time out; default rows."`
	Echo     *answerExpr `json:"echo,omitempty" jsonschema:"The page size the vendor says it used."`
	Total    *answerExpr `json:"total,omitempty" jsonschema:"The vendor's count of the whole list."`
	More     *answerExpr `json:"more,omitempty" jsonschema:"Whether further pages exist."`
	Next     *answerExpr `json:"next,omitempty" jsonschema:"The next cursor or the next page's URL; null at the end."`
}

type window struct {
	From    string     `json:"from,omitempty" jsonschema:"Parameter with the earliest time."`
	To      string     `json:"to,omitempty" jsonschema:"Parameter with the latest time."`
	Format  timeFormat `json:"format" jsonschema:"rfc3339, date or unix."`
	Overlap span       `json:"overlap,omitempty" jsonschema:"How far before the last known call a window begins."`
}

type order struct {
	By orderField `json:"by" jsonschema:"created_at or updated_at."`
	Is orderKind  `json:"is" jsonschema:"newest_first or oldest_first."`
}

type step struct {
	Name string `json:"name" jsonschema:"Name of the document; $name in expressions."`
	request
	Merge    bool      `json:"merge,omitempty" jsonschema:"The document is a fuller copy of the list item: its fields join those of the item."`
	OnDemand bool      `json:"on_demand,omitempty" jsonschema:"Fetched only when relink asks for it."`
	When     *callExpr `json:"when,omitempty" jsonschema:"Whether the call has this document; default always. Live calls have no steps."`
	Check    *check    `json:"check,omitempty" jsonschema:"Fetch only a sample, to see whether it holds more of the transcript than another document."`
	Missing  []missing `json:"missing,omitempty" jsonschema:"Answers that say the content is not there."`
}

type check struct {
	Against string `json:"against" jsonschema:"The document that usually suffices."`
	First   int    `json:"first" jsonschema:"Check this many calls first."`
	Every   int    `json:"every" jsonschema:"Then every n-th call."`
}

type missing struct {
	Status int         `json:"status" jsonschema:"404 or 410."`
	Means  absence     `json:"means" jsonschema:"never or not_yet."`
	When   *answerExpr `json:"when,omitempty" jsonschema:"Condition on the error answer."`
}

type renewals struct {
	Transcript []string `json:"transcript,omitempty" jsonschema:"Steps that may bring the transcript."`
	Summary    []string `json:"summary,omitempty" jsonschema:"Steps that may bring the summary."`
	Recording  []string `json:"recording,omitempty" jsonschema:"Steps that may bring the recording."`
}

type values struct {
	Direction map[string]string `json:"direction,omitempty" jsonschema:"Word of the vendor: inbound, outbound or web."`
	Status    map[string]string `json:"status,omitempty" jsonschema:"Word of the vendor: a normalized status."`
	Sentiment map[string]string `json:"sentiment,omitempty" jsonschema:"Word of the vendor: positive, neutral or negative."`
	Speaker   map[string]string `json:"speaker,omitempty" jsonschema:"Word of the vendor: agent, customer or other."`
}

type mapping struct {
	Direction            *callExpr `json:"direction,omitempty" jsonschema:"inbound, outbound or web."`
	Status               *callExpr `json:"status,omitempty" jsonschema:"How the call stands or ended."`
	Outcome              *callExpr `json:"outcome,omitempty" jsonschema:"What the vendor itself called the result."`
	Phone                *callExpr `json:"phone,omitempty" jsonschema:"The other party."`
	FromNumber           *callExpr `json:"from_number,omitempty" jsonschema:"Calling number."`
	ToNumber             *callExpr `json:"to_number,omitempty" jsonschema:"Called number."`
	AgentID              *callExpr `json:"agent_id,omitempty" jsonschema:"Text."`
	AgentName            *callExpr `json:"agent_name,omitempty" jsonschema:"Text."`
	UserID               *callExpr `json:"user_id,omitempty" jsonschema:"Text."`
	ContactID            *callExpr `json:"contact_id,omitempty" jsonschema:"Text."`
	ContactName          *callExpr `json:"contact_name,omitempty" jsonschema:"Text."`
	ContactEmail         *callExpr `json:"contact_email,omitempty" jsonschema:"Text."`
	CampaignID           *callExpr `json:"campaign_id,omitempty" jsonschema:"Text."`
	CampaignName         *callExpr `json:"campaign_name,omitempty" jsonschema:"Text."`
	StartedAt            *callExpr `json:"started_at,omitempty" jsonschema:"Time."`
	StartedAtApproximate *callExpr `json:"started_at_approximate,omitempty" jsonschema:"true when the creation time stands in for the start."`
	EndedAt              *callExpr `json:"ended_at,omitempty" jsonschema:"Time."`
	CreatedAt            *callExpr `json:"created_at,omitempty" jsonschema:"Time; default the list's created_at."`
	UpdatedAt            *callExpr `json:"updated_at,omitempty" jsonschema:"Time; default the list's updated_at."`
	DurationSeconds      *callExpr `json:"duration_seconds,omitempty" jsonschema:"Number."`
	Cost                 *callExpr `json:"cost,omitempty" jsonschema:"Number."`
	CostCurrency         *callExpr `json:"cost_currency,omitempty" jsonschema:"Text."`
	SentimentLabel       *callExpr `json:"sentiment_label,omitempty" jsonschema:"positive, neutral or negative."`
	SentimentScore       *callExpr `json:"sentiment_score,omitempty" jsonschema:"Number from -1 to 1."`
	Summary              *callExpr `json:"summary,omitempty" jsonschema:"Text."`
	Topics               *callExpr `json:"topics,omitempty" jsonschema:"Array of texts."`
	Note                 *callExpr `json:"note,omitempty" jsonschema:"Text."`
	Metadata             *callExpr `json:"metadata,omitempty" jsonschema:"Object with what else is worth keeping in view."`
}

// evidence holds conditions: true, or a word that becomes the reason.
type evidence struct {
	Absent   *callExpr `json:"absent,omitempty" jsonschema:"The vendor says there is none: true, or a word that gives the reason."`
	Promised *callExpr `json:"promised,omitempty" jsonschema:"The vendor says it exists: true, or a word that gives the reason."`
}

type transcript struct {
	evidence
	Sources []transcriptSource `json:"sources,omitempty" jsonschema:"Places of the transcript, best first."`
}

type transcriptSource struct {
	Document string    `json:"document" jsonschema:"list or a step."`
	Value    *callExpr `json:"value" jsonschema:"An array of turns or a text; '.' is the document."`
	Turns    turnForm  `json:"turns,omitempty" jsonschema:"Fields of a turn when it is an array."`
	Text     textForm  `json:"text,omitempty" jsonschema:"How turns are told apart when it is a text."`
}

type turnForm struct {
	Speaker []string `json:"speaker,omitempty" jsonschema:"Names of the field with the speaker, best first."`
	Text    []string `json:"text,omitempty" jsonschema:"Names of the field with the words, best first."`
	Start   []string `json:"start,omitempty" jsonschema:"Names of the field with the start, best first."`
	End     []string `json:"end,omitempty" jsonschema:"Names of the field with the end, best first."`
	Unit    timeUnit `json:"unit,omitempty" jsonschema:"seconds (default), milliseconds or auto."`
	// EndAtNext is for vendors that give starts only.
	EndAtNext bool `json:"end_at_next,omitempty" jsonschema:"A turn without end ends where the next one begins."`
}

type textForm struct {
	Forms  []textKind `json:"forms,omitempty" jsonschema:"brackets ([Label]: lines), lines (Label: lines) or paragraphs (Label: after a blank line)."`
	Labels []string   `json:"labels,omitempty" jsonschema:"Labels known in lines and paragraphs."`

	labels labels // Forms and Labels made ready
}

type recording struct {
	evidence
	Sources []linkSource `json:"sources,omitempty" jsonschema:"Places of the URL; of several the one read last is used, of those read at once the first."`
}

type linkSource struct {
	Document  string    `json:"document" jsonschema:"list or a step."`
	URL       *callExpr `json:"url" jsonschema:"The URL; '.' is the document."`
	ExpiresAt *callExpr `json:"expires_at,omitempty" jsonschema:"Time of its end."`
	ExpiresIn *callExpr `json:"expires_in,omitempty" jsonschema:"Seconds it lives from the moment it was given."`
	Identity  *callExpr `json:"identity,omitempty" jsonschema:"What stays the same for as long as the recording does; default the last part of the URL's path, null for nothing."`
	Lifetime  span      `json:"lifetime,omitempty" jsonschema:"Documented life when the answer does not say; without it one hour is guessed."`
	Several   *several  `json:"several,omitempty" jsonschema:"The list of all recordings of a call that may have more than one."`
}

type several struct {
	Items     *callExpr `json:"items" jsonschema:"The array of recordings, the main one among them; '.' is the document. In the other keys '.' is one of them."`
	Label     *callExpr `json:"label" jsonschema:"The name that tells one from the others; the one called main is the main one."`
	URL       *callExpr `json:"url" jsonschema:"Its URL."`
	ExpiresAt *callExpr `json:"expires_at,omitempty" jsonschema:"Time of the URL's end."`
	ExpiresIn *callExpr `json:"expires_in,omitempty" jsonschema:"Seconds the URL lives from the moment it was given."`
	Seconds   *callExpr `json:"seconds,omitempty" jsonschema:"Length of the audio in seconds."`
	Unsettled *callExpr `json:"unsettled,omitempty" jsonschema:"Condition: the URL may not serve the recording yet."`
}

type lookup struct {
	request
	Items  *pathExpr   `json:"items" jsonschema:"Path to the array of rows."`
	ID     *answerExpr `json:"id" jsonschema:"The id of a row."`
	Row    *answerExpr `json:"row" jsonschema:"What to keep of a row."`
	Paging *paging     `json:"paging,omitempty" jsonschema:"How pages follow each other; without it one request."`
}

// The closed vocabularies of the format.
type (
	pagingKind string
	timeFormat string
	orderField string
	orderKind  string
	absence    string
	timeUnit   string
	textKind   string
	span       time.Duration // a duration, or second, minute, hour, day
)

const (
	timeRFC3339 timeFormat = "rfc3339"
	timeDate    timeFormat = "date"
	timeUnix    timeFormat = "unix"

	absentNever  absence = "never"
	absentNotYet absence = "not_yet"

	unitSeconds      timeUnit = "seconds"
	unitMilliseconds timeUnit = "milliseconds"
	unitAuto         timeUnit = "auto"

	textBrackets   textKind = "brackets"
	textLines      textKind = "lines"
	textParagraphs textKind = "paragraphs"
)

// vocabulary lists the words each closed type takes.
var vocabulary = map[string][]string{
	"pagingKind": {string(call.PagingPage), string(call.PagingOffset), string(call.PagingCursor), string(call.PagingURL)},
	"timeFormat": {string(timeRFC3339), string(timeDate), string(timeUnix)},
	"orderField": {"created_at", "updated_at"},
	"orderKind":  {string(call.OrderNewestFirst), string(call.OrderOldestFirst)},
	"absence":    {string(absentNever), string(absentNotYet)},
	"timeUnit":   {string(unitSeconds), string(unitMilliseconds), string(unitAuto)},
	"textKind":   {string(textBrackets), string(textLines), string(textParagraphs)},
}
