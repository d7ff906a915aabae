package callsync

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
)

// oldBlockFirst moves the oldest n calls in front, as they are: the first page
// falls, the list as a whole has no order.
func (b *testbed) oldBlockFirst(n int) {
	b.vendor.edit(func() {
		border := len(b.vendor.calls) - n
		b.vendor.calls = slices.Concat(b.vendor.calls[border:], b.vendor.calls[:border])
	})
}

// shuffle puts the list into an order that follows no time.
func (b *testbed) shuffle() {
	b.vendor.edit(func() {
		slices.SortFunc(b.vendor.calls, func(x, y *fakeCall) int { return strings.Compare(x.ID[3:]+x.ID, y.ID[3:]+y.ID) })
	})
}

// A first page that happens to fall and to be older than the wanted history
// says nothing about the pages behind it.
func TestUnwantedFirstPageEndsNoWalkOverAnUnorderedList(t *testing.T) {
	inBubble(t, 40, func(b *testbed) {
		t := b.t
		b.oldBlockFirst(10)
		b.source.Since = time.Now().Add(-25*time.Hour - time.Minute)
		b.restart()
		b.mustRound(false)
		b.mustRound(true)
		if b.held() != 25 {
			t.Errorf("held %d of 25 wanted calls", b.held())
		}
	})
}

// What the whole list proved about its order stands against the looks of one page.
func TestLearnedDisorderOutweighsAFallingFirstPage(t *testing.T) {
	inBubble(t, 200, func(b *testbed) {
		t := b.t
		b.oldBlockFirst(50)
		b.mustRound(false)
		if order := b.engine.Checkpoint().Order; order != call.OrderNone {
			t.Fatalf("learned order %q", order)
		}
		b.vendor.edit(func() {
			fresh := &fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"}
			b.vendor.calls = slices.Insert(b.vendor.calls, 50, fresh)
		})
		if err := b.engine.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.held() != 201 {
			t.Errorf("the head walk left the archive at %d of 201", b.held())
		}
	})
}

// A walk through a time window sees a part of the list and its count of it.
func TestWindowedWalkDoesNotChangeTheTotal(t *testing.T) {
	inBubble(t, 200, func(b *testbed) {
		t := b.t
		b.vendor.window = true
		b.restart()
		b.shuffle()
		b.mustRound(false)
		if n := b.requests(b.engine.Head); n > 2 {
			t.Fatalf("%d requests: the window was not used", n)
		}
		if total := b.engine.Checkpoint().Total; total == nil || *total != 200 {
			t.Errorf("total %v", total)
		}
	})
}

func TestListThatTurnsNewestFirst(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		b.vendor.reverseList()
		b.mustRound(false)
		if order := b.engine.Checkpoint().Order; order != call.OrderOldestFirst {
			t.Fatalf("learned order %q", order)
		}
		b.vendor.reverseList()
		b.arrives("new")
		if err := b.engine.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.held() != 96 {
			t.Errorf("the head walk left the archive at %d of 96", b.held())
		}
		b.mustRound(true)
		b.arrives("newer")
		if n := b.requests(b.engine.Head); b.held() != 97 || n > 2 {
			t.Errorf("once the new order is learned: held %d of 97 after %d requests", b.held(), n)
		}
	})
}

// A list that is read from its end is read whole when a page of it does not
// continue what is known: it may have come in place of another.
func TestOtherPageAtTheEndOfAListHidesNoCall(t *testing.T) {
	for name, instead := range map[string]int{"of the first page read": 1, "of the second": 2} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, 95, func(b *testbed) {
				t := b.t
				b.vendor.reverseList()
				v := &repeatingVendor{fakeVendor: b.vendor}
				b.source.Provider = v
				b.restart()
				b.mustRound(true)
				time.Sleep(100 * time.Hour)
				b.vendor.edit(func() {
					for i := range 12 {
						b.vendor.calls = append(b.vendor.calls, &fakeCall{ID: fmt.Sprintf("new%02d", i), Created: time.Now().UTC(), Status: "completed"})
						time.Sleep(time.Second)
					}
				})
				v.instead = b.vendor.lists + instead
				if n := b.requests(b.engine.Head); n < 11 || b.held() != 107 {
					t.Errorf("held %d of 107 after %d requests", b.held(), n)
				}
				if n := b.requests(b.engine.Head); n > 2 {
					t.Errorf("%d requests once nothing is odd", n)
				}
			})
		})
	}
}

