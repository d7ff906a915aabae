package callsync

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
)

const (
	// lacking is the reason of a record that is read again because an answer about
	// its call lacked what such answers have.
	lacking = "fields_missing"
	// watchedShare is the share of answers a field must have been in to be missed
	// in a single one.
	watchedShare = 0.9
	// oddChance is how unlikely a run of answers without a field must be for their
	// calls to be read again once it is back, and driftChance for it to be told of.
	// The first answer that ever lacked it is odd anyhow.
	oddChance, driftChance = 1e-2, 1e-9
	// recentRows is how many of the last answers are compared with those before.
	recentRows = 20
	// backRows is how many answers in a row must have a field again that was told of.
	backRows = 3
	// habitRows is where the count of answers is halved, so that habits change.
	habitRows = 1000
	// fieldsKept bounds the fields watched of a document, callsKept the calls noted
	// by name of a field; when there are more, all calls are looked through.
	fieldsKept, callsKept = 300, 200
	// fieldDepth is how deep objects in objects are looked into.
	fieldDepth = 3
)

// answerWatch watches the fields of the vendor's answers about single calls. Each
// call counts once it has settled, as its answers are kept: before, they lack
// what is not ready yet.
type answerWatch struct {
	docs map[string]call.AnswerFields
}

func newAnswers(c *call.Checkpoint) answerWatch {
	a := answerWatch{make(map[string]call.AnswerFields)}
	for name, fields := range c.Answers {
		a.docs[name] = cloneFields(fields)
	}
	return a
}

func cloneFields(f call.AnswerFields) call.AnswerFields {
	f.Fields = maps.Clone(f.Fields)
	if f.Fields == nil {
		f.Fields = make(map[string]call.FieldHabit)
	}
	return f
}

// save puts what is known into a checkpoint.
func (a *answerWatch) save(c *call.Checkpoint) {
	c.Answers, c.AnswerDrift = nil, a.texts(2)
	if len(a.docs) == 0 {
		return
	}
	c.Answers = make(map[string]call.AnswerFields, len(a.docs))
	for name, fields := range a.docs {
		c.Answers[name] = cloneFields(fields)
	}
}

// see enters the answer that is kept of a call.
func (a *answerWatch) see(document string, id call.ID, doc call.Document) {
	kinds := make(map[string]string)
	if flatten(kinds, "", doc.Body, fieldDepth); len(kinds) == 0 {
		return
	}
	d := cloneFields(a.docs[document])
	d.Last = append(slices.Clone(d.Last[max(0, len(d.Last)-recentRows+1):]), doc.FetchedAt)
	for name, h := range d.Fields {
		if habitSees(&h, kinds[name], id, d.Last) {
			d.Again = append(slices.Clip(d.Again), h.Missing...)
			if h.More && (d.AllSince.IsZero() || h.Since.Before(d.AllSince)) {
				d.AllSince = h.Since
			}
			h.Missing, h.More = nil, false
		}
		d.Fields[name] = h
	}
	for name, kind := range kinds {
		if _, known := d.Fields[name]; !known && kind != "" && len(d.Fields) < fieldsKept {
			d.Fields[name] = call.FieldHabit{Kind: kind, Had: 1, Rows: d.Rows + 1, Recent: 1}
		}
	}
	if d.Rows++; d.Rows >= habitRows {
		d.Rows /= 2
		maps.DeleteFunc(d.Fields, func(_ string, h call.FieldHabit) bool { return h.Had*10 < h.Rows && len(h.Missing) == 0 })
	}
	a.docs[document] = d
}

// flatten names the fields of an object and of the objects in it, with their
// types; empty for a field without a value.
func flatten(kinds map[string]string, prefix string, body json.RawMessage, depth int) {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return
	}
	for name, value := range object {
		kind := kindOf(value)
		kinds[prefix+name] = kind
		if kind == "object" && depth > 1 {
			flatten(kinds, prefix+name+".", value, depth-1)
		}
	}
}

