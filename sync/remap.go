package callsync

import (
	"context"
	"slices"

	"callsyncd/call"
)

// learnedRevisit is set while stored calls must be looked at again.
const learnedRevisit = "revisit"

// remap applies the present description and tables to all stored calls, from
// their stored documents: no request is made.
func (e *Engine) remap(ctx context.Context) error {
	if err := e.again(ctx, e.remapOne); err != nil {
		return err
	}
	return e.save(ctx, nil, func(c *call.Checkpoint) {
		c.Learned[learnedMapping] = e.info.Mapping
		delete(c.Learned, learnedNames)
	})
}

// revisit marks the stored calls that want further documents since something
// was learned about the vendor; the pending queue reads them.
func (e *Engine) revisit(ctx context.Context) error {
	if e.learned()[learnedRevisit] == "" {
		return nil
	}
	e.log.Warn("the vendor shows more in further documents than was thought; reading them for the calls stored before")
	if err := e.again(ctx, e.revisitOne); err != nil {
		return err
	}
	return e.save(ctx, nil, func(c *call.Checkpoint) { delete(c.Learned, learnedRevisit) })
}

func (e *Engine) revisitOne(record *call.Record, docs call.Documents) *call.Write {
	if _, wants := e.src.Provider.Wanted(docs, e.learned()); !wants || record.Parts.Record.State == call.Pending {
		return nil
	}
	next := *record
	next.Parts.Record = call.Part{State: call.Pending, Reason: "incomplete", NextTry: e.now().UTC(), Deadline: e.now().Add(e.src.Horizon).UTC()}
	next.Mirror()
	return &call.Write{Record: next, Kind: call.ChangePart}
}

// again goes through all stored calls and stores what fn makes of them.
func (e *Engine) again(ctx context.Context, fn func(*call.Record, call.Documents) *call.Write) error {
	var keys []call.Key
	if err := e.store.Keys(ctx, e.src.ID, func(k call.Key) error { keys = append(keys, k); return nil }); err != nil {
		return err
	}
	for some := range slices.Chunk(keys, max(1, e.info.PageSize)) {
		if err := e.againSome(ctx, some, fn); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) againSome(ctx context.Context, keys []call.Key, fn func(*call.Record, call.Documents) *call.Write) error {
	ids := make([]call.ID, len(keys))
	for i, key := range keys {
		ids[i] = key.ID
	}
	release, err := e.claims.take(ctx, ids)
	if err != nil {
		return err
	}
	defer release()
	var writes []call.Write
	for _, key := range keys {
		record, docs, err := e.stored(ctx, key)
		if err != nil {
			return err
		}
		if w := fn(record, docs); w != nil {
			writes = append(writes, *w)
		}
	}
	if len(writes) == 0 {
		return nil
	}
	return e.save(ctx, writes, nil)
}

// keepFound leaves the recordings of a call as they were, and adds those that a
// corrected description finds.
func keepFound(next, was *call.Record) {
	if len(next.Further) == 0 {
		return
	}
	next.Main = *was.MainPart()
	for i := range next.Further {
		if had := was.FurtherOf(next.Further[i].Label); had != nil {
			next.Further[i] = *had
		}
	}
	next.Join()
}

func (e *Engine) remapOne(record *call.Record, docs call.Documents) *call.Write {
	mapped, err := e.src.Provider.Map(docs)
	if err != nil {
		e.log.Warn("stored call no longer maps", "call_id", string(record.Call.ID), "err", err)
		return nil
	}
	mapped.RecordingMark = "" // nothing was seen
	next, _ := e.record(record.Call.Key, record, &mapped, record.Fingerprints, false, nil)
	next.Parts = record.Parts
	keepFound(&next, record)
	for name, found := range map[call.PartName]bool{call.PartTranscript: len(next.Call.Transcript) > 0, call.PartSummary: next.Call.Summary != nil} {
		if part := next.Parts.Of(name); found && part.State != call.Stored {
			*part = call.Part{State: call.Stored} // a corrected description reads what was there all along
		}
	}
	next.Mirror()
	if sameCall(&record.Call, &next.Call) && record.Parts.States() == next.Parts.States() {
		return nil
	}
	return &call.Write{Record: next, Kind: call.ChangeUpdated}
}
