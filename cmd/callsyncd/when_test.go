package main

import (
	"testing"
	"time"
)

func TestParseWhen(t *testing.T) {
	now := time.Date(2026, 11, 21, 13, 15, 0, 0, time.FixedZone("", 3600)) // a Saturday, 12:15 UTC
	for _, tt := range []struct{ text, want string }{
		{"2025-12-01", "2025-12-01T00:00:00Z"},
		{"2025-12-01 09:30", "2025-12-01T09:30:00Z"},
		{"2025-12-01T09:30:00Z", "2025-12-01T09:30:00Z"},
		{"2025-12-01T09:30:00.5+02:00", "2025-12-01T07:30:00.5Z"},
		{"36h", "2026-11-20T00:15:00Z"},
		{"7d", "2026-11-14T12:15:00Z"},
		{"2w", "2026-11-07T12:15:00Z"},
		{"0h", "2026-11-21T12:15:00Z"},
		{"5000w", "1931-01-24T12:15:00Z"},
		{"today", "2026-11-21T00:00:00Z"},
		{"Yesterday", "2026-11-20T00:00:00Z"},
		{"saturday", "2026-11-21T00:00:00Z"},
		{"Sunday", "2026-11-15T00:00:00Z"},
		{"friday", "2026-11-20T00:00:00Z"},

		{"", ""}, {"h", ""}, {"-3d", ""}, {"+3d", ""}, {"3 d", ""}, {"3m", ""}, {"1.5h", ""}, {"6000w", ""},
		{"99999999999999999999d", ""}, {"2026-13-45", ""}, {"2025-02-30", ""}, {"2025-12-01 9:30pm", ""}, {"nov 3", ""},
		{"tomorow", ""}, {"tomorrow", ""}, {"gibberish", ""}, {"sat", ""}, {"7d ", ""}, {"２d", ""},
	} {
		got, ok := parseWhen(tt.text, now)
		if !ok {
			got = time.Time{}
		}
		if shown := got.Format(time.RFC3339Nano); ok != (tt.want != "") || ok && shown != tt.want {
			t.Errorf("parseWhen(%q) = %s, %v; want %q", tt.text, shown, ok, tt.want)
		}
	}
}

func FuzzParseWhen(f *testing.F) {
	for _, seed := range []string{"7d", "today", "2025-12-01", "monday"} {
		f.Add(seed)
	}
	now := time.Date(2026, 11, 21, 13, 15, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := parseWhen(text, now); ok && (got.Location() != time.UTC || got.Year() < 0 || got.Year() > 9999) {
			t.Errorf("parseWhen(%q) = %v", text, got)
		}
	})
}
