package callsync

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"callsyncd/call"
)

// asked are the parts the pending queue asks for; recordings have their own.
var asked = []call.PartName{call.PartRecord, call.PartTranscript, call.PartSummary}

// pending asks for every part whose time has come. With all set, parts whose
// next try lies in the future are asked for too, unless they were read since
// the given moment.
func (e *Engine) pending(ctx context.Context, all bool, since time.Time) error {
	e.pendingPass.Lock()
	defer e.pendingPass.Unlock()
	ctx = call.WithPurpose(ctx, call.PurposePending)
	before := e.now()
	if all {
		before = before.AddDate(100, 0, 0)
	}
	todo, err := e.duePending(ctx, before)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var unread error // of a call that cannot be read from the archive: the others do not wait for it
	g, asking := errgroup.WithContext(ctx)
	g.SetLimit(max(1, e.src.Concurrency))
	for _, key := range todo {
		g.Go(func() error {
			err := e.askAgain(asking, key, all, since)
			if !errors.Is(err, call.ErrCorrupt) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			unread = err
			return nil
		})
	}
	err = g.Wait()
	return errors.Join(err, unread, e.readLacking(ctx))
}

// duePending lists the calls with a due part, each once.
func (e *Engine) duePending(ctx context.Context, before time.Time) ([]call.Key, error) {
	var keys []call.Key
	listed := make(map[call.Key]bool)
	for _, part := range asked {
		due, err := e.store.Due(ctx, e.src.ID, part, before, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range due {
			if !listed[d.Key] {
				listed[d.Key] = true
				keys = append(keys, d.Key)
			}
		}
	}
	return keys, nil
}

// askAgain reads the documents that hold a call's pending parts once more.
func (e *Engine) askAgain(ctx context.Context, key call.Key, all bool, since time.Time) error {
	release, err := e.claims.take(ctx, []call.ID{key.ID})
	if err != nil {
		return err
	}
	defer release()
	record, known, err := e.stored(ctx, key)
	if err != nil || record == nil {
		return err
	}
	docs := make(call.Documents, len(known))
	for name, doc := range known {
		docs[name] = doc
	}
	now := e.now()
	var parts []call.PartName
	reread := false
	for _, name := range asked {
		part := record.Parts.Of(name)
		if part.State != call.Pending || !all && part.NextTry.After(now) {
			continue
		}
		parts = append(parts, name)
		if name == call.PartRecord {
			docs = call.Documents{call.DocumentList: known[call.DocumentList]} // whatever could not be read, and what may be older
			reread = true
		}
		for _, doc := range e.src.Provider.Renew(name, known) {
			if since.IsZero() || docs[doc].FetchedAt.Before(since.Add(-e.Skew())) || docs[doc].Body == nil {
				delete(docs, doc)
			}
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return e.retry(ctx, key, record, known, docs, parts, reread || len(docs) < len(known))
}

// retry observes a call again. If something was to be read for it, the attempt
// counts for the parts that still wait.
func (e *Engine) retry(ctx context.Context, key call.Key, record *call.Record, known, docs call.Documents, parts []call.PartName, requested bool) error {
	o, err := e.observe(ctx, key, record, known, docs)
	if err != nil {
		e.noteRefusal(ctx, err)
		return err
	}
	if requested {
		for _, name := range parts {
			if part := o.write.Record.Parts.Of(name); part.State == call.Pending {
				part.Attempts++
				o.dirty = true
			}
		}
		o.write.Record.Mirror()
	}
	if !o.dirty {
		return nil
	}
	err = e.write(ctx, o.write)
	if err == nil && errors.As(o.incomplete, new(*call.BudgetError)) {
		return o.incomplete // the rest would only wait for the same budget
	}
	return err
}

// stored loads a call with its documents; nil when it is not stored yet.
func (e *Engine) stored(ctx context.Context, key call.Key) (*call.Record, call.Documents, error) {
	record, err := e.store.Load(ctx, key)
	if errors.Is(err, call.ErrNotFound) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	docs, err := e.store.Documents(ctx, key)
	if err == nil && record.Parts.Record.Reason == call.Damaged && record.Call.Provider == "" {
		err = e.refill(ctx, &record, docs)
	}
	return &record, docs, err
}

// refill gives a call that lost its record on disk the contents its documents
// have, so that an emptier answer of the vendor does not take their place, and
// the recording that is still on disk.
func (e *Engine) refill(ctx context.Context, record *call.Record, docs call.Documents) error {
	mapped, err := e.src.Provider.Map(docs)
	if err == nil {
		e.fill(record, &mapped)
	}
	if len(mapped.Further) > 0 {
		return nil // the files do not tell which is which
	}
	return e.findAgain(ctx, record)
}

// findAgain makes a recording that is on disk the recording of its call, whose
// record is lost. Of several the newest was the current one. It is stored at once:
// whoever asked for the call may have nothing else to store.
func (e *Engine) findAgain(ctx context.Context, record *call.Record) error {
	part, at := record.MainPart(), time.Time{}
	if part.Reason != call.Damaged || hasFile(record) {
		return nil
	}
	if record.Call.StartedAt != nil || record.Call.CreatedAt != nil {
		at = record.Call.Time()
	}
	found, err := e.media.Find(ctx, record.Call.Key, at)
	if err != nil || len(found) == 0 {
		return err
	}
	now, last := e.now().UTC(), len(found)-1
	for _, former := range found[:last] {
		record.Former = append(record.Former, call.FormerRecording{Recording: former.Recording, SetAsideAt: now})
	}
	recording, want := found[last].Recording, record.Call.DurationSeconds
	recording.EndUnproved = lacksEnd(found[last].End, want, recording.DurationSeconds)
	switch record.Call.Recording = &recording; {
	case recording.EndUnproved:
		part.Reason = endUnproved
	case !plausible(want, recording.DurationSeconds):
		*part = call.Part{State: call.Stored, Reason: lengthDiffers}
	default:
		*part = call.Part{State: call.Stored}
	}
	record.Join()
	record.Mirror()
	e.log.Warn("the recording of a call whose record was lost is still on disk", "call_id", string(record.Call.ID), "files", len(found))
	return e.write(ctx, call.Write{Record: *record, Kind: call.ChangeRecording})
}

// fill gives a call the contents that were mapped from its documents.
func (e *Engine) fill(record *call.Record, mapped *call.Mapped) {
	was := record.Call
	c := &mapped.Call
	c.Key, c.Source, c.ID, c.Provider = was.Key, was.Source, was.ID, e.info.Name
	c.Version, c.FirstSeenAt, c.ChangedAt, c.Recording = was.Version, was.FirstSeenAt, was.ChangedAt, was.Recording
	record.Call, record.TranscriptFrom = *c, mapped.TranscriptFrom
	for name, have := range map[call.PartName]bool{call.PartTranscript: len(c.Transcript) > 0, call.PartSummary: c.Summary != nil} {
		if part := record.Parts.Of(name); have && part.Reason == call.Damaged {
			*part = call.Part{State: call.Stored}
		}
	}
	record.Mirror()
}
