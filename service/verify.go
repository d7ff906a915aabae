package service

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
	"callsyncd/store"
)

// Verify proves the archive against itself: the database's own check, every
// stored hash recomputed, recordings missing or left over, and the index
// against the store. Its error means that it could not be carried out.
func (a *Archive) Verify(ctx context.Context) (call.VerifyReport, error) {
	v := &verifier{a: a, files: make(map[string]call.Key), report: call.VerifyReport{
		StartedAt: a.clock.Now().UTC(), Problems: []call.VerifyFinding{}, Notes: []call.VerifyFinding{},
		Proves: []string{
			"every call, version and recording in the archive is what was written, byte for byte",
			"no recording file is missing, and none lies there that the archive does not know",
			"the index holds exactly the archive's calls",
		},
		CannotProve: []string{
			"that nobody with write access changed the database and its hashes together; the tamper-evident ledger is not part of this version",
			"that the vendor told the truth, or listed everything it has",
			"anything about calls the vendor deleted before the first sync",
		},
	}}
	steps := []func(context.Context) error{v.database, v.recordings, v.strays, v.reopen, v.index}
	for _, step := range steps {
		err := step(ctx)
		if unreadable, ok := errors.AsType[*store.Unreadable](err); ok {
			v.problem("unreadable_records", nil, "", "%v; recordings and index were not compared with them", unreadable)
			break
		}
		if errors.Is(err, call.ErrCorrupt) {
			v.problem("database", nil, "", "%v; the rest was not looked at", err)
			break
		}
		if err != nil {
			return v.report, fmt.Errorf("verify: %w", err)
		}
	}
	v.report.FinishedAt = v.a.clock.Now().UTC()
	v.report.OK = len(v.report.Problems) == 0
	return v.report, nil
}

type verifier struct {
	a      *Archive
	report call.VerifyReport
	files  map[string]call.Key // recordings the store knows
	// refetch are recordings that are no longer what they were.
	refetch []refetch
}

// refetch is a recording to be fetched again.
type refetch struct {
	key    call.Key
	label  string // empty for the main one
	file   string
	reason string
}

func (v *verifier) problem(kind string, key *call.Key, file, format string, args ...any) {
	v.report.Problems = append(v.report.Problems, call.VerifyFinding{Kind: kind, Key: key, File: file, Detail: fmt.Sprintf(format, args...)})
}

func (v *verifier) database(ctx context.Context) error {
	result, err := v.a.store.Check(ctx)
	if err != nil {
		return err
	}
	v.report.Calls, v.report.Versions = result.Calls, result.Versions
	v.report.Problems = append(v.report.Problems, result.Findings...)
	if err := v.rederive(ctx); err != nil {
		return err
	}
	return v.a.store.Aside(ctx, func(key call.Key, at time.Time) error {
		v.report.Notes = append(v.report.Notes, call.VerifyFinding{Kind: "kept_aside", Key: &key,
			Detail: "what was stored could not be read any more on " + at.Format(time.RFC3339) + " and is kept aside; `callsyncd why` tells what came of the call"})
		return nil
	})
}

// rederive mends what the calls themselves prove wrong. Records that cannot be
// read are the next step's finding.
func (v *verifier) rederive(ctx context.Context) error {
	mended, err := v.a.store.Rederive(ctx, "")
	if _, unreadable := errors.AsType[*store.Unreadable](err); unreadable {
		return nil
	}
	if mended {
		v.report.Notes = append(v.report.Notes, call.VerifyFinding{Kind: "made_anew",
			Detail: "time index, queues, gaps and counters contradicted the calls and were made anew from them; run `callsyncd verify` again to see what is left"})
	}
	return err
}

// recordings recomputes the hash of every stored recording.
func (v *verifier) recordings(ctx context.Context) error {
	return v.a.store.Each(ctx, "", func(r call.Record) error {
		for i := range r.Former {
			if err := v.former(ctx, r.Call.Key, &r.Former[i].Recording); err != nil {
				return err
			}
		}
		for i := range r.Further {
			if err := v.current(ctx, r.Call.Key, r.Further[i].Label, &r.Further[i].Recording, r.Further[i].Part.State); err != nil {
				return err
			}
		}
		return v.current(ctx, r.Call.Key, "", r.Call.Recording, r.MainPart().State)
	})
}

// current recomputes the hash of a recording that the vendor can be asked for
// again; label is empty for the main one.
func (v *verifier) current(ctx context.Context, key call.Key, label string, rec *call.Recording, state call.State) error {
	if rec == nil || rec.File == nil {
		if state == call.Stored {
			v.problem("bad_record", &key, "", "the recording counts as stored but names no file")
		}
		return ctx.Err()
	}
	v.files[*rec.File] = key
	sum, size, err := v.a.media.Hash(ctx, *rec.File)
	switch {
	case errors.Is(err, call.ErrNotFound):
		v.problem("missing_file", &key, *rec.File, "the recording is gone from the disk; it will be fetched again")
		v.refetch = append(v.refetch, refetch{key, label, *rec.File, "file_missing"})
		return nil
	case err != nil && ctx.Err() != nil:
		return err
	case err != nil:
		v.problem("unreadable_file", &key, *rec.File, "%v", err)
		return nil
	}
	v.report.Recordings++
	v.report.Bytes += size
	if !isStored(rec, sum, size) {
		v.problem("hash_mismatch", &key, *rec.File, "the recording is not the one that was stored: sha256 now %s, %d bytes; it is put aside and will be fetched again", sum, size)
		v.refetch = append(v.refetch, refetch{key, label, *rec.File, "file_damaged"})
	}
	return nil
}

