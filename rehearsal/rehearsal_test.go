package rehearsal

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"callsyncd/config"
)

// configure reads a configuration of which only the sources are given.
func configure(t *testing.T, sources string) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := "data_dir: " + filepath.Join(t.TempDir(), "untouched") + "\nrecordings: {min_free: 1MiB}\nsources:\n" + sources
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path, config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// rehearse runs a short rehearsal.
func rehearse(t *testing.T, cfg *config.Config, seed uint64, faults ...string) *Report {
	t.Helper()
	report, err := Run(t.Context(), Options{Config: cfg, Faults: faults, Seed: seed, Calls: 12, Rounds: 8, For: 8 * time.Hour,
		Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

const twoSources = `  - {name: one, provider: callcamp, credentials: {token: "env:NOWHERE"}}
  - {name: two, provider: agentvoice, credentials: {api_key: "env:NOWHERE", organization_id: "env:NOWHERE"}, concurrency: 8}
`

// TestSameSeedSameFigures also tells that two sources have worlds of their own
// and that another seed is another rehearsal.
func TestSameSeedSameFigures(t *testing.T) {
	t.Parallel()
	cfg := configure(t, twoSources)
	faults := []string{"error_rate", "truncated_json", "late_parts", "media_error_rate", "outage", "hidden_rows", "restart"}
	figures := func(seed uint64) string {
		var all []any
		for _, s := range rehearse(t, cfg, seed, faults...).Sources {
			all = append(all, s.Figures)
		}
		text, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := figures(7)
	if again := figures(7); again != first {
		t.Errorf("the same seed:\n%s\n%s", first, again)
	}
	if other := figures(8); other == first {
		t.Errorf("another seed: %s", other)
	}
}

func TestEverythingHealsWithoutFaults(t *testing.T) {
	t.Parallel()
	report := rehearse(t, configure(t, twoSources), 1)
	if !report.Complete() || report.CalmRounds != 1 || len(report.Sources) != 2 {
		t.Errorf("%+v", report)
	}
	for _, s := range report.Sources {
		if s.Figures.AtVendor < 12 || s.Figures.RecordingsArchived != s.Figures.RecordingsExpected || s.Measured.HealHours == nil {
			t.Errorf("%s: %+v %+v", s.Source, s.Figures, s.Measured)
		}
	}
}

// The user's vendor is a server that counts: nobody may come. The secrets do not
// exist, so that reading one would fail.
func TestRealVendorsAreNotContacted(t *testing.T) {
	t.Parallel()
	var visits atomic.Int64
	real := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer real.Close()
	cfg := configure(t, fmt.Sprintf("  - {name: one, provider: smartalex, base_url: %q, credentials: {token: \"file:/nonexistent/secret\"}}\n", real.URL))
	report := rehearse(t, cfg, 1, "outage", "error_rate")
	if visits.Load() > 0 {
		t.Errorf("the user's vendor was asked %d times", visits.Load())
	}
	if len(report.Sources) != 1 || report.Sources[0].Figures.Held == 0 {
		t.Errorf("%+v", report.Sources)
	}
	if _, err := os.Stat(cfg.DataDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the user's data folder: %v", err)
	}
	for _, address := range []string{"https://api.example.com/", "http://127.0.0.1.example.com:80", "http://[::1]:80"} {
		if local(address) == nil {
			t.Errorf("%s counts as this machine", address)
		}
	}
}

// An own description is taken for the vendor whose calls it reads.
func TestProviderFilesFindTheirVendor(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../sync/provider/vendors/callcamp.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mine := write("mine.yaml", strings.Replace(string(text), "name: callcamp", "name: mine", 1))
	alien := write("alien.yaml", strings.ReplaceAll(strings.Replace(string(text), "name: callcamp", "name: alien", 1), "/calls", "/conversations"))
	cfg := configure(t, fmt.Sprintf("  - {name: one, provider: %q, credentials: {token: \"env:NOWHERE\"}}\n  - {name: two, provider: %q, credentials: {token: \"env:NOWHERE\"}}\n", mine, alien))
	report := rehearse(t, cfg, 1)
	if len(report.Sources) != 1 || report.Sources[0].Vendor != "callcamp" || report.Sources[0].Figures.Held == 0 {
		t.Errorf("%+v", report.Sources)
	}
	if len(report.Skipped) != 1 || report.Skipped[0].Source != "two" || report.Complete() || report.Failed() {
		t.Errorf("skipped %+v, complete %t, failed %t", report.Skipped, report.Complete(), report.Failed())
	}
}

func TestUnknownFaultIsNamed(t *testing.T) {
	_, err := Run(t.Context(), Options{Config: configure(t, twoSources), Faults: []string{"flood"}, Rounds: 1, Dir: t.TempDir()})
	if unknown, ok := errors.AsType[*UnknownFault](err); !ok || unknown.Name != "flood" {
		t.Error(err)
	}
}

func TestPlansFollowTheSeed(t *testing.T) {
	faults, err := choose([]string{"all"})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults {
		p := newPlan(3, "crm", []Fault{f}, 12)
		rounds := 0
		for round := range 12 {
			if p.has(f.Name, round) {
				rounds++
			}
		}
		if rounds == 0 || rounds == 12 && f.lasting() || p.has(f.Name, 12) {
			t.Errorf("%s: in force in %d of 12 rounds", f.Name, rounds)
		}
	}
	one, other := newPlan(3, "crm", faults, 48), newPlan(3, "help", faults, 48)
	differ := false
	for round := range 48 {
		if one.has("outage", round) != other.has("outage", round) || one.has(restart, round) != other.has(restart, round) {
			t.Errorf("round %d: an outage or restart of one source only", round)
		}
		differ = differ || one.has("error_rate", round) != other.has("error_rate", round)
	}
	if !differ {
		t.Error("both sources have their errors in the same rounds")
	}
}

// Half a recording that is sent as if it were whole, without a checksum, is told
// by its length and fetched again.
func TestHalfARecordingIsNotTakenForTheWhole(t *testing.T) {
	t.Parallel()
	cfg := configure(t, "  - {name: one, provider: callcamp, credentials: {token: \"env:NOWHERE\"}}\n")
	s := rehearse(t, cfg, 4, "media_short").Sources[0]
	if s.Measured.Faults["MediaShort"] == 0 || s.Figures.WrongBytes > 0 || s.Figures.RecordingsArchived != s.Figures.RecordingsExpected {
		t.Errorf("%v: %+v", s.Measured.Faults, s.Figures)
	}
}
