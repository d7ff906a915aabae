package api

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

// paramsKey is where an operation keeps its table of query parameters.
const paramsKey = "params"

const (
	defaultLimit = 25
	maxLimit     = 200
	maxWait      = time.Minute
	// maxValues of one filter are compared with every call there is.
	maxValues = 64
	// maxStatements of one source are in an answer; the store keeps no more.
	maxStatements = 100
)

const (
	sortRelevance = "relevance"
	sortNewest    = "newest"
	sortOldest    = "oldest"
	fieldsLight   = "light"
	fieldsFull    = "full"
)

// param is one query parameter: how it is documented and how it is read.
type param struct {
	name   string
	doc    string
	schema *huma.Schema
	// many parameters may be repeated or hold several values with commas.
	many bool
	// together values are all meant, rather than alternatives.
	together bool
	// empty parameters may be given without a value.
	empty bool
	// read takes one value and answers what it should have been; empty when
	// it is right.
	read func(q *query, v string) (want string)
}

var filterParams = []param{
	many("source", "name of a source", sources(func(q *query, v call.SourceID) { q.filter.Source = append(q.filter.Source, v) })),
	many("agent", "agent by name or id", texts(func(q *query) *[]string { return &q.filter.Agent })),
	many("agent_id", "agent by id", texts(func(q *query) *[]string { return &q.filter.AgentID })),
	many("campaign", "campaign by name or id", texts(func(q *query) *[]string { return &q.filter.Campaign })),
	many("campaign_id", "campaign by id", texts(func(q *query) *[]string { return &q.filter.CampaignID })),
	many("contact_id", "contact by id", texts(func(q *query) *[]string { return &q.filter.ContactID })),
	many("user_id", "user by id", texts(func(q *query) *[]string { return &q.filter.UserID })),
	many("phone", "phone number of either side in any notation; only its digits matter", phones),
	choices("direction", "direction of the call", func(q *query, v call.Direction) { q.filter.Direction = append(q.filter.Direction, v) },
		call.Inbound, call.Outbound, call.Web, call.DirectionUnknown),
	choices("status", "normalized status", func(q *query, v call.Status) { q.filter.Status = append(q.filter.Status, v) }, call.Statuses...),
	many("outcome", "result of the call in the vendor's word", texts(func(q *query) *[]string { return &q.filter.Outcome })),
	choices("sentiment", "sentiment label", func(q *query, v string) { q.filter.Sentiment = append(q.filter.Sentiment, v) },
		"positive", "neutral", "negative"),
	moment("from", "earliest start, inclusive: RFC 3339, or a date meaning its midnight in UTC", func(q *query) *time.Time { return &q.filter.From }),
	moment("to", "latest start, exclusive: RFC 3339, or a date meaning its midnight in UTC", func(q *query) *time.Time { return &q.filter.To }),
	seconds("min_duration", "shortest length in seconds, inclusive", func(q *query) **float64 { return &q.filter.MinDuration }),
	seconds("max_duration", "longest length in seconds, inclusive", func(q *query) **float64 { return &q.filter.MaxDuration }),
	choices("has", "parts that must be stored, all of them", func(q *query, v call.PartName) { q.filter.Has = append(q.filter.Has, v) },
		call.PartTranscript, call.PartRecording, call.PartSummary),
	boolean("settled", "whether no part is pending any more", func(q *query, v bool) { q.filter.Settled = &v }),
	boolean("deleted_upstream", "whether the vendor no longer has the call", func(q *query, v bool) { q.filter.DeletedUpstream = &v }),
}

var pageParams = []param{
	{name: "limit", doc: "most rows in one answer; very long full calls come fewer at a time", schema: whole(1, maxLimit, defaultLimit), read: limits(maxLimit)},
	{name: "cursor", doc: "next_cursor of the previous answer", schema: text(), read: func(q *query, v string) string {
		q.cursor = v
		return ""
	}},
}

