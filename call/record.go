package call

import (
	"encoding/json"
	"time"
)

// Names of the documents every source has. Steps of a vendor description add
// theirs ("detail", "transcript", "recording" ...).
const DocumentList = "list"

// Document is one answer of a vendor about one call.
type Document struct {
	// Body is the vendor's bytes, verbatim: a list item, or a whole answer.
	Body json.RawMessage `json:"body"`
	// Status is the HTTP status of an answer that said the content is not
	// there (404, 410); 0 for an ordinary answer. Body is then the error body,
	// as a JSON value (a JSON string when the vendor sent something else).
	Status int `json:"status,omitempty"`
	// FetchedAt is the vendor's Date header, else our clock.
	FetchedAt time.Time `json:"fetched_at"`
}

// Documents are the answers known about one call, by document name.
type Documents map[string]Document

// Record is what the archive keeps about one call besides its verbatim
// versions. Call.Parts, Call.Settled and Call.Recording.State mirror Parts;
// Mirror brings them into line.
type Record struct {
	Call  Call  `json:"call"`
	Parts Parts `json:"parts"`
	// Fingerprints maps a document name to the hash of its non-volatile
	// content, so that a re-read that changed nothing is recognised.
	Fingerprints map[string]string `json:"fingerprints"`
	// TranscriptFrom names the document the transcript was taken from.
	TranscriptFrom string `json:"transcript_from,omitempty"`
	// MissedSweeps counts the complete walks in a row that did not list the call.
	MissedSweeps int `json:"missed_sweeps,omitempty"`
	// RecordingMark is the RecordingLink.Mark of the stored recording.
	RecordingMark string `json:"recording_mark,omitempty"`
	// Former are recordings of the call that the vendor replaced, or that came to
	// replace a better one, oldest first. Their files stay.
	Former []FormerRecording `json:"former,omitempty"`
	// Further are the recordings of the call besides the main one. Main is then
	// the state of the main one alone; Parts.Recording speaks for all of them.
	Further []FurtherRecording `json:"further,omitempty"`
	Main    Part               `json:"main,omitzero"`
	// OpenSince is since when each part is pending or lost without a break. The
	// store keeps it; of calls stored by earlier versions it is when they were
	// first seen.
	OpenSince map[PartName]time.Time `json:"open_since,omitempty"`
}

// FormerRecording is a stored recording that is not the current one.
type FormerRecording struct {
	Recording
	SetAsideAt time.Time `json:"set_aside_at"`
}

// Mirror copies the part states into the reader's view of the call.
func (r *Record) Mirror() {
	r.Call.Parts = r.Parts.States()
	r.Call.Settled = r.Parts.Settled()
	for i := range r.Further {
		r.Further[i].State = r.Further[i].Part.State
	}
	switch state := r.MainPart().State; {
	case r.Call.Recording != nil && r.Call.Recording.File != nil:
		r.Call.Recording.State = state
	case state == None:
		r.Call.Recording = nil
	default:
		r.Call.Recording = &Recording{State: state}
	}
}

// Version is one observed state of a call: the vendor's bytes and when they
// were seen.
type Version struct {
	Number      int       `json:"version"`
	ObservedAt  time.Time `json:"observed_at"`
	Fingerprint string    `json:"fingerprint"`
	// Documents are all documents known at this version, also those that did
	// not change with it.
	Documents Documents `json:"documents"`
	// Quarantined are the parts of which this version brought a worse text
	// than the one before, which therefore stays current.
	Quarantined []PartName `json:"quarantined,omitempty"`
	// Damaged is true of a version that cannot be read any more: what it brought
	// is not known, and missing in the later ones unless it came again.
	Damaged bool `json:"damaged,omitempty"`
}

// Write is one call's new state, stored in the transaction of its page.
type Write struct {
	Record Record
	// Documents, when not empty, are appended as a new version. The store
	// numbers it and sets Version, FirstSeenAt and ChangedAt of the call.
	Documents Documents
	// Kind is the change-feed entry to append; empty for bookkeeping that no
	// reader can see, such as another attempt.
	Kind ChangeKind
	// Events are further entries for the call's history; the store adds what
	// it can see itself, and the time.
	Events []Event
}

// ChangeKind says what happened to a call.
type ChangeKind string

// The kinds of change-feed entries.
const (
	ChangeNew       ChangeKind = "call.new"
	ChangeUpdated   ChangeKind = "call.changed"
	ChangePart      ChangeKind = "part.changed"
	ChangeRecording ChangeKind = "recording.stored"
)

// Change is one entry of the change feed.
type Change struct {
	Seq  uint64     `json:"seq"`
	Key  Key        `json:"key"`
	Kind ChangeKind `json:"kind"`
	At   time.Time  `json:"at"`
}

// Known is what the engine must remember about a stored call to decide, from a
// list item alone, whether anything is to do.
type Known struct {
	ListFingerprint string
	// RecordingPending is true while the recording is still to be fetched.
	RecordingPending bool
	// RecordingMark is that of the stored recording; empty without one.
	RecordingMark string
	// Missing is true of a call that the last complete walk did not list, or that
	// counts as deleted at the vendor.
	Missing bool
}
