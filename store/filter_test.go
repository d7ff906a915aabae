package store

import (
	"testing"
	"time"

	"callsyncd/call"
)

func TestMatches(t *testing.T) {
	started := epoch
	c := call.Call{
		Source: "crm", Direction: ptr(call.Inbound), Status: ptr(call.StatusCompleted), Outcome: ptr("answered"),
		AgentID: ptr("a1"), AgentName: ptr("Ada Example"), CampaignID: ptr("c1"), CampaignName: ptr("Spring"),
		ContactID: ptr("k1"), UserID: ptr("u1"), SentimentLabel: ptr("positive"),
		StartedAt: &started, DurationSeconds: ptr(60.0), Settled: true,
		Parts: call.PartStates{Record: call.Stored, Transcript: call.Stored, Summary: call.None, Recording: call.Pending},
	}
	bare := call.Call{Source: "crm", FirstSeenAt: epoch}
	type has = []call.PartName
	tests := map[string]struct {
		filter     call.Filter
		want, bare bool
	}{
		"nothing":             {call.Filter{}, true, true},
		"source":              {call.Filter{Source: []call.SourceID{"erp", "crm"}}, true, true},
		"other source":        {call.Filter{Source: []call.SourceID{"erp"}}, false, false},
		"agent by name":       {call.Filter{Agent: []string{"ADA EXAMPLE"}}, true, false},
		"agent by id":         {call.Filter{Agent: []string{"a1"}}, true, false},
		"agent by id's case":  {call.Filter{Agent: []string{"A1"}}, false, false},
		"agent id":            {call.Filter{AgentID: []string{"x", "a1"}}, true, false},
		"agent id is no name": {call.Filter{AgentID: []string{"Ada Example"}}, false, false},
		"empty agent":         {call.Filter{Agent: []string{""}}, false, false},
		"campaign":            {call.Filter{Campaign: []string{"spring"}}, true, false},
		"campaign id":         {call.Filter{CampaignID: []string{"c1"}}, true, false},
		"contact":             {call.Filter{ContactID: []string{"k1"}}, true, false},
		"user":                {call.Filter{UserID: []string{"u2"}}, false, false},
		"direction":           {call.Filter{Direction: []call.Direction{call.Outbound, call.Inbound}}, true, false},
		"status":              {call.Filter{Status: []call.Status{call.StatusBusy}}, false, false},
		"outcome":             {call.Filter{Outcome: []string{"answered"}}, true, false},
		"sentiment":           {call.Filter{Sentiment: []string{"positive"}}, true, false},
		"all of them":         {call.Filter{AgentID: []string{"a1"}, Sentiment: []string{"negative"}}, false, false},
		"from is inclusive":   {call.Filter{From: epoch}, true, true},
		"to is exclusive":     {call.Filter{To: epoch}, false, false},
		"within":              {call.Filter{From: epoch.Add(-time.Hour), To: epoch.Add(1)}, true, true},
		"shortest":            {call.Filter{MinDuration: ptr(60.0)}, true, false},
		"too short":           {call.Filter{MinDuration: ptr(60.5)}, false, false},
		"longest":             {call.Filter{MaxDuration: ptr(60.0)}, true, false},
		"has transcript":      {call.Filter{Has: has{call.PartTranscript}}, true, false},
		"has both":            {call.Filter{Has: has{call.PartTranscript, call.PartRecording}}, false, false},
		"has unknown":         {call.Filter{Has: has{"audio"}}, false, false},
		"settled":             {call.Filter{Settled: ptr(true)}, true, false},
		"unsettled":           {call.Filter{Settled: ptr(false)}, false, true},
		"deleted":             {call.Filter{DeletedUpstream: ptr(true)}, false, false},
		"not deleted":         {call.Filter{DeletedUpstream: ptr(false)}, true, true},
	}
	for name, test := range tests {
		if got := Matches(test.filter, &c); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
		if got := Matches(test.filter, &bare); got != test.bare {
			t.Errorf("%s, call without values: %v", name, got)
		}
	}
}

func TestMatchesPhone(t *testing.T) {
	tests := []struct {
		stored, asked string
		want          bool
	}{
		{"+1 (555) 555-0100", "+15555550100", true},
		{"+15555550100", "001 555 555 0100", true},
		{"+15555550100", "15555550100", true},
		{"15555550100", "+1 555 555 0100", true},
		{"+15555550100", "555-555-0100", true},
		{"+15555550100", "550100", true},
		{"+15555550100", "50100", true},
		{"+15555550100", "0100", false},
		{"+15555550100", "+5555550100", false},
		{"+15555550100", "+445555550100", false},
		{"+441615550100", "0161 555 0100", true},
		{"+44 (0)161 555 0100", "+441615550100", true},
		{"(+44) 161 555 0100", "00441615550100", true},
		{"0161 555 0100", "+44 161 555 0100", true},
		{"555-555-0100", "+1 555 555 0100", true},
		{"5550100", "5550101", false},
		{"0100", "0100", true},
		{"unknown", "unknown", false},
		{"+15555550100", "", false},
	}
	for _, test := range tests {
		for _, c := range []call.Call{{Phone: &test.stored}, {Phone: ptr("0"), FromNumber: &test.stored}, {ToNumber: &test.stored}} {
			if got := Matches(call.Filter{Phone: []string{"+49 555 0199", test.asked}}, &c); got != test.want {
				t.Errorf("%q asked for %q: %v", test.stored, test.asked, got)
			}
		}
	}
}
