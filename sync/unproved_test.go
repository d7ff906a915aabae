package callsync

import (
	"context"
	"io"
	"testing"
	"time"

	"callsyncd/call"
)

// cutShort has one call of a minute whose host sends ten seconds and does not say
// whether that was all.
func (b *testbed) cutShort() {
	b.vendor.edit(func() { b.vendor.calls[0].Recording, b.vendor.calls[0].Secs = true, 60 })
	b.media.endUnproved = true
	b.sends("the first ten seconds", 10)
}

func (b *testbed) sends(content string, seconds float64) {
	b.media.mu.Lock()
	defer b.media.mu.Unlock()
	b.media.sound = func(string) (string, float64) { return content, seconds }
}

// Half a recording is kept, and not taken for the whole: it is fetched again, and
// only what vouches for its end, or is long enough, proves it.
func TestRecordingWithoutAnEndIsNotProved(t *testing.T) {
	for name, mend := range map[string]func(b *testbed){
		"all of it":                   func(b *testbed) { b.sends("all sixty seconds", 60) },
		"the same, with its end":      func(b *testbed) { b.media.endUnproved = false },
		"more, and cut off again":     nil,
		"the vendor shows it no more": nil,
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				t := b.t
				b.cutShort()
				if r := b.round(true); r.Complete {
					t.Errorf("complete: %+v", r)
				}
				got := b.load("c001")
				if p := got.Parts.Recording; p.State != call.Pending || p.Reason != endUnproved || p.Attempts != 1 || !hasFile(&got) || !got.Call.Recording.EndUnproved {
					t.Fatalf("%+v, %+v", p, got.Call.Recording)
				}
				if st := b.statement(); st.Proved || st.Open[call.PartRecording][endUnproved] != 1 {
					t.Errorf("%+v", st)
				}
				switch {
				case mend != nil:
					mend(b)
				case name[0] == 'm':
					b.sends("the first twenty seconds", 20)
				default:
					b.vendor.edit(func() { b.vendor.calls[0].Recording, b.vendor.calls[0].Rev = false, 1 })
				}
				time.Sleep(2 * time.Hour)
				r := b.round(true)
				got = b.load("c001")
				if p := got.Parts.Recording; mend != nil && (!r.Complete || p.State != call.Stored || got.Call.Recording.EndUnproved) || mend == nil && (r.Complete || p.State != call.Pending) {
					t.Errorf("complete %t, %+v, %+v", r.Complete, p, got.Call.Recording)
				}
				if mend != nil {
					return
				}
				time.Sleep(100 * time.Hour)
				b.round(true)
				got = b.load("c001")
				if p := got.Parts.Recording; p.State != call.Lost || p.Reason != endUnproved || !hasFile(&got) {
					t.Errorf("%+v, %+v", p, got.Call.Recording)
				}
				if err := b.store.Acknowledge(t.Context(), got.Call.Key, call.PartRecording, "that is all there is"); err != nil {
					t.Fatal(err)
				}
				b.mustRound(true)
			})
		})
	}
}

// A file that announces more than it holds is not believed either; one that is
// short by the host's own word is what the vendor has.
func TestRecordingThatAnnouncesMore(t *testing.T) {
	for name, unproved := range map[string]bool{"end unproved": true, "whole by the host's word": false} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.cutShort()
				b.sends("sixty seconds by its header", 60)
				b.media.end, b.media.endUnproved = call.EndMissing, unproved
				b.round(true)
				got := b.load("c001")
				if p := got.Parts.Recording; (p.State == call.Pending) != unproved || !hasFile(&got) {
					b.t.Errorf("%+v", p)
				}
			})
		})
	}
}

// A file shorter than its call is whole when it says so itself: the call rang, and
// the host ends all its answers without a word.
func TestShortRecordingThatProvesItsEndIsStored(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.cutShort()
		b.sends("fifty seconds, whole", 50)
		b.media.end = call.EndReached
		b.mustRound(true)
		if got := b.load("c001"); got.Parts.Recording.State != call.Stored || got.Parts.Recording.Reason != lengthDiffers || got.Call.Recording.EndUnproved || b.media.gets != 2 {
			b.t.Errorf("%+v, %+v, asked for %d times", got.Parts.Recording, got.Call.Recording, b.media.gets)
		}
	})
}

// vouching is a host whose first answer ends without a word, and whose later ones
// have a checksum.
type vouching struct{ *fakeMedia }

func (m *vouching) Get(ctx context.Context, url call.SignedURL, part call.MediaPart) (io.ReadCloser, call.MediaExpect, error) {
	body, expect, err := m.fakeMedia.Get(ctx, url, part)
	if m.gets > 1 {
		expect.EndUnproved, expect.MD5 = false, []byte("the sum")
	}
	return body, expect, err
}

// What an answer did not prove says nothing of the next one.
func TestRecordingWithAChecksumIsProved(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.disk, b.download = b.media, &vouching{b.media}
		b.restart()
		b.cutShort()
		b.mustRound(true)
		if got := b.load("c001"); got.Parts.Recording.State != call.Stored || got.Call.Recording.EndUnproved || b.media.gets != 2 {
			b.t.Errorf("%+v, %+v, asked for %d times", got.Parts.Recording, got.Call.Recording, b.media.gets)
		}
	})
}
