package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"callsyncd/call"
	"callsyncd/internal/boltfile"
	"callsyncd/internal/crashpoint"
)

// The names in the data folder that this package uses.
const (
	fileName     = "archive.db"
	newFileName  = "archive.db.new"   // while the archive is being created
	snapshotName = "archive.db.check" // while Check looks at a copy
	recordings   = "recordings"       // another package's, looked at before an archive is created
	recordingTmp = ".tmp"
)

// holdTimeout is how long Open waits for another process to let go.
const holdTimeout = 2 * time.Second

// Options are what a store needs from outside.
type Options struct {
	// Log receives what no caller is told; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Store is the open archive. It is safe for concurrent use; writers wait for
// each other, readers wait for nobody.
type Store struct {
	opening   sync.RWMutex // guards db and ended: held to open it again, for reading to use it
	db        *bolt.DB
	ended     bool // closed for good
	dir       string
	log       *slog.Logger
	now       func() time.Time
	archiveID string
	lock      lockFile
	closing   sync.Once
	closed    error

	// write is held during a write transaction.
	joining  sync.Mutex // guards jobs
	jobs     []*job     // wait for the next transaction
	write    sync.Mutex
	poisoned error // guarded by write; set after a commit that ended in doubt

	seq        atomic.Uint64 // last feed entry committed
	unreadable sync.Map      // source -> *Unreadable
	checking   sync.Mutex    // held during Check, which may need the one place for a copy

	newsMu  sync.Mutex
	newsBox chan struct{} // guarded by newsMu; closed at the next feed entry
}

// boltOptions are the only place where bbolt is tuned.
//
// The freelist is kept on disk. Measured on 50,000 calls (220 MB, 2 cores): an
// open with a cold page cache takes 1 ms with it and 2.9 s without, growing
// with the file, because bbolt then walks all of it; saving a page of 100
// calls costs the same 22 ms either way. A daemon that was killed has to be
// ready in seconds.
//
// Pages are larger than the usual 4 KiB because a call's documents pack to
// about 2 KB: measured as above, the file shrinks from 0.99 to 0.71 times the
// size of what the vendor sent, at the same speed.
func boltOptions() *bolt.Options {
	return &bolt.Options{
		Timeout:         holdTimeout,
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: initialMmapSize,
		PageSize:        16 << 10, // of a new file; an old one keeps its own
		NoStatistics:    true,
	}
}

// Open opens the archive in a folder and creates both when there are none. The
// folder and the archive must not be symbolic links. When another process
// holds the archive for more than two seconds the error is a *call.HoldError.
//
// An archive that is empty or damaged is an error, and so is a missing archive
// beside stored recordings: neither is ever replaced by a new one. A full disk
// is a call.ErrNoSpace.
func Open(dir string, o Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open archive: %w", err)
	}
	s := &Store{dir: dir, log: o.Log, now: o.Now, newsBox: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.lock.path = filepath.Join(dir, lockName)
	if err := s.open(); err != nil {
		if noSpace(err) {
			err = fmt.Errorf("%w: %w", call.ErrNoSpace, err)
		}
		return nil, fmt.Errorf("open archive: %w", err)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := s.makeFolder(); err != nil {
		return err
	}
	path := filepath.Join(s.dir, fileName)
	exists, err := regularFile(path)
	if err != nil {
		return err
	}
	if !exists {
		if err := create(s.dir); err != nil {
			return err
		}
	}
	if err := checkPrivate(path, 0o077, "chmod 600"); err != nil {
		return err
	}
	if s.db, err = openBolt(path); err != nil {
		return err
	}
	if err := s.prepare(); err != nil {
		return errors.Join(err, s.db.Close())
	}
	return nil
}

// prepare runs once the archive is ours.
func (s *Store) prepare() error {
	if err := removeIfThere(filepath.Join(s.dir, snapshotName)); err != nil {
		return err
	}
	if err := migrate(s.db, migrations); err != nil {
		return err
	}
	err := s.db.View(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if tx.Bucket(name) == nil {
				return fmt.Errorf("%w: bucket %s is missing: restore a backup", call.ErrCorrupt, name)
			}
		}
		s.archiveID = string(tx.Bucket(bucketMeta).Get(metaArchive))
		return nil
	})
	if err == nil {
		err = errors.Join(s.forgetSpoiled(), s.loadSeq())
	}
	if err != nil {
		return err
	}
	return s.lock.write(lockInfo{PID: os.Getpid(), StartedAt: s.now().UTC()})
}

