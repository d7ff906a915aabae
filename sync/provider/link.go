package provider

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"callsyncd/call"
)

// guessedLifetime is how long a recording's URL is trusted when neither the
// vendor nor the URL says.
const guessedLifetime = time.Hour

// Link is where the recordings of a call can be had now: the main one, of several
// places the one read last, and the further ones with it. It is false when the
// documents hold no usable URL of the main one.
func (p *Provider) Link(docs call.Documents) (call.RecordingLink, bool) {
	ctx := context.Background()
	v, err := p.see(ctx, docs)
	if err != nil {
		return call.RecordingLink{}, false
	}
	f := p.find(ctx, v, "")
	return f.link, f.ok
}

// found is what documents show of a call's recordings.
type found struct {
	link call.RecordingLink
	// ok is whether the main one has a usable URL, broken whether the vendor gave
	// something that is none.
	ok, broken bool
	further    []call.FurtherEvidence
}

// find looks in one document, or in all when only is empty.
func (p *Provider) find(ctx context.Context, v *view, only string) (best found) {
	for i := range p.d.spec.Recording.Sources {
		s := &p.d.spec.Recording.Sources[i]
		document := v.values[s.Document]
		if document == nil || only != "" && only != s.Document {
			continue
		}
		f := p.findIn(ctx, v, s, document)
		broken := best.broken || f.broken
		newer := f.link.FetchedAt.After(best.link.FetchedAt)
		if f.ok && (!best.ok || newer) || !best.ok && len(f.further) > 0 {
			best = f
		}
		best.broken = broken
	}
	return best
}

// findIn looks in one source.
func (p *Provider) findIn(ctx context.Context, v *view, s *linkSource, document any) (f found) {
	address, _ := p.fieldOf(ctx, v, s.URL, document).(string)
	address = strings.TrimSpace(address)
	list, main := p.several(ctx, v, s, document, address)
	f.link.FetchedAt = v.docs[s.Document].FetchedAt
	u := usable(address)
	switch {
	case u != nil:
		f.link.URL = call.SignedURL(address)
		p.expiry(ctx, v, life{s.ExpiresAt, s.ExpiresIn, s.Lifetime}, document, u, &f.link)
		if main >= 0 {
			p.describe(ctx, v, s, &list[main], &f.link)
		}
	case address == "" && main >= 0 && usable(list[main].address) != nil:
		u = usable(list[main].address)
		f.link = p.listedLink(ctx, v, s, &list[main], u)
	default:
		f.broken = address != "" || main >= 0 && list[main].address != ""
	}
	if u != nil {
		f.link.Mark, f.ok = p.mark(ctx, v, s, document, u), true
	}
	f.link.Further, f.further = p.further(ctx, v, s, list, main)
	return f
}

// mark hashes what identifies a recording in a document; empty for nothing.
func (p *Provider) mark(ctx context.Context, v *view, s *linkSource, document any, u *url.URL) string {
	identity := []byte(path.Base(u.Path))
	switch {
	case s.Identity != nil:
		value := p.fieldOf(ctx, v, s.Identity, document)
		if value == nil {
			return ""
		}
		text, err := json.Marshal(value)
		if err != nil { // a number JSON cannot write
			return ""
		}
		identity = text
	case u.Path == "" || strings.HasSuffix(u.Path, "/"):
		return ""
	}
	sum := sha256.Sum256(identity)
	return s.Document + ":" + hex.EncodeToString(sum[:8])
}

// life is where a source says how long a URL lives.
type life struct {
	at, in     *callExpr
	documented span
}

// expiry takes the earliest end the vendor or the URL gives, else the
// documented life, else a guess. '.' of the expressions is input.
func (p *Provider) expiry(ctx context.Context, v *view, l life, input any, u *url.URL, link *call.RecordingLink) {
	ends := signedUntil(u)
	if at, ok := timeOf(p.fieldOf(ctx, v, l.at, input)); at != nil {
		ends = append(ends, *at)
	} else if !ok {
		p.oddData(ctx, l.at.key)
	}
	if seconds, ok := lengthOf(p.fieldOf(ctx, v, l.in, input)); seconds != nil && *seconds > 0 && *seconds < longestLife {
		ends = append(ends, link.FetchedAt.Add(time.Duration(*seconds*float64(time.Second))))
	} else if !ok {
		p.oddData(ctx, l.in.key)
	}
	switch {
	case len(ends) > 0:
		link.ExpiresAt = ends[0]
		for _, end := range ends[1:] {
			if end.Before(link.ExpiresAt) {
				link.ExpiresAt = end
			}
		}
	case l.documented > 0:
		link.ExpiresAt = link.FetchedAt.Add(time.Duration(l.documented))
	default:
		link.ExpiresAt, link.Guessed = link.FetchedAt.Add(guessedLifetime), true
	}
}

