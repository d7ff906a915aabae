package callsync

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
)

const (
	// brakeShare of a source's calls may vanish from the vendor's list at once;
	// beyond it an outage is likelier than so many deletions, and none is marked.
	brakeShare = 0.10
	// deletedAfter is how many complete walks in a row must miss a call before
	// it counts as deleted at the vendor.
	deletedAfter = 2
	// askedAfter is how many missing calls a sweep asks the vendor for by id.
	askedAfter = 50
)

// reconciliation compares what a complete walk listed with what is held.
type reconciliation struct {
	statement call.Statement
	absent    []call.Key // held and not listed, not yet counted as deleted
	vanished  int        // those of them that no walk missed before
	returned  []call.Key // listed, though they were missing, counted as deleted, or had a part that was gone
	days      map[string]*call.StatementDay
	held      int // calls that do not count as deleted
}

// owed is a statement to be made once a round is over, when the parts its sweep
// found have had their chance.
type owed struct {
	walker *walker
	doubt  error
}

// reconcile draws the balance of a sweep that read the list to its end, and
// marks what the vendor no longer has. Its error is the doubt it found, if any.
func (e *Engine) reconcile(ctx context.Context, w *walker, doubt error) (*call.Statement, error) {
	if _, err := e.store.Rederive(ctx, e.src.ID); err != nil {
		return nil, err
	}
	r, unheld, err := e.compare(ctx, w)
	if err != nil {
		return nil, err
	}
	if doubt == nil {
		doubt = e.mark(ctx, r, w)
	}
	if doubt == nil {
		doubt = notHeld(unheld)
	}
	return r.close(e.now(), unheld, doubt), doubt
}

// restate makes the statement a round owes; a round that owes none may have
// closed what the newest one found open.
func (e *Engine) restate(ctx context.Context) error {
	e.mu.Lock()
	owed := e.owed
	e.owed = nil
	e.mu.Unlock()
	if owed == nil {
		return e.Renew(ctx)
	}
	r, unheld, err := e.compare(ctx, owed.walker)
	if err != nil {
		return err
	}
	return e.commit(ctx, nil, r.close(e.now(), unheld, owed.doubt), nil)
}

// newReconciliation begins with what a walk over the list showed and no part
// counted.
func newReconciliation(st call.Statement) *reconciliation {
	st.Parts, st.Open, st.AcceptedLosses = make(map[call.PartName]map[call.State]int), make(map[call.PartName]map[string]int), nil
	for _, name := range call.PartNames {
		st.Parts[name], st.Open[name] = make(map[call.State]int), make(map[string]int)
	}
	return &reconciliation{statement: st, days: make(map[string]*call.StatementDay)}
}

// compare holds the archive against what a walk listed, once the calls are open
// that are to be read again. It also returns the wanted calls that were listed and
// are not held.
func (e *Engine) compare(ctx context.Context, w *walker) (r *reconciliation, unheld map[call.ID]struct{}, err error) {
	if err := e.readLacking(ctx); err != nil {
		return nil, nil, err
	}
	read := w.walk.FinishedAt
	r = newReconciliation(call.Statement{
		Source: e.src.ID, Provider: e.info.Name, StartedAt: w.walk.StartedAt, ListReadAt: &read, Expected: w.walk.Total, Listed: len(w.seen),
		Unwanted: len(w.skipped), Accepted: w.accepted, Doubts: []string{}, Missing: []call.ID{}, Extra: []call.ID{},
	})
	unheld = maps.Clone(w.seen)
	err = e.store.Each(ctx, e.src.ID, func(record call.Record) error {
		_, listed := w.seen[record.Call.ID]
		delete(unheld, record.Call.ID)
		e.balance(r, &record, listed)
		return nil
	})
	maps.DeleteFunc(unheld, func(id call.ID, _ struct{}) bool {
		_, unwanted := w.skipped[id]
		return unwanted
	})
	return r, unheld, err
}

// balance enters one held call.
func (e *Engine) balance(r *reconciliation, record *call.Record, listed bool) {
	st, c, day := &r.statement, &record.Call, r.count(record)
	deleted := c.DeletedUpstreamAt != nil
	if !deleted || listed {
		r.held++
	}
	switch {
	case listed:
		st.Held++
		day.Listed++
		if deleted || record.MissedSweeps > 0 || hasGone(&record.Parts) {
			r.returned = append(r.returned, c.Key)
		}
		return
	case deleted:
		st.DeletedUpstream++
	case !e.src.Since.IsZero() && c.Time().Before(e.src.Since):
		return // the walk did not go that far back
	case c.FirstSeenAt.After(st.StartedAt):
		return // another walk brought it while this one read on
	default:
		r.absent = append(r.absent, c.Key)
		if record.MissedSweeps == 0 {
			r.vanished++
		}
	}
	day.Extra++
	if st.ExtraCount++; len(st.Extra) < call.StatementRows {
		st.Extra = append(st.Extra, c.ID)
	}
}

// count enters the parts of one held call, and returns its day.
func (r *reconciliation) count(record *call.Record) *call.StatementDay {
	st, date := &r.statement, record.Call.Time().UTC().Format(time.DateOnly)
	day := r.days[date]
	if day == nil {
		day = &call.StatementDay{Day: date}
		r.days[date] = day
	}
	for _, name := range call.PartNames {
		part := record.Parts.Of(name)
		st.Parts[name][part.State]++
		why := reasonOr(part.Reason, string(part.State))
		switch {
		case part.State == call.Lost && part.Acknowledged != nil:
			st.Accept(name, why)
		case part.State == call.Lost || part.State == call.Pending:
			st.Open[name][why]++
			day.Count(name, why)
		}
	}
	return day
}

