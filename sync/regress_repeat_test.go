package callsync

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"callsyncd/call"
)

// arriveInFront lets n calls appear in front of the list.
func arriveInFront(n int) func([]*fakeCall) []*fakeCall {
	return func(calls []*fakeCall) []*fakeCall {
		for i := range n {
			calls = slices.Insert(calls, 0, &fakeCall{ID: fmt.Sprintf("new%d", i), Created: time.Now().UTC(), Status: "completed"})
		}
		return calls
	}
}

// A page without a new call looks like the last one over again once all calls
// the vendor counts were listed. But counts may be too low, rows may be doubled,
// and a list may move on by a page.
func TestRepeatedPageIsNotTheEndOfAList(t *testing.T) {
	cases := map[string]func(b *testbed){
		"rows are doubled": func(b *testbed) {
			b.vendor.edit(func() { b.vendor.calls = slices.Insert(b.vendor.calls, 20, b.vendor.calls[10:20]...) })
		},
		"a page of calls arrived": func(b *testbed) { b.moveAt(3, arriveInFront(10)) },
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 35, func(b *testbed) {
				b.vendor.total = func(int) int { return 20 }
				spoil(b)
				b.mustRound(true)
				for i := range 35 {
					b.load(call.ID(fmt.Sprintf("c%03d", i+1)))
				}
			})
		})
	}
}

// Calls that arrive while a list is read by offset may move it so that it gives
// the page before over again, like a vendor that gives whole pages only. An
// earlier page, or the next one, shows that it is none.
func TestMovedListIsNotTakenForWholePages(t *testing.T) {
	for name, at := range map[string]struct{ arrive, vanish int }{"the next page has old rows": {2, 4}, "an earlier page began at the row asked for": {3, 4}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 45, func(b *testbed) {
				b.vendor.paging, b.vendor.noTotal = call.PagingOffset, true
				b.restart()
				b.vendor.onList = func(n int) {
					b.vendor.edit(func() {
						switch n {
						case at.arrive:
							b.vendor.calls = arriveInFront(9)(slices.Clone(b.vendor.calls))
						case at.vanish:
							b.vendor.calls = slices.Delete(slices.Clone(b.vendor.calls), 3, 15)
						}
					})
				}
				_ = b.round(false)
				for _, c := range b.vendor.calls {
					if c.ID[0] == 'c' { // was listed all the while
						b.load(call.ID(c.ID))
					}
				}
			})
		})
	}
}

// A vendor that does give whole pages only is read to its end though calls arrive
// all the while, however short its last page is.
func TestArrivalsInAListGivenInWholePages(t *testing.T) {
	for _, calls := range []int{91, 95, 100} {
		t.Run(fmt.Sprint(calls), func(t *testing.T) {
			inBubble(t, calls, func(b *testbed) {
				b.vendor.paging, b.vendor.noTotal = call.PagingOffset, true
				b.source.Provider = &alignedVendor{b.vendor}
				b.restart()
				b.vendor.onList = func(n int) {
					if n == 2 || n%3 == 0 {
						b.vendor.add(&fakeCall{ID: fmt.Sprintf("new%d", n), Created: time.Now().UTC(), Status: "completed"})
					}
				}
				b.mustRound(false)
				if b.held() < calls || b.vendor.lists > 21 {
					b.t.Errorf("held %d of %d and more after %d requests", b.held(), calls, b.vendor.lists)
				}
			})
		})
	}
}

// A walk that reads but a part of the list has no count to compare with what it
// saw. But a count that goes down shows that a row vanished, which may have drawn
// another over a page border.
func TestWatermarkWaitsWhenRowsVanishFromAPartOfTheList(t *testing.T) {
	cases := map[string]func(b *testbed){
		"a window": func(b *testbed) { b.vendor.window = true; b.shuffle(); b.restart() },
		"down to known ground": func(*testbed) {},
	}
	for name, of := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 95, func(b *testbed) {
				of(b)
				b.mustRound(true)
				before := b.engine.Checkpoint()
				time.Sleep(time.Minute)
				b.vendor.edit(func() { b.vendor.calls = arriveInFront(15)(slices.Clone(b.vendor.calls)) })
				b.moveAt(2, func(calls []*fakeCall) []*fakeCall { return slices.Delete(calls, 0, 1) })
				err := b.engine.Head(b.t.Context())
				if _, missing := b.store.Load(b.t.Context(), b.engine.key("new4")); missing == nil {
					b.t.Fatal("the test no longer hides a new call")
				}
				if now := b.engine.Checkpoint(); !now.Watermark.Equal(before.Watermark) {
					b.t.Errorf("%v; %s, %s; the watermark moved from %s to %s over a call that was hidden", err, now.Order, now.Learned, before.Watermark, now.Watermark)
				}
			})
		})
	}
}
