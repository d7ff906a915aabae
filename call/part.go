package call

import "time"

// PartName names one of the four parts of a call.
type PartName string

// The parts of a call.
const (
	PartRecord     PartName = "record"
	PartTranscript PartName = "transcript"
	PartSummary    PartName = "summary"
	PartRecording  PartName = "recording"
)

// PartNames lists the parts in their fixed order.
var PartNames = []PartName{PartRecord, PartTranscript, PartSummary, PartRecording}

// State of one part.
type State string

// The states of a part.
const (
	Pending State = "pending" // it should come
	Stored  State = "stored"  // we have it
	None    State = "none"    // proved absent
	Lost    State = "lost"    // it existed or should have, and cannot be had any more
)

// Damaged is the reason of a pending part that was stored and could not be read
// any more. A call whose record is pending for it, and which names no provider,
// has lost everything but its key and its versions.
const Damaged = "damaged"

// PartStates is the state of each part, as readers see it.
type PartStates struct {
	Record     State `json:"record"`
	Transcript State `json:"transcript"`
	Summary    State `json:"summary"`
	Recording  State `json:"recording"`
}

// Part is the state of one part with what is known about it.
type Part struct {
	State State `json:"state"`
	// Reason says in a few words why the part is not stored, or what proved it
	// absent: "not_ready", "http_404", "expired", "not_audio", "flag", "unanswered", "horizon" ...
	Reason string `json:"reason,omitempty"`
	// NextTry is when a pending part is asked for again.
	NextTry time.Time `json:"next_try,omitzero"`
	// Deadline is when a pending part would be lost. A pending part without one
	// is overdue: the late-update horizon has passed, and nobody could be asked.
	Deadline time.Time `json:"deadline,omitzero"`
	// Attempts counts the requests made for this part that did not bring it.
	Attempts int `json:"attempts,omitempty"`
	// Acknowledged is set once somebody accepted a loss. A part that is tried
	// again afterwards keeps it.
	Acknowledged *Acknowledgement `json:"acknowledged,omitempty"`
}

// Overdue reports whether a part is still waited for although the late-update
// horizon has passed.
func (p *Part) Overdue() bool { return p.State == Pending && p.Deadline.IsZero() }

// Acknowledgement records that somebody accepted the loss of a part.
type Acknowledgement struct {
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Parts holds the four parts of one call.
type Parts struct {
	Record     Part `json:"record"`
	Transcript Part `json:"transcript"`
	Summary    Part `json:"summary"`
	Recording  Part `json:"recording"`
}

// Of returns the named part for reading and writing.
func (p *Parts) Of(name PartName) *Part {
	switch name {
	case PartRecord:
		return &p.Record
	case PartTranscript:
		return &p.Transcript
	case PartSummary:
		return &p.Summary
	case PartRecording:
		return &p.Recording
	}
	panic("call: no part named " + string(name))
}

// States drops everything but the states.
func (p *Parts) States() PartStates {
	return PartStates{p.Record.State, p.Transcript.State, p.Summary.State, p.Recording.State}
}

// Settled reports whether no part is pending.
func (p *Parts) Settled() bool {
	for _, n := range PartNames {
		if p.Of(n).State == Pending {
			return false
		}
	}
	return true
}

// Gap is a part that is not stored although it should be: a row of `gaps`.
type Gap struct {
	Key          Key              `json:"key"`
	Part         PartName         `json:"part"`
	State        State            `json:"state"`
	Reason       *string          `json:"reason"`
	NextTry      *time.Time       `json:"next_try"`
	Deadline     *time.Time       `json:"deadline"`
	Attempts     int              `json:"attempts"`
	Acknowledged *Acknowledgement `json:"acknowledged"`
}
