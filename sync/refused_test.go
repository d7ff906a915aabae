package callsync

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/call"
)

// errForbidden is a vendor's 403.
type errForbidden struct{}

func (errForbidden) Error() string   { return "HTTP 403" }
func (errForbidden) Unwrap() error   { return call.ErrUnauthorized }
func (errForbidden) Forbidden() bool { return true }

// A call whose transcript the vendor forbids is one open part. The rest of the
// source is archived, and its credentials do not count as refused.
func TestOneForbiddenCallStopsNothing(t *testing.T) {
	inBubble(t, 25, func(b *testbed) {
		t := b.t
		v := b.faulty()
		for _, c := range b.vendor.calls {
			c.Promised, c.Transcript = true, "text"
		}
		v.failFetch = func(id call.ID) error {
			if id == "c020" {
				return errForbidden{}
			}
			return nil
		}
		r := b.round(false)
		if b.held() != 25 || r.Err != nil || r.Complete || b.engine.Refused() {
			t.Fatalf("held %d, refused %v: %+v", b.held(), b.engine.Refused(), r)
		}
		if p := b.load("c020").Parts; p.Record.State != call.Pending || p.Record.Reason != "forbidden" || p.Transcript.Reason != "forbidden" {
			t.Errorf("%+v", p)
		}
		if n := r.Counts.Transcript; n != 24 {
			t.Errorf("%d transcripts", n)
		}
		b.vendor.edit(func() { v.failFetch = nil })
		b.mustRound(false)
	})
}

// A vendor that forbids every document is not asked for each of them; what its
// list shows is archived.
func TestForbiddenDocumentsAreNotHammered(t *testing.T) {
	inBubble(t, 200, func(b *testbed) {
		t := b.t
		v := b.faulty()
		asked := 0
		for _, c := range b.vendor.calls {
			c.Promised, c.Transcript = true, "text"
		}
		v.failFetch = func(call.ID) error { b.vendor.edit(func() { asked++ }); return errForbidden{} }
		r := b.round(false)
		if b.held() != 200 || r.Complete || asked > forbiddenInARow+b.source.Concurrency {
			t.Errorf("held %d after %d requests: %+v", b.held(), asked, r)
		}
		b.vendor.edit(func() { v.failFetch = nil })
		time.Sleep(forbiddenRest)
		b.mustRound(false)
	})
}

// While the credentials are refused only the walks ask whether they still are;
// links at hand are used, and once the credentials are taken again everything
// that waited for them is due.
func TestRefusedSourceRests(t *testing.T) {
	inBubble(t, 60, func(b *testbed) {
		t := b.t
		v := b.faulty()
		for _, c := range b.vendor.calls {
			c.Promised = true
		}
		b.round(false)
		last := b.arrives("c061")
		last.Recording = true
		b.answerMedia(func(string) error { return call.ErrTransient })
		if err := b.engine.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		asked := 0
		refuse := func() error {
			b.vendor.edit(func() { asked++ })
			return fmt.Errorf("HTTP 401: %w", call.ErrUnauthorized)
		}
		v.edit(func() {
			v.failFetch, v.failRelink, v.failList = func(call.ID) error { return refuse() }, refuse, func(int) error { return refuse() }
		})
		if err := b.engine.Head(t.Context()); !errors.Is(err, call.ErrUnauthorized) || !b.engine.Refused() {
			t.Fatalf("head walk: %v", err)
		}
		b.answerMedia(nil)
		stop := b.runInBackground()
		time.Sleep(7 * time.Hour)
		if part := b.load("c061").Parts.Recording; part.State != call.Stored {
			t.Errorf("recording whose link was at hand: %+v", part)
		}
		if asked != 1 {
			t.Errorf("%d requests in 7 hours without a walk", asked)
		}
		if p := b.load("c005").Parts.Transcript; p.State != call.Pending {
			t.Errorf("transcript of a refused source: %+v", p)
		}
		v.edit(func() {
			v.failFetch, v.failRelink, v.failList = nil, nil, nil
			for _, c := range b.vendor.calls {
				c.Transcript = "text"
			}
		})
		if err := b.engine.Head(t.Context()); err != nil || b.engine.Refused() {
			t.Fatalf("head walk: %v, refused %v", err, b.engine.Refused())
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		stop()
		for _, id := range []call.ID{"c001", "c030", "c060", "c061"} {
			if p := b.load(id).Parts.Transcript; id != "c061" && p.State != call.Stored {
				t.Errorf("%s: transcript %+v", id, p)
			}
		}
	})
}

// A round on bad credentials tries them once, not once for every recording, and
// one on good ones leaves nothing.
func TestRoundOfRefusedSourceAsksOnce(t *testing.T) {
	inBubble(t, 60, func(b *testbed) {
		t := b.t
		v := b.faulty()
		for _, c := range b.vendor.calls {
			c.Recording = true
		}
		b.answerMedia(func(string) error { return call.ErrTransient })
		b.round(false)
		b.answerMedia(nil)
		time.Sleep(3 * time.Hour) // the links are dead
		asked := 0
		refuse := func() error {
			b.vendor.edit(func() { asked++ })
			return fmt.Errorf("HTTP 401: %w", call.ErrUnauthorized)
		}
		v.edit(func() { v.failRelink, v.failList = refuse, func(int) error { return refuse() } })
		if err := b.engine.Head(t.Context()); !errors.Is(err, call.ErrUnauthorized) {
			t.Fatalf("head walk: %v", err)
		}
		asked = 0
		if r := b.round(false); !errors.Is(r.Err, call.ErrUnauthorized) || r.Complete || asked != 1 {
			t.Errorf("%d requests, %v", asked, r.Err)
		}
		v.edit(func() { v.failRelink, v.failList = nil, nil })
		if r := b.mustRound(false); r.Recordings != 60 {
			t.Errorf("%+v", r)
		}
	})
}

// Tables of names are not asked for while the vendor refuses our credentials.
func TestRefusedSourceAsksForNoNames(t *testing.T) {
	inBubble(t, 20, func(b *testbed) {
		t := b.t
		v := b.faulty()
		v.names = []string{"agents"}
		b.restart()
		b.mustRound(false)
		v.edit(func() { v.failList = func(int) error { return call.ErrUnauthorized } })
		if err := b.engine.Head(t.Context()); !errors.Is(err, call.ErrUnauthorized) {
			t.Fatal(err)
		}
		v.edit(func() { v.nameFetches = 0 })
		b.runFor(50 * time.Hour)
		if v.nameFetches != 0 {
			t.Errorf("names were asked for %d times", v.nameFetches)
		}
		v.edit(func() { v.failList = nil })
		if err := b.engine.Head(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.runFor(time.Hour)
		if v.nameFetches == 0 {
			t.Error("names were not asked for once the credentials were taken again")
		}
	})
}
