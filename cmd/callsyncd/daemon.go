package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"callsyncd/api/client"
	"callsyncd/call"
)

// daemon is the process that answers for an archive.
type daemon struct {
	pid     int
	address string
	token   string // path of the file
}

// unreadable says why the daemon cannot even be asked.
func (d *daemon) unreadable() error {
	reason := "it must be a plain file of 32 characters or more that only its owner may read"
	hint := "if other users may read it (mode 0644, say), run: chmod 600 " + d.token + "; if it was changed, remove it and restart the daemon, which makes a new one"
	_, err := os.ReadFile(d.token)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		reason, hint = "it is gone", "restart the daemon, which makes a new one"
	case err != nil:
		reason, hint = err.Error(), "run it as the user who owns the archive, such as: sudo -u callsyncd callsyncd ..."
	}
	return &fault{exitFailed, fmt.Errorf("the daemon with pid %d answers at %s, but its token cannot be used: %s: %s", d.pid, d.address, d.token, reason), hint}
}

// blame says of an error that it is the daemon that does not answer, or does
// not take our token. A nil daemon leaves the error as it is.
func (d *daemon) blame(err error) error {
	if d == nil || err == nil {
		return err
	}
	if errors.Is(err, client.ErrNoAnswer) {
		return &fault{exitFailed, fmt.Errorf("the daemon with pid %d does not answer: %w", d.pid, err), "restart it, such as with `callsyncd service restart`"}
	}
	if p, ok := errors.AsType[*client.Problem](err); ok && errors.Is(p, call.ErrUnauthorized) {
		return &fault{exitFailed, fmt.Errorf("the daemon with pid %d at %s refuses the token in %s", d.pid, d.address, d.token), "the file has changed since the daemon started: restart it"}
	}
	return err
}
