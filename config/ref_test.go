package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

// write puts a file into dir and returns its path.
func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestResolve(t *testing.T) {
	keyring.MockInit()
	if err := keyring.Set(KeyringService, "crm", "hunter2"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	good := write(t, dir, "good", "hunter2\r\n", 0o600)
	loose := write(t, dir, "it's loose", "hunter2", 0o660)
	write(t, dir, "cred", "hunter2\n", 0o644) // systemd guards the folder
	empty := write(t, dir, "empty", " \n", 0o600)
	lines := write(t, dir, "lines", "user\nhunter2\n", 0o600)
	env := map[string]string{"TOKEN": "hunter2", "CREDENTIALS_DIRECTORY": dir}
	getenv := func(name string) string { return env[name] }
	for ref, want := range map[string]string{ // an empty text means success
		"env:TOKEN":               "",
		"file:" + good:            "",
		"credential:cred":         "",
		"keyring:crm":             "",
		"env:ABSENT":              "the environment variable ABSENT is not set",
		"file:" + dir + "/absent": "no such file",
		"file:" + dir:             "not a regular file",
		"file:" + empty:           "the secret is empty",
		"file:" + lines:           "has a line break",
		"credential:absent":       "add LoadCredential=absent:",
		"keyring:absent":          "has no such entry under the service \"callsyncd\"",
		"hunter":                  "not a reference",
	} {
		secret, err := Ref(ref).Resolve(getenv)
		switch {
		case want == "" && (err != nil || secret.Reveal() != "hunter2"):
			t.Errorf("%s: %q, %v", ref, secret.Reveal(), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), ref)):
			t.Errorf("%s: got %v, want %s", ref, err, want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the secret is in the error: %v", ref, err)
		}
	}
	if runtime.GOOS != "windows" {
		_, err := Ref("file:" + loose).Resolve(getenv)
		if want := "other users can change this file (mode 0660); run: chmod 600 '" + dir + `/it'\''s loose'`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := Ref("credential:cred").Resolve(noEnv); err == nil || !strings.Contains(err.Error(), "no systemd credentials") {
		t.Errorf("no credentials folder: %v", err)
	}
	t.Setenv("CALLSYNCD_TEST_SECRET", "hunter2")
	if secret, err := Ref("env:CALLSYNCD_TEST_SECRET").Resolve(nil); err != nil || secret.Reveal() != "hunter2" {
		t.Errorf("process environment: %v", err)
	}
}

func TestSecrets(t *testing.T) {
	c := must(t, small+"    credentials: {token: env:TOKEN, system_id: env:ABSENT, key: credential:api-key, old: credential:api-key}\n")
	_, err := c.Sources[0].Secrets(func(name string) string { return map[string]string{"TOKEN": "hunter2"}[name] })
	for _, want := range []string{
		"source crm: credential key: credential:api-key: there are no systemd credentials here",
		"source crm: credential system_id: env:ABSENT: the environment variable ABSENT is not set",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if got := c.SystemdCredentials(); len(got) != 1 || got[0] != "api-key" {
		t.Errorf("systemd credentials %v", got)
	}
	if got := must(t, small+"    credentials: {token: file:/run/token, old: env:TOKEN}\n").SecretFiles(); len(got) != 1 || got[0] != "/run/token" {
		t.Errorf("secret files %v", got)
	}
	secrets, err := must(t, small+"    credentials: {token: env:TOKEN}\n").Sources[0].Secrets(func(string) string { return "hunter2" })
	if err != nil || len(secrets) != 1 || secrets["token"].Reveal() != "hunter2" {
		t.Errorf("got %v, %v", secrets, err)
	}
}

func TestForgetSecrets(t *testing.T) {
	t.Setenv("FORGET_TOKEN", "tok-123")
	t.Setenv("FORGET_NOT", "kept")
	cfg, err := Parse("config.yaml", []byte("data_dir: /nowhere\nsources:\n  - {name: crm, provider: suresend, credentials: {token: \"env:FORGET_TOKEN\"}}\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if secret, err := cfg.Sources[0].Credentials["token"].Resolve(nil); err != nil || secret.Reveal() != "tok-123" {
		t.Fatal(err)
	}
	cfg.ForgetSecrets()
	if _, ok := os.LookupEnv("FORGET_TOKEN"); ok {
		t.Error("programs we start would inherit the secret")
	}
	if os.Getenv("FORGET_NOT") != "kept" {
		t.Error("too much was forgotten")
	}
}

// A rotated file is found although the secret beside it came from an environment
// that has been forgotten.
func TestSecretsAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write := func(secret string) {
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	t.Setenv("AGAIN_ORG", "org-1")
	cfg, err := Parse("config.yaml", []byte("data_dir: /nowhere\nsources:\n  - {name: av, provider: agentvoice, credentials: {organization_id: \"env:AGAIN_ORG\", api_key: \"file:"+file+"\"}}\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := cfg.Sources[0]
	had, err := s.Secrets(nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ForgetSecrets()
	write("new")
	again, err := s.SecretsAgain(had)
	if err != nil || again["api_key"].Reveal() != "new" || again["organization_id"].Reveal() != "org-1" {
		t.Errorf("%d secrets, %v", len(again), err)
	}
	write("")
	if _, err := s.SecretsAgain(had); err == nil {
		t.Error("an empty file is taken for a secret")
	}
}
