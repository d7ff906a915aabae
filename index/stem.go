package index

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/analysis"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ar" // each registers the analyzer of its language
	_ "github.com/blevesearch/bleve/v2/analysis/lang/cjk"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ckb"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/da"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/de"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/en"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/es"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fa"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fi"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/fr"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hi"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hr"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/hu"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/it"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/nl"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/no"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/pl"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/pt"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ro"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/ru"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/sv"
	_ "github.com/blevesearch/bleve/v2/analysis/lang/tr"
	"github.com/blevesearch/bleve/v2/registry"
)

// languages are those Options.Languages may name.
var languages = []string{"ar", "cjk", "ckb", "da", "de", "en", "es", "fa", "fi", "fr", "hi", "hr",
	"hu", "it", "nl", "no", "pl", "pt", "ro", "ru", "sv", "tr"}

// stemmer reduces the words of one language to their stems. It is safe for
// concurrent use.
type stemmer struct {
	language string
	mu       *sync.Mutex // some of Bleve's filters keep state
	analyzer analysis.Analyzer
}

func newStemmers(names []string) ([]stemmer, error) {
	var out []stemmer
	cache := registry.NewCache()
	for _, name := range names {
		if !slices.Contains(languages, name) {
			return nil, fmt.Errorf("search language %q: want one of %s", name, strings.Join(languages, " "))
		}
		a, err := cache.AnalyzerNamed(name)
		if err != nil {
			return nil, fmt.Errorf("search language %q: %w", name, err)
		}
		out = append(out, stemmer{language: name, mu: new(sync.Mutex), analyzer: a})
	}
	return out, nil
}

// stem returns the stem of one word; empty when the language has none for it,
// as for stop words.
func (s *stemmer) stem(spelling string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	tokens := s.analyzer.Analyze([]byte(spelling))
	if len(tokens) != 1 {
		return ""
	}
	return string(tokens[0].Term)
}
