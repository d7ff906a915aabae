package api

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"callsyncd/call"
)

// callView is a call as an answer shows it. Transcript and Metadata hide the
// fields of the same name below: the keys are there when asked for, and null
// when there is nothing to show.
type callView struct {
	call.Call
	Transcript *[]call.Turn                `json:"transcript,omitempty" doc:"absent from light calls"`
	Metadata   *json.RawMessage            `json:"metadata,omitempty" doc:"absent from light calls"`
	Raw        *map[string]json.RawMessage `json:"raw,omitempty" doc:"the vendor's current documents by name, verbatim; with include=raw"`
	Versions   *[]call.Version             `json:"versions,omitempty" doc:"every state of the call that was seen, oldest first; with include=versions"`
	Recordings *[]recordingView            `json:"recordings,omitempty" doc:"every recording of the call: the one under recording, further ones such as transfers, and files that another one took the place of; with include=recordings"`
	Details    *partDetails                `json:"part_details,omitempty" doc:"what is known about each part; with include=parts"`
}

// recordingView is one of the recordings of a call.
type recordingView struct {
	Label string `json:"label" doc:"tells the recordings of a call apart; main for the one under recording"`
	call.Recording
	Reason     *string    `json:"reason" doc:"why it is not stored"`
	Current    bool       `json:"current" doc:"false for a file that another one took the place of"`
	SetAsideAt *time.Time `json:"set_aside_at" doc:"when another one took its place at the vendor, or when it was found worse than the current one"`
}

func recordingsOf(r *call.Record) *[]recordingView {
	views := []recordingView{}
	if r.Call.Recording != nil {
		views = append(views, recordingView{Label: mainLabel, Recording: *r.Call.Recording, Reason: known(r.MainPart().Reason), Current: true})
	}
	for _, f := range r.Further {
		views = append(views, recordingView{Label: f.Label, Recording: f.Recording, Reason: known(f.Part.Reason), Current: true})
	}
	for _, f := range slices.Backward(r.Former) {
		views = append(views, recordingView{Label: mainLabel, Recording: f.Recording, SetAsideAt: &f.SetAsideAt})
	}
	return &views
}

// partDetails is the state of each part with what is known about it.
type partDetails struct {
	Record     partDetail `json:"record"`
	Transcript partDetail `json:"transcript"`
	Summary    partDetail `json:"summary"`
	Recording  partDetail `json:"recording"`
}

type partDetail struct {
	State        call.State            `json:"state" enum:"pending,stored,none,lost"`
	Reason       *string               `json:"reason" doc:"why it is not stored, or what proved it absent"`
	NextTry      *time.Time            `json:"next_try"`
	Deadline     *time.Time            `json:"deadline" doc:"when a pending part would be lost"`
	Attempts     int                   `json:"attempts" doc:"requests that did not bring it"`
	Acknowledged *call.Acknowledgement `json:"acknowledged"`
}

func detailsOf(p *call.Parts) *partDetails {
	return &partDetails{detailOf(&p.Record), detailOf(&p.Transcript), detailOf(&p.Summary), detailOf(&p.Recording)}
}

func detailOf(p *call.Part) partDetail {
	return partDetail{p.State, known(p.Reason), known(p.NextTry), known(p.Deadline), p.Attempts, p.Acknowledged}
}

// known is nil for a zero value.
func known[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// list is the shape of every list.
type list[T any] struct {
	Data       []T        `json:"data" nullable:"false"`
	Pagination pagination `json:"pagination"`
}

type pagination struct {
	Total      int     `json:"total" doc:"rows that match, on all pages"`
	Limit      int     `json:"limit"`
	NextCursor *string `json:"next_cursor" doc:"null at the end"`
	HasMore    bool    `json:"has_more"`
}

func paginate(total, limit int, next string) pagination {
	p := pagination{Total: total, Limit: limit}
	if next != "" {
		p.NextCursor, p.HasMore = &next, true
	}
	return p
}

// maxPage bounds what the calls of one list answer may hold, in bytes of text:
// whoever asks for many full calls gets a shorter page and the cursor behind it.
const maxPage = 8 << 20

// showPage shows the first of calls that one answer can hold, at least one.
func (s *server) showPage(ctx context.Context, calls []call.Call, v view) ([]callView, error) {
	rows, size := make([]callView, 0, len(calls)), 0
	for _, c := range calls {
		row, err := s.show(ctx, c, v)
		if err != nil {
			return nil, err
		}
		if size += row.size(); size > maxPage && len(rows) > 0 {
			break
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// size is about how many bytes of text the view holds.
func (c *callView) size() (n int) {
	if c.Transcript != nil {
		for _, t := range *c.Transcript {
			n += len(t.Text)
		}
	}
	if c.Metadata != nil {
		n += len(*c.Metadata)
	}
	if c.Raw != nil {
		for _, body := range *c.Raw {
			n += len(body)
		}
	}
	if c.Versions != nil {
		for _, v := range *c.Versions {
			for _, d := range v.Documents {
				n += len(d.Body)
			}
		}
	}
	for _, text := range []*string{c.Summary, c.Note} {
		if text != nil {
			n += len(*text)
		}
	}
	return n
}

// show makes c presentable, loading what v wants beyond the light fields.
func (s *server) show(ctx context.Context, c call.Call, v view) (callView, error) {
	var out callView
	if v.transcript || v.metadata || v.parts || v.recordings {
		record, err := s.Store.Load(ctx, c.Key)
		if err != nil {
			return callView{}, err
		}
		c = record.Call
		if v.recordings {
			out.Recordings = recordingsOf(&record)
		}
		if v.parts {
			out.Details = detailsOf(&record.Parts)
		}
	}
	out.Call = c
	if v.transcript {
		out.Transcript = &c.Transcript
	}
	if v.metadata {
		out.Metadata = &c.Metadata
	}
	if v.raw {
		documents, err := s.Store.Documents(ctx, c.Key)
		if err != nil {
			return callView{}, err
		}
		raw := make(map[string]json.RawMessage, len(documents))
		for name, d := range documents {
			raw[name] = d.Body
		}
		out.Raw = &raw
	}
	if v.versions {
		versions, err := s.versions(ctx, c.Key)
		if err != nil {
			return callView{}, err
		}
		out.Versions = &versions
	}
	return out, nil
}

// versions are the states of a call, marked where a part was set aside.
func (s *server) versions(ctx context.Context, key call.Key) ([]call.Version, error) {
	versions, err := s.Store.Versions(ctx, key)
	if err != nil {
		return nil, err
	}
	events, err := s.Store.History(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		i := slices.IndexFunc(versions, func(v call.Version) bool { return v.Number == e.Version })
		if e.Kind != call.EventQuarantined || i < 0 {
			continue
		}
		for _, p := range e.Parts {
			versions[i].Quarantined = append(versions[i].Quarantined, p.Part)
		}
	}
	return versions, nil
}