// former recomputes the hash of a recording that another one took the place of.
func (v *verifier) former(ctx context.Context, key call.Key, rec *call.Recording) error {
	v.files[*rec.File] = key
	sum, size, err := v.a.media.Hash(ctx, *rec.File)
	switch {
	case err != nil && ctx.Err() != nil:
		return err
	case errors.Is(err, call.ErrNotFound):
		v.problem("missing_file", &key, *rec.File, "the recording that was replaced at the vendor is gone from the disk; it cannot be had again")
	case err != nil:
		v.problem("unreadable_file", &key, *rec.File, "%v", err)
	case sum != *rec.SHA256 || size != *rec.SizeBytes:
		v.problem("hash_mismatch", &key, *rec.File, "the recording that was replaced at the vendor is not the one that was stored: sha256 now %s, %d bytes", sum, size)
	default:
		v.report.Recordings++
		v.report.Bytes += size
	}
	return nil
}

// strays finds files nobody accounts for: left by a crash between the rename
// of a file and its entry in the database, or put there by somebody.
func (v *verifier) strays(ctx context.Context) error {
	unknown := make(map[string]int64)
	err := v.a.media.Files(ctx, func(file string, size int64) error {
		if _, ok := v.files[file]; !ok {
			unknown[file] = size
		}
		return nil
	})
	if err != nil || len(unknown) == 0 {
		return err
	}
	// Recordings may have been stored while we looked.
	err = v.a.store.Each(ctx, "", func(r call.Record) error {
		if rec := r.Call.Recording; rec != nil && rec.File != nil {
			delete(unknown, *rec.File)
		}
		for _, rec := range r.Former {
			delete(unknown, *rec.File)
		}
		for _, rec := range r.Further {
			if rec.File != nil {
				delete(unknown, *rec.File)
			}
		}
		return nil
	})
	for _, file := range slices.Sorted(maps.Keys(unknown)) {
		v.problem("stray_file", nil, file, "the archive does not know this file of %d bytes", unknown[file])
	}
	return err
}

// reopen makes damaged recordings pending again, so that they are seen as gaps
// and fetched from the vendor while it still has them. What is left of a
// damaged file is kept aside.
func (v *verifier) reopen(ctx context.Context) error {
	for _, again := range v.refetch {
		fn := func(record *call.Record) (*call.Write, error) { return v.reopened(ctx, &again, record) }
		if err := v.a.repair(ctx, again.key, fn); err != nil {
			return err
		}
	}
	return nil
}

// repair changes a stored call while no engine works on it. Nobody works on the
// calls of a source that is not configured any more.
func (a *Archive) repair(ctx context.Context, key call.Key, fn func(*call.Record) (*call.Write, error)) error {
	if s := a.source(key.Source); s != nil {
		return s.engine.Repair(ctx, key, fn)
	}
	record, err := a.store.Load(ctx, key)
	if err != nil {
		return err
	}
	write, err := fn(&record)
	if err != nil || write == nil {
		return err
	}
	return a.store.Save(ctx, call.Batch{Source: key.Source, Writes: []call.Write{*write}})
}

// reopened is a call with the recording pending again; nil when that was fetched
// again meanwhile.
func (v *verifier) reopened(ctx context.Context, again *refetch, record *call.Record) (*call.Write, error) {
	part, rec := again.find(record)
	if rec == nil || rec.File == nil || *rec.File != again.file {
		return nil, nil
	}
	sum, size, err := v.a.media.Hash(ctx, again.file)
	switch there, sound, err := judge(rec, sum, size, err); {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, err
	case there && sound:
		return nil, nil
	case there:
		if err := v.a.media.SetAside(again.file); err != nil {
			return nil, err
		}
	}
	if again.label == "" {
		record.Call.Recording, record.RecordingMark = nil, ""
	} else {
		*rec = call.Recording{}
	}
	now := v.a.clock.Now().UTC()
	*part = call.Part{State: call.Pending, Reason: again.reason, NextTry: now, Deadline: now.Add(time.Hour)}
	record.Join()
	return &call.Write{Record: *record, Kind: call.ChangePart,
		Events: []call.Event{{Kind: call.EventParts, Note: "verify found the file " + strings.TrimPrefix(again.reason, "file_")}}}, nil
}

// judge says what looking at a recording's file has shown; an error that is none
// of the file shows nothing. One that is not there is gone, or was put aside:
// recordings with the same content share it.
func judge(rec *call.Recording, sum string, size int64, err error) (there, sound bool, _ error) {
	switch {
	case err == nil:
		return true, isStored(rec, sum, size), nil
	case errors.Is(err, call.ErrNotFound):
		return false, false, nil
	case errors.Is(err, call.ErrCorrupt):
		return true, false, nil
	}
	return false, false, err
}

// find returns the recording in its call's record, nil when the call has none of
// that label any more.
func (r *refetch) find(record *call.Record) (*call.Part, *call.Recording) {
	if r.label == "" {
		return record.MainPart(), record.Call.Recording
	}
	if f := record.FurtherOf(r.label); f != nil {
		return &f.Part, &f.Recording
	}
	return nil, nil
}

// isStored reports whether a file has the content that was stored.
func isStored(rec *call.Recording, sum string, size int64) bool {
	return rec.SHA256 != nil && sum == *rec.SHA256 && rec.SizeBytes != nil && size == *rec.SizeBytes
}

func (v *verifier) index(ctx context.Context) error {
	if err := v.a.index.CatchUp(ctx); err != nil {
		v.problem("index", nil, "", "the index cannot follow the archive: %v; run `callsyncd reindex`", err)
		return nil
	}
	findings, err := v.a.index.Check(ctx)
	v.report.Problems = append(v.report.Problems, findings...)
	return err
}
