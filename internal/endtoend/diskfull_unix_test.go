//go:build unix

package endtoend

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
)

func init() {
	commands["limit"] = func(argument string) error {
		limit, err := strconv.ParseUint(argument, 10, 64)
		if err != nil {
			return err
		}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
			return err
		}
		return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: min(limit, now.Max), Max: now.Max})
	}
}

// disk is what a daemon writes to.
type disk interface {
	fill(*daemon) error
	free(*daemon) error
}

// limited is a disk on which no file may grow past some size, which any process
// can demand of itself.
type limited struct{}

// fill leaves anything from 4 KiB to 2 MiB, small sizes as often as large ones.
func (limited) fill(d *daemon) error {
	return d.command(fmt.Sprint("limit ", int(4096*math.Exp2(9*d.c.random.Float64()))))
}

func (limited) free(d *daemon) error { return d.command(fmt.Sprint("limit ", uint64(1)<<62)) }

// small is a small file system, filled up by a file of ours.
type small struct{ ballast string }

// fill leaves less than recordings.min_free, and sometimes nothing.
func (s small) fill(d *daemon) error {
	var room syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(s.ballast), &room); err != nil {
		return err
	}
	left := int64(float64(512<<10) * max(0, d.c.random.Float64()-0.2))
	f, err := os.Create(s.ballast)
	if err != nil {
		return err
	}
	zeros := make([]byte, 64<<10)
	for room := int64(room.Bavail)*int64(room.Bsize) - left; room > 0 && err == nil; room -= int64(len(zeros)) {
		_, err = f.Write(zeros[:min(room, int64(len(zeros)))])
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func (s small) free(*daemon) error { return os.Remove(s.ballast) }

// mount puts the data folder on a small file system.
func mount(c *campaign) disk {
	dir := filepath.Dir(c.dir)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", dir).CombinedOutput(); err != nil {
		c.t.Skipf("no small file system here: %v %s", err, out)
	}
	c.t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			c.t.Errorf("%v %s", err, out)
		}
	})
	return small{filepath.Join(dir, "ballast")}
}

// daemon is a child that runs as a service, with its API.
type daemon struct {
	*child
	*client.Client
	c   *campaign
	pid int
}

func (c *campaign) startDaemon() *daemon {
	c.t.Helper()
	d := &daemon{child: c.begin(order{Work: "daemon"}), c: c}
	select {
	case address := <-d.ready:
		_, token, pid, ok := service.Running(c.dir)
		if !ok {
			c.t.Fatal("the daemon is not to be reached")
		}
		d.Client, d.pid = client.New("http://"+address, token, nil), pid
	case err := <-d.done:
		c.t.Fatalf("the daemon did not start: %v", err)
	case <-time.After(time.Minute):
		c.t.Fatal("the daemon did not start within a minute")
	}
	return d
}

func (d *daemon) command(line string) error {
	if _, err := fmt.Fprintln(d.stdin, line); err != nil {
		return err
	}
	select {
	case <-d.obeyed:
		return nil
	case <-time.After(time.Minute):
		return errors.New("the daemon does not obey: " + line)
	}
}

// stopDaemon ends a daemon as the service manager does.
func (d *daemon) stopDaemon() {
	if _, err := fmt.Fprintln(d.stdin, "stop"); err != nil {
		d.c.t.Error(err)
	}
	d.c.end(d.child, false)
}

// fullTally is what all episodes did.
type fullTally struct {
	mu                                       sync.Mutex
	episodes, felt, recordings, store, index int
	longest                                  time.Duration
	busiest                                  float64 // CPU seconds per second while full
	calls                                    int
}

// episode fills the disk while the vendors go on, frees it again, and waits
// until the daemon has made good for it.
func (d *daemon) episode(disk disk, sum *fullTally, long bool) {
	c := d.c
	c.t.Helper()
	if c.random.IntN(2) == 0 { // in the middle of things
		c.callComes()
		d.wake()
		time.Sleep(time.Duration(c.random.IntN(80)) * time.Millisecond)
	}
	if err := disk.fill(d); err != nil {
		c.t.Fatal(err)
	}
	for range 2 {
		c.callComes()
	}
	for range 3 + c.random.IntN(4) {
		c.live()
	}
	d.wake()
	length := time.Duration(100+c.random.IntN(400)) * time.Millisecond
	if long {
		length = 3 * time.Second
	}
	before, start := d.cpu(), time.Now()
	time.Sleep(length)
	busy := (d.cpu() - before).Seconds() / time.Since(start).Seconds()
	felt := d.honest()
	if err := disk.free(d); err != nil {
		c.t.Fatal(err)
	}
	took := d.healed()
	sum.mu.Lock()
	defer sum.mu.Unlock()
	sum.episodes++
	sum.longest = max(sum.longest, took)
	if long {
		if sum.busiest = max(sum.busiest, busy); busy > 0.5 {
			c.t.Errorf("on a full disk the daemon used %.0f %% of a CPU", 100*busy)
		}
	}
	if felt.any() {
		sum.felt++
	}
	sum.recordings, sum.store, sum.index = sum.recordings+felt.recordings, sum.store+felt.store, sum.index+felt.index
}

// wake asks for a round of all sources.
func (d *daemon) wake() {
	if _, err := d.Sync(context.Background(), client.Wake{}); err != nil {
		d.c.t.Error(err)
	}
}

// felt says where the daemon noticed that the disk is full, 0 or 1 each.
type felt struct{ recordings, store, index int }

