package callsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// transferred gives every call a recording and the named further ones.
func (b *testbed) transferred(labels ...string) {
	for _, c := range b.vendor.calls {
		c.Recording = true
		for _, label := range labels {
			c.Legs = append(c.Legs, fakeLeg{Label: label})
		}
	}
}

func TestAllRecordingsOfACallAreArchived(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		b.transferred("transfer", "voicemail")
		b.mustRound(false)
		got := b.load("c002")
		if got.Parts.Recording.State != call.Stored || got.Main.State != call.Stored || len(got.Further) != 2 || !got.Call.Settled {
			t.Fatalf("%+v, main %+v", got.Parts.Recording, got.Main)
		}
		sums := map[string]bool{*got.Call.Recording.SHA256: true}
		for i, label := range []string{"transfer", "voicemail"} {
			f := got.Further[i]
			if f.Label != label || f.State != call.Stored || f.Part.State != call.Stored || *f.File != "recordings/c002"+label {
				t.Errorf("%+v", f)
			}
			sums[*f.SHA256] = true
		}
		if len(sums) != 3 || b.media.gets != 9 || b.vendor.relinks != 0 {
			t.Errorf("%d different, %d downloads, %d links asked for", len(sums), b.media.gets, b.vendor.relinks)
		}
		told := map[string]bool{}
		events, err := b.store.History(t.Context(), got.Call.Key)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			for _, p := range e.Parts {
				if p.Part == call.PartRecording && p.State == call.Stored && e.SHA256 != "" {
					told[p.Label] = true
				}
			}
		}
		if !told[""] || !told["transfer"] || !told["voicemail"] {
			t.Errorf("the history tells of %v", told)
		}
		b.mustRound(true)
		if b.media.gets != 9 || b.vendor.relinks != 0 {
			t.Error("fetched once more")
		}
	})
}

// TestOneMissingRecordingKeepsThePartOpen: what is stored can be had, the part
// waits for the rest.
func TestOneMissingRecordingKeepsThePartOpen(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred("transfer")
		b.media.get = func(url string) error {
			if strings.Contains(url, "transfer") {
				return call.ErrTransient
			}
			return nil
		}
		b.round(false)
		got := b.load("c001")
		if p := got.Parts.Recording; p.State != call.Pending || p.Reason != "error" || p.NextTry.IsZero() || p.Attempts != 1 {
			t.Fatalf("%+v", p)
		}
		if r := got.Call.Recording; r == nil || r.State != call.Stored || r.File == nil || got.Further[0].State != call.Pending || got.Call.Settled {
			t.Errorf("main %+v, further %+v", r, got.Further[0])
		}
		stored := *got.Call.Recording.StoredAt
		b.media.get = nil
		b.mustRound(false)
		got = b.load("c001")
		if got.Parts.Recording.State != call.Stored || got.Further[0].File == nil || !got.Call.Recording.StoredAt.Equal(stored) {
			t.Errorf("%+v, %+v", got.Parts.Recording, got.Further[0])
		}
	})
}

// TestMainRecordingFailsAlone: the further ones are archived all the same.
func TestMainRecordingFailsAlone(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred("transfer")
		b.media.get = func(url string) error {
			if !strings.Contains(url, "transfer") {
				return call.ErrExpired
			}
			return nil
		}
		b.round(false)
		got := b.load("c001")
		if got.Parts.Recording.State != call.Pending || got.Parts.Recording.Reason != "expired" || got.Call.Recording.State != call.Pending || got.Further[0].State != call.Stored {
			t.Fatalf("%+v, %+v", got.Parts.Recording, got.Further[0])
		}
		time.Sleep(100 * time.Hour)
		b.round(false)
		got = b.load("c001")
		if got.Parts.Recording.State != call.Lost || got.Call.Recording.State != call.Lost || got.Further[0].State != call.Stored || got.Further[0].File == nil {
			t.Errorf("%+v, %+v, %+v", got.Parts.Recording, got.Call.Recording, got.Further[0])
		}
	})
}

// TestLaterLabelOpensThePartAgain, also when the horizon of the call has passed.
func TestLaterLabelOpensThePartAgain(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred()
		b.mustRound(false)
		if got := b.load("c001"); got.Parts.Recording.State != call.Stored || len(got.Further) != 0 || got.Main.State != "" {
			t.Fatalf("%+v", got)
		}
		gets := b.media.gets
		time.Sleep(200 * time.Hour)
		b.vendor.edit(func() { b.vendor.calls[0].Legs = []fakeLeg{{Label: "transfer", Nowhere: true}} })
		b.round(true)
		if p := b.load("c001").Parts.Recording; p.State != call.Pending || p.Reason != "not_ready" || p.Deadline.IsZero() {
			t.Fatalf("%+v", p)
		}
		b.vendor.edit(func() { b.vendor.calls[0].Legs[0].Nowhere = false })
		time.Sleep(time.Hour)
		b.mustRound(true)
		got := b.load("c001")
		if got.Parts.Recording.State != call.Stored || got.Further[0].File == nil || b.media.gets != gets+1 {
			t.Errorf("%+v, %d downloads", got.Parts.Recording, b.media.gets-gets)
		}
	})
}

