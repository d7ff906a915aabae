package store

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// initialMmapSize is 0 because bbolt makes the file as large as its map here.
const initialMmapSize = 0

// noSpaceErrors are the ways a system says that the disk is full.
var noSpaceErrors = []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}

func noAddressSpace(error) bool { return false }

// syncFile makes a closed file's content durable.
func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// checkPrivate looks at nothing: the modes Go shows here say nothing of the
// access lists Windows goes by.
func checkPrivate(string, fs.FileMode, string) error { return nil }

// syncFolder does nothing: Windows can not flush a folder.
func syncFolder(string) error { return nil }
