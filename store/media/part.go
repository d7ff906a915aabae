package media

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"

	"callsyncd/call"
)

// maxParts is how many unfinished recordings are kept for another try.
const maxParts = 8

// part is the beginning of a recording, in a temporary file. It is forgotten
// with the process: the next one empties the folder.
type part struct {
	name  string
	key   call.Key
	label string
	call.MediaPart
}

// Part is the beginning of a recording that broke off on the way, empty when
// there is none.
func (a *Archive) Part(key call.Key, label string) call.MediaPart {
	a.partsLock.Lock()
	defer a.partsLock.Unlock()
	if i := a.findPart(key, label); i >= 0 {
		return a.parts[i].MediaPart
	}
	return call.MediaPart{}
}

func (a *Archive) findPart(key call.Key, label string) int {
	return slices.IndexFunc(a.parts, func(p part) bool { return p.key == key && p.label == label })
}

// takePart removes a part from the list and returns it.
func (a *Archive) takePart(key call.Key, label string) (part, bool) {
	a.partsLock.Lock()
	defer a.partsLock.Unlock()
	i := a.findPart(key, label)
	if i < 0 {
		return part{}, false
	}
	p := a.parts[i]
	a.parts = slices.Delete(a.parts, i, i+1)
	return p, true
}

// begin opens the file a recording is written to: that of its part when the
// body goes on there, else a new one, and the part goes.
func (a *Archive) begin(key call.Key, expect call.MediaExpect) (f *os.File, name string, err error) {
	p, found := a.takePart(key, expect.Label)
	goesOn := found && p.Bytes == expect.FromBytes && p.TotalBytes == expect.SizeBytes && p.ETag == expect.ETag
	if found && !goesOn {
		if err := a.root.Remove(filepath.FromSlash(p.name)); err != nil {
			return nil, "", err
		}
	}
	switch {
	case goesOn:
		f, err = a.root.OpenFile(filepath.FromSlash(p.name), os.O_RDWR, 0)
		return f, p.name, err
	case expect.FromBytes > 0:
		return nil, "", fmt.Errorf("body goes on after %d bytes that are not at hand: %w", expect.FromBytes, call.ErrCorrupt)
	}
	name = path.Join(tempFolder, rand.Text())
	f, err = a.root.OpenFile(filepath.FromSlash(name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	return f, name, err
}

// rewind hashes the first n bytes of a file, as they are on disk, and leaves it
// to be written behind them.
func rewind(ctx context.Context, f *os.File, n int64, sums io.Writer) error {
	if n == 0 {
		return nil
	}
	if err := f.Truncate(n); err != nil {
		return err
	}
	if _, err := io.CopyN(sums, contextReader{ctx, f}, n); err != nil {
		return fmt.Errorf("read the beginning again: %w", err)
	}
	return nil
}

// keep decides whether what came of a recording is worth keeping after err. It
// keeps a few; the oldest gives way.
func (a *Archive) keep(p part, err error) bool {
	broken, isContent := errors.AsType[*ContentError](err)
	switch {
	case p.ETag == "" || p.TotalBytes < a.options.Resume || p.Bytes <= 0 || p.Bytes >= p.TotalBytes:
		return false
	case isContent && broken.Reason != Truncated, !isContent && !errors.Is(err, call.ErrTransient):
		return false
	}
	a.partsLock.Lock()
	defer a.partsLock.Unlock()
	a.parts = append(a.parts, p)
	if len(a.parts) > maxParts {
		_ = a.root.Remove(filepath.FromSlash(a.parts[0].name)) // else the next start removes it
		a.parts = slices.Delete(a.parts, 0, 1)
	}
	return true
}

// Forget removes the unfinished recordings of a call.
func (a *Archive) Forget(key call.Key) {
	a.partsLock.Lock()
	defer a.partsLock.Unlock()
	a.parts = slices.DeleteFunc(a.parts, func(p part) bool {
		if p.key == key {
			_ = a.root.Remove(filepath.FromSlash(p.name)) // else the next start removes it
		}
		return p.key == key
	})
}
