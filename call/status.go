package call

import "time"

// StatusReport is the answer of `status` and GET /v1/status.
type StatusReport struct {
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	Now       time.Time `json:"now"`
	// Green is true when completeness is proved for every source: a clean
	// complete walk, nothing pending past its time, nothing lost unacknowledged.
	Green bool `json:"green"`
	// Problems says in words what keeps it from being green.
	Problems []string       `json:"problems"`
	Sources  []SourceStatus `json:"sources"`
	Index    IndexStatus    `json:"index"`
}

// SourceStatus is the state of one source.
type SourceStatus struct {
	Name     SourceID `json:"name"`
	Provider string   `json:"provider"`
	BaseURL  string   `json:"base_url"`
	Green    bool     `json:"green"`
	Problems []string `json:"problems"`
	// State is idle, syncing, or refused (credentials).
	State string `json:"state"`
	// LastCompleteWalk is when a walk over the vendor's whole list last ended clean.
	LastCompleteWalk *time.Time `json:"last_complete_walk"`
	LastHead         *Walk      `json:"last_head"`
	LastTrailing     *Walk      `json:"last_trailing"`
	LastSweep        *Walk      `json:"last_sweep"`
	BackfillDone     bool       `json:"backfill_done"`
	// VendorTotal is what the vendor last counted; nil when it does not say.
	VendorTotal *int   `json:"vendor_total"`
	Counts      Counts `json:"counts"`
	// Overdue counts the pending parts past the late-update horizon, by part;
	// empty without any.
	Overdue map[PartName]int `json:"overdue"`
	// MinutesToNextLoss counts down to the nearest deadline of a pending part;
	// nil when nothing is at stake.
	MinutesToNextLoss *float64       `json:"minutes_to_next_loss"`
	Budget            []BudgetStatus `json:"budget"`
	Requests          int64          `json:"requests"`
	LookupRequests    int64          `json:"lookup_requests"`
	Watermark         *time.Time     `json:"watermark"`
	Order             Order          `json:"order"`
	// ClockAheadSeconds is how far this machine's clock was ahead of the vendor's
	// when it last answered; negative when behind, 0 before it answered.
	ClockAheadSeconds float64 `json:"clock_ahead_seconds"`
	// Notes are things worth knowing that keep nothing from being green.
	Notes []string `json:"notes"`
	// Round numbers the complete rounds finished since the daemon started;
	// RoundChanged is SourceReport.Changed of the last one.
	Round        int `json:"round"`
	RoundChanged int `json:"round_changed"`
}

// BudgetStatus is how much of one rate window is used.
type BudgetStatus struct {
	Requests   int     `json:"requests"`
	PerSeconds float64 `json:"per_seconds"`
	Used       int     `json:"used"`
}

// IndexStatus is the state of the full-text index.
type IndexStatus struct {
	// State is ready, rebuilding or unavailable.
	State     string `json:"state"`
	Documents int    `json:"documents"`
	Applied   uint64 `json:"applied_seq"`
	// Lag is the number of change-feed entries not yet applied.
	Lag     uint64 `json:"lag"`
	Message string `json:"message,omitempty"`
}

// Progress is one step of a sync, for those who watch.
type Progress struct {
	Source SourceID
	// Phase is lookups, head, sweep, pending, recordings, done or failed.
	Phase string
	// Seen and Total count calls of the walk, or parts of a queue; Total is 0 when unknown.
	Seen, Total int
	Counts      Counts
	Message     string
	Err         error
}

// SyncReport is the outcome of one round, per source.
type SyncReport struct {
	Sources []SourceReport `json:"sources"`
}

// SourceReport is the outcome of one round of one source.
type SourceReport struct {
	Source SourceID `json:"source"`
	New    int      `json:"new"`
	// Changed counts the calls held before of which something new was stored, each
	// once: another version of what the vendor says, or a recording.
	Changed        int     `json:"changed"`
	Recordings     int     `json:"recordings"`
	Requests       int64   `json:"requests"`
	LookupRequests int64   `json:"lookup_requests"`
	Seconds        float64 `json:"seconds"`
	Counts         Counts  `json:"counts"`
	// Complete is true when the walk was clean and nothing is pending or lost
	// without acknowledgement.
	Complete bool   `json:"complete"`
	Error    string `json:"error,omitempty"`
	Hint     string `json:"hint,omitempty"`
	// Err is the error behind Error, for exit codes.
	Err error `json:"-"`
}

// VerifyReport is the outcome of `verify`.
type VerifyReport struct {
	StartedAt  time.Time `json:"started_at"`
	FinishedAt time.Time `json:"finished_at"`
	OK         bool      `json:"ok"`
	Calls      int       `json:"calls"`
	Versions   int       `json:"versions"`
	Recordings int       `json:"recordings"`
	Bytes      int64     `json:"bytes"`
	// Problems are findings that contradict the archive; Notes are not.
	Problems []VerifyFinding `json:"problems"`
	Notes    []VerifyFinding `json:"notes"`
	// Proves and CannotProve say in words what the result means.
	Proves      []string `json:"proves"`
	CannotProve []string `json:"cannot_prove"`
}

// VerifyFinding is one thing verify saw.
type VerifyFinding struct {
	// Kind is database, missing_file, stray_file, hash_mismatch, bad_version, index ...
	Kind   string `json:"kind"`
	Key    *Key   `json:"key"`
	File   string `json:"file,omitempty"`
	Detail string `json:"detail"`
}
