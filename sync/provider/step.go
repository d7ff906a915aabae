package provider

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"callsyncd/call"
)

// Facts a provider learns about an account, after the name of the step.
const (
	learnedChecked = ".checked" // which calls the sample has compared, as short hashes
	learnedEarly   = ".early"   // and which of those whose transcript ends early
	learnedMost    = ".most"    // the most turns, and the most characters, that proved to be all
	learnedStrict  = ".strict"  // "true" once the step proved to hold more
)

// Wanted names the next step document to fetch for a call, given those that
// are there; a document that said "not there" counts. A live call has none: its
// documents are not finished.
func (p *Provider) Wanted(docs call.Documents, learned map[string]string) (name string, ok bool) {
	ctx := context.Background()
	v, err := p.see(ctx, docs)
	if err != nil || p.status(ctx, v).Live() {
		return "", false
	}
	for _, st := range p.d.spec.Steps {
		if _, held := docs[st.Name]; held || st.OnDemand || !p.applies(ctx, v, st) {
			continue
		}
		if st.Check == nil || learned[st.Name+learnedStrict] == "true" || p.sampled(ctx, v, st, learned) {
			return st.Name, true
		}
	}
	return "", false
}

// applies evaluates a step's condition.
func (p *Provider) applies(ctx context.Context, v *view, st *step) bool {
	return st.When == nil || truthy(p.field(ctx, v, st.When))
}

// sampled reports whether a checked step is wanted for a call: when the document
// it is checked against has no transcript at all; when the call is one of the
// first, or its hash says so; when that document's transcript is one of the first
// that end suspiciously early; and when it is larger than any that proved to be
// whole, as only large ones show that the vendor cuts them.
func (p *Provider) sampled(ctx context.Context, v *view, st *step, learned map[string]string) bool {
	usual := p.words(ctx, v, st.Check.Against)
	if usual.turns == 0 {
		return true
	}
	sum := sha256.Sum256([]byte(v.id))
	if binary.BigEndian.Uint64(sum[:])%uint64(st.Check.Every) == 0 {
		return true
	}
	return unchecked(learned[st.Name+learnedChecked], st.Check.First, v.id) ||
		p.endsEarly(ctx, v, usual) && unchecked(learned[st.Name+learnedEarly], 2*st.Check.First, v.id) ||
		usual.beyond(learned[st.Name+learnedMost])
}

// endsEarly reports a transcript that covers less than half of a call of some length.
func (p *Provider) endsEarly(ctx context.Context, v *view, usual extent) bool {
	const someLength = 30 // seconds
	known := pick(p, ctx, v, p.d.spec.Map.DurationSeconds, lengthOf)
	if known == nil {
		return false
	}
	length := *known
	return length >= someLength && (usual.turns == 1 || usual.last > 0 && usual.last < length/2)
}

func checkedCalls(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// unchecked reports whether a call may join those of a list, of which most are wanted.
func unchecked(list string, most int, id call.ID) bool {
	checked := checkedCalls(list)
	return len(checked) < most && !slices.Contains(checked, mark(id))
}

// note adds a call to those compared so far, of which most are kept.
func note(learned map[string]string, key string, most int, id call.ID) {
	if unchecked(learned[key], most, id) {
		learned[key] = strings.Join(append(checkedCalls(learned[key]), mark(id)), ",")
	}
}

func mark(id call.ID) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:4])
}

// extent is how much a document's transcript holds.
type extent struct {
	turns, runes int
	last         float64 // start of the last turn in seconds; 0 when not known
}

// beyond reports a transcript larger than the largest that proved to be whole;
// false when none did.
func (e extent) beyond(most string) bool {
	var turns, runes int
	n, _ := fmt.Sscan(most, &turns, &runes)
	return n == 2 && (e.turns > turns || e.runes > runes)
}

// raise is the largest of what proved to be whole and this.
func (e extent) raise(most string) string {
	var turns, runes int
	_, _ = fmt.Sscan(most, &turns, &runes) // zeros when there was none
	return fmt.Sprint(max(e.turns, turns), " ", max(e.runes, runes))
}

// words measures the transcript in one document.
func (p *Provider) words(ctx context.Context, v *view, document string) extent {
	for i := range p.d.spec.Transcript.Sources {
		s := &p.d.spec.Transcript.Sources[i]
		if s.Document != document {
			continue
		}
		turns := p.speech(ctx, v, s, &call.Call{}).turns
		if len(turns) == 0 {
			continue
		}
		e := extent{turns: len(turns)}
		for _, t := range turns {
			e.runes += utf8.RuneCountInString(t.Text)
			if t.StartSeconds != nil {
				e.last = max(e.last, *t.StartSeconds)
			}
		}
		return e
	}
	return extent{}
}

// Learn compares the documents of a sampled call and records in learned what
// that proves about the account. It reports whether calls read before may want
// further documents now.
func (p *Provider) Learn(docs call.Documents, learned map[string]string) bool {
	ctx := context.Background()
	v, err := p.see(ctx, docs)
	if err != nil {
		return false
	}
	stricter := false
	for _, st := range p.d.spec.Steps {
		doc, held := docs[st.Name]
		if st.Check == nil || !held || doc.Status != 0 || learned[st.Name+learnedStrict] == "true" {
			continue
		}
		full, usual := p.words(ctx, v, st.Name), p.words(ctx, v, st.Check.Against)
		if usual.turns == 0 {
			continue // asked for because there was nothing to compare with
		}
		if full.turns > usual.turns || full.runes > usual.runes {
			learned[st.Name+learnedStrict] = "true"
			stricter = true
			continue
		}
		note(learned, st.Name+learnedChecked, st.Check.First, v.id)
		if p.endsEarly(ctx, v, usual) {
			note(learned, st.Name+learnedEarly, 2*st.Check.First, v.id)
		}
		learned[st.Name+learnedMost] = usual.raise(learned[st.Name+learnedMost])
	}
	return stricter
}

