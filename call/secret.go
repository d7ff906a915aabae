package call

import (
	"log/slog"
	"net/url"
)

// redacted stands for a secret wherever it would be printed.
const redacted = "<secret>"

// Secret is a credential. It prints as "<secret>" in text, JSON and logs; use
// Reveal where it is really needed.
type Secret string

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// SignedURL is the address of a recording. Its query is a credential with a
// clock, so it prints as scheme and host only.
type SignedURL string

func (u SignedURL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return redacted
	}
	return parsed.Scheme + "://" + parsed.Host + "/" + redacted
}

func (u SignedURL) GoString() string             { return u.String() }
func (u SignedURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
func (u SignedURL) LogValue() slog.Value         { return slog.StringValue(u.String()) }

// Reveal returns the whole address.
func (u SignedURL) Reveal() string { return string(u) }
