package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
)

// Doubts says what will probably keep a system service on Linux from its data
// or its secrets, as far as that can be told before it runs: lists for access
// control are not looked at. secrets are the files the configuration names with
// file:, as absolute paths.
func Doubts(o ServiceOptions, secrets []string) []string {
	u, err := newUnit(o)
	if err != nil || u.OS != "linux" || u.User {
		return nil
	}
	var doubts []string
	switch {
	case inTmp(u.DataDir):
		doubts = append(doubts, fmt.Sprintf("data_dir %s: the service has a temporary folder of its own (PrivateTmp), which is emptied when it stops; put the archive elsewhere, such as %s", u.DataDir, stateFolder))
	case inHome(u.DataDir):
		doubts = append(doubts, fmt.Sprintf("data_dir %s: home folders are guarded (ProtectHome) and the account %s may seldom enter them; put the archive elsewhere, such as %s", u.DataDir, u.Account, stateFolder))
	}
	for _, path := range secrets {
		if why := u.unreadable(path); why != "" {
			doubts = append(doubts, fmt.Sprintf("secret file:%s: %s; put it where the account may read it, such as in /etc/callsyncd, or use credential:", path, why))
		}
	}
	return doubts
}

// inTmp reports whether PrivateTmp would put another folder in a path's place.
func inTmp(path string) bool {
	path = filepath.Clean(path) + "/"
	return strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, "/var/tmp/")
}

// unreadable says why the service cannot read a file; empty when it can, or
// when that cannot be told.
func (u *unit) unreadable(path string) string {
	switch {
	case inTmp(path):
		return "the service has a temporary folder of its own (PrivateTmp)"
	case inHome(path) && !u.InHome:
		return "the service sees no home folders (ProtectHome)"
	case runtime.GOOS != "linux":
		return ""
	}
	account := accountOf(u.Account)
	for at := path; ; at = filepath.Dir(at) {
		wanted := fs.FileMode(0o1) // to go through a folder
		if at == path {
			wanted = 0o4
		}
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at == path:
			return "there is no such file"
		case err == nil && !account.may(info, wanted):
			return fmt.Sprintf("the account %s may not read it (%s belongs to others and has mode %04o)", u.Account, at, info.Mode().Perm())
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}

// account is whom a service runs as, by numbers.
type account struct {
	uid    string // empty when there is no such account yet
	groups []string
}

func accountOf(name string) account {
	found, err := user.Lookup(name)
	if err != nil {
		return account{}
	}
	groups, err := found.GroupIds()
	if err != nil {
		groups = []string{found.Gid}
	}
	return account{found.Uid, groups}
}
