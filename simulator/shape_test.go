package simulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// documented reads the vendors' example answers, by name.
func documented(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("testdata/documented.txt")
	if err != nil {
		t.Fatal(err)
	}
	examples := map[string]any{}
	for _, part := range strings.Split("\n"+string(text), "\n-- ")[1:] {
		name, body, _ := strings.Cut(part, " --\n")
		var example any
		if err := json.Unmarshal([]byte(body), &example); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		examples[name] = example
	}
	return examples
}

// shape describes the keys and kinds of a JSON value; null is described as "?".
func shape(value any, path string, into map[string]string) {
	switch value := value.(type) {
	case map[string]any:
		into[path] = "object"
		for name, inner := range value {
			shape(inner, path+"."+name, into)
		}
	case []any:
		into[path] = "array"
		for _, inner := range value {
			shape(inner, path+"[]", into)
		}
	case nil:
		into[path] = "?"
	default:
		into[path] = fmt.Sprintf("%T", value)
	}
}

// differ lists where two shapes are not alike; null is like everything.
func differ(want, have map[string]string) []string {
	var found []string
	for path, kind := range want {
		if other, ok := have[path]; !ok || kind != "?" && other != "?" && other != kind {
			found = append(found, fmt.Sprintf("%s: documented %s, served %q", path, kind, other))
		}
	}
	for path := range have {
		if _, ok := want[path]; !ok {
			found = append(found, path+": served, not documented")
		}
	}
	slices.Sort(found)
	return found
}

// example picks a call in which every documented field has a value.
func (b *bench) example(vendor string) map[string]any {
	b.t.Helper()
	for _, row := range b.all(vendor, 100) {
		direction, knows := row["direction"], row["contact_id"] != nil || row["contact"] != nil || row["personId"] != nil || row["recordUuid"] != nil
		number := row["duration"]
		if vendor == "smartalex" && number != nil {
			number = row["cost"]
		}
		if row["call_duration"] != nil {
			direction, number = row["call_type"], row["call_duration"]
		}
		if row["isIncoming"] == false {
			direction = "outbound"
		}
		if _, whole := number.(float64); whole && direction == "outbound" && (knows || vendor == "solomobile") && b.complete(vendor, idOf(row)) {
			return row
		}
	}
	b.t.Fatalf("%s: no call with every field", vendor)
	return nil
}

// peek looks at a call from the inside.
func (w *world) peek(id string) (view, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.byID[id]
	if e == nil {
		return view{}, false
	}
	return w.at(e, final), true
}

// complete reports whether a call has all its parts.
func (b *bench) complete(vendor, id string) bool {
	v, ok := b.must(vendor).peek(id)
	return ok && v.hasTranscript() && v.hasSummary() && v.hasRecording()
}

func TestAnswersHaveExactlyTheDocumentedKeys(t *testing.T) {
	examples := documented(t)
	older := newBench(t, Options{Seed: 1, Calls: 30})
	newer := newBench(t, Options{Seed: 1, Calls: 30, Generation: map[string]string{"smartalex": "new", "callcamp": "new", "solomobile": "new"}})
	id := func(vendor string) string { return idOf(older.example(vendor)) }
	list := func(b *bench, vendor, rows string) any {
		_, answer := b.page(vendor, 20, 1)
		answer[rows] = []any{map[string]any(find(b.all(vendor, 100), id(vendor)))}
		return answer
	}
	light := older.get("agentvoice", "/calls?limit=100", "")
	for _, row := range light["data"].([]any) {
		if idOf(row.(map[string]any)) == id("agentvoice") {
			light["data"] = []any{row}
		}
	}
	served := map[string]any{
		"suresend list":         list(older, "suresend", "calls"),
		"suresend transcript":   older.get("suresend", "/calls/"+id("suresend")+"/transcript", ""),
		"smartalex list":        list(older, "smartalex", "data"),
		"smartalex detail":      older.get("smartalex", "/calls/"+id("smartalex"), ""),
		"smartalex transcript":  older.get("smartalex", "/calls/"+id("smartalex")+"/transcript", ""),
		"smartalex recording":   older.get("smartalex", "/calls/"+id("smartalex")+"/recording", ""),
		"smartalex new list":    list(newer, "smartalex", "data"),
		"solomobile list":       list(older, "solomobile", "calls"),
		"solomobile detail":     older.detail("solomobile", id("solomobile")),
		"solomobile recording":  older.get("solomobile", "/get-signed-recording-url", `{"call_id": "`+id("solomobile")+`"}`),
		"solomobile new list":   list(newer, "solomobile", "calls"),
		"solomobile new detail": newer.detail("solomobile", id("solomobile")),
		"callcamp list":         list(older, "callcamp", "calls"),
		"callcamp detail":       older.detail("callcamp", id("callcamp")),
		"callcamp new list":     list(newer, "callcamp", "calls"),
		"agentvoice list":       light,
	}
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		want, have := map[string]string{}, map[string]string{}
		shape(examples[name], "", want)
		shape(served[name], "", have)
		for _, line := range differ(want, have) {
			t.Errorf("%s: %s", name, line)
		}
	}
}

