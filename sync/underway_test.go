package callsync

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// underWay lets the daemon download for half an hour from an address, and the
// vendor do something ten minutes into that transfer, which the head walk must
// take over at once. It returns the newest call as it was stored then.
func (b *testbed) underWay(address string, ends error, fn func(c *fakeCall)) call.Record {
	b.t.Helper()
	first := true
	b.answerMedia(func(url string) error {
		if !first || !strings.Contains(url, address) {
			return nil
		}
		first = false
		time.Sleep(30 * time.Minute)
		return ends
	})
	defer b.runInBackground()()
	if err := b.engine.Head(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(10 * time.Minute)
	b.vendor.edit(func() { fn(b.vendor.calls[0]) })
	start := time.Now()
	if err := b.engine.Head(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second {
		b.t.Errorf("the head walk took %s", took)
	}
	meanwhile, held := b.load(call.ID(b.vendor.calls[0].ID)), b.held()
	b.arrives("later")
	start = time.Now()
	if err := b.engine.Head(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if took := time.Since(start); took > time.Second || b.held() != held+1 {
		b.t.Errorf("held %d of %d calls, after %s", b.held(), held+1, took)
	}
	time.Sleep(2 * time.Hour)
	return meanwhile
}

// spoken puts a call with a recording in front of a list that is archived.
func (b *testbed) spoken() *fakeCall {
	b.mustRound(false)
	c := b.arrives("spoken")
	c.Recording = true
	return c
}

// TestEditDuringADownload: the walks do not wait for a transfer, and what they
// store meanwhile stays.
func TestEditDuringADownload(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.spoken()
		meanwhile := b.underWay("", nil, func(c *fakeCall) { c.Rev++; c.Secs = 60 })
		if meanwhile.Call.Version != 2 || meanwhile.Parts.Recording.State != call.Pending {
			b.t.Errorf("during the transfer: version %d, %+v", meanwhile.Call.Version, meanwhile.Parts.Recording)
		}
		got := b.load("spoken")
		if got.Parts.Recording.State != call.Stored || !hasFile(&got) || got.Call.DurationSeconds == nil || b.versions("spoken") != 2 || b.media.gets != 1 {
			b.t.Errorf("%+v, %d versions, %d transfers", got.Parts.Recording, b.versions("spoken"), b.media.gets)
		}
		if n, _ := b.engine.links.backlog(); n > 0 {
			b.t.Errorf("%d links are left over", n)
		}
	})
}

// TestReplacedDuringADownload: a recording that is another one by the time it is
// here is not taken for that one, which is fetched next.
func TestReplacedDuringADownload(t *testing.T) {
	for name, of := range map[string]struct {
		rev  int
		mark string // before
	}{"with an edit": {1, "one"}, "without": {0, "one"}, "not identified before": {0, ""}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.spoken().Mark = of.mark
				sends := []string{"first", "second"}
				b.media.sound = func(url string) (string, float64) {
					if url != "/spoken?" { // not asked for the length
						return sends[min(b.media.gets, 2)-1], 60
					}
					return "", 60
				}
				b.underWay("", nil, func(c *fakeCall) { c.Rev += of.rev; c.Mark = "other" })
				got := b.load("spoken")
				if len(got.Former) != 1 || got.Parts.Recording != (call.Part{State: call.Stored}) || got.RecordingMark != "list:other" || b.media.gets != 2 {
					b.t.Errorf("%d former, mark %s, %d transfers, %+v", len(got.Former), got.RecordingMark, b.media.gets, got.Parts.Recording)
				}
			})
		})
	}
}

// TestWithdrawnDuringADownload: what has arrived whole is kept.
func TestWithdrawnDuringADownload(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.spoken()
		if meanwhile := b.underWay("", nil, func(c *fakeCall) { c.Recording = false }); meanwhile.Parts.Recording.State != call.None {
			b.t.Errorf("during the transfer: %+v", meanwhile.Parts.Recording)
		}
		if got := b.load("spoken"); got.Parts.Recording.State != call.Stored || !hasFile(&got) {
			b.t.Errorf("%+v", got.Parts.Recording)
		}
	})
}

// told is what the history of a call tells of its recording.
func (b *testbed) told(id call.ID) (told []string) {
	b.t.Helper()
	events, err := b.store.History(b.t.Context(), call.Key{Source: "crm", ID: id})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range events {
		for _, p := range e.Parts {
			if p.Part == call.PartRecording {
				words := strings.TrimSpace(string(p.State) + " " + p.Reason)
				if e.Note != "" {
					words += "; " + e.Note
				}
				told = append(told, words)
			}
		}
	}
	return told
}

