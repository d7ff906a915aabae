package endtoend

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
	"callsyncd/simulator"
)

// childConfig, when set, makes the test binary a process that syncs once.
const childConfig = "CALLSYNCD_TEST_SYNC"

func TestMain(m *testing.M) {
	if path := os.Getenv(childConfig); path != "" {
		os.Exit(child(path))
	}
	code := m.Run()
	for _, dir := range leftBehind {
		_ = os.RemoveAll(dir) // of temporary files
	}
	os.Exit(code)
}

// child syncs all sources once, like `callsyncd sync`.
func child(path string) int {
	cfg, err := config.Load(path, config.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 78
	}
	ctx := context.Background()
	a, err := service.Open(ctx, service.Options{Config: cfg, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Version: "test"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if _, err := a.Sync(ctx, nil, false); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := a.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestKilledProcessEndsInTheSameArchive kills a syncing process with SIGKILL at
// random moments, starts it again each time, and expects the very archive an
// undisturbed sync makes: each call once, in one version, each recording whole.
func TestKilledProcessEndsInTheSameArchive(t *testing.T) {
	kills := 50
	if n, err := strconv.Atoi(os.Getenv("CALLSYNCD_CRASH_KILLS")); err == nil {
		kills = n
	}
	if testing.Short() {
		kills = 5
	}
	b := newBed(t, simulator.Options{Seed: 7, Calls: 200, Latency: 3 * time.Millisecond})
	seed := uint64(time.Now().UnixNano())
	t.Logf("kill seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	ended := 0
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childConfig+"="+b.config)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		select {
		case err := <-done:
			ended++ // it was through before its time
			if err != nil {
				t.Fatalf("a start after a kill ended with %v", err)
			}
		case <-time.After(20*time.Millisecond + time.Duration(random.IntN(400))*time.Millisecond):
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-done
		}
	}
	t.Logf("%d processes killed, %d had ended", kills-ended, ended)
	a := b.open(t)
	for _, r := range syncAll(t, a, false).Sources {
		if !r.Complete {
			t.Errorf("source %s is not complete: %s", r.Source, toJSON(t, r))
		}
	}
	compare(t, b, a)
	for key, c := range fromArchive(t, a) {
		if c.Version != 1 {
			t.Errorf("%s has version %d", key, c.Version)
		}
		if c.Recording != nil && c.Recording.State != call.Stored {
			t.Errorf("%s: recording %s", key, c.Recording.State)
		}
	}
	verify(t, a)
}
