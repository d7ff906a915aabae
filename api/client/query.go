package client

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// params are the query parameters of a request.
type params url.Values

// add leaves an empty value out.
func (p params) add(name, value string) {
	if value != "" {
		url.Values(p).Add(name, value)
	}
}

// comma keeps a value that holds commas one value.
var comma = strings.NewReplacer(`\`, `\\`, `,`, `\,`)

func addAll[T ~string](p params, name string, values []T) {
	for _, v := range values {
		p.add(name, comma.Replace(string(v)))
	}
}

func (p params) filter(f call.Filter) {
	addAll(p, "source", f.Source)
	addAll(p, "agent", f.Agent)
	addAll(p, "agent_id", f.AgentID)
	addAll(p, "campaign", f.Campaign)
	addAll(p, "campaign_id", f.CampaignID)
	addAll(p, "contact_id", f.ContactID)
	addAll(p, "user_id", f.UserID)
	addAll(p, "phone", f.Phone)
	addAll(p, "direction", f.Direction)
	addAll(p, "status", f.Status)
	addAll(p, "outcome", f.Outcome)
	addAll(p, "sentiment", f.Sentiment)
	addAll(p, "has", f.Has)
	p.moment("from", f.From)
	p.moment("to", f.To)
	p.seconds("min_duration", f.MinDuration)
	p.seconds("max_duration", f.MaxDuration)
	p.boolean("settled", f.Settled)
	p.boolean("deleted_upstream", f.DeletedUpstream)
}

func (p params) moment(name string, t time.Time) {
	if !t.IsZero() {
		p.add(name, t.UTC().Format(time.RFC3339Nano))
	}
}

func (p params) seconds(name string, n *float64) {
	if n != nil {
		p.add(name, strconv.FormatFloat(*n, 'f', -1, 64))
	}
}

func (p params) boolean(name string, b *bool) {
	if b != nil {
		p.add(name, strconv.FormatBool(*b))
	}
}

// page leaves the limit to the API when it is 0.
func (p params) page(limit int, after string) {
	if limit != 0 {
		p.add("limit", strconv.Itoa(limit))
	}
	p.add("cursor", after)
}

// sort says the order of a search; the API has two ways to.
func (p params) sort(q call.SearchQuery) {
	if q.OrderBy == "" {
		p.add("sort", q.Sort)
		return
	}
	p.add("order_by", string(q.OrderBy))
	if q.Sort == "oldest" {
		p.add("order", "asc")
	}
}

func (p params) show(s Show, mostRecent bool) {
	p.add("fields", s.Fields)
	addAll(p, "include", s.Include)
	if mostRecent {
		p.add("most_recent", "true")
	}
}

// callPath is the path of one call. The id is one segment, whatever it holds;
// dots are escaped when they would be a step to another folder.
func callPath(key call.Key) string {
	id := url.PathEscape(string(key.ID))
	if id == "." || id == ".." {
		id = strings.ReplaceAll(id, ".", "%2E")
	}
	return "/v1/calls/" + url.PathEscape(string(key.Source)) + "/" + id
}
