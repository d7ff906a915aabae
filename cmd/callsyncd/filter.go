package main

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"callsyncd/api/client"
	"callsyncd/call"
)

// filters are the flags that select, order and page calls, the same for
// search, calls and export; stats only selects.
type filters struct {
	filter                   call.Filter
	sources, directions      []string
	statuses, has            []string
	from, to                 string
	minDuration, maxDuration length
	settled, deletedUpstream bool
	mostRecent               bool
	sort, order, orderBy     string
	limit                    int
	cursor                   string
}

// length is a flag for the length of a call, in seconds.
type length float64

// Set implements pflag.Value.
func (l *length) Set(text string) error {
	n, err := strconv.ParseFloat(text, 64)
	if d, durationErr := time.ParseDuration(text); durationErr == nil {
		n, err = d.Seconds(), nil
	}
	if err != nil || !(n >= 0 && n < 1e9) { // also not a number
		return errors.New("write seconds, such as 90, or a length such as 2m or 1h30m")
	}
	*l = length(n)
	return nil
}

// String implements pflag.Value; a flag that was not given has no default to show.
func (l *length) String() string {
	if *l == 0 {
		return ""
	}
	return strconv.FormatFloat(float64(*l), 'f', -1, 64)
}

// Type implements pflag.Value.
func (l *length) Type() string { return "seconds" }

// add defines the flags. sorts and limit are what the command says about
// --sort and --limit.
func (f *filters) add(c *cobra.Command, sorts, limit string) {
	f.addSelection(c)
	flags := c.Flags()
	flags.BoolVar(&f.mostRecent, "most-recent", false, "only the newest match")
	flags.StringVar(&f.sort, "sort", "", sorts)
	flags.StringVar(&f.order, "order", "", "asc or desc")
	flags.StringVar(&f.orderBy, "order-by", "", "started_at, ended_at, created_at or duration_seconds")
	flags.IntVar(&f.limit, "limit", 0, limit)
	flags.StringVar(&f.cursor, "cursor", "", "go on after an earlier answer, whose next_cursor this is")
}

// addSelection defines the flags that select calls.
func (f *filters) addSelection(c *cobra.Command) {
	flags := c.Flags()
	flags.StringSliceVar(&f.sources, "source", nil, "only calls of this `source`; may be repeated, like all filters with words")
	flags.StringArrayVar(&f.filter.Agent, "agent", nil, "agent by `name` or id")
	flags.StringArrayVar(&f.filter.AgentID, "agent-id", nil, "agent by `id`")
	flags.StringArrayVar(&f.filter.Campaign, "campaign", nil, "campaign by `name` or id")
	flags.StringArrayVar(&f.filter.CampaignID, "campaign-id", nil, "campaign by `id`")
	flags.StringArrayVar(&f.filter.ContactID, "contact-id", nil, "contact by `id`")
	flags.StringArrayVar(&f.filter.UserID, "user-id", nil, "user by `id`")
	flags.StringArrayVar(&f.filter.Phone, "phone", nil, "phone `number` of either side, in any notation")
	flags.StringVar(&f.from, "from", "", "begun at this `time` or later: "+whenForms)
	flags.StringVar(&f.to, "to", "", "begun before this `time`; a date means its first moment")
	flags.StringSliceVar(&f.directions, "direction", nil, "inbound, outbound, web or unknown")
	flags.StringSliceVar(&f.statuses, "status", nil, "completed, voicemail, no_answer, busy, failed, canceled ...")
	flags.StringArrayVar(&f.filter.Outcome, "outcome", nil, "result in the vendor's own `word`")
	flags.StringSliceVar(&f.filter.Sentiment, "sentiment", nil, "positive, neutral or negative")
	flags.StringSliceVar(&f.has, "has", nil, "parts that must be stored: transcript, recording, summary")
	flags.Var(&f.minDuration, "min-duration", "shortest length in `seconds`, or such as 2m or 1h30m")
	flags.Var(&f.maxDuration, "max-duration", "longest length in `seconds`, or such as 2m or 1h30m")
	flags.BoolVar(&f.settled, "settled", false, "only calls with nothing pending; --settled=false: only the others")
	flags.BoolVar(&f.deletedUpstream, "deleted-upstream", false, "only calls the vendor no longer has; =false: only the others")
}

// read understands the flags that are given, and refuses what the API would
// not even be asked.
func (f *filters) read(c *cobra.Command, now time.Time) error {
	given := c.Flags().Changed
	for _, bound := range []struct {
		flag, text string
		t          *time.Time
	}{{"from", f.from, &f.filter.From}, {"to", f.to, &f.filter.To}} {
		if !given(bound.flag) {
			continue
		}
		t, ok := parseWhen(bound.text, now)
		if !ok {
			return usageError("write "+whenForms, "--%s: %q is not a time", bound.flag, bound.text)
		}
		*bound.t = t
	}
	f.filter.Source = words[call.SourceID](f.sources)
	f.filter.Direction = words[call.Direction](f.directions)
	f.filter.Status = words[call.Status](f.statuses)
	f.filter.Has = words[call.PartName](f.has)
	if given("min-duration") {
		f.filter.MinDuration = (*float64)(&f.minDuration)
	}
	if given("max-duration") {
		f.filter.MaxDuration = (*float64)(&f.maxDuration)
	}
	if given("settled") {
		f.filter.Settled = &f.settled
	}
	if given("deleted-upstream") {
		f.filter.DeletedUpstream = &f.deletedUpstream
	}
	if given("limit") && f.limit < 1 {
		return usageError("", "--limit: %d is less than 1", f.limit)
	}
	return f.contradictions(given)
}

func words[T ~string](list []string) []T {
	out := make([]T, len(list))
	for i, s := range list {
		out[i] = T(s)
	}
	return out
}

func (f *filters) contradictions(given func(string) bool) error {
	if given("from") && given("to") && f.filter.To.Before(f.filter.From) {
		return usageError("", "--to must not be before --from")
	}
	if given("sort") && (given("order") || given("order-by")) {
		return usageError("", "--sort cannot be combined with --order or --order-by")
	}
	for _, flag := range []string{"sort", "order", "order-by", "cursor"} {
		if f.mostRecent && given(flag) {
			return usageError("", "--most-recent cannot be combined with --%s", flag)
		}
	}
	if f.order != "" && f.order != "asc" && f.order != "desc" {
		return usageError("", "--order: %q is not asc or desc", f.order)
	}
	return nil
}

// list is what the flags ask of a list.
func (f *filters) list() (client.ListOptions, error) {
	o := client.ListOptions{MostRecent: f.mostRecent}
	o.ListQuery = call.ListQuery{Filter: f.filter, OrderBy: call.OrderBy(f.orderBy), Ascending: f.order == "asc", Limit: f.limit, After: f.cursor}
	switch f.sort {
	case "", "newest":
	case "oldest":
		o.Ascending = true
	default:
		return o, usageError("", "--sort: %q is not newest or oldest", f.sort)
	}
	return o, nil
}

// search is what the flags ask of a search.
func (f *filters) search(text string) client.SearchOptions {
	o := client.SearchOptions{MostRecent: f.mostRecent}
	o.SearchQuery = call.SearchQuery{Text: text, Filter: f.filter, Sort: f.sort, Limit: f.limit, After: f.cursor}
	o.OrderBy = call.OrderBy(f.orderBy)
	switch {
	case f.order == "asc":
		o.Sort = "oldest"
	case f.order == "desc" || f.orderBy != "":
		o.Sort = "newest"
	}
	return o
}
