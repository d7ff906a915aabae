package callsync

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// sounding gives every call a recording that is identified by its Mark, with
// its Sound as content.
func (b *testbed) sounding(mark func(i int) string) {
	for i, c := range b.vendor.calls {
		c.Recording, c.Mark, c.Sound, c.Secs = true, mark(i), "first "+c.ID, 60
	}
	b.media.sound = func(url string) (string, float64) {
		b.vendor.mu.Lock()
		defer b.vendor.mu.Unlock()
		id := url[strings.LastIndex(url, "/")+1 : strings.Index(url, "?")]
		for _, c := range b.vendor.calls {
			if c.ID == id {
				return c.Sound, c.Secs
			}
		}
		return "", 0
	}
}

func fixed(i int) string { return fmt.Sprint("file", i) }

func TestReplacedRecordingIsFetchedAndBothAreKept(t *testing.T) {
	inBubble(t, 5, func(b *testbed) {
		b.sounding(fixed)
		b.mustRound(false)
		before := b.load("c003").Call.Recording
		b.vendor.edit(func() { c := b.vendor.calls[2]; c.Mark, c.Sound = "file2-redacted", "second" })
		r := b.mustRound(true)
		got := b.load("c003")
		if r.Recordings != 1 || *got.Call.Recording.SHA256 == *before.SHA256 || got.Call.Version != 1 || got.Parts.Recording.Reason != "" {
			t.Errorf("%+v, %+v", got.Call.Recording, got.Parts.Recording)
		}
		if len(got.Former) != 1 || *got.Former[0].SHA256 != *before.SHA256 || *got.Former[0].File != *before.File || *got.Former[0].File == *got.Call.Recording.File {
			t.Errorf("former %+v", got.Former)
		}
		if kinds := fmt.Sprint(b.kinds("c003")); !strings.Contains(kinds, string(call.EventReplaced)) {
			t.Errorf("history %s", kinds)
		}
		b.fetchesNothing()
	})
}

// TestReplacementIsOfferedWhileTheOldOneStays: until the new file is here, the
// recording is a gap, and the old file can be had.
func TestReplacementIsOfferedWhileTheOldOneStays(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.sounding(fixed)
		b.mustRound(false)
		b.vendor.edit(func() { b.vendor.calls[0].Mark = "other" })
		b.answerMedia(func(string) error { return call.ErrTransient })
		if r := b.round(true); r.Complete {
			t.Error("complete without the replacement")
		}
		got := b.load("c001")
		if p := got.Parts.Recording; p.State != call.Pending || p.Reason == "" || got.Call.Recording.File == nil {
			t.Errorf("%+v", p)
		}
		b.runFor(10 * 24 * time.Hour)
		got = b.load("c001")
		if p := got.Parts.Recording; p.State != call.Pending || p.Attempts > 0 || got.Call.Recording.File == nil {
			t.Errorf("after ten days without a host: %+v", p)
		}
		b.answerMedia(func(string) error { return busyError{} })
		b.runFor(24 * time.Hour)
		if told, want := b.told("c001"), []string{"stored", "pending changed_upstream", "pending error", "pending http_503"}; !slices.Equal(told, want) {
			b.t.Errorf("the history tells %q, not %q", told, want)
		}
		b.answerMedia(func(string) error { return call.ErrNotFound })
		b.runFor(2 * time.Hour)
		if p := b.load("c001").Parts.Recording; p.State != call.Stored || p.Reason != replacementNotHad {
			t.Errorf("once the host says that it is not there: %+v", p)
		}
	})
}

func TestWorseReplacementNeverBecomesCurrent(t *testing.T) {
	for name, tc := range map[string]struct {
		sound  string
		secs   float64 // of the audio; the call lasts 60
		refuse error
		reason string
	}{
		"shorter than the call": {sound: "cut", secs: 20, reason: quarantined},
		"no audio":              {refuse: call.ErrCorrupt, reason: replacementNotHad},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.sounding(fixed)
				b.mustRound(false)
				before := b.load("c001").Call.Recording
				time.Sleep(80 * time.Hour)
				sound := b.media.sound
				b.media.sound = func(url string) (string, float64) {
					if tc.secs > 0 {
						return tc.sound, tc.secs
					}
					return sound(url)
				}
				b.answerMedia(func(string) error { return tc.refuse })
				b.vendor.edit(func() { b.vendor.calls[0].Mark = "other" })
				b.mustRound(true)
				got := b.load("c001")
				if *got.Call.Recording.SHA256 != *before.SHA256 || got.Parts.Recording.State != call.Stored || got.Parts.Recording.Reason != tc.reason {
					t.Errorf("%+v, %+v", got.Call.Recording, got.Parts.Recording)
				}
				if want := tc.secs > 0; want != (len(got.Former) == 1) {
					t.Errorf("former %+v", got.Former)
				}
				b.fetchesNothing()
			})
		})
	}
}

