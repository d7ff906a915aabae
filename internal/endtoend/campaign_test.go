package endtoend

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
	"callsyncd/simulator"
)

// campaign is one archive that is killed again and again while its vendors
// go on living.
type campaign struct {
	*bed
	t      *testing.T
	random *rand.Rand
	tally  *tally

	acks    map[call.Key]ack
	lastSeq uint64                 // the newest change anybody was told of
	added   map[call.Key]time.Time // calls that came later, and when
	edited  map[call.Key]bool
	late    bool // parts come late, and links expire
	// blind are the vendors whose lists do not show that a summary was edited.
	blind map[call.SourceID]bool
	kills int // since the archive was last looked at
}

// tally is what all campaigns did.
type tally struct {
	Cycles, Ended    int
	Hits             map[crashpoint.Point]int
	Acknowledged     int
	Lost             int
	Recordings       int // hashed
	WrongHashes      int
	Looks, Verified  int
	SlowestRestart   time.Duration
	Calls, Campaigns int
}

func newTally() *tally { return &tally{Hits: make(map[crashpoint.Point]int)} }

// newCampaign starts the vendors of one campaign, several pages each. With an
// odd seed parts come late, and links to recordings live for two seconds.
func newCampaign(t *testing.T, seed uint64, sum *tally) *campaign {
	o := simulator.Options{
		Seed: seed, Calls: 9, Span: 48 * time.Hour, Latency: time.Millisecond, PageCap: map[string]int{},
	}
	if seed%2 == 1 {
		o.Late, o.LateAfter, o.URLLife = 0.3, time.Hour, 2*time.Second
	}
	for i, v := range simulator.New(simulator.Options{}).Vendors() {
		o.PageCap[v.Name] = 2 + i
	}
	b := newBed(t, o)
	b.logs = nil
	sum.Campaigns++
	c := &campaign{bed: b, t: t, random: rand.New(rand.NewPCG(seed, 1)), tally: sum,
		acks: map[call.Key]ack{}, added: map[call.Key]time.Time{}, edited: map[call.Key]bool{}, late: seed%2 == 1,
		blind: map[call.SourceID]bool{"smartalex": true}}
	for _, v := range b.sim.Vendors() {
		for _, truth := range b.sim.Truth(v.Name) {
			c.added[call.Key{Source: call.SourceID(v.Name), ID: truth.Call.ID}] = time.Time{}
		}
	}
	return c
}

// live lets something happen at the vendors.
func (c *campaign) live() {
	vendors := c.sim.Vendors()
	vendor := vendors[c.random.IntN(len(vendors))].Name
	switch n := c.random.IntN(20); {
	case n < 4:
		key := call.Key{Source: call.SourceID(vendor), ID: c.sim.AddCall(vendor)}
		c.added[key] = time.Now()
	case n == 19:
		c.sim.ReleaseLate()
	case len(c.acks) > 0:
		key := c.anyAcknowledged()
		if c.blind[key.Source] {
			return
		}
		summary := fmt.Sprintf("Edit %d of a summary.", c.random.IntN(1000))
		if err := c.sim.EditCall(string(key.Source), key.ID, simulator.Edit{Summary: &summary}); err != nil {
			c.t.Fatal(err)
		}
		c.edited[key] = true
	}
}

func (c *campaign) anyAcknowledged() call.Key {
	keys := sortedKeys(c.acks)
	return keys[c.random.IntN(len(keys))]
}

// begin starts a child, which is to be waited for with end.
func (c *campaign) begin(o order) *child {
	c.t.Helper()
	o.Config = c.config
	text, err := json.Marshal(o)
	if err != nil {
		c.t.Fatal(err)
	}
	ch := &child{cmd: exec.Command(os.Args[0]), ready: make(chan string, 1), obeyed: make(chan string, 1), done: make(chan error, 1)}
	ch.cmd.Env = append(os.Environ(), childOrder+"="+string(text))
	ch.cmd.Stderr = os.Stderr
	out, err := ch.cmd.StdoutPipe()
	if err == nil {
		ch.stdin, err = ch.cmd.StdinPipe()
	}
	if err == nil {
		err = ch.cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			ch.hear(lines.Bytes())
		}
		ch.done <- ch.cmd.Wait()
	}()
	return ch
}

// child is a process that works on the archive.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	ready  chan string // where its API is reached
	obeyed chan string
	done   chan error
	// What it said, to be read once it is done.
	at       crashpoint.Point
	acks     []ack
	examined *examined
	bad      []string
	mu       sync.Mutex
	warnings []string // guarded by mu
}

