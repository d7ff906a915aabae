package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

// keptStatements is how many completeness statements of a source are kept.
const keptStatements = 100

func createStatements(tx *bolt.Tx) error {
	_, err := tx.CreateBucketIfNotExists(bucketStatements)
	return err
}

// Statements returns up to limit completeness statements of a source, newest
// first; limit 0 means all. One that cannot be read only says so, as its doubt.
func (s *Store) Statements(ctx context.Context, source call.SourceID, limit int) ([]call.Statement, error) {
	list := []call.Statement{}
	err := s.view(ctx, func(tx *bolt.Tx) error {
		prefix := sourcePrefix(source)
		c := tx.Bucket(bucketStatements).Cursor()
		k, v := c.Seek(append(bytes.Clone(prefix), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
		if k == nil {
			k, v = c.Last()
		}
		for ; k != nil && bytes.Compare(k, prefix) > 0; k, v = c.Prev() {
			if !bytes.HasPrefix(k, prefix) {
				continue // the row the search began at, of a later source
			}
			one, err := decodeStatement(k, v)
			if err != nil { // what takes its place must not prove anything
				one = call.Statement{Source: source, Doubts: []string{"this statement cannot be read any more: the archive is damaged there"}, Missing: []call.ID{}, Extra: []call.ID{}}
			}
			list = append(list, one)
			if len(list) == limit {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("statements of source %s: %w", source, err)
	}
	return list, nil
}

func decodeStatement(k, b []byte) (st call.Statement, err error) {
	if b, err = openRow(k, b); err == nil {
		b, err = unpack(b)
	}
	if err == nil {
		err = json.Unmarshal(b, &st)
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", call.ErrCorrupt, err)
	}
	return st, err
}

// statement adds one and drops those beyond keptStatements.
func (w *writer) statement(source call.SourceID, st *call.Statement) error {
	body, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encode statement: %w", err)
	}
	b := w.tx.Bucket(bucketStatements)
	seq, err := b.NextSequence()
	if err != nil {
		return err
	}
	prefix := sourcePrefix(source)
	key := binary.BigEndian.AppendUint64(bytes.Clone(prefix), seq)
	if err := w.put(bucketStatements, key, sealRow(key, pack(nil, body))); err != nil {
		return err
	}
	var keys [][]byte
	c := b.Cursor()
	for k, _ := c.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = c.Next() {
		keys = append(keys, bytes.Clone(k))
	}
	for _, k := range keys[:max(0, len(keys)-keptStatements)] {
		if err := w.delete(bucketStatements, k); err != nil {
			return err
		}
	}
	return nil
}
