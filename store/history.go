package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// createHistory adds the events that can not be read off a call's versions.
func createHistory(tx *bolt.Tx) error {
	_, err := tx.CreateBucketIfNotExists(bucketHistory)
	return err
}

// History tells the life of a call, oldest event first: every version, and
// what became of its parts. ErrNotFound when there is no such call.
func (s *Store) History(ctx context.Context, key call.Key) ([]call.Event, error) {
	versions, err := s.Versions(ctx, key)
	if err != nil {
		return nil, err
	}
	events := make([]call.Event, 0, len(versions))
	var before call.Documents
	for _, v := range versions {
		e := call.Event{At: v.ObservedAt, Kind: call.EventVersion, Version: v.Number, SHA256: v.Fingerprint}
		if v.Number == 1 {
			e.Kind = call.EventListed
		}
		for _, name := range slices.Sorted(maps.Keys(v.Documents)) {
			if old, had := before[name]; !had || !bytes.Equal(old.Body, v.Documents[name].Body) {
				e.Documents = append(e.Documents, name)
			}
		}
		if v.Damaged {
			e.Note = "this version cannot be read any more"
		}
		before = v.Documents
		events = append(events, e)
	}
	prefix, err := callKey(key)
	if err != nil {
		return nil, err
	}
	err = s.scan(ctx, bucketHistory, prefix, nil, scanner{row: func(_ *bolt.Tx, k, v []byte) (bool, error) {
		e, err := decodeEvent(k, v)
		if err != nil {
			e = call.Event{Kind: call.EventDamaged, Note: "this entry cannot be read any more"}
		}
		events = append(events, e)
		return true, nil
	}})
	if err != nil {
		return nil, fmt.Errorf("history of %.128q: %w", key, err)
	}
	slices.SortStableFunc(events, func(a, b call.Event) int { return a.At.Compare(b.At) })
	return events, nil
}

func decodeEvent(k, v []byte) (e call.Event, err error) {
	body, err := openRow(k, v)
	if err == nil {
		err = json.Unmarshal(body, &e)
	}
	if err != nil {
		err = fmt.Errorf("event %x: %w: %w", k, call.ErrCorrupt, err)
	}
	return e, err
}

// remember appends what happened to a call besides its versions.
func (w *writer) remember(callKey []byte, events ...call.Event) error {
	b := w.tx.Bucket(bucketHistory)
	for _, e := range events {
		seq, err := b.NextSequence()
		if err != nil {
			return err
		}
		e.At = w.now
		body, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("encode event: %w", err)
		}
		key := binary.BigEndian.AppendUint64(slices.Clone(callKey), seq)
		if err := w.put(bucketHistory, key, sealRow(key, body)); err != nil {
			return err
		}
	}
	return nil
}

// partsEvent compares the parts of a call before and after a write.
func partsEvent(old, next *call.Record) (e call.Event, ok bool) {
	e.Kind = call.EventParts
	for _, name := range call.PartNames {
		was, is := old.Parts.Of(name), next.Parts.Of(name)
		if was.State == is.State && was.Reason == is.Reason && was.Attempts == is.Attempts {
			continue
		}
		e.Parts = append(e.Parts, call.PartEvent{Part: name, State: is.State, Reason: is.Reason, Attempts: is.Attempts})
		if rec := next.Call.Recording; name == call.PartRecording && is.State == call.Stored && len(next.Further) == 0 && rec != nil && rec.SHA256 != nil {
			e.SHA256 = *rec.SHA256
		}
	}
	return e, len(e.Parts) > 0
}
