package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"callsyncd/internal/crashpoint"
)

// lockName is the file that says who holds the archive. It informs; what
// excludes is bbolt's lock on the archive itself.
const lockName = "callsyncd.lock"

type lockInfo struct {
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	// Address is where the holder's API listens; empty until it does.
	Address string `json:"address"`
}

type lockFile struct {
	path string
	mu   sync.Mutex
	info lockInfo
}

// write replaces the file, so that nobody reads half of it.
func (l *lockFile) write(info lockInfo) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	body, err := json.Marshal(info)
	if err != nil {
		return fmt.Errorf("write %s: %w", lockName, err)
	}
	fresh := l.path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(body, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	crashpoint.Reach(crashpoint.LockWritten)
	if err := os.Rename(fresh, l.path); err != nil {
		return err
	}
	crashpoint.Reach(crashpoint.LockRenamed)
	l.info = info
	return nil
}

// remove is called while the archive is still locked: later the file could be
// the next holder's.
func (l *lockFile) remove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (l *lockFile) current() lockInfo {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.info
}

func readLock(path string) (info lockInfo, err error) {
	if _, err := regularFile(path); err != nil { // reading a pipe would wait for its other end
		return lockInfo{}, err
	}
	body, err := os.ReadFile(path)
	if err != nil {
		return lockInfo{}, err
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return lockInfo{}, fmt.Errorf("read %s: %w", lockName, err)
	}
	return info, nil
}

// SetAddress makes the address of the API known to other processes on this
// machine.
func (s *Store) SetAddress(addr string) error {
	info := s.lock.current()
	info.Address = addr
	if err := s.lock.write(info); err != nil {
		return fmt.Errorf("set address: %w", err)
	}
	return nil
}

// Holder returns who holds the archive in dir and where its API listens. The
// address is empty until the holder has told it, the pid 0 when unknown. ok is
// false when nobody holds the archive, whatever callsyncd.lock says.
func Holder(dir string) (pid int, address string, ok bool) {
	path := filepath.Join(dir, fileName)
	if exists, err := regularFile(path); err != nil || !exists { // opening a pipe would wait for its other end
		return 0, "", false
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Nanosecond, NoStatistics: true})
	if err == nil {
		db.Close()
		return 0, "", false
	}
	if !errors.Is(err, bolterrors.ErrTimeout) {
		return 0, "", false
	}
	info, _ := readLock(filepath.Join(dir, lockName))
	return info.PID, info.Address, true
}
