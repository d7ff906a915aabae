package api

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"callsyncd/call"
)

// The page about the API names every operation a program may use and every metric.
func TestDocsNameEverything(t *testing.T) {
	page, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	named := func(word string) {
		t.Helper()
		if !strings.Contains(string(page), word) {
			t.Errorf("docs/api.md does not name %s", word)
		}
	}
	for path := range document(t, sample(t).handler(nil))["paths"].(map[string]any) {
		if !strings.HasPrefix(path, "/v1/session") { // the page's own
			named(path)
		}
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(statusMetrics{fullStatus(t), map[call.SourceID]time.Time{}}); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil || len(families) < len(metricFamilies) {
		t.Fatalf("%d families: %v", len(families), err)
	}
	for _, f := range families {
		named("`" + f.GetName() + "`")
	}
	for _, p := range slices.Concat(filterParams, orderParams, viewParams, pageParams, changesParams) {
		named(p.name)
	}
}