// TestDeletedDuringADownload: what has arrived whole is kept, and so is the mark.
func TestDeletedDuringADownload(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.mustRound(false)
		c := b.arrives("spoken")
		c.Recording = true
		b.arrives("another")
		b.answerMedia(func(string) error { time.Sleep(30 * time.Minute); return nil })
		defer b.runInBackground()()
		if err := b.engine.Head(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		b.vendor.hide(c)
		for range deletedAfter {
			if err := b.engine.Sweep(b.t.Context()); err != nil {
				b.t.Fatal(err)
			}
		}
		if got := b.load("spoken"); got.Call.DeletedUpstreamAt == nil || got.Parts.Recording.State == call.Stored {
			b.t.Errorf("during the transfer: %v, %+v", got.Call.DeletedUpstreamAt, got.Parts.Recording)
		}
		time.Sleep(time.Hour)
		if got := b.load("spoken"); got.Call.DeletedUpstreamAt == nil || got.Parts.Recording.State != call.Stored || !hasFile(&got) {
			b.t.Errorf("%v, %+v", got.Call.DeletedUpstreamAt, got.Parts.Recording)
		}
	})
}

// TestFailureOfAnOlderLink says nothing about what the vendor has shown since.
func TestFailureOfAnOlderLink(t *testing.T) {
	for word, ends := range map[string]error{"gone": call.ErrNotFound, "not_ready": call.ErrExpired} {
		t.Run("withdrawn, "+word, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.spoken()
				b.underWay("", ends, func(c *fakeCall) { c.Recording = false })
				if part := b.load("spoken").Parts.Recording; part.State != call.None || part.Reason != "flag" {
					b.t.Errorf("%+v", part)
				}
				if told, want := b.told("spoken"), []string{"none flag", "none flag; a download that was under way did not bring it: " + word}; !slices.Equal(told, want) {
					b.t.Errorf("the history tells %q, not %q", told, want)
				}
				if b.vendor.relinks > 0 {
					b.t.Errorf("%d links asked for", b.vendor.relinks)
				}
			})
		})
	}
	for name, shows := range map[string]func(*fakeCall){"an edit": func(c *fakeCall) { c.Rev++ }, "another recording": func(c *fakeCall) { c.Mark = "other" }} {
		t.Run("given up but for "+name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.vendor.calls[0].Recording, b.vendor.calls[0].Mark = true, "one"
				b.answerMedia(func(string) error { return call.ErrTransient })
				b.round(false)
				time.Sleep(80 * time.Hour) // the next answer that it is not there is the last
				b.underWay("", call.ErrNotFound, shows)
				if part := b.recordingOf(); part.State != call.Stored {
					b.t.Errorf("%+v", part)
				}
			})
		})
	}
}

// downloading lets the daemon be ten minutes into the recording of a call, which
// takes half an hour.
func (b *testbed) downloading() (stop func()) {
	b.t.Helper()
	b.spoken()
	b.answerMedia(func(string) error { time.Sleep(30 * time.Minute); return nil })
	stop = b.runInBackground()
	if err := b.engine.Head(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	time.Sleep(10 * time.Minute)
	return stop
}

// TestRoundBesideADownload: a round waits for a recording the daemon downloads
// rather than download it once more.
func TestRoundBesideADownload(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		defer b.downloading()()
		b.mustRound(false)
		if b.media.gets != 1 || b.load("spoken").Parts.Recording.State != call.Stored {
			b.t.Errorf("%d transfers, %+v", b.media.gets, b.load("spoken").Parts.Recording)
		}
	})
}

// spokenTwice puts a call with a further recording in front of a list that is
// archived.
func (b *testbed) spokenTwice() {
	b.spoken().Legs = []fakeLeg{{Label: "transfer"}}
}

