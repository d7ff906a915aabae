package call

import (
	"slices"
	"time"
)

// FurtherRecording is a recording of a call besides the main one, such as what
// was said after a transfer.
type FurtherRecording struct {
	// Label tells it apart from the others of the call: 1 to 40 lower-case
	// letters, digits, hyphens and underscores.
	Label string `json:"label"`
	Recording
	Part Part `json:"part"`
	// ListedAt is when the vendor was first seen to name it.
	ListedAt time.Time `json:"listed_at"`
}

// MainPart is the state of the main recording, for reading and writing. After
// a change, Join.
func (r *Record) MainPart() *Part {
	if len(r.Further) > 0 {
		return &r.Main
	}
	return &r.Parts.Recording
}

// FurtherOf is the further recording of a label; nil when there is none.
func (r *Record) FurtherOf(label string) *FurtherRecording {
	i := slices.IndexFunc(r.Further, func(f FurtherRecording) bool { return f.Label == label })
	if i < 0 {
		return nil
	}
	return &r.Further[i]
}

// AddFurther adds a further recording in the given state. Join afterwards.
func (r *Record) AddFurther(f FurtherRecording) {
	if len(r.Further) == 0 {
		r.Main = r.Parts.Recording
	}
	r.Further = append(slices.Clip(r.Further), f)
}

// PartsOf is the named part, or of the recording the parts of all recordings, the
// main one first, for reading and writing. After a change, Join.
func (r *Record) PartsOf(name PartName) []*Part {
	if name != PartRecording {
		return []*Part{r.Parts.Of(name)}
	}
	parts := []*Part{r.MainPart()}
	for i := range r.Further {
		parts = append(parts, &r.Further[i].Part)
	}
	return parts
}

// Join makes Parts.Recording speak for all recordings of the call: it is pending
// while one is, lost when one is, stored when one is and the others are, or were
// never there. A call with one recording is left alone.
func (r *Record) Join() {
	if len(r.Further) == 0 {
		return
	}
	parts := r.PartsOf(PartRecording)
	joint := *parts[0]
	attempts := 0
	for _, p := range parts {
		attempts += p.Attempts
		if rank(p) < rank(&joint) {
			joint = *p
		}
	}
	joint.Attempts = attempts
	if joint.State == Pending {
		for _, p := range parts {
			if p.State == Pending {
				joint.hurry(p)
			}
		}
	}
	r.Parts.Recording = joint
}

// rank orders parts by how much they say about several together.
func rank(p *Part) int {
	switch {
	case p.State == Pending:
		return 0
	case p.State == Lost && p.Acknowledged == nil:
		return 1
	case p.State == Lost:
		return 2
	case p.State == Stored:
		return 3
	}
	return 4
}

// hurry takes the earlier times of two pending parts; overdue they are as soon
// as one is.
func (p *Part) hurry(o *Part) {
	if o.NextTry.Before(p.NextTry) {
		p.NextTry = o.NextTry
	}
	if o.Overdue() || !p.Overdue() && o.Deadline.Before(p.Deadline) {
		p.Deadline = o.Deadline
	}
}
