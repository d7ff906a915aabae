//go:build !windows

package service

import (
	"io/fs"
	"slices"
	"strconv"
	"syscall"
)

// may reports whether the mode of a file allows the account what is wanted,
// given as a bit of everybody's.
func (a account) may(info fs.FileInfo, wanted fs.FileMode) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || a.uid == "0":
		return true
	case a.uid == strconv.FormatUint(uint64(stat.Uid), 10):
		wanted <<= 6
	case slices.Contains(a.groups, strconv.FormatUint(uint64(stat.Gid), 10)):
		wanted <<= 3
	}
	return info.Mode().Perm()&wanted != 0
}
