// Command callsyncd archives the calls of call platforms on this machine and
// answers questions about them.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"callsyncd/service"
)

func main() {
	// net/http quotes there what hosts send beyond their answers, which may be
	// our own secrets; what matters comes back as an error.
	log.SetOutput(io.Discard)
	service.LimitMemory()
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup is obeyed
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// sink remembers that output could not be written, so that a full disk is not
// taken for success.
type sink struct {
	io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.Writer.Write(b)
	if err != nil && s.err == nil {
		s.err = err
	}
	return n, err
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	out := &sink{Writer: stdout}
	a := &app{stdout: out, stderr: stderr, getenv: os.Getenv, now: time.Now}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = usage(command, err)
	}
	if err == nil && out.err != nil {
		err = fmt.Errorf("write output: %w", out.err)
	}
	if ctx.Err() != nil && err != nil && exitCode(err) == exitFailed {
		err = &fault{code: exitInterrupted, err: errInterrupted}
	}
	return a.report(err)
}