// forgetSpoiled drops what is kept of sources, to go on with, and is not what was
// written: they find it out anew. A changed key that begins a page must not stay,
// because bbolt would free the page twice when it writes beside it.
func (s *Store) forgetSpoiled() error {
	kept := [][]byte{bucketCheckpoints, bucketBudgets, bucketLookups}
	sound, spoiled := make([]map[string][]byte, len(kept)), 0
	err := s.db.View(func(tx *bolt.Tx) error {
		for i, bucket := range kept {
			sound[i] = make(map[string][]byte)
			err := walk(tx, bucket, nil, func(_ *bolt.Tx, k, v []byte) (bool, error) {
				if _, err := openRow(k, v); err != nil {
					spoiled++
				} else {
					sound[i][string(k)] = bytes.Clone(v)
				}
				return true, nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || spoiled == 0 {
		return err
	}
	s.log.Error("what was kept of sources cannot be read and is found out anew", "rows", spoiled)
	return s.db.Update(func(tx *bolt.Tx) error {
		w := &writer{tx: tx}
		for i, bucket := range kept {
			if err := w.refill(bucket, sound[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// loadSeq reads how far the change feed goes.
func (s *Store) loadSeq() error {
	return s.db.View(func(tx *bolt.Tx) error {
		s.seq.Store(tx.Bucket(bucketChanges).Sequence())
		return nil
	})
}

// makeFolder makes the data folder, private, unless there is one. One that
// others may change is refused, because they could put anything in place of
// what is in it.
func (s *Store) makeFolder() error {
	dir := s.dir
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return os.MkdirAll(dir, 0o700)
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: name the folder it points to", dir)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	}
	if err := checkPrivate(dir, 0o022, "chmod 700"); err != nil {
		return err
	}
	if err := checkPrivate(dir, 0o055, "chmod 700"); err != nil {
		s.log.Warn("data folder is open to others", "err", err)
	}
	return nil
}

// regularFile reports whether there is a file; anything else of that name is an error.
func regularFile(path string) (bool, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a regular file", path)
	}
	return true, nil
}

// create makes an empty archive under another name and renames it when it is
// on disk, so that a power cut leaves either no archive or a whole one.
func create(dir string) error {
	stored, err := anyRecording(dir)
	if err != nil {
		return err
	}
	if stored {
		return fmt.Errorf("%s is missing although %s holds files: restore it from a backup, or move the recordings away to begin anew",
			filepath.Join(dir, fileName), filepath.Join(dir, recordings))
	}
	fresh, path := filepath.Join(dir, newFileName), filepath.Join(dir, fileName)
	if _, err := regularFile(fresh); err != nil {
		return err
	}
	made, err := writeFresh(fresh, path)
	if err != nil || !made {
		return err
	}
	crashpoint.Reach(crashpoint.ArchiveWritten)
	if err := syncFile(fresh); err != nil {
		return createdElsewhere(path, err)
	}
	crashpoint.Reach(crashpoint.ArchiveSynced)
	if err := os.Rename(fresh, path); err != nil {
		return createdElsewhere(path, err)
	}
	crashpoint.Reach(crashpoint.ArchiveRenamed)
	return syncFolder(dir)
}

// writeFresh writes an empty archive with today's schema. The lock bbolt takes
// on the new file keeps two creating processes apart; the one that was late
// finds the archive in its place and makes none.
func writeFresh(fresh, path string) (made bool, err error) {
	if info, err := os.Stat(fresh); err == nil && info.Size() > 0 && boltfile.Check(fresh) != nil {
		// A power cut ended its creation; nothing was ever stored in it.
		if err := removeIfThere(fresh); err != nil {
			return false, err
		}
	}
	db, err := boltOpen(fresh)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	exists, err := regularFile(path)
	if err != nil {
		return false, err
	}
	if exists {
		return false, removeIfThere(fresh)
	}
	return true, migrate(db, migrations)
}

// removeIfThere removes a file that another process may be removing too.
func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// createdElsewhere forgives an error while creating when another process
// created the archive meanwhile.
func createdElsewhere(path string, err error) error {
	if exists, _ := regularFile(path); exists && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// anyRecording reports whether the folder holds stored recordings.
func anyRecording(dir string) (found bool, err error) {
	root := filepath.Join(dir, recordings)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && entry.Name() == recordingTmp && filepath.Dir(path) == root:
			return fs.SkipDir
		case entry.Type().IsRegular():
			found = true
			return fs.SkipAll
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return found, err
}

func openBolt(path string) (*bolt.DB, error) {
	if err := boltfile.Check(path); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w: restore it from a backup, or move it and the recordings away to begin anew", path, err)
	}
	return boltOpen(path)
}

// boltOpen opens a database for writing. Where the address space is limited it
// does with a small map.
func boltOpen(path string) (*bolt.DB, error) {
	o := boltOptions()
	db, err := bolt.Open(path, 0o600, o)
	if err != nil && o.InitialMmapSize > 0 && noAddressSpace(err) {
		o.InitialMmapSize = 0
		db, err = bolt.Open(path, 0o600, o)
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, holdError(path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return db, nil
}

// Close closes the archive once running transactions have ended. Further
// calls return what the first one returned.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.opening.Lock()
		defer s.opening.Unlock()
		s.ended = true
		s.closed = errors.Join(s.lock.remove(), s.db.Close())
		if s.closed != nil {
			s.closed = fmt.Errorf("close archive: %w", s.closed)
		}
	})
	return s.closed
}

// ArchiveID identifies this archive. It was made at random when the archive
// was created and tells an index built from another one.
func (s *Store) ArchiveID() string { return s.archiveID }

// view runs fn in a read transaction. What fn keeps must be copied.
func (s *Store) view(ctx context.Context, fn func(tx *bolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.opening.RLock()
	defer s.opening.RUnlock()
	defer s.watch("read", time.Now())
	return s.db.View(fn)
}

// longTransaction is how long a transaction may be open before it is worth a
// line in the log: while one reads, the file grows with every commit.
const longTransaction = time.Second

// watch is deferred where a transaction begins.
func (s *Store) watch(kind string, begin time.Time) {
	if took := time.Since(begin); took > longTransaction {
		s.log.Warn("a transaction was open for long", "transaction", kind, "duration_ms", took.Milliseconds())
	}
}

// holdError says who holds the archive in path's folder.
func holdError(path string) error {
	info, _ := readLock(filepath.Join(filepath.Dir(path), lockName))
	return &call.HoldError{PID: info.PID, Path: path}
}
