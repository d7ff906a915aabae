package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
)

func TestWhyTellsEveryKindOfEvent(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 3, 8, 9, minute, 0, 0, time.UTC) }
	events := []call.Event{
		{Kind: call.EventListed, Version: 1, Documents: []string{"detail", "list"}, SHA256: "00ff"},
		{Kind: call.EventParts, Parts: []call.PartEvent{{Part: call.PartTranscript, State: call.Stored}, {Part: call.PartRecording, State: call.Pending, Reason: "expired", Attempts: 1}}},
		{Kind: call.EventLinkRenewed},
		{Kind: call.EventParts, Parts: []call.PartEvent{{Part: call.PartRecording, State: call.Stored}}, SHA256: "0a1b"},
		{Kind: call.EventParts, Parts: []call.PartEvent{{Part: call.PartRecording, Label: "transfer", State: call.Pending, Reason: "not_ready", Attempts: 2}}},
		{Kind: call.EventVersion, Version: 2, SHA256: "11ee"},
		{Kind: call.EventQuarantined, Version: 3, Documents: []string{"list"}, SHA256: "22dd"},
		{Kind: call.EventMissing},
		{Kind: call.EventDeleted},
		{Kind: call.EventReturned},
		{Kind: call.EventAcknowledged, Note: "the vendor\nhas no copy"},
		{Kind: "of_a_newer_daemon"},
	}
	var b strings.Builder
	a := &app{stdout: &b}
	for i := range events {
		events[i].At = at(i)
		a.printEvent(&events[i])
	}
	soon, late := at(30), at(59)
	reason := "not_ready"
	a.printOpen(&client.Call{Details: map[call.PartName]client.PartDetail{
		call.PartRecord:     {State: call.Stored},
		call.PartTranscript: {State: call.Pending, Reason: &reason, NextTry: &soon, Deadline: &late, Attempts: 2},
		call.PartSummary:    {State: call.None},
		call.PartRecording:  {State: call.Lost, Attempts: 1},
	}, Recordings: []client.RecordingFile{
		{Label: "main", Recording: call.Recording{State: call.Stored}, Current: true},
		{Label: "transfer", Recording: call.Recording{State: call.Lost}, Reason: &reason, Current: true},
	}})
	a.printOpen(&client.Call{Details: map[call.PartName]client.PartDetail{call.PartRecording: {State: call.Lost, Acknowledged: &call.Acknowledgement{At: late}}}})
	kept, aside := "replacement_not_had", "worse_version_kept_aside"
	a.explainStored(&client.Call{Details: map[call.PartName]client.PartDetail{
		call.PartRecord: {State: call.Stored}, call.PartSummary: {State: call.Pending, Reason: &reason},
		call.PartTranscript: {State: call.Stored, Reason: &aside}, call.PartRecording: {State: call.Stored, Reason: &kept},
	}})
	const golden = "testdata/why.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the life of a call differs from %s:\n%s", golden, b.String())
	}
}

func TestStatsTable(t *testing.T) {
	agent, score, group := "Ada Example\x1b[2J", 0.754, "agent"
	data := []call.Stats{
		{Period: "2026-02-01", Group: &agent, Calls: 1200, TalkSeconds: 93784, Positive: 700, Neutral: 300, Negative: 100, ScoreMean: &score},
		{Period: "2026-03-01", Calls: 1, TalkSeconds: 61},
	}
	var b strings.Builder
	a := &app{stdout: &b}
	a.printStats(&client.Stats{By: "month", Group: &group, Data: data})
	a.printStats(&client.Stats{By: "week"})
	want := strings.Join([]string{
		`MONTH (UTC)  CALLS  TALK TIME  POSITIVE  NEUTRAL  NEGATIVE  MEAN SCORE  AGENT`,
		`2026-02-01   1,200   26:03:04       700      300       100       +0.75  Ada Example\x1b[2J`,
		`2026-03-01       1      01:01         0        0         0           -  (unknown)`,
		`total        1,201   26:04:05       700      300       100           -`,
		`no calls`, ``}, "\n")
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}
