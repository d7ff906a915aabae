package callsync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// inBubble runs a test with a clock of its own.
func inBubble(t *testing.T, n int, fn func(*testbed)) {
	synctest.Test(t, func(t *testing.T) { fn(newBed(t, n)) })
}

func TestUnchangedSourceCostsNothing(t *testing.T) {
	inBubble(t, 300, func(b *testbed) {
		first := b.mustRound(false)
		if first.New != 300 || b.held() != 300 {
			t.Fatalf("%+v, held %d", first, b.held())
		}
		seq, before := b.store.LastSeq(), b.vendor.lists
		second := b.mustRound(false)
		if second.New+second.Changed != 0 || b.store.LastSeq() != seq {
			t.Errorf("the second round changed something: %+v", second)
		}
		if n := b.vendor.lists - before; n > 9 {
			t.Errorf("72 hours of calls on pages of 10 cost %d requests", n)
		}
		if b.engine.Checkpoint().Order != call.OrderNewestFirst {
			t.Errorf("learned order %s", b.engine.Checkpoint().Order)
		}
	})
}

func TestHeadLoopStopsAtKnownGround(t *testing.T) {
	inBubble(t, 300, func(b *testbed) {
		b.mustRound(false)
		for i := range 3 {
			b.vendor.add(&fakeCall{ID: fmt.Sprintf("new%d", i), Created: time.Now().Add(time.Duration(i) * time.Second), Status: "completed"})
		}
		before := b.vendor.lists
		if err := b.engine.Head(b.t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.held() != 303 || b.vendor.lists-before > 2 {
			t.Errorf("held %d after %d requests", b.held(), b.vendor.lists-before)
		}
	})
}

func TestListOrdersAreLearnedAndUsed(t *testing.T) {
	orders := map[string]func([]*fakeCall){
		"newest first": func([]*fakeCall) {},
		"oldest first": func(c []*fakeCall) { slices.Reverse(c) },
		"none": func(c []*fakeCall) {
			slices.SortFunc(c, func(a, b *fakeCall) int { return strings.Compare(a.ID[3:]+a.ID, b.ID[3:]+b.ID) })
		},
	}
	for name, arrange := range orders {
		for _, paging := range []call.Paging{call.PagingPage, call.PagingOffset, call.PagingCursor} {
			t.Run(name+" "+string(paging), func(t *testing.T) {
				inBubble(t, 55, func(b *testbed) {
					b.vendor.paging = paging
					b.restart()
					arrange(b.vendor.calls)
					b.mustRound(false)
					fresh := &fakeCall{ID: "zz9", Created: time.Now().UTC(), Status: "completed"}
					b.vendor.add(fresh)
					arrange2 := append(slices.Clone(b.vendor.calls[1:]), fresh)
					if name != "newest first" {
						b.vendor.edit(func() { b.vendor.calls = arrange2 })
					}
					if err := b.engine.Head(b.t.Context()); err != nil {
						t.Fatal(err)
					}
					if b.held() != 56 {
						t.Errorf("the head loop left the archive at %d of 56", b.held())
					}
				})
			})
		}
	}
}

func TestUnorderedListUsesAnObeyedWindow(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignored=%t", ignored), func(t *testing.T) {
			inBubble(t, 200, func(b *testbed) {
				b.vendor.window, b.vendor.ignore = true, ignored
				b.restart()
				slices.SortFunc(b.vendor.calls, func(x, y *fakeCall) int { return strings.Compare(x.ID[3:]+x.ID, y.ID[3:]+y.ID) })
				b.mustRound(false)
				b.vendor.edit(func() {
					b.vendor.calls = append(b.vendor.calls, &fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"})
				})
				before := b.vendor.lists
				b.mustRound(false)
				n := b.vendor.lists - before
				if b.held() != 201 {
					t.Fatalf("held %d", b.held())
				}
				if !ignored && n > 9 {
					t.Errorf("an obeyed window cost %d requests", n)
				}
				if ignored && n < 20 {
					t.Errorf("an ignored window was trusted: %d requests", n)
				}
			})
		})
	}
}

