package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"callsyncd/api/client"
	"callsyncd/call"
)

func TestBlame(t *testing.T) {
	d := &daemon{7, "127.0.0.1:7411", "data/api-token"}
	for _, tt := range []struct {
		err  error
		code int
		want string
	}{
		{fmt.Errorf("ask: %w", client.ErrNoAnswer), 1, "the daemon with pid 7 does not answer"},
		{fmt.Errorf("list calls: %w", &client.Problem{Status: 401}), 1, "refuses the token in data/api-token"},
		{fmt.Errorf("source crm: %w", call.ErrUnauthorized), 5, "source crm"},
		{&client.Problem{Status: 404, Detail: "gone"}, 4, "gone"},
	} {
		if err := d.blame(tt.err); exitCode(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v with exit code %d, want %q and %d", tt.err, err, exitCode(err), tt.want, tt.code)
		}
		if err := (*daemon)(nil).blame(tt.err); err != tt.err {
			t.Errorf("without a daemon %v became %v", tt.err, err)
		}
	}
	if d.blame(nil) != nil {
		t.Error("success is blamed")
	}
}

func TestUnreadableToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api-token")
	d := &daemon{7, "127.0.0.1:7411", path}
	hint := func(err error) string {
		f, _ := errors.AsType[*fault](err)
		return f.hint
	}
	if err := d.unreadable(); !strings.Contains(err.Error(), "pid 7") || !strings.Contains(err.Error(), path) || errors.Is(err, call.ErrLocked) || !strings.Contains(hint(err), "makes a new one") {
		t.Errorf("without the file: %v, %q", err, hint(err))
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.unreadable(); !strings.Contains(err.Error(), "32 characters") || !strings.Contains(hint(err), "chmod 600 "+path) {
		t.Errorf("with a short one: %v, %q", err, hint(err))
	}
}
