package call

import "time"

// Statement is what a sweep proved, or could not prove, about the completeness
// of one source.
type Statement struct {
	Source   SourceID `json:"source"`
	Provider string   `json:"provider"`
	// StartedAt and ListReadAt are the bounds of the walk over the whole list; the
	// latter is nil in statements of earlier versions. FinishedAt is when the parts
	// were counted: at the end of the walk or its round, or, in a statement that
	// renews an earlier one of the same walk, once nothing was open any more.
	StartedAt  time.Time  `json:"started_at"`
	ListReadAt *time.Time `json:"list_read_at,omitempty"`
	FinishedAt time.Time  `json:"finished_at"`
	// Proved is true when the walk left no doubt and, at FinishedAt, every part of
	// every call was stored, none, or an acknowledged loss. In an answer, the
	// newest statement of a source is proved only while no part is open now.
	Proved bool     `json:"proved"`
	Doubts []string `json:"doubts"`
	// Expected is the vendor's own count; nil when it gives none. Listed counts
	// the distinct calls it listed, Held those of them in the archive.
	Expected *int `json:"expected"`
	Listed   int  `json:"listed"`
	Held     int  `json:"held"`
	// Missing are calls that were listed and are not held, at most
	// StatementRows of MissingCount.
	Missing      []ID `json:"missing"`
	MissingCount int  `json:"missing_count"`
	// Extra are calls that are held and were not listed, at most StatementRows
	// of ExtraCount; DeletedUpstream of them count as deleted at the vendor.
	Extra           []ID `json:"extra"`
	ExtraCount      int  `json:"extra_count"`
	DeletedUpstream int  `json:"deleted_upstream"`
	// Accepted says who accepted that more calls vanished at once than is
	// believed of a vendor; nil when nobody had to.
	Accepted *Acceptance `json:"accepted"`
	// Unwanted counts listed calls older than the configured history.
	Unwanted int `json:"unwanted"`
	// Parts counts the held calls by part and state, Open the pending and lost
	// parts by part and reason, acknowledged losses left out.
	Parts map[PartName]map[State]int  `json:"parts"`
	Open  map[PartName]map[string]int `json:"open"`
	// AcceptedLosses counts the acknowledged losses by part and reason; nil
	// without any.
	AcceptedLosses map[PartName]map[string]int `json:"accepted_losses,omitempty"`
	// Days counts the held calls by the day of their start, newest first.
	Days []StatementDay `json:"days"`
	// Since says, in an answer about the newest statement of a source, what keeps
	// the source from being green by now; nil when nothing does.
	Since []string `json:"since,omitempty"`
}

// Acceptance is an administrator's word that calls vanished at the vendor on
// purpose.
type Acceptance struct {
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	Calls int       `json:"calls"`
}

// Accept enters one acknowledged loss.
func (s *Statement) Accept(part PartName, reason string) {
	if s.AcceptedLosses == nil {
		s.AcceptedLosses = make(map[PartName]map[string]int)
	}
	if s.AcceptedLosses[part] == nil {
		s.AcceptedLosses[part] = make(map[string]int)
	}
	s.AcceptedLosses[part][reason]++
}

// StatementRows is how many ids a statement names at most of each kind.
const StatementRows = 1000

// StatementDay is one day of a statement.
type StatementDay struct {
	Day    string `json:"day"`    // 2026-03-01, UTC
	Listed int    `json:"listed"` // held calls the vendor listed
	Extra  int    `json:"extra"`  // held calls it did not list
	Open   int    `json:"open"`   // parts pending, or lost without acknowledgement
	// Reasons counts the open parts by part and reason; nil without any.
	Reasons map[PartName]map[string]int `json:"reasons,omitempty"`
}

// Count enters one open part.
func (d *StatementDay) Count(part PartName, reason string) {
	d.Open++
	if d.Reasons == nil {
		d.Reasons = make(map[PartName]map[string]int)
	}
	if d.Reasons[part] == nil {
		d.Reasons[part] = make(map[string]int)
	}
	d.Reasons[part][reason]++
}
