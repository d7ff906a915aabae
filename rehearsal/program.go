package rehearsal

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync/atomic"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/config"
	"callsyncd/service"
)

// stage is the program under rehearsal: an open archive and its API.
type stage struct {
	clock   *clock
	log     *slog.Logger
	version string
	config  *config.Config

	archive *service.Archive // nil while closed
	turns   *service.Turns
	api     *client.Client
	full    bool // as if the disk were

	steps atomic.Int64 // of progress until stop is called
	stop  atomic.Pointer[context.CancelCauseFunc]
}

// open starts the program; with full set no recording finds room.
func (s *stage) open(ctx context.Context, full bool) error {
	cfg := *s.config
	if full {
		cfg.Recordings.MinFreeBytes = math.MaxInt64 / 2
	}
	archive, err := service.Open(ctx, service.Options{Config: &cfg, Log: s.log, Version: s.version, Observe: s.observe, Clock: s.clock})
	if err != nil {
		return err
	}
	s.archive, s.full, s.turns = archive, full, archive.Turns()
	s.api = client.New("http://callsyncd.local", archive.Token(), client.InProcess(archive.Handler()))
	return nil
}

func (s *stage) close() error {
	if s.archive == nil {
		return nil
	}
	err := s.archive.Close()
	s.archive = nil
	return err
}

// ensure restarts the program when the room on its disk changes.
func (s *stage) ensure(ctx context.Context, full bool) error {
	if s.full == full {
		return nil
	}
	return errors.Join(s.close(), s.open(ctx, full))
}

func (s *stage) turn(ctx context.Context) error {
	return s.turns.Step(ctx) // what fails of a source, status says
}

// errStopped is why the work of an interrupted program ends.
var errStopped = errors.New("stopped in the middle of the work")

// interrupt stops the program after some steps of its work, without letting it
// finish, and starts it again.
func (s *stage) interrupt(ctx context.Context, steps int) error {
	cut, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.steps.Store(int64(steps))
	s.stop.Store(&stop)
	err := s.turn(cut)
	s.stop.Store(nil)
	if err != nil && !errors.Is(err, errStopped) {
		return err
	}
	return errors.Join(s.close(), s.open(ctx, s.full))
}

// observe counts the steps of an interrupted program.
func (s *stage) observe(call.Progress) {
	if stop := s.stop.Load(); stop != nil && s.steps.Add(-1) == 0 {
		(*stop)(errStopped)
	}
}
