package simulator

import (
	"math"
	"time"
)

// Named is a fault that is chosen by its name.
type Named struct {
	Name string
	// What it does, in a line.
	What string
	// Usual is the share it is used with unless another is chosen.
	Usual float64
	// Lasting faults befall a vendor as a whole for a while; the others hit
	// single requests or calls.
	Lasting bool
	set     func(o *Options, share float64)
}

// Set makes the fault happen with a share from 0 to 1, beside those already set.
func (n Named) Set(o *Options, share float64) { n.set(o, share) }

// requestFaults concern the answers of the API.
var requestFaults = []Named{
	{"error_rate", "requests answered with 500", 0.15, false, func(o *Options, x float64) { o.Faults.ErrorRate = x }},
	{"connection_reset", "connections closed without an answer", 0.1, false, func(o *Options, x float64) { o.Faults.ConnectionReset = x }},
	{"slow_body", "answers whose second half comes late", 0.1, false, func(o *Options, x float64) { o.Faults.SlowBody = x }},
	{"truncated_json", "answers cut in the middle, with status 200", 0.1, false, func(o *Options, x float64) { o.Faults.TruncatedJSON = x }},
	{"html_instead_of_json", "a login page with status 200", 0.1, false, func(o *Options, x float64) { o.Faults.HTMLInsteadOfJSON = x }},
	{"too_many_requests", "429 with Retry-After in seconds", 0.15, false, tooMany("seconds")},
	{"too_many_requests_date", "429 with Retry-After as a date", 0.15, false, tooMany("date")},
	{"too_many_requests_nonsense", "429 with a Retry-After nobody can read", 0.15, false, tooMany("soon")},
	{"outage", "the vendor and its media host answer nobody", 1, true, func(o *Options, x float64) { o.Faults.Outage = x > 0 }},
	{"credentials_refused", "every request answered with 401", 1, true, refuseAll},
	{"clock_skew", "the Date header is up to an hour ahead", 1, true, func(o *Options, x float64) { o.Faults.ClockSkew = time.Duration(x * float64(time.Hour)) }},
}

// listFaults concern the list of calls and the shape of calls.
var listFaults = []Named{
	{"empty_list", "lists without a call and with a total of 0", 1, true, func(o *Options, x float64) { o.Faults.EmptyList = x }},
	{"hidden_rows", "lists that shrank: some calls are neither listed nor counted", 0.3, true, func(o *Options, x float64) { o.Faults.HiddenRows = x }},
	{"clamped_pages", "pages with fewer rows than asked for", 0.9, true, func(o *Options, x float64) { o.Faults.SmallPages = x }},
	{"looping_pages", "the first two pages over and over", 1, true, func(o *Options, x float64) { o.Faults.LoopingPages = x > 0 }},
	{"wrong_total", "totals that count up to ten calls too many", 0.7, true, func(o *Options, x float64) { o.Faults.WrongTotal = int(math.Ceil(x * 10)) }},
	{"ignored_filters", "lists as if no filter had been given", 1, true, func(o *Options, x float64) { o.Faults.IgnoreFilters = x > 0 }},
	{"shift_while_paging", "calls that arrive while the list is read", 0.5, false, func(o *Options, x float64) { o.Faults.ShiftWhilePaging = x }},
	{"vanish_while_paging", "calls deleted while the list is read", 0.3, false, func(o *Options, x float64) { o.Faults.VanishWhilePaging = x }},
	{"fields_vanish", "fields that are missing in every call", 0.2, true, func(o *Options, x float64) { o.Faults.FieldsVanish = x }},
	{"types_change", "fields that become another type in every call", 0.2, true, func(o *Options, x float64) { o.Faults.TypesChange = x }},
	{"transcript_not_found_once", "transcripts of recent calls answered with 404 the first time", 0.5, false, func(o *Options, x float64) { o.Faults.TranscriptNotFoundOnce = x }},
	{"late_parts", "new calls whose transcript, summary and recording come hours later", 0.4, false, func(o *Options, x float64) { o.Late = x }},
}

// mediaFaults concern recordings.
var mediaFaults = []Named{
	{"media_error_rate", "recordings answered with 503", 0.3, false, func(o *Options, x float64) { o.Faults.MediaErrorRate = x }},
	{"media_forbidden", "recordings answered with 403 and no reason", 0.3, false, func(o *Options, x float64) { o.Faults.MediaForbidden = x }},
	{"media_expires_early", "recording addresses that have expired when they are used", 0.3, false, func(o *Options, x float64) { o.Faults.MediaExpiresEarly = x }},
	{"media_truncated", "recordings whose connection ends in the middle", 0.2, false, func(o *Options, x float64) { o.Faults.MediaTruncated = x }},
	{"media_short", "half a recording as if that were all, without a checksum", 0.2, false, func(o *Options, x float64) { o.Faults.MediaShort = x }},
	{"media_empty", "recordings of no bytes", 0.2, false, func(o *Options, x float64) { o.Faults.MediaEmpty = x }},
	{"media_html", "an error page in place of a recording, with status 200", 0.2, false, func(o *Options, x float64) { o.Faults.MediaHTML = x }},
	{"media_wrong_type", "recordings said to be text", 0.2, false, func(o *Options, x float64) { o.Faults.MediaWrongType = x }},
	{"media_slow", "recordings whose second half comes late", 0.1, false, func(o *Options, x float64) { o.Faults.MediaSlow = x }},
}

// Catalog lists the faults that can be chosen by name.
func Catalog() []Named {
	var all []Named
	for _, group := range [][]Named{requestFaults, listFaults, mediaFaults} {
		all = append(all, group...)
	}
	return all
}

func tooMany(form string) func(*Options, float64) {
	return func(o *Options, share float64) {
		f := &o.Faults
		if f.TooManyRequests > 0 {
			f.RetryAfter += "|" + form
		} else {
			f.RetryAfter = form
		}
		f.TooManyRequests = max(f.TooManyRequests, share)
	}
}

func refuseAll(o *Options, share float64) {
	o.Faults.CredentialsRefused = nil
	for _, s := range specs(nil) {
		if share > 0 {
			o.Faults.CredentialsRefused = append(o.Faults.CredentialsRefused, s.name)
		}
	}
}
