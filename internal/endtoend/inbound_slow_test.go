//go:build unix

package endtoend

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"callsyncd/api"
	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/simulator"
)

// slow are clients that take their time.
var slow = []abuse{
	{27, "slow headers", slowHeaders},
	{28, "slow bodies", slowBodies},
	{29, "slow readers", slowReaders},
}

func TestSlowAbuse(t *testing.T) {
	t.Parallel()
	d := newInbound(t, simulator.Options{Seed: 40, Calls: 8})
	for _, a := range slow {
		t.Run(fmt.Sprintf("%d %s", a.number, a.name), func(t *testing.T) { a.run(t, d) })
	}
	d.clean(t, d.logs.from(0))
}

// slowHeaders takes all 64 connections there are. A client in good faith waits
// until the first of them are closed, five seconds after they were opened.
func slowHeaders(t *testing.T, d *inbound) {
	const most = 64
	var slow []net.Conn
	begin := time.Now()
	for range 3 * most {
		conn, err := net.Dial("tcp", d.address)
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost:")
		must(t, err)
		slow = append(slow, conn)
	}
	for i, conn := range slow[:most/2] { // those that came first
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d: %d bytes, %v", i, n, err)
		}
		if took := time.Since(begin); i == 0 && took < 4*time.Second {
			t.Errorf("closed after %s already", took)
		}
	}
	freed := time.Since(begin)
	for _, conn := range slow {
		_ = conn.Close()
	}
	if a := d.ask(t, request{target: "/healthz"}); a.status != 200 {
		t.Errorf("%d after the connections were closed", a.status)
	}
	t.Logf("of %d connections the first were closed after %s", len(slow), freed.Round(time.Millisecond))
	d.onlySixtyFour(t)
}

// onlySixtyFour holds 64 connections in good faith; one more has to wait.
func (d *inbound) onlySixtyFour(t *testing.T) {
	t.Helper()
	var held []net.Conn
	for range 64 {
		conn, err := net.Dial("tcp", d.address)
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: "+d.address+"\r\n\r\n")
		must(t, err)
		d.count(1)
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("connection %d: %q, %v", len(held), line, err)
		}
		held = append(held, conn)
	}
	waiting, err := net.Dial("tcp", d.address)
	must(t, err)
	defer waiting.Close()
	_, err = io.WriteString(waiting, "GET /healthz HTTP/1.1\r\nHost: "+d.address+"\r\n\r\n")
	must(t, err)
	d.count(1)
	_ = waiting.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := waiting.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the 65th connection was served: %d bytes, %v", n, err)
	}
	must(t, held[0].Close())
	_ = waiting.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := waiting.Read(make([]byte, 1)); n != 1 {
		t.Errorf("the 65th connection was not served after the first was closed: %v", err)
	}
}

// pipes is a listener whose connections are in memory, where the clock of a
// test is everybody's.
type pipes struct {
	made   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.made:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.made <- theirs
	return ours
}

// drip sends text a byte at a time until the other side has had enough, and
// answers when that was and what it said.
func drip(conn net.Conn, text string, every time.Duration) (took time.Duration, said string) {
	begin := time.Now()
	done := make(chan struct{})
	go func() {
		answer, _ := io.ReadAll(conn) // until it is closed
		took, said = time.Since(begin), string(answer)
		close(done)
	}()
	for i := range len(text) {
		if _, err := io.WriteString(conn, text[i:i+1]); err != nil {
			break
		}
		select {
		case <-done:
			return took, said
		case <-time.After(every):
		}
	}
	<-done
	return took, said
}