// mark notes what vanished and what came back. When too much vanished at once it
// marks nothing, unless an administrator says that this is right.
func (e *Engine) mark(ctx context.Context, r *reconciliation, w *walker) error {
	for _, key := range r.returned {
		if err := e.welcome(ctx, key); err != nil {
			return err
		}
	}
	note := ""
	if doubt := e.tooMany(r); doubt != nil {
		by := e.accepting()
		if by == "" {
			return doubt
		}
		w.accepted = &call.Acceptance{At: e.now().UTC(), By: by, Calls: r.vanished}
		r.statement.Accepted, note = w.accepted, "accepted by "+by
		e.log.Warn("vanished calls accepted", "calls", r.vanished, "by", by)
	}
	ctx = call.WithPurpose(ctx, w.purpose)
	for i, key := range r.absent {
		denied := false
		if i < askedAfter {
			var err error
			if denied, err = e.gone(ctx, key); err != nil {
				return err
			}
		}
		if err := e.note(ctx, key, denied, note); err != nil {
			return err
		}
	}
	return nil
}

// tooMany doubts a list from which more calls vanished at once than is believed
// of a vendor.
func (e *Engine) tooMany(r *reconciliation) error {
	if r.vanished <= max(1, int(brakeShare*float64(r.held))) {
		return nil
	}
	return suspect("%d of %d calls vanished from the vendor's list at once; none was marked as deleted, the archive keeps all; "+
		"if they were deleted on purpose, run `callsyncd sync --source %s --full --accept-vanished`", r.vanished, r.held, e.src.ID)
}

// vanished doubts a whole list without a count as a sweep would: what a sweep
// found wrong must not be right to the next walk that reads the list to its end.
func (e *Engine) vanished(ctx context.Context, w *walker) error {
	if w.walk.Total != nil {
		return nil // shrunk compares the counts
	}
	r, _, err := e.compare(ctx, w)
	if err != nil {
		return err
	}
	return e.tooMany(r)
}

// accepting is who accepts in the present round that calls vanished; empty for
// nobody.
func (e *Engine) accepting() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.accepted
}

// gone asks the vendor for one call that was not listed.
func (e *Engine) gone(ctx context.Context, key call.Key) (bool, error) {
	docs, err := e.store.Documents(ctx, key)
	if err != nil {
		return false, err
	}
	_, err = e.src.Provider.Relink(ctx, docs)
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return errors.Is(err, call.ErrNotFound), nil
}

// note counts that a complete walk missed a call, and marks it once that is
// proof enough.
func (e *Engine) note(ctx context.Context, key call.Key, denied bool, words string) error {
	return e.amend(ctx, key, func(record *call.Record) (call.Event, call.ChangeKind) {
		record.MissedSweeps++
		if !denied && record.MissedSweeps < deletedAfter {
			return call.Event{Kind: call.EventMissing, Note: words}, ""
		}
		now := e.now().UTC()
		record.Call.DeletedUpstreamAt = &now
		return call.Event{Kind: call.EventDeleted, Note: words}, call.ChangeUpdated
	})
}

// hasGone reports whether a part was lost because the vendor no longer knew the
// call.
func hasGone(parts *call.Parts) bool {
	for _, name := range call.PartNames {
		if p := parts.Of(name); p.State == call.Lost && p.Acknowledged == nil && p.Reason == gone {
			return true
		}
	}
	return false
}

// welcome lifts the marks of a call that is listed again, and has what was lost
// of it asked for once more.
func (e *Engine) welcome(ctx context.Context, key call.Key) error {
	return e.amend(ctx, key, func(record *call.Record) (call.Event, call.ChangeKind) {
		kind := call.ChangeKind("")
		if record.Call.DeletedUpstreamAt != nil {
			kind = call.ChangeUpdated
		}
		record.MissedSweeps, record.Call.DeletedUpstreamAt = 0, nil
		for _, name := range call.PartNames {
			for _, p := range record.PartsOf(name) {
				if p.State == call.Lost {
					*p = again(*p, e.now().UTC())
					kind = call.ChangePart
				}
			}
		}
		record.Join()
		record.Mirror()
		return call.Event{Kind: call.EventReturned}, kind
	})
}

// amend changes what is noted about one stored call.
func (e *Engine) amend(ctx context.Context, key call.Key, fn func(*call.Record) (call.Event, call.ChangeKind)) error {
	return e.revise(ctx, key, func(record *call.Record) (*call.Write, error) {
		event, kind := fn(record)
		return &call.Write{Record: *record, Kind: kind, Events: []call.Event{event}}, nil
	})
}

// notHeld doubts a walk after which calls that were listed are not held.
func notHeld(unheld map[call.ID]struct{}) error {
	if len(unheld) == 0 {
		return nil
	}
	return unproved("%d calls were listed and are not held", len(unheld))
}

// close completes the statement.
func (r *reconciliation) close(now time.Time, unheld map[call.ID]struct{}, doubt error) *call.Statement {
	st := &r.statement
	st.FinishedAt = now.UTC()
	if st.MissingCount = len(unheld); st.MissingCount > 0 {
		ids := slices.Sorted(maps.Keys(unheld))
		st.Missing = ids[:min(len(ids), call.StatementRows)]
	}
	open := 0
	for _, reasons := range st.Open {
		for _, n := range reasons {
			open += n
		}
	}
	if doubt != nil {
		st.Doubts = append(st.Doubts, doubt.Error())
	}
	st.Proved = doubt == nil && open == 0
	for _, d := range r.days {
		st.Days = append(st.Days, *d)
	}
	slices.SortFunc(st.Days, func(a, b call.StatementDay) int { return strings.Compare(b.Day, a.Day) })
	return st
}
