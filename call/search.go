package call

import "time"

// SearchQuery asks for calls whose words match.
type SearchQuery struct {
	// Text is in the query language of the API's q parameter.
	Text   string
	Filter Filter
	// Sort is "relevance" (default), "newest" or "oldest".
	Sort  string
	Limit int
	After string // cursor of the previous answer
}

// SearchResult is one page of hits.
type SearchResult struct {
	Hits     []Hit
	Total    int
	Next     string // cursor; empty at the end
	Coverage Coverage
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