// TestEditDuringAFurtherDownload: what is listed meanwhile is fetched with it, by
// the newer links.
func TestEditDuringAFurtherDownload(t *testing.T) {
	for name, address := range map[string]string{"of the main one": "/spoken?", "of the further one": ".transfer"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.spokenTwice()
				meanwhile := b.underWay(address, nil, func(c *fakeCall) {
					c.Rev++
					c.Legs = append(c.Legs, fakeLeg{Label: "voicemail"})
				})
				if meanwhile.Call.Version != 2 || meanwhile.Parts.Recording.State != call.Pending || len(meanwhile.Further) != 2 {
					b.t.Errorf("during the transfer: version %d, %+v", meanwhile.Call.Version, meanwhile.Parts.Recording)
				}
				got := b.load("spoken")
				if got.Parts.Recording.State != call.Stored || !hasFile(&got) || got.Further[0].File == nil || got.Further[1].File == nil {
					b.t.Errorf("%+v, %+v", got.Parts.Recording, got.Further)
				}
				if b.media.gets != 3 || b.vendor.relinks != 0 || b.versions("spoken") != 2 {
					b.t.Errorf("%d transfers, %d links asked for, %d versions", b.media.gets, b.vendor.relinks, b.versions("spoken"))
				}
				if n, _ := b.engine.links.backlog(); n > 0 || len(b.engine.links.spare) > 0 {
					b.t.Error("links are left over")
				}
			})
		})
	}
}

// TestFurtherWithdrawnDuringADownload: what has arrived whole is kept, and what
// fails is not the recording's end.
func TestFurtherWithdrawnDuringADownload(t *testing.T) {
	for name, ends := range map[string]error{"it arrives": nil, "it fails": call.ErrNotFound} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.spokenTwice()
				b.underWay(".transfer", ends, func(c *fakeCall) { c.Rev++; c.Legs = nil })
				got := b.load("spoken")
				if f := got.Further[0]; !hasFile(&got) || (f.Part.State == call.Stored) != (ends == nil) || (f.File != nil) != (ends == nil) || f.Part.State == call.Lost {
					b.t.Errorf("%+v", f)
				}
			})
		})
	}
}

// TestFailureOfAnOlderFurtherLink says nothing about what the vendor has shown
// since of that recording.
func TestFailureOfAnOlderFurtherLink(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred("transfer")
		b.answerMedia(func(url string) error {
			if strings.Contains(url, ".transfer") {
				return call.ErrTransient
			}
			return nil
		})
		b.round(false)
		time.Sleep(80 * time.Hour) // the next answer that it is not there is the last
		b.underWay(".transfer", call.ErrNotFound, func(c *fakeCall) { c.Rev++ })
		if got := b.load("c001"); got.Parts.Recording.State != call.Stored || got.Further[0].File == nil {
			b.t.Errorf("%+v, %+v", got.Parts.Recording, got.Further[0])
		}
	})
}

// TestLabelGoneDuringADownload: the file is kept under it all the same.
func TestLabelGoneDuringADownload(t *testing.T) {
	for name, ends := range map[string]error{"it arrives": nil, "it fails": call.ErrNotFound} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.transferred("transfer")
				b.answerMedia(func(url string) error {
					if !strings.Contains(url, ".transfer") {
						return nil
					}
					record := b.load("c001")
					record.Parts.Recording, record.Further = record.Main, nil
					if err := b.engine.write(b.t.Context(), call.Write{Record: record}); err != nil {
						b.t.Error(err)
					}
					return ends
				})
				b.round(false)
				got := b.load("c001")
				if p := got.Parts.Recording; p.State != call.Stored || !hasFile(&got) {
					b.t.Errorf("%+v", p)
				}
				if ends == nil && (len(got.Further) != 1 || got.Further[0].Label != "transfer" || got.Further[0].File == nil || got.Further[0].State != call.Stored) {
					b.t.Errorf("further %+v", got.Further)
				}
			})
		})
	}
}

// TestLengthThatComesDuringADownload: the recording is compared with it as if it
// had come afterwards.
func TestLengthThatComesDuringADownload(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.spoken()
		b.media.sound = func(string) (string, float64) {
			if b.media.gets < 2 {
				return "half", 20
			}
			return "whole", 60
		}
		b.underWay("", nil, func(c *fakeCall) { c.Rev++; c.Secs = 60 })
		got := b.load("spoken")
		if got.Parts.Recording != (call.Part{State: call.Stored}) || len(got.Former) != 1 || *got.Call.Recording.DurationSeconds != 60 {
			b.t.Errorf("%+v, %+v, %d former", got.Parts.Recording, got.Call.Recording, len(got.Former))
		}
		if told, want := b.told("spoken"), []string{"stored", "pending length_differs", "stored"}; !slices.Equal(told, want) {
			b.t.Errorf("the history tells %q, not %q", told, want)
		}
	})
}

