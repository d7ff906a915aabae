package callsync

import (
	"context"
	"sync"
	"time"

	"callsyncd/call"
)

// claims keeps two loops from working on the same call at once. All keys of a
// request are taken together or not at all, so nobody can hold some and wait
// for others.
type claims struct {
	mu      sync.Mutex
	held    map[call.ID]struct{}
	changed chan struct{}
}

func newClaims() *claims {
	return &claims{held: make(map[call.ID]struct{}), changed: make(chan struct{})}
}

// take waits until all ids are free and holds them until release is called.
func (c *claims) take(ctx context.Context, ids []call.ID) (release func(), err error) {
	for {
		ok, changed := c.try(ids)
		if ok {
			return func() { c.release(ids) }, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-changed:
		}
	}
}

func (c *claims) try(ids []call.ID) (ok bool, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if _, taken := c.held[id]; taken {
			return false, c.changed
		}
	}
	for _, id := range ids {
		c.held[id] = struct{}{}
	}
	return true, nil
}

func (c *claims) release(ids []call.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		delete(c.held, id)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// turnstile lets one in at a time. Unlike a mutex it can be waited for until a
// context ends. Make it with capacity 1.
type turnstile chan struct{}

func (t turnstile) enter(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turnstile) try() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

func (t turnstile) leave() { <-t }

// links keeps the freshest recording link of calls whose recording is still to
// be fetched. Links are secrets with a clock: they live here only, and go with
// the process.
type links struct {
	mu sync.Mutex
	// queued links belong to recordings that are due; spare ones to those that
	// wait for their next try.
	queued, spare map[call.ID]call.RecordingLink
	// bare says when a call was last seen without a link.
	bare    map[call.ID]time.Time
	changed chan struct{}
}

func newLinks() *links {
	return &links{queued: make(map[call.ID]call.RecordingLink), spare: make(map[call.ID]call.RecordingLink), bare: make(map[call.ID]time.Time), changed: make(chan struct{})}
}

// put keeps a link; due says whether its recording is to be fetched now.
func (l *links) put(id call.ID, link call.RecordingLink, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.queued, id)
	delete(l.spare, id)
	delete(l.bare, id)
	if due {
		l.queued[id] = link
	} else {
		l.spare[id] = link
	}
	l.tell()
}

// giveBack keeps a link that was taken and not used up, unless there is another
// by now.
func (l *links) giveBack(id call.ID, link call.RecordingLink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, queued := l.queued[id]
	_, spare := l.spare[id]
	if !queued && !spare {
		l.spare[id] = link
	}
}

// take removes and returns the link of a call.
func (l *links) take(id call.ID) (call.RecordingLink, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	link, ok := l.queued[id]
	if !ok {
		link, ok = l.spare[id]
	}
	delete(l.queued, id)
	delete(l.spare, id)
	l.tell()
	return link, ok
}

// none notes that a call was seen without a link at a moment.
func (l *links) none(id call.ID, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bare[id] = at
}

// noneSince reports whether a call was seen without a link at or after a moment.
func (l *links) noneSince(id call.ID, since time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.bare[id]
	return ok && !at.Before(since)
}

// backlog is the number of due recordings with a link, and a channel closed
// when it changes.
func (l *links) backlog() (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.queued), l.changed
}

func (l *links) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
}
