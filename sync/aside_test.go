package callsync

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"callsyncd/call"
)

// damage flips bits of a call's record on disk, as a failing disk does.
func (b *testbed) damage(id call.ID) {
	b.t.Helper()
	print := []byte(b.load(id).Fingerprints[call.DocumentList])
	if err := b.store.Close(); err != nil {
		b.t.Fatal(err)
	}
	path := filepath.Join(b.folder, "archive.db")
	body, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(body, print) {
		b.t.Fatal("the record was not found", err)
	}
	body = bytes.ReplaceAll(body, print, bytes.ToUpper(print))
	if err := os.WriteFile(path, body, 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.openStore()
	b.restart()
}

// archived has calls with transcripts and recordings, all archived.
func (b *testbed) archived() {
	b.t.Helper()
	for _, c := range b.vendor.calls {
		c.Recording, c.Promised, c.Transcript = true, true, "what was said in "+c.ID
	}
	b.mustRound(true)
}

// losesFiles lets the disk lose all recordings.
func (b *testbed) losesFiles() { b.media.found = nil }

// A record that cannot be read any more keeps no other call waiting, is told of,
// and is had again from the vendor.
func TestUnreadableRecordIsHadAgain(t *testing.T) {
	inBubble(t, 12, func(b *testbed) {
		t := b.t
		b.archived()
		b.damage("c005")
		b.losesFiles()
		b.arrives("new")
		if err := b.engine.ClockSetBack(t.Context()); err != nil {
			t.Error(err)
		}
		if err := b.engine.Head(t.Context()); err != nil {
			t.Error(err)
		}
		if n := b.held(); n != 13 {
			t.Errorf("%d of 13 calls are held", n)
		}
		if counts, err := b.store.Counts(t.Context(), "crm"); err != nil || counts.Open() == 0 {
			t.Errorf("nothing is open although a recording was not fetched again: %+v %v", counts, err)
		}
		b.mustRound(true)
		r := b.load("c005")
		if len(r.Call.Transcript) != 1 || !hasFile(&r) || r.Call.Provider == "" {
			t.Errorf("%+v", r)
		}
		if kinds := b.kinds("c005"); !slices.Contains(kinds, call.EventDamaged) {
			t.Errorf("its life does not tell: %v", kinds)
		}
	})
}

// What the vendor no longer has is what the versions hold; the rest is lost where
// everybody can see it.
func TestUnreadableRecordOfADeletedCall(t *testing.T) {
	inBubble(t, 12, func(b *testbed) {
		t := b.t
		b.archived()
		time.Sleep(100 * time.Hour)
		b.damage("c005")
		b.losesFiles()
		b.vendor.remove(7) // c005
		if r := b.round(true); r.Complete {
			t.Errorf("complete without a recording: %+v", r)
		}
		b.round(true)
		r := b.load("c005")
		if len(r.Call.Transcript) != 1 || r.Call.StartedAt == nil || r.Parts.Transcript.State != call.Stored || r.Parts.Record.State != call.Stored {
			t.Errorf("%+v", r)
		}
		if p := r.Parts.Recording; p.State != call.Lost {
			t.Errorf("%+v", p)
		}
		if counts, err := b.store.Counts(t.Context(), "crm"); err != nil || counts.Lost[call.PartRecording] != 1 {
			t.Errorf("%+v %v", counts, err)
		}
	})
}

// A recording that is still on disk is neither fetched again nor lost with the
// record that named it, unless it does not seem to be whole.
func TestRecordingOfAnUnreadableRecordIsFoundOnDisk(t *testing.T) {
	for name, of := range map[string]struct {
		listed  bool // by the vendor, still
		running bool // by the daemon, instead of rounds
		end     call.FileEnd
		files   int
		want    call.Part
	}{
		"the vendor has it":     {true, false, call.EndUntold, 1, call.Part{State: call.Stored}},
		"only downloads run":    {true, true, call.EndUntold, 1, call.Part{State: call.Stored}},
		"the vendor deleted it": {false, false, call.EndUntold, 1, call.Part{State: call.Stored}},
		"it lacks its end":      {false, false, call.EndMissing, 1, call.Part{State: call.Lost, Reason: endUnproved}},
		"it was replaced once":  {false, false, call.EndReached, 2, call.Part{State: call.Stored}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 12, func(b *testbed) {
				key := call.Key{Source: "crm", ID: "c005"}
				b.archived()
				was := b.load("c005")
				time.Sleep(100 * time.Hour)
				b.damage("c005")
				files := b.media.found[key]
				files[0].End = of.end
				if of.files > 1 {
					former := files[0]
					file := "recordings/the one before"
					former.File = &file
					b.media.found[key] = []call.Found{former, files[0]}
				}
				gets, requests := b.media.gets, b.vendor.lists
				if !of.listed {
					b.vendor.remove(7) // c005
				}
				if of.running {
					b.load("c005") // what meets the record sets it aside
					b.answerMedia(func(string) error { return call.ErrTransient })
					b.running(time.Hour)
				} else {
					b.round(true)
					time.Sleep(100 * time.Hour)
					b.round(true)
				}
				got := b.load("c005")
				if p := got.Parts.Recording; p.State != of.want.State || p.Reason != of.want.Reason {
					t.Errorf("%+v", p)
				}
				if !hasFile(&got) || *got.Call.Recording.File != *was.Call.Recording.File || *got.Call.Recording.SHA256 != *was.Call.Recording.SHA256 || len(got.Former) != of.files-1 {
					t.Errorf("%+v, %d former", got.Call.Recording, len(got.Former))
				}
				if b.media.gets > gets || b.vendor.lists > requests+50 {
					t.Errorf("fetched %d times", b.media.gets-gets)
				}
				if !of.listed && len(got.Call.Transcript) != 1 {
					t.Error("the transcript is gone")
				}
			})
		})
	}
}
