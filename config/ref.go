package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/zalando/go-keyring"

	"callsyncd/call"
)

// KeyringService is the service name secrets are kept under in the operating
// system's keyring.
const KeyringService = "callsyncd"

const maxSecretBytes = 64 << 10

const refPattern = `^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|credential:[A-Za-z0-9._-]+|keyring:.+)$`

var ref = regexp.MustCompile(refPattern)

// Ref says where a secret is: env:NAME, file:/path, credential:NAME (systemd)
// or keyring:NAME. It holds no secret and may be printed.
type Ref string

// ParseRef checks the form of a reference. Its error never holds the text,
// which may be the secret itself.
func ParseRef(text string) (Ref, error) {
	kind, name, _ := strings.Cut(text, ":")
	switch {
	case !ref.MatchString(text) && slices.Contains([]string{"env", "credential", "keyring", "file"}, kind):
		return "", fmt.Errorf("what follows %s: is not a name or path; write env:NAME, file:/path, credential:NAME or keyring:NAME", kind)
	case !ref.MatchString(text):
		return "", errors.New("a secret must not stand in this file; put it elsewhere and write env:NAME, file:/path, credential:NAME (systemd) or keyring:NAME here")
	case kind == "file" && !filepath.IsAbs(name):
		return "", errors.New("the path after file: must be absolute, such as file:/etc/callsyncd/token")
	case kind == "credential" && (name == "." || name == ".."):
		return "", errors.New("what follows credential: is not a name")
	}
	return Ref(text), nil
}

// Resolve fetches the secret. getenv looks up environment variables; nil means
// os.Getenv. The error says what to do and never holds the secret.
func (r Ref) Resolve(getenv func(string) string) (call.Secret, error) {
	if getenv == nil {
		getenv = os.Getenv
	}
	kind, name, _ := strings.Cut(string(r), ":")
	var text string
	var err error
	switch kind {
	case "env":
		if text = getenv(name); text == "" {
			err = fmt.Errorf("the environment variable %s is not set", name)
		}
	case "file":
		text, err = secretFile(name)
	case "credential":
		text, err = systemdCredential(name, getenv)
	case "keyring":
		text, err = keyringSecret(name)
	default:
		err = errors.New("not a reference to a secret")
	}
	if err == nil {
		text, err = oneLine(text)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", r, err)
	}
	return call.Secret(text), nil
}

// oneLine drops the newline editors leave at the end of a file.
func oneLine(text string) (string, error) {
	text = strings.TrimRight(text, "\r\n")
	switch {
	case strings.TrimSpace(text) == "":
		return "", errors.New("the secret is empty")
	case strings.ContainsFunc(text, func(c rune) bool { return c < 0x20 || c == 0x7f }):
		return "", errors.New("the secret has a line break or control character inside; store only the secret itself")
	}
	return text, nil
}

func secretFile(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", bare(err)
	}
	if info.Mode().IsRegular() && runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("other users can change this file (mode %04o); run: chmod 600 %s", info.Mode().Perm(), shellQuote(path))
	}
	data, err := readFile(path, maxSecretBytes)
	return string(data), bare(err)
}

// readable reports whether other users can read the file of a reference. It is
// worth a warning and no more: containers mount secrets that way.
func (r Ref) readable() (mode fs.FileMode, loose bool) {
	path, isFile := strings.CutPrefix(string(r), "file:")
	if !isFile || runtime.GOOS == "windows" {
		return 0, false
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, false // Resolve says so when the secret is needed
	}
	return info.Mode().Perm(), info.Mode().Perm()&0o044 != 0
}

func systemdCredential(name string, getenv func(string) string) (string, error) {
	folder := getenv("CREDENTIALS_DIRECTORY")
	if folder == "" {
		return "", fmt.Errorf("there are no systemd credentials here; add LoadCredential=%s:/path/of/the/secret to the unit and start the service with systemctl", name)
	}
	data, err := readFile(filepath.Join(folder, name), maxSecretBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the unit passes no such credential; add LoadCredential=%s:/path/of/the/secret to it", name)
	}
	return string(data), bare(err)
}

func keyringSecret(name string) (string, error) {
	text, err := keyring.Get(KeyringService, name)
	if errors.Is(err, keyring.ErrNotFound) {
		return "", fmt.Errorf("the keyring of this user has no such entry under the service %q", KeyringService)
	}
	if err != nil {
		return "", fmt.Errorf("the keyring cannot be read, as in a system service without a login session (use file: or credential: there): %w", err)
	}
	return text, nil
}

// readFile reads a regular file of at most limit bytes; what is beyond is cut.
func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// bare drops the path from an error, for messages that already hold it.
func bare(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func shellQuote(path string) string {
	if strings.ContainsFunc(path, func(c rune) bool { return !strings.ContainsRune("/._-", c) && !isWord(c) }) {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}

func isWord(c rune) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// Secrets fetches all secrets of a source, by credential name. The error names
// every one that cannot be had.
func (s *Source) Secrets(getenv func(string) string) (map[string]call.Secret, error) {
	secrets := make(map[string]call.Secret, len(s.Credentials))
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(s.Credentials)) {
		secret, err := s.Credentials[name].Resolve(getenv)
		if err != nil {
			errs = append(errs, fmt.Errorf("source %s: credential %s: %w", s.Name, name, err))
			continue
		}
		secrets[name] = secret
	}
	return secrets, errors.Join(errs...)
}

// SecretsAgain fetches the secrets anew that may have changed since had was
// fetched: those of the environment cannot, and may be forgotten by now.
func (s *Source) SecretsAgain(had map[string]call.Secret) (map[string]call.Secret, error) {
	changing := Source{Name: s.Name, Credentials: maps.Clone(s.Credentials)}
	maps.DeleteFunc(changing.Credentials, func(_ string, ref Ref) bool { return strings.HasPrefix(string(ref), "env:") })
	secrets, err := changing.Secrets(nil)
	if err != nil {
		return nil, err
	}
	for name := range s.Credentials {
		if _, read := secrets[name]; !read {
			secrets[name] = had[name]
		}
	}
	return secrets, nil
}

// ForgetSecrets removes the environment variables that hold secrets, once they
// have been read, so that no program we start inherits them. What the system
// shows of our own environment, such as /proc/PID/environ to the same user and
// to root, is what we were started with and cannot be changed: secrets in
// files are safer.
func (c *Config) ForgetSecrets() {
	for _, s := range c.Sources {
		for _, ref := range s.Credentials {
			if name, ok := strings.CutPrefix(string(ref), "env:"); ok {
				_ = os.Unsetenv(name) // fails for names no variable can have
			}
		}
	}
}

// SecretFiles returns the paths of the references that begin with file:, sorted.
func (c *Config) SecretFiles() []string { return c.refs("file:") }

// SystemdCredentials returns the names of the credentials a systemd unit must
// pass with LoadCredential, sorted.
func (c *Config) SystemdCredentials() []string { return c.refs("credential:") }

// refs returns what follows a prefix in the references of all sources, sorted,
// each once.
func (c *Config) refs(prefix string) []string {
	var names []string
	for _, s := range c.Sources {
		for _, ref := range s.Credentials {
			if name, ok := strings.CutPrefix(string(ref), prefix); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