// habitSees enters one answer; last says when the last ones were given. back is
// true when a field that was missing for no good reason is there again.
func habitSees(h *call.FieldHabit, kind string, id call.ID, last []time.Time) (back bool) {
	if kind != "" && kind != h.Kind && 2*h.Had < h.Rows && !isMissed(h) {
		h.Kind, h.Had = kind, 0
	}
	has, odd := kind == h.Kind, isOdd(h)
	h.Recent <<= 1
	if has {
		h.Recent |= 1
	}
	if isMissed(h) {
		if !has {
			h.Other = kind
			noteMissing(h, id)
			return false
		}
		if h.Recent&(1<<backRows-1) != 1<<backRows-1 {
			return false
		}
		h.ToldAt, h.Sweeps, h.Recent = time.Time{}, 0, math.MaxUint32
		return true
	}
	if h.Rows++; has {
		h.Had++
	}
	if h.Rows >= habitRows {
		h.Rows, h.Had = h.Rows/2, h.Had/2
	}
	switch usual, _ := shareBefore(h); {
	case has && odd:
		return true
	case has:
		h.Missing, h.More = nil, false // now and then one lacks it
	case usual >= watchedShare:
		if h.Other = kind; len(h.Missing) == 0 {
			h.Since = last[len(last)-1]
		}
		noteMissing(h, id)
		tell(h, usual, last)
	}
	return false
}

// noteMissing notes a call whose answer lacks a field.
func noteMissing(h *call.FieldHabit, id call.ID) {
	if len(h.Missing) < callsKept {
		h.Missing = append(slices.Clip(h.Missing), id)
	} else {
		h.More = true
	}
}

// tell decides whether a field is missed by now. From then on it is not counted.
func tell(h *call.FieldHabit, usual float64, last []time.Time) {
	rare := h.Rows >= 2*recentRows && recentShare(h) < usual*(1-driftDrop)
	if !rare && chanceOf(h) >= driftChance {
		return
	}
	h.Was, h.ToldAt = usual, last[len(last)-1]
	if missedRun(h) < recentRows && rare && recentShare(h) > 0 {
		h.More, h.Since = true, last[0] // some lacked it before, and were not noted
	}
	rows, had := recentOf(h)
	h.Rows, h.Had = h.Rows-rows, h.Had-had
}

// isMissed reports whether a field was found to be missed, and is not back.
func isMissed(h *call.FieldHabit) bool { return !h.ToldAt.IsZero() || h.Sweeps > 0 }

// missedRun is how many answers in a row lacked a field.
func missedRun(h *call.FieldHabit) int { return bits.TrailingZeros32(h.Recent | 1<<31) }

// recentOf is how many answers count as the last ones, and how many of them had
// a field: those that lack it now, where there are not enough for more.
func recentOf(h *call.FieldHabit) (rows, had int) {
	if h.Rows < 2*recentRows {
		return min(h.Rows, missedRun(h)), 0
	}
	return recentRows, bits.OnesCount32(h.Recent & (1<<recentRows - 1))
}

// shareBefore is the share of the answers before the last ones that had a field,
// and their number; 0 while they are too few to say.
func shareBefore(h *call.FieldHabit) (share float64, before int) {
	rows, had := recentOf(h)
	if before = h.Rows - rows; before < driftRows {
		return 0, before
	}
	return float64(h.Had-had) / float64(before), before
}

// isOdd reports whether the answers that lack a field now do so for no good reason.
func isOdd(h *call.FieldHabit) bool {
	usual, _ := shareBefore(h)
	return missedRun(h) > 0 && usual == 1 || chanceOf(h) < oddChance
}

// chanceOf is how likely the answers that lack a field now would be if nothing
// had changed.
func chanceOf(h *call.FieldHabit) float64 {
	usual, before := shareBefore(h)
	if usual < watchedShare {
		return 1
	}
	missed := (1 - usual) * float64(before)
	return math.Pow((missed+1)/float64(before+2), float64(missedRun(h)))
}

// recentShare is the share of the last answers that have a field.
func recentShare(h *call.FieldHabit) float64 {
	return float64(bits.OnesCount32(h.Recent&(1<<recentRows-1))) / recentRows
}

