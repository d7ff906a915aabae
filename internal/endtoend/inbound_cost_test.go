//go:build unix

package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/simulator"
	"callsyncd/store"
)

// costly is what takes time and memory rather than liberties.
var costly = []abuse{
	{25, "expensive questions", expensiveQuestions},
	{26, "many expensive searches at once", manySearches},
}

// TestCostlyAbuse asks an archive of 2,000 calls, or as many as
// CALLSYNCD_ABUSE_CALLS says, what is expensive to answer. No other test runs
// meanwhile, because it measures what the whole process allocates.
func TestCostlyAbuse(t *testing.T) {
	calls := 2000
	if n, err := strconv.Atoi(os.Getenv("CALLSYNCD_ABUSE_CALLS")); err == nil {
		calls = n
	}
	b := newBed(t, simulator.Options{Seed: 39, Calls: 4})
	begin := time.Now()
	fill(t, b.dir, calls)
	stood := probe(t)
	d := startInbound(t, b)
	t.Logf("%d calls after %s", calls, time.Since(begin).Round(time.Millisecond))
	for _, a := range costly {
		t.Run(fmt.Sprintf("%d %s", a.number, a.name), func(t *testing.T) { a.run(t, d) })
	}
	d.clean(t, d.logs.from(0))
	d.quick(t, 0, stood())
}

// fill stores calls of a source that is not configured any more, whose texts
// are made of 20,000 words, a few of them very common.
func fill(t testing.TB, dir string, calls int) {
	t.Helper()
	s, err := store.Open(dir, store.Options{})
	must(t, err)
	random := rand.New(rand.NewPCG(39, 0))
	frequent := rand.NewZipf(random, 1.2, 4, 20_000)
	common := commonWords()
	say := func() string {
		words := make([]string, 14)
		for i := range words {
			if n := frequent.Uint64(); n < uint64(len(common)) {
				words[i] = common[n]
			} else {
				words[i] = fmt.Sprintf("tha%xth", n)
			}
		}
		return strings.Join(words, " ")
	}
	newest := time.Now().UTC().Add(-time.Hour)
	for n := 0; n < calls; n += 250 {
		batch := call.Batch{Source: "former"}
		for i := n; i < min(n+250, calls); i++ {
			started := newest.Add(-time.Duration(i) * time.Minute)
			name, phone, seconds := fmt.Sprintf("Agent %d", i%200), fmt.Sprintf("+1202555%04d", i%10_000), float64(i%900)
			c := call.Call{Key: call.Key{Source: "former", ID: call.ID(fmt.Sprintf("c%06x", i))}, Source: "former", Provider: "suresend", StartedAt: &started, CreatedAt: &started, DurationSeconds: &seconds, AgentName: &name, Phone: &phone}
			c.ID = c.Key.ID
			for turn := range 16 {
				side := []call.Speaker{call.SpeakerAgent, call.SpeakerCustomer}[turn%2]
				c.Transcript = append(c.Transcript, call.Turn{Speaker: side, Text: say()})
			}
			body, err := json.Marshal(c)
			must(t, err)
			stored := call.Part{State: call.Stored}
			batch.Writes = append(batch.Writes, call.Write{Kind: call.ChangeNew, Documents: call.Documents{call.DocumentList: {Body: body, FetchedAt: newest}},
				Record: call.Record{Call: c, Parts: call.Parts{Record: stored, Transcript: stored, Summary: call.Part{State: call.None}, Recording: call.Part{State: call.None}}, Fingerprints: map[string]string{call.DocumentList: string(c.ID)}}})
		}
		must(t, s.Save(context.Background(), batch))
	}
	must(t, s.Close())
}

func commonWords() []string {
	return strings.Fields("the you to i a is and that it for of in have this can we your on be me my will do with just so what are not at")
}

