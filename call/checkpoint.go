package call

import "time"

// Checkpoint is what one source saves to resume.
type Checkpoint struct {
	// Watermark is the newest creation time up to which every call the vendor
	// lists is stored. It moves only after a clean walk.
	Watermark time.Time `json:"watermark,omitzero"`
	// CompletedAt is when a walk over the whole list last proved that nothing is
	// missing; zero until the first.
	CompletedAt time.Time `json:"completed_at,omitzero"`
	// ReadAt is when the whole list was last read to its end, proof or not.
	ReadAt time.Time `json:"read_at,omitzero"`
	// Order, OrderField and PageSize are learned from the vendor's answers.
	Order      Order  `json:"order,omitempty"`
	OrderField string `json:"order_field,omitempty"`
	PageSize   int    `json:"page_size,omitempty"`
	// Total is the vendor's last count of its list; nil when it gives none.
	Total *int `json:"total,omitempty"`
	// Backfill is the first sweep, until it has been completed once.
	Backfill *Walk `json:"backfill,omitempty"`
	// Head, Trailing and Sweep are the last walks of each kind.
	Head     *Walk `json:"head,omitempty"`
	Trailing *Walk `json:"trailing,omitempty"`
	Sweep    *Walk `json:"sweep,omitempty"`
	// Fields are the fields of the vendor's list items as the last sweep saw
	// them; Drift says what had become of them since the one before.
	Fields map[string]FieldShare `json:"fields,omitempty"`
	Drift  []string              `json:"drift,omitempty"`
	// Answers are the fields of the vendor's answers about single calls, by
	// document; AnswerDrift says which of them are missed.
	Answers     map[string]AnswerFields `json:"answers,omitempty"`
	AnswerDrift []string                `json:"answer_drift,omitempty"`
	// Learned holds facts proved about this vendor account, by name.
	Learned map[string]string `json:"learned,omitempty"`
	// Refused is set while the vendor refuses our credentials.
	Refused *time.Time `json:"refused,omitempty"`
	// Requests counts API requests since the source was added; lookups apart.
	Requests       int64 `json:"requests,omitempty"`
	LookupRequests int64 `json:"lookup_requests,omitempty"`
}

// FieldShare is how often a field of a vendor's list items has a value, 0 to 1,
// and of which JSON type that mostly is.
type FieldShare struct {
	Share float64 `json:"share"`
	Kind  string  `json:"kind"`
}

// AnswerFields are the fields of the answers about single calls that a document
// is, by their path.
type AnswerFields struct {
	Rows   int                   `json:"rows"` // answers counted
	Fields map[string]FieldHabit `json:"fields"`
	// Last is when the newest answers were given, oldest first.
	Last []time.Time `json:"last"`
	// Again are calls to be read again because their answers lacked what others
	// have; AllSince is set when there are others, with answers since then.
	Again    []ID      `json:"again,omitempty"`
	AllSince time.Time `json:"all_since,omitzero"`
}

// FieldHabit is how often a field has a value, and what is known of answers that
// lack it.
type FieldHabit struct {
	Kind string `json:"kind"` // its JSON type
	// Had of the last Rows answers had it; Was is the share, 0 to 1, of those
	// before it was missed.
	Had  int     `json:"had"`
	Rows int     `json:"rows"`
	Was  float64 `json:"was"`
	// Recent are the last 32 answers, the newest in the lowest bit; 1 means that
	// it had the field.
	Recent uint32 `json:"recent"`
	// Missing are the calls whose answers lacked it, from Since on; More that
	// there are others.
	Missing []ID      `json:"missing,omitempty"`
	More    bool      `json:"more,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	// Other is the type it was of instead; empty when it had no value.
	Other string `json:"other,omitempty"`
	// ToldAt is when it was found to be missed, Sweeps how many sweeps told of it.
	ToldAt time.Time `json:"told_at,omitzero"`
	Sweeps int       `json:"sweeps,omitempty"`
}

// Walk is one pass over a vendor's list.
type Walk struct {
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	// Clean is true when the walk reached its end and nothing it saw was left
	// out or contradicts the vendor's count.
	Clean bool `json:"clean"`
	// Position is where an interrupted walk goes on.
	Position Position `json:"position,omitzero"`
	// Newest is the newest creation time seen on the walk's first page.
	Newest time.Time `json:"newest,omitzero"`
	// Order is what the walk's pages so far show; empty when not yet clear.
	Order Order `json:"order,omitempty"`
	Pages int   `json:"pages"`
	// Seen counts distinct calls; Total is what the vendor counted.
	Seen  int    `json:"seen"`
	Total *int   `json:"total"`
	New   int    `json:"new"`
	Edits int    `json:"changed"`
	Error string `json:"error,omitempty"`
}

// Counts are the running totals of one source.
type Counts struct {
	Calls      int `json:"calls"`
	Settled    int `json:"settled"`
	Transcript int `json:"transcripts"`
	Recordings int `json:"recordings"`
	// RecordingBytes is the size of the stored recordings.
	RecordingBytes int64 `json:"recording_bytes"`
	// Pending, Lost and Acknowledged count parts; an acknowledged loss is not
	// counted in Lost.
	Pending      map[PartName]int `json:"pending"`
	Lost         map[PartName]int `json:"lost"`
	Acknowledged int              `json:"acknowledged"`
}

// Open is the number of parts that are pending, or lost without acknowledgement.
func (c Counts) Open() int {
	n := 0
	for _, k := range PartNames {
		n += c.Pending[k] + c.Lost[k]
	}
	return n
}
