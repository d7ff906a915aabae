package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v4/disk"

	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
	"callsyncd/simulator"
	"callsyncd/sync/provider"
)

// actor is one source with the simulated vendor in place of its own.
type actor struct {
	source config.Source
	sim    *simulator.Simulator
	vendor simulator.Vendor
	plan   *plan
	least  *float64 // minutes to the next loss, the least seen
	healed *time.Duration
}

// role is what a simulated vendor plays: which one, and which generation of it.
type role struct{ vendor, generation string }

func (r role) options(o simulator.Options) simulator.Options {
	o.Vendors = []string{r.vendor}
	if r.generation != "" {
		o.Generation = map[string]string{r.vendor: r.generation}
	}
	return o
}

// simulated are the names of the vendors that can be simulated.
func simulated() []string {
	var names []string
	for _, v := range simulator.New(simulator.Options{}).Vendors() {
		names = append(names, v.Name)
	}
	return names
}

// cast finds the simulated vendor for a source. A built-in provider has its
// own; a provider file gets the first one of which it reads all of a few calls.
// Without one, ok is false.
func cast(ctx context.Context, cfg *config.Config, s *config.Source, dir string) (r role, ok bool, err error) {
	vendors := simulated()
	if slices.Contains(provider.Builtin(), s.Provider) {
		return role{vendor: s.Provider}, slices.Contains(vendors, s.Provider), nil
	}
	d, err := provider.Load(s.Provider)
	if err != nil {
		return role{}, false, err
	}
	slices.SortStableFunc(vendors, func(a, b string) int { // its own name first
		if a == d.Name() {
			return -1
		}
		if b == d.Name() {
			return 1
		}
		return 0
	})
	for _, vendor := range vendors {
		for _, generation := range []string{"", "new"} {
			r := role{vendor, generation}
			if reads, err := r.try(ctx, cfg, s, filepath.Join(dir, "trial")); reads || err != nil {
				return r, reads, err
			}
		}
	}
	return role{}, false, nil
}

// trialCalls are how many calls a provider file must read to be taken for a vendor's.
const trialCalls = 5

// try reports whether the description of a source reads a few calls of a
// simulated vendor, all of them and whole.
func (r role) try(ctx context.Context, cfg *config.Config, s *config.Source, dir string) (bool, error) {
	defer func() { _ = os.RemoveAll(dir) }() // a trial leaves nothing of worth
	now := &clock{at: beginning}
	sim, ok := r.open(simulator.Options{Seed: 1, Calls: trialCalls, Now: now.Now})
	if !ok {
		return false, nil // there is only one generation
	}
	if err := sim.Start(); err != nil {
		return false, err
	}
	defer func() { _ = sim.Close() }() // it served its turn
	a := &actor{source: *s, sim: sim, vendor: sim.Vendors()[0]}
	moved, err := move(cfg, dir, "1MiB", []*actor{a})
	if err != nil {
		return false, err
	}
	archive, err := service.Open(ctx, service.Options{Config: moved, Log: slog.New(slog.DiscardHandler), Version: "rehearsal", Clock: now})
	if err != nil {
		return false, nil // such as credentials of other names
	}
	report, err := archive.Sync(ctx, []call.SourceID{s.Name}, true)
	if err := errors.Join(err, archive.Close()); err != nil {
		return false, err
	}
	counts := report.Sources[0].Counts
	return report.Sources[0].Err == nil && counts.Calls == trialCalls && counts.Transcript > 0, nil
}

// open makes the simulator; ok is false when there is no such role.
func (r role) open(o simulator.Options) (sim *simulator.Simulator, ok bool) {
	defer func() {
		if recover() != nil { // how it refuses a generation it does not know
			sim, ok = nil, false
		}
	}()
	return simulator.New(r.options(o)), true
}

// move writes a configuration like the user's into dir, whose sources are the
// simulated vendors, and loads it. Whatever is not on this machine is refused.
func move(cfg *config.Config, dir, minFree string, actors []*actor) (*config.Config, error) {
	secrets := filepath.Join(dir, "credentials")
	if err := os.MkdirAll(secrets, 0o700); err != nil {
		return nil, err
	}
	places := map[call.SourceID]config.Place{}
	for _, a := range actors {
		if err := local(a.vendor.BaseURL); err != nil {
			return nil, err
		}
		p := config.Place{BaseURL: a.vendor.BaseURL, AllowPrivateHosts: []string{a.vendor.MediaHost}, Credentials: map[string]config.Ref{}}
		for _, name := range slices.Sorted(maps.Keys(a.vendor.Credentials)) {
			path := filepath.Join(secrets, string(a.source.Name)+"-"+name)
			if err := os.WriteFile(path, []byte(a.vendor.Credentials[name]+"\n"), 0o600); err != nil {
				return nil, err
			}
			p.Credentials[name] = config.Ref("file:" + path)
		}
		places[a.source.Name] = p
	}
	path := filepath.Join(dir, "config.yaml")
	text := "# Written by callsyncd rehearse: your settings, simulated vendors, invented calls.\n" + string(cfg.Move(filepath.Join(dir, "data"), minFree, places))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	nothing := func(string) string { return "" } // no environment variable goes before it
	return config.Load(path, config.Options{Getenv: nothing})
}

// local refuses an address that is not of this machine.
func local(address string) error {
	u, err := url.Parse(address)
	if err == nil && !strings.HasPrefix(u.Host, "127.0.0.1:") {
		err = fmt.Errorf("rehearse: %s is not on this machine", u.Host)
	}
	return err
}

// room is the disk space to keep free in dir: as configured, or half of what
// there is where the disk is too small for that, which is then said.
func room(cfg *config.Config, dir string) (minFree, note string) {
	usage, err := disk.Usage(dir)
	if err != nil || usage.Free > uint64(cfg.Recordings.MinFreeBytes)+1<<30 {
		return "", ""
	}
	half := int64(usage.Free / 2 >> 20)
	return fmt.Sprintf("%dMiB", half), fmt.Sprintf("recordings.min_free is lowered to %d MiB: the disk of %s has only %d MiB free", half, dir, usage.Free>>20)
}