// texts tell of the fields that are missed and were not told of in so many sweeps.
func (a *answerWatch) texts(sweeps int) (texts []string) {
	for _, document := range slices.Sorted(maps.Keys(a.docs)) {
		fields := a.docs[document].Fields
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			h := fields[name]
			if h.ToldAt.IsZero() || h.Sweeps >= sweeps {
				continue
			}
			now := fmt.Sprintf("was in %.0f %% of the vendor's records, now in none", 100*h.Was)
			switch share := recentShare(&h); {
			case h.Other != "" && h.Other != h.Kind:
				now = fmt.Sprintf("was of the type %s, now it is %s", h.Kind, h.Other)
			case share > 0 && missedRun(&h) < recentRows/2:
				now = fmt.Sprintf("was in %.0f %% of the vendor's records, now in %.0f %%", 100*h.Was, 100*share)
			}
			texts = append(texts, fmt.Sprintf("field %q of the document %s %s", name, document, now))
		}
	}
	return texts
}

// swept notes that a sweep told of what is missed. What is still missed at the
// next one is how the vendor answers now; its calls are read again all the same
// if it comes back.
func (a *answerWatch) swept() {
	for document, d := range a.docs {
		d = cloneFields(d)
		for name, h := range d.Fields {
			if h.ToldAt.IsZero() {
				continue
			}
			if h.Sweeps++; h.Sweeps >= 2 {
				h.ToldAt = time.Time{}
			}
			d.Fields[name] = h
		}
		a.docs[document] = d
	}
}

// untold are the missed fields that no sweep has told of.
func (e *Engine) untold() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.answers.texts(1)
}

// noteAnswers enters the answers about a call that has settled with them.
func (e *Engine) noteAnswers(had, now *call.Record, docs, changed call.Documents) {
	if !asksNothing(now) || had != nil && had.Parts.Record.Reason == lacking {
		return
	}
	settled := had == nil || !asksNothing(had)
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, doc := range docs {
		if _, fresh := changed[name]; name != call.DocumentList && doc.Status == 0 && (settled || fresh) {
			e.answers.see(name, now.Call.ID, doc)
		}
	}
}

// asksNothing reports whether no document of a call is waited for.
func asksNothing(r *call.Record) bool {
	return !slices.ContainsFunc(asked, func(name call.PartName) bool { return r.Parts.Of(name).State == call.Pending })
}

// readLacking has the calls read again whose answers lacked what is there again.
func (e *Engine) readLacking(ctx context.Context) error {
	e.mu.Lock()
	todo := maps.Clone(e.answers.docs)
	e.mu.Unlock()
	for document, d := range todo {
		if len(d.Again) == 0 && d.AllSince.IsZero() {
			continue
		}
		e.log.Warn("the vendor's answers have again what they lacked; reading them once more", "document", document, "calls", len(d.Again), "others", !d.AllSince.IsZero())
		if err := e.readAgain(ctx, document, &d); err != nil {
			return err
		}
		e.mu.Lock()
		now := e.answers.docs[document]
		now.Again = now.Again[len(d.Again):]
		if now.AllSince.Equal(d.AllSince) {
			now.AllSince = time.Time{}
		}
		e.answers.docs[document] = now
		e.mu.Unlock()
	}
	return nil
}

func (e *Engine) readAgain(ctx context.Context, document string, d *call.AnswerFields) error {
	if !d.AllSince.IsZero() {
		return e.again(ctx, func(r *call.Record, docs call.Documents) *call.Write {
			if lacksUsual(d, docs[document]) {
				return e.askedAgain(r)
			}
			return nil
		})
	}
	for some := range slices.Chunk(d.Again, max(1, e.info.PageSize)) {
		keys := make([]call.Key, len(some))
		for i, id := range some {
			keys[i] = e.key(id)
		}
		slices.SortFunc(keys, func(a, b call.Key) int { return strings.Compare(string(a.ID), string(b.ID)) })
		if err := e.againSome(ctx, slices.Compact(keys), func(r *call.Record, _ call.Documents) *call.Write { return e.askedAgain(r) }); err != nil {
			return err
		}
	}
	return nil
}

// lacksUsual reports whether an answer of the time in question lacks a field that
// nearly all have.
func lacksUsual(d *call.AnswerFields, doc call.Document) bool {
	kinds := make(map[string]string)
	if flatten(kinds, "", doc.Body, fieldDepth); len(kinds) == 0 || doc.FetchedAt.Before(d.AllSince) {
		return false
	}
	for name, h := range d.Fields {
		if usual, _ := shareBefore(&h); usual >= watchedShare && kinds[name] != h.Kind {
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
