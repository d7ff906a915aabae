package endtoend

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
)

const (
	// measuredConfig, when set, makes the test binary a process that syncs and
	// tells how much memory that took.
	measuredConfig = "CALLSYNCD_TEST_MEMORY"
	// oneByOne, when set, has every peak measured by itself. Otherwise all
	// vendors send at once.
	oneByOne = "CALLSYNCD_MEMORY_EACH"
	// mostMemory is what the whole process may ever have in memory, in KiB.
	mostMemory = 256 << 10
)

// peak is what a process says about itself.
type peak struct {
	Name     string
	KiB      int // the most memory since the last one
	Calls    int
	Complete bool
	Error    string
}

// measured syncs all sources and prints its peak of memory.
func measured(path string) int {
	if err := measure(path, json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func measure(path string, out *json.Encoder) error {
	cfg, err := config.Load(path, config.Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	service.LimitMemory()
	a, err := service.Open(ctx, service.Options{Config: cfg, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test"})
	if err != nil {
		return err
	}
	at := make([][]call.SourceID, 1)
	for _, source := range cfg.Sources {
		if os.Getenv(oneByOne) != "" {
			at = append(at, []call.SourceID{source.Name})
		} else {
			at[0] = append(at[0], source.Name)
		}
	}
	for _, names := range slices.DeleteFunc(at, func(names []call.SourceID) bool { return len(names) == 0 }) {
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // forget the peak so far
			return err
		}
		report, err := syncAndIndex(ctx, a, names)
		if err != nil {
			return err
		}
		if err := readAtOnce(a); err != nil {
			return err
		}
		for _, r := range report.Sources {
			if err := out.Encode(peak{string(r.Source), highWater(), r.Counts.Calls, r.Complete, r.Error}); err != nil {
				return err
			}
		}
	}
	return a.Close()
}

// syncAndIndex syncs, and indexes what is stored meanwhile, as a daemon does.
func syncAndIndex(ctx context.Context, a *service.Archive, names []call.SourceID) (report call.SyncReport, err error) {
	var following sync.WaitGroup
	indexing, stop := context.WithCancel(ctx)
	following.Go(func() {
		for every := time.NewTicker(20 * time.Millisecond); indexing.Err() == nil; <-every.C {
			if e := a.CatchUp(indexing); e != nil && indexing.Err() == nil {
				fmt.Fprintln(os.Stderr, e)
			}
		}
	})
	report, err = a.Sync(ctx, names, false)
	stop()
	following.Wait()
	return report, err
}

// readAtOnce asks for as much as one answer may hold, several times at once.
func readAtOnce(a *service.Archive) error {
	var reading errgroup.Group
	const list = "/v1/calls?limit=200&fields=full"
	for _, path := range []string{"/v1/search?q=tea&limit=200", "/v1/search?q=a&limit=200", list, list} {
		reading.Go(func() error {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.Host = "callsyncd.local"
			req.Header.Set("Authorization", "Bearer "+a.Token().Reveal())
			w := &unread{header: make(http.Header)}
			a.Handler().ServeHTTP(w, req)
			if w.code != http.StatusOK {
				return fmt.Errorf("%s: %d", path, w.code)
			}
			return nil
		})
	}
	return reading.Wait()
}

// unread is an answer that takes no memory.
type unread struct {
	header http.Header
	code   int
}

func (w *unread) Header() http.Header  { return w.header }
func (w *unread) WriteHeader(code int) { w.code = code }
func (w *unread) Write(b []byte) (int, error) {
	w.code = cmp.Or(w.code, http.StatusOK)
	return len(b), nil
}

// highWater is the most memory this process had, in KiB.
func highWater() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	n, _ := strconv.Atoi(strings.Fields(after)[0])
	return n
}

// gluttons are vendors that want us to swallow as much as we can.
func gluttons(h *hostile) {
	add := func(name string, answer handler) {
		h.rogue(name).list = answer.page()
	}
	add("five-gigabytes", func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"calls":[`, `{"uuid":"x"},`) })
	add("text-without-end", func(w http.ResponseWriter, _ *http.Request) { endless(w, `{"calls":[{"uuid":"`, "x") })
	add("chunks-without-end", func(w http.ResponseWriter, _ *http.Request) { endless(w, ``, " ") })
	add("depth-of-a-million", text(`{"calls":[`+strings.Repeat("[", 1_000_000)))
	add("million-items", text(`{"calls":[`+strings.Repeat(`{},`, 1_000_000)+`{}]}`))
	add("huge-headers", raw("HTTP/1.1 200 OK\r\n"+strings.Repeat("X-Long: "+strings.Repeat("a", 1<<10)+"\r\n", 1<<12)+"\r\n"))
	bomb := zip([]byte(`{"calls":[],"x":"` + strings.Repeat("0", 31<<20) + `"}`))
	add("gzip-bomb", gzipped(bomb))
	add("nested-gzip", gzipped(zip(bomb)))
	// What is within every limit is swallowed, and stored.
	words := strings.Builder{}
	for i := 0; words.Len() < 39<<16; i++ {
		fmt.Fprintf(&words, "word%d ", i)
	}
	h.rogue("megabytes-of-words").add("a", map[string]any{"transcript": "Agent: " + words.String()})
	h.rogue("megabytes-of-summary").add("a", map[string]any{"summary": strings.Repeat("tea ", 39<<14)})
	h.rogue("million-words").add("a", map[string]any{"transcript": "Agent: " + strings.Repeat("a ", 1<<19), "summary": strings.Repeat("b ", 1<<19)})
	h.rogue("words-without-spaces").add("a", map[string]any{"transcript": strings.Repeat("取", 1<<18), "summary": strings.Repeat("消", 1<<18)})
	different := func(prefix string) string { return lettered(prefix, 900_000) }
	h.rogue("different-words").add("a", map[string]any{"transcript": "Agent: " + different("a") + "\nUser: " + different("u"), "summary": different("s")})
	lines := h.rogue("forty-thousand-turns")
	lines.add("a", map[string]any{"transcript": strings.Repeat("Agent: hello there\nUser: good day\n", 20_000)})
	h.rogue("names-of-everybody").add("a", nil)
	h.rogue("fifteen-megabytes-of-one-call").add("a", map[string]any{"summary": strings.Repeat("tea ", 15<<18)})
	h.rogue("names-of-everybody").one = func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		answerJSON(w, map[string]any{"campaigns": manyNames(page, 5000), "records": []any{}, "total": 100_000_000, "limit": 100})
	}
	for i := range 4 {
		r := h.rogue(fmt.Sprintf("sound-%d", i))
		r.add("a", nil)
		r.media = func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(sound(1))
			block := make([]byte, 1<<20)
			for range 64 {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
			panic(http.ErrAbortHandler)
		}
	}
}

// lettered is a text of words that differ, as short as they can be.
func lettered(prefix string, size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		b.WriteString(prefix + strconv.FormatInt(int64(i), 36) + " ")
	}
	return b.String()
}

func manyRows(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"uuid":"call-%d","status":"busy","transcript":null,"createdAt":%d}`, i, 1767323045-i)
	}
	return b.String()
}

func manyNames(page, n int) []map[string]string {
	out := make([]map[string]string, n)
	for i := range out {
		out[i] = map[string]string{"uuid": fmt.Sprint(page*n + i), "name": strings.Repeat("n", 100)}
	}
	return out
}

// TestHostileVendorsStaySmall lets vendors send as much as they can to a process
// of its own, all at once, and looks at the most memory it ever had: those that
// have no end, and what is within every limit and is stored, indexed and read.
func TestHostileVendorsStaySmall(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the system does not say how much memory a process had")
	}
	if underRace {
		t.Skip("the race detector needs several times as much memory itself")
	}
	t.Parallel()
	h := newHostile(t)
	gluttons(h)
	for i := range 2 { // what is within every limit, several times at once
		h.rogue(fmt.Sprintf("fifteen-megabytes-%d", i)).list = text(`{"calls":[` + manyRows(1000) + `],"x":"` + strings.Repeat("x", 10<<20) + `","total":1000,"limit":1000}`).page()
	}
	h.options(t) // writes the configuration
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), measuredConfig+"="+h.config)
	cmd.Stderr = os.Stderr
	start := time.Now()
	var out strings.Builder
	cmd.Stdout = &out
	err := cmd.Run()
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for dec := json.NewDecoder(strings.NewReader(out.String())); dec.More(); {
		var p peak
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		t.Logf("%-28s %4d MiB %6d calls, complete %t %s", p.Name, p.KiB>>10, p.Calls, p.Complete, p.Error)
		most = max(most, p.KiB)
	}
	t.Logf("%.1f s, of which %.1f s of the processor", time.Since(start).Seconds(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
	if most == 0 || most > mostMemory {
		t.Errorf("at its peak the process had %d MiB in memory", most>>10)
	}
}
