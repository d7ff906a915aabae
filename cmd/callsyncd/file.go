package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"callsyncd/internal/crashpoint"
)

// toStdout reports whether --out names standard output, which may be a file
// that the shell opened for us.
func toStdout(out string) bool { return out == "" || out == "-" || out == "/dev/stdout" }

// writeFile writes a file that others see only when it is complete, and only
// its owner may read. It goes where a symbolic link points. What is no plain
// file, such as a pipe or a device, is written to as it is.
func writeFile(path string, write func(io.Writer) error) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return errors.New("it is a folder; name a file in it")
	case err == nil && !info.Mode().IsRegular():
		return writeThrough(path, write)
	}
	target, err := resolve(path)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*.tmp")
	if err != nil {
		return noFileIn(filepath.Dir(target), err)
	}
	err = write(f)
	if p, ok := errors.AsType[*fs.PathError](err); ok && p.Path == f.Name() {
		err = p.Err // nobody asked for the temporary file
	}
	err = errors.Join(err, f.Sync(), f.Close())
	crashpoint.Reach(crashpoint.FileWritten)
	if err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	crashpoint.Reach(crashpoint.FileRenamed)
	return nil
}

// noFileIn says why no file can be made in a folder, and what to do.
func noFileIn(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &fault{exitFailed, fmt.Errorf("there is no folder %s", dir), "make it, or name a file elsewhere"}
	case errors.Is(err, fs.ErrPermission):
		return &fault{exitFailed, fmt.Errorf("this account may not write in %s", dir), "name a file elsewhere, or leave out --out and let your own shell write it: ... > FILE"}
	}
	return err
}

func writeThrough(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// resolve follows symbolic links, the last of which may point at what is not
// there yet.
func resolve(path string) (string, error) {
	const most = 40 // as far as Linux goes
	for range most {
		link, err := os.Readlink(path)
		if err != nil { // no link, or not there
			return path, nil
		}
		if !filepath.IsAbs(link) {
			dir, err := filepath.EvalSymlinks(filepath.Dir(path))
			if err != nil {
				return "", err
			}
			link = filepath.Join(dir, link)
		}
		path = link
	}
	return "", fmt.Errorf("follow the link: %w", fs.ErrInvalid)
}
