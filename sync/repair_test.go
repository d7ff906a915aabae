package callsync

import (
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// A repair waits for a transfer of the same call, and is shown what came of it;
// other calls go on.
func TestRepairWaitsForADownload(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		defer b.downloading()()
		for id, wait := range map[call.ID]time.Duration{"c001": 0, "spoken": 20 * time.Minute} {
			start := time.Now()
			err := b.engine.Repair(b.t.Context(), call.Key{Source: "crm", ID: id}, func(r *call.Record) (*call.Write, error) {
				if took := time.Since(start); took < wait || took > 0 && wait == 0 || id == "spoken" && !hasFile(r) {
					b.t.Errorf("%s: after %s: %+v", id, took, r.Parts.Recording)
				}
				note := aboutRecording("", r.MainPart(), nil)
				note.Note = "seen"
				return &call.Write{Record: *r, Events: []call.Event{note}}, nil
			})
			if told := b.told(id); err != nil || len(told) == 0 || !strings.HasSuffix(told[len(told)-1], "seen") {
				b.t.Errorf("%s: %v, told %v", id, err, told)
			}
		}
	})
}
