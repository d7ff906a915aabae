package callsync

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"callsyncd/call"
)

const (
	// driftRows is the least number of list items whose fields say anything.
	driftRows = 20
	// usualShare is the share of items a field must have been in to be missed.
	usualShare = 0.5
	// driftDrop is how much of its share a field must lose to be reported.
	driftDrop = 0.5
)

// fields counts, over a walk, in how many list items each field has a value,
// and of which JSON type most of them are.
type fields struct {
	rows  int
	kinds map[string]map[string]int // field -> JSON type -> items
}

// see enters one list item.
func (f *fields) see(body json.RawMessage) {
	var item map[string]json.RawMessage
	if json.Unmarshal(body, &item) != nil {
		return
	}
	if f.kinds == nil {
		f.kinds = make(map[string]map[string]int)
	}
	f.rows++
	for name, value := range item {
		kind := kindOf(value)
		if kind == "" {
			continue
		}
		if f.kinds[name] == nil {
			f.kinds[name] = make(map[string]int)
		}
		f.kinds[name][kind]++
	}
}

// kindOf is the JSON type of a value; empty for null, "" and [].
func kindOf(value json.RawMessage) string {
	switch s := string(value); {
	case s == "null" || s == `""` || s == "[]" || s == "{}":
		return ""
	case s[0] == '"':
		return "string"
	case s[0] == '{':
		return "object"
	case s[0] == '[':
		return "array"
	case s == "true" || s == "false":
		return "boolean"
	}
	return "number"
}

// shares sums up what was seen.
func (f *fields) shares() map[string]call.FieldShare {
	if f.rows < driftRows {
		return nil
	}
	out := make(map[string]call.FieldShare, len(f.kinds))
	for name, kinds := range f.kinds {
		share, total := call.FieldShare{}, 0
		for _, kind := range slices.Sorted(maps.Keys(kinds)) {
			total += kinds[kind]
			if share.Kind == "" || kinds[kind] > kinds[share.Kind] {
				share.Kind = kind
			}
		}
		share.Share = float64(total) / float64(f.rows)
		out[name] = share
	}
	return out
}

// drift compares the fields of two sweeps. The texts tell of fields that became
// rare; grave are those that vanished altogether or changed their type, which
// means that calls may no longer be understood.
func drift(before, now map[string]call.FieldShare) (texts, grave []string) {
	if before == nil || now == nil {
		return nil, nil
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		was, is := before[name], now[name]
		if was.Share < usualShare {
			continue
		}
		switch {
		case is.Share == 0:
			grave = append(grave, fmt.Sprintf("field %q was in %.0f %% of the vendor's records, now in none", name, 100*was.Share))
		case is.Kind != was.Kind:
			grave = append(grave, fmt.Sprintf("field %q was of the type %s, now it is %s", name, was.Kind, is.Kind))
		case is.Share < was.Share*(1-driftDrop):
			texts = append(texts, fmt.Sprintf("field %q was in %.0f %% of the vendor's records, now in %.0f %%", name, 100*was.Share, 100*is.Share))
		}
	}
	return texts, grave
}
