//go:build unix

package main

import "syscall"

// keepPrivate lets no file that is made from now on be for others, whatever
// umask we were started with, and no crash write what is in memory, which is
// transcripts and tokens, to disk.
func keepPrivate() {
	syscall.Umask(0o077)
	_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}) // lowering it is always allowed
}
