package media

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"callsyncd/call"
)

// Find looks for the files of a call by their names, for when the record that
// named them is gone: on the day of its start and those beside it, or among all
// of the source's when the start is not known, which takes long. Only those are
// returned whose content has the hash in their name, the newest last.
func (a *Archive) Find(ctx context.Context, key call.Key, at time.Time) ([]call.Found, error) {
	if !sourcePattern.MatchString(string(key.Source)) {
		return nil, nil // nothing is stored under it
	}
	own := path.Join(folder, string(key.Source))
	folders := []string{own}
	if !at.IsZero() {
		folders = nil
		for day := -1; day <= 1; day++ {
			folders = append(folders, path.Join(own, at.UTC().AddDate(0, 0, day).Format("2006/01/02")))
		}
	}
	name := regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z_` + regexp.QuoteMeta(safeID(key.ID)) + `_([0-9a-f]{12})\.[a-z0-9]+$`)
	var found []call.Found
	for _, dir := range folders {
		err := fs.WalkDir(a.root.FS(), dir, func(file string, entry fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil || entry.IsDir() {
				return err
			}
			if m := name.FindStringSubmatch(path.Base(file)); m != nil {
				one, ok, err := a.inspect(ctx, file, m[1])
				if ok {
					found = append(found, one)
				}
				return err
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	slices.SortStableFunc(found, func(x, y call.Found) int { return x.StoredAt.Compare(*y.StoredAt) })
	return found, nil
}

// inspect describes a stored file as Put did; ok is false when it is not what its
// name says.
func (a *Archive) inspect(ctx context.Context, file, hash string) (found call.Found, ok bool, err error) {
	sum, size, err := a.Hash(ctx, file)
	if err != nil || !strings.HasPrefix(sum, hash) {
		if errors.Is(err, call.ErrCorrupt) || errors.Is(err, call.ErrNotFound) {
			err = nil // no file, or not any more
		}
		return found, false, err
	}
	f, err := a.Open(file)
	if err != nil {
		return found, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return found, false, err
	}
	content, err := sniff(f, size, "audio/"+strings.TrimPrefix(path.Ext(file), "."))
	if err != nil {
		return found, false, nil // nothing we would store
	}
	stored := info.ModTime().UTC().Truncate(time.Millisecond)
	found.Recording = call.Recording{State: call.Stored, File: &file, SHA256: &sum, SizeBytes: &size,
		ContentType: &content.contentType, DurationSeconds: seconds(ctx, f, size, content), StoredAt: &stored}
	found.End = endOf(f, size, content)
	return found, ctx.Err() == nil, context.Cause(ctx)
}