// A time filter that is obeyed today may be ignored tomorrow: that is told, the
// calls are archived all the same, and the next sweep does without it.
func TestWindowThatIsNoLongerObeyed(t *testing.T) {
	inBubble(t, 200, func(b *testbed) {
		b.vendor.window = true
		b.restart()
		slices.SortFunc(b.vendor.calls, func(x, y *fakeCall) int { return strings.Compare(x.ID[3:]+x.ID, y.ID[3:]+y.ID) })
		b.mustRound(false)
		if got := b.engine.Checkpoint().Learned[learnedWindow]; got != windowObeyed {
			t.Fatalf("learned that the filter is %q", got)
		}
		b.vendor.edit(func() {
			b.vendor.ignore = true
			b.vendor.calls = append(b.vendor.calls, &fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"})
		})
		err := b.engine.Head(b.t.Context())
		if err == nil || !strings.Contains(err.Error(), "ignores its time filter") || b.held() != 201 {
			t.Errorf("held %d of 201, error %v", b.held(), err)
		}
		b.mustRound(true)
		if got := b.engine.Checkpoint().Learned[learnedWindow]; got != windowIgnored {
			t.Errorf("the sweep learned that the filter is %q", got)
		}
		b.mustRound(false)
	})
}

// Calls that arrive push others over a page border: the walk meets those twice,
// reads on, and stores each once.
func TestArrivalsDuringAWalk(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.vendor.onList = func(n int) {
			if n == 2 || n == 3 {
				b.vendor.add(&fakeCall{ID: fmt.Sprintf("late%d", n), Created: time.Now().UTC(), Status: "completed"})
			}
		}
		if err := b.engine.Sweep(b.t.Context()); err != nil {
			t.Error(err)
		}
		for _, c := range b.vendor.calls {
			if v := b.load(call.ID(c.ID)).Call.Version; v != 1 {
				t.Errorf("call %s has version %d", c.ID, v)
			}
		}
		if b.held() != 97 {
			t.Errorf("held %d of 97", b.held())
		}
	})
}

// A call vanishes before a page border, which pulls another over it, unseen. No
// later walk need look there again: a sweep must notice by itself.
func TestDisappearanceDuringAWalkIsNoticed(t *testing.T) {
	for _, page := range []int{2, 9} {
		inBubble(t, 95, func(b *testbed) {
			b.vendor.onList = func(n int) {
				if n == page {
					b.vendor.remove(3)
				}
			}
			if err := b.engine.Sweep(b.t.Context()); err != nil {
				t.Error(err)
			}
			for _, c := range b.vendor.calls {
				b.load(call.ID(c.ID))
			}
			if b.held() != 95 {
				t.Errorf("held %d; the vanished call stays, all others are there", b.held())
			}
		})
	}
}

func TestFalseListsAreNotBelieved(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fakeVendor)
		text  string
	}{
		"no calls at all":   {func(v *fakeVendor) { v.calls = nil }, "lists no calls at all"},
		"total too high":    {func(v *fakeVendor) { v.total = func(n int) int { return n + 2 } }, "counts 97 calls but listed 95"},
		"pages that repeat": {func(v *fakeVendor) { v.calls = slices.Repeat(v.calls[:10], 20); v.noTotal = true }, "repeats the same calls"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 95, func(b *testbed) {
				b.mustRound(false)
				mark := b.engine.Checkpoint().Watermark
				b.vendor.edit(func() { tc.spoil(b.vendor) })
				r := b.round(true)
				if r.Complete || !strings.Contains(r.Error, tc.text) {
					t.Errorf("complete %t, %q", r.Complete, r.Error)
				}
				if b.held() != 95 || !b.engine.Checkpoint().Watermark.Equal(mark) {
					t.Errorf("held %d, watermark moved to %s", b.held(), b.engine.Checkpoint().Watermark)
				}
			})
		})
	}
}

func TestCircularCursorEndsTheWalk(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.vendor.paging, b.vendor.noCursor, b.vendor.noTotal = call.PagingCursor, true, true
		b.restart()
		r := b.round(false)
		if r.Complete || !strings.Contains(r.Error, "circle") || b.vendor.lists > 10 {
			t.Errorf("after %d requests: %q", b.vendor.lists, r.Error)
		}
	})
}

