package call

import (
	"encoding/json"
	"time"
)

// Position is a place in a vendor's list: one of the three is in use, by the
// kind of paging.
type Position struct {
	Page   int    `json:"page,omitempty"`
	Offset int    `json:"offset,omitempty"`
	Cursor string `json:"cursor,omitempty"` // a cursor, or the path and query of the next page
}

// Paging is the way a vendor's list is walked.
type Paging string

// The kinds of paging.
const (
	PagingPage   Paging = "page"
	PagingOffset Paging = "offset"
	PagingCursor Paging = "cursor"
	PagingURL    Paging = "next_url"
)

// Order of a vendor's list by one of its timestamps.
type Order string

// The orders of a list.
const (
	OrderUnknown     Order = "unknown" // not yet learned
	OrderNewestFirst Order = "newest_first"
	OrderOldestFirst Order = "oldest_first"
	OrderNone        Order = "none" // learned: no usable order
)

// Window bounds a list request by time. A zero bound is open.
type Window struct {
	From, To time.Time
}

// ListRequest asks for one page.
type ListRequest struct {
	Position Position
	Size     int // rows wanted; 0 means the description's size
	Window   *Window
}

// Item is one call in a list answer.
type Item struct {
	ID   ID
	Body json.RawMessage // the vendor's bytes, verbatim
	// Fingerprint is the hash of Body without its volatile fields.
	Fingerprint string
	// CreatedAt and UpdatedAt order lists; zero when absent.
	CreatedAt, UpdatedAt time.Time
}

// Page is one list answer.
type Page struct {
	Items []Item
	// Unusable counts rows without a usable id, which cannot be stored.
	Unusable int
	// Total is the vendor's count of the whole list; nil when it gives none.
	Total *int
	// More is the vendor's word that further pages exist; nil when it gives none.
	More *bool
	// Size is the page size the vendor says it used; 0 when it does not say.
	Size int
	// Next is the following position for cursor and next_url paging; nil at the end.
	Next *Position
	// FetchedAt is the vendor's Date header, else our clock.
	FetchedAt time.Time
}

// ProviderInfo is what the engine must know about a vendor description.
type ProviderInfo struct {
	Name    string // the built-in name, or the one a user's description gives
	Title   string // the name people know the vendor by
	BaseURL string
	Paging  Paging
	// FirstPage is the number of the first page (page paging).
	FirstPage int
	PageSize  int // rows to ask for
	MinSize   int // smallest useful page when pages time out; equals PageSize when it must not shrink
	// MaxBytes is the size of the largest answer that is read; one that is larger
	// is an ErrTooLarge.
	MaxBytes int
	Order    Order
	// OrderField says which of "created_at" and "updated_at" Order speaks of.
	OrderField string
	// Window is true when a time window can be asked for.
	Window bool
	// WindowOverlap is how far before the watermark a window must begin.
	WindowOverlap time.Duration
	// Mapping identifies this description's content; it changes when the
	// description does.
	Mapping string
	// Budgets are the vendor's documented request limits.
	Budgets []RateLimit
	// Hosts are the API's own origins, which may see credentials.
	Hosts []string
	// Lookups names the description's lookup tables.
	Lookups []string
}

// RateLimit allows Requests in any stretch of Per.
type RateLimit struct {
	Requests int           `json:"requests"`
	Per      time.Duration `json:"per"`
}

// Evidence is what a vendor's answers say about a part, before time is weighed.
type Evidence string

// The kinds of evidence.
const (
	EvidencePresent  Evidence = "present"  // the content is here
	EvidenceAbsent   Evidence = "absent"   // the vendor says there is none: a flag, or a 404 that means never
	EvidencePromised Evidence = "promised" // the vendor says it exists, but did not give it
	EvidenceUnknown  Evidence = "unknown"  // nothing given, nothing said
)

// PartEvidence is the evidence about one part and where it comes from.
type PartEvidence struct {
	Evidence Evidence
	Reason   string // "flag", "http_404" ...; for Part.Reason
}

// Mapped is a call as a vendor description understood it. Of Call, only the
// vendor's facts are set.
type Mapped struct {
	Call           Call
	TranscriptFrom string // document name; empty without transcript
	Transcript     PartEvidence
	Summary        PartEvidence
	Recording      PartEvidence
	RecordingMark  string // that of its link, see RecordingLink; empty without one
	// Further is the evidence about the recordings besides the main one, in the
	// vendor's order.
	Further []FurtherEvidence
}

// FurtherEvidence is the evidence about one further recording.
type FurtherEvidence struct {
	Label string // as in FurtherRecording
	PartEvidence
}

// RecordingLink is where a recording can be had for a while.
type RecordingLink struct {
	URL SignedURL
	// ExpiresAt is when the link dies; for unknown lifetimes a cautious guess
	// with Guessed set.
	ExpiresAt time.Time
	Guessed   bool
	FetchedAt time.Time
	// Mark identifies the recording for as long as the vendor does not replace
	// it: the document it was found in, a colon, and a hash. Empty when nothing
	// identifies it.
	Mark string
	// Seconds is how long the vendor says that this recording is; nil when it
	// does not say.
	Seconds *float64
	// Unsettled is true when the vendor says that the URL may not serve yet.
	Unsettled bool
	// Further are the links of the call's other recordings, by label.
	Further map[string]RecordingLink
}

// LookupTable maps an id (of a user, agent, contact, campaign) to what the
// vendor says about it.
type LookupTable struct {
	Name      string                     `json:"name"`
	FetchedAt time.Time                  `json:"fetched_at"`
	Rows      map[string]json.RawMessage `json:"rows"`
	// Error is the last failure to refresh, in words; the rows are then older.
	Error string `json:"error,omitempty"`
}
