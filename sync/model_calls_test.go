package callsync

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"callsyncd/call"
)

func (v *modelVendor) Learn(call.Documents, map[string]string) bool { return false }

func (v *modelVendor) Renew(part call.PartName, _ call.Documents) []string {
	if part == call.PartTranscript {
		return []string{"transcript"}
	}
	return nil
}

func (v *modelVendor) Fingerprint(_ string, body json.RawMessage) (string, error) {
	return string(body), nil
}

func (v *modelVendor) Map(docs call.Documents) (call.Mapped, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, listed := v.find(docs)
	created, status := listed.Created, call.StatusCompleted
	m := call.Mapped{Call: call.Call{ID: call.ID(listed.ID), CreatedAt: &created, StartedAt: &created, Status: &status, Metadata: json.RawMessage(`{}`)}}
	m.Summary = call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: "flag"}
	m.Transcript = call.PartEvidence{Evidence: call.EvidenceAbsent, Reason: "flag"}
	m.Recording = call.PartEvidence{Evidence: call.Evidence(listed.Audio), Reason: "flag"}
	if listed.Audio == "link" {
		m.Recording.Evidence = call.EvidencePresent
	}
	switch doc, ok := docs["transcript"]; {
	case ok && doc.Status == 0:
		var text string
		_ = json.Unmarshal(doc.Body, &text)
		m.Call.Transcript = []call.Turn{{Speaker: call.SpeakerAgent, Text: text}}
		m.TranscriptFrom, m.Transcript = "transcript", call.PartEvidence{Evidence: call.EvidencePresent}
	case listed.Flag:
		m.Transcript = call.PartEvidence{Evidence: call.EvidencePromised, Reason: "http_404"}
	case v.plan.Flagless:
		m.Transcript = call.PartEvidence{Evidence: call.EvidenceUnknown, Reason: "http_404"}
	}
	return m, nil
}

func (v *modelVendor) Link(docs call.Documents) (call.RecordingLink, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	doc := docs[call.DocumentList]
	_, listed := v.find(docs)
	return call.RecordingLink{URL: call.SignedURL(fmt.Sprintf("%s?%d", listed.ID, doc.FetchedAt.Unix())),
		FetchedAt: doc.FetchedAt, ExpiresAt: doc.FetchedAt.Add(time.Hour)}, listed.Audio == "link"
}

func (v *modelVendor) Relink(ctx context.Context, docs call.Documents) (call.Documents, error) {
	if err := v.request(ctx); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	c, _ := v.find(docs)
	if c == nil {
		return nil, call.ErrNotFound
	}
	return call.Documents{call.DocumentList: {Body: c.row(), FetchedAt: time.Now()}}, nil
}

func (v *modelVendor) FetchLookup(context.Context, string) (call.LookupTable, error) {
	return call.LookupTable{}, call.ErrNotFound
}
func (v *modelVendor) SetLookup(call.LookupTable) {}
func (v *modelVendor) Missed() []string           { return nil }

// media is the answer of the vendor's media host for an address.
func (v *modelVendor) media(url string) error {
	id, at, _ := strings.Cut(url, "?")
	var made int64
	_, _ = fmt.Sscan(at, &made)
	v.mu.Lock()
	defer v.mu.Unlock()
	if time.Now().Before(v.mediaTill) {
		v.tally.fault("media host out")
		return call.ErrTransient
	}
	if time.Since(time.Unix(made, 0)) > time.Hour {
		return call.ErrExpired
	}
	for _, c := range v.calls {
		if c.ID == id {
			if c.trouble != nil {
				v.tally.fault("recording out of reach")
			}
			return c.trouble
		}
	}
	return call.ErrExpired
}
