package media

import (
	"errors"
	"fmt"

	"callsyncd/call"
)

// ErrNoSpace: the disk is full, or would be fuller than Options.MinFree
// allows. Nothing was stored.
var ErrNoSpace error = noSpaceError{}

type noSpaceError struct{}

func (noSpaceError) Error() string { return "no disk space for recordings" }

// Is makes it a call.ErrNoSpace.
func (noSpaceError) Is(target error) bool { return target == call.ErrNoSpace }

// PartReason is the word for call.Part.Reason.
func (noSpaceError) PartReason() string { return "no_space" }

// Reason says why a body is not stored as a recording.
type Reason string

// The reasons.
const (
	NotAudio  Reason = "not_audio" // a page, a document, or nothing we know
	Truncated Reason = "truncated" // shorter or longer than announced
	Checksum  Reason = "checksum"  // not the bytes whose MD5 was announced
	Empty     Reason = "empty"     // no bytes at all
	TooLarge  Reason = "too_large" // more than Options.MaxBytes
	Length    Reason = "length"    // not as long as it should be, see MediaExpect.Accept
)

// ContentError says that a body is not the recording it should be. It is
// call.ErrCorrupt, and call.ErrRefused as well when it is too large.
type ContentError struct {
	Reason Reason
	// Detail is for people; it never quotes the body.
	Detail string
}

func (e *ContentError) Error() string {
	return fmt.Sprintf("recording is unusable (%s): %s", e.Reason, e.Detail)
}

// PartReason is the word for call.Part.Reason.
func (e *ContentError) PartReason() string { return string(e.Reason) }

// Is tells the kinds of the error.
func (e *ContentError) Is(target error) bool {
	return target == call.ErrCorrupt || target == call.ErrRefused && e.Reason == TooLarge
}

// asNoSpace makes ErrNoSpace of the errors of a full disk, and keeps others.
func asNoSpace(err error) error {
	for _, full := range diskFull {
		if errors.Is(err, full) {
			return fmt.Errorf("%w: %w", ErrNoSpace, err)
		}
	}
	return err
}
