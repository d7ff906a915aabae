package call

import "time"

// Filter selects calls. Empty fields do not filter; several fields must all
// match, several values of one field are alternatives.
type Filter struct {
	Source     []SourceID
	Agent      []string // agent name or id
	AgentID    []string
	Campaign   []string // campaign name or id
	CampaignID []string
	ContactID  []string
	UserID     []string
	// Phone matches the digits of phone, from_number or to_number; a number
	// without country code matches the end of a longer one.
	Phone     []string
	Direction []Direction
	Status    []Status
	Outcome   []string
	Sentiment []string
	// From is inclusive, To exclusive; both on Call.Time.
	From, To time.Time
	// MinDuration and MaxDuration are inclusive; nil means open.
	MinDuration, MaxDuration *float64 // seconds
	// Has lists parts that must be stored: transcript, recording, summary.
	Has             []PartName
	Settled         *bool
	DeletedUpstream *bool
}

// OrderBy names the time or length a list is sorted by.
type OrderBy string

// The sort fields of lists.
const (
	ByStarted  OrderBy = "started_at"
	ByEnded    OrderBy = "ended_at"
	ByCreated  OrderBy = "created_at"
	ByDuration OrderBy = "duration_seconds"
)

// ListQuery asks for calls in a fixed order. Calls with equal or absent sort
// values are ordered by key; absent values come last.
type ListQuery struct {
	Filter    Filter
	OrderBy   OrderBy // default ByStarted, which sorts by Call.Time
	Ascending bool
	Limit     int
	// After is the cursor of the previous answer; empty for the first.
	After string
}

// List is a page of calls.
type List struct {
	Calls []Call
	Total int
	Next  string // cursor; empty at the end
}
