package provider

import (
	"encoding/json"
	"slices"
	"testing"

	"callsyncd/call"
)

func TestMissedNames(t *testing.T) {
	m := newMisses()
	tables := map[string]any{ownKey: m, "users": map[string]any{"1": map[string]any{"name": "Kim"}}}
	e := &callExpr{program{source: `[lookup("users"; 1).name, lookup("users"; "2").name, lookup("users"; null)]`}}
	if err := e.compile([]string{"$lookup"}); err != nil {
		t.Fatal(err)
	}
	got, err := run(t.Context(), e.code, nil, tables)
	if list, _ := got.([]any); err != nil || len(list) != 3 || list[0] != "Kim" || list[1] != nil || list[2] != nil {
		t.Fatalf("%v, %v", got, err)
	}
	wanted := func() []string {
		var ids []string
		for id := range m.wanted["users"] {
			ids = append(ids, id)
		}
		return ids
	}
	if ids := wanted(); !slices.Equal(ids, []string{"2"}) {
		t.Errorf("missed %q", ids)
	}
	m.renewed(&call.LookupTable{Name: "users", Rows: map[string]json.RawMessage{"1": nil}})
	if _, err := run(t.Context(), e.code, nil, tables); err != nil || len(wanted()) != 0 {
		t.Errorf("an id that a fresh table does not have is missed again: %q, %v", wanted(), err)
	}
}
