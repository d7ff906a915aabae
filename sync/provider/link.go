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

// Link is where the recording of a call can be had now; of several places the
// one read last. It is false when the documents hold no usable URL.
func (p *Provider) Link(docs call.Documents) (call.RecordingLink, bool) {
	ctx := context.Background()
	v, err := p.see(ctx, docs)
	if err != nil {
		return call.RecordingLink{}, false
	}
	link, ok, _ := p.link(ctx, v, "")
	return link, ok
}

// link looks in one document, or in all when only is empty. It also reports
// whether the vendor gave something that is not a usable URL.
func (p *Provider) link(ctx context.Context, v *view, only string) (best call.RecordingLink, ok, broken bool) {
	for i := range p.d.spec.Recording.Sources {
		s := &p.d.spec.Recording.Sources[i]
		document := v.values[s.Document]
		if document == nil || only != "" && only != s.Document {
			continue
		}
		address, isText := p.fieldOf(ctx, v, s.URL, document).(string)
		if !isText || strings.TrimSpace(address) == "" {
			continue
		}
		u, err := url.Parse(strings.TrimSpace(address))
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			broken = true
			continue
		}
		link := call.RecordingLink{URL: call.SignedURL(strings.TrimSpace(address)), FetchedAt: v.docs[s.Document].FetchedAt}
		p.expiry(ctx, v, s, document, u, &link)
		link.Mark = p.mark(ctx, v, s, document, u)
		if n, _ := numberOf(p.fieldOf(ctx, v, s.Count, document)); n != nil && *n > 0 && *n < maxRecordings {
			link.Of = int(*n)
		}
		if !ok || link.FetchedAt.After(best.FetchedAt) {
			best, ok = link, true
		}
	}
	return best, ok, broken
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

// expiry takes the earliest end the vendor or the URL gives, else the
// documented life, else a guess.
func (p *Provider) expiry(ctx context.Context, v *view, s *linkSource, document any, u *url.URL, link *call.RecordingLink) {
	ends := signedUntil(u)
	if at, ok := timeOf(p.fieldOf(ctx, v, s.ExpiresAt, document)); at != nil {
		ends = append(ends, *at)
	} else if !ok {
		p.oddData(ctx, s.ExpiresAt.key)
	}
	if seconds, ok := lengthOf(p.fieldOf(ctx, v, s.ExpiresIn, document)); seconds != nil && *seconds > 0 && *seconds < longestLife {
		ends = append(ends, link.FetchedAt.Add(time.Duration(*seconds*float64(time.Second))))
	} else if !ok {
		p.oddData(ctx, s.ExpiresIn.key)
	}
	switch {
	case len(ends) > 0:
		link.ExpiresAt = ends[0]
		for _, end := range ends[1:] {
			if end.Before(link.ExpiresAt) {
				link.ExpiresAt = end
			}
		}
	case s.Lifetime > 0:
		link.ExpiresAt = link.FetchedAt.Add(time.Duration(s.Lifetime))
	default:
		link.ExpiresAt, link.Guessed = link.FetchedAt.Add(guessedLifetime), true
	}
}

// maxRecordings bounds believable numbers of recordings of a call.
const maxRecordings = 1000

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

// recordingEvidence also returns the mark of the recording's link.
func (p *Provider) recordingEvidence(ctx context.Context, v *view) (e call.PartEvidence, mark string) {
	link, ok, broken := p.link(ctx, v, "")
	mark = link.Mark
	var documents []string
	for _, s := range p.d.spec.Recording.Sources {
		documents = append(documents, s.Document)
	}
	e = p.evidence(ctx, v, &p.d.spec.Recording.evidence, ok, documents)
	if e.Evidence == call.EvidenceUnknown && broken {
		e = call.PartEvidence{Evidence: call.EvidencePromised, Reason: "bad_url"}
	}
	return e, mark
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
	_, ok, _ := p.link(ctx, v, document)
	return ok
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
