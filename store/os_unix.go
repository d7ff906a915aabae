//go:build unix

package store

import (
	"errors"
	"fmt"
	"io/fs"
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

// checkPrivate refuses what belongs to somebody else, and what others may do
// with it that a mode forbids; remedy is the command that ends it.
func checkPrivate(path string, forbidden fs.FileMode, remedy string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to the user with id %d, and this runs as %d: %w", path, owner.Uid, os.Geteuid(), fs.ErrPermission)
	}
	if mode := info.Mode().Perm(); mode&forbidden != 0 {
		return fmt.Errorf("other users may read or change %s (mode %04o); run: %s %s", path, mode, remedy, path)
	}
	return nil
}

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
