package index

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/blevesearch/bleve/v2/index/scorch"

	"callsyncd/call"
)

// words are n different words that begin with prefix.
func words(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(prefix + strconv.FormatInt(int64(i), 36) + " ")
	}
	return b.String()
}

// giant is a call with as much text as a vendor may send, in words as short as
// words are.
func giant(id string) call.Call {
	c := testCall(id, "a: "+words("a", 150_000), "c: "+strings.Repeat("x ", 300_000), "o: "+words("o", 150_000))
	c.Summary, c.AgentName = ptr("firstword "+strings.Repeat("取", 100_000)+" lastword"), ptr("Kim Lee")
	return c
}

// What a call takes of the index is limited, whatever it is made of, and what
// is short is found beside what has no end.
func TestGiantsAreLimited(t *testing.T) {
	for name, c := range map[string]call.Call{
		"everything":      giant("1"),
		"few words":       testCall("1", "a: "+strings.Repeat(words("x", 100), 2000), "c: "+strings.Repeat(words("x", 50), 4000)),
		"different words": testCall("1", "a: "+words("a", 180_000), "c: "+words("c", 180_000)),
		"stems":           testCall("1", "a: "+strings.ReplaceAll(words("x", 180_000), " ", "ing ")),
	} {
		d := newDocument(testAnalyzer(t, "en"), &c)
		words, terms := 0, 0
		for i := range d.fields {
			f := &d.fields[i]
			if f.options == optionsText {
				words += f.length
			}
			if f.options == optionsText || f.options == optionsStem {
				terms += len(f.terms)
			}
		}
		if words > maxTextWords || terms > maxDistinct+1 || words != d.words || terms != d.terms {
			t.Errorf("%s: %d words, %d different ones; it says %d and %d", name, words, terms, d.words, d.terms)
		}
		if words < maxTextWords && terms < maxDistinct {
			t.Errorf("%s: %d words and %d different ones are not all that fits", name, words, terms)
		}
	}
	src := newMemory()
	src.put(giant("1"), testCall("2", "a: hello"))
	x := openTest(t, t.TempDir(), src)
	for _, text := range []string{"firstword", `summary:"取取"`, "summary:lastword", `"kim lee"`, "o100"} {
		if got := ids(t, x, call.SearchQuery{Text: text}); len(got) != 1 || got[0] != "1" {
			t.Errorf("%s finds %v", text, got)
		}
	}
}

// A call of which not everything can be found is not counted as searched.
func TestCoverageTellsOfCallsTooLong(t *testing.T) {
	cut, waits := giant("1"), giant("3")
	waits.Parts.Transcript = call.Pending
	src := newMemory()
	src.put(cut, testCall("2", "a: hello"), waits)
	x := openTest(t, t.TempDir(), src)
	r, err := x.Search(t.Context(), call.SearchQuery{Text: "hello"})
	want := call.Coverage{Calls: 3, Searchable: 1, Waiting: call.CoverageWaiting{Transcript: 1}, TooLong: 2, AsOf: r.Coverage.AsOf}
	if err != nil || r.Coverage != want {
		t.Errorf("%+v, want %+v, %v", r.Coverage, want, err)
	}
}

// A word that stands everywhere in a call is kept where it stands first.
func TestPlacesAreLimited(t *testing.T) {
	c := testCall("1", "a: "+strings.Repeat("x ", 1<<18)+"end")
	d := newDocument(testAnalyzer(t, "en"), &c)
	f := d.fields[0]
	if places := f.terms["x"].Locations; d.words != maxPlaces+1 || len(places) != maxPlaces || places[maxPlaces-1].Position != maxPlaces {
		t.Errorf("%d words, %d places", d.words, len(places))
	}
	if f.length != d.words || f.terms["x"].Frequency() != maxPlaces || f.terms["end"] == nil {
		t.Errorf("length %d, %d times", f.length, f.terms["x"].Frequency())
	}
}

// A batch holds as many usual calls as it may, and a giant only itself.
func TestBatchesAreLimited(t *testing.T) {
	long := func(id string, text string) call.Call { return testCall(id, "a: "+text) }
	for _, tc := range []struct {
		name    string
		call    func(i int) call.Call
		calls   int
		batches uint64
	}{
		{"usual calls", benchCall, 2 * maxBatchCalls, 2},
		{"many words", func(i int) call.Call { return long(fmt.Sprint(i), strings.Repeat("x y z v w ", 13_000)) }, 6, 2},
		{"different words", func(i int) call.Call { return long(fmt.Sprint(i), words(fmt.Sprintf("b%dx", i), 8000)) }, 10, 2},
		{"a giant between others", func(i int) call.Call {
			if i == 5 {
				return long(fmt.Sprint(i), words("x", 50_000))
			}
			return long(fmt.Sprint(i), "hello")
		}, 10, 3},
	} {
		src := newMemory()
		x := openTest(t, t.TempDir(), src)
		before := batches(x)
		var calls []call.Call
		for i := range tc.calls {
			calls = append(calls, tc.call(i))
		}
		src.put(calls...)
		if err := x.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := batches(x) - before; n != tc.batches {
			t.Errorf("%s: %d batches, want %d", tc.name, n, tc.batches)
		}
		if s := x.Status(); s.Documents != tc.calls || s.Lag != 0 {
			t.Errorf("%s: %+v", tc.name, s)
		}
	}
}

func batches(x *Index) uint64 {
	return x.serving().scorch.(*scorch.Scorch).StatsMap()["batches"].(uint64)
}

// Scorch sizes its memory by the batch before; after a giant that would be
// gigabytes.
func TestAGiantIsForgotten(t *testing.T) {
	src := newMemory()
	x := openTest(t, t.TempDir(), src)
	src.put(giant("1"))
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range maxBatchCalls {
		src.put(testCall(fmt.Sprint("small", i), "a: hello"))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := x.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := (after.TotalAlloc - before.TotalAlloc) >> 20; n > 64 {
		t.Errorf("%d small calls after a giant took %d MiB", maxBatchCalls, n)
	}
}

// The calls before a giant are complete in the index while it is being read.
func TestPositionBeforeAGiant(t *testing.T) {
	src := newMemory()
	x := openTest(t, t.TempDir(), src)
	src.put(testCall("1", "a: hello"), testCall("2", "a: hello"), testCall("3", "a: "+words("x", 50_000)), testCall("4", "a: hello"))
	src.onLoad = func(key call.Key) error {
		if key.ID == "4" {
			return fmt.Errorf("stop here")
		}
		return nil
	}
	if err := x.CatchUp(t.Context()); err == nil {
		t.Fatal("no error")
	}
	if s := x.Status(); s.Documents != 3 || s.Applied != 3 {
		t.Errorf("%+v", s)
	}
}
