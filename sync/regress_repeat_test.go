package callsync

import (
	"context"
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
				if b.held() < calls || b.vendor.lists > 22 {
					b.t.Errorf("held %d of %d and more after %d requests", b.held(), calls, b.vendor.lists)
				}
			})
		})
	}
}

// Whole pages that the vendor itself makes smaller under way leave no holes.
func TestWholePagesThatBecomeSmaller(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.vendor.paging, b.vendor.noTotal = call.PagingOffset, true
		b.source.Provider = &narrowingVendor{alignedVendor{b.vendor}, 5}
		b.restart()
		b.mustRound(false)
		if b.held() != 95 {
			b.t.Errorf("held %d of 95", b.held())
		}
	})
}

// narrowingVendor gives whole pages of half the size from a list answer on.
type narrowingVendor struct {
	alignedVendor
	from int
}

func (v *narrowingVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	if v.lists >= v.from {
		req.Size /= 2
	}
	return v.alignedVendor.List(ctx, req)
}

// lossyVendor has a row without a usable id in place of a call's.
type lossyVendor struct {
	*fakeVendor
	unusable call.ID
}

func (v *lossyVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	page, err := v.fakeVendor.List(ctx, req)
	rows := len(page.Items)
	page.Items = slices.DeleteFunc(page.Items, func(it call.Item) bool { return it.ID == v.unusable })
	page.Unusable = rows - len(page.Items)
	return page, err
}

// A walk that reads but a part of the list has no count to compare with what it
// saw. But it sees when a row may have been hidden from it.
func TestWatermarkWaitsWhenAPartOfTheListHidesARow(t *testing.T) {
	vanish := func(b *testbed) {
		b.moveAt(2, func(calls []*fakeCall) []*fakeCall { return slices.Delete(calls, 0, 1) })
	}
	cases := map[string]struct {
		window bool
		hide   func(b *testbed)
	}{
		"a row vanishes under a walk through a window":     {true, vanish},
		"a row vanishes under a walk down to known ground": {false, vanish},
		"a page comes twice on the way down to known ground": {false, func(b *testbed) {
			b.source.Provider = &repeatingVendor{fakeVendor: b.vendor, instead: b.vendor.lists + 2}
			b.restart()
		}},
		"a row is not usable": {false, func(b *testbed) {
			b.source.Provider = &lossyVendor{b.vendor, "new4"}
			b.restart()
		}},
	}
	for name, of := range cases {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 95, func(b *testbed) {
				if b.vendor.window = of.window; of.window {
					b.shuffle()
					b.restart()
				}
				b.mustRound(true)
				before := b.engine.Checkpoint().Watermark
				time.Sleep(time.Minute)
				b.vendor.edit(func() { b.vendor.calls = arriveInFront(15)(slices.Clone(b.vendor.calls)) })
				of.hide(b)
				err := b.engine.Head(b.t.Context())
				if _, missing := b.store.Load(b.t.Context(), b.engine.key("new4")); missing == nil {
					b.t.Fatal("the test no longer hides a new call")
				}
				if now := b.engine.Checkpoint().Watermark; err == nil || !now.Equal(before) {
					b.t.Errorf("%v; the watermark moved from %s to %s over a call that was hidden", err, before, now)
				}
			})
		})
	}
}
