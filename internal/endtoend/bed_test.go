// Package endtoend runs the whole program, from a configuration file to the
// files on disk, against the simulated vendors.
package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
	"callsyncd/simulator"
	"callsyncd/sync/provider"
)

// bed is a simulator with a configuration for all its vendors.
type bed struct {
	sim    *simulator.Simulator
	dir    string // data folder
	config string // configuration file
	logs   *bytes.Buffer
}

// newBed starts a simulator and writes a configuration whose sources are named
// like the vendors.
func newBed(t testing.TB, o simulator.Options) *bed {
	t.Helper()
	b := &bed{sim: simulator.New(o), dir: filepath.Join(t.TempDir(), "data"), logs: &bytes.Buffer{}}
	if err := b.sim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.sim.Close(); err != nil {
			t.Error(err)
		}
	})
	b.config = filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(b.config, []byte(b.yaml(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// yaml is a configuration for every vendor; secrets lie in files beside it.
func (b *bed) yaml(t testing.TB) string {
	var y strings.Builder
	fmt.Fprintf(&y, "data_dir: %s\napi: {listen: 127.0.0.1:0}\nrecordings: {min_free: 1MB}\nsources:\n", b.dir)
	for _, v := range b.sim.Vendors() {
		fmt.Fprintf(&y, "  - name: %s\n    provider: %s\n    base_url: %s\n    credentials:\n", v.Name, v.Name, v.BaseURL)
		for name, secret := range v.Credentials {
			file := filepath.Join(t.TempDir(), v.Name+"-"+name)
			if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&y, "      %s: file:%s\n", name, file)
		}
		fmt.Fprintf(&y, "    budgets: [{requests: 100000, per: minute}]\n    concurrency: 8\n    allow_private_hosts: [%q]\n", v.MediaHost)
	}
	return y.String()
}

func (b *bed) load(t testing.TB) *config.Config {
	t.Helper()
	cfg, err := config.Load(b.config, config.Options{Provider: func(name string) error { _, err := provider.Load(name); return err }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (b *bed) options(t testing.TB) service.Options {
	if b.logs == nil {
		return service.Options{Config: b.load(t), Log: slog.New(slog.DiscardHandler), Version: "test"}
	}
	log := slog.New(slog.NewJSONHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	return service.Options{Config: b.load(t), Log: log, Version: "test"}
}

// open opens the archive for the length of the test.
func (b *bed) open(t testing.TB) *service.Archive {
	t.Helper()
	a, err := service.Open(context.Background(), b.options(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// syncAll does one round of all sources.
func syncAll(t testing.TB, a *service.Archive, full bool) call.SyncReport {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	report, err := a.Sync(ctx, nil, full)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// await asks again and again, because another process or the network decides. Its
// limit is for what never comes: a busy machine under the race detector is slow.
func await(t testing.TB, what string, there func() bool) {
	t.Helper()
	awaitFor(t, 5*time.Minute, what, there)
}

func awaitFor(t testing.TB, limit time.Duration, what string, there func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !there(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
