package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"callsyncd/call"
)

// storedCall is call.Call as kept in the calls bucket: absent fields are left
// out, and what is kept elsewhere (key, transcript, part states, metadata) is
// not repeated. The two types convert into each other, so a new field of
// call.Call does not compile until it has a place here.
type storedCall struct {
	Key                  call.Key        `json:"-"`
	Source               call.SourceID   `json:"-"`
	Provider             string          `json:"provider,omitzero"`
	ID                   call.ID         `json:"-"`
	Direction            *call.Direction `json:"direction,omitzero"`
	Status               *call.Status    `json:"status,omitzero"`
	Outcome              *string         `json:"outcome,omitzero"`
	Phone                *string         `json:"phone,omitzero"`
	FromNumber           *string         `json:"from,omitzero"`
	ToNumber             *string         `json:"to,omitzero"`
	AgentID              *string         `json:"agent_id,omitzero"`
	AgentName            *string         `json:"agent,omitzero"`
	UserID               *string         `json:"user_id,omitzero"`
	ContactID            *string         `json:"contact_id,omitzero"`
	ContactName          *string         `json:"contact,omitzero"`
	ContactEmail         *string         `json:"email,omitzero"`
	CampaignID           *string         `json:"campaign_id,omitzero"`
	CampaignName         *string         `json:"campaign,omitzero"`
	StartedAt            *time.Time      `json:"started,omitempty"`
	StartedAtApproximate bool            `json:"approximate,omitzero"`
	EndedAt              *time.Time      `json:"ended,omitempty"`
	CreatedAt            *time.Time      `json:"created,omitempty"`
	UpdatedAt            *time.Time      `json:"updated,omitempty"`
	DurationSeconds      *float64        `json:"seconds,omitzero"`
	Cost                 *float64        `json:"cost,omitzero"`
	CostCurrency         *string         `json:"currency,omitzero"`
	SentimentLabel       *string         `json:"sentiment,omitzero"`
	SentimentScore       *float64        `json:"score,omitzero"`
	Summary              *string         `json:"summary,omitzero"`
	Topics               []string        `json:"topics,omitzero"`
	Note                 *string         `json:"note,omitzero"`
	Transcript           []call.Turn     `json:"-"`
	Recording            *call.Recording `json:"recording,omitzero"`
	Parts                call.PartStates `json:"-"`
	Settled              bool            `json:"-"`
	Version              int             `json:"-"`
	FirstSeenAt          time.Time       `json:"first_seen,omitzero"`
	ChangedAt            time.Time       `json:"changed,omitzero"`
	DeletedUpstreamAt    *time.Time      `json:"deleted,omitempty"`
	Metadata             json.RawMessage `json:"-"`
}

type storedRecord struct {
	Call           storedCall        `json:"call"`
	Parts          call.Parts        `json:"parts"`
	Fingerprints   map[string]string `json:"fingerprints,omitzero"`
	TranscriptFrom string            `json:"transcript_from,omitzero"`
	MissedSweeps   int               `json:"missed_sweeps,omitzero"`
	RecordingMark  string            `json:"recording_mark,omitzero"`

	Former  []call.FormerRecording  `json:"former,omitzero"`
	Further []call.FurtherRecording `json:"further,omitzero"`
	Main    call.Part               `json:"main,omitzero"`

	OpenSince map[call.PartName]time.Time `json:"open_since,omitempty"`
}

// markSeparator stands between the list fingerprint and the recording's mark,
// where there is one.
const markSeparator = "\x00"

// The bits of a record's second byte. Records of before lack the missing mark.
const (
	pendingMark = 1 << iota // the recording is pending
	missingMark             // not listed by the last sweep, or deleted at the vendor
)

// recordFormat began the values of the calls bucket before they were sealed.
const recordFormat = 1

// refs say where the bulk of a call is.
type refs struct {
	// versions are the keys of the call's rows in the versions bucket, in
	// order. Their number is the call's version.
	versions []uint64
	// transcript is the key of the version whose row holds the turns too;
	// ownTranscript when they have a row in the transcripts bucket.
	transcript uint64
	// digest tells transcripts apart; nil when there is none.
	digest []byte
}

// ownTranscript is no key of the versions bucket; those count from 1.
const ownTranscript = 0

