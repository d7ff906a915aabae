package call

import (
	"fmt"
	"strings"
)

// SourceID is the name of one configured account, [a-z0-9-]{1,32}. It never
// changes once calls are stored under it.
type SourceID string

// ID is the vendor's own identifier of a call: opaque bytes, never a path.
type ID string

// MaxIDBytes is the longest id a call may have.
const MaxIDBytes = 2048

// Key names one call in the archive. Its text form is "source/id"; the source
// holds no slash, the id may.
type Key struct {
	Source SourceID
	ID     ID
}

// String returns "source/id".
func (k Key) String() string { return string(k.Source) + "/" + string(k.ID) }

// MarshalText makes a key a JSON string.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText parses "source/id".
func (k *Key) UnmarshalText(b []byte) error {
	parsed, err := ParseKey(string(b))
	if err != nil {
		return err
	}
	*k = parsed
	return nil
}

// ParseKey splits "source/id" at its first slash.
func ParseKey(s string) (Key, error) {
	source, id, ok := strings.Cut(s, "/")
	if !ok || source == "" || id == "" {
		return Key{}, fmt.Errorf("call key %q: want SOURCE/ID, as printed by `callsyncd calls`", s)
	}
	return Key{SourceID(source), ID(id)}, nil
}