// Head walks wait until an oldest-first backfill has laid ground: before, each
// would read the whole list.
func TestHeadDuringAnOldestFirstBackfill(t *testing.T) {
	inBubble(t, 200, func(b *testbed) {
		t := b.t
		b.vendor.reverseList()
		b.vendor.onList = func(int) { time.Sleep(time.Second) }
		done := make(chan error, 1)
		go func() { done <- b.engine.Sweep(t.Context()) }()
		for range 15 {
			time.Sleep(time.Second + time.Millisecond)
			if err := b.engine.Head(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if b.vendor.lists > 22 || b.held() != 200 {
			t.Errorf("%d requests for 20 pages, held %d", b.vendor.lists, b.held())
		}
	})
}

// With the newest calls in front, the first page is ground enough for head walks.
func TestHeadDuringANewestFirstBackfill(t *testing.T) {
	inBubble(t, 200, func(b *testbed) {
		t := b.t
		b.vendor.onList = func(int) { time.Sleep(time.Second) }
		done := make(chan error, 1)
		go func() { done <- b.engine.Sweep(t.Context()) }()
		time.Sleep(3500 * time.Millisecond)
		b.arrives("new")
		if err := b.engine.Head(t.Context()); err != nil {
			t.Error(err)
		}
		_, err := b.store.Load(t.Context(), call.Key{Source: "crm", ID: "new"})
		if err != nil || b.held() > 100 {
			t.Errorf("%v; held %d before the backfill ended", err, b.held())
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Some vendors answer a page beyond the end with their last page. The first such
// answer may be a page of doubled rows, the second is the end.
func TestFullLastPageAtAVendorThatRepeatsIt(t *testing.T) {
	inBubble(t, 20, func(b *testbed) {
		t := b.t
		v := b.faulty()
		v.repeatsLast = true
		b.mustRound(false)
		if v.lists > 4 {
			t.Errorf("%d requests for 2 pages", v.lists)
		}
	})
}

// A paging cursor that died with the interrupted process costs the way, not the source.
func TestDeadCursorRestartsTheBackfill(t *testing.T) {
	inBubble(t, 95, func(b *testbed) {
		t := b.t
		b.vendor.paging = call.PagingCursor
		b.restart()
		b.vendor.failList = func(list int) error {
			if list >= 5 {
				return call.ErrTransient
			}
			return nil
		}
		b.round(false)
		if b.held() != 40 {
			t.Fatalf("held %d", b.held())
		}
		b.vendor.lists = 0
		b.vendor.failList = func(list int) error {
			if list == 1 {
				return errors.New("the vendor answered 400 (invalid cursor)")
			}
			return nil
		}
		b.restart()
		b.mustRound(false)
		if b.held() != 95 {
			t.Errorf("held %d of 95", b.held())
		}
	})
}

func TestFirstCallOfAnEmptyAccountIsFoundByTheHeadWalk(t *testing.T) {
	inBubble(t, 0, func(b *testbed) {
		t := b.t
		b.mustRound(false)
		time.Sleep(time.Hour)
		b.arrives("first")
		if err := b.engine.Head(t.Context()); err != nil || b.held() != 1 {
			t.Errorf("%v, held %d", err, b.held())
		}
	})
}

// A few calls may stand newest first by chance; a new one then appears anywhere.
func TestFewCallsProveNoOrder(t *testing.T) {
	inBubble(t, 10, func(b *testbed) {
		t := b.t
		b.mustRound(false)
		time.Sleep(time.Hour)
		b.vendor.edit(func() {
			b.vendor.calls = append(b.vendor.calls, &fakeCall{ID: "new", Created: time.Now().UTC(), Status: "completed"})
		})
		if err := b.engine.Head(t.Context()); err != nil || b.held() != 11 {
			t.Errorf("%v, held %d of 11", err, b.held())
		}
	})
}
