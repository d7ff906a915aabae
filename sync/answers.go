package callsync

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
)

const (
	// A field is watched once it was in so much of so many answers. Halving the
	// counts at habitRows lets habits change.
	watchedShare, watchedRows, habitRows = 0.9, 20, 200
	// It is missed when so many answers in a row lack it, and back when so many have it.
	missedRun, backRun = 10, 3
	// answerFields and answerNames, in bytes, bound the fields watched of a document,
	// answerDepth how deep objects in objects are looked into.
	answerFields, answerNames, answerDepth = 200, 100, 3
	// toldFields bounds how many missed fields are told of by name.
	toldFields = 10
)

// answerWatch watches the fields of the vendor's answers about single calls, by
// document and direction of the call: what inbound calls have, others may lack.
type answerWatch struct {
	docs map[string]*call.AnswerHabit
	// unsaved is true once an answer lacked what is watched, until that is stored.
	unsaved bool
}

// habits are those an answer counts for. One about a call of unknown direction
// counts for all: what told the direction may be what vanished.
func (a *answerWatch) habits(document string, direction *call.Direction) (habits []*call.AnswerHabit) {
	name := document + " "
	if direction != nil {
		name += string(*direction)
	}
	if a.docs[name] == nil {
		a.docs[name] = &call.AnswerHabit{Fields: make(map[string]*call.FieldHabit)}
	}
	for other, d := range a.docs {
		if other == name || direction == nil && strings.HasPrefix(other, name) {
			habits = append(habits, d)
		}
	}
	return habits
}

// noteAnswers enters the answers about a conversation that has settled with them:
// before, they lack what is not ready yet, and other calls have less to tell.
func (e *Engine) noteAnswers(had, now *call.Record, known, docs call.Documents) {
	if !conversation(now) {
		return
	}
	first, again := had == nil || !conversation(had), had != nil && had.Parts.Record.Reason == lacking
	for name, doc := range docs {
		if name == call.DocumentList || doc.Status != 0 || !first && doc.FetchedAt.Equal(known[name].FetchedAt) {
			continue
		}
		kinds := make(map[string]string)
		flatten(kinds, "", doc.Body, answerDepth)
		e.mu.Lock()
		for _, d := range e.answers.habits(name, now.Call.Direction) {
			news := sees(d, call.AnsweredCall{ID: now.Call.ID, At: doc.FetchedAt}, kinds, again)
			e.answers.unsaved = e.answers.unsaved || news
		}
		e.mu.Unlock()
	}
}

// conversation reports whether a call has a transcript, and no document of it is
// waited for.
func conversation(r *call.Record) bool {
	pending := func(name call.PartName) bool { return r.Parts.Of(name).State == call.Pending }
	return r.Parts.Transcript.State == call.Stored && !slices.ContainsFunc(asked, pending)
}

// flatten names the fields with a value of an object and of the objects in it,
// with their types.
func flatten(kinds map[string]string, prefix string, body json.RawMessage, depth int) {
	var object map[string]json.RawMessage
	if json.Unmarshal(body, &object) != nil {
		return
	}
	for name, value := range object {
		if kind := kindOf(value); kind != "" && len(prefix+name) <= answerNames {
			kinds[prefix+name] = kind
			if kind == "object" && depth > 1 {
				flatten(kinds, prefix+name+".", value, depth-1)
			}
		}
	}
}

// sees enters an answer, read once more or not, and reports whether something is
// known by it that must not be lost. A field that has another type is one that
// vanished, and a new one.
func sees(d *call.AnswerHabit, c call.AnsweredCall, kinds map[string]string, again bool) (news bool) {
	d.Last = append(d.Last, c)
	slices.SortStableFunc(d.Last, func(a, b call.AnsweredCall) int { return a.At.Compare(b.At) })
	d.Last = slices.Delete(d.Last, 0, max(0, len(d.Last)-missedRun))
	for name, h := range d.Fields {
		kind, path, _ := strings.Cut(name, " ")
		has := kinds[path] == kind
		turned := fieldSees(h, has, kinds[path], c.At, again)
		switch {
		case turned && h.Missed:
			d.Lacking.Add(d.Last...)
		case turned:
			d.Again.Take(&d.Lacking)
		case h.Missed && !has:
			news = d.Lacking.Add(c) || news
		case c.At.Before(h.Back) && !has && !again:
			news = d.Again.Add(c) || news
		}
		news = news || turned || !has && watched(h)
	}
	for path, kind := range kinds {
		name := kind + " " + path
		if len(d.Fields) >= answerFields && d.Fields[name] == nil {
			maps.DeleteFunc(d.Fields, func(_ string, h *call.FieldHabit) bool {
				return h.Was == 0 && h.Rows >= watchedRows && 2*h.Had < h.Rows
			})
		}
		if len(d.Fields) < answerFields && d.Fields[name] == nil {
			d.Fields[name] = &call.FieldHabit{Had: 1, Rows: 1}
		}
	}
	return news
}

