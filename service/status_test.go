package service

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/config"
	callsync "callsyncd/sync"
)

func TestUncleanWalksStayVisible(t *testing.T) {
	at := func(minute int, clean bool) *call.Walk {
		return &call.Walk{FinishedAt: time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC), Clean: clean, Error: "doubt"}
	}
	for name, tc := range map[string]struct {
		c    call.Checkpoint
		want string
	}{
		"nothing yet":                          {call.Checkpoint{}, ""},
		"all clean":                            {call.Checkpoint{Head: at(3, true), Trailing: at(2, true), Sweep: at(1, true)}, ""},
		"a clean head does not lift the sweep": {call.Checkpoint{Head: at(9, true), Trailing: at(8, true), Sweep: at(1, false)}, "sweep"},
		"a later sweep lifts the head":         {call.Checkpoint{Head: at(1, false), Sweep: at(2, true)}, ""},
		"an earlier sweep does not":            {call.Checkpoint{Head: at(3, false), Sweep: at(2, true)}, "head walk"},
		"a complete head lifts all":            {call.Checkpoint{Head: at(3, true), Sweep: at(2, false), CompletedAt: at(3, true).FinishedAt}, ""},
		"both":                                 {call.Checkpoint{Trailing: at(3, false), Sweep: at(2, false)}, "sweep trailing walk"},
	} {
		t.Run(name, func(t *testing.T) {
			var kinds []string
			for _, text := range unclean(&tc.c) {
				kind, _, _ := strings.Cut(strings.TrimPrefix(text, "the last "), " was")
				kinds = append(kinds, kind)
			}
			if got := strings.Join(kinds, " "); got != tc.want {
				t.Errorf("unclean: %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReadingNeedsNoSecretsAndSyncsNothing(t *testing.T) {
	text := "data_dir: " + filepath.Join(t.TempDir(), "data") + "\nsources: [{name: crm, provider: suresend, credentials: {token: \"env:CALLSYNCD_TEST_UNSET\"}}]\n"
	cfg, err := config.Parse("config.yaml", []byte(text), config.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckSources(cfg, true); err != nil {
		t.Errorf("for reading: %v", err)
	}
	if err := CheckSources(cfg, false); err == nil || !strings.Contains(err.Error(), "CALLSYNCD_TEST_UNSET") {
		t.Errorf("for more than reading: %v", err)
	}
	o := Options{Config: cfg, Log: slog.New(slog.DiscardHandler)}
	if _, err := Open(t.Context(), o); err == nil {
		t.Fatal("opened for more than reading")
	}
	o.Reading = true
	a, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := a.Sync(t.Context(), nil, false); err != errReading {
		t.Errorf("sync: %v", err)
	}
}

func TestTokenIsMadeOnceAndGuarded(t *testing.T) {
	dir := t.TempDir()
	first, err := loadToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadToken(dir)
	if err != nil || first.Reveal() != second.Reveal() || len(first.Reveal()) < 43 {
		t.Fatalf("second token differs or is short (%d characters): %v", len(second.Reveal()), err)
	}
	path := filepath.Join(dir, tokenFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	for name, spoil := range map[string]func() error{
		"chmod 600":     func() error { return os.Chmod(path, 0o644) },
		"less than 32":  func() error { return os.WriteFile(path, []byte("short\n"), 0o600) },
		"not a plain":   func() error { return os.Symlink("/etc/hostname", path) },
		"not a plain f": func() error { return os.Mkdir(path, 0o700) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if name == "chmod 600" {
			_ = os.WriteFile(path, []byte(first.Reveal()), 0o600)
		}
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, err := loadToken(dir); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(name, " f")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is stale, or dated by a clock that has been set since, is not green.
func TestStaleProofIsAProblem(t *testing.T) {
	sunday := time.Date(2026, 3, 8, 12, 0, 0, 0, time.UTC)
	friday := time.Date(2026, 3, 6, 9, 40, 0, 0, time.UTC)
	walked := func(at time.Time) *call.Walk { return &call.Walk{StartedAt: at, FinishedAt: at, Clean: true} }
	for name, tc := range map[string]struct {
		sweep    string
		proved   time.Time
		head     time.Time
		loops    time.Duration // how long the schedules run; 0 when they do not
		refused  bool
		problems string
	}{
		"on a weekday schedule, at the weekend": {sweep: "0 9 * * 1-5", proved: friday},
		"two missed times ago":                  {sweep: "0 9 * * 1-5", proved: friday.AddDate(0, 0, -3), problems: "the last complete walk is from"},
		"two mornings, at night":                {sweep: "0 9,10 * * *", proved: sunday.Add(-2 * time.Hour)},
		"a day ago":                             {sweep: "24h", proved: sunday.Add(-24 * time.Hour)},
		"three days ago":                        {sweep: "24h", proved: sunday.Add(-72 * time.Hour), problems: "the last complete walk is from"},
		"in the future":                         {sweep: "24h", proved: sunday.AddDate(1, 0, 0), problems: "in the future"},
		"never":                                 {sweep: "24h", problems: "has not been read yet"},
		"a daemon that looks":                   {sweep: "24h", proved: sunday.Add(-4 * time.Hour), head: sunday.Add(-5 * time.Minute), loops: 5 * time.Hour},
		"a daemon that does not look":           {sweep: "24h", proved: sunday.Add(-4 * time.Hour), head: sunday.Add(-3 * time.Hour), loops: 5 * time.Hour, problems: "new calls were last asked for"},
		"a daemon that has just begun":          {sweep: "24h", proved: sunday.Add(-20 * time.Hour), loops: time.Minute},
		"no daemon":                             {sweep: "24h", proved: sunday.Add(-20 * time.Hour)},
		"refused says it all":                   {sweep: "24h", proved: sunday.Add(-4 * time.Hour), loops: 5 * time.Hour, refused: true, problems: "refuses the credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Archive{}
			if tc.loops > 0 {
				began := sunday.Add(-tc.loops)
				a.loops.Store(&began)
			}
			s := &source{engine: new(callsync.Engine), config: &config.Source{Name: "crm", Schedule: config.Schedule{Head: every(t, "5m"), Sweep: every(t, tc.sweep)}}}
			c := &call.Checkpoint{CompletedAt: tc.proved}
			if !tc.head.IsZero() {
				c.Head = walked(tc.head)
			}
			if tc.refused {
				c.Refused = &sunday
			}
			got := strings.Join(a.problems(s, c, &call.SourceStatus{}, sunday), "\n")
			if tc.problems == "" && got != "" || !strings.Contains(got, tc.problems) || strings.Contains(got, "\n") {
				t.Errorf("problems %q, want %q", got, tc.problems)
			}
		})
	}
}
