package callsync

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// moveAt changes the vendor's calls before one list answer.
func (b *testbed) moveAt(list int, change func(calls []*fakeCall) []*fakeCall) {
	first := b.vendor.lists
	b.vendor.onList = func(n int) {
		if n == first+list {
			b.vendor.edit(func() { b.vendor.calls = change(slices.Clone(b.vendor.calls)) })
		}
	}
}

// swap lets the call at index i vanish and another one appear at the list's end,
// which leaves the vendor's count as it was.
func swap(i int) func([]*fakeCall) []*fakeCall {
	return func(calls []*fakeCall) []*fakeCall {
		late := &fakeCall{ID: "after " + calls[len(calls)-1].ID, Created: time.Now().UTC(), Status: "completed"}
		return append(slices.Delete(calls, i, i+1), late)
	}
}

// A call that vanishes draws those behind it over a page border. Where pages may
// begin at any row, they overlap by one, and the walk sees that the list moved.
func TestVanishedCallHidesNoneInAListReadByOffset(t *testing.T) {
	for name, noTotal := range map[string]bool{"the count stays the same": false, "no count": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 95, func(b *testbed) {
				b.vendor.paging, b.vendor.noTotal = call.PagingOffset, noTotal
				b.restart()
				b.moveAt(4, swap(7))
				b.mustRound(false)
				if b.held() != 96 {
					b.t.Errorf("held %d of the 96 calls there ever were", b.held())
				}
			})
		})
	}
}

func TestListThatKeepsMovingIsNotProved(t *testing.T) {
	inBubble(t, 300, func(b *testbed) {
		b.vendor.paging = call.PagingOffset
		b.vendor.onList = func(n int) {
			if n%2 == 0 && n < 80 {
				b.vendor.edit(func() { b.vendor.calls = swap(0)(slices.Clone(b.vendor.calls)) })
			}
		}
		b.restart()
		if r := b.round(false); r.Complete || !strings.Contains(r.Error, "list moved") {
			b.t.Errorf("complete %t, %q", r.Complete, r.Error)
		}
		b.vendor.onList = nil
		b.mustRound(false)
	})
}

// alignedVendor gives the whole page around the row it is asked for.
type alignedVendor struct{ *fakeVendor }

func (v *alignedVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	req.Position.Offset -= req.Position.Offset % req.Size
	return v.fakeVendor.List(ctx, req)
}

func TestVendorThatGivesWholePagesOnly(t *testing.T) {
	for name, noTotal := range map[string]bool{"count": false, "no count": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 95, func(b *testbed) {
				b.vendor.paging, b.vendor.noTotal = call.PagingOffset, noTotal
				b.source.Provider = &alignedVendor{b.vendor}
				b.restart()
				b.mustRound(false)
				if b.held() != 95 || b.vendor.lists > 13 {
					b.t.Errorf("held %d of 95 after %d requests", b.held(), b.vendor.lists)
				}
			})
		})
	}
}

// Pages that are numbered, or given as a whole only, cannot overlap. But more new
// calls than the count grew by mean that others vanished.
func TestVanishAndArrivalInNumberedPagesAreReadAgain(t *testing.T) {
	for name, paging := range map[string]call.Paging{"numbered": call.PagingPage, "whole pages by offset": call.PagingOffset} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 95, func(b *testbed) {
				b.vendor.reverseList()
				b.vendor.paging = paging
				b.source.Provider = &alignedVendor{b.vendor}
				b.restart()
				b.moveAt(5, swap(7))
				move := b.vendor.onList
				b.vendor.onList = func(n int) { time.Sleep(5 * time.Second); move(n) }
				b.mustRound(false)
				if b.held() != 96 {
					b.t.Errorf("held %d of the 96 calls there ever were", b.held())
				}
			})
		})
	}
}

