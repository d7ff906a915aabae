package main

import (
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

func TestWord(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "plain": "plain", "a=b": "a=b", " =1": " =1", "'x": "'x",
		"=1+1": "'=1+1", "+15550134": "'+15550134", "-x": "'-x", "@sum": "'@sum", "\tx": "'\tx", "\rx": "'\rx",
	} {
		if got := word(text); got != want {
			t.Errorf("word(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestCSV(t *testing.T) {
	text := func(s string) *string { return &s }
	seconds, score := 61.5, -0.25
	at := time.Date(2025, 12, 1, 9, 30, 0, 0, time.UTC)
	c := call.Call{Key: call.Key{Source: "crm", ID: "=1"}, Source: "crm", Provider: "acme", ID: "=1", Phone: text("+15550134"), Summary: text("said \"no\",\nthen left"),
		Topics: []string{"a", "b"}, StartedAt: &at, DurationSeconds: &seconds, SentimentScore: &score, Recording: &call.Recording{File: text("recordings/x.mp3")}}
	body, err := json.Marshal(map[string]any{"data": []any{c.Light()}})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	table := newCSV(&out)
	for range 2 {
		if err := table.add(body); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.end(); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d rows, %v; want a heading and two rows", len(rows), err)
	}
	cells := map[string]string{}
	for i, name := range rows[0] {
		cells[name] = rows[1][i]
	}
	for name, want := range map[string]string{
		"key": "crm/=1", "id": "'=1", "phone": "'+15550134", "summary": "said \"no\",\nthen left", "topics": "a; b",
		"started_at": "2025-12-01T09:30:00Z", "duration_seconds": "61.5", "sentiment_score": "-0.25",
		"recording_file": "recordings/x.mp3", "recording_sha256": "", "agent_name": "", "settled": "false", "first_seen_at": "",
	} {
		if got, ok := cells[name]; !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Every field of a light call must be somewhere in the table.
func TestCSVIsComplete(t *testing.T) {
	body, err := json.Marshal(call.Call{}.Light())
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{"recording": true, "parts": true} // flattened
	for _, c := range columns {
		named[c.name] = true
	}
	for name := range fields {
		if !named[name] {
			t.Errorf("no column for %s", name)
		}
	}
}
