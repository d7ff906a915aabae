package main

import (
	"strings"
	"testing"

	"callsyncd/call"
)

// What to do is said once for every kind of contradiction.
func TestRemedies(t *testing.T) {
	v := &call.VerifyReport{}
	for _, kind := range []string{"bad_version", "database", "bad_version", "index", "stray_file"} {
		v.Problems = append(v.Problems, call.VerifyFinding{Kind: kind})
	}
	lines := remedies(v)
	if len(lines) != 3 {
		t.Fatalf("%q", lines)
	}
	for i, kind := range []string{"bad_version: ", "database: ", "stray_file: "} {
		if !strings.HasPrefix(lines[i], kind) {
			t.Errorf("line %d is %q", i, lines[i])
		}
	}
}
