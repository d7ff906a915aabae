package callsync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"callsyncd/call"
)

const (
	// forbiddenInARow is how many documents a vendor must forbid one after the
	// other before no more are asked for, forbiddenRest for how long then.
	forbiddenInARow = 20
	forbiddenRest   = 10 * time.Minute

	// refusedReason is why a part waits whose vendor refuses our credentials.
	refusedReason = "credentials_refused"
)

// forbids remembers documents that the vendor forbids although it takes our
// credentials.
type forbids struct {
	inARow int
	until  time.Time // no document before
	last   error
}

// forbidden reports an answer that refuses one thing only (HTTP 403).
func forbidden(err error) bool {
	var f interface{ Forbidden() bool }
	return errors.As(err, &f) && f.Forbidden()
}

// refuses reports an error about one call that speaks of our credentials, after
// which nothing else of the source works.
func refuses(err error) bool { return errors.Is(err, call.ErrUnauthorized) && !forbidden(err) }

// document reads one document of a call. When the vendor forbids one after the
// other, it is left alone for a while: what its list shows is archived, the rest
// is pending where everybody can see it.
func (e *Engine) document(ctx context.Context, name string, docs call.Documents) (call.Document, error) {
	e.mu.Lock()
	resting, last := e.now().Before(e.forbids.until), e.forbids.last
	e.mu.Unlock()
	if resting {
		return call.Document{}, last
	}
	doc, err := e.src.Provider.Fetch(ctx, name, docs)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil:
		e.forbids = forbids{}
	case forbidden(err):
		e.forbids.last = err
		if e.forbids.inARow++; e.forbids.inARow >= forbiddenInARow {
			e.forbids.until = e.now().Add(forbiddenRest)
		}
	}
	return doc, err
}

// Refused reports whether the vendor refuses our credentials.
func (e *Engine) Refused() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.checkpoint.Refused != nil
}

// errRefused keeps us from asking a vendor that refuses our credentials.
var errRefused = fmt.Errorf("not asked: %w", call.ErrUnauthorized)

// unlessRefused is an error while the vendor refuses our credentials. Only the
// walks try whether it still does.
func (e *Engine) unlessRefused() error {
	if e.Refused() {
		return errRefused
	}
	return nil
}

// noteRefusal keeps whether the vendor refuses our credentials.
func (e *Engine) noteRefusal(ctx context.Context, err error) {
	refused := errors.Is(err, call.ErrUnauthorized)
	if refused == e.Refused() || (err != nil && !refused) {
		return
	}
	now := e.now().UTC()
	saveErr := e.save(context.WithoutCancel(ctx), nil, func(c *call.Checkpoint) {
		if c.Refused = nil; refused {
			c.Refused = &now
		}
	})
	if refused {
		e.log.Error("credentials refused", "err", err)
	} else {
		e.log.Info("credentials taken again")
		saveErr = errors.Join(saveErr, e.bringForward(ctx, func(part *call.Part, _ time.Time) bool { return part.Reason == refusedReason }))
		e.mu.Lock()
		e.wake() // for the parts whose time has come meanwhile
		e.mu.Unlock()
	}
	if saveErr != nil {
		e.log.Error("save checkpoint", "err", saveErr)
	}
}