func (f felt) any() bool { return f != (felt{}) }

// honest asserts that reading goes on over a full disk and that the answers
// are true.
func (d *daemon) honest() (f felt) {
	c := d.c
	c.t.Helper()
	ctx := context.Background()
	gaps, err := d.Gaps(ctx, "", 200, "")
	if err != nil {
		c.t.Fatalf("over a full disk: %v", err)
	}
	for _, gap := range gaps.Value.Data {
		if gap.Reason != nil && *gap.Reason == "no_space" {
			f.recordings = 1
		}
	}
	status, err := d.Status(ctx)
	if err != nil {
		c.t.Fatalf("over a full disk: %v", err)
	}
	calls, open := 0, 0
	for _, s := range status.Value.Sources {
		calls += s.Counts.Calls
		open += s.Counts.Open()
	}
	switch index := status.Value.Index; {
	case index.State != "ready":
		f.index = 1
	case index.Lag == 0 && index.Documents < calls:
		c.t.Errorf("the index says it is complete with %d of %d calls", index.Documents, calls)
	}
	if open > 0 && status.Value.Green {
		c.t.Error("green with gaps")
	}
	for _, w := range d.said() {
		if strings.Contains(w, "the disk is full") {
			f.store = 1
		}
		if strings.Contains(w, "no disk space for recordings") {
			f.recordings = 1
		}
		if strings.Contains(w, "in doubt") {
			c.t.Errorf("a full disk left the archive in doubt: %s", w)
		}
	}
	return f
}

// healed waits until everything the vendors know is stored and indexed, with
// no restart.
func (d *daemon) healed() time.Duration {
	c := d.c
	c.t.Helper()
	want := 0
	for _, v := range c.sim.Vendors() {
		want += len(c.sim.Truth(v.Name))
	}
	start := time.Now()
	woken := time.Time{}
	for time.Since(start) < 2*time.Minute {
		time.Sleep(20 * time.Millisecond)
		status, err := d.Status(context.Background())
		if err != nil {
			c.t.Fatal(err)
		}
		idle, calls, open := true, 0, 0
		for _, s := range status.Value.Sources {
			idle = idle && s.State == "idle"
			calls += s.Counts.Calls
			open += s.Counts.Open()
		}
		index := status.Value.Index
		switch {
		case !idle:
		case time.Since(woken) > 3*time.Second && (calls != want || open > 0 || woken.IsZero()):
			d.wake()
			woken = time.Now()
		case calls == want && open == 0 && index.State == "ready" && index.Lag == 0 && index.Documents == want:
			return time.Since(start)
		}
	}
	status, _ := d.Status(context.Background())
	c.t.Fatalf("not healed within two minutes: %s\n%s", toJSON(c.t, status.Value), strings.Join(d.said(), "\n"))
	return 0
}

// cpu is the time the daemon has used; 0 where it cannot be told.
func (d *daemon) cpu() time.Duration {
	body, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(body[strings.LastIndexByte(string(body), ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// series is some episodes on one archive, which must end equal to the vendors.
func series(t *testing.T, seed uint64, episodes int, sum *fullTally, prepare func(*campaign) disk) {
	c := newCampaign(t, seed, newTally())
	c.sim.ReleaseLate()
	disk := prepare(c)
	d := c.startDaemon()
	d.healed()
	for n := range episodes {
		d.episode(disk, sum, n%10 == 1)
		if t.Failed() {
			t.Logf("seed %d, episode %d", seed, n)
			break
		}
	}
	held := make(map[call.Key]call.Call)
	whole := c.readFrom(d.Client)
	for key, got := range whole {
		held[key] = got.Call
	}
	compareCalls(t, c.bed, held)
	d.stopDaemon()
	c.checkAcks(whole)
	c.calm()
	sum.mu.Lock()
	sum.calls += c.tally.Calls
	sum.mu.Unlock()
}

// TestFullDiskHealsWithoutRestart fills the disk under a running daemon at
// seeded moments. CALLSYNCD_FULL_EPISODES is how often, CALLSYNCD_FULL_SEED
// chooses the same moments again.
func TestFullDiskHealsWithoutRestart(t *testing.T) {
	t.Parallel() // it mostly waits, for daemons that try again
	each := 20   // episodes of one daemon
	episodes := number("CALLSYNCD_FULL_EPISODES", 4)
	if episodes < 2*each {
		each = (episodes + 1) / 2
	}
	seed := number("CALLSYNCD_FULL_SEED", int(time.Now().UnixNano()>>10))
	sum, start := &fullTally{}, time.Now()
	t.Run("daemons", func(t *testing.T) {
		for first := 0; first < episodes; first += each {
			prepare, kind := func(*campaign) disk { return limited{} }, "limited"
			if first/each%2 == 1 {
				prepare, kind = mount, "small"
			}
			t.Run(fmt.Sprint(kind, first/each), func(t *testing.T) {
				t.Parallel()
				series(t, uint64(seed+first), min(each, episodes-first), sum, prepare)
			})
		}
	})
	t.Logf("disk full: seed %d: %d episodes, felt in %d (by recordings %d, archive %d, index %d), all healed without restart, the slowest after %v; busiest %.0f %% of a CPU; %d calls in the end equal to the vendors'; %v",
		seed, sum.episodes, sum.felt, sum.recordings, sum.store, sum.index, sum.longest.Round(time.Millisecond), 100*sum.busiest, sum.calls, time.Since(start).Round(time.Second))
}
