package callsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"callsyncd/call"
)

const (
	// minLinkLife is the least life a link must have left before a download
	// starts; a quarter of its whole life when that is shorter.
	minLinkLife = 5 * time.Minute
	// freshLinks is how many links one attempt may use up.
	freshLinks = 3
	// fetchTries is how often one link is tried at once.
	fetchTries = 3
	// saveRetry is how long to wait when not even a failure could be stored.
	saveRetry = 5 * time.Second
	// unreadRest is how long a call that cannot be read from the archive is left alone.
	unreadRest = time.Minute
	// dueBatch is how many due recordings are looked up, and in hand, at once.
	// Most of them wait for a slot or the disk.
	dueBatch = 64
	// dueReserve is how many of them are kept for recordings soon expired.
	dueReserve = 16
)

// downloads works off the recordings of one source, soonest deadline first.
type downloads struct {
	e *Engine
	// all also takes recordings whose next try lies in the future, once each.
	all     bool
	since   time.Time // the round began
	mu      sync.Mutex
	busy    map[call.ID]bool
	tried   map[call.ID]bool
	parked  map[call.ID]bool // by a round, while the vendor refuses our credentials
	stored  int
	running sync.WaitGroup
	idle    chan struct{} // signalled when a download ends
}

func (e *Engine) newDownloads(all bool) *downloads {
	return &downloads{e: e, all: all, since: e.now(), busy: make(map[call.ID]bool), tried: make(map[call.ID]bool), parked: make(map[call.ID]bool), idle: make(chan struct{}, 1)}
}

// run downloads until ctx ends or, once finish is closed, nothing due is left.
func (d *downloads) run(ctx context.Context, finish <-chan struct{}) error {
	defer d.running.Wait()
	for {
		nudge, last := d.e.nudged(), isClosed(finish) // before looking, or what came meanwhile is missed
		next, err := d.next(ctx)
		if err != nil {
			return err
		}
		if next == nil {
			if last && d.rests() {
				return nil
			}
			if err := d.wait(ctx, last, finish, nudge); err != nil {
				return err
			}
			continue
		}
		d.running.Go(func() {
			d.release(next.Key.ID, d.one(ctx, next.Key))
		})
	}
}

// next picks the most urgent recording nobody of us works on, if there is room
// for one more in hand.
func (d *downloads) next(ctx context.Context) (*call.Due, error) {
	before := d.e.now()
	if d.all {
		before = before.AddDate(100, 0, 0)
	}
	d.mu.Lock()
	limit := dueBatch + len(d.busy) + len(d.tried)
	d.mu.Unlock()
	due, err := d.e.store.Due(ctx, d.e.src.ID, call.PartRecording, before, limit)
	if err != nil {
		return nil, err
	}
	now, refused := d.e.now(), d.e.Refused()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, it := range due {
		id := it.Key.ID
		if d.busy[id] || refused && d.parked[id] || d.tried[id] && (d.all || it.NextTry.After(now)) {
			continue
		}
		if n := len(d.busy); n >= dueBatch || n >= dueBatch-dueReserve && !isHurried(it.Deadline, now) {
			return nil, nil
		}
		d.busy[id], d.tried[id] = true, d.all
		return &it, nil
	}
	return nil, nil
}

// release gives up the place in hand of a download that ended as it did.
func (d *downloads) release(id call.ID, outcome error) {
	d.mu.Lock()
	delete(d.busy, id)
	park := d.all && errors.Is(outcome, errRefused)
	if park {
		d.parked[id] = true
	}
	if park || !d.all {
		delete(d.tried, id)
	}
	d.mu.Unlock()
	select {
	case d.idle <- struct{}{}:
	default:
	}
}

// rests reports whether no download is under way.
func (d *downloads) rests() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.busy) == 0
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// wait sleeps until a download ended, news arrived, the next try is due, or
// the work is to be finished, which last says is known.
func (d *downloads) wait(ctx context.Context, last bool, finish, nudge <-chan struct{}) error {
	if last {
		finish = nil // we know; only the downloads still running matter now
	}
	t := time.NewTimer(d.e.untilDue(ctx))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
	case <-finish:
	case <-d.idle:
	case <-nudge:
	}
	return nil
}

// untilDue is how long nothing will be due, between a second, for parts that
// are due and cannot be had now, and a minute.
func (e *Engine) untilDue(ctx context.Context) time.Duration {
	at, ok, err := e.store.NextDue(ctx, e.src.ID)
	if err != nil || !ok {
		return time.Minute
	}
	return min(time.Minute, max(time.Second, at.Sub(e.now())))
}

