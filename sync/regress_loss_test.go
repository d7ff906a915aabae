package callsync

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// Only an answer about the content can end in a loss. A source that cannot be
// asked when the waiting is over, as after a long downtime, loses nothing.
func TestNothingIsLostWhileNobodyCanBeAsked(t *testing.T) {
	for name, failure := range map[string]func() error{
		"network":     func() error { return call.ErrTransient },
		"credentials": func() error { return call.ErrUnauthorized },
		"budget":      func() error { return &call.BudgetError{Source: "crm", Until: time.Now().Add(time.Hour), Why: "spent"} },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				t := b.t
				c := b.vendor.calls[0]
				c.Promised, c.Recording = true, true
				v := b.faulty()
				b.answerMedia(func(string) error { return call.ErrTransient })
				b.round(false)
				time.Sleep(73 * time.Hour) // the daemon was not running
				b.unreachable(v, failure)
				b.restart()
				b.runFor(10 * time.Hour)
				b.round(false)
				b.round(true)
				parts := b.load("c001").Parts
				if parts.Transcript.State != call.Pending || parts.Recording.State != call.Pending {
					t.Fatalf("transcript %+v, recording %+v", parts.Transcript, parts.Recording)
				}
				b.unreachable(v, nil)
				b.vendor.edit(func() { c.Transcript = "text" })
				b.mustRound(false)
				if parts := b.load("c001").Parts; parts.Transcript.State != call.Stored || parts.Recording.State != call.Stored {
					t.Errorf("with everything well again: transcript %+v, recording %+v", parts.Transcript, parts.Recording)
				}
			})
		})
	}
}

// A recording that was promised before a long downtime, and whose address the
// vendor has shown since, is fetched whichever loop looks at the call first.
func TestPromisedRecordingIsFoundAfterALongDowntime(t *testing.T) {
	for name, transcript := range map[string]bool{"recording only": false, "the transcript is asked for first": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				t := b.t
				c := b.vendor.calls[0]
				c.Audio, c.Promised = call.EvidencePromised, transcript
				b.round(false)
				if part := b.load("c001").Parts.Recording; part.State != call.Pending {
					t.Fatalf("before: %+v", part)
				}
				b.vendor.edit(func() { c.Recording = true })
				time.Sleep(73 * time.Hour)
				b.restart()
				if transcript {
					if err := b.engine.pending(t.Context(), false, time.Time{}); err != nil {
						t.Fatal(err)
					}
				}
				b.runFor(2 * time.Hour)
				if part := b.load("c001").Parts.Recording; part.State != call.Stored {
					t.Errorf("after: %+v", part)
				}
			})
		})
	}
}

func TestRecordingNobodySpokeOfIsAbsentAtTheHorizon(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		t := b.t
		b.vendor.calls[0].Audio = call.EvidenceUnknown
		b.round(false)
		b.runFor(80 * time.Hour)
		if part := b.load("c001").Parts.Recording; part.State != call.None || part.Reason != "horizon" {
			t.Errorf("%+v", part)
		}
		b.mustRound(true)
		if n := b.vendor.relinks; n > len(retryOffsets)+2 {
			t.Errorf("asked for %d times", n)
		}
	})
}

// everywhere makes the vendor prove, from the given list page on, that calls
// have transcripts nobody promised.
func (b *testbed) everywhere(v *faultyVendor, from int) {
	b.vendor.edit(func() {
		v.learn = func(list int) bool { return list >= from }
		for _, c := range b.vendor.calls {
			c.Transcript = "text"
		}
	})
}

func (b *testbed) mustHaveTranscripts() {
	b.t.Helper()
	missing := 0
	for _, c := range b.vendor.calls {
		if len(b.load(call.ID(c.ID)).Call.Transcript) == 0 {
			missing++
		}
	}
	if missing > 0 {
		b.t.Errorf("%d of %d calls have no transcript", missing, len(b.vendor.calls))
	}
}

// Calls stored before something was learned about the vendor are looked at
// again, even when the process ended between the two.
func TestWhatWasLearnedReachesOlderCallsAfterACrash(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		v := b.faulty()
		b.everywhere(v, 3)
		v.failList = func(list int) error {
			if list >= 6 {
				return call.ErrUnauthorized // as good as a crash: nothing after the fifth page
			}
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		v.onList = func(list int) {
			if list == 5 {
				cancel()
			}
		}
		_ = b.engine.Sweep(ctx) // interrupted
		v.onList, v.failList = nil, nil
		b.restart()
		b.round(false)
		b.mustRound(false)
		b.mustHaveTranscripts()
	})
}

// A call that wants a further document is not complete until it could be read,
// however old the call is.
func TestUnreadDocumentKeepsAnOldCallOpen(t *testing.T) {
	for name, failure := range map[string]error{
		"network": call.ErrTransient,
		"budget":  &call.BudgetError{Source: "crm", Until: time.Now().Add(time.Hour), Why: "spent"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 5, func(b *testbed) {
				t := b.t
				v := b.faulty()
				b.mustRound(false)
				time.Sleep(100 * time.Hour)
				b.arrives("new")
				b.everywhere(v, 0)
				v.edit(func() { v.failFetch = func(call.ID) error { return failure } })
				b.round(false)
				b.round(false)
				for _, c := range b.vendor.calls {
					if part := b.load(call.ID(c.ID)).Parts.Record; part.State != call.Pending {
						t.Errorf("call %s: record %+v", c.ID, part)
					}
				}
				v.edit(func() { v.failFetch = nil })
				b.mustRound(false)
				b.mustHaveTranscripts()
			})
		})
	}
}

