package callsync

import (
	"slices"
	"strings"
	"testing"

	"callsyncd/call"
)

func TestWorseVersionsAreSetAside(t *testing.T) {
	long := strings.Repeat("We talked about the renewal of the contract. ", 10)
	for name, tc := range map[string]struct {
		next string
		kept bool
	}{
		"empty":            {"", true},
		"much shorter":     {"We talked.", true},
		"an error message": {"Internal Server Error", true},
		"an HTML page":     {"<!DOCTYPE html><title>Login</title>", true},
		"a little shorter": {long[:300], false},
		"longer":           {long + "And more.", false},
		"other, same size": {strings.ReplaceAll(long, "renewal", "ending"), false},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				c := b.vendor.calls[0]
				c.Promised, c.Transcript = true, long
				b.mustRound(true)
				b.vendor.edit(func() { c.Transcript, c.Rev = tc.next, 2 })
				b.round(true)
				got := b.load("c001")
				kept := got.Call.Transcript[0].Text == long
				if kept != tc.kept {
					t.Fatalf("good transcript kept: %t", kept)
				}
				if got.Call.Version != 2 {
					t.Errorf("version %d; what the vendor sent must be kept", got.Call.Version)
				}
				events, err := b.store.History(t.Context(), got.Call.Key)
				if err != nil {
					t.Fatal(err)
				}
				told := slices.ContainsFunc(events, func(e call.Event) bool { return e.Kind == call.EventQuarantined && e.Version == 2 })
				if told != tc.kept {
					t.Errorf("history tells of it: %t", told)
				}
				if got.Parts.Transcript.State != call.Stored || (got.Parts.Transcript.Reason == quarantined) != tc.kept {
					t.Errorf("%+v", got.Parts.Transcript)
				}
			})
		})
	}
}
