package service

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
	"callsyncd/store"
)

// tokenFile holds the API's bearer token, readable by the owner only.
const tokenFile = "api-token"

// loadToken reads the API token, making one on first use.
func loadToken(dir string) (call.Secret, error) {
	path := filepath.Join(dir, tokenFile)
	token, err := readToken(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return token, err
	}
	token = call.Secret(rand.Text() + rand.Text())
	if err := writeToken(path, token); err != nil {
		return "", fmt.Errorf("create API token: %w", err)
	}
	return token, nil
}

// writeToken makes the file whole or not at all. Its temporary name is always
// the same, so that a crash leaves nothing the next start does not replace.
func writeToken(path string, token call.Secret) error {
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(token.Reveal() + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	crashpoint.Reach(crashpoint.TokenWritten)
	if err == nil {
		err = os.Rename(fresh, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(fresh))
	}
	crashpoint.Reach(crashpoint.TokenRenamed)
	return nil
}

func readToken(path string) (call.Secret, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("read API token: %s is not a plain file; remove it, a new one is made at the next start", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("read API token: others may read %s; run: chmod 600 %s", path, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read API token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < 32 {
		return "", fmt.Errorf("read API token: %s holds less than 32 characters; remove it, a new one is made at the next start", path)
	}
	return call.Secret(token), nil
}

// Running says how to reach the daemon that holds a data folder. ok is false
// when none does, or the process that does offers no API.
func Running(dataDir string) (address string, token call.Secret, pid int, ok bool) {
	pid, address, held := store.Holder(dataDir)
	if !held || address == "" {
		return "", "", pid, false
	}
	token, err := readToken(filepath.Join(dataDir, tokenFile))
	return address, token, pid, err == nil
}