// encodeRecord encodes a record without its key and transcript. What the
// engine asks for on every list row comes first, in front of the packed JSON.
func encodeRecord(r *call.Record, refs *refs) ([]byte, error) {
	body, err := json.Marshal(storedRecord{storedCall(r.Call), r.Parts, r.Fingerprints, r.TranscriptFrom, r.MissedSweeps, r.RecordingMark, r.Former, r.Further, r.Main, r.OpenSince})
	if err != nil {
		return nil, fmt.Errorf("encode call: %w", err)
	}
	marks := byte(0)
	if r.Parts.Recording.State == call.Pending {
		marks |= pendingMark
	}
	if r.MissedSweeps > 0 || r.Call.DeletedUpstreamAt != nil {
		marks |= missingMark
	}
	b := make([]byte, 0, len(body)+len(r.Call.Metadata)+64)
	b = append(b, sealed, marks)
	b = appendBytes(b, []byte(listAndMark(r)))
	b = binary.AppendUvarint(b, uint64(len(refs.versions)))
	for _, seq := range refs.versions {
		b = binary.AppendUvarint(b, seq)
	}
	b = appendBytes(b, refs.digest)
	b = binary.AppendUvarint(b, refs.transcript)
	b = appendBytes(b, r.Call.Metadata)
	return seal(nil, pack(b, body)), nil
}

func listAndMark(r *call.Record) string {
	if r.RecordingMark == "" {
		return r.Fingerprints[call.DocumentList]
	}
	return r.Fingerprints[call.DocumentList] + markSeparator + r.RecordingMark
}

// decodeKnown decodes only what decides whether a listed call is news. It sees
// whether the whole record is sound.
func decodeKnown(key call.Key, b []byte) (known call.Known, err error) {
	if b, err = unseal(nil, b); err == nil {
		known, _, err = cutKnown(b)
	}
	if err != nil {
		return call.Known{}, &spoiled{key, spoiledRecord, fmt.Errorf("decode call: %w", err)}
	}
	return known, nil
}

func cutKnown(b []byte) (known call.Known, rest []byte, err error) {
	if len(b) < 2 || b[0] != recordFormat && b[0] != sealed || b[1] > pendingMark|missingMark {
		return call.Known{}, nil, fmt.Errorf("%w: unknown record format", call.ErrCorrupt)
	}
	list, rest, err := cutBytes(b[2:])
	if err != nil {
		return call.Known{}, nil, err
	}
	print, mark, _ := strings.Cut(string(list), markSeparator)
	return call.Known{ListFingerprint: print, RecordingPending: b[1]&pendingMark != 0, RecordingMark: mark, Missing: b[1]&missingMark != 0}, rest, nil
}

func cutRefs(b []byte) (r refs, rest []byte, err error) {
	count, b, err := cutUvarint(b)
	if err != nil {
		return r, nil, err
	}
	for range count {
		var seq uint64
		if seq, b, err = cutUvarint(b); err != nil {
			return r, nil, err
		}
		r.versions = append(r.versions, seq)
	}
	digest, b, err := cutBytes(b)
	if err != nil {
		return r, nil, err
	}
	if len(digest) > 0 {
		r.digest = bytes.Clone(digest)
	}
	r.transcript, b, err = cutUvarint(b)
	return r, b, err
}

// refsOf decodes only where the bulk of a call is. It sees whether the whole
// record is sound.
func refsOf(b []byte) (r refs, err error) {
	if b, err = unseal(nil, b); err == nil {
		_, b, err = cutKnown(b)
	}
	if err == nil {
		r, _, err = cutRefs(b)
	}
	return r, err
}

// decodeRecord decodes the record of a key, without its transcript. Nothing of
// the result refers to b. Its error is spoiled.
func decodeRecord(key call.Key, b []byte) (r call.Record, refs refs, err error) {
	defer func() {
		if err != nil {
			r, err = call.Record{}, &spoiled{key, spoiledRecord, fmt.Errorf("decode call: %w", err)}
		}
	}()
	if b, err = unseal(nil, b); err != nil {
		return r, refs, err
	}
	if _, b, err = cutKnown(b); err != nil {
		return r, refs, err
	}
	if refs, b, err = cutRefs(b); err != nil {
		return r, refs, err
	}
	metadata, b, err := cutBytes(b)
	if err != nil {
		return r, refs, err
	}
	body, err := unpack(b)
	if err != nil {
		return r, refs, err
	}
	var stored storedRecord
	if err := json.Unmarshal(body, &stored); err != nil {
		return r, refs, fmt.Errorf("%w: %w", call.ErrCorrupt, err)
	}
	r = call.Record{Call: call.Call(stored.Call), Parts: stored.Parts, Fingerprints: stored.Fingerprints, TranscriptFrom: stored.TranscriptFrom, MissedSweeps: stored.MissedSweeps,
		RecordingMark: stored.RecordingMark, Former: stored.Former, Further: stored.Further, Main: stored.Main, OpenSince: stored.OpenSince}
	r.Call.Key, r.Call.Source, r.Call.ID = key, key.Source, key.ID
	r.Call.Version = len(refs.versions)
	if len(metadata) > 0 {
		r.Call.Metadata = bytes.Clone(metadata)
	}
	r.Mirror()
	return r, refs, nil
}