// find returns the row with an ID.
func find(rows []map[string]any, id string) map[string]any {
	for _, row := range rows {
		if idOf(row) == id {
			return row
		}
	}
	return nil
}

func TestTheShapeTestSeesDifferences(t *testing.T) {
	want, have := map[string]string{}, map[string]string{}
	shape(map[string]any{"a": 1.0, "b": "x", "c": nil}, "", want)
	shape(map[string]any{"a": "1", "c": 2.0, "d": true}, "", have)
	if got := differ(want, have); len(got) != 3 {
		t.Errorf("differences: %q", got)
	}
}

func TestAgentVoiceAddsTheGroupsAskedFor(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30})
	id := idOf(b.example("agentvoice"))
	light := len(b.get("agentvoice", "/calls/"+id, ""))
	for query, added := range map[string][]string{
		"fields=light":       nil,
		"include=transcript": {"transcript", "transcript_formatted"},
		"include=metrics":    {"quality_metrics", "latency_metrics", "audio_metrics"},
		"include=transcript,diagnostics": {"transcript", "transcript_formatted", "turn_events",
			"interruptions", "tool_usage"},
		"include=actions": {"action_executions", "action_summary"},
		"fields=full": {"transcript", "transcript_formatted", "post_call_analysis", "call_description", "custom_analysis",
			"structured_data_results", "notes", "action_executions", "action_summary", "quality_metrics", "enhanced_context"},
		"fields=full&include=metrics,actions": {"transcript", "transcript_formatted", "post_call_analysis", "call_description", "custom_analysis",
			"structured_data_results", "notes", "action_executions", "action_summary", "quality_metrics", "enhanced_context",
			"latency_metrics", "audio_metrics"},
	} {
		got := b.get("agentvoice", "/calls/"+id+"?"+query, "")
		if len(got) != light+len(added) {
			t.Errorf("%s: %d fields, want %d", query, len(got), light+len(added))
		}
		for _, name := range added {
			if _, ok := got[name]; !ok {
				t.Errorf("%s: %s is missing", query, name)
			}
		}
	}
}

func TestLookups(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 300})
	for _, x := range []struct {
		vendor, path, body, rows string
		count                    int
	}{
		{"suresend", "/users?limit=100&offset=0", "", "users", agentCount},
		{"suresend", "/people?limit=100&offset=60", "", "people", 40},
		{"suresend", "/people?limit=30&page=4", "", "people", 10},
		{"smartalex", "/agents", "", "data", agentCount},
		{"smartalex", "/campaigns?page=1&per_page=4", "", "data", 4},
		{"smartalex", "/contacts?page=2&per_page=60", "", "data", 40},
		{"solomobile", "/list-agents", "{}", "agents", agentCount},
		{"solomobile", "/list-contacts", `{"limit": 70, "offset": 70}`, "contacts", 30},
		{"callcamp", "/campaigns", "", "campaigns", campaignCount},
		{"callcamp", "/records?limit=100&page=1", "", "records", 100},
	} {
		rows, ok := b.get(x.vendor, x.path, x.body)[x.rows].([]any)
		if !ok || len(rows) != x.count {
			t.Errorf("%s %s: %d rows, want %d", x.vendor, x.path, len(rows), x.count)
		}
	}
	if user := b.get("callcamp", "/auth/me", "")["user"].(map[string]any); !strings.Contains(fmt.Sprint(user["permissions"]), "calls:read") {
		t.Errorf("callcamp auth/me: %v", user)
	}
	person := b.Truth("suresend")[0].Call
	for _, truth := range b.Truth("suresend") {
		if truth.Call.ContactID != nil {
			person = truth.Call
			break
		}
	}
	if got := b.get("suresend", "/people/"+*person.ContactID, ""); got["name"] != *person.ContactName {
		t.Errorf("people: %v, truth says %s", got["name"], *person.ContactName)
	}
	rec := b.do("agentvoice", b.request("agentvoice", "/contacts", ""))
	var contacts []map[string]any
	if err := json.Unmarshal(rec.Body.Bytes(), &contacts); err != nil || len(contacts) != 100 {
		t.Errorf("agentvoice: %d contacts, error %v", len(contacts), err)
	}
}
