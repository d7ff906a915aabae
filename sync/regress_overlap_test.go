package callsync

import (
	"testing"
	"time"

	"callsyncd/call"
)

// versions is how many versions of a call are stored.
func (b *testbed) versions(id call.ID) int {
	b.t.Helper()
	list, err := b.store.Versions(b.t.Context(), call.Key{Source: "crm", ID: id})
	if err != nil {
		b.t.Fatal(err)
	}
	return len(list)
}

// overtaken lets a sweep read an edit of c003 on a page that travels for so long
// that a head walk sees a later revision first.
func (b *testbed) overtaken(rev int) {
	b.t.Helper()
	v := b.faulty()
	b.mustRound(true)
	b.vendor.edit(func() { b.vendor.calls[2].Rev = 1 })
	v.edit(func() {
		slow := v.lists + 1
		v.travel = func(list int) {
			if list == slow {
				time.Sleep(10 * time.Second)
			}
		}
	})
	done := make(chan error, 1)
	go func() { done <- b.engine.Sweep(b.t.Context()) }()
	time.Sleep(time.Second)
	b.vendor.edit(func() { b.vendor.calls[2].Rev = rev })
	if err := b.engine.Head(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	if err := <-done; err != nil {
		b.t.Fatal(err)
	}
}

// Of two walks that overlap, the one whose page is older may be the last to
// store it. What the newer page showed must stay.
func TestOlderPageNeverOverwritesANewerOne(t *testing.T) {
	inBubble(t, 5, func(b *testbed) {
		t := b.t
		b.overtaken(2)
		if n := b.versions("c003"); n != 2 {
			t.Errorf("%d versions of 2 contents that were seen last", n)
		}
		b.mustRound(true)
		if n := b.versions("c003"); n != 2 {
			t.Errorf("%d versions after another sweep", n)
		}
		if n := len(b.engine.replies.last) + len(b.engine.replies.open) + len(b.engine.replies.busy); n > 0 {
			t.Errorf("%d entries are remembered when no answer is under way", n)
		}
	})
}

// An older page that contradicts a newer one's confirmation says nothing either:
// the vendor took its edit back meanwhile.
func TestOlderPageNeverOverwritesAConfirmation(t *testing.T) {
	inBubble(t, 5, func(b *testbed) {
		t := b.t
		b.overtaken(0)
		if n := b.versions("c003"); n != 1 {
			t.Errorf("%d versions: an edit that was taken back was stored after that was known", n)
		}
	})
}