// one tries to archive the recordings of a call and stores the outcome. The call
// is claimed only while it is read or written: no walk waits for a transfer.
func (d *downloads) one(ctx context.Context, key call.Key) error {
	e := d.e
	done, err := e.fetching.take(ctx, []call.ID{key.ID}) // a round and the daemon may both see it due
	if err != nil {
		return err
	}
	record, known, err := e.wanted(ctx, key)
	if err != nil {
		done()
		return d.unread(ctx, key, err)
	}
	defer done()
	if record == nil {
		return nil
	}
	if err = d.attempt(ctx, key, record, known); err == nil {
		d.mu.Lock()
		d.stored++
		d.mu.Unlock()
	}
	e.progress(ctx, nil)
	return err
}

// wanted reads a call of which a recording is to be fetched; nil when there is
// nothing to fetch any more.
func (e *Engine) wanted(ctx context.Context, key call.Key) (*call.Record, call.Documents, error) {
	release, err := e.claims.take(ctx, []call.ID{key.ID})
	if err != nil {
		return nil, nil, err
	}
	defer release()
	record, known, err := e.stored(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if record == nil || record.Parts.Recording.State != call.Pending {
		e.links.take(key.ID)
		e.media.Forget(key)
		return nil, nil, nil
	}
	return record, known, nil
}

// unread passes over a recording whose call cannot be read from the archive. It
// is still due, and its place in hand is kept for a while, so that nobody spins.
func (d *downloads) unread(ctx context.Context, key call.Key, err error) error {
	d.e.links.take(key.ID)
	if ctx.Err() != nil {
		return err
	}
	d.e.log.Error("recording not archived", "call_id", string(key.ID), "err", err)
	if !d.all { // a round takes each once
		_ = d.e.clock.Wait(ctx, unreadRest, nil)
	}
	return err
}

// settled passes on how storing an outcome went. When it failed the recording
// is still due, so the worker rests rather than spin on a disk that takes nothing.
func (e *Engine) settled(ctx context.Context, err error) error {
	if err != nil {
		e.log.Error("recording state not saved", "err", err)
		_ = e.clock.Wait(ctx, saveRetry, nil)
	}
	return err
}

// justLooked reports whether what would show a link was read in this very round,
// and showed none.
func (d *downloads) justLooked(id call.ID, known call.Documents) bool {
	if !d.all {
		return false
	}
	names := d.e.src.Provider.Renew(call.PartRecording, known)
	for _, name := range names {
		if known[name].FetchedAt.Before(d.since.Add(-d.e.Skew() - time.Second)) {
			return false
		}
	}
	return d.e.links.noneSince(id, d.since)
}

// refusal keeps only an error that speaks about our credentials.
func refusal(err error) error {
	if refuses(err) {
		return err
	}
	return call.ErrTransient
}

// renewable reports whether a fresh link may mend what went wrong.
func renewable(err error) bool {
	return errors.Is(err, call.ErrExpired) || errors.Is(err, call.ErrCorrupt)
}

// alive reports whether enough of a link's life is left to start.
func (e *Engine) alive(link call.RecordingLink) bool {
	return e.aliveAt(link, e.now())
}

// aliveAt is alive at another moment, by our clock.
func (e *Engine) aliveAt(link call.RecordingLink, at time.Time) bool {
	life := link.ExpiresAt.Sub(link.FetchedAt)
	return e.localTime(link.ExpiresAt).Sub(at) >= min(minLinkLife, life/4)
}

// localTime is what our clock shows at a moment of the vendor's.
func (e *Engine) localTime(vendor time.Time) time.Time { return vendor.Add(e.Skew()) }

// errNoLink says that the vendor shows no address for a recording.
var errNoLink error = noLink{}

type noLink struct{}

func (noLink) Error() string      { return "the vendor shows no address for the recording" }
func (noLink) PartReason() string { return "not_ready" }

// relink reads the call again for a fresh link. Further documents that come
// with it are stored; the list item is left to the walks, because the answer
// about a single call need not have the list's shape.
func (e *Engine) relink(ctx context.Context, key call.Key, record *call.Record, known call.Documents) (call.RecordingLink, call.Documents, error) {
	fresh, err := e.src.Provider.Relink(ctx, known)
	if err != nil {
		return call.RecordingLink{}, known, err
	}
	var last time.Time // the others were under way while the later ones were asked for
	for _, doc := range fresh {
		if doc.FetchedAt.After(last) {
			last = doc.FetchedAt
		}
	}
	e.sawClock(last)
	item, listed := fresh[call.DocumentList]
	delete(fresh, call.DocumentList)
	docs := maps.Clone(known)
	maps.Copy(docs, fresh)
	if len(fresh) > 0 {
		o, err := e.observe(ctx, key, record, known, docs)
		if err != nil {
			return call.RecordingLink{}, known, err
		}
		e.links.take(key.ID) // it is in our hands
		if o.dirty {
			if err := e.write(ctx, o.write); err != nil {
				return call.RecordingLink{}, known, err
			}
		}
		known = docs
	}
	if listed {
		docs = maps.Clone(docs)
		docs[call.DocumentList] = item
	}
	link, ok := e.src.Provider.Link(docs)
	if !ok {
		return link, known, errNoLink
	}
	return link, known, nil
}

// errand is one recording to be fetched.
type errand struct {
	key    call.Key
	record *call.Record // as it was when the link in use was taken
	label  string       // empty for the main one
	link   call.RecordingLink
	fuse   time.Time // when the recording's turn is over
	short  bool      // what came last seems to lack its end, and nothing vouched for that
}

// seconds is how long the recording should be; nil when nobody says. One of
// several is not as long as the call.
func (t *errand) seconds() *float64 {
	if len(t.record.Further) > 0 {
		return t.link.Seconds
	}
	return t.record.Call.DurationSeconds
}

// fetch streams one recording to disk. Passing troubles of the network are
// tried again at once, a few times.
func (e *Engine) fetch(ctx context.Context, t *errand) (call.Recording, error) {
	pause := backoff.ExponentialBackOff{InitialInterval: 300 * time.Millisecond, RandomizationFactor: 0.3, Multiplier: 3, MaxInterval: 5 * time.Second}
	pause.Reset()
	for try := 1; ; try++ {
		before := e.media.Part(t.key, t.label).Bytes
		recording, err := e.fetchOnce(ctx, t)
		goesOn := e.media.Part(t.key, t.label).Bytes > before && e.alive(t.link)
		_, resting := errors.AsType[*restingHost](err)
		if try == 1 && odd(err) && e.alive(t.link) {
			continue // the same bytes once more are what the vendor has
		}
		if err == nil || !goesOn && (resting || !errors.Is(err, call.ErrTransient) || errors.Is(err, call.ErrCorrupt)) || try == fetchTries {
			return recording, err
		}
		if err := e.clock.Wait(ctx, pause.NextBackOff(), nil); err != nil {
			return call.Recording{}, err
		}
	}
}

func (e *Engine) fetchOnce(ctx context.Context, t *errand) (call.Recording, error) {
	if err := e.waitForHost(ctx, t.link); err != nil {
		return call.Recording{}, err
	}
	// The slot is for the transfer; while the disk makes the file durable,
	// the next transfer may begin.
	seat, err := e.slots.enter(ctx, t.fuse)
	if err != nil {
		return call.Recording{}, err
	}
	defer seat.leave()
	switch {
	case e.hosts.free(hostOf(t.link)).After(e.now()):
		return call.Recording{}, &restingHost{e.hosts.free(hostOf(t.link))} // asked for while we waited
	case !e.alive(t.link):
		return call.Recording{}, errAged
	}
	t.short = false // of what came before
	body, expect, err := e.down.Get(ctx, t.link.URL, e.media.Part(t.key, t.label))
	if err != nil {
		e.hosts.heed(hostOf(t.link), err, e.now())
		return call.Recording{}, err
	}
	defer func() { _ = body.Close() }()
	expect.Label = t.label
	if expect.MD5 == nil { // nothing else would tell half a recording from a whole one
		expect.Accept = func(heard call.Heard) bool {
			want := t.seconds()
			fits := plausible(want, heard.Seconds)
			t.short = expect.EndUnproved && lacksEnd(heard.End, want, heard.Seconds)
			return fits && !t.short || e.doubts.twice(doubted{t.key.ID, t.label}, heard.SHA256)
		}
	}
	return e.media.Put(ctx, t.key, t.record.Call.Time(), &untilEnd{seat.pace(ctx, body), seat.leave}, expect)
}

// errAged says that a link became too old while its download waited its turn.
var errAged = fmt.Errorf("no time left to begin: %w", call.ErrExpired)

// untilEnd calls then once nothing more is to be read.
type untilEnd struct {
	io.Reader
	then func()
}

func (r *untilEnd) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil {
		r.then()
	}
	return n, err
}

// waitForDownloads holds a sweep back while more links are waiting than one
// page brings, so that they are used before they expire.
func (e *Engine) waitForDownloads(ctx context.Context, sweep bool) error {
	if !sweep {
		return nil
	}
	until := e.now().Add(minLinkLife) // never longer: a dead media host must not stop the walk
	for {
		n, changed := e.links.backlog()
		left := until.Sub(e.now())
		if n <= e.info.PageSize || left <= 0 {
			return nil
		}
		if err := e.clock.Wait(ctx, left, changed); err != nil {
			return err
		}
	}
}
