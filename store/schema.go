package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

// The buckets. Keys are built in key.go, values in codec.go and facts.go.
var (
	bucketMeta        = []byte("meta")        // name -> value
	bucketCalls       = []byte("calls")       // call key -> record without transcript
	bucketVersions    = []byte("versions")    // row number -> what changed with a version, in the order it was seen
	bucketTranscripts = []byte("transcripts") // call key -> packed turns that came without a version
	bucketTimes       = []byte("times")       // source, time, id -> facts
	bucketDue         = []byte("due")         // source, part, next try, id -> deadline
	bucketDeadlines   = []byte("deadlines")   // source, part, deadline, id -> next try
	bucketGaps        = []byte("gaps")        // call key, part -> state
	bucketCounts      = []byte("counts")      // source -> counters
	bucketChanges     = []byte("changes")     // sequence number -> feed entry
	bucketCheckpoints = []byte("checkpoints") // source -> checkpoint
	bucketBudgets     = []byte("budgets")     // source -> what the engine wrote
	bucketLookups     = []byte("lookups")     // source, zero byte, name -> packed table
	bucketHistory     = []byte("history")     // call key, number -> event
	bucketStatements  = []byte("statements")  // source, zero byte, number -> packed statement
	bucketAside       = []byte("aside")       // call key, time, kind -> a value that could not be read any more
)

// buckets are all of them.
var buckets = [][]byte{bucketMeta, bucketCalls, bucketVersions, bucketTranscripts, bucketTimes, bucketDue, bucketDeadlines, bucketGaps, bucketCounts,
	bucketChanges, bucketCheckpoints, bucketBudgets, bucketLookups, bucketHistory, bucketStatements, bucketAside}

// The names in the meta bucket.
var (
	metaSchema  = []byte("schema")     // number of migrations applied
	metaArchive = []byte("archive_id") // random, made at creation
)

// migration brings the file one schema version further.
type migration func(*bolt.Tx) error

// migrations lead from an empty file to today's schema; the schema version of
// a file is the number of them applied. Entries are only ever appended.
var migrations = []migration{createBuckets, createHistory, createStatements, rebuildTimes, sealValues, createAside, sealDerived}

func createBuckets(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketCalls, bucketTranscripts, bucketVersions, bucketTimes, bucketDue, bucketDeadlines,
		bucketGaps, bucketCounts, bucketChanges, bucketCheckpoints, bucketBudgets, bucketLookups} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return tx.Bucket(bucketMeta).Put(metaArchive, []byte(rand.Text()))
}

// sealValues: from here on values end with a checksum, which older programs
// would not understand. Those that are there get theirs when they are written
// the next time.
func sealValues(*bolt.Tx) error { return nil }

// createAside: before, a call that could not be read stayed where it was, and
// gaps did not say since when they are open.
func createAside(tx *bolt.Tx) error {
	if _, err := tx.CreateBucketIfNotExists(bucketAside); err != nil {
		return err
	}
	return dateGaps(tx)
}

// migrate applies the steps the file has not seen yet, each in a transaction
// of its own. It refuses a file that has seen more steps than there are.
func migrate(db *bolt.DB, steps []migration) error {
	for {
		version, err := schemaVersion(db)
		switch {
		case err != nil:
			return fmt.Errorf("read schema version: %w", err)
		case version == len(steps):
			return nil
		case version > len(steps):
			return fmt.Errorf("the archive has schema version %d, this program knows %d: use a newer callsyncd", version, len(steps))
		}
		if err := db.Update(func(tx *bolt.Tx) error { return applyMigration(tx, steps[version], version+1) }); err != nil {
			return fmt.Errorf("migrate to schema version %d: %w", version+1, err)
		}
		crashpoint.Reach(crashpoint.MigrationCommitted)
	}
}

func applyMigration(tx *bolt.Tx, step migration, version int) error {
	meta, err := tx.CreateBucketIfNotExists(bucketMeta)
	if err != nil {
		return err
	}
	if err := step(tx); err != nil {
		return err
	}
	crashpoint.Reach(crashpoint.MigrationApplied)
	return meta.Put(metaSchema, binary.BigEndian.AppendUint32(nil, uint32(version)))
}

// schemaVersion is 0 for a file without schema.
func schemaVersion(db *bolt.DB) (version int, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			if name, _ := tx.Cursor().First(); name != nil {
				return fmt.Errorf("%w: not an archive of callsyncd: it holds bucket %q and no schema", call.ErrCorrupt, name)
			}
			return nil
		}
		b := meta.Get(metaSchema)
		if len(b) != 4 {
			return fmt.Errorf("%w: schema version of %d bytes", call.ErrCorrupt, len(b))
		}
		version = int(binary.BigEndian.Uint32(b))
		return nil
	})
	return version, err
}