// fieldSees enters one answer and reports whether the field is missed or back
// since. While it is missed it is not counted. Calls settle in any order: an
// answer from before the field vanished, or came back, says nothing of now.
func fieldSees(h *call.FieldHabit, has bool, kind string, at time.Time, again bool) (turned bool) {
	switch {
	case at.Before(h.Back) && !has || at.Before(h.Lacked) && has:
		return false
	case !has:
		if at.After(h.Lacked) {
			h.Lacked = at
		}
		if kind != "" {
			h.Other = kind
		}
	case !h.Missed:
		h.Had, h.Other, h.Lacked = h.Had+1, "", time.Time{}
	}
	if h.Run++; has != h.Missed {
		h.Run = 0
	}
	if h.Missed {
		if turned = h.Run == backRun; turned {
			h.Missed, h.Other, h.Sweeps, h.Run, h.Back, h.Lacked = false, "", 0, 0, at, time.Time{}
		}
		return turned
	}
	h.Rows++
	if again && h.Was > 0 { // was it right to miss it?
		if h.Mended--; has {
			h.Mended += 2
		}
	}
	if turned = h.Run >= missedRun && watched(h); turned {
		h.Rows -= h.Run
		h.Missed, h.Was, h.Run = true, float64(h.Had)/float64(h.Rows), 0
	} else if h.Rows >= habitRows+h.Run {
		h.Rows, h.Had = (h.Rows-h.Run)/2+h.Run, h.Had/2
	}
	return turned
}

// watched reports whether answers have a field as a rule. One that was missed for
// nothing is not: the calls that were read again still lacked it.
func watched(h *call.FieldHabit) bool {
	before := h.Rows - h.Run
	return before >= watchedRows && float64(h.Had) >= watchedShare*float64(before) && h.Mended >= 0
}

// texts tell of the fields that are missed and were not told of in so many sweeps.
func (a *answerWatch) texts(sweeps int) (texts []string) {
	for name, d := range a.docs {
		document, _, _ := strings.Cut(name, " ")
		for name, h := range d.Fields {
			if h.Missed && h.Sweeps < sweeps {
				texts = append(texts, missedText(document, name, h))
			}
		}
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

func missedText(document, name string, h *call.FieldHabit) string {
	kind, path, _ := strings.Cut(name, " ")
	text := fmt.Sprintf("was in %.0f %% of the vendor's records, now in none", 100*h.Was)
	if h.Other != "" {
		text = fmt.Sprintf("was of the type %s, now it is %s", kind, h.Other)
	}
	return fmt.Sprintf("field %q of the document %s %s", path, document, text)
}

// some are the texts that are shown.
func some(texts []string) []string {
	if more := len(texts) - toldFields; more > 0 {
		return append(texts[:toldFields:toldFields], fmt.Sprintf("so it is with %d more fields of these documents", more))
	}
	return texts
}

// untold are the missed fields that no sweep has told of.
func (e *Engine) untold() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.answers.texts(1)
}

// swept notes what a sweep told of. What the one before told of, and is missed
// still, is how the vendor answers now; its calls are read again all the same if
// it comes back.
func (e *Engine) swept(told []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, d := range e.answers.docs {
		document, _, _ := strings.Cut(name, " ")
		for name, h := range d.Fields {
			switch {
			case !h.Missed:
			case h.Sweeps == 1:
				h.Sweeps, h.Had, h.Rows = 2, 0, 0
			case h.Sweeps == 0 && slices.Contains(told, missedText(document, name, h)):
				h.Sweeps = 1
			}
		}
	}
	e.checkpoint.AnswerDrift = some(e.answers.texts(2))
}
