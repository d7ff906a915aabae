package service

import (
	"os"
	"path/filepath"
	"testing"
)

// A crash while the token was made must leave nothing behind for good.
func TestTokenLeftByACrashIsReplaced(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, tokenFile+".new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	made, err := loadToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := loadToken(dir)
	if err != nil || again != made {
		t.Errorf("the second start reads another token: %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v %v", entries, err)
	}
}