// TestUnsettledRecordingIsWaitedFor: a refusal of what the vendor itself called
// unsettled costs one request, and it is asked for again later.
func TestUnsettledRecordingIsWaitedFor(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred("transfer")
		b.vendor.calls[0].Legs[0].Unsettled = true
		refused := 0
		b.media.get = func(url string) error {
			if strings.Contains(url, "transfer") {
				refused++
				return fmt.Errorf("answered 401: %w", call.ErrExpired)
			}
			return nil
		}
		b.round(false)
		if p := b.load("c001").Parts.Recording; p.State != call.Pending || p.Reason != "not_ready" || refused != 1 || b.vendor.relinks != 0 {
			t.Fatalf("%+v, %d refusals, %d links asked for", p, refused, b.vendor.relinks)
		}
		b.media.get = nil
		time.Sleep(2 * time.Hour)
		b.mustRound(false)
		if got := b.load("c001"); got.Parts.Recording.State != call.Stored || got.Further[0].File == nil {
			t.Errorf("%+v", got.Parts.Recording)
		}
	})
}

// TestFurtherRecordingIsLost once its own waiting is over, accepted with the
// part, and archived when it comes back after all.
func TestFurtherRecordingIsLost(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred("transfer")
		gone := errors.New("not there")
		b.media.get = func(url string) error {
			if strings.Contains(url, "transfer") {
				return fmt.Errorf("%w: %w", gone, call.ErrExpired)
			}
			return nil
		}
		b.round(false)
		time.Sleep(100 * time.Hour)
		b.round(false)
		got := b.load("c001")
		if got.Parts.Recording.State != call.Lost || got.Parts.Recording.Reason != "expired" || got.Call.Recording.State != call.Stored || got.Further[0].State != call.Lost {
			t.Fatalf("%+v, %+v", got.Parts.Recording, got.Further[0].Part)
		}
		if err := b.store.Acknowledge(t.Context(), got.Call.Key, call.PartRecording, "it was empty"); err != nil {
			t.Fatal(err)
		}
		got = b.load("c001")
		if got.Parts.Recording.Acknowledged == nil || got.Further[0].Part.Acknowledged == nil || got.Main.Acknowledged != nil || got.Main.State != call.Stored {
			t.Fatalf("%+v, main %+v, %+v", got.Parts.Recording, got.Main, got.Further[0].Part)
		}
		b.mustRound(true)
		if p := b.load("c001").Parts.Recording; p.State != call.Lost || p.Acknowledged == nil {
			t.Fatalf("%+v", p)
		}
		b.media.get = nil
		b.vendor.edit(func() { b.vendor.calls[0].Rev++ })
		b.mustRound(true)
		if got := b.load("c001"); got.Parts.Recording.State != call.Stored || got.Further[0].File == nil {
			t.Errorf("%+v, %+v", got.Parts.Recording, got.Further[0])
		}
	})
}

// TestReplacedMainRecordingLeavesTheOthers as they are.
func TestReplacedMainRecordingLeavesTheOthers(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.sounding(fixed)
		b.vendor.calls[0].Legs = []fakeLeg{{Label: "transfer"}}
		sound := b.media.sound
		b.media.sound = func(url string) (string, float64) {
			if strings.Contains(url, ".transfer") {
				return "the other side", 60
			}
			return sound(url)
		}
		b.mustRound(false)
		before := b.load("c001")
		b.vendor.edit(func() { c := b.vendor.calls[0]; c.Mark, c.Sound = "other", "second" })
		b.mustRound(true)
		got := b.load("c001")
		if got.Parts.Recording.State != call.Stored || len(got.Former) != 1 || *got.Call.Recording.SHA256 == *before.Call.Recording.SHA256 ||
			*got.Further[0].SHA256 != *before.Further[0].SHA256 || b.media.gets != 3 {
			t.Errorf("%+v, %+v, %d downloads", got.Call.Recording, got.Further, b.media.gets)
		}
	})
}

// TestBetterDescriptionFindsFurtherRecordings of the calls that are archived, in
// the documents that are archived.
func TestBetterDescriptionFindsFurtherRecordings(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		b.transferred()
		b.vendor.calls[1].Legs = []fakeLeg{{Label: "transfer"}}
		b.vendor.plain = true
		b.restart()
		b.mustRound(false)
		if got := b.load("c002"); got.Parts.Recording.State != call.Stored || got.Further != nil {
			t.Fatalf("%+v", got.Parts.Recording)
		}
		b.vendor.plain = false
		b.restart()
		b.mustRound(false)
		if got := b.load("c002"); got.Parts.Recording.State != call.Stored || len(got.Further) != 1 || got.Further[0].File == nil || b.media.gets != 4 {
			t.Errorf("%+v, %d downloads", got.Further, b.media.gets)
		}
		if got := b.load("c001"); got.Further != nil || got.Main.State != "" {
			t.Errorf("a call with one recording: %+v", got.Main)
		}
	})
}

// TestFurtherLinksOutliveAFailure to get a fresh one for the main recording.
func TestFurtherLinksOutliveAFailure(t *testing.T) {
	inBubble(t, 2, func(b *testbed) {
		b.transferred("transfer")
		b.media.get = func(url string) error {
			if strings.Contains(url, "transfer") {
				return nil
			}
			b.vendor.remove(slices.IndexFunc(b.vendor.calls, func(c *fakeCall) bool { return strings.Contains(url, c.ID) }))
			return call.ErrExpired
		}
		b.round(false)
		for _, id := range []call.ID{"c001", "c002"} {
			if got := b.load(id); got.Main.State != call.Pending || got.Further[0].File == nil {
				b.t.Errorf("main %+v, further %+v", got.Main, got.Further[0])
			}
		}
		if b.vendor.relinks != 2 {
			b.t.Errorf("%d links asked for", b.vendor.relinks)
		}
	})
}
