package media

import (
	"bytes"
	"context"
	"crypto/md5" // what media hosts announce; our own hash is SHA-256
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"time"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

const (
	// publicMode lets nobody change a stored recording by accident.
	publicMode = 0o440
	// spaceCheckBytes is how much is written between two looks at the free space.
	spaceCheckBytes = 64 << 20
)

// Put stores one recording of a call that began at the given time, and returns
// it as stored. When it returns nil the file is durable. Storing the same
// content again returns the file that is there.
//
// *ContentError means that body is not the announced recording; ErrNoSpace that
// the disk is too full. Errors of reading body are returned as they are, but
// for io.ErrUnexpectedEOF, which is a *ContentError. ctx is looked at between
// two reads of body. An error leaves nothing behind, except that a file whose
// folder could not be made durable stays, and is found by the next Put; and
// that the beginning of a large recording is kept, see Part. A body that goes
// on there (FromBytes) is appended; any other begins anew.
func (a *Archive) Put(ctx context.Context, key call.Key, at time.Time, body io.Reader, expect call.MediaExpect) (call.Recording, error) {
	recording, err := a.put(ctx, key, at, body, expect)
	if err != nil {
		return call.Recording{}, fmt.Errorf("store recording of %q: %w", key, asNoSpace(err))
	}
	return recording, nil
}

func (a *Archive) put(ctx context.Context, key call.Key, at time.Time, body io.Reader, expect call.MediaExpect) (_ call.Recording, err error) {
	if expect.SizeBytes > a.options.MaxBytes {
		return call.Recording{}, &ContentError{TooLarge, fmt.Sprintf("%d bytes announced, %d allowed", expect.SizeBytes, a.options.MaxBytes)}
	}
	f, temp, err := a.begin(key, expect)
	if err != nil {
		return call.Recording{}, err
	}
	crashpoint.Reach(crashpoint.RecordingCreated)
	gone := false // published, or kept as a part
	defer func() {
		closeErr := f.Close()
		if errors.Is(closeErr, fs.ErrClosed) {
			closeErr = nil
		}
		if !gone {
			err = errors.Join(err, closeErr, a.root.Remove(filepath.FromSlash(temp)))
		}
	}()
	if err := a.checkSpace(max(expect.SizeBytes-expect.FromBytes, 0)); err != nil {
		return call.Recording{}, err
	}

	got, err := a.copyBody(ctx, f, body, expect)
	if err != nil {
		gone = a.keep(part{name: temp, key: key, label: expect.Label, MediaPart: call.MediaPart{Bytes: got.size, TotalBytes: expect.SizeBytes, ETag: expect.ETag}}, err)
		return call.Recording{}, err
	}
	content, err := sniff(f, got.size, expect.ContentType)
	if err != nil {
		return call.Recording{}, err
	}
	length := seconds(ctx, f, got.size, content)
	if ctx.Err() != nil {
		return call.Recording{}, context.Cause(ctx)
	}
	if expect.Accept != nil && !expect.Accept(call.Heard{Seconds: length, SHA256: hex.EncodeToString(got.sum), End: endOf(f, got.size, content)}) {
		return call.Recording{}, &ContentError{Length, "the audio is not as long as the call"}
	}
	file, err := fileName(key, at, got.sum, content.extension)
	if err != nil {
		return call.Recording{}, err
	}
	if err := seal(f); err != nil {
		return call.Recording{}, err
	}
	crashpoint.Reach(crashpoint.RecordingSealed)
	if gone, err = a.publish(ctx, temp, file, hex.EncodeToString(got.sum)); err != nil {
		return call.Recording{}, err
	}
	crashpoint.Reach(crashpoint.RecordingDurable)
	sum, stored := hex.EncodeToString(got.sum), a.options.Now().UTC().Truncate(time.Millisecond)
	return call.Recording{
		State: call.Stored, File: &file, SHA256: &sum, SizeBytes: &got.size,
		ContentType: &content.contentType, DurationSeconds: length, StoredAt: &stored,
	}, nil
}

// received is what copyBody learned on the way.
type received struct {
	size int64
	sum  []byte // SHA-256
}

// copyBody writes body to f, behind what is there already, and checks length
// and MD5 of the whole. With an error it still tells the size.
func (a *Archive) copyBody(ctx context.Context, f *os.File, body io.Reader, expect call.MediaExpect) (received, error) {
	limit := a.options.MaxBytes
	if expect.SizeBytes >= 0 {
		limit = expect.SizeBytes
	}
	sum := sha256.New()
	writers := []io.Writer{sum}
	var check hash.Hash
	if expect.MD5 != nil {
		check = md5.New()
		writers = append(writers, check)
	}
	if err := rewind(ctx, f, expect.FromBytes, io.MultiWriter(writers...)); err != nil {
		return received{}, err
	}
	size, err := a.copyLimited(ctx, io.MultiWriter(append(writers, f)...), body, limit-expect.FromBytes)
	size += expect.FromBytes
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return received{size: size}, &ContentError{Truncated, fmt.Sprintf("the body broke off after %d bytes", size)}
	case err != nil:
		return received{size: size}, err
	case expect.SizeBytes >= 0 && size > limit:
		return received{}, &ContentError{Truncated, fmt.Sprintf("%d bytes announced, more received", limit)}
	case size > limit:
		return received{}, &ContentError{TooLarge, fmt.Sprintf("more than %d bytes", limit)}
	case expect.SizeBytes >= 0 && size < limit:
		return received{size: size}, &ContentError{Truncated, fmt.Sprintf("%d bytes announced, %d received", limit, size)}
	case size == 0:
		return received{}, &ContentError{Empty, "no bytes received"}
	case check != nil && !bytes.Equal(check.Sum(nil), expect.MD5):
		return received{}, &ContentError{Checksum, fmt.Sprintf("MD5 %x announced, %x received", expect.MD5, check.Sum(nil))}
	}
	return received{size, sum.Sum(nil)}, nil
}