// Pages that are numbered get other numbers when they get smaller.
func TestSmallerPagesDoNotLookLikeARepeatingVendor(t *testing.T) {
	for name, reversed := range map[string]bool{"forward": false, "from the end": true} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 93, func(b *testbed) {
				if reversed {
					b.vendor.reverseList()
					b.mustRound(false)
				}
				v := &shrinkingVendor{b.vendor}
				b.source.Provider = v
				b.restart()
				fails, from := 1, b.vendor.lists+4
				b.vendor.failList = func(n int) error {
					if n >= from && fails > 0 {
						fails--
						return call.ErrTransient
					}
					return nil
				}
				before := b.vendor.lists
				if reversed {
					time.Sleep(100 * time.Hour)
					b.vendor.edit(func() {
						for i := range b.vendor.calls {
							b.vendor.calls[i].Rev = 1
						}
					})
					if err := b.engine.Trailing(b.t.Context()); err != nil {
						b.t.Error(err)
					}
					for _, c := range b.vendor.calls {
						if b.versions(call.ID(c.ID)) != 2 {
							b.t.Errorf("call %s was not read again", c.ID)
						}
					}
					return
				}
				b.mustRound(false)
				if n := b.vendor.lists - before; b.held() != 93 || n != 3+1+13 {
					b.t.Errorf("held %d of 93 after %d requests for 3 pages, a failure, and 13 half pages", b.held(), n)
				}
			})
		})
	}
}

// shrinkingVendor may be asked for any number of rows.
type shrinkingVendor struct{ *fakeVendor }

func (v *shrinkingVendor) Info() call.ProviderInfo {
	info := v.fakeVendor.Info()
	info.MinSize = 1
	return info
}

// A vendor that counts more than it lists is believed as far as it lists. But a
// row that vanished meanwhile may have hidden a new call.
func TestWatermarkWaitsWhenRowsVanishAtAVendorThatMiscounts(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		t := b.t
		b.vendor.total = func(n int) int { return n + 1 }
		b.shuffle()
		b.round(true)
		before := b.engine.Checkpoint().Watermark
		time.Sleep(time.Hour)
		b.vendor.edit(func() {
			fresh := &fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"}
			b.vendor.calls = slices.Insert(b.vendor.calls, 10, fresh)
			b.vendor.calls = append(b.vendor.calls, &fakeCall{ID: "newer", Created: time.Now().Add(time.Second).UTC(), Status: "completed"})
		})
		time.Sleep(time.Minute)
		b.moveAt(2, func(calls []*fakeCall) []*fakeCall { return slices.Delete(calls, 0, 1) })
		_ = b.engine.Trailing(t.Context())
		if _, err := b.store.Load(t.Context(), call.Key{Source: "crm", ID: "new"}); err == nil {
			t.Fatal("the test no longer hides the new call")
		}
		if now := b.engine.Checkpoint().Watermark; !now.Equal(before) {
			t.Errorf("the watermark moved from %s to %s over a call that was hidden", before, now)
		}
	})
}

// repeatingVendor answers once with its first page instead of another.
type repeatingVendor struct {
	*fakeVendor
	instead int // of this list answer
}

func (v *repeatingVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	if v.lists+1 == v.instead {
		req.Position = call.Position{Page: 1}
	}
	return v.fakeVendor.List(ctx, req)
}

