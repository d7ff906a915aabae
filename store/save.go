package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

// Batch and Due are the engine's words for what goes in and what is to be done.
type (
	Batch = call.Batch
	Due   = call.Due
)

// Save commits a batch in one transaction: either all of it is stored when
// Save returns, or nothing. A batch that changes nothing does not touch the
// file.
//
// Of each record the store itself sets Key, Source and ID agreeing with Key,
// the mirrored part states, Version, FirstSeenAt and ChangedAt. A record
// without transcript has none afterwards. An acknowledged loss stays
// acknowledged as long as the part stays lost. The first write of a call needs
// documents.
//
// When the disk is full the error says so and nothing was stored; Save works
// again once there is room. After any other failure of the disk the store
// refuses all further writes, because it cannot know what was stored; reading
// goes on. A restart brings certainty.
func (s *Store) Save(ctx context.Context, b call.Batch) error {
	if len(b.Writes) == 0 && b.Checkpoint == nil && b.Budget == nil && b.Statement == nil {
		return nil
	}
	err := checkSource(b.Source)
	if err == nil {
		err = s.update(ctx, func(w *writer) error { return w.batch(&b) })
	}
	if err != nil {
		return fmt.Errorf("save source %s: %w", b.Source, err)
	}
	return nil
}

// writer is one write transaction.
type writer struct {
	tx    *bolt.Tx
	now   time.Time
	dirty bool   // something was written
	seq   uint64 // last feed entry appended; 0 when none was
}

// job is one caller's part of a write transaction.
type job struct {
	fn   func(*writer) error
	done bool // guarded by Store.write, like err
	err  error
}

// update runs fn in a write transaction and commits what it wrote. fn runs again
// when a call it needs could not be read and was set aside, or what is derived
// from the calls had to be made anew.
func (s *Store) update(ctx context.Context, fn func(w *writer) error) error {
	return s.mending(ctx, func() error {
		return s.settingAside(ctx, func() error { return s.join(ctx, fn) })
	})
}

// join is update without a second try. Callers who wait while a commit is under
// way share the next one: its cost is one flush of the disk, however many join.
func (s *Store) join(ctx context.Context, fn func(w *writer) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	mine := &job{fn: fn}
	s.joining.Lock()
	s.jobs = append(s.jobs, mine)
	s.joining.Unlock()
	s.write.Lock()
	defer s.write.Unlock()
	if mine.done {
		return mine.err // somebody ahead took it along
	}
	s.joining.Lock()
	jobs := s.jobs
	s.jobs = nil
	s.joining.Unlock()
	if !slices.Contains(jobs, mine) { // taken by somebody who did not live to run it
		jobs = append(jobs, mine)
	}
	if err := s.together(jobs); err != nil && len(jobs) > 1 && s.poisoned == nil {
		for _, j := range jobs {
			j.err = s.together([]*job{j}) // one must not fail for another's mistake
		}
	} else {
		for _, j := range jobs {
			j.err = err
		}
	}
	for _, j := range jobs {
		j.done = true
	}
	return mine.err
}

// together runs all jobs in one transaction: all are committed, or none.
func (s *Store) together(jobs []*job) error {
	if err := s.mend(); err != nil {
		return err
	}
	tx, err := s.db.Begin(true)
	if err != nil {
		return err
	}
	defer s.watch("write", time.Now())
	defer tx.Rollback() // does nothing after a commit
	w := &writer{tx: tx, now: s.now().UTC().Round(0)}
	for _, j := range jobs {
		if err := j.fn(w); err != nil {
			return err
		}
	}
	if !w.dirty {
		return nil
	}
	// The number goes first: whoever sees an entry must find that it exists.
	before := s.seq.Load()
	if w.seq != 0 {
		s.seq.Store(w.seq)
	}
	if err := s.commit(tx); err != nil {
		s.seq.Store(before)
		return err
	}
	if w.seq != 0 {
		s.announce()
	}
	return nil
}

// commit leaves the store poisoned unless it can tell what is on disk, also
// when bbolt panics over a damaged page.
func (s *Store) commit(tx *bolt.Tx) error {
	id := tx.ID()
	s.poisoned = errInDoubt
	crashpoint.Reach(crashpoint.CommitPending)
	if err := tx.Commit(); err != nil {
		return s.commitFailed(id, err)
	}
	crashpoint.Reach(crashpoint.CommitDone)
	s.poisoned = nil
	return nil
}

var errInDoubt = errors.New("a commit ended in doubt, no more is written until callsyncd is restarted")

