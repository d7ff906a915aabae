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
	// Answers are the habits of the vendor's answers about single calls, by document
	// and direction of the call, such as "detail inbound"; AnswerDrift says which of
	// their fields are missed.
	Answers     map[string]*AnswerHabit `json:"answer_habits,omitempty"`
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

// AnswerHabit is what the answers about single calls have that are one document of
// calls of one direction.
type AnswerHabit struct {
	// Fields are by type and path, such as "string data.name".
	Fields map[string]*FieldHabit `json:"fields"`
	// Last are the newest answers, oldest first.
	Last []AnsweredCall `json:"last"`
	// Lacking are calls whose answers lack a field that is missed, Again those to be
	// read again since one is back.
	Lacking AnsweredCalls `json:"lacking,omitzero"`
	Again   AnsweredCalls `json:"again,omitzero"`
}

// FieldHabit is how often a field has a value of one type.
type FieldHabit struct {
	// Had of the last Rows answers had it, those not counted while it is missed.
	Had  int `json:"had"`
	Rows int `json:"rows"`
	// Run is how many answers in a row lack it; while it is Missed, how many have it.
	Run    int  `json:"run,omitempty"`
	Missed bool `json:"missed,omitempty"`
	// Was is the share, 0 to 1, of the answers that had it before it was last missed.
	Was float64 `json:"was,omitempty"`
	// Lacked is when an answer of that run last lacked it, Back when it last was back.
	Lacked time.Time `json:"lacked,omitzero"`
	Back   time.Time `json:"back,omitzero"`
	// Other is the type it has instead; empty when it has no value.
	Other string `json:"other,omitempty"`
	// Sweeps is 1 once a sweep told that it is missed, 2 once the next found it so.
	Sweeps int `json:"sweeps,omitempty"`
	// Mended counts the calls that had it once they were read again, less those that
	// had not.
	Mended int `json:"mended,omitempty"`
}

// AnsweredCall is a call, and when it was answered for.
type AnsweredCall struct {
	ID ID        `json:"id"`
	At time.Time `json:"at"`
}

// answeredKept bounds the calls that AnsweredCalls keeps by name.
const answeredKept = 200

// AnsweredCalls are calls with the time of the answer; when there are too many,
// the others are those answered for from Since on.
type AnsweredCalls struct {
	IDs   map[ID]time.Time `json:"ids,omitempty"`
	Since time.Time        `json:"since,omitzero"`
}

// Add adds calls, whose answers may come in any order, and reports whether that
// changed anything.
func (a *AnsweredCalls) Add(calls ...AnsweredCall) (changed bool) {
	if a.IDs == nil {
		a.IDs = make(map[ID]time.Time)
	}
	for _, c := range calls {
		if at, have := a.IDs[c.ID]; have || len(a.IDs) < answeredKept {
			changed = changed || !have || !at.Equal(c.At)
			a.IDs[c.ID] = c.At
		} else {
			changed = a.since(c.At) || changed
		}
	}
	return changed
}

func (a *AnsweredCalls) since(at time.Time) (changed bool) {
	if changed = !at.IsZero() && (a.Since.IsZero() || at.Before(a.Since)); changed {
		a.Since = at
	}
	return changed
}

// Take moves all calls of another here.
func (a *AnsweredCalls) Take(b *AnsweredCalls) {
	for id, at := range b.IDs {
		a.Add(AnsweredCall{id, at})
	}
	a.since(b.Since)
	*b = AnsweredCalls{}
}

// Remove takes out the calls of another, but those that were answered for since.
func (a *AnsweredCalls) Remove(b AnsweredCalls) {
	for id, at := range b.IDs {
		if a.IDs[id].Equal(at) {
			delete(a.IDs, id)
		}
	}
	if a.Since.Equal(b.Since) {
		a.Since = time.Time{}
	}
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