// slowBodies also has what is slow in the time of a test: headers for five
// seconds, whole requests for fifteen, and recordings that are taken at less
// than 8 KiB a second.
func slowBodies(t *testing.T, _ *inbound) {
	b := newBed(t, simulator.Options{Seed: 41, Calls: 8})
	a := b.open(t)
	syncAll(t, a, false)
	head := "Host: callsyncd.local\r\nAuthorization: Bearer " + a.Token().Reveal() + "\r\n"
	var recording string
	for key, c := range fromArchive(t, a) {
		if c.Recording != nil {
			recording = "/v1/calls/" + key.String() + "/recording"
			must(t, os.Chmod(filepath.Join(b.dir, *c.Recording.File), 0o600), os.Truncate(filepath.Join(b.dir, *c.Recording.File), 1<<20))
		}
	}
	seq := len(fromArchive(t, a))
	synctest.Test(t, func(t *testing.T) {
		listener := &pipes{made: make(chan net.Conn), closed: make(chan struct{})}
		server := api.Server(a.Handler(), slog.New(slog.DiscardHandler))
		go func() { _ = server.Serve(listener) }() // ends with the listener
		defer server.Close()
		for name, c := range map[string]struct {
			at   int // sent at once
			text string
			want time.Duration
			says string
		}{
			"header": {0, "GET /healthz HTTP/1.1\r\n" + head + "\r\n", 5 * time.Second, "400 Bad Request"},
			"body": {-40, "POST /v1/sync HTTP/1.1\r\n" + head + "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{" + strings.Repeat(" ", 60),
				15 * time.Second, "408 Request Timeout"},
			"second header": {len("GET /healthz HTTP/1.1\r\n"+head+"\r\n") + 3, "GET /healthz HTTP/1.1\r\n" + head + "\r\nGET /healthz HTTP/1.1\r\n", 5 * time.Second, "200 OK"},
		} {
			conn := listener.dial()
			at := c.at
			if at < 0 {
				at = len(c.text) + at
			}
			sent := make(chan struct{})
			go func() { _, _ = io.WriteString(conn, c.text[:at]); close(sent) }()
			<-sent
			took, said := drip(conn, c.text[at:], time.Second)
			if took < c.want-time.Second || took > c.want+2*time.Second || !strings.Contains(said, c.says) {
				t.Errorf("%s: closed after %s with %.300q", name, took, said)
			}
		}
		conn := listener.dial()
		go func() { _, _ = io.WriteString(conn, "GET "+recording+" HTTP/1.1\r\n"+head+"\r\n") }()
		begin, got := time.Now(), 0
		for some := make([]byte, 4<<10); ; time.Sleep(time.Second) {
			n, err := io.ReadFull(conn, some)
			if got += n; err != nil {
				break
			}
		}
		if took := time.Since(begin); took < 30*time.Second || took > 90*time.Second || got > 1<<19 {
			t.Errorf("a recording taken at 4 KiB a second went on for %s, %d bytes", took, got)
		}
	})
	if n := len(fromArchive(t, a)); n != seq {
		t.Errorf("%d calls became %d", seq, n)
	}
}

// slowReaders take 1 GB recordings a few bytes at a time while calls arrive:
// all four places are theirs, and the archive does not notice.
func slowReaders(t *testing.T, d *inbound) {
	coming := 40 // calls of each vendor; 200 in the long version
	if os.Getenv("CALLSYNCD_ABUSE_CALLS") != "" {
		coming = 200
	}
	target, c := d.recording(t)
	file := filepath.Join(d.dir, *c.Recording.File)
	must(t, os.Chmod(file, 0o600), os.Truncate(file, 1<<30)) // no block of it is on the disk
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		conn, err := net.Dial("tcp", d.address)
		must(t, err)
		must(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
		_, err = io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: "+d.address+"\r\nAuthorization: Bearer "+d.token+"\r\n\r\n")
		must(t, err)
		d.count(1)
		_, err = io.ReadFull(conn, make([]byte, 1000)) // it has begun
		must(t, err)
		readers.Go(func() {
			defer conn.Close()
			for some := make([]byte, 512); ; {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				if _, err := conn.Read(some); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if a := d.refused(t, request{target: target}, 429); a.header.Get("Retry-After") == "" {
		t.Error("429 without Retry-After")
	}
	feed, err := d.client.Changes(context.Background(), 0, 200, 0)
	must(t, err)
	since := feed.Value.Next
	for len(feed.Value.Data) == 200 {
		feed, err = d.client.Changes(context.Background(), since, 200, 0)
		must(t, err)
		since = feed.Value.Next
	}
	log, before, begin := d.logs.size(), size(t, filepath.Join(d.dir, "archive.db")), time.Now()
	stood, last := probe(t), call.Key{}
	for _, v := range d.sim.Vendors() {
		for range coming {
			last = call.Key{Source: call.SourceID(v.Name), ID: d.sim.AddCall(v.Name)}
		}
	}
	if _, err := d.client.Sync(context.Background(), client.Wake{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the last call", func() bool { _, err := d.client.Call(context.Background(), last, client.Show{}); return err == nil })
	d.settle(t)
	took := time.Since(begin)
	close(stop)
	readers.Wait()
	arrived, longest := 0, time.Duration(0)
	previous := time.Time{}
	for {
		feed, err := d.client.Changes(context.Background(), since, 200, 0)
		must(t, err)
		if len(feed.Value.Data) == 0 {
			break
		}
		since = feed.Value.Next
		for _, change := range feed.Value.Data {
			if change.Kind == call.ChangeNew {
				arrived++
			}
			if !previous.IsZero() {
				longest = max(longest, change.At.Sub(previous))
			}
			previous = change.At
		}
	}
	still := stood()
	if arrived != 5*coming || longest > 5*time.Second && still < stall && !underRace {
		t.Errorf("%d calls arrived, %s at most between two commits", arrived, longest)
	}
	d.quick(t, log, still)
	if grown := size(t, filepath.Join(d.dir, "archive.db")) - before; grown > 64<<20 {
		t.Errorf("archive.db grew by %d MiB", grown>>20)
	}
	t.Logf("%d calls with recordings arrived within %s beside 4 slow readers; %s at most between two commits; archive.db grew from %d to %d KiB",
		arrived, took.Round(time.Millisecond), longest.Round(time.Millisecond), before>>10, size(t, filepath.Join(d.dir, "archive.db"))>>10)
}
