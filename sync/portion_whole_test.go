package callsync

import (
	"context"
	"fmt"
	"testing"

	"callsyncd/call"
)

// wholeVendor gives whole pages only, of any size.
type wholeVendor struct {
	alignedVendor
	maxBytes int
}

func (v *wholeVendor) Info() call.ProviderInfo {
	info := v.alignedVendor.Info()
	info.PageSize, info.MinSize, info.MaxBytes = 16, 1, v.maxBytes
	return info
}

// Where pages are given as a whole only, smaller ones are stepped over by their
// own length, not by that of the larger ones before them.
func TestWholePagesThatBecomeSmallerLeaveNoHoles(t *testing.T) {
	for name, of := range map[string]struct {
		failure  error
		maxBytes int // of an answer
		lists    int
	}{
		"pages fail":                  {call.ErrTransient, 0, 30},
		"pages are too large":         {call.ErrTooLarge, 0, 50},
		"pages are large for a while": {call.ErrTooLarge, 1 << 20, 21},
	} {
		for _, noTotal := range []bool{false, true} {
			for at := 1; at <= 7; at++ {
				t.Run(fmt.Sprintf("%s, count %t, at %d", name, !noTotal, at), func(t *testing.T) {
					inBubble(t, 155, func(b *testbed) {
						b.vendor.paging, b.vendor.noTotal = call.PagingOffset, noTotal
						b.source.Provider = &wholeVendor{alignedVendor{b.vendor}, of.maxBytes}
						b.restart()
						b.vendor.failList = func(n int) error {
							if n == at {
								return of.failure
							}
							return nil
						}
						r := b.round(false)
						if b.held() != 155 || !r.Complete || b.vendor.lists > of.lists {
							b.t.Errorf("complete %t, held %d of 155 after %d requests: %s", r.Complete, b.held(), b.vendor.lists, r.Error)
						}
					})
				})
			}
		}
	}
}

// pageTwiceVendor gives the whole page before over again, once, instead of one
// in the middle of the list.
type pageTwiceVendor struct {
	wholeVendor
	instead int // of this list answer
}

func (v *pageTwiceVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	if v.lists+1 == v.instead {
		req.Position.Offset -= req.Size
	}
	return v.wholeVendor.List(ctx, req)
}

// A page given twice is the list's last one only when it is short for the size
// asked for.
func TestSmallWholePageGivenTwiceIsNotTheLastOne(t *testing.T) {
	inBubble(t, 155, func(b *testbed) {
		b.vendor.paging, b.vendor.noTotal = call.PagingOffset, true
		v := &pageTwiceVendor{wholeVendor: wholeVendor{alignedVendor: alignedVendor{b.vendor}}, instead: 10}
		b.source.Provider = v
		b.restart()
		b.vendor.failList = func(n int) error {
			if n == 5 {
				return call.ErrTransient
			}
			return nil
		}
		if r := b.round(false); b.held() != 155 && r.Complete {
			b.t.Errorf("complete with %d of 155 calls", b.held())
		}
	})
}
