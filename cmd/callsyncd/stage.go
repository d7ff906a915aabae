package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"callsyncd/simulator"
)

// stageMark begins a configuration that stage may overwrite.
const stageMark = "# Written by callsyncd simulate: simulated vendors, invented calls. The next run overwrites this file.\n"

// stage writes a configuration for simulated vendors into a folder, and their
// credentials into files only the owner can read. It returns the path of the
// configuration. One that it did not write itself it leaves alone.
func stage(dir string, vendors []simulator.Vendor, listen, schedule string) (string, error) {
	path := filepath.Join(dir, "config.yaml")
	switch begun, err := os.ReadFile(path); {
	case err == nil && !strings.HasPrefix(string(begun), stageMark):
		return "", usageError("name another folder", "%s was not written by callsyncd simulate; it is left as it is", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	secrets := filepath.Join(dir, "credentials")
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		return "", err
	}
	reference := func(vendor, name, value string) (string, error) {
		path := filepath.Join(secrets, vendor+"-"+name)
		return "file:" + path, os.WriteFile(path, []byte(value+"\n"), 0o600)
	}
	text, err := vendorConfig(filepath.Join(dir, "data"), vendors, listen, schedule, reference)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, []byte(stageMark+text), 0o600)
}

// vendorConfig is a configuration that names one source for each simulated
// vendor. reference puts a credential somewhere and answers where.
func vendorConfig(dataDir string, vendors []simulator.Vendor, listen, schedule string, reference func(vendor, name, value string) (string, error)) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "data_dir: %q\napi:\n  listen: %s\nrecordings:\n  min_free: 64MiB\nsources:\n", dataDir, listen)
	for _, v := range vendors {
		fmt.Fprintf(&b, "  - name: %s\n    provider: %s\n    base_url: %s\n    credentials:\n", v.Name, v.Name, v.BaseURL)
		for _, name := range slices.Sorted(maps.Keys(v.Credentials)) {
			at, err := reference(v.Name, name, v.Credentials[name])
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&b, "      %s: %q\n", name, at)
		}
		if schedule != "" {
			fmt.Fprintf(&b, "    schedule: %s\n", schedule)
		}
		fmt.Fprintf(&b, "    budgets: [{requests: 100000, per: minute}]\n    allow_private_hosts: [%q]\n", v.MediaHost)
	}
	return b.String(), nil
}
