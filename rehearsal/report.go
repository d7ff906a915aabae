package rehearsal

import (
	"time"

	"callsyncd/call"
)

// Report is what a rehearsal found.
type Report struct {
	Config string   `json:"config"`
	Seed   uint64   `json:"seed"`
	Faults []string `json:"faults"`
	// Rounds had faults; in the CalmRounds after them there were none. StepHours
	// of vendor time lie between two rounds.
	Rounds     int     `json:"rounds"`
	CalmRounds int     `json:"calm_rounds"`
	StepHours  float64 `json:"step_hours"`
	// Scaled says what was not as in life.
	Scaled []string `json:"scaled"`
	// Folder is where the archive lies; empty when nothing was kept.
	Folder  string    `json:"folder,omitempty"`
	Sources []Source  `json:"sources"`
	Skipped []Skipped `json:"skipped"`
	// Damage is what verifying the archive found wrong.
	Damage []string `json:"damage"`
	// Words are those in which status told the user of trouble, and when.
	Words          []Words `json:"words"`
	ElapsedSeconds float64 `json:"elapsed_seconds"`
}

// Skipped is a source that could not be rehearsed.
type Skipped struct {
	Source   call.SourceID `json:"source"`
	Provider string        `json:"provider"`
	Why      string        `json:"why"`
}

// Source is what came of one source.
type Source struct {
	Source   call.SourceID `json:"source"`
	Provider string        `json:"provider"`
	// Vendor is the simulated one.
	Vendor string `json:"vendor"`
	// Figures are the same for the same seed and configuration.
	Figures Figures `json:"figures"`
	// Measured depends on what happened at the same time as well.
	Measured Measured `json:"measured"`
}

// Figures compare the archive with what the vendor knows.
type Figures struct {
	// AtVendor counts the vendor's calls since the configured beginning, Held
	// those of them in the archive, Reported those that are not but are in a
	// statement, Silent those nobody would know of.
	AtVendor int `json:"at_vendor"`
	Held     int `json:"held"`
	Reported int `json:"missing_reported"`
	Silent   int `json:"silent_misses"`
	// SilentParts counts the parts of held calls that the vendor has and the
	// archive says there are none of; OpenParts those listed as gaps.
	SilentParts int `json:"silent_parts"`
	OpenParts   int `json:"open_parts"`
	// Deleted counts held calls the vendor no longer has.
	Deleted int `json:"deleted_at_vendor"`
	// Differing counts held calls that say something else than the vendor's.
	Differing          int            `json:"differing"`
	RecordingsExpected int            `json:"recordings_expected"`
	RecordingsArchived int            `json:"recordings_archived"`
	RecordingsWaiting  map[string]int `json:"recordings_waiting_by_reason"`
	RecordingsLost     map[string]int `json:"recordings_lost_by_reason"`
	// WrongBytes counts recordings stored as whole that are not the vendor's.
	WrongBytes int `json:"wrong_bytes"`
	// Findings name the calls behind Silent, SilentParts, Differing and
	// WrongBytes, at most maxFindings of them.
	Findings []Finding `json:"findings"`

	recordingsKept int // those of deleted calls too
}

// maxFindings bounds Figures.Findings.
const maxFindings = 20

// Finding is something wrong with one call.
type Finding struct {
	Key  call.Key `json:"key"`
	What string   `json:"what"`
}

// Measured are figures that may differ a little from run to run.
type Measured struct {
	Requests        map[string]int `json:"requests_by_kind"`
	RequestsPerCall float64        `json:"requests_per_call"`
	// Downloads counts recordings served whole; those beyond the archived ones
	// were fetched again.
	Downloads int            `json:"downloads"`
	Again     int            `json:"downloads_again"`
	Faults    map[string]int `json:"faults_injected"`
	// Rejected counts requests the vendor refused as wrong, by reason.
	Rejected map[string]int `json:"rejected"`
	// HealHours is the vendor time from the last fault until everything was as
	// at the vendor; nil when it never was.
	HealHours *float64 `json:"heal_hours"`
	// LeastMinutes is the least time there was to the next loss; nil when
	// nothing was ever at stake.
	LeastMinutes *float64 `json:"least_minutes_to_loss"`
	// LeakedCredentials counts requests at media hosts that carried credentials.
	LeakedCredentials int `json:"leaked_credentials"`
}

// Words are one thing status said about a source; numbers may have changed
// while it said so.
type Words struct {
	Source call.SourceID `json:"source"`
	Text   string        `json:"text"`
	First  int           `json:"first_round"`
	Rounds int           `json:"rounds"`
	// During names the faults in force when it was said first.
	During []string `json:"during"`
}

// Failed reports whether something is missing that nobody was told of, or not
// what it is said to be.
func (r *Report) Failed() bool {
	for _, s := range r.Sources {
		f := s.Figures
		if f.Silent+f.SilentParts+f.WrongBytes+s.Measured.LeakedCredentials > 0 {
			return true
		}
	}
	return len(r.Damage) > 0
}

// Complete reports whether everything is held and as it is at the vendor, and no
// source was left out.
func (r *Report) Complete() bool {
	for _, s := range r.Sources {
		if !s.Figures.complete() {
			return false
		}
	}
	return !r.Failed() && len(r.Skipped) == 0
}

func (f *Figures) complete() bool {
	return f.Reported+f.Silent+f.SilentParts+f.OpenParts+f.Differing+f.WrongBytes == 0
}

func hours(d time.Duration) *float64 {
	h := d.Hours()
	return &h
}
