package provider

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// TestSeveralRecordings are told apart by their labels; one of them is the main
// one, whatever form the answer has.
func TestSeveralRecordings(t *testing.T) {
	const a, b, c = "https://m.example.com/a.wav?token=1", "https://m.example.com/b.wav?token=1", "https://m.example.com/c.wav?token=1"
	row := func(label, url string) string { return fmt.Sprintf(`{"url": %q, "label": %q}`, url, label) }
	for name, tc := range map[string]struct {
		url, list string
		main      string
		further   string
	}{
		"one address":             {a, "null", a, ""},
		"no list":                 {a, "[]", a, ""},
		"only the main one":       {a, "[" + row("main", a) + "]", a, ""},
		"main is labelled":        {"", "[" + row("transfer", b) + "," + row("main", a) + "]", a, "transfer=" + b},
		"address and label":       {a, "[" + row("transfer", b) + "," + row("Main", "https://other.example.com/a.wav") + "]", a, "transfer=" + b},
		"first is main":           {"", "[" + row("left", a) + "," + row("right", b) + "]", a, "right=" + b},
		"main by its place":       {a, "[" + row("left", b) + "," + row("right", strings.Replace(a, "token=1", "token=2", 1)) + "]", a, "left=" + b},
		"main is not listed":      {a, "[" + row("transfer", b) + "]", a, "transfer=" + b},
		"labels alike":            {a, "[" + row("main", a) + "," + row("Transfer", b) + "," + row("transfer", c) + "]", a, "transfer=" + b + " transfer-2=" + c},
		"second main":             {"", "[" + row("main", a) + "," + row("main", b) + "]", a, "main-2=" + b},
		"no labels":               {"", "[" + row("", a) + "," + row("", b) + "," + row("", c) + "]", a, "recording=" + b + " recording-2=" + c},
		"odd label":               {a, "[" + row("../Überleitung  (2)", b) + "]", a, "berleitung-2=" + b},
		"nothing said about one":  {a, `[{"url": null}, {}, 7, null]`, a, ""},
		"main is still to come":   {"", `[{"url": null, "label": "main"},` + row("transfer", b) + "]", "", "transfer=" + b},
		"further is still coming": {a, `[` + row("main", a) + `,{"url": null, "label": "transfer"}]`, a, "transfer=promised not_ready"},
		"no URL":                  {a, "[" + row("transfer", "file:///etc/passwd") + "]", a, "transfer=promised bad_url"},
	} {
		t.Run(name, func(t *testing.T) {
			p := builtin(t, "solomobile", nil)
			docs := soloDetail(fmt.Sprintf(`{"id": "1", "recording_url": %q, "recordings": %s}`, tc.url, tc.list))
			link, ok := p.Link(docs)
			if string(link.URL) != tc.main || ok != (tc.main != "") {
				t.Errorf("main %t %q", ok, string(link.URL))
			}
			mapped, err := p.Map(docs)
			if err != nil {
				t.Fatal(err)
			}
			shown := map[string]string{}
			for _, f := range mapped.Further {
				shown[f.Label] = strings.TrimSpace(string(f.Evidence) + " " + f.Reason)
				if f.Evidence == call.EvidencePresent {
					shown[f.Label] = string(link.Further[f.Label].URL)
				}
			}
			var list []string
			for _, label := range slices.Sorted(maps.Keys(shown)) {
				list = append(list, label+"="+shown[label])
			}
			if got := strings.Join(list, " "); got != tc.further {
				t.Errorf("further %q, want %q", got, tc.further)
			}
		})
	}
}

// TestSeveralRecordingsSayMore: how long each is, how long its URL lives, and
// whether it may not be there yet.
func TestSeveralRecordingsSayMore(t *testing.T) {
	p := builtin(t, "solomobile", nil)
	docs := soloDetail(`{"id": "1", "recording_url": "https://m.example.com/a.wav", "recordings": [
		{"url": "https://m.example.com/a.wav", "label": "main", "duration_seconds": 61, "status": "synced"},
		{"url": "https://m.example.com/b.wav", "label": "transfer", "duration_seconds": 12.5, "status": "pending_sync"},
		{"url": "https://m.example.com/c.wav", "label": "late", "duration_seconds": -1}]}`)
	link, _ := p.Link(docs)
	transfer, late := link.Further["transfer"], link.Further["late"]
	if link.Seconds == nil || *link.Seconds != 61 || link.Unsettled || transfer.Seconds == nil || *transfer.Seconds != 12.5 || !transfer.Unsettled || late.Seconds != nil || late.Unsettled {
		t.Errorf("main %v %t, transfer %v %t, late %v %t", link.Seconds, link.Unsettled, transfer.Seconds, transfer.Unsettled, late.Seconds, late.Unsettled)
	}
	if got := transfer.ExpiresAt.Sub(transfer.FetchedAt); got != time.Hour || transfer.Guessed {
		t.Errorf("the transfer's URL lives %s, guessed %t", got, transfer.Guessed)
	}
}

// TestTooManyRecordings are cut short.
func TestTooManyRecordings(t *testing.T) {
	p := builtin(t, "solomobile", nil)
	rows := strings.Repeat(`{"url": "https://m.example.com/b.wav", "label": "`+strings.Repeat("long ", 100)+`"},`, 5000)
	mapped, err := p.Map(soloDetail(`{"id": "1", "recordings": [` + strings.TrimSuffix(rows, ",") + `]}`))
	if err != nil || len(mapped.Further) != mostRecordings-1 {
		t.Fatalf("%d further recordings, %v", len(mapped.Further), err)
	}
	for _, f := range mapped.Further {
		if len(f.Label) > longestLabel {
			t.Fatalf("label %q", f.Label)
		}
	}
}

func soloDetail(detail string) call.Documents {
	return call.Documents{call.DocumentList: {Body: json.RawMessage(`{"id": "1"}`)}, "detail": {Body: json.RawMessage(detail), FetchedAt: time.Unix(1700000000, 0)}}
}