// A recording that came before its call's length was known is compared once the
// length is: it may be half of what was said.
func TestRecordingIsComparedWithALengthThatComesLater(t *testing.T) {
	for name, whole := range map[string]bool{"the host has all of it now": true, "the host has no more": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.sounding(fixed)
				b.vendor.calls[0].Secs = 0
				sound, secs := "half", 20.0
				b.media.sound = func(string) (string, float64) { return sound, secs }
				b.mustRound(false)
				half := b.load("c001").Call.Recording
				if whole {
					sound, secs = "whole", 60
				}
				b.vendor.edit(func() { b.vendor.calls[0].Secs = 60; b.vendor.calls[0].Rev++ })
				b.mustRound(true)
				got := b.load("c001")
				if got.Parts.Recording.State != call.Stored || (got.Parts.Recording.Reason == "") != whole || (*got.Call.Recording.SHA256 != *half.SHA256) != whole || (len(got.Former) == 1) != whole {
					t.Errorf("%+v, %+v, %d former", got.Parts.Recording, got.Call.Recording, len(got.Former))
				}
				b.fetchesNothing()
			})
		})
	}
}

// A recording that is not as long as its call is asked for once more, by the same
// link: where calls count the ringing, that must cost no request.
func TestOddLengthCostsNoRequest(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.sounding(fixed)
		b.media.sound = func(string) (string, float64) { return "short", 20 }
		b.mustRound(false)
		if got := b.load("c001").Parts.Recording; got.State != call.Stored || got.Reason != lengthDiffers {
			t.Errorf("%+v", got)
		}
		if b.media.gets != 2 || b.vendor.relinks != 0 {
			t.Errorf("%d downloads, %d requests for another link", b.media.gets, b.vendor.relinks)
		}
	})
}

// TestRestlessMarksAreNotBelieved: where marks change on every look and the
// files do not, a few downloads are all it costs.
func TestRestlessMarksAreNotBelieved(t *testing.T) {
	inBubble(t, 60, func(b *testbed) {
		b.sounding(fixed)
		b.mustRound(false)
		gets, seq := b.media.gets, b.load("c001").Call.Version
		for turn := range 5 {
			b.vendor.edit(func() {
				for i, c := range b.vendor.calls {
					c.Mark = fmt.Sprint("file", i, "-", turn)
				}
			})
			b.mustRound(true)
		}
		if n := b.media.gets - gets; n != doubtfulAgain || !b.engine.RestlessMarks() || b.load("c001").Call.Version != seq {
			t.Errorf("fetched again %d times, restless %t", n, b.engine.RestlessMarks())
		}
		b.restart()
		if !b.engine.RestlessMarks() {
			t.Error("forgotten")
		}
	})
}

// TestWithdrawnReplacementsAreForgotten: they are no reason to doubt later ones.
func TestWithdrawnReplacementsAreForgotten(t *testing.T) {
	inBubble(t, doubtfulAgain, func(b *testbed) {
		show := func(recording bool, mark string) {
			b.vendor.edit(func() {
				for i, c := range b.vendor.calls {
					c.Recording, c.Mark, c.Sound = recording, fmt.Sprint(mark, i), "second "+c.ID
				}
			})
		}
		b.sounding(fixed)
		b.mustRound(false)
		b.answerMedia(func(string) error { return call.ErrTransient })
		show(true, "new")
		b.round(true)
		show(false, "new")
		b.mustRound(true)
		b.answerMedia(nil)
		show(true, "newer")
		if r := b.mustRound(true); r.Recordings != doubtfulAgain {
			b.t.Errorf("%d of %d fetched again", r.Recordings, doubtfulAgain)
		}
	})
}

// TestManyReplacedRecordingsAreAllFetched, once a few have shown that marks are
// to be trusted.
func TestManyReplacedRecordingsAreAllFetched(t *testing.T) {
	inBubble(t, 60, func(b *testbed) {
		b.sounding(fixed)
		b.mustRound(false)
		b.vendor.edit(func() {
			for i, c := range b.vendor.calls {
				c.Mark, c.Sound = fmt.Sprint("new", i), "second "+c.ID
			}
		})
		for range 4 {
			b.mustRound(true)
		}
		for _, c := range b.vendor.calls {
			if got := b.load(call.ID(c.ID)); len(got.Former) != 1 {
				t.Fatalf("%s was not fetched again: %+v", c.ID, got.Parts.Recording)
			}
		}
	})
}

// fetchesNothing does a full round that needs no recording.
func (b *testbed) fetchesNothing() {
	b.t.Helper()
	gets := b.media.gets
	b.mustRound(true)
	if b.media.gets != gets {
		b.t.Error("fetched once more")
	}
}
