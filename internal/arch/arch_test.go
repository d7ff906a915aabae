// Package arch holds the test that keeps the layers of the program apart. It
// reads the source files themselves, so its answer is never a cached one.
package arch

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const module = "callsyncd"

// layers says which of our folders a folder may import. Every folder with Go
// files must be here.
var layers = map[string][]string{
	"call":                {},
	"redact":              {"call"},
	"config":              {"call", "config/schedule"},
	"config/schedule":     {},
	"sync":                {"call", "internal/crashpoint"},
	"sync/provider":       {"call"},
	"sync/download":       {"call"},
	"store":               {"call", "internal/boltfile", "internal/crashpoint"},
	"store/media":         {"call", "internal/crashpoint"},
	"index":               {"call", "internal/boltfile", "internal/crashpoint"},
	"api":                 {"call", "api/web"},
	"api/client":          {"call"},
	"api/web":             {},
	"simulator":           {"call"},
	"simulator/data":      {},
	"packaging":           {},
	"bench":               {anything}, // a module of its own, with SQLite through cgo
	"internal/arch":       {},
	"internal/boltfile":   {},
	"internal/crashpoint": {},
	"rehearsal":           {"call", "config", "service", "simulator", "sync/provider", "api/client"},
	"internal/endtoend":   {anything}, // tests only
	"cmd/callsyncd":       {anything},
	"service": {"call", "config", "config/schedule", "sync", "sync/provider", "sync/download", "store", "store/media",
		"index", "api", "api/client", "packaging", "redact", "internal/crashpoint"},
}

const anything = "*"

// libraries may be imported only in these folders, so that each can be replaced
// in one place.
var libraries = map[string][]string{
	"github.com/blevesearch/":            {"index"},
	"github.com/RoaringBitmap/roaring":   {"index"},
	"github.com/kardianos/service":       {"service"},
	"github.com/robfig/cron":             {"config/schedule", "service"},
	"github.com/spf13/cobra":             {"cmd/callsyncd"},
	"github.com/zalando/go-keyring":      {"config", "cmd/callsyncd"},
	"github.com/itchyny/gojq":            {"sync/provider"},
	"github.com/danielgtaylor/huma":      {"api"},
	"go.etcd.io/bbolt":                   {"store", "index"},
	"github.com/coreos/go-systemd":       {"service"},
	"github.com/gabriel-vasile/mimetype": {"store/media"},
}

// vendors are names that belong into descriptions, not into code.
var vendors = regexp.MustCompile(`(?i)suresend|smartalex|solomobile|callcamp([^a]|$)|agentvoice|magpipe`)

// mayNameVendors are the places where the vendors are acted or shown.
func mayNameVendors(file string) bool {
	return strings.HasPrefix(file, "simulator/") || file == "cmd/callsyncd/demo.go"
}

func TestLayers(t *testing.T) {
	for _, v := range violations(t, os.DirFS(root(t))) {
		t.Error(v)
	}
}

// root is the folder of go.mod.
func root(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

// violations reads every Go file that is not a test.
func violations(t *testing.T, tree fs.FS) (found []string) {
	t.Helper()
	err := fs.WalkDir(tree, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && file != "." && (name == "testdata" || name[0] == '.' || name[0] == '_') {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(file) != ".go" {
			return nil
		}
		text, err := fs.ReadFile(tree, file)
		if err != nil {
			return err
		}
		found = append(found, violationsOf(file, text)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func violationsOf(file string, text []byte) (found []string) {
	folder := path.Dir(file)
	allowed, known := layers[folder]
	if !known {
		return []string{fmt.Sprintf("%s: folder %s is not in the table of layers", file, folder)}
	}
	if strings.HasSuffix(file, "_test.go") {
		return nil
	}
	if at := vendors.FindIndex(text); at != nil && !mayNameVendors(file) {
		line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
		found = append(found, fmt.Sprintf("%s:%d: names the vendor %q", file, line, text[at[0]:at[1]]))
	}
	if folder != "internal/crashpoint" && bytes.Contains(text, []byte("crashpoint.OnReach")) {
		found = append(found, file+": crashpoint.OnReach is for tests only")
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, parser.ImportsOnly)
	if err != nil {
		return append(found, err.Error())
	}
	for _, spec := range parsed.Imports {
		if problem := importProblem(folder, strings.Trim(spec.Path.Value, "`\""), allowed); problem != "" {
			found = append(found, file+": "+problem)
		}
	}
	return found
}

// importProblem says why folder may not import imported; empty when it may.
func importProblem(folder, imported string, allowed []string) string {
	ours, isOurs := strings.CutPrefix(imported, module+"/")
	switch {
	case isOurs && !slices.Contains(allowed, ours) && !slices.Contains(allowed, anything):
		return fmt.Sprintf("%s must not import %s", folder, ours)
	case isOurs:
		return ""
	case folder == "call" && strings.Contains(strings.Split(imported, "/")[0], "."):
		return "call must import the standard library only, not " + imported
	}
	for library, folders := range libraries {
		if strings.HasPrefix(imported, library) && !slices.Contains(folders, folder) {
			return fmt.Sprintf("%s must not import %s; only %s may", folder, imported, strings.Join(folders, ", "))
		}
	}
	return ""
}

// The test must see what it is there for.
func TestViolationsAreFound(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for want, tree := range map[string]fstest.MapFS{
		"store/a.go: store must not import index":                               {"store/a.go": file("package store\nimport _ \"callsyncd/index\"\n")},
		"sync/a.go: sync must not import sync/provider":                         {"sync/a.go": file("package callsync\nimport `callsyncd/sync/provider`\n")},
		"call/a.go: call must import the standard library only":                 {"call/a.go": file("package call\nimport \"golang.org/x/text\"\n")},
		"api/a.go: api must not import go.etcd.io/bbolt; only store, index may": {"api/a.go": file("package api\nimport _ \"go.etcd.io/bbolt\"\n")},
		"folder util is not in the table":                                       {"util/a_test.go": file("package util\n")},
		"sync/a.go:2: names the vendor \"SmartAlex\"":                           {"sync/a.go": file("package callsync\n// SmartAlex\n")},
		"store/a.go: crashpoint.OnReach is for tests only":                      {"store/a.go": file("package store\nvar _ = crashpoint.OnReach\n")},
		"store/a.go:1:1: expected 'package'":                                    {"store/a.go": file("nothing")},
	} {
		found := violations(t, tree)
		if len(found) != 1 || !strings.Contains(found[0], want) {
			t.Errorf("found %q, want %s", found, want)
		}
	}
	fine := fstest.MapFS{
		"cmd/callsyncd/main.go":     file("package main\nimport _ \"callsyncd/store\"\n"),
		"cmd/callsyncd/demo.go":     file("package main\n// suresend\n"),
		"simulator/suresend.go":     file("package simulator\nimport _ \"callsyncd/call\"\n"),
		"store/a_test.go":           file("package store\nimport _ \"callsyncd/index\"\n// suresend\n"),
		"store/testdata/x/x.go":     file("package x\nimport _ \"callsyncd/index\"\n"),
		"sync/provider/vendors/a.y": file("suresend"),
	}
	if found := violations(t, fine); len(found) > 0 {
		t.Errorf("found %q", found)
	}
}