func TestInterruptedBackfillResumesAndIsProved(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.vendor.failList = func(n int) error {
			if n >= 5 {
				return call.ErrUnauthorized
			}
			return nil
		}
		r := b.round(false)
		if !errors.Is(r.Err, call.ErrUnauthorized) || b.engine.Checkpoint().Refused == nil {
			t.Fatalf("%+v", r)
		}
		if !b.engine.Checkpoint().Watermark.IsZero() || b.held() != 40 {
			t.Fatalf("watermark %s, held %d", b.engine.Checkpoint().Watermark, b.held())
		}
		b.vendor.failList = nil
		b.vendor.remove(0)
		b.restart()
		b.vendor.lists = 0
		b.mustRound(false)
		if b.held() != 95 {
			t.Errorf("held %d", b.held())
		}
		if c := b.engine.Checkpoint(); c.Refused != nil || c.Backfill != nil || c.Watermark.IsZero() {
			t.Errorf("checkpoint %+v", c)
		}
		if n := b.vendor.lists; n > 7+11 {
			t.Errorf("the rest and its proof cost %d requests", n)
		}
	})
}

func TestPassingTroubleLeavesTheWatermark(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.mustRound(false)
		mark := b.engine.Checkpoint().Watermark
		time.Sleep(time.Hour)
		b.vendor.add(&fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"})
		b.vendor.failList = func(int) error { return call.ErrTransient }
		if err := b.engine.Head(b.t.Context()); !errors.Is(err, call.ErrTransient) {
			t.Fatal(err)
		}
		if !b.engine.Checkpoint().Watermark.Equal(mark) {
			t.Error("the watermark moved over a failed walk")
		}
		b.vendor.failList = nil
		if err := b.engine.Head(b.t.Context()); err != nil || b.held() != 96 {
			t.Errorf("%v, held %d", err, b.held())
		}
		if !b.engine.Checkpoint().Watermark.After(mark) {
			t.Error("the watermark stayed after a clean walk")
		}
	})
}

func TestTranscriptPromisedThenGiven(t *testing.T) {
	inBubble(t, 3, func(b *testbed) {
		c := b.vendor.calls[0]
		c.Promised = true
		r := b.round(false)
		if r.Complete || r.Counts.Pending[call.PartTranscript] != 1 {
			t.Fatalf("%+v", r)
		}
		part := b.load(call.ID(c.ID)).Parts.Transcript
		if part.Reason != "http_404" || time.Until(part.NextTry) > time.Minute {
			t.Fatalf("%+v", part)
		}
		ctx, cancel := context.WithCancel(b.t.Context())
		done := make(chan error, 1)
		go func() { done <- b.engine.Run(ctx) }()
		time.Sleep(4 * time.Minute) // the tries after one and two minutes come in vain
		synctest.Wait()
		if b.vendor.fetches < 3 {
			t.Errorf("%d fetches within four minutes", b.vendor.fetches)
		}
		b.vendor.edit(func() { c.Transcript = "here it is" })
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		got := b.load(call.ID(c.ID))
		if got.Parts.Transcript.State != call.Stored || got.Call.Transcript[0].Text != "here it is" || !got.Call.Settled {
			t.Errorf("%+v", got.Parts.Transcript)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestPromiseNeverKeptIsLost(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.vendor.calls[0].Promised = true
		b.round(false)
		time.Sleep(73 * time.Hour)
		r := b.round(false)
		part := b.load("c001").Parts.Transcript
		if part.State != call.Lost || part.Reason != "http_404" || r.Complete || r.Counts.Lost[call.PartTranscript] != 1 {
			t.Errorf("%+v, %+v", part, r)
		}
	})
}

func TestGoodContentIsNotReplacedByNothing(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		c := b.vendor.calls[0]
		c.Promised, c.Transcript = true, "good"
		b.mustRound(false)
		b.vendor.edit(func() { c.Transcript, c.Rev = "", 2 })
		b.round(true)
		got := b.load("c001")
		if len(got.Call.Transcript) != 1 || got.Call.Transcript[0].Text != "good" || got.Parts.Transcript.State != call.Stored {
			t.Errorf("transcript %v, %+v", got.Call.Transcript, got.Parts.Transcript)
		}
		if got.Call.Version != 2 {
			t.Errorf("version %d; the emptier answer must be kept as one", got.Call.Version)
		}
	})
}