// worstSearches are accepted, and as expensive as the language allows.
func worstSearches() []string {
	common := commonWords()
	open := []string{"tha1*", "tha2*"} // tha* alone stands for too many words, which is refused
	return []string{
		strings.Join(common, " "), strings.Join(common, " OR "), strings.Join(common, " OR agent:"),
		`"` + strings.Join(common, " ") + `"`, `"thank you for calling" "how can i help you" "thank you" "have a good day"`,
		strings.Join(open, " "), strings.Join(open, " OR "), "con* OR pro*", "hello~ thank~ please~ calling~", "hello~ OR thank~ OR please~ OR calling~",
		"the -" + strings.Join(common[1:], " -"), "555 0100", "1", "+1", "id:c*", "id:a*", "id:1*", "", " ", "the",
		"customer:the OR agent:the OR summary:the OR topic:the OR note:the", "agent:tha1* OR customer:tha2*", "tha*",
	}
}

// wrongSearches are mistakes, or mean little here.
func wrongSearches() []string {
	return []string{"*", "*a*", "/.*/", "/(a?){200}a{200}/", "a~99", "a^1e308", "a^NaN", "+", `"unterminated`, `\`, "a\\", "\x00", "a\x00b", strings.Repeat("a", 10<<10), strings.Repeat("a ", 5<<10),
		`"` + strings.Repeat("word ", 5000) + `"`, strings.Repeat("x~1 ", 300), strings.Repeat("abc~ ", 200), strings.Repeat("abc* ", 200), strings.Repeat("(", 500) + "a" + strings.Repeat(")", 500),
		"a* b* c*", "???", "OR", "a OR", "OR OR", "-", "--a", "field:x", "transcript:*", "_all:x", "a AND NOT b", "[1 TO 2]", ">5", "{!func}x", strings.Repeat("\U0001F600", 250), strings.Repeat("é̂", 150), "\xff\xfe", strings.Repeat("ab\u202e", 100),
		strings.Repeat("5550100 ", 120), strings.Repeat("1 ", 500), strings.Repeat("a-b", 300), strings.Repeat("-a ", 300), strings.Repeat("a OR ", 200) + "a", "id:" + strings.Repeat("*", 900), `id:""`, `"" ""`, "a:b:c:d"}
}

// question is a request with what it is called in the report.
func questions() []string {
	const everything = "&limit=200&include=raw,versions,transcript,metadata,parts"
	var list []string
	for i, q := range append(worstSearches(), wrongSearches()...) {
		list = append(list, "/v1/search?q="+url.QueryEscape(q))
		if i < len(worstSearches()) {
			list = append(list, "/v1/search?limit=200&facets=source,agent,campaign,direction,status,sentiment&q="+url.QueryEscape(q))
		}
	}
	list = append(list, "/v1/search?q=the"+everything, "/v1/search?q=the&fields=full&limit=200", "/v1/calls?fields=full"+everything, "/v1/calls?limit=200&agent=nobody", "/v1/calls?limit=200&order_by=duration_seconds&has=transcript",
		"/v1/calls?limit=200&order_by=ended_at&order=asc&phone=1", "/v1/stats?by=day&group=agent", "/v1/stats?by=day&group=campaign&phone=5", "/v1/changes?since=0&limit=200", "/v1/gaps?limit=200", "/v1/status", "/metrics",
		"/v1/calls?"+strings.Repeat("agent=a,b,c,d,e,f,g,h&", 500), "/v1/search?q=the&"+strings.Repeat("phone=1&", 1200), "/v1/calls?phone="+strings.Repeat("1,", 5000)+"1", "/v1/search?q=the&agent="+strings.Repeat("%41,", 3000)+"a")
	return list
}

const (
	answerLimit = 2500 * time.Millisecond // of the processor: a busy machine changes nothing
	memoryLimit = 64 << 20
)

// get asks and answers the status, the length and, for 503, whether it says
// when to come again.
func (d *inbound) get(t testing.TB, target string) (status int, size int64, retry string) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://"+d.address+target, nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+d.token)
	d.count(1)
	res, err := http.DefaultClient.Do(r)
	if err != nil && len(target) > 16<<10 { // cut off while it was still being sent
		return 431, 0, ""
	}
	if err != nil {
		t.Error(err)
		return 0, 0, ""
	}
	defer res.Body.Close()
	size, err = io.Copy(io.Discard, res.Body)
	if err != nil && res.StatusCode != 431 {
		t.Error(err)
	}
	return res.StatusCode, size, res.Header.Get("Retry-After")
}

// price is what a question costs: time of the processor, and memory that is
// allocated, by this test too.
func (d *inbound) price(t testing.TB, target string) (status int, took time.Duration, used uint64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := processorTime(t)
	status, _, _ = d.get(t, target)
	took = processorTime(t) - begin
	runtime.ReadMemStats(&after)
	return status, took, after.TotalAlloc - before.TotalAlloc
}

// processorTime is what this process has used of the processors.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var used syscall.Rusage
	must(t, syscall.Getrusage(syscall.RUSAGE_SELF, &used))
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func expensiveQuestions(t *testing.T, d *inbound) {
	var slowest time.Duration
	var most uint64
	var slow, big string
	given := 0 // up, because it took two seconds
	limit, room := answerLimit, uint64(memoryLimit)
	if underRace { // which is slow, so that more happens meanwhile
		limit, room = 10*limit, 2*room
	}
	for _, target := range questions() {
		status, took, used := d.price(t, target)
		for range 2 { // other work of the process is not its fault
			if took > limit || used > room {
				status, took, used = d.price(t, target)
			}
		}
		if !slices.Contains([]int{200, 400, 431, 503}, status) || took > limit || used > room {
			t.Errorf("%.150s: %d after %s, %d KiB allocated", target, status, took, used>>10)
		}
		if status == 503 {
			given++
		}
		if took > slowest {
			slowest, slow = took, target
		}
		if used > most {
			most, big = used, target
		}
	}
	t.Logf("%d questions; slowest %s: %.100s; most memory %d KiB: %.100s; %d given up", len(questions()), slowest.Round(time.Millisecond), slow, most>>10, big, given)
}

// manySearches asks the worst, fifty at once, while a call arrives.
func manySearches(t *testing.T, d *inbound) {
	const clients, rounds = 50, 6
	var statuses sync.Map
	count := func(status int) *atomic.Int64 {
		n, _ := statuses.LoadOrStore(status, new(atomic.Int64))
		return n.(*atomic.Int64)
	}
	var longest atomic.Int64
	worst := worstSearches()
	var group sync.WaitGroup
	for i := range clients {
		group.Go(func() {
			for j := range rounds {
				begin := time.Now()
				status, _, retry := d.get(t, "/v1/search?limit=200&q="+url.QueryEscape(worst[(i+j*7)%len(worst)]))
				if took := int64(time.Since(begin)); took > longest.Load() {
					longest.Store(took)
				}
				count(status).Add(1)
				if (status == 429 || status == 503) != (retry != "") {
					t.Errorf("%d with Retry-After %q", status, retry)
				}
			}
		})
	}
	id := d.sim.AddCall("suresend")
	begin := time.Now()
	if _, err := d.client.Sync(context.Background(), client.Wake{Source: "suresend"}); err != nil {
		t.Error(err)
	}
	key := call.Key{Source: "suresend", ID: id}
	await(t, "the new call", func() bool { _, err := d.client.Call(context.Background(), key, client.Show{}); return err == nil })
	arrived := time.Since(begin)
	group.Wait()
	seen := map[int]int64{}
	statuses.Range(func(k, v any) bool { seen[k.(int)] = v.(*atomic.Int64).Load(); return true })
	for status := range seen {
		if status != 200 && status != 400 && status != 429 && status != 503 {
			t.Errorf("statuses %v", seen)
		}
	}
	if seen[429]+seen[503] == 0 || seen[200] == 0 {
		t.Errorf("statuses %v", seen)
	}
	t.Logf("statuses %v, longest %s, a new call was there after %s", seen, time.Duration(longest.Load()).Round(time.Millisecond), arrived.Round(time.Millisecond))
}
