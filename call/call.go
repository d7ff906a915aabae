package call

import (
	"encoding/json"
	"time"
)

// Direction of a call, seen from the archive's owner. Empty when the vendor
// gave none.
type Direction string

// The normalized directions.
const (
	Inbound          Direction = "inbound"
	Outbound         Direction = "outbound"
	Web              Direction = "web"
	DirectionUnknown Direction = "unknown" // the vendor gave a word we do not know
)

// Status is the normalized outcome of a call. Empty when the vendor gave none.
type Status string

// The normalized statuses.
const (
	StatusQueued     Status = "queued"
	StatusRinging    Status = "ringing"
	StatusInProgress Status = "in_progress"
	StatusCompleted  Status = "completed"
	StatusVoicemail  Status = "voicemail"
	StatusNoAnswer   Status = "no_answer"
	StatusBusy       Status = "busy"
	StatusFailed     Status = "failed"
	StatusCanceled   Status = "canceled"
	StatusOther      Status = "other" // the vendor gave a word we do not know
)

// Statuses lists every normalized status, in the order of a call's life.
var Statuses = []Status{StatusQueued, StatusRinging, StatusInProgress, StatusCompleted, StatusVoicemail,
	StatusNoAnswer, StatusBusy, StatusFailed, StatusCanceled, StatusOther}

// Live reports whether the call is still going on, so that its parts may yet come.
func (s Status) Live() bool {
	return s == StatusQueued || s == StatusRinging || s == StatusInProgress
}

// Unanswered reports whether nobody spoke, which proves an empty transcript,
// summary or recording absent.
func (s Status) Unanswered() bool {
	return s == StatusNoAnswer || s == StatusBusy || s == StatusFailed || s == StatusCanceled
}

// Speaker is the normalized side of the conversation a turn belongs to.
type Speaker string

// The normalized speakers.
const (
	SpeakerAgent    Speaker = "agent"
	SpeakerCustomer Speaker = "customer"
	SpeakerOther    Speaker = "other"
)

// Turn is one uninterrupted stretch of speech by one speaker.
type Turn struct {
	Speaker Speaker `json:"speaker"`
	// Label is what the vendor called the speaker; nil when it gave none.
	Label *string `json:"label"`
	// Text is UTF-8 without markup, never empty.
	Text string `json:"text"`
	// StartSeconds and EndSeconds are offsets from the start of the call; nil
	// when the vendor gives no times.
	StartSeconds *float64 `json:"start_seconds"`
	EndSeconds   *float64 `json:"end_seconds"`
}

// Recording is the media file of a call, or the wait for it.
type Recording struct {
	State State `json:"state"`
	// File is the path inside the data folder, with forward slashes; nil until stored.
	File        *string `json:"file"`
	SHA256      *string `json:"sha256"`
	SizeBytes   *int64  `json:"size_bytes"`
	ContentType *string `json:"content_type"`
	// DurationSeconds is the length of the audio as stored; nil when it could
	// not be read from the file.
	DurationSeconds *float64   `json:"duration_seconds"`
	StoredAt        *time.Time `json:"stored_at"`
	// EndUnproved is true of a recording that seems to lack its end, and whose
	// transfer did not tell whether it was over.
	EndUnproved bool `json:"end_unproved,omitempty"`
}

// Call is one conversation as every reader sees it: API, export, command line.
// Pointers are nil, and Direction, Status and the like empty, when unknown;
// both are null in JSON. Times are UTC.
type Call struct {
	Key      Key      `json:"key"`
	Source   SourceID `json:"source"`
	Provider string   `json:"provider"`
	ID       ID       `json:"id"`

	Direction *Direction `json:"direction"`
	Status    *Status    `json:"status"`
	// Outcome is what the vendor itself called the result.
	Outcome *string `json:"outcome"`

	// Phone is the other party as the vendor wrote it.
	Phone      *string `json:"phone"`
	FromNumber *string `json:"from_number"`
	ToNumber   *string `json:"to_number"`

	AgentID      *string `json:"agent_id"`
	AgentName    *string `json:"agent_name"`
	UserID       *string `json:"user_id"`
	ContactID    *string `json:"contact_id"`
	ContactName  *string `json:"contact_name"`
	ContactEmail *string `json:"contact_email"`
	CampaignID   *string `json:"campaign_id"`
	CampaignName *string `json:"campaign_name"`

	StartedAt *time.Time `json:"started_at"`
	// StartedAtApproximate is true when the vendor has no start time and the
	// record's creation time stands in for it.
	StartedAtApproximate bool       `json:"started_at_approximate"`
	EndedAt              *time.Time `json:"ended_at"`
	CreatedAt            *time.Time `json:"created_at"`
	UpdatedAt            *time.Time `json:"updated_at"`

	DurationSeconds *float64 `json:"duration_seconds"`
	Cost            *float64 `json:"cost"`
	CostCurrency    *string  `json:"cost_currency"`

	// SentimentLabel is positive, neutral or negative.
	SentimentLabel *string  `json:"sentiment_label"`
	SentimentScore *float64 `json:"sentiment_score"`
	Summary        *string  `json:"summary"`
	Topics         []string `json:"topics"`
	Note           *string  `json:"note"`

	// Transcript is nil when none is stored.
	Transcript []Turn     `json:"transcript"`
	Recording  *Recording `json:"recording"`
	Parts      PartStates `json:"parts"`
	// Settled is true when no part is pending.
	Settled bool `json:"settled"`
	// Version counts the observed changes, from 1.
	Version           int        `json:"version"`
	FirstSeenAt       time.Time  `json:"first_seen_at"`
	ChangedAt         time.Time  `json:"changed_at"`
	DeletedUpstreamAt *time.Time `json:"deleted_upstream_at"`
	// Metadata is a JSON object with what the vendor gives beyond these fields.
	Metadata json.RawMessage `json:"metadata"`
}

// Light is a call without its transcript and metadata, as lists show it.
type Light struct {
	Call
	Transcript *struct{} `json:"transcript,omitempty"`
	Metadata   *struct{} `json:"metadata,omitempty"`
}

// Light drops transcript and metadata.
func (c Call) Light() Light {
	c.Transcript, c.Metadata = nil, nil
	return Light{Call: c}
}

// Time is the moment a call is sorted by: its start, else its creation, else
// the moment it was first seen.
func (c *Call) Time() time.Time {
	switch {
	case c.StartedAt != nil:
		return *c.StartedAt
	case c.CreatedAt != nil:
		return *c.CreatedAt
	}
	return c.FirstSeenAt
}

// longestCall is the greatest believable length of a call.
const longestCall = 30 * 24 * time.Hour

// End is the best known moment the call was over: its end, else its start
// plus its length where that can be true, else its start.
func (c *Call) End() time.Time {
	if c.EndedAt != nil {
		return *c.EndedAt
	}
	t := c.Time()
	if c.DurationSeconds != nil && *c.DurationSeconds > 0 && *c.DurationSeconds <= longestCall.Seconds() {
		t = t.Add(time.Duration(*c.DurationSeconds * float64(time.Second)))
	}
	return t
}
