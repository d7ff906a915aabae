// Package media keeps recordings as files inside the data folder.
//
// A file is written once, completely or not at all, and never renamed or
// overwritten: recordings/SOURCE/YYYY/MM/DD/TIME_ID_HASH.EXT. Names are made
// from safe characters only, the extension from the content. All access goes
// through an os.Root, so no symbolic link leads out of the data folder.
package media

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/shirou/gopsutil/v4/disk"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

const (
	folder      = "recordings"
	tempFolder  = folder + "/.tmp"
	asideFolder = folder + "/.damaged"
	// defaultMaxBytes is far above any call and far below a full disk.
	defaultMaxBytes = 2 << 30
	// defaultResume is the size from which on a recording is worth the risk of
	// being put together from two transfers.
	defaultResume = 64 << 20
)

// Options of an archive. The zero value is usable.
type Options struct {
	// MaxBytes is the largest recording stored; 0 means 2 GiB.
	MaxBytes int64
	// MinFree is how many bytes of the disk stay free; 0 means none.
	MinFree uint64
	// Resume is the size in bytes from which on the beginning of a recording is
	// kept when its transfer breaks off; 0 means 64 MiB. Smaller ones are always
	// fetched anew.
	Resume int64
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Archive is the folder of recordings. It is safe for concurrent use; only one
// process may have it open, which the lock of the data folder sees to.
type Archive struct {
	root    *os.Root
	options Options

	mu sync.Mutex // guards durable, and that no two Puts publish one name
	// durable holds folders whose entries up to the data folder were synced by
	// this process.
	durable map[string]bool

	partsLock sync.Mutex
	parts     []part // oldest first
}

// Open opens the recordings of the data folder, which must exist, makes what
// is missing, and removes what an interrupted Put left. A recordings folder
// that is a symbolic link out of the data folder is an error. Close it after
// use.
func Open(dataDir string, o Options) (*Archive, error) {
	if o.MaxBytes <= 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.Resume <= 0 {
		o.Resume = defaultResume
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	root, err := os.OpenRoot(dataDir)
	if err != nil {
		return nil, fmt.Errorf("open recordings: %w", err)
	}
	a := &Archive{root: root, options: o, durable: map[string]bool{}}
	if err := a.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("open recordings: %w", err), root.Close())
	}
	return a, nil
}

func (a *Archive) prepare() error {
	if err := a.root.MkdirAll(tempFolder, 0o700); err != nil {
		return err
	}
	leftovers, err := fs.ReadDir(a.root.FS(), tempFolder)
	if err != nil {
		return err
	}
	for _, entry := range leftovers {
		if err := a.root.Remove(path.Join(tempFolder, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Close releases the folder. Open files stay readable.
func (a *Archive) Close() error { return a.root.Close() }

// Open opens a stored recording by its path inside the data folder, as in
// call.Recording.File. call.ErrNotFound when there is no such file, also for
// paths outside the recordings. The caller closes the file.
func (a *Archive) Open(file string) (*os.File, error) {
	name, err := filepath.Localize(file)
	if err != nil || !strings.HasPrefix(file, folder+"/") || strings.HasPrefix(file, tempFolder+"/") {
		return nil, fmt.Errorf("open recording %q: %w", file, call.ErrNotFound)
	}
	info, err := a.root.Lstat(name) // opening a pipe would wait for its other end
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open recording %s: %w", file, call.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("open recording %s: %w", file, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open recording %s: not a regular file: %w", file, call.ErrCorrupt)
	}
	f, err := a.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open recording %s: %w", file, err)
	}
	return f, nil
}

// Hash reads a stored recording and returns its SHA-256 in lower-case hex and
// its size in bytes. Errors are those of Open.
func (a *Archive) Hash(ctx context.Context, file string) (sha256hex string, size int64, err error) {
	f, err := a.Open(file)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	sum := sha256.New()
	size, err = io.Copy(sum, contextReader{ctx, f})
	if err != nil {
		return "", 0, fmt.Errorf("hash recording %s: %w", file, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), size, nil
}

// Files calls fn for everything below the recordings that is not a folder, in
// lexical order, whoever put it there; unfinished files are left out. An error
// of fn ends the walk and is returned.
func (a *Archive) Files(ctx context.Context, fn func(file string, size int64) error) error {
	return fs.WalkDir(a.root.FS(), folder, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fmt.Errorf("list recordings: %w", err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case file == tempFolder || file == asideFolder:
			return fs.SkipDir
		case entry.IsDir():
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("list recordings: %w", err)
		}
		return fn(file, info.Size())
	})
}

// SetAside moves a damaged recording out of the way, into recordings/.damaged,
// so that the same recording can be stored again under its own name.
func (a *Archive) SetAside(file string) error {
	if err := a.root.MkdirAll(asideFolder, 0o700); err != nil {
		return fmt.Errorf("set recording aside: %w", err)
	}
	if err := a.root.Rename(filepath.FromSlash(file), path.Join(asideFolder, rand.Text()[:8]+"_"+path.Base(file))); err != nil {
		return fmt.Errorf("set recording aside: %w", err)
	}
	crashpoint.Reach(crashpoint.RecordingAside)
	return nil
}

// FreeBytes returns how much an ordinary user may still write to the disk of
// the recordings.
func (a *Archive) FreeBytes() (uint64, error) {
	usage, err := disk.Usage(filepath.Join(a.root.Name(), folder))
	if err != nil {
		return 0, fmt.Errorf("free disk space: %w", err)
	}
	return usage.Free, nil
}

// contextReader fails once its context has ended.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	crashpoint.Reach(crashpoint.RecordingReading)
	return r.Reader.Read(p)
}
