package callsync

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"callsyncd/call"
)

// observation is what one look at a call brought.
type observation struct {
	write call.Write
	dirty bool // there is something to store
	isNew bool
	edit  bool // the vendor's content changed
	// incomplete is why a wanted document could not be read now.
	incomplete error
}

// observe takes fresh documents of a call, fetches the further ones the vendor
// description wants, maps them, and decides what to store. had is nil for a
// new call; docs holds every document at hand, those to be read again left out.
func (e *Engine) observe(ctx context.Context, key call.Key, had *call.Record, known, docs call.Documents) (*observation, error) {
	o := &observation{isNew: had == nil}
	o.incomplete = e.fetchWanted(ctx, docs)
	if o.incomplete == nil {
		o.incomplete = e.fetchKnown(ctx, known, docs)
	}
	if fatal := stops(ctx, o.incomplete); fatal != nil {
		return nil, fatal
	}
	e.learn(docs)
	for name, doc := range known {
		if _, have := docs[name]; !have && o.incomplete != nil {
			docs[name] = doc // what could not be read again stays as it was
		}
	}
	mapped, err := e.src.Provider.Map(docs)
	if err != nil {
		return nil, fmt.Errorf("map call %s: %w", key, err)
	}
	changed, prints, err := e.fingerprint(had, docs)
	if err != nil {
		return nil, fmt.Errorf("fingerprint call %s: %w", key, err)
	}
	record, events := e.record(key, had, &mapped, prints, len(changed) > 0, o.incomplete)
	if o.incomplete == nil {
		e.noteAnswers(had, &record, known, docs)
	}
	if len(changed) == 0 {
		events = nil // the same bytes again: it was told when they came
	}
	o.write = call.Write{Record: record, Documents: changed, Events: events}
	o.edit = had != nil && len(changed) > 0
	o.write.Kind = changeKind(had, &record, len(changed) > 0)
	o.dirty = had == nil || len(changed) > 0 || o.write.Kind != "" || !reflect.DeepEqual(had.Parts, record.Parts) || !reflect.DeepEqual(had.Further, record.Further) ||
		!maps.Equal(had.Fingerprints, prints)
	if record.Parts.Recording.State == call.Pending {
		if link, ok := e.src.Provider.Link(docs); ok {
			e.links.put(key.ID, link, !record.Parts.Recording.NextTry.After(e.now()))
			e.expectBy(&o.write.Record, link)
		} else {
			e.links.none(key.ID, e.now())
		}
	}
	return o, nil
}

// fetchWanted completes docs with what the description asks for. Its error
// means the rest could not be read now.
func (e *Engine) fetchWanted(ctx context.Context, docs call.Documents) error {
	learned := e.learned()
	for {
		name, ok := e.src.Provider.Wanted(docs, learned)
		if !ok {
			return nil
		}
		if _, have := docs[name]; have {
			return fmt.Errorf("the description of %s wants document %q twice", e.info.Name, name)
		}
		doc, err := e.document(ctx, name, docs)
		if err != nil {
			return err
		}
		e.sawClock(doc.FetchedAt)
		docs[name] = doc
	}
}

// fetchKnown reads again what was once read of a call and nobody wants now, so
// that no document stays behind the others.
func (e *Engine) fetchKnown(ctx context.Context, known, docs call.Documents) error {
	for name := range known {
		if _, have := docs[name]; have {
			continue
		}
		doc, err := e.document(ctx, name, docs)
		if err != nil {
			return err
		}
		docs[name] = doc
	}
	return nil
}

// stops returns errors after which the whole run must end; the others leave
// one call incomplete.
func stops(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if refuses(err) {
		return err
	}
	return nil
}

// fingerprint finds which documents changed since the stored record.
func (e *Engine) fingerprint(had *call.Record, docs call.Documents) (changed call.Documents, prints map[string]string, err error) {
	changed, prints = make(call.Documents), make(map[string]string)
	if had != nil {
		maps.Copy(prints, had.Fingerprints)
	}
	for name, doc := range docs {
		sum, err := e.src.Provider.Fingerprint(name, doc.Body)
		if err != nil {
			return nil, nil, err
		}
		if doc.Status != 0 {
			sum = fmt.Sprintf("http_%d", doc.Status)
		}
		if prints[name] != sum {
			changed[name] = doc
		}
		prints[name] = sum
	}
	return changed, prints, nil
}

