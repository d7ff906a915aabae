package api

import (
	"context"
	"encoding/json"

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

// show makes c presentable, loading what v wants beyond the light fields.
func (s *server) show(ctx context.Context, c call.Call, v view) (callView, error) {
	if v.transcript || v.metadata {
		record, err := s.Store.Load(ctx, c.Key)
		if err != nil {
			return callView{}, err
		}
		c = record.Call
	}
	out := callView{Call: c}
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
		versions, err := s.Store.Versions(ctx, c.Key)
		if err != nil {
			return callView{}, err
		}
		out.Versions = &versions
	}
	return out, nil
}
