package index

import (
	"slices"
	"testing"

	"callsyncd/call"
)

// Words of several languages are found by their stems, each language's own,
// and the spelling asked for comes first.
func TestSeveralLanguages(t *testing.T) {
	src := newMemory()
	src.put(
		testCall("en-1", "a: We are refunding the cancelled orders."),
		testCall("de-1", "c: Die Häuser sind vermietet."),
		testCall("de-2", "c: Das Haus ist leer."),
		testCall("fr-1", "a: Nous continuons les livraisons demain."),
		testCall("es-1", "c: Quiero cancelar las facturas."),
		testCall("none", "o: Nothing of this."),
	)
	x, err := Open(t.TempDir(), src, Options{Languages: []string{"es", "en", "de", "fr", "en"}})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		text string
		want []string // the best first
	}{
		{"refund", []string{"en-1"}},
		{"order", []string{"en-1"}},
		{"haus", []string{"de-2", "de-1"}},
		{"häuser", []string{"de-1", "de-2"}},
		{"HAUSER", []string{"de-1", "de-2"}},
		{"livraison", []string{"fr-1"}},
		{"factura", []string{"es-1"}},
		{"haus -leer", []string{"de-1"}},
		{`"haus"`, []string{"de-2"}},
		{"customer:haus order OR leer", []string{"de-2"}},
	} {
		if got := ids(t, x, call.SearchQuery{Text: tc.text}); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.text, got, tc.want)
		}
	}
	r, err := x.Search(t.Context(), call.SearchQuery{Text: "haus"})
	if err != nil {
		t.Fatal(err)
	}
	if s := r.Hits[1].Snippets[0]; len(s.Marks) != 1 || s.Marks[0] != [2]int{4, 10} {
		t.Errorf("the stemmed word is not marked: %+v", s)
	}
}

// A call with the phrase, or with all words nearer to what was asked, is not
// below one that only has inflections of them.
func TestRanking(t *testing.T) {
	src := newMemory()
	src.put(
		testCall("inflected", "a: refunds refunding refunded refunds orders ordering ordered"),
		testCall("exact", "a: a refund was given for the order among many other things that were said at length in this call"),
		testCall("one", "a: refund refund refund refund"),
	)
	x := openTest(t, t.TempDir(), src)
	for text, want := range map[string][]string{
		"refund":                      {"one", "exact", "inflected"},
		"refund order":                {"exact", "inflected"},
		`refund OR "for the order"`:   {"exact", "one", "inflected"},
		`"refund was given" OR zebra`: {"exact"},
	} {
		if got := ids(t, x, call.SearchQuery{Text: text}); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
