package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"callsyncd/call"
)

// Map turns the documents of a call into the vendor's facts about it. Odd data
// costs the field it is in, never the call; the only error, call.ErrCorrupt,
// is a list item without an id.
func (p *Provider) Map(docs call.Documents) (call.Mapped, error) {
	ctx := context.Background()
	v, err := p.see(ctx, docs)
	if err != nil {
		return call.Mapped{}, fmt.Errorf("map call: %w", err)
	}
	c := call.Call{Source: p.source, Provider: p.d.spec.Name, ID: v.id, Key: call.Key{Source: p.source, ID: v.id}}
	p.mapTexts(ctx, v, &c)
	p.mapTimes(ctx, v, &c)
	p.mapWords(ctx, v, &c)
	derived := p.mapSentiment(ctx, v, &c)
	t := p.transcript(ctx, v, &c)
	c.Transcript = t.turns
	c.Metadata = p.metadata(ctx, v, derived, t.split)

	m := call.Mapped{Call: c, TranscriptFrom: t.document}
	var documents []string
	for _, s := range p.d.spec.Transcript.Sources {
		documents = append(documents, s.Document)
	}
	m.Transcript = p.evidence(ctx, v, &p.d.spec.Transcript.evidence, len(t.turns) > 0, documents)
	m.Summary = p.evidence(ctx, v, &p.d.spec.Summary, c.Summary != nil, nil)
	p.recordingEvidence(ctx, v, &m)
	return m, nil
}

func (p *Provider) mapTexts(ctx context.Context, v *view, c *call.Call) {
	m := &p.d.spec.Map
	for _, f := range []struct {
		to *(*string)
		e  *callExpr
	}{
		{&c.Outcome, m.Outcome}, {&c.Phone, m.Phone}, {&c.FromNumber, m.FromNumber}, {&c.ToNumber, m.ToNumber},
		{&c.AgentID, m.AgentID}, {&c.AgentName, m.AgentName}, {&c.UserID, m.UserID},
		{&c.ContactID, m.ContactID}, {&c.ContactName, m.ContactName}, {&c.ContactEmail, m.ContactEmail},
		{&c.CampaignID, m.CampaignID}, {&c.CampaignName, m.CampaignName},
		{&c.CostCurrency, m.CostCurrency}, {&c.Summary, m.Summary}, {&c.Note, m.Note},
	} {
		*f.to = pick(p, ctx, v, f.e, textOf)
	}
	c.DurationSeconds = pick(p, ctx, v, m.DurationSeconds, lengthOf)
	c.Cost = pick(p, ctx, v, m.Cost, numberOf)
	if topics := pick(p, ctx, v, m.Topics, topicsOf); topics != nil {
		c.Topics = *topics
	}
}

func (p *Provider) mapTimes(ctx context.Context, v *view, c *call.Call) {
	m, l := &p.d.spec.Map, &p.d.spec.List
	c.StartedAt = pick(p, ctx, v, m.StartedAt, timeOf)
	c.StartedAtApproximate = c.StartedAt != nil && truthy(p.field(ctx, v, m.StartedAtApproximate))
	c.EndedAt = pick(p, ctx, v, m.EndedAt, timeOf)
	c.CreatedAt = pick(p, ctx, v, m.CreatedAt, timeOf)
	c.UpdatedAt = pick(p, ctx, v, m.UpdatedAt, timeOf)
	item := v.values[call.DocumentList]
	if t := p.listTime(ctx, "list.created_at", l.CreatedAt, item); m.CreatedAt == nil && !t.IsZero() {
		c.CreatedAt = &t
	}
	if t := p.listTime(ctx, "list.updated_at", l.UpdatedAt, item); m.UpdatedAt == nil && !t.IsZero() {
		c.UpdatedAt = &t
	}
}

func (p *Provider) mapWords(ctx context.Context, v *view, c *call.Call) {
	if word := pick(p, ctx, v, p.d.spec.Map.Direction, textOf); word != nil {
		direction := p.d.words.directionOf(*word)
		c.Direction = &direction
	}
	if status := p.status(ctx, v); status != "" {
		c.Status = &status
	}
}

