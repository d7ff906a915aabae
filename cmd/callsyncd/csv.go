package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
)

// column is one field of a call in a flat table.
type column struct {
	name string
	cell func(c *call.Call) string
}

// columns are the fields of a light call; recording and parts are flattened.
var columns = []column{
	{"key", func(c *call.Call) string { return word(c.Key.String()) }},
	{"source", func(c *call.Call) string { return word(string(c.Source)) }},
	{"provider", func(c *call.Call) string { return word(c.Provider) }},
	{"id", func(c *call.Call) string { return word(string(c.ID)) }},
	{"direction", func(c *call.Call) string { return wordAt(c.Direction) }},
	{"status", func(c *call.Call) string { return wordAt(c.Status) }},
	{"outcome", func(c *call.Call) string { return wordAt(c.Outcome) }},
	{"phone", func(c *call.Call) string { return wordAt(c.Phone) }},
	{"from_number", func(c *call.Call) string { return wordAt(c.FromNumber) }},
	{"to_number", func(c *call.Call) string { return wordAt(c.ToNumber) }},
	{"agent_id", func(c *call.Call) string { return wordAt(c.AgentID) }},
	{"agent_name", func(c *call.Call) string { return wordAt(c.AgentName) }},
	{"user_id", func(c *call.Call) string { return wordAt(c.UserID) }},
	{"contact_id", func(c *call.Call) string { return wordAt(c.ContactID) }},
	{"contact_name", func(c *call.Call) string { return wordAt(c.ContactName) }},
	{"contact_email", func(c *call.Call) string { return wordAt(c.ContactEmail) }},
	{"campaign_id", func(c *call.Call) string { return wordAt(c.CampaignID) }},
	{"campaign_name", func(c *call.Call) string { return wordAt(c.CampaignName) }},
	{"started_at", func(c *call.Call) string { return timeAt(c.StartedAt) }},
	{"started_at_approximate", func(c *call.Call) string { return strconv.FormatBool(c.StartedAtApproximate) }},
	{"ended_at", func(c *call.Call) string { return timeAt(c.EndedAt) }},
	{"created_at", func(c *call.Call) string { return timeAt(c.CreatedAt) }},
	{"updated_at", func(c *call.Call) string { return timeAt(c.UpdatedAt) }},
	{"duration_seconds", func(c *call.Call) string { return numberAt(c.DurationSeconds) }},
	{"cost", func(c *call.Call) string { return numberAt(c.Cost) }},
	{"cost_currency", func(c *call.Call) string { return wordAt(c.CostCurrency) }},
	{"sentiment_label", func(c *call.Call) string { return wordAt(c.SentimentLabel) }},
	{"sentiment_score", func(c *call.Call) string { return numberAt(c.SentimentScore) }},
	{"summary", func(c *call.Call) string { return wordAt(c.Summary) }},
	{"topics", func(c *call.Call) string { return word(strings.Join(c.Topics, "; ")) }},
	{"note", func(c *call.Call) string { return wordAt(c.Note) }},
	{"recording_file", ofRecording(func(r *call.Recording) string { return wordAt(r.File) })},
	{"recording_sha256", ofRecording(func(r *call.Recording) string { return wordAt(r.SHA256) })},
	{"recording_size_bytes", ofRecording(func(r *call.Recording) string {
		if r.SizeBytes == nil {
			return ""
		}
		return strconv.FormatInt(*r.SizeBytes, 10)
	})},
	{"recording_content_type", ofRecording(func(r *call.Recording) string { return wordAt(r.ContentType) })},
	{"recording_duration_seconds", ofRecording(func(r *call.Recording) string { return numberAt(r.DurationSeconds) })},
	{"recording_stored_at", ofRecording(func(r *call.Recording) string { return timeAt(r.StoredAt) })},
	{"record_state", func(c *call.Call) string { return word(string(c.Parts.Record)) }},
	{"transcript_state", func(c *call.Call) string { return word(string(c.Parts.Transcript)) }},
	{"summary_state", func(c *call.Call) string { return word(string(c.Parts.Summary)) }},
	{"recording_state", func(c *call.Call) string { return word(string(c.Parts.Recording)) }},
	{"settled", func(c *call.Call) string { return strconv.FormatBool(c.Settled) }},
	{"version", func(c *call.Call) string { return strconv.Itoa(c.Version) }},
	{"first_seen_at", func(c *call.Call) string { return timeAt(&c.FirstSeenAt) }},
	{"changed_at", func(c *call.Call) string { return timeAt(&c.ChangedAt) }},
	{"deleted_upstream_at", func(c *call.Call) string { return timeAt(c.DeletedUpstreamAt) }},
}

func ofRecording(cell func(*call.Recording) string) func(*call.Call) string {
	return func(c *call.Call) string {
		if c.Recording == nil {
			return ""
		}
		return cell(c.Recording)
	}
}

// word keeps spreadsheets from taking text for a formula. Numbers, times and
// truth values are ours and need no such care.
func word(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}

func wordAt[T ~string](text *T) string {
	if text == nil {
		return ""
	}
	return word(string(*text))
}

func timeAt(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func numberAt(n *float64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatFloat(*n, 'f', -1, 64)
}

// csvTable writes pages of calls as rows.
type csvTable struct {
	w      *csv.Writer
	headed bool
}

func newCSV(w io.Writer) *csvTable { return &csvTable{w: csv.NewWriter(w)} }

// add writes the calls of one page.
func (t *csvTable) add(body []byte) error {
	var page client.Page[call.Call]
	if err := json.Unmarshal(body, &page); err != nil {
		return fmt.Errorf("read the API's answer: %w", err)
	}
	row := make([]string, len(columns))
	if !t.headed {
		for i, c := range columns {
			row[i] = c.name
		}
		t.headed = true
		if err := t.w.Write(row); err != nil {
			return err
		}
	}
	for i := range page.Data {
		for j, c := range columns {
			row[j] = c.cell(&page.Data[i])
		}
		if err := t.w.Write(row); err != nil {
			return err
		}
	}
	return nil
}

func (t *csvTable) end() error {
	t.w.Flush()
	return t.w.Error()
}
