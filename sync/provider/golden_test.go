package provider

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"callsyncd/call"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fetched is when the documents of the test cases were read.
var fetched = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// stored is a call's documents as a test case writes them down.
type stored struct {
	Vendor    string                                `json:"vendor"`
	Lookups   map[string]map[string]json.RawMessage `json:"lookups"`
	Documents map[string]json.RawMessage            `json:"documents"`
	Statuses  map[string]int                        `json:"statuses"`
}

func (s stored) documents() call.Documents {
	docs := call.Documents{}
	for name, body := range s.Documents {
		docs[name] = call.Document{Body: body, Status: s.Statuses[name], FetchedAt: fetched}
	}
	return docs
}

// understood is all a provider says about a call's documents.
type understood struct {
	Wanted  string                     `json:"wanted_next"`
	Mapped  call.Mapped                `json:"mapped"`
	Link    map[string]any             `json:"link"`
	Renew   map[call.PartName][]string `json:"renew"`
	Digests map[string]string          `json:"fingerprints"`
}

// TestMapGolden maps one call of every documented shape, and compares with
// files that were read by a person.
func TestMapGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/calls/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no test cases", err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, ".golden.json") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			var s stored
			readJSON(t, file, &s)
			got, err := json.MarshalIndent(understand(t, s), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".json") + ".golden.json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func understand(t *testing.T, s stored) understood {
	t.Helper()
	p := builtin(t, s.Vendor, nil)
	for name, rows := range s.Lookups {
		p.SetLookup(call.LookupTable{Name: name, Rows: rows})
	}
	docs := s.documents()
	mapped, err := p.Map(docs)
	if err != nil {
		t.Fatal(err)
	}
	u := understood{Mapped: mapped, Renew: map[call.PartName][]string{}, Digests: map[string]string{}}
	u.Wanted, _ = p.Wanted(docs, nil)
	if link, ok := p.Link(docs); ok {
		u.Link = map[string]any{"url": link.URL.Reveal(), "expires_at": link.ExpiresAt, "guessed": link.Guessed}
	}
	for _, part := range call.PartNames {
		u.Renew[part] = p.Renew(part, docs)
	}
	for name, doc := range docs {
		if u.Digests[name], err = p.Fingerprint(name, doc.Body); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func readJSON(t testing.TB, file string, to any) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}