// copyLimited copies until the end of body or one byte past limit, and looks
// at the free space now and then.
func (a *Archive) copyLimited(ctx context.Context, w io.Writer, body io.Reader, limit int64) (int64, error) {
	body = io.LimitReader(contextReader{ctx, body}, limit+1)
	var size int64
	for {
		n, err := io.CopyN(w, body, spaceCheckBytes)
		size += n
		if err == io.EOF {
			return size, nil
		}
		if err != nil {
			return size, err
		}
		if err := a.checkSpace(0); err != nil {
			return size, err
		}
	}
}

func (a *Archive) checkSpace(coming int64) error {
	if a.options.MinFree == 0 {
		return nil
	}
	free, err := a.FreeBytes()
	if err != nil {
		return err
	}
	if free < a.options.MinFree+uint64(coming) {
		return fmt.Errorf("%w: %d bytes free, %d to stay free, %d coming", ErrNoSpace, free, a.options.MinFree, coming)
	}
	return nil
}

// seal makes the file read-only and durable before it gets its name.
func seal(f *os.File) error {
	if err := f.Chmod(publicMode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// publish gives the temporary file its name and makes the name durable.
// renamed is false when the file was there already with the same content, left
// by a crash before the database knew of it.
func (a *Archive) publish(ctx context.Context, temp, file, sha256hex string) (renamed bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	dir := path.Dir(file)
	if err := a.root.MkdirAll(filepath.FromSlash(dir), 0o700); err != nil {
		return false, err
	}
	switch there, _, err := a.Hash(ctx, file); {
	case errors.Is(err, call.ErrNotFound):
		if err := a.root.Rename(filepath.FromSlash(temp), filepath.FromSlash(file)); err != nil {
			return false, err
		}
		renamed = true
		crashpoint.Reach(crashpoint.RecordingRenamed)
	case err != nil:
		return false, err
	case there != sha256hex:
		return false, fmt.Errorf("%s exists with other content: %w", file, call.ErrCorrupt)
	}
	return renamed, a.syncFolders(dir)
}

// syncFolders makes the entries of dir durable, and once per process those of
// the folders above it.
func (a *Archive) syncFolders(dir string) error {
	if runtime.GOOS == "windows" { // folders cannot be synced there
		return nil
	}
	if err := a.syncFolder(dir); err != nil {
		return err
	}
	if a.durable[dir] {
		return nil
	}
	for up := dir; up != "."; {
		up = path.Dir(up)
		if err := a.syncFolder(up); err != nil {
			return err
		}
	}
	a.durable[dir] = true
	return nil
}

func (a *Archive) syncFolder(dir string) error {
	f, err := a.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
