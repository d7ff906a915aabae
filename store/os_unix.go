//go:build unix

package store

import (
	"errors"
	"os"
	"strconv"
	"syscall"
)

// initialMmapSize is address space, not memory: with room for growth a reader
// never makes a writer wait for a new map. 32-bit machines have none to spare.
const initialMmapSize = (strconv.IntSize / 64) * (64 << 30)

// noSpaceErrors are the ways a system says that the disk is full.
var noSpaceErrors = []error{syscall.ENOSPC, syscall.EFBIG, syscall.EDQUOT}

func noAddressSpace(err error) bool { return errors.Is(err, syscall.ENOMEM) }

// syncFile makes a closed file's content durable.
func syncFile(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// syncFolder makes a rename inside the folder durable.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
