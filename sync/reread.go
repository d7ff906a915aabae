package callsync

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
)

// lacking is the reason of a record that is read again because an answer about its
// call lacked what such answers have.
const lacking = "fields_missing"

// readLacking has the calls read again whose answers lacked what is there again.
func (e *Engine) readLacking(ctx context.Context) error {
	if err := e.rereading.enter(ctx); err != nil {
		return err
	}
	defer e.rereading.leave()
	for name, todo := range e.lackedCalls() {
		document, direction, _ := strings.Cut(name, " ")
		e.log.Warn("the vendor's answers have again what they lacked; reading them once more", "document", document, "calls", len(todo.IDs), "others", !todo.Since.IsZero())
		var keys []call.Key
		for _, id := range slices.Sorted(maps.Keys(todo.IDs)) {
			keys = append(keys, e.key(id))
		}
		for keys := range slices.Chunk(keys, max(1, e.info.PageSize)) {
			if err := e.againSome(ctx, keys, func(r *call.Record, _ call.Documents) *call.Write { return e.askedAgain(r) }); err != nil {
				return err
			}
		}
		if !todo.Since.IsZero() {
			if err := e.again(ctx, func(r *call.Record, docs call.Documents) *call.Write {
				if r == nil || !e.lacksUsual(document, direction, r, docs[document], todo.Since) {
					return nil
				}
				return e.askedAgain(r)
			}); err != nil {
				return err
			}
		}
		e.mu.Lock()
		e.answers.docs[name].Again.Remove(todo)
		e.mu.Unlock()
	}
	return nil
}

// lackedCalls are the calls that are to be read again.
func (e *Engine) lackedCalls() map[string]call.AnsweredCalls {
	e.mu.Lock()
	defer e.mu.Unlock()
	todo := make(map[string]call.AnsweredCalls)
	for name, d := range e.answers.docs {
		if c := d.Again; len(c.IDs) > 0 || !c.Since.IsZero() {
			todo[name] = call.AnsweredCalls{IDs: maps.Clone(c.IDs), Since: c.Since}
		}
	}
	return todo
}

// lacksUsual reports whether an answer since then lacks a field that was missed
// and is back.
func (e *Engine) lacksUsual(document, direction string, r *call.Record, doc call.Document, since time.Time) bool {
	if own := r.Call.Direction; own != nil && string(*own) != direction || !conversation(r) || doc.Status != 0 || doc.FetchedAt.Before(since) {
		return false
	}
	kinds := make(map[string]string)
	flatten(kinds, "", doc.Body, answerDepth)
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, h := range e.answers.docs[document+" "+direction].Fields {
		if kind, path, _ := strings.Cut(name, " "); h.Was > 0 && !h.Missed && kinds[path] != kind {
			return true
		}
	}
	return false
}

// askedAgain has all documents of a call read once more; nil when they will be.
func (e *Engine) askedAgain(r *call.Record) *call.Write {
	if r == nil || r.Parts.Record.State == call.Pending {
		return nil
	}
	next, now := *r, e.now().UTC()
	next.Parts.Record = call.Part{State: call.Pending, Reason: lacking, NextTry: now, Deadline: now.Add(e.src.Horizon)}
	next.Mirror()
	return &call.Write{Record: next, Kind: call.ChangePart}
}