// record builds a call's new record, and the events worth remembering.
func (e *Engine) record(key call.Key, had *call.Record, mapped *call.Mapped, prints map[string]string, news bool, failure error) (r call.Record, events []call.Event) {
	r = call.Record{Call: mapped.Call, Fingerprints: prints, TranscriptFrom: mapped.TranscriptFrom}
	c := &r.Call
	c.Key, c.Source, c.ID, c.Provider = key, key.Source, key.ID, e.info.Name
	now := e.now().UTC()
	c.FirstSeenAt = now
	if had != nil {
		old := &had.Call
		r.Parts = had.Parts
		c.FirstSeenAt, c.Version, c.ChangedAt = earlier(old.FirstSeenAt, now), old.Version, old.ChangedAt
		c.DeletedUpstreamAt, c.Recording = old.DeletedUpstreamAt, old.Recording
		r.MissedSweeps, r.RecordingMark, r.Former = had.MissedSweeps, had.RecordingMark, had.Former
		r.Main, r.Further = had.Main, slices.Clone(had.Further)
		if p := &r.Parts.Transcript; p.Reason == quarantined {
			p.Reason = ""
		}
		if p := &r.Parts.Summary; p.Reason == quarantined {
			p.Reason = ""
		}
		events = keepGood(&r, had)
	}
	w := e.weather(c, now)
	w.failure, w.news = failure, news
	if failure != nil && final(failure) && w.waited(w.base()) {
		w.failure = nil // the vendor has given its answer long enough: what is here is all there is
		if !errors.Is(failure, call.ErrNotFound) {
			w.unread = failureReason(failure)
		}
	}
	e.settleParts(&r, mapped, w)
	return r, events
}

func (e *Engine) settleParts(r *call.Record, mapped *call.Mapped, w *weather) {
	p := &r.Parts
	attempts := p.Record.Attempts
	p.Record = call.Part{State: call.Stored}
	if w.failure != nil {
		// The pending queue reads what is missing; until then the call is not complete.
		p.Record = waiting(call.Part{Attempts: attempts}, failureReason(w.failure), w, w.over())
	}
	p.Transcript = settle(p.Transcript, mapped.Transcript, w)
	p.Summary = settle(p.Summary, mapped.Summary, w)
	e.settleRecordings(r, mapped, w)
	r.Mirror()
}

func (e *Engine) settleRecordings(r *call.Record, mapped *call.Mapped, w *weather) {
	main := r.MainPart()
	switch {
	case hasFile(r) && e.src.Recordings && main.State != call.Lost:
		e.settleStored(r, mapped.Recording, mapped.RecordingMark, w)
	case main.State == call.Stored:
	case !e.src.Recordings:
		*main = call.Part{State: call.None, Reason: "not_wanted"}
	default:
		*main = settleRecording(*main, mapped.Recording, w)
	}
	if e.src.Recordings {
		e.settleFurther(r, mapped.Further, w)
	}
	r.Join()
}

// changeKind says what a reader of the change feed must be told.
func changeKind(had *call.Record, now *call.Record, versioned bool) call.ChangeKind {
	switch {
	case had == nil:
		return call.ChangeNew
	case versioned || !sameCall(&had.Call, &now.Call):
		return call.ChangeUpdated
	case had.Parts.States() != now.Parts.States():
		return call.ChangePart
	}
	return ""
}

// sameCall compares what readers see, states and bookkeeping apart.
func sameCall(a, b *call.Call) bool {
	x, y := *a, *b
	x.Parts, y.Parts = call.PartStates{}, call.PartStates{}
	x.Settled, y.Settled = false, false
	x.Recording, y.Recording = nil, nil
	left, err1 := json.Marshal(x)
	right, err2 := json.Marshal(y)
	return err1 == nil && err2 == nil && bytes.Equal(left, right)
}
