package main

import (
	"strings"
	"testing"

	"callsyncd/call"
)

func TestBoard(t *testing.T) {
	var out strings.Builder
	b := &board{w: &out, last: map[call.SourceID]call.Progress{}}
	counts := call.Counts{Calls: 40, Recordings: 1, Pending: map[call.PartName]int{call.PartRecording: 2, call.PartSummary: 1}}
	b.observe(call.Progress{Source: "crm", Phase: "sweep", Seen: 40, Total: 1200, Counts: counts})
	b.observe(call.Progress{Source: "evil\x1b[2J", Phase: "head"})
	b.draw()
	b.observe(call.Progress{Source: "crm", Phase: "pending"}) // has no counts: the last ones stay
	b.draw()
	want := "crm          sweep       40/1,200      40 calls, 1 recording, 3 pending\n" +
		"evil\\x1b[2J  head                      0 calls, 0 recordings, 0 pending\n" +
		"\x1b[1A\x1b[2K\x1b[1A\x1b[2K" +
		"crm          pending                   40 calls, 1 recording, 3 pending\n" +
		"evil\\x1b[2J  head                      0 calls, 0 recordings, 0 pending\n"
	if out.String() != want {
		t.Errorf("drawn:\n%q\nwant:\n%q", out.String(), want)
	}
}
