package main

import (
	"strconv"
	"strings"
	"time"
)

// whenForms lists what parseWhen understands.
const whenForms = "2025-12-01, '2025-12-01 09:30', 2025-12-01T09:30:00Z, 36h, 7d or 2w (that long ago), today, yesterday, or a weekday (the most recent); times are UTC"

var agoUnits = map[byte]time.Duration{'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

// parseWhen reads a moment from one of a closed list of forms; ok is false for
// everything else. Days begin at midnight UTC.
func parseWhen(text string, now time.Time) (t time.Time, ok bool) {
	now = now.UTC()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	for _, layout := range []string{time.RFC3339, time.DateOnly, "2006-01-02 15:04"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), true
		}
	}
	word := strings.ToLower(text)
	switch word {
	case "":
		return time.Time{}, false
	case "today":
		return today, true
	case "yesterday":
		return today.AddDate(0, 0, -1), true
	}
	for back := range 7 {
		day := today.AddDate(0, 0, -back)
		if word == strings.ToLower(day.Weekday().String()) {
			return day, true
		}
	}
	const most = 100 * 365 * 24 * time.Hour // longer ago is a typing mistake
	n, err := strconv.ParseUint(word[:len(word)-1], 10, 32)
	unit, known := agoUnits[word[len(word)-1]]
	if err != nil || !known || time.Duration(n) > most/unit {
		return time.Time{}, false
	}
	return now.Add(-time.Duration(n) * unit), true
}
