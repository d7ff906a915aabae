package service

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callsyncd/call"
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