// said are the warnings since it was asked last.
func (ch *child) said() []string {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	defer func() { ch.warnings = nil }()
	return ch.warnings
}

func (ch *child) hear(line []byte) {
	var m message
	switch err := json.Unmarshal(line, &m); {
	case err != nil:
		ch.bad = append(ch.bad, string(line)) // the last one may be cut short
	case m.At != "":
		ch.at = m.At
	case m.Ack != nil:
		ch.acks = append(ch.acks, *m.Ack)
	case m.Examined != nil:
		ch.examined = m.Examined
	case m.Warning != "":
		ch.mu.Lock()
		ch.warnings = append(ch.warnings, m.Warning)
		ch.mu.Unlock()
	case m.Ready != "":
		ch.ready <- m.Ready
	case m.Done != "":
		ch.obeyed <- m.Done
	}
}

// end waits for a child and notes what it acknowledged. The child must have
// been killed or have ended well.
func (c *campaign) end(ch *child, killed bool) (at crashpoint.Point) {
	c.t.Helper()
	var err error
	select {
	case err = <-ch.done:
	case <-time.After(time.Minute):
		if ch.cmd.Process.Signal(syscall.SIGQUIT) != nil { // it says what it is at
			_ = ch.cmd.Process.Kill()
		}
		<-ch.done
		c.t.Fatal("a child neither ended nor died within a minute")
	}
	c.tally.Cycles++
	if c.kills++; err == nil {
		c.tally.Ended++
	} else if ch.at == "" && !killed {
		c.t.Errorf("a start after a kill ended with %v", err)
	}
	if len(ch.bad) > 1 {
		c.t.Errorf("a child said %q", ch.bad)
	}
	for _, a := range ch.acks {
		c.acks[a.Key] = a
		c.lastSeq = max(c.lastSeq, a.Seq)
	}
	c.tally.Acknowledged += len(ch.acks)
	if ch.at != "" {
		c.tally.Hits[ch.at]++
	}
	return ch.at
}

// killAt lets a child work until it comes to a point for the hit-th time.
func (c *campaign) killAt(work string, point crashpoint.Point, hit int) bool {
	return c.end(c.begin(order{Work: work, Point: point, Hit: hit}), false) != ""
}

// killSometime kills a child after some time, while the vendors go on.
func (c *campaign) killSometime() {
	ch := c.begin(order{Work: []string{"rounds", "daemon"}[c.random.IntN(2)]})
	dead := time.After(time.Duration(15+c.random.IntN(150)) * time.Millisecond)
	for {
		select {
		case <-dead:
			if err := ch.cmd.Process.Kill(); err != nil {
				c.t.Error(err)
			}
			c.end(ch, true)
			return
		case <-time.After(8 * time.Millisecond):
			c.live()
		}
	}
}

// anew begins with an empty data folder again.
func (c *campaign) anew() {
	if err := os.RemoveAll(c.dir); err != nil {
		c.t.Fatal(err)
	}
	clear(c.acks)
	c.lastSeq, c.kills = 0, 0
}

// calm lets the vendors give all they have and the archive catch up, and holds
// it against what the vendors know.
func (c *campaign) calm() {
	c.t.Helper()
	c.sim.ReleaseLate()
	c.look(false)
	ctx := context.Background()
	a := c.restart()
	defer c.stop(a)
	for range 3 { // parts of calls that changed while they were read come with the next round
		report, err := a.Sync(ctx, nil, false)
		if err != nil {
			c.t.Fatal(err)
		}
		if complete(report) {
			break
		}
	}
	status, err := a.Status(ctx)
	if err != nil || !status.Green {
		c.t.Errorf("not green in the end: %v %q", err, status.Problems)
	}
	compare(c.t, c.bed, a)
	held := c.read(a)
	c.checkAcks(held)
	for key, got := range held {
		if !c.late && !c.edited[key] && got.Version != 1 {
			c.t.Errorf("%s has version %d although nothing about it changed", key, got.Version)
		}
	}
	verify(c.t, a)
	c.checkFiles()
	c.tally.Calls += len(held)
}

func complete(report call.SyncReport) bool {
	for _, r := range report.Sources {
		if !r.Complete {
			return false
		}
	}
	return true
}

// storedRecording picks a recording somebody was told of.
func (c *campaign) storedRecording() (ack, bool) {
	var stored []ack
	for _, key := range sortedKeys(c.acks) {
		if a := c.acks[key]; a.File != "" {
			stored = append(stored, a)
		}
	}
	if len(stored) == 0 {
		return ack{}, false
	}
	return stored[c.random.IntN(len(stored))], true
}