// One call whose further document never can be read costs that document, on
// its schedule, and nothing else.
func TestOneUnreadableDocumentLeavesTheRestAlone(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		bad := b.vendor.calls[50]
		bad.Promised = true
		id := call.ID(bad.ID)
		v := b.faulty()
		v.failFetch = func(call.ID) error { return call.ErrTransient }
		b.round(false)
		c := b.engine.Checkpoint()
		if c.CompletedAt.IsZero() || c.Watermark.IsZero() || !c.Sweep.Clean || v.lists != 10 {
			t.Fatalf("after %d requests for 10 pages: %+v", v.lists, c)
		}
		stop := b.runInBackground()
		start := time.Now()
		for range 24 { // two hours of head walks
			b.arrives("new" + time.Now().Format("150405"))
			time.Sleep(5 * time.Minute)
			if err := b.engine.Head(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := b.engine.Trailing(t.Context()); err != nil {
			t.Error(err)
		}
		if err := b.engine.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		stop()
		due := 0
		for _, offset := range retryOffsets {
			if offset <= time.Since(start) {
				due++
			}
		}
		got := b.load(id)
		if n := v.asked[id]; n < due || n > due+2 {
			t.Errorf("asked for %d times in two hours, the schedule has %d", n, due)
		}
		if got.Call.Version != 1 || got.Parts.Transcript.Attempts < due || got.Parts.Transcript.State != call.Pending {
			t.Errorf("version %d, %+v", got.Call.Version, got.Parts.Transcript)
		}
		if mark := b.engine.Checkpoint().Watermark; !mark.After(c.Watermark) {
			t.Error("the watermark stayed behind")
		}
	})
}

// A store that takes no outcomes must not make the vendor pay for it.
func TestRefusedWritesCauseNoDownloadStorm(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		t := b.t
		b.vendor.calls[0].Recording = true
		s := b.watched()
		if err := b.engine.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.refusing(func(batch call.Batch) error {
			for _, w := range batch.Writes {
				if w.Record.Parts.Recording.State == call.Stored {
					return errors.New("disk i/o error")
				}
			}
			return nil
		})
		b.answerMedia(func(string) error { time.Sleep(10 * time.Millisecond); return nil })
		b.runFor(10 * time.Minute)
		if n := b.media.gets; n < 2 || n > 10*60/5+1 {
			t.Errorf("%d downloads in ten minutes", n)
		}
		s.refusing(nil)
		b.runFor(time.Minute)
		if part := b.load("c001").Parts.Recording; part.State != call.Stored {
			t.Errorf("once the store works again: %+v", part)
		}
	})
}

// A vendor that always counts one call more than it lists is worked with, at
// the usual cost, and never called complete.
func TestTotalThatIsAlwaysTooHigh(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		b.vendor.total = func(n int) int { return n + 1 }
		b.round(false)
		if c := b.engine.Checkpoint(); c.Order != call.OrderNewestFirst || c.Watermark.IsZero() || c.Backfill != nil {
			t.Fatalf("nothing was learned: %+v", c)
		}
		for day := range 3 {
			heads := 0
			for range 24 {
				time.Sleep(time.Hour)
				b.arrives("new" + time.Now().Format("021504"))
				heads += b.requests(b.engine.Head)
			}
			b.vendor.edit(func() { b.vendor.calls[20].Rev++ })
			edited := call.ID(b.vendor.calls[20].ID)
			trailing := b.requests(b.engine.Trailing)
			if v := b.load(edited).Call.Version; v != 2 && day == 0 {
				t.Errorf("the trailing walk missed an edit: version %d", v)
			}
			before := b.vendor.lists
			err := b.engine.Sweep(t.Context())
			sweep, pages := b.vendor.lists-before, len(b.vendor.calls)/10+1
			if err == nil || !strings.Contains(err.Error(), "counts") {
				t.Errorf("the sweep ended with %v", err)
			}
			if heads > 2*24 || trailing > pages || sweep > pages+1 {
				t.Errorf("day %d: %d, %d and %d requests for a list of %d pages", day, heads, trailing, sweep, pages)
			}
		}
		if r := b.round(false); r.Complete || r.Error == "" || b.held() != len(b.vendor.calls) {
			t.Errorf("held %d of %d, complete %t, %q", b.held(), len(b.vendor.calls), r.Complete, r.Error)
		}
	})
}

// A time window in which calls are known is no more empty than the list.
func TestEmptyWindowIsDoubted(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		t := b.t
		b.vendor.window = true
		b.restart()
		b.shuffle()
		b.mustRound(true)
		calls := b.vendor.calls
		b.vendor.edit(func() { b.vendor.calls = nil })
		if r := b.round(false); r.Complete {
			t.Error("a window without the calls known of it counts as complete")
		}
		b.vendor.edit(func() { b.vendor.calls = calls })
		b.mustRound(false)
	})
}
