package endtoend

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
)

// hasty is the machine's clock for somebody who does not like to wait.
type hasty struct{ call.RealClock }

func (hasty) Wait(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	return call.RealClock{}.Wait(ctx, min(d, 50*time.Millisecond), wake)
}

// A secret that the vendor refuses stops its source and no other. Once the file
// holds the right one, the running daemon finds it and catches up.
func TestRotatedSecretHealsWithoutRestart(t *testing.T) {
	t.Parallel()
	b := newBed(t, simulator.Options{Seed: 4, Calls: 6, Vendors: []string{"suresend", "callcamp"}})
	b.logs = nil
	o := b.options(t)
	o.Clock = hasty{}
	var file string
	for _, s := range o.Config.Sources {
		if s.Name == "suresend" {
			file = strings.TrimPrefix(string(s.Credentials["token"]), "file:")
		}
	}
	right, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(secret string) {
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("revoked-token")
	d := serve(t, b, o)
	refused := d.until(t, "suresend", func(s call.SourceStatus) bool { return s.State == "refused" })
	if text := strings.Join(refused.Problems, "; "); !strings.Contains(text, "token in file:"+file) || !strings.Contains(text, "read again") {
		t.Errorf("problems: %s", text)
	}
	d.until(t, "callcamp", func(s call.SourceStatus) bool { return s.Green })
	write("\n") // an editor that is not done yet
	time.Sleep(200 * time.Millisecond)
	write(string(right))
	healed := d.until(t, "suresend", func(s call.SourceStatus) bool { return s.Green })
	if healed.Counts.Calls != 6 {
		t.Errorf("held %d of 6 calls", healed.Counts.Calls)
	}
}

// served is a daemon within the test.
type served struct{ *client.Client }

// serve runs the daemon until the test ends.
func serve(t *testing.T, b *bed, o service.Options) served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- service.Run(ctx, o, func(address string) { ready <- address }) }()
	var address string
	select {
	case address = <-ready:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	token, err := os.ReadFile(filepath.Join(b.dir, "api-token"))
	if err != nil {
		t.Fatal(err)
	}
	return served{client.New("http://"+address, call.Secret(strings.TrimSpace(string(token))), nil)}
}

// until waits for a status of a source.
func (s served) until(t *testing.T, name call.SourceID, fits func(call.SourceStatus) bool) (is call.SourceStatus) {
	t.Helper()
	await(t, "source "+string(name), func() bool {
		report, err := s.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, is = range report.Value.Sources {
			if is.Name == name {
				return fits(is)
			}
		}
		return false
	})
	return is
}