var viewParams = []param{
	choice("fields", "light leaves out transcript and metadata", func(q *query, v string) { q.fields = v }, fieldsLight, fieldsFull),
	choices("include", "what to show besides: transcript, metadata, the vendor's documents as they are now (raw), every version seen, the parts with their reasons, every recording file",
		func(q *query, v string) { q.include = append(q.include, v) }, "transcript", "raw", "versions", "metadata", "parts", "recordings"),
}

var orderParams = []param{
	choice("order", "direction of the list; desc by default", func(q *query, v string) { q.ascending = v == "asc" }, "asc", "desc"),
	choice("order_by", "what to sort by; started_at by default, but relevance in a search that has neither this nor order; calls without the value come last",
		func(q *query, v call.OrderBy) { q.orderBy = v }, call.ByStarted, call.ByEnded, call.ByCreated, call.ByDuration),
	boolean("most_recent", "true answers with only the newest match", func(q *query, v bool) { q.mostRecent = v }),
}

var callsParams = slices.Concat(filterParams, orderParams, pageParams, viewParams)

var searchParams = slices.Concat([]param{
	{name: "q", doc: `empty for all calls; words, all required, also with AND between them; "a phrase"; OR; -word or NOT word; word*; word~; fields agent: customer: summary: topic: note: id:; a phone number in any notation`,
		schema: text(), empty: true, read: func(q *query, v string) string {
			q.text = v
			return ""
		}},
	choice("sort", "order of the hits; relevance by default, newest when q is empty", func(q *query, v string) { q.sort = v }, sortRelevance, sortNewest, sortOldest),
}, filterParams, orderParams, []param{
	facetsParam(),
}, pageParams, viewParams)

func facetsParam() param {
	p := choices("facets", "what to count among all matches: the answer holds every value with its number of calls",
		func(q *query, v string) { q.facets = append(q.facets, v) }, call.FacetNames...)
	p.together = true
	return p
}

var statsParams = slices.Concat([]param{
	choice("by", "length of a period, in UTC; a week begins on Monday; month by default", func(q *query, v string) { q.by = v }, "day", "week", "month"),
	choice("group", "split every period by this", func(q *query, v string) { q.group = v }, "source", "agent", "campaign"),
}, filterParams)

var transcriptParams = []param{
	choice("format", "json by default; vtt and srt need the vendor's times", func(q *query, v string) { q.format = v },
		formatJSON, formatText, formatVTT, formatSRT),
}

var recordingParams = []param{
	{name: "label", doc: "which recording of the call; main by default, the others by the label that include=recordings shows", schema: text(),
		read: func(q *query, v string) string {
			q.label = v
			return ""
		}},
}

var changesParams = []param{
	{name: "since", doc: "answer what comes after this entry; 0 by default", schema: whole(0, 0, 0), read: readSince},
	pageParams[0],
	{name: "wait", doc: "how long to wait for news when there is none: 30s or 30, at most 1m", schema: text(), read: readWait},
}

var gapsParams = slices.Concat([]param{
	{name: "source", doc: "name of a source", schema: text(), read: sources(func(q *query, v call.SourceID) { q.source = v })},
}, pageParams)

var statementsParams = []param{
	filterParams[0],
	{name: "limit", doc: "most statements of one source", schema: whole(1, maxStatements, 1), read: limits(maxStatements)},
}

// documented is the table as OpenAPI shows it.
func documented(table []param) []*huma.Param {
	var out []*huma.Param
	for _, p := range table {
		schema := p.schema
		if p.many {
			schema = &huma.Schema{Type: huma.TypeArray, Items: schema}
			if p.together {
				p.doc += "; several values, repeated or with commas"
			} else {
				p.doc += `; several values, repeated or with commas, are alternatives (write a comma inside a value as \,)`
			}
		}
		out = append(out, &huma.Param{Name: p.name, In: "query", Description: p.doc, Schema: schema})
	}
	return out
}

func text() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

// whole is a whole number; most 0 means unbounded.
func whole(least, most, standard int) *huma.Schema {
	low, high := float64(least), float64(most)
	s := &huma.Schema{Type: huma.TypeInteger, Minimum: &low, Default: standard}
	if most > 0 {
		s.Maximum = &high
	}
	return s
}

type reader func(q *query, v string) string