// commitFailed tells a full disk, after which nothing has changed, from a
// commit that may or may not have reached the disk.
func (s *Store) commitFailed(id int, err error) error {
	visible := true
	if viewErr := s.db.View(func(tx *bolt.Tx) error { visible = tx.ID() >= id; return nil }); viewErr != nil {
		err = errors.Join(err, viewErr)
	}
	if !visible && noSpace(err) {
		s.poisoned = nil
		return fmt.Errorf("the disk is full: %w", err)
	}
	if failed, ok := errors.AsType[*fs.PathError](err); ok && failed.Op == "write" && noSpace(err) {
		s.poisoned = errHalfFull
		return fmt.Errorf("%w: %w", errHalfFull, err)
	}
	s.poisoned = fmt.Errorf("%w: %w", errInDoubt, err)
	s.log.Error("archive no longer accepts writes", "err", err)
	return s.poisoned
}

// errHalfFull: of a commit everything reached the disk, which then had no room
// for the rest of the page that makes it valid. What counts of that page is its
// beginning.
var errHalfFull = errors.New("the disk is full: the last commit may be stored")

// mend ends the doubt about such a commit: the archive is opened anew, and what
// is valid in it is made durable before anything else is written. The caller
// holds write.
func (s *Store) mend() error {
	if !errors.Is(s.poisoned, errHalfFull) {
		return s.poisoned
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.ended {
		return bolterrors.ErrDatabaseNotOpen
	}
	err := s.db.Close()
	var db *bolt.DB
	if err == nil {
		db, err = openBolt(filepath.Join(s.dir, fileName))
	}
	if err != nil {
		return fmt.Errorf("open the archive again: %w", err)
	}
	s.db = db
	if err := db.Sync(); err != nil {
		s.poisoned = fmt.Errorf("%w: %w", errInDoubt, err)
		return s.poisoned
	}
	s.poisoned = nil
	return s.loadSeq()
}

// noSpace recognises a full disk, also where bbolt passes only its text on.
func noSpace(err error) bool {
	for _, full := range noSpaceErrors {
		if errors.Is(err, full) || strings.HasSuffix(err.Error(), full.Error()) {
			return true
		}
	}
	return false
}

func (w *writer) batch(b *call.Batch) error {
	counts, err := loadCounts(w.tx, b.Source)
	if err != nil {
		return err
	}
	for i := range b.Writes {
		write := &b.Writes[i]
		if source := write.Record.Call.Key.Source; source != b.Source {
			return fmt.Errorf("call %.64q belongs to source %q", write.Record.Call.Key.ID, source)
		}
		if err := w.call(write, &counts); err != nil {
			return fmt.Errorf("call %.64q: %w", write.Record.Call.Key.ID, err)
		}
	}
	if len(b.Writes) > 0 {
		if err := w.counts(b.Source, counts); err != nil {
			return err
		}
	}
	if b.Checkpoint != nil {
		body, err := json.Marshal(b.Checkpoint)
		if err != nil {
			return fmt.Errorf("encode checkpoint: %w", err)
		}
		if err := w.put(bucketCheckpoints, []byte(b.Source), sealRow([]byte(b.Source), body)); err != nil {
			return err
		}
	}
	if err := w.budget(b); err != nil {
		return err
	}
	if b.Statement != nil {
		return w.statement(b.Source, b.Statement)
	}
	return nil
}

func (w *writer) budget(b *call.Batch) error {
	if b.Budget == nil {
		return nil
	}
	state := b.Budget()
	if state == nil {
		return nil
	}
	return w.put(bucketBudgets, []byte(b.Source), sealRow([]byte(b.Source), state))
}

// call is the only way call content gets into the file. It keeps counters,
// queues, gaps and the time index in step with the record.
func (w *writer) call(write *call.Write, counts *call.Counts) error {
	r, docs := write.Record, write.Documents
	c := &r.Call
	c.Source, c.ID = c.Key.Source, c.Key.ID
	key, err := callKey(c.Key)
	if err != nil {
		return err
	}
	old, refs, err := loadStored(w.tx, c.Key, key)
	if err != nil && !errors.Is(err, call.ErrNotFound) {
		return err
	}
	isNew := err != nil
	if isNew && len(docs) == 0 {
		return errors.New("its first write has no documents")
	}
	c.FirstSeenAt, c.ChangedAt = old.Call.FirstSeenAt, old.Call.ChangedAt
	if isNew || c.FirstSeenAt.After(w.now) { // the clock was set back
		c.FirstSeenAt = w.now
	}
	if len(docs) > 0 {
		c.ChangedAt = w.now
	}
	if err := w.bulk(key, &r, docs, &refs); err != nil {
		return err
	}
	c.Version = len(refs.versions)
	keepAcknowledged(&old, &r)
	r.Mirror()
	r.OpenSince = openSince(&old, &r, w.now)
	body, err := encodeRecord(&r, &refs)
	if err != nil {
		return err
	}
	if err := w.put(bucketCalls, key, body); err != nil {
		return err
	}
	entries := entriesOf(key, &r)
	if !isNew {
		countCall(counts, &old, -1)
		if err := w.unlist(entriesOf(key, &old), entries); err != nil {
			return err
		}
	}
	countCall(counts, &r, 1)
	for _, e := range entries {
		if err := w.put(e.bucket, e.key, e.value); err != nil {
			return err
		}
	}
	events := slices.Clone(write.Events)
	for i := range events {
		if events[i].Kind == call.EventQuarantined && len(docs) > 0 {
			events[i].Version = c.Version
		}
	}
	if e, changed := partsEvent(&old, &r); changed && !isNew {
		events = append(events, e)
	}
	if err := w.remember(key, events...); err != nil || write.Kind == "" {
		return err
	}
	return w.change(key, write.Kind)
}

// keepAcknowledged carries acknowledgements over to a write that was made from
// an older reading of the call. One that knows of the acknowledgement may open
// the part again.
func keepAcknowledged(old, next *call.Record) {
	for _, name := range call.PartNames {
		if name != call.PartRecording || len(next.Further) == 0 {
			keepAccepted(old.Parts.Of(name), next.Parts.Of(name))
		}
	}
	if len(next.Further) == 0 {
		return
	}
	keepAccepted(old.MainPart(), next.MainPart())
	for i := range next.Further {
		if had := old.FurtherOf(next.Further[i].Label); had != nil {
			keepAccepted(&had.Part, &next.Further[i].Part)
		}
	}
	next.Join()
}

func keepAccepted(had, part *call.Part) {
	if part.State == call.Lost && had.State == call.Lost && part.Acknowledged == nil {
		part.Acknowledged = had.Acknowledged
	}
	if part.State == call.Pending && had.State == call.Lost && had.Acknowledged != nil && part.Acknowledged == nil {
		*part = *had
	}
}

// unlist removes the derived rows that are no longer implied.
func (w *writer) unlist(old, next []entry) error {
	for _, o := range old {
		gone := true
		for _, n := range next {
			gone = gone && !(bytes.Equal(o.bucket, n.bucket) && bytes.Equal(o.key, n.key))
		}
		if gone {
			if err := w.delete(o.bucket, o.key); err != nil {
				return err
			}
		}
	}
	return nil
}

// bulk appends a version when there are documents, stores the transcript when
// it is not the stored one, and notes in refs where they are.
func (w *writer) bulk(key []byte, r *call.Record, docs call.Documents, refs *refs) error {
	transcript, digest := encodeTranscript(r.Call.Transcript)
	sameTranscript := bytes.Equal(digest, refs.digest)
	ownRow := false
	switch {
	case len(docs) > 0:
		v := storedVersion{key, len(refs.versions) + 1, w.now, fingerprintOf(r.Fingerprints), docs, nil}
		if !sameTranscript {
			v.transcript = transcript
		}
		seq, err := w.append(bucketVersions, v.encode())
		if err != nil {
			return err
		}
		refs.versions = append(refs.versions, seq)
		if !sameTranscript {
			refs.transcript = seq
		}
	case !sameTranscript:
		ownRow, refs.transcript = len(digest) > 0, ownTranscript
	}
	if sameTranscript {
		return nil
	}
	if refs.digest = digest; digest == nil {
		refs.transcript = ownTranscript
	}
	if ownRow {
		return w.put(bucketTranscripts, key, pack(nil, transcript))
	}
	return w.delete(bucketTranscripts, key)
}

// change appends an entry to the feed.
func (w *writer) change(callKey []byte, kind call.ChangeKind) error {
	seq, err := w.append(bucketChanges, encodeChange(w.now, kind, callKey))
	w.seq = seq
	return err
}

// append adds a row at the end of a numbered bucket. Such a bucket is never
// written in the middle, so its pages may be full.
func (w *writer) append(bucket, value []byte) (seq uint64, err error) {
	b := w.tx.Bucket(bucket)
	b.FillPercent = 1
	if seq, err = b.NextSequence(); err != nil {
		return 0, err
	}
	w.dirty = true
	return seq, b.Put(seqKey(seq), value)
}

func (w *writer) counts(source call.SourceID, counts call.Counts) error {
	body, err := json.Marshal(counts)
	if err != nil {
		return fmt.Errorf("encode counters: %w", err)
	}
	return w.put(bucketCounts, []byte(source), sealRow([]byte(source), body))
}

// put stores a value unless it is there already.
func (w *writer) put(bucket, key, value []byte) error {
	b := w.tx.Bucket(bucket)
	if bytes.Equal(b.Get(key), value) && len(value) > 0 {
		return nil
	}
	w.dirty = true
	return b.Put(key, value)
}

// delete removes a key if it is there.
func (w *writer) delete(bucket, key []byte) error {
	b := w.tx.Bucket(bucket)
	if b.Get(key) == nil {
		return nil
	}
	w.dirty = true
	return b.Delete(key)
}
