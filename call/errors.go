package call

import (
	"errors"
	"fmt"
	"time"
)

// Error kinds, tested with errors.Is.
var (
	// ErrNotFound: there is no such call, part or file.
	ErrNotFound = errors.New("not found")
	// ErrUnauthorized: the vendor refused our credentials. Nothing else of the
	// source will work until they are changed.
	ErrUnauthorized = errors.New("credentials refused")
	// ErrTransient: try again later.
	ErrTransient = errors.New("temporary failure")
	// ErrCorrupt: the answer or file contradicts itself or its checksum.
	ErrCorrupt = errors.New("corrupt")
	// ErrTooLarge: an answer holds more than is read of one. It is an ErrCorrupt, too.
	ErrTooLarge = fmt.Errorf("too large: %w", ErrCorrupt)
	// ErrExpired: a recording link is no longer honoured; ask for a fresh one.
	ErrExpired = errors.New("link expired")
	// ErrBadCursor: a list cursor was not made by us or is damaged.
	ErrBadCursor = errors.New("bad cursor")
	// ErrLocked: another process holds the archive.
	ErrLocked = errors.New("archive is in use")
	// ErrNoSpace: the disk is full, or would be. It passes when there is room.
	ErrNoSpace = errors.New("no disk space")
	// ErrRefused: we will not do this, for the safety of secrets or the network.
	ErrRefused = errors.New("refused")
)

// BudgetError says that no request may be made before Until.
type BudgetError struct {
	Source SourceID
	Until  time.Time
	// Why names the exhausted window, such as "1000 requests per 1h0m0s", or
	// the vendor's Retry-After.
	Why string
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("source %s: request budget spent (%s), free again at %s", e.Source, e.Why, e.Until.UTC().Format(time.RFC3339))
}

// Is makes a spent budget a temporary failure.
func (e *BudgetError) Is(target error) bool { return target == ErrTransient }

// HoldError says which process holds the archive. It wraps ErrLocked.
type HoldError struct {
	PID  int    // 0 when unknown
	Path string // the archive
}

func (e *HoldError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("open %s: another process holds the archive", e.Path)
	}
	return fmt.Sprintf("open %s: process %d holds the archive", e.Path, e.PID)
}

func (e *HoldError) Unwrap() error { return ErrLocked }
