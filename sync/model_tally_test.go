package callsync

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// tally counts what the scenarios of one test run came to.
type tally struct {
	mu       sync.Mutex
	checks   int
	steps    int
	restarts int // a new engine that knows what is in the store, and nothing else
	listed   int // list answers
	said     int // times the engine said that all is complete, or proved it
	missed   int // calls the vendor listed, neither in the archive nor among the gaps
	differed int // everything else that was not as in the model
	faults   map[string]int
}

func newTally() *tally { return &tally{faults: make(map[string]int)} }

func (t *tally) add(n *int, by int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*n += by
}

func (t *tally) fault(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.faults[name]++
}

// String is the summary in one line.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var faults []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(t.faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, t.faults[name]))
		total += t.faults[name]
	}
	return fmt.Sprintf("model: %d checks, %d steps, %d list answers, %d faults (%s), %d restarts, %d times complete was said, %d silent misses, %d differences",
		t.checks, t.steps, t.listed, total, strings.Join(faults, ", "), t.restarts, t.said, t.missed, t.differed)
}