// derivedFrom is the sentiment score beyond which a missing label is put in.
const derivedFrom = 0.25

// mapSentiment sets label and score. It reports whether the label is ours,
// because the vendor gave only a score.
func (p *Provider) mapSentiment(ctx context.Context, v *view, c *call.Call) (derived bool) {
	m := &p.d.spec.Map
	if word := pick(p, ctx, v, m.SentimentLabel, textOf); word != nil {
		if label, known := p.d.words.sentiment[fold(*word)]; known {
			c.SentimentLabel = &label
		}
	}
	c.SentimentScore = pick(p, ctx, v, m.SentimentScore, numberOf)
	if c.SentimentScore != nil && math.Abs(*c.SentimentScore) > 1 {
		c.SentimentScore = nil
		p.oddData(ctx, m.SentimentScore.key)
	}
	if c.SentimentLabel != nil || c.SentimentScore == nil {
		return false
	}
	label := "neutral"
	switch score := *c.SentimentScore; {
	case score > derivedFrom:
		label = "positive"
	case score < -derivedFrom:
		label = "negative"
	}
	c.SentimentLabel = &label
	return true
}

// topicsOf takes an array of texts, or one text.
func topicsOf(v any) (*[]string, bool) {
	array, isArray := v.([]any)
	if !isArray {
		text, ok := textOf(v)
		if text == nil {
			return nil, ok
		}
		return &[]string{*text}, true
	}
	topics, all := []string{}, true
	for _, element := range array {
		text, ok := textOf(element)
		all = all && ok
		if text != nil {
			topics = append(topics, *text)
		}
	}
	if len(topics) == 0 {
		return nil, all
	}
	return &topics, all
}

// metadata is the description's choice of further facts, and our own remarks.
func (p *Provider) metadata(ctx context.Context, v *view, derived, split bool) json.RawMessage {
	e := p.d.spec.Map.Metadata
	value := p.field(ctx, v, e)
	object, ok := value.(map[string]any)
	if !ok && value != nil {
		p.oddData(ctx, e.key)
	}
	all := make(map[string]any, len(object)+2)
	for name, value := range object {
		all[name] = value
	}
	if derived {
		all["sentiment_derived"] = true
	}
	if split {
		all["transcript_split"] = true
	}
	text, err := canonical(all)
	if err != nil { // a number JSON cannot write
		p.oddData(ctx, e.key)
		return json.RawMessage("{}")
	}
	return text
}

// evidence weighs what the vendor says about a part: content, then its flags,
// then the documents that answered "not there".
func (p *Provider) evidence(ctx context.Context, v *view, says *evidence, present bool, documents []string) call.PartEvidence {
	if present {
		return call.PartEvidence{Evidence: call.EvidencePresent}
	}
	if reason, ok := p.said(ctx, v, says.Absent, "flag"); ok {
		return call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: reason}
	}
	waiting := false
	for _, name := range documents {
		doc := v.docs[name]
		if doc.Status == 0 {
			continue
		}
		if p.meaning(ctx, name, doc) == absentNever {
			return call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: fmt.Sprintf("http_%d", doc.Status)}
		}
		waiting = true
	}
	reason, promised := p.said(ctx, v, says.Promised, "not_ready")
	switch {
	case promised:
		return call.PartEvidence{Evidence: call.EvidencePromised, Reason: reason}
	case waiting:
		return call.PartEvidence{Evidence: call.EvidenceUnknown, Reason: "not_ready"}
	}
	return call.PartEvidence{Evidence: call.EvidenceUnknown}
}

// said evaluates a condition; a word it gives is the reason.
func (p *Provider) said(ctx context.Context, v *view, e *callExpr, otherwise string) (reason string, ok bool) {
	value := p.field(ctx, v, e)
	if word, isText := value.(string); isText && word != "" {
		return word, true
	}
	return otherwise, value == true
}