// TestDownloadEndsWhileWeStop: it is stored that it is here, once whoever works on
// the call is done with it.
func TestDownloadEndsWhileWeStop(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred("transfer")
		b.mustRound(false)
		b.spokenTwice()
		b.answerMedia(func(string) error { time.Sleep(time.Minute); return nil })
		stop := b.runInBackground()
		if err := b.engine.Head(b.t.Context()); err != nil {
			b.t.Fatal(err)
		}
		synctest.Wait()
		release, err := b.engine.claims.take(context.Background(), []call.ID{"spoken"})
		if err != nil {
			b.t.Fatal(err)
		}
		time.AfterFunc(time.Minute+saveRetry/2, release)
		stop()
		got := b.load("spoken")
		if !hasFile(&got) || got.Main.State != call.Stored || got.Parts.Recording.State != call.Pending {
			b.t.Errorf("%+v, %+v", got.Main, got.Parts.Recording)
		}
		b.answerMedia(nil)
		gets := b.media.gets
		b.restart()
		b.mustRound(false)
		if got := b.load("spoken"); b.media.gets != gets+1 || got.Further[0].File == nil {
			b.t.Errorf("%d more transfers, %+v", b.media.gets-gets, got.Further)
		}
	})
}

// fadingVendor shows the address of a recording in a document of its own, until
// it shows a broken one there, which does not count as a change.
type fadingVendor struct {
	*fakeVendor
	broken bool
}

func (v *fadingVendor) Wanted(docs call.Documents, _ map[string]string) (string, bool) {
	_, have := docs["detail"]
	return "detail", !have
}

func (v *fadingVendor) Fetch(context.Context, string, call.Documents) (call.Document, error) {
	body, err := json.Marshal(v.broken)
	return call.Document{Body: body, FetchedAt: time.Now()}, err
}

func (v *fadingVendor) Relink(ctx context.Context, docs call.Documents) (call.Documents, error) {
	doc, err := v.Fetch(ctx, "detail", docs)
	return call.Documents{"detail": doc}, err
}

func (v *fadingVendor) Fingerprint(name string, body json.RawMessage) (string, error) {
	if name == "detail" {
		return name, nil
	}
	return v.fakeVendor.Fingerprint(name, body)
}

func (v *fadingVendor) Map(docs call.Documents) (call.Mapped, error) {
	m, err := v.fakeVendor.Map(docs)
	if string(docs["detail"].Body) == "true" {
		m.Recording = call.PartEvidence{Evidence: call.EvidencePromised, Reason: "bad_url"}
	}
	return m, err
}

func (v *fadingVendor) Link(docs call.Documents) (call.RecordingLink, bool) {
	link, ok := v.fakeVendor.Link(docs)
	return link, ok && string(docs["detail"].Body) == "false"
}

// TestFailureIsJudgedByTheFreshestAnswer, also by one that is not stored.
func TestFailureIsJudgedByTheFreshestAnswer(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.transferred()
		v := &fadingVendor{fakeVendor: b.vendor}
		b.source.Provider = v
		b.restart()
		b.answerMedia(func(string) error { v.broken = true; return call.ErrExpired })
		b.round(false)
		if part := b.recordingOf(); part.State != call.Pending || part.Reason != "bad_url" || b.media.gets != 1 {
			b.t.Errorf("%+v after %d transfers", part, b.media.gets)
		}
	})
}

// TestRoundDoesNotProveAReplacedRecording: one that was replaced while the round
// fetched it keeps the round from being complete.
func TestRoundDoesNotProveAReplacedRecording(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.spoken().Mark = "one"
		var fetched atomic.Bool
		b.media.sound = func(string) (string, float64) {
			if fetched.Load() {
				return "other", 0
			}
			return "one", 0
		}
		b.answerMedia(func(string) error {
			b.answerMedia(nil)
			fetched.Store(true)
			if err := b.engine.Head(b.t.Context()); err != nil {
				b.t.Error(err)
			}
			return nil
		})
		b.vendor.onList = func(int) {
			if fetched.Load() {
				b.vendor.edit(func() { b.vendor.calls[0].Mark = "other" })
			}
		}
		if r := b.round(false); r.Complete {
			b.t.Errorf("complete: %+v", b.load("spoken").Parts.Recording)
		}
		b.mustRound(false)
		if got := b.load("spoken"); got.RecordingMark != "list:other" || b.media.gets != 2 {
			b.t.Errorf("mark %s, %d transfers", got.RecordingMark, b.media.gets)
		}
	})
}
