package media

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"regexp"
	"strings"
	"time"

	"callsyncd/call"
)

const maxSafeID = 64

var (
	sourcePattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	// hashSuffix is what safeID appends to an altered id; an id that looks so by
	// itself gets one too, so that it cannot be taken for another's name.
	hashSuffix = regexp.MustCompile(`-[0-9a-f]{8}$`)
)

// fileName is the path of a recording inside the data folder, with forward
// slashes. sum is the SHA-256 of its content.
func fileName(key call.Key, at time.Time, sum []byte, extension string) (string, error) {
	if !sourcePattern.MatchString(string(key.Source)) {
		return "", fmt.Errorf("source %q is not a source name", key.Source)
	}
	at = at.UTC()
	return path.Join(folder, string(key.Source), at.Format("2006/01/02"),
		fmt.Sprintf("%s_%s_%s%s", at.Format("20060102T150405Z"), safeID(key.ID), hex.EncodeToString(sum)[:12], extension)), nil
}

// safeID makes a piece of a file name of a vendor's id: [A-Za-z0-9._-] only,
// not empty, no leading dot, at most 73 bytes. An id that is lower-case and
// already safe stays as it is; any other ends in a hash of the id, so that
// distinct ids have distinct names also where case does not count.
func safeID(id call.ID) string {
	safe := strings.Map(func(r rune) rune {
		if strings.ContainsRune("._-", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-'
	}, string(id))
	if len(safe) > maxSafeID {
		safe = safe[:maxSafeID]
	}
	if rest, dotted := strings.CutPrefix(safe, "."); dotted {
		safe = "-" + rest
	}
	if safe == string(id) && safe != "" && safe == strings.ToLower(safe) && !hashSuffix.MatchString(safe) {
		return safe
	}
	sum := sha256.Sum256([]byte(id))
	return safe + "-" + hex.EncodeToString(sum[:4])
}
