package simulator

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// number reads a JSON number or its text.
func number(value any) *float64 {
	switch value := value.(type) {
	case float64:
		return &value
	case string:
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			return &n
		}
	}
	return nil
}

// fields names where each vendor keeps what every vendor has.
var fields = map[string]struct{ created, duration, summary, sentiment, word string }{
	"suresend":   {"createdAt", "duration", "conversationSummary", "sentimentLabel", "outcome"},
	"smartalex":  {"created_at", "duration", "summary", "sentiment", "status"},
	"solomobile": {"created_at", "duration", "call_summary", "sentiment", "status"},
	"callcamp":   {"createdAt", "duration", "summary", "", "status"},
	"agentvoice": {"created_at", "call_duration", "call_description", "", "status"},
}

// texts is what was said in a call, as the vendor serves it.
func (b *bench) texts(vendor string, row map[string]any) []string {
	var list []string
	name, key := "transcript", "text"
	switch vendor {
	case "suresend":
		if row["hasTranscript"] != true {
			return nil
		}
		whole := b.get(vendor, "/calls/"+idOf(row)+"/transcript", "")["transcript"].(string)
		for _, part := range strings.Split("\n"+whole, "\n[")[1:] {
			_, text, _ := strings.Cut(part, "]: ")
			list = append(list, text)
		}
		return list
	case "solomobile":
		name = "transcript_segments"
	case "agentvoice":
		name = "transcript_formatted"
	}
	lines, _ := row[name].([]any)
	for _, line := range lines {
		list = append(list, line.(map[string]any)[key].(string))
	}
	return list
}

func TestTruthAgreesWithWhatIsServed(t *testing.T) {
	b := newBench(t, Options{Seed: 12, Calls: 120})
	for _, vendor := range vendorNames {
		name := fields[vendor]
		var stored, none int
		for _, truth := range b.Truth(vendor) {
			c := truth.Call
			row := b.detail(vendor, string(c.ID))
			where := vendor + " " + string(c.ID) + ": "
			created, err := time.Parse(time.RFC3339Nano, row[name.created].(string))
			if err != nil || !created.Equal(*c.CreatedAt) {
				t.Errorf("%screated %v, truth says %v", where, row[name.created], c.CreatedAt)
			}
			if got := number(row[name.duration]); (got == nil) != (c.DurationSeconds == nil) || got != nil && *got != *c.DurationSeconds {
				t.Errorf("%sduration %v, truth says %v", where, row[name.duration], c.DurationSeconds)
			}
			sameText(t, where+"summary", row[name.summary], c.Summary)
			if name.sentiment != "" {
				sameText(t, where+"sentiment", row[name.sentiment], c.SentimentLabel)
			}
			if row["went_to_voicemail"] != true {
				sameText(t, where+"outcome", row[name.word], c.Outcome)
			}
			served := b.texts(vendor, row)
			if len(served) != len(c.Transcript) {
				t.Errorf("%s%d turns, truth says %d", where, len(served), len(c.Transcript))
				continue
			}
			for i, text := range served {
				if text != c.Transcript[i].Text {
					t.Errorf("%sturn %d is %q, truth says %q", where, i, text, c.Transcript[i].Text)
				}
			}
			if truth.Parts.Transcript == call.Stored {
				stored++
			} else {
				none++
			}
		}
		if stored < 80 || none < 5 {
			t.Errorf("%s: %d transcripts, %d calls without", vendor, stored, none)
		}
	}
}

func sameText(t *testing.T, what string, served any, truth *string) {
	t.Helper()
	text, ok := served.(string)
	if ok != (truth != nil) || ok && text != *truth {
		t.Errorf("%s: %v, truth says %v", what, served, truth)
	}
}

