package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"callsyncd/config"
	"callsyncd/service"
	"callsyncd/simulator"
	"callsyncd/sync/provider"
)

// year is the past over which the calls are spread.
const year = 365 * 24 * time.Hour

// configFile is the configuration of the archive in a folder. It is written
// last, so that a folder with one is complete.
func configFile(dir string) string { return filepath.Join(dir, "config.yaml") }

// buildArchive fills dir with the archive of so many simulated calls, synced as
// any other, without recordings. A folder that has one is left as it is.
func buildArchive(ctx context.Context, dir string, calls int) error {
	if _, err := os.Stat(configFile(dir)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	fmt.Fprintf(os.Stderr, "syncing %d simulated calls into %s\n", calls, dir)
	sim := simulator.New(simulator.Options{Seed: 1, Calls: calls / 5, Span: year})
	if err := sim.Start(); err != nil {
		return err
	}
	defer sim.Close()
	draft := configFile(dir) + ".draft"
	if err := writeConfig(draft, dir, sim.Vendors()); err != nil {
		return err
	}
	archive, err := openArchive(ctx, draft)
	if err != nil {
		return err
	}
	start := time.Now()
	report, err := archive.Sync(ctx, nil, false)
	if err = errors.Join(err, archive.Close()); err != nil {
		return err
	}
	for _, s := range report.Sources {
		if !s.Complete {
			return fmt.Errorf("sync: source %s is not complete: %+v", s.Source, s)
		}
	}
	fmt.Fprintf(os.Stderr, "synced in %.0f s\n", time.Since(start).Seconds())
	return os.Rename(draft, configFile(dir))
}

// writeConfig writes a configuration of every simulated vendor, secrets beside it.
func writeConfig(path, dir string, vendors []simulator.Vendor) error {
	secrets := filepath.Join(dir, "credentials")
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir: %q\nsources:\n", filepath.Join(dir, "data"))
	for _, v := range vendors {
		fmt.Fprintf(&b, "  - name: %s\n    provider: %s\n    base_url: %s\n    recordings: false\n    credentials:\n", v.Name, v.Name, v.BaseURL)
		for _, name := range slices.Sorted(maps.Keys(v.Credentials)) {
			secret := filepath.Join(secrets, v.Name+"-"+name)
			if err := os.WriteFile(secret, []byte(v.Credentials[name]+"\n"), 0o600); err != nil {
				return err
			}
			fmt.Fprintf(&b, "      %s: %q\n", name, "file:"+secret)
		}
		fmt.Fprintf(&b, "    budgets: [{requests: 100000, per: minute}]\n    concurrency: 8\n    allow_private_hosts: [%q]\n", v.MediaHost)
	}
	return os.WriteFile(path, []byte(b.String()), 0o600)
}

// openArchive opens the archive of a configuration.
func openArchive(ctx context.Context, path string) (*service.Archive, error) {
	known := func(name string) error { _, err := provider.Load(name); return err }
	cfg, err := config.Load(path, config.Options{Provider: known})
	if err != nil {
		return nil, err
	}
	return service.Open(ctx, service.Options{Config: cfg, Log: slog.New(slog.DiscardHandler), Version: "bench"})
}