// What a walk came short of may be the page it was not given.
func TestWatermarkWaitsWhenAPageWasNotGiven(t *testing.T) {
	inBubble(t, 30, func(b *testbed) {
		t := b.t
		b.shuffle()
		v := &repeatingVendor{fakeVendor: b.vendor}
		b.source.Provider = v
		b.restart()
		b.mustRound(true)
		before := b.engine.Checkpoint().Watermark
		time.Sleep(time.Hour)
		b.vendor.edit(func() {
			b.vendor.calls = slices.Insert(b.vendor.calls, 15, &fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"})
			b.vendor.calls = append(b.vendor.calls, &fakeCall{ID: "newer", Created: time.Now().UTC(), Status: "completed"})
		})
		time.Sleep(time.Minute)
		v.instead = b.vendor.lists + 2
		if err := b.engine.Trailing(t.Context()); err == nil {
			t.Error("a walk that was given one page twice is clean")
		}
		if now := b.engine.Checkpoint().Watermark; !now.Equal(before) {
			t.Errorf("the watermark moved from %s to %s over a page that was not read", before, now)
		}
		b.mustRound(true)
		if b.held() != 32 {
			t.Errorf("held %d of 32", b.held())
		}
	})
}

func TestCountThatIsTooLowEndsNoWalk(t *testing.T) {
	inBubble(t, 35, func(b *testbed) {
		b.vendor.total = func(n int) int { return n - 15 }
		b.mustRound(true)
		if b.held() != 35 {
			b.t.Errorf("held %d of 35", b.held())
		}
	})
}

// A page given twice by mistake looks like a vendor that gives whole pages only;
// no row is left out for that.
func TestPageGivenTwiceSkipsNoRow(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.vendor.paging, b.vendor.noTotal = call.PagingOffset, true
		b.source.Provider = &repeatingVendor{fakeVendor: b.vendor, instead: 2}
		b.restart()
		b.mustRound(false)
		if b.held() != 95 {
			b.t.Errorf("held %d of 95", b.held())
		}
	})
}

// clampingVendor gives seven rows at most, and does not say so.
type clampingVendor struct{ *fakeVendor }

func (v *clampingVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	req.Size = min(req.Size, 7)
	return v.fakeVendor.List(ctx, req)
}

// A vendor that begins to give fewer rows leaves no holes between pages read
// from the end of its list.
func TestSmallerPagesFromTheEndLeaveNoHoles(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		b.vendor.paging = call.PagingOffset
		b.vendor.reverseList()
		b.restart()
		b.mustRound(false)
		b.source.Provider = &clampingVendor{b.vendor}
		b.restart()
		b.vendor.edit(func() {
			for i := range b.vendor.calls {
				b.vendor.calls[i].Rev = 1
			}
		})
		if err := b.engine.Trailing(b.t.Context()); err != nil {
			b.t.Error(err)
		}
		for _, c := range b.vendor.calls {
			if b.versions(call.ID(c.ID)) != 2 {
				b.t.Errorf("call %s was not read again", c.ID)
			}
		}
	})
}

// A list shorter than a page says nothing about how long pages are: smaller ones
// would cost a request for every few calls, and those of one row do not overlap.
func TestShortListDoesNotMakePagesSmaller(t *testing.T) {
	inBubble(t, 1, func(b *testbed) {
		t := b.t
		b.vendor.paging, b.vendor.noTotal = call.PagingOffset, true
		b.restart()
		b.mustRound(true)
		time.Sleep(time.Hour)
		for i := range 20 {
			b.arrives(fmt.Sprintf("d%03d", i))
		}
		b.moveAt(2, func(calls []*fakeCall) []*fakeCall { return slices.Delete(calls, 0, 4) })
		if n := b.requests(b.engine.Trailing); n > 5 {
			t.Errorf("%d requests for two pages", n)
		}
		for _, c := range b.vendor.calls {
			b.load(call.ID(c.ID))
		}
	})
}

// Pages of one row cannot overlap either, and are doubted like those that are numbered.
func TestVanishAndArrivalInPagesOfOneRowAreReadAgain(t *testing.T) {
	inBubble(t, 12, func(b *testbed) {
		b.vendor.reverseList()
		b.vendor.paging = call.PagingOffset
		b.source.Provider = &shrinkingVendor{b.vendor}
		b.restart()
		b.vendor.failList = func(n int) error {
			if n < 4 {
				return call.ErrTransient
			}
			return nil
		}
		b.moveAt(7, swap(2))
		move := b.vendor.onList
		b.vendor.onList = func(n int) { time.Sleep(5 * time.Second); move(n) }
		b.mustRound(false)
		if b.held() != 13 {
			b.t.Errorf("held %d of the 13 calls there ever were", b.held())
		}
	})
}