// longestLife bounds believable lives of a URL, in seconds.
const longestLife = 100 * 365 * 24 * 3600

// signedUntil reads the ends that the usual ways of signing a URL put into it.
func signedUntil(u *url.URL) (ends []time.Time) {
	query := map[string]string{}
	for name, values := range u.Query() {
		query[strings.ToLower(name)] = values[0]
	}
	for _, prefix := range []string{"x-amz-", "x-goog-"} {
		signed, err := time.Parse("20060102T150405Z", query[prefix+"date"])
		seconds, bad := strconv.ParseInt(query[prefix+"expires"], 10, 32)
		if err == nil && bad == nil && seconds > 0 {
			ends = append(ends, signed.Add(time.Duration(seconds)*time.Second))
		}
	}
	if at, err := strconv.ParseInt(query["expires"], 10, 64); err == nil && at > absoluteFrom && at < epochMilliseconds {
		ends = append(ends, time.Unix(at, 0).UTC())
	}
	if at, err := time.Parse(time.RFC3339, query["se"]); err == nil {
		ends = append(ends, at.UTC())
	}
	return ends
}

// recordingEvidence weighs what is said about the recordings of a call.
func (p *Provider) recordingEvidence(ctx context.Context, v *view, m *call.Mapped) {
	f := p.find(ctx, v, "")
	m.RecordingMark, m.Further = f.link.Mark, f.further
	var documents []string
	for _, s := range p.d.spec.Recording.Sources {
		documents = append(documents, s.Document)
	}
	m.Recording = p.evidence(ctx, v, &p.d.spec.Recording.evidence, f.ok, documents)
	if f.broken && (m.Recording.Evidence == call.EvidenceUnknown || m.Recording.Evidence == call.EvidencePromised) {
		m.Recording = call.PartEvidence{Evidence: call.EvidencePromised, Reason: "bad_url"}
	}
}

// Relink re-reads what gives a fresh recording URL, in the description's order
// until one does, and returns the new documents by name. Without a URL in them
// the vendor had none to give; call.ErrNotFound means that it says the call or
// its recording is gone.
func (p *Provider) Relink(ctx context.Context, docs call.Documents) (call.Documents, error) {
	fresh := call.Documents{}
	var gone error
	for _, name := range p.d.spec.Relink {
		if _, held := docs[name]; !held && !p.has(ctx, docs, name) {
			continue
		}
		document, doc, err := p.reread(ctx, name, docs)
		switch {
		case errors.Is(err, call.ErrNotFound):
			gone = err
			continue
		case err != nil:
			return nil, err
		}
		fresh[document] = doc
		gone = nil
		if doc.Status != 0 {
			gone = &Error{Op: "fetch " + name, Source: p.source, Status: doc.Status, Err: call.ErrNotFound}
			continue
		}
		if p.links(ctx, docs, document, doc) {
			return fresh, nil
		}
	}
	if gone != nil {
		return nil, gone
	}
	return fresh, nil
}

// has reports whether a call has the document of a step, by the step's condition.
func (p *Provider) has(ctx context.Context, docs call.Documents, name string) bool {
	st := p.d.steps[name]
	if st == nil {
		return true
	}
	v, err := p.see(ctx, docs)
	return err == nil && p.applies(ctx, v, st)
}

// links reports whether a fresh document holds a recording URL.
func (p *Provider) links(ctx context.Context, docs call.Documents, document string, doc call.Document) bool {
	all := maps.Clone(docs)
	all[document] = doc
	v, err := p.see(ctx, all)
	if err != nil {
		return false
	}
	return p.find(ctx, v, document).ok
}

// reread fetches a step, or the list item by the one-call request.
func (p *Provider) reread(ctx context.Context, name string, docs call.Documents) (document string, doc call.Document, err error) {
	if name != "item" {
		doc, err = p.Fetch(ctx, name, docs)
		return name, doc, err
	}
	const op = "fetch call"
	id, err := p.idOf(ctx, docs)
	if err != nil {
		return "", doc, &Error{Op: op, Source: p.source, Err: err}
	}
	item := p.d.spec.Item
	out, err := p.build(item, id, nil)
	if err != nil {
		return "", doc, &Error{Op: op, Source: p.source, Err: err}
	}
	r, err := p.ask(ctx, op, out, nil)
	if err != nil {
		return "", doc, oneCallOnly(err)
	}
	if err := p.checkContent(ctx, op, r, item.Unwrap, id, identified); err != nil {
		return "", doc, err
	}
	content, err := p.content(ctx, r.answer, item.Unwrap)
	if err != nil {
		return "", doc, p.corrupt(op, "answer has an unexpected shape")
	}
	return call.DocumentList, call.Document{Body: content.raw, FetchedAt: r.fetchedAt}, nil
}
