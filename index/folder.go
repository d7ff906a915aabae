package index

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"callsyncd/internal/crashpoint"
)

// The names inside the index folder.
const (
	currentFile  = "CURRENT"
	stampFile    = "stamp.json"
	dataFolder   = "data"
	finishedName = "gen-"
	newName      = "new-"
	badName      = "bad-"
)

// stamp says what a generation was built from and with.
type stamp struct {
	Schema    int      `json:"schema"`
	Bleve     string   `json:"bleve"`
	Zapx      string   `json:"zapx"`
	Languages []string `json:"languages"`
	ArchiveID string   `json:"archive_id"`
}

func newStamp(languages []string, archiveID string) stamp {
	s := stamp{Schema: schema, Bleve: "unknown", Zapx: "unknown", Languages: languages, ArchiveID: archiveID}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return s
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		switch m.Path {
		case "github.com/blevesearch/bleve/v2":
			s.Bleve = m.Version
		case "github.com/blevesearch/zapx/v17":
			s.Zapx = m.Version
		}
	}
	return s
}

// equal reports whether a generation with the other stamp needs no rebuild.
func (s stamp) equal(other stamp) bool {
	return s.readable(other) && s.Bleve == other.Bleve && s.Zapx == other.Zapx &&
		slices.Equal(s.Languages, other.Languages)
}

// readable reports whether a generation with the other stamp may answer until
// it has been rebuilt.
func (s stamp) readable(other stamp) bool {
	return s.Schema == other.Schema && s.ArchiveID == other.ArchiveID
}

// folder is the index folder on disk.
type folder string

func (d folder) path(names ...string) string {
	return filepath.Join(append([]string{string(d)}, names...)...)
}

// prepare makes the folder private and removes what operating systems and
// interrupted rebuilds left there.
func (d folder) prepare() error {
	if err := makePrivate(string(d)); err != nil {
		return err
	}
	current, _ := d.current()
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if isDebris(name) || strings.HasPrefix(name, newName) || strings.HasPrefix(name, finishedName) && name != current {
			if err := os.RemoveAll(d.path(name)); err != nil {
				return err
			}
		}
	}
	return d.keepOneBad()
}

func makePrivate(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return os.Chmod(path, 0o700)
}

func isDebris(name string) bool {
	return strings.HasPrefix(name, "._") || name == ".DS_Store" || strings.EqualFold(name, "desktop.ini") ||
		name == currentFile+".tmp"
}

// removeDebris removes what macOS and Windows scatter below path; scorch takes
// such files for segments.
func removeDebris(path string) error {
	return filepath.WalkDir(path, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !isDebris(e.Name()) {
			return err
		}
		return os.Remove(p)
	})
}

// current returns the name of the generation to serve; empty when there is none.
func (d folder) current() (string, error) {
	b, err := os.ReadFile(d.path(currentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	name := strings.TrimSpace(string(b))
	if _, err := strconv.ParseUint(strings.TrimPrefix(name, finishedName), 10, 64); err != nil || !strings.HasPrefix(name, finishedName) {
		return "", fmt.Errorf("%s does not name a generation", currentFile)
	}
	return name, nil
}

// nextNumber returns a number that no generation has.
func (d folder) nextNumber() (uint64, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return 0, err
	}
	next := uint64(1)
	for _, e := range entries {
		_, number, _ := strings.Cut(e.Name(), "-")
		if n, err := strconv.ParseUint(number, 10, 32); err == nil && n >= next {
			next = n + 1
		}
	}
	return next, nil
}

// finish turns new-n into gen-n and makes it the one to serve. Everything is
// on disk before the name is.
func (d folder) finish(number uint64) (string, error) {
	from, name := d.path(newName+strconv.FormatUint(number, 10)), finishedName+strconv.FormatUint(number, 10)
	if err := syncTree(from); err != nil {
		return "", err
	}
	crashpoint.Reach(crashpoint.IndexSynced)
	if err := os.Rename(from, d.path(name)); err != nil {
		return "", err
	}
	crashpoint.Reach(crashpoint.IndexRenamed)
	if err := syncPath(string(d)); err != nil {
		return "", err
	}
	return name, d.setCurrent(name)
}

func (d folder) setCurrent(name string) error {
	temporary := d.path(currentFile + ".tmp")
	if err := writeSynced(temporary, []byte(name+"\n")); err != nil {
		return err
	}
	crashpoint.Reach(crashpoint.IndexNaming)
	if err := os.Rename(temporary, d.path(currentFile)); err != nil {
		return err
	}
	crashpoint.Reach(crashpoint.IndexNamed)
	return syncPath(string(d))
}

// setAside keeps the generation for whoever wants to know what happened to it,
// and the folder free of older ones.
func (d folder) setAside(name string, now time.Time) error {
	if err := os.Remove(d.path(currentFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if name == "" {
		return nil
	}
	crashpoint.Reach(crashpoint.IndexAside)
	err := os.Rename(d.path(name), d.path(badName+now.UTC().Format("20060102T150405.000000000")))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.keepOneBad()
}

func (d folder) keepOneBad() error {
	bad, err := filepath.Glob(d.path(badName + "*"))
	if err != nil {
		return err
	}
	slices.Sort(bad)
	for i := 0; i < len(bad)-1; i++ {
		if err := os.RemoveAll(bad[i]); err != nil {
			return err
		}
	}
	return nil
}

func readStamp(generation string) (s stamp, err error) {
	b, err := os.ReadFile(filepath.Join(generation, stampFile))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("%s: %w", stampFile, err)
	}
	return s, nil
}

func writeStamp(generation string, s stamp) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeSynced(filepath.Join(generation, stampFile), append(b, '\n'))
}

func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncTree makes every file and folder below path durable.
func syncTree(path string) error {
	return filepath.WalkDir(path, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncPath(p)
	})
}

func syncPath(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	mode := os.O_RDWR // Windows flushes only what may be written
	if info.IsDir() {
		if runtime.GOOS == "windows" {
			return nil // folders cannot be flushed there
		}
		mode = os.O_RDONLY
	}
	f, err := os.OpenFile(path, mode, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
