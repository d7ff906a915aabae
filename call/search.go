package call

import "time"

// SearchQuery asks for calls whose words match.
type SearchQuery struct {
	// Text is in the query language of the API's q parameter.
	Text   string
	Filter Filter
	// Sort is "relevance" (default), "newest" or "oldest".
	Sort string
	// OrderBy is what "newest" and "oldest" go by, the highest and the lowest
	// first; default ByStarted. Absent values come last.
	OrderBy OrderBy
	Limit   int
	After   string // cursor of the previous answer
	// Facets names what to count among all matching calls: any of FacetNames.
	Facets []string
}

// FacetNames lists what a search can count.
var FacetNames = []string{"source", "agent", "campaign", "direction", "status", "sentiment", "month"}

// FacetCount is one value of a facet and the number of matching calls with it.
// A month is written "2026-03".
type FacetCount struct {
	Value string `json:"value"`
	Count int    `json:"count"`
}

// SearchResult is one page of hits.
type SearchResult struct {
	Hits     []Hit
	Total    int
	Next     string // cursor; empty at the end
	Coverage Coverage
	// Facets holds the counts asked for, most frequent first (months: newest first).
	Facets map[string][]FacetCount
}

// Hit is one matching call.
type Hit struct {
	Call     Call
	Score    float64
	Snippets []Snippet
}

// Snippet is a stretch of a call's text that matches, best first.
type Snippet struct {
	// Part is "transcript", "summary", "note" or "topic".
	Part string `json:"part"`
	// Turn is the index into the transcript; nil for other parts.
	Turn    *int     `json:"turn"`
	Speaker *Speaker `json:"speaker"`
	Text    string   `json:"text"`
	// Marks are half-open [start, end) offsets into Text, in runes, of the
	// matched words, ascending and not overlapping.
	Marks        [][2]int `json:"marks"`
	StartSeconds *float64 `json:"start_seconds"`
}

// Coverage says how much of the archive an answer speaks for.
type Coverage struct {
	// Calls is the number of calls the filters select.
	Calls int `json:"calls"`
	// Searchable is how many of them were searched with everything that can be
	// searched in them.
	Searchable int             `json:"searchable"`
	Waiting    CoverageWaiting `json:"waiting"`
	// TooLong is how many were searched in part only, because their text goes
	// beyond what the index takes of one call.
	TooLong int `json:"too_long"`
	// AsOf is the moment whose archive was searched.
	AsOf time.Time `json:"as_of"`
}

// CoverageWaiting counts calls that could not be searched fully.
type CoverageWaiting struct {
	Transcript int `json:"transcript"` // their transcript is pending
	Index      int `json:"index"`      // not yet in the index, or changed since
}

// QueryError is a mistake in the text of a search.
type QueryError struct {
	// Position is the rune offset in the text where the mistake was noticed.
	Position int
	Message  string
}

func (e *QueryError) Error() string { return e.Message }

// StatsQuery asks for figures over time.
type StatsQuery struct {
	Filter Filter
	By     string // day, week (Monday first) or month, in UTC
	// Group splits every period by source, agent or campaign; empty for no split.
	Group string
}

// Stats is one period of one group.
type Stats struct {
	// Period is the first day of it, "2026-03-01".
	Period string `json:"period"`
	// Group is the source, agent or campaign; nil when not split or unknown.
	Group       *string `json:"group"`
	Calls       int     `json:"calls"`
	TalkSeconds float64 `json:"talk_seconds"`
	// Sentiments counts the labels; calls without one are in none of them.
	Positive int `json:"positive"`
	Neutral  int `json:"neutral"`
	Negative int `json:"negative"`
	// ScoreMean is the mean sentiment score of the calls that have one; nil when none has.
	ScoreMean *float64 `json:"score_mean"`
}
