package call

import "time"

// EventKind says what happened in the life of a call.
type EventKind string

// The kinds of events.
const (
	EventListed       EventKind = "listed"           // first seen, with its first version
	EventVersion      EventKind = "version"          // the vendor's content changed
	EventParts        EventKind = "parts"            // parts changed their state, or another attempt failed
	EventLinkRenewed  EventKind = "link_renewed"     // a fresh recording link was asked for
	EventQuarantined  EventKind = "quarantined"      // a worse version came and was not made the current one
	EventReplaced     EventKind = "replaced"         // the vendor's recording became another one
	EventMissing      EventKind = "missing_upstream" // a complete walk did not list it
	EventDeleted      EventKind = "deleted_upstream" // it counts as deleted at the vendor
	EventReturned     EventKind = "returned"         // listed again after it was missing or deleted
	EventAcknowledged EventKind = "acknowledged"     // somebody accepted a loss
	EventDamaged      EventKind = "damaged"          // what was stored could not be read any more
)

// Event is one entry in the life of a call, as `why` shows it.
type Event struct {
	At   time.Time `json:"at"`
	Kind EventKind `json:"kind"`
	// Version is the number of the version an event speaks of; 0 for none.
	Version int `json:"version,omitempty"`
	// Documents are the vendor's documents that came with a version.
	Documents []string `json:"documents,omitempty"`
	// Parts are the parts that changed, with what is known of them since.
	Parts []PartEvent `json:"parts,omitempty"`
	// SHA256 is the fingerprint of a version, or the hash of a stored recording.
	SHA256 string `json:"sha256,omitempty"`
	// Note is a few words for people; never content, links or secrets.
	Note string `json:"note,omitempty"`
}

// PartEvent is what became of one part.
type PartEvent struct {
	Part PartName `json:"part"`
	// Label names the recording, where it is not the main one of a call.
	Label    string `json:"label,omitempty"`
	State    State  `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Attempts int    `json:"attempts,omitempty"`
}
