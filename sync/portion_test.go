package callsync

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"callsyncd/call"
)

// wordyVendor has calls of different sizes, and answers that are only read up to
// a limit.
type wordyVendor struct {
	*fakeVendor
	sizes    func(id call.ID) int // of a row, in bytes
	tooLarge int                  // answers that were
}

const wordyLimit = 16 << 10

func (v *wordyVendor) Info() call.ProviderInfo {
	info := v.fakeVendor.Info()
	info.MaxBytes = wordyLimit
	return info
}

func (v *wordyVendor) List(ctx context.Context, req call.ListRequest) (call.Page, error) {
	page, err := v.fakeVendor.List(ctx, req)
	sum := 0
	for i := range page.Items {
		it := &page.Items[i]
		it.Body = append(it.Body, bytes.Repeat([]byte(" "), max(0, v.sizes(it.ID)-len(it.Body)))...)
		sum += len(it.Body)
	}
	if sum > wordyLimit {
		v.tooLarge++
		return call.Page{}, fmt.Errorf("list calls: %w", call.ErrTooLarge)
	}
	return page, err
}

// A page that is larger than an answer may be is asked for in portions; pages
// grow again behind it. A single call that is too large is left out and told.
func TestPagesTooLargeForAnAnswer(t *testing.T) {
	fat := func(from, to string, size int) func(call.ID) int {
		return func(id call.ID) int {
			if from <= string(id) && string(id) <= to {
				return size
			}
			return 0
		}
	}
	for name, tc := range map[string]struct {
		sizes     func(call.ID) int
		held      int
		tells     string
		most, big int // requests, and how many of them are too large
	}{
		"all of them":        {fat("c000", "c999", wordyLimit/4), 203, "", 210, 4},
		"some in the middle": {fat("c100", "c119", wordyLimit/3), 203, "", 50, 4},
		"the first":          {fat("c200", "c203", wordyLimit/2), 203, "", 45, 5},
		"a call of its own":  {fat("c101", "c101", 2*wordyLimit), 202, "1 rows of the vendor's list have no usable id, or are too large, and could not be stored", 200, 20},
		"the newest":         {fat("c203", "c203", 2*wordyLimit), 202, "1 rows of the vendor's list", 200, 20},
		"the oldest":         {fat("c001", "c001", 2*wordyLimit), 202, "1 rows of the vendor's list", 200, 20},
		"nothing but such":   {fat("c000", "c999", 2*wordyLimit), 0, "too large", 20, 20},
		"some one by one":    {fat("c100", "c104", wordyLimit-1), 203, "", 60, 10},
		"four such in a row": {fat("c100", "c103", 2*wordyLimit), 100, "too large", 80, 20},
	} {
		for _, paging := range []call.Paging{call.PagingPage, call.PagingOffset} {
			t.Run(name+" "+string(paging), func(t *testing.T) {
				inBubble(t, 203, func(b *testbed) {
					b.vendor.paging = paging
					v := &wordyVendor{fakeVendor: b.vendor, sizes: tc.sizes}
					b.source.Provider = v
					b.restart()
					r := b.round(false)
					if b.held() != tc.held || r.Complete != (tc.tells == "") || !strings.Contains(r.Error, tc.tells) {
						t.Errorf("held %d of %d, complete %t, %q", b.held(), tc.held, r.Complete, r.Error)
					}
					if b.vendor.lists > tc.most || v.tooLarge > tc.big || v.tooLarge == 0 {
						t.Errorf("%d requests, of which %d were too large", b.vendor.lists, v.tooLarge)
					}
				})
			})
		}
	}
}
