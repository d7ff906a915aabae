//go:build unix

package index

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"callsyncd/call"
)

// vocabulary is made of English-looking words, so that stems cost what they
// cost; words are drawn from it as often as in speech.
var vocabulary = func() []string {
	heads := strings.Fields("refund bill pay call order ship cancel help agree price deliver confirm renew upgrade talk listen open clos mov check book charg answer look need want start stop work expect")
	tails := strings.Fields("s ed ing er ment able ation ly ful ness ive al or ist")
	common := strings.Fields("the you i to and a it that is of we in so okay yeah for on have do your this can be just what not with are my if me know right was but like at thank let get they or no all there as one")
	random := rand.New(rand.NewPCG(1, 2))
	out := append(common, heads...)
	for _, head := range heads {
		for _, tail := range tails {
			out = append(out, head+tail)
		}
	}
	for len(out) < 30000 {
		w := make([]byte, 3+random.IntN(8))
		for i := range w {
			w[i] = "etaoinshrdlcumwfgypbvk"[random.IntN(22)]
		}
		out = append(out, string(w))
	}
	return out
}()

// spoken draws a word as often as Zipf has it.
func spoken(random *rand.Rand) string {
	n := float64(len(vocabulary))
	return vocabulary[int(math.Pow(n, random.Float64()))-1]
}

// benchCalls is the size of the benchmarked archive.
const benchCalls = 10000

// benchCall has a transcript of about 5.6 KB.
func benchCall(i int) call.Call {
	random := rand.New(rand.NewPCG(uint64(i), 3))
	c := testCall(fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761, i))
	for bytes := 0; bytes < 5600; {
		var b strings.Builder
		for range 8 + random.IntN(30) {
			b.WriteString(spoken(random))
			b.WriteByte(' ')
		}
		bytes += b.Len()
		start, speaker := float64(bytes)/15, call.SpeakerAgent
		if len(c.Transcript)%2 == 1 {
			speaker = call.SpeakerCustomer
		}
		c.Transcript = append(c.Transcript, call.Turn{Speaker: speaker, Text: b.String(), StartSeconds: &start})
	}
	c.Parts.Transcript = call.Stored
	c.StartedAt = ptr(testTime(i))
	c.Phone = ptr("+1415555" + strconv.Itoa(10000 + i)[1:])
	c.AgentName, c.DurationSeconds = ptr("Agent "+strconv.Itoa(i%20)), ptr(float64(random.IntN(3000)))
	c.Direction, c.SentimentLabel = ptr(call.Inbound), ptr([]string{"positive", "neutral", "negative"}[i%3])
	c.CampaignName, c.Status = ptr("Campaign "+strconv.Itoa(random.IntN(9))), ptr(call.Statuses[3+random.IntN(5)])
	c.Summary, c.Topics = ptr("Talked about "+spoken(random)+" and "+spoken(random)), []string{spoken(random)}
	return c
}

func benchSource(n int) *memory {
	src := newMemory()
	for i := range n {
		c := benchCall(i)
		src.records[c.Key] = call.Record{Call: c}
		src.append(c.Key)
	}
	return src
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func folderBytes(dir string) (n int64) {
	_ = filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}

// BenchmarkBuild builds the index of benchCalls calls anew, as reindex does.
func BenchmarkBuild(b *testing.B) {
	src := benchSource(benchCalls)
	textBytes := 0
	for _, r := range src.records {
		for _, turn := range r.Call.Transcript {
			textBytes += len(turn.Text)
		}
	}
	debug.FreeOSMemory()
	base := residentMB("VmRSS:")
	for b.Loop() {
		dir := b.TempDir()
		x, err := Open(dir, src, Options{})
		if err != nil {
			b.Fatal(err)
		}
		cpu := cpuSeconds()
		if err := x.Rebuild(b.Context(), nil); err != nil {
			b.Fatal(err)
		}
		cpu = cpuSeconds() - cpu
		if err := x.Close(); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(cpu, "cpu-s/op")
		b.ReportMetric(float64(folderBytes(dir))/float64(textBytes), "index/text")
	}
	b.ReportMetric(float64(benchCalls*b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(residentMB("VmHWM:"), "peak-MB")
	b.ReportMetric(base, "before-MB")
}

// residentMB is a figure of the whole process, the calls in memory included.
func residentMB(figure string) float64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), figure)
	var kb float64
	_, _ = fmt.Sscan(rest, &kb)
	return kb / 1024
}

// BenchmarkAnalyze makes the documents only.
func BenchmarkAnalyze(b *testing.B) {
	a := testAnalyzer(b, "en")
	calls := make([]call.Call, 200)
	for i := range calls {
		calls[i] = benchCall(i)
	}
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		newDocument(a, &calls[i%len(calls)])
		i++
	}
}

// BenchmarkSearch asks each kind of query of 10,000 calls.
func BenchmarkSearch(b *testing.B) {
	x := openTest(b, b.TempDir(), benchSource(benchCalls))
	rare, middling := vocabulary[20000], vocabulary[300]
	for _, q := range []struct {
		name string
		call.SearchQuery
	}{
		{"rare", call.SearchQuery{Text: rare}},
		{"common", call.SearchQuery{Text: "refund"}},
		{"two common", call.SearchQuery{Text: "okay refund"}},
		{"two middling", call.SearchQuery{Text: middling + " " + vocabulary[301]}},
		{"phrase", call.SearchQuery{Text: `"the you"`}},
		{"phrase rare", call.SearchQuery{Text: `"the ` + middling + `"`}},
		{"prefix", call.SearchQuery{Text: "ref*"}},
		{"fuzzy", call.SearchQuery{Text: "refind~"}},
		{"phone", call.SearchQuery{Text: "(415) 555-0123"}},
		{"common newest", call.SearchQuery{Text: "refund", Sort: "newest"}},
		{"filtered", call.SearchQuery{Text: "refund", Filter: call.Filter{Sentiment: []string{"positive"}, Agent: []string{"agent 3"}}}},
		{"filtered, facets", call.SearchQuery{Text: "refund", Facets: call.FacetNames, Filter: call.Filter{Sentiment: []string{"positive"}, Agent: []string{"agent 3"}}}},
		{"common, facets", call.SearchQuery{Text: "refund", Facets: call.FacetNames}},
		{"common, one facet", call.SearchQuery{Text: "refund", Facets: []string{"agent"}}},
		{"blank", call.SearchQuery{}},
		{"blank, facets", call.SearchQuery{Facets: call.FacetNames}},
		{"blank filtered, facets", call.SearchQuery{Facets: call.FacetNames, Filter: call.Filter{Sentiment: []string{"positive"}}}},
		{"filtered by time", call.SearchQuery{Text: "refund", Filter: call.Filter{From: testTime(2000), To: testTime(4000)}}},
	} {
		b.Run(q.name, func(b *testing.B) {
			total := 0
			for b.Loop() {
				r, err := x.Search(b.Context(), q.SearchQuery)
				if err != nil {
					b.Fatal(err)
				}
				total = r.Total
			}
			b.ReportMetric(float64(total), "hits")
		})
	}
}