// Renew names the step documents to fetch again while part is pending: those
// the description lists, as far as this call has them, and for a recording those
// that are read for its URL alone. Empty means that only the list shows the part.
func (p *Provider) Renew(part call.PartName, docs call.Documents) []string {
	listed := map[call.PartName][]string{
		call.PartTranscript: p.d.spec.Renew.Transcript,
		call.PartSummary:    p.d.spec.Renew.Summary,
		call.PartRecording:  p.d.spec.Renew.Recording,
	}[part]
	ctx := context.Background()
	v, err := p.see(ctx, docs)
	if err != nil || len(listed) == 0 || p.status(ctx, v).Live() {
		return nil
	}
	var names []string
	for _, name := range listed {
		_, held := docs[name]
		if st := p.d.steps[name]; held || p.mayWant(ctx, v, st) {
			names = append(names, name)
		}
	}
	if part == call.PartRecording {
		names = append(names, p.onDemand(ctx, v)...)
	}
	return names
}

// onDemand names the steps that are read for nothing but a recording's URL.
func (p *Provider) onDemand(ctx context.Context, v *view) (names []string) {
	for _, name := range p.d.spec.Relink {
		if st := p.d.steps[name]; st != nil && st.OnDemand && p.applies(ctx, v, st) {
			names = append(names, name)
		}
	}
	return names
}

// Fetch reads one step document of the call whose list item is in docs. An
// answer that the description declares meaningful, such as a 404 for a missing
// transcript, is a document with that Status and no error. call.ErrNotFound
// means that the vendor does not know the call any more.
func (p *Provider) Fetch(ctx context.Context, name string, docs call.Documents) (call.Document, error) {
	op := "fetch " + name
	st := p.d.steps[name]
	if st == nil {
		return call.Document{}, fmt.Errorf("%s: source %s: there is no such step", op, p.source)
	}
	id, err := p.idOf(ctx, docs)
	if err != nil {
		return call.Document{}, &Error{Op: op, Source: p.source, Err: err}
	}
	out, err := p.build(&st.request, id, nil)
	if err != nil {
		return call.Document{}, &Error{Op: op, Source: p.source, Err: err}
	}
	r, err := p.ask(ctx, op, out, func(status int, body any) bool { return p.absence(ctx, st, status, body) != "" })
	if err != nil {
		return call.Document{}, oneCallOnly(err)
	}
	if len(r.raw) > maxCall {
		return call.Document{}, p.corrupt(op, "answer about one call is larger than 4 MiB")
	}
	doc := call.Document{Body: r.raw, Status: r.status, FetchedAt: r.fetchedAt}
	if r.status != 0 {
		return doc, nil
	}
	need := anything
	if st.Merge {
		need = callLike
	}
	if err := p.checkContent(ctx, op, r, st.Unwrap, id, need); err != nil {
		return call.Document{}, err
	}
	return doc, nil
}

// mayWant reports whether a step would be asked for whatever the sample says.
func (p *Provider) mayWant(ctx context.Context, v *view, st *step) bool {
	if st.OnDemand || !p.applies(ctx, v, st) {
		return false
	}
	return st.Check == nil || p.words(ctx, v, st.Check.Against).turns == 0
}

// oneCallOnly keeps a 403 about one call from being taken for refused
// credentials, which would stop the whole source.
func oneCallOnly(err error) error {
	if failure, ok := errors.AsType[*Error](err); ok && failure.Status == http.StatusForbidden {
		failure.Err = errNotAccepted
	}
	return err
}

// need is what an answer must be to be accepted.
type need int

const (
	anything   need = iota // but null
	callLike               // an object, not about another call
	identified             // an object with the call's id
)

// checkContent refuses an answer without content, and one about another call.
func (p *Provider) checkContent(ctx context.Context, op string, r reply, unwrap *pathExpr, id call.ID, need need) error {
	content, err := p.content(ctx, r.answer, unwrap)
	if err != nil || content.value == nil {
		if message := p.vendorMessage(r.value); message != "" {
			return p.corrupt(op, message)
		}
		return p.corrupt(op, "answer has no content")
	}
	if need == anything {
		return nil
	}
	if _, ok := content.value.(map[string]any); !ok {
		return p.corrupt(op, "answer is not an object")
	}
	own, err := p.d.spec.List.ID.eval(ctx, content.value)
	text, _ := textOf(own)
	known := err == nil && text != nil
	if known && call.ID(*text) != id || !known && need == identified {
		return p.corrupt(op, "answer is not about the call asked for")
	}
	return nil
}

func (p *Provider) idOf(ctx context.Context, docs call.Documents) (call.ID, error) {
	v, err := p.see(ctx, docs)
	if err != nil {
		return "", err
	}
	return v.id, nil
}

// absence is what a 404 or 410 means for a step; empty when nothing declared.
func (p *Provider) absence(ctx context.Context, st *step, status int, body any) absence {
	for _, m := range st.Missing {
		if m.Status != status {
			continue
		}
		if m.When == nil {
			return m.Means
		}
		if v, err := m.When.eval(ctx, body); err == nil && truthy(v) {
			return m.Means
		}
	}
	return ""
}

// meaning is what a stored "not there" answer means.
func (p *Provider) meaning(ctx context.Context, name string, doc call.Document) absence {
	st := p.d.steps[name]
	if st == nil {
		return ""
	}
	body, err := decodeJSON(doc.Body)
	if err != nil {
		return ""
	}
	return p.absence(ctx, st, doc.Status, body)
}