func TestRecordingLinksAreRenewed(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*testbed)
		relinks int
	}{
		"fresh":            {func(*testbed) {}, 0},
		"refused once":     {func(b *testbed) { b.media.get = once(call.ErrExpired) }, 1},
		"not audio once":   {func(b *testbed) { b.media.get = once(call.ErrCorrupt) }, 1},
		"a passing outage": {func(b *testbed) { b.media.get = once(call.ErrTransient) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 1, func(b *testbed) {
				b.vendor.calls[0].Recording = true
				tc.prepare(b)
				r := b.mustRound(false)
				if b.vendor.relinks != tc.relinks || r.Recordings != 1 {
					t.Errorf("%d fresh links, %+v", b.vendor.relinks, r)
				}
				if got := b.load("c001"); got.Call.Version != 1 || got.Call.Recording.State != call.Stored {
					t.Errorf("version %d, recording %+v", got.Call.Version, got.Call.Recording)
				}
			})
		})
	}
}

func once(err error) func(string) error {
	n := 0
	return func(string) error {
		if n++; n == 1 {
			return err
		}
		return nil
	}
}

func TestExpiredLinkIsNeverTried(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.vendor.calls[0].Recording = true
		b.media.get = func(string) error { return call.ErrTransient }
		b.round(false)
		time.Sleep(58 * time.Minute) // less than five minutes are left
		var tried []string
		b.media.get = func(url string) error { tried = append(tried, url); return nil }
		b.restart()
		b.mustRound(false)
		if want := fmt.Sprintf("?%d", time.Now().Unix()); len(tried) != 1 || !strings.HasSuffix(tried[0], want) {
			t.Errorf("tried %v, want a link made now (%s)", tried, want)
		}
	})
}

func TestRecordingThatNeverComesIsLost(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.vendor.calls[0].Recording = true
		b.media.get = func(string) error { return call.ErrExpired }
		r := b.round(false)
		part := b.load("c001").Parts.Recording
		if part.State != call.Pending || part.Reason != "expired" || part.Attempts != 1 || r.Complete {
			t.Fatalf("%+v", part)
		}
		if b.vendor.relinks != freshLinks-1 {
			t.Errorf("%d fresh links in one attempt", b.vendor.relinks)
		}
		time.Sleep(73 * time.Hour)
		b.round(false)
		if part := b.load("c001").Parts.Recording; part.State != call.Lost || part.Reason != "expired" {
			t.Errorf("%+v", part)
		}
	})
}

func TestFullDiskLosesNothing(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		b.vendor.calls[0].Recording = true
		b.media.get = func(string) error { return call.ErrNoSpace }
		b.round(false)
		time.Sleep(100 * time.Hour)
		b.round(false)
		if part := b.load("c001").Parts.Recording; part.State != call.Pending {
			t.Errorf("%+v", part)
		}
		b.media.get = nil
		b.mustRound(false)
	})
}

func TestSinceLeavesOlderCallsAlone(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.source.Since = time.Now().Add(-30*time.Hour - time.Minute)
		b.restart()
		b.mustRound(false)
		first := b.vendor.lists // the whole list once, to learn its order
		b.mustRound(true)
		if n := b.vendor.lists - first; b.held() != 30 || first > 11 || n > 4 {
			t.Errorf("held %d after %d and %d requests", b.held(), first, n)
		}
	})
}

func TestTwoLoopsNeverWorkOnOneCall(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		for _, c := range b.vendor.calls {
			c.Promised, c.Transcript = true, "text"
		}
		b.mustRound(false)
		b.vendor.edit(func() {
			for _, c := range b.vendor.calls {
				c.Rev++
			}
		})
		done := make(chan error, 2)
		go func() { done <- b.engine.Head(b.t.Context()) }()
		go func() { done <- b.engine.Sweep(b.t.Context()) }()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for _, c := range b.vendor.calls {
			if v := b.load(call.ID(c.ID)).Call.Version; v != 2 {
				t.Fatalf("call %s has version %d", c.ID, v)
			}
		}
	})
}