func many(name, doc string, read reader) param {
	return param{name: name, doc: doc, schema: text(), many: true, read: read}
}

func choice[T ~string](name, doc string, set func(*query, T), values ...T) param {
	schema := text()
	var words []string
	for _, v := range values {
		schema.Enum = append(schema.Enum, string(v))
		words = append(words, string(v))
	}
	want := "one of " + strings.Join(words, ", ")
	return param{name: name, doc: doc, schema: schema, read: func(q *query, v string) string {
		if !slices.Contains(values, T(v)) {
			return want
		}
		set(q, T(v))
		return ""
	}}
}

func choices[T ~string](name, doc string, set func(*query, T), values ...T) param {
	p := choice(name, doc, set, values...)
	p.many = true
	return p
}

func boolean(name, doc string, set func(*query, bool)) param {
	return param{name: name, doc: doc, schema: &huma.Schema{Type: huma.TypeBoolean}, read: func(q *query, v string) string {
		if v != "true" && v != "false" {
			return "true or false"
		}
		set(q, v == "true")
		return ""
	}}
}

func texts(field func(*query) *[]string) reader {
	return func(q *query, v string) string {
		list := field(q)
		*list = append(*list, v)
		return ""
	}
}

var sourceName = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func sources(set func(*query, call.SourceID)) reader {
	return func(q *query, v string) string {
		if !sourceName.MatchString(v) {
			return "the name of a source (a-z, 0-9 and -, at most 32)"
		}
		set(q, call.SourceID(v))
		return ""
	}
}

func phones(q *query, v string) string {
	if !strings.ContainsAny(v, "0123456789") {
		return "a phone number"
	}
	q.filter.Phone = append(q.filter.Phone, v)
	return ""
}

func moment(name, doc string, field func(*query) *time.Time) param {
	return param{name: name, doc: doc, schema: text(), read: func(q *query, v string) string {
		// A query string turns the + of a zone into a space.
		t, err := time.Parse(time.RFC3339, strings.Replace(v, " ", "+", 1))
		if err != nil {
			t, err = time.Parse(time.DateOnly, v)
		}
		if err != nil {
			return "a date (2025-12-01) or an RFC 3339 time (2025-12-01T09:30:00Z)"
		}
		*field(q) = t.UTC()
		return ""
	}}
}

var plainNumber = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?$`)

func seconds(name, doc string, field func(*query) **float64) param {
	least := 0.0
	schema := &huma.Schema{Type: huma.TypeNumber, Minimum: &least}
	return param{name: name, doc: doc, schema: schema, read: func(q *query, v string) string {
		n, err := strconv.ParseFloat(v, 64)
		if err != nil || !plainNumber.MatchString(v) {
			return "a number of seconds"
		}
		*field(q) = &n
		return ""
	}}
}

func limits(most uint64) reader {
	return func(q *query, v string) string {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil || n < 1 || n > most {
			return "a whole number from 1 to " + strconv.FormatUint(most, 10)
		}
		q.limit = int(n)
		return ""
	}
}

func readSince(q *query, v string) string {
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return "the number of a change (0 for all)"
	}
	q.since = n
	return ""
}

func readWait(q *query, v string) string {
	if plainNumber.MatchString(v) {
		v += "s"
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 || d > maxWait {
		return "a time from 0s to 60s"
	}
	q.wait = d
	return ""
}

// operation starts the description of one request.
func operation(method, path, id, summary string, table []param) huma.Operation {
	op := huma.Operation{
		Method: method, Path: path, OperationID: id, Summary: summary,
		Parameters: documented(table),
		Metadata:   map[string]any{paramsKey: table},
		// The body is read before, within the server's own time limit. huma's
		// limit would pass while the handler works, which net/http takes for a
		// client that left.
		BodyReadTimeout: -1,
		MaxBodyBytes:    maxBodyBytes + 1,
		Security:        []map[string][]string{{"token": {}}, {"session": {}}},
	}
	if method == http.MethodPost {
		op.Errors = []int{http.StatusBadRequest, http.StatusUnsupportedMediaType}
	}
	return op
}
