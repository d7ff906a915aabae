// Package config reads the YAML configuration: every mistake at once with its
// line, defaults, environment, and secrets by reference.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"callsyncd/call"
	"callsyncd/config/schedule"
)

// Environment variables that are read besides those of secret references.
const (
	EnvConfig  = "CALLSYNCD_CONFIG"     // path of the file, see Path
	EnvDataDir = "CALLSYNCD_DATA_DIR"   // goes before data_dir
	EnvListen  = "CALLSYNCD_API_LISTEN" // goes before api.listen
)

// Config is a complete and valid configuration. It is not changed after Load.
type Config struct {
	// File is the absolute path it was read from; for Parse, the name given.
	File       string
	DataDir    string // absolute
	API        API
	Sources    []Source // at least one, names differ
	Recordings Recordings
	Search     Search
	Redaction  Redaction

	written  file
	places   map[string]place
	fromEnv  map[string]string
	warnings Problems
}

// API says where the local query API listens.
type API struct {
	Listen string // loopback IP and port; port 0 means a free one
}

// Source is one account at a vendor.
type Source struct {
	Name call.SourceID
	// Provider is the name of a built-in provider, or the absolute path of a
	// provider file.
	Provider    string
	BaseURL     string // empty means the provider's own
	Credentials map[string]Ref
	Since       time.Time // zero means everything
	Schedule    Schedule
	LateHorizon time.Duration
	Budgets     []call.RateLimit // empty means the provider's own
	Concurrency int              // API requests in flight, 1 to 32
	Recordings  bool
	// AllowPrivateHosts are lower-case hosts, host:port or CIDRs.
	AllowPrivateHosts []string
}

// Schedule says when the loops of a source run.
type Schedule struct {
	Head, Trailing, Sweep schedule.Schedule
}

// Recordings says how recordings are stored.
type Recordings struct {
	Parallel     int   // downloads at once, 1 to 32
	MinFreeBytes int64 // disk space that is never used
	// MaxBytesPerSecond bounds the downloads of all sources together; 0 means no
	// limit.
	MaxBytesPerSecond int64
}

// Search says how calls are indexed.
type Search struct {
	Languages []string // of the list Languages; not empty
}

// Redaction says what is masked before indexing and display.
type Redaction struct {
	CardNumbers bool
}

// Options are the surroundings of a configuration.
type Options struct {
	// Provider reports whether a built-in name or the absolute path of a
	// provider file can be used; nil accepts all.
	Provider func(nameOrPath string) error
	// Source reports whether a source without mistakes of its own can be opened,
	// a line for each reason; nil accepts all.
	Source func(*Source) error
	// Getenv looks up environment variables; nil means os.Getenv.
	Getenv func(string) string
}

// Load reads the configuration file at path. A mistake in it is a Problems; a
// file that cannot be read is another error.
func Load(path string, o Options) (*Config, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	data, err := readFile(path, maxFileBytes+1)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data, o)
}

// Parse reads a configuration from data. name stands in problems; relative
// provider paths are relative to its folder. The error is a Problems.
func Parse(name string, data []byte, o Options) (*Config, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	r := newReader(name)
	written := defaults()
	cfg := &Config{File: name}
	if r.read(data, &written) {
		r.override(EnvDataDir, "data_dir", &written.DataDir, o.Getenv)
		r.override(EnvListen, "api.listen", &written.API.Listen, o.Getenv)
		r.understand(cfg, &written, o)
	}
	if len(r.problems) > 0 {
		return nil, r.problems.ordered()
	}
	cfg.written, cfg.places, cfg.fromEnv, cfg.warnings = written, r.places, r.fromEnv, r.warnings.ordered()
	return cfg, nil
}

// override lets an environment variable that is not empty replace a value.
func (r *reader) override(name, key string, value *string, getenv func(string) string) {
	if text := getenv(name); text != "" {
		*value = text
		r.fromEnv[key] = name
	}
}

// Warnings returns what is allowed but probably not meant.
func (c *Config) Warnings() []Problem { return c.warnings }

// Path returns the file to read: the flag, else CALLSYNCD_CONFIG, else the
// system's file when it exists or the user is root, else the user's own.
func Path(flag string, getenv func(string) string) string {
	if flag != "" {
		return flag
	}
	if path := getenv(EnvConfig); path != "" {
		return path
	}
	return defaultPath(systemPath(getenv), os.Geteuid() == 0)
}

func defaultPath(system string, root bool) string {
	if _, err := os.Stat(system); err == nil || root {
		return system
	}
	folder, err := os.UserConfigDir()
	if err != nil {
		return system
	}
	return filepath.Join(folder, "callsyncd", "config.yaml")
}

// systemPath is where the file of a system service lies.
func systemPath(getenv func(string) string) string {
	if folder := getenv("ProgramData"); runtime.GOOS == "windows" && folder != "" {
		return filepath.Join(folder, "callsyncd", "config.yaml")
	}
	return "/etc/callsyncd/config.yaml"
}
