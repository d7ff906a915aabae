package provider

import (
	"strings"
	"testing"
)

// BenchmarkMap maps one call of every documented shape per vendor.
func BenchmarkMap(b *testing.B) {
	for _, name := range []string{"suresend_full", "smartalex_transcript", "solomobile_segments", "callcamp_older", "agentvoice_array"} {
		b.Run(name, func(b *testing.B) {
			var s stored
			readJSON(b, "testdata/calls/"+name+".json", &s)
			p, docs := builtin(b, strings.SplitN(name, "_", 2)[0], nil), s.documents()
			for b.Loop() {
				if _, err := p.Map(docs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
