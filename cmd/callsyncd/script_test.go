package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
	"callsyncd/store"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killedWriter); path != "" {
		writeUntilKilled(path)
	}
	testscript.Main(m, map[string]func(){"callsyncd": main})
}

// TestScript runs the program as users do. Besides testscript's own commands
// the scripts know
//
//	simulate [calls=N] [late=SHARE] [latency=D] [retry=D] [refuse=VENDOR] [media_html=SHARE]
//	    starts the vendors, with any fault of `callsyncd simulate`, and writes a configuration, which CALLSYNCD_CONFIG names
//	exits CODE COMMAND...   runs a command that must end with this code
//	await-daemon [DATA]     waits until the daemon of a data folder (./data) answers
//	await-line FILE REGEXP  waits until a line of a file matches
//	hold                    holds the archive as a process without API does
//	lose FILE               marks the recording of the call lost whose key a file holds
//	no-secrets PATH...      looks for the vendors' credentials in files
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"simulate": simulate, "exits": exits, "await-daemon": awaitDaemon, "await-line": awaitLine,
			"hold": hold, "lose": lose, "no-secrets": noSecrets,
		},
	})
}

func simulate(ts *testscript.TestScript, _ bool, args []string) {
	o := simulator.Options{Seed: 1, Calls: 4}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		var err error
		switch name {
		case "calls":
			o.Calls, err = strconv.Atoi(value)
		case "late":
			o.Late, err = strconv.ParseFloat(value, 64)
		case "latency":
			o.Latency, err = time.ParseDuration(value)
		case "retry":
			o.Faults.RetryDelay, err = time.ParseDuration(value)
		case "refuse":
			o.Faults.CredentialsRefused = append(o.Faults.CredentialsRefused, value)
		default:
			err = setFault(&o, arg)
		}
		ts.Check(err)
	}
	sim := simulator.New(o)
	ts.Check(sim.Start())
	ts.Defer(func() { ts.Check(sim.Close()) })
	path, err := stage(ts.MkAbs("."), sim.Vendors(), "127.0.0.1:0", "")
	ts.Check(err)
	ts.Setenv("CALLSYNCD_CONFIG", path)
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	if ended, ok := errors.AsType[*exec.ExitError](err); ok {
		code = ended.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), code, want)
	}
}

// await waits for another process, which only asking again can tell about.
func await(ts *testscript.TestScript, what string, there func() bool) {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if there() {
			return
		}
	}
	ts.Fatalf("waited in vain for %s", what)
}

func awaitDaemon(ts *testscript.TestScript, _ bool, args []string) {
	pattern := ts.MkAbs(append(args, "data")[0])
	await(ts, "the daemon", func() bool {
		folders, err := filepath.Glob(pattern)
		ts.Check(err)
		return slices.ContainsFunc(folders, func(dir string) bool {
			_, _, _, ok := service.Running(dir)
			return ok
		})
	})
}

func awaitLine(ts *testscript.TestScript, _ bool, args []string) {
	line := regexp.MustCompile("(?m)" + args[1])
	await(ts, args[1], func() bool {
		content, err := os.ReadFile(ts.MkAbs(args[0]))
		return err == nil && line.Match(content)
	})
}

func hold(ts *testscript.TestScript, _ bool, _ []string) {
	s, err := store.Open(ts.MkAbs("data"), store.Options{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Close()) })
	ts.Setenv("HOLDER", strconv.Itoa(os.Getpid()))
}

func lose(ts *testscript.TestScript, _ bool, args []string) {
	key, err := call.ParseKey(strings.TrimSpace(ts.ReadFile(args[0])))
	ts.Check(err)
	s, err := store.Open(ts.MkAbs("data"), store.Options{})
	ts.Check(err)
	record, err := s.Load(context.Background(), key)
	ts.Check(err)
	record.Parts.Recording = call.Part{State: call.Lost, Reason: "expired", Attempts: 3}
	write := call.Write{Record: record, Kind: call.ChangePart}
	ts.Check(s.Save(context.Background(), call.Batch{Source: key.Source, Writes: []call.Write{write}}))
	ts.Check(s.Close())
}

func noSecrets(ts *testscript.TestScript, _ bool, args []string) {
	var secrets [][]byte
	files, err := os.ReadDir(ts.MkAbs("credentials"))
	ts.Check(err)
	for _, f := range files {
		if !strings.Contains(f.Name(), "organization") { // an id, not a secret
			secrets = append(secrets, bytes.TrimSpace([]byte(ts.ReadFile("credentials/"+f.Name()))))
		}
	}
	looked := 0
	for _, arg := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(arg), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(path)
			looked += len(content)
			for i, secret := range secrets {
				if bytes.Contains(content, secret) {
					ts.Fatalf("%s holds the credential %s", path, files[i].Name())
				}
			}
			return err
		}))
	}
	if looked == 0 {
		ts.Fatalf("nothing to look at in %s", args)
	}
}
