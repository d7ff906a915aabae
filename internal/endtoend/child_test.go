package endtoend

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/internal/crashpoint"
	"callsyncd/service"
)

// childOrder, when set, makes the test binary a process that works on an
// archive as it says, until it is killed or done.
const childOrder = "CALLSYNCD_TEST_CHILD"

// order is what a child shall do.
type order struct {
	Config string
	Work   string // a key of works
	// The child kills itself when it comes to Point for the Hit-th time.
	Point crashpoint.Point
	Hit   int
}

// message is one line of what a child tells its parent.
type message struct {
	// At is the point at which the child kills itself.
	At crashpoint.Point `json:",omitempty"`
	// Ack is a call as somebody has read it through the API.
	Ack *ack `json:",omitempty"`
	// Ready says that the archive is open, and where its API is reached.
	Ready string `json:",omitempty"`
	// Done repeats a command that has been carried out.
	Done string `json:",omitempty"`
	// Examined is what the work "examine" found.
	Examined *examined `json:",omitempty"`
	// Warning is a line of the log, without its attributes but for the error.
	Warning string `json:",omitempty"`
}

// ack is what must be found again after any crash.
type ack struct {
	Key       call.Key
	Seq       uint64 // of the change after which it was read
	Version   int
	ChangedAt time.Time
	Parts     call.PartStates
	// Content is the call without its names.
	Content map[string]json.RawMessage
	// Raw and Print are hashes of the vendor's documents, and of the number, time
	// and fingerprint of the version.
	Raw, Print string
	// Names is how many of the names and numbers are known that come from the
	// vendor's tables, later than the call; they are no part of Content.
	Names        int
	File, SHA256 string // of the recording, when there is one
}

func ackOf(c client.Call) ack {
	a := ack{Key: c.Key, Version: c.Version, ChangedAt: c.ChangedAt, Parts: c.Parts, Content: make(map[string]json.RawMessage), Raw: digest(c.Raw), Print: versionPrint(c.Versions, c.Version)}
	body, err := json.Marshal(c.Call)
	if err == nil {
		err = json.Unmarshal(body, &a.Content)
	}
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"agent_name", "contact_name", "contact_email", "campaign_name", "phone", "from_number", "to_number", "direction"} {
		if string(a.Content[name]) != "null" {
			a.Names++
		}
		delete(a.Content, name)
	}
	if r := c.Recording; r != nil && r.State == call.Stored {
		a.File, a.SHA256 = *r.File, *r.SHA256
	}
	return a
}

// versionPrint identifies one of a call's versions; empty when it is not there.
func versionPrint(versions []call.Version, number int) string {
	for _, v := range versions {
		if v.Number == number {
			return digest(v)
		}
	}
	return ""
}

func digest(v any) string {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:8])
}

// whole asks for everything the API shows of a call.
var whole = client.Show{Fields: "full", Include: []string{"raw", "versions"}}

// leftBehind are the folders that outlive the test that made them. They are
// made while other tests of their table wait.
var leftBehind []string

func TestMain(m *testing.M) {
	if path := os.Getenv(measuredConfig); path != "" {
		os.Exit(measured(path))
	}
	text := os.Getenv(childOrder)
	if text == "" {
		code := m.Run()
		for _, dir := range leftBehind {
			_ = os.RemoveAll(dir) // of temporary files
		}
		os.Exit(code)
	}
	var o order
	err := json.Unmarshal([]byte(text), &o)
	if err == nil {
		err = work(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, o.Work, err)
		os.Exit(1)
	}
	os.Exit(0)
}

var telling sync.Mutex

// tell sends one line to the parent, in one write.
func tell(m message) {
	telling.Lock()
	defer telling.Unlock()
	line, err := json.Marshal(m)
	if err == nil {
		_, err = os.Stdout.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err)
	}
}

// dieAt ends the process, as SIGKILL does, at a point.
func dieAt(point crashpoint.Point, hit int) {
	var mu sync.Mutex
	crashpoint.OnReach(func(p crashpoint.Point) {
		mu.Lock()
		defer mu.Unlock()
		if p != point {
			return
		}
		if hit--; hit > 0 {
			return
		}
		tell(message{At: p})
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			panic(err)
		}
		select {}
	})
}

// works are the ways a child works on its archive.
var works = map[string]func(context.Context, *service.Archive) error{
	"sync": func(ctx context.Context, a *service.Archive) error {
		_, err := a.Sync(ctx, nil, false)
		return err
	},
	"rounds": func(ctx context.Context, a *service.Archive) error {
		for full := true; ; full = !full {
			if _, err := a.Sync(ctx, nil, full); err != nil {
				return err
			}
		}
	},
	"reindex": func(ctx context.Context, a *service.Archive) error { return a.Reindex(ctx, nil) },
	"verify": func(ctx context.Context, a *service.Archive) error {
		_, err := a.Verify(ctx)
		return err
	},
}

func work(o order) error {
	if o.Point != "" {
		dieAt(o.Point, o.Hit)
	}
	cfg, err := config.Load(o.Config, config.Options{})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	options := service.Options{Config: cfg, Log: slog.New(warnings{slog.DiscardHandler}), Version: "test"}
	if o.Work == "daemon" {
		return service.Run(ctx, options, func(address string) {
			tell(message{Ready: address})
			go followDaemon(ctx, cfg.DataDir, address)
			go obeyAll(stop)
		})
	}
	a, err := service.Open(ctx, options)
	if err != nil {
		return err
	}
	tell(message{Ready: inProcess})
	following := make(chan error, 1)
	go func() {
		following <- follow(ctx, client.New(inProcess, a.Token(), client.InProcess(a.Handler())))
	}()
	err = works[o.Work](ctx, a)
	stop()
	<-following
	return errors.Join(err, a.Close())
}

// warnings tells the parent what is logged as a warning or worse.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (w warnings) WithAttrs([]slog.Attr) slog.Handler               { return w }
func (w warnings) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" {
			text += ": " + a.Value.String()
		}
		return true
	})
	tell(message{Warning: text})
	return nil
}

// commands are what a daemon's parent may tell it, by their first word.
var commands = map[string]func(argument string) error{}

// obeyAll carries out the lines of the standard input, the last of which is
// "stop".
func obeyAll(stop func()) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		name, argument, _ := strings.Cut(lines.Text(), " ")
		if name == "stop" {
			stop()
			return
		}
		if err := commands[name](argument); err != nil {
			panic(err)
		}
		tell(message{Done: lines.Text()})
	}
}

const inProcess = "http://callsyncd.local"

func followDaemon(ctx context.Context, dir, address string) {
	_, token, _, _ := service.Running(dir)
	if err := follow(ctx, client.New("http://"+address, token, nil)); err != nil && ctx.Err() == nil {
		panic(err)
	}
}

// follow reads every call that changes, as a client of the API does, and tells
// the parent what it read: from then on that must never be lost.
func follow(ctx context.Context, c *client.Client) error {
	status, err := c.Status(ctx)
	if err != nil {
		return err
	}
	for since := lastSeq(status.Value.Index); ; {
		feed, err := c.Changes(ctx, since, 0, time.Minute)
		if err != nil {
			return err
		}
		for _, change := range feed.Value.Data {
			got, err := c.Call(ctx, change.Key, whole)
			if err != nil {
				return err
			}
			told := ackOf(got.Value)
			told.Seq = change.Seq
			tell(message{Ack: &told})
		}
		since = feed.Value.Next
	}
}

// lastSeq is the newest entry of the change feed.
func lastSeq(s call.IndexStatus) uint64 { return s.Applied + s.Lag }