// TestOneCallOfEach compares one call of each vendor with values worked out by
// hand from the served answers and the vendors' documentation.
func TestOneCallOfEach(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 30})
	for vendor, check := range map[string]func(row map[string]any, c call.Call) bool{
		"suresend": func(row map[string]any, c call.Call) bool {
			return *c.ToNumber == row["phone"] && c.FromNumber == nil && c.StartedAtApproximate && c.EndedAt == nil &&
				*c.UserID == row["userId"] && *c.ContactID == row["personId"] && *c.SentimentScore == row["sentimentScore"] &&
				stamp(*c.UpdatedAt) == row["updatedAt"] && *c.Transcript[0].Label == "Agent" && c.Transcript[0].StartSeconds == nil
		},
		"smartalex": func(row map[string]any, c call.Call) bool {
			contact := row["contact"].(map[string]any)
			return *c.ToNumber == row["phone_number"] && *c.ContactName == contact["first_name"].(string)+" "+contact["last_name"].(string) &&
				*c.ContactEmail == contact["email"] && stamp(*c.EndedAt) == row["ended_at"] && *c.Cost == row["cost"] &&
				c.EndedAt.Sub(*c.StartedAt).Seconds() == *c.DurationSeconds && *c.Transcript[1].Label == "caller" &&
				*c.Transcript[0].StartSeconds == 0 && *c.Transcript[1].StartSeconds == *c.Transcript[0].EndSeconds
		},
		"solomobile": func(row map[string]any, c call.Call) bool {
			return *c.FromNumber == row["from_number"] && *c.Phone == row["to_number"] && stamp(*c.StartedAt) == row["started_at"] &&
				c.EndedAt.Sub(*c.StartedAt).Seconds() == *c.DurationSeconds && c.StartedAt.After(*c.CreatedAt) &&
				*c.CampaignName == row["metadata"].(map[string]any)["campaign"] &&
				*c.Transcript[0].EndSeconds == row["transcript_segments"].([]any)[0].(map[string]any)["end_time"]
		},
		"callcamp": func(row map[string]any, c call.Call) bool {
			return *c.ContactID == row["recordUuid"] && *c.CampaignID == row["campaignUuid"] && *c.Cost == row["cost"] &&
				c.FromNumber == nil && c.CostCurrency == nil && c.StartedAtApproximate && *c.Transcript[1].Label == "user" &&
				c.Transcript[1].Speaker == call.SpeakerCustomer
		},
		"agentvoice": func(row map[string]any, c call.Call) bool {
			return *c.FromNumber == row["phone_number_called_from"] && *c.ToNumber == row["phone_number"] && *c.AgentName == row["agent_name"] &&
				*c.CampaignName == row["campaign_name"] && voiceTime(*c.StartedAt) == row["started_at"] &&
				*c.ContactName == row["contact_first_name"].(string)+" "+row["contact_last_name"].(string) &&
				*c.SentimentLabel == row["post_call_analysis"].(map[string]any)["sentiment"]
		},
	} {
		id := idOf(b.example(vendor))
		for _, truth := range b.Truth(vendor) {
			if string(truth.Call.ID) == id && !check(b.detail(vendor, id), truth.Call) {
				t.Errorf("%s: served %v, truth %+v", vendor, b.detail(vendor, id), truth.Call)
			}
		}
	}
}

// TestOddValuesArePlanted makes sure that the traps exist in a sample of the
// size tests use.
func TestOddValuesArePlanted(t *testing.T) {
	b := newBench(t, Options{Seed: 1, Calls: 300})
	for _, vendor := range vendorNames {
		seen := map[string]bool{}
		for _, truth := range b.Truth(vendor) {
			c := truth.Call
			seen["no direction"] = seen["no direction"] || c.Direction == nil || vendor == "callcamp"
			seen["no duration"] = seen["no duration"] || c.DurationSeconds == nil
			seen["no contact"] = seen["no contact"] || c.ContactID == nil
			seen["no transcript though answered"] = seen["no transcript though answered"] ||
				*c.Status == call.StatusCompleted && truth.Parts.Transcript == call.None
			seen["no summary though answered"] = seen["no summary though answered"] ||
				*c.Status == call.StatusCompleted && truth.Parts.Summary == call.None
			seen["status "+string(*c.Status)] = true
		}
		for _, row := range b.all(vendor, 100) {
			for _, value := range row {
				if s, ok := value.(string); ok && number(s) != nil {
					seen["number as text"] = true
				}
			}
		}
		for _, want := range []string{"no direction", "no duration", "no contact", "number as text", "no transcript though answered",
			"no summary though answered", "status completed", "status no_answer", "status busy", "status failed", "status other"} {
			if !seen[want] {
				t.Errorf("%s: %s does not occur", vendor, want)
			}
		}
	}
}
