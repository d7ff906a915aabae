package service

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"callsyncd/config/schedule"
)

const (
	// watchEvery is how often the watchdog looks at the clock.
	watchEvery = time.Minute
	// clockJump is the difference between the wall clock and the time that
	// passed from which on the clock counts as set, or the machine as asleep.
	clockJump = 30 * time.Second
	// maxJitter and jitterShare bound how far an entry is moved.
	maxJitter   = 30 * time.Second
	jitterShare = 10 // a tenth of the interval
	// drainLimit is how long running jobs may take to end.
	drainLimit = 8 * time.Second
	// retryFirst is how soon a job that could not be done is tried again; each
	// further failure doubles it. Jobs that come sooner anyway are left alone.
	retryFirst = 15 * time.Minute
)

// Entry is something that is done again and again.
type Entry struct {
	Name     string // unique; also decides the entry's jitter
	Schedule schedule.Schedule
	// Job gets a context that ends when the scheduler stops. It is never run
	// twice at the same time, and a panic in it is logged and survived. It
	// returns whether it is worth another try before its next time.
	Job func(ctx context.Context) (again bool)
	// Due says whether the job is to run at once, whatever the schedule. It is
	// asked when the scheduler starts and after the clock jumped; nil means no.
	Due func() bool
}

// Scheduler runs entries at their times. A time that was missed, because the
// machine slept or its clock was set, is made up for once, within two minutes.
type Scheduler struct {
	// Jumped, which may be nil, is called when the wall clock moved by more or
	// less than the time that passed.
	Jumped func(ctx context.Context, by time.Duration)

	log    *slog.Logger
	ticks  []*ticker
	wall   func() time.Time // without monotonic reading
	ctx    context.Context  // of the jobs; set by Run
	mu     sync.Mutex
	closed bool           // no job may start any more; guarded by mu
	jobs   sync.WaitGroup // running jobs; Add only under mu
}

// ticker is an entry with its state.
type ticker struct {
	Entry
	jitter  time.Duration
	guarded cron.Job // the job behind its chain; shared by all who start it

	mu      sync.Mutex
	running bool
	last    time.Time // wall time the job last started or ended
	suspect bool      // was overdue when the watchdog last looked
	failed  int       // runs in a row worth another try
}

// NewScheduler prepares entries. installID makes the jitter of this
// installation differ from others and stay the same over restarts.
func NewScheduler(installID string, log *slog.Logger, entries ...Entry) *Scheduler {
	s := &Scheduler{log: log, wall: func() time.Time { return time.Now().UTC().Round(0) }}
	// SkipIfStillRunning must be outside of Recover: the other way round, one
	// panic keeps its slot taken for ever (cron v3.0.1).
	chain := cron.NewChain(cron.SkipIfStillRunning(quiet{log}), cron.Recover(quiet{log}))
	for _, e := range entries {
		t := &ticker{Entry: e}
		t.jitter = jitter(installID, e.Name, e.Schedule.Interval(s.wall()))
		t.guarded = chain.Then(cron.FuncJob(func() { s.run(t) }))
		s.ticks = append(s.ticks, t)
	}
	return s
}

// jitter is between 0 and a tenth of the interval, at most maxJitter.
func jitter(installID, name string, interval time.Duration) time.Duration {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", installID, name)
	most := min(interval/jitterShare, maxJitter)
	return time.Duration(h.Sum64() % uint64(max(most, 1)))
}

// Run starts and watches the jobs until ctx ends, then waits for those that
// run, at most 8 s. The error names jobs that had not ended by then. Run may be
// called once.
func (s *Scheduler) Run(ctx context.Context) error {
	s.ctx = ctx
	for _, t := range s.ticks {
		t.last = s.wall()
	}
	c := s.startCron()
	s.startDue()
	watch := time.NewTicker(watchEvery)
	defer watch.Stop()
	wall, passed := s.wall(), time.Now()
	for {
		select {
		case <-ctx.Done():
			c.Stop()
			return s.drain()
		case <-watch.C:
			now := s.wall()
			if jump := now.Sub(wall) - time.Since(passed); jump.Abs() > clockJump {
				s.log.WarnContext(ctx, "clock jumped", "by_seconds", jump.Seconds())
				c.Stop()
				c = s.startCron()
				s.jumped(jump)
			}
			wall, passed = now, time.Now()
			s.catchUp(now)
		}
	}
}

// startCron gives every entry to a fresh cron, which works out its times anew.
func (s *Scheduler) startCron() *cron.Cron {
	c := cron.New(cron.WithLocation(time.UTC), cron.WithLogger(quiet{s.log}))
	for _, t := range s.ticks {
		c.Schedule(&shifted{schedule: t.Schedule, by: t.jitter}, t.guarded)
	}
	c.Start()
	return c
}

// jumped puts things right after the clock jumped, in the background.
func (s *Scheduler) jumped(by time.Duration) {
	s.startDue()
	if s.Jumped != nil && s.enter() {
		go func() {
			defer s.jobs.Done()
			s.Jumped(s.ctx, by)
		}()
	}
}

// startDue starts the jobs that are to run at once.
func (s *Scheduler) startDue() {
	for _, t := range s.ticks {
		if t.Due != nil && t.Due() {
			s.start(t)
		}
	}
}

// start runs an entry's job in the background, unless it runs already.
func (s *Scheduler) start(t *ticker) {
	if s.enter() {
		go func() {
			defer s.jobs.Done()
			t.guarded.Run()
		}()
	}
}

// catchUp starts the jobs that have missed two of their times, and those that
// could not be done when they are to be tried again. It acts on the second look
// only: a process that was halted finds its own timers due at the same moment,
// and they go first.
func (s *Scheduler) catchUp(now time.Time) {
	for _, t := range s.ticks {
		t.mu.Lock()
		if t.last.After(now) {
			t.last = now // the clock was set back
		}
		next := (&shifted{schedule: t.Schedule, by: t.jitter, moved: true}).Next(t.last)
		overdue := !t.running && (now.After(t.Schedule.Next(next)) || t.failed > 0 && now.Sub(t.last) > retryFirst<<min(t.failed-1, 10))
		act := overdue && t.suspect
		t.suspect = overdue
		t.mu.Unlock()
		if act {
			s.log.WarnContext(s.ctx, "run overdue, starting it", "entry", t.Name)
			s.start(t)
		}
	}
}

// run does the job once.
func (s *Scheduler) run(t *ticker) {
	if !s.enter() {
		return
	}
	defer s.jobs.Done()
	t.mark(s.wall(), true)
	again := false
	defer func() {
		if p := recover(); p != nil {
			// The value may hold foreign text, so only its type is logged.
			s.log.ErrorContext(s.ctx, "run panicked", "entry", t.Name, "panic_type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
		}
		t.mark(s.wall(), false)
		t.tried(again)
	}()
	again = t.Job(s.ctx)
}

// tried counts the runs in a row that are worth another try.
func (t *ticker) tried(again bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed++; !again {
		t.failed = 0
	}
}

func (t *ticker) mark(now time.Time, running bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last, t.running = now, running
}

// enter counts a job in; false when the scheduler is stopping.
func (s *Scheduler) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.ctx.Err() != nil {
		return false
	}
	s.jobs.Add(1)
	return true
}

// drain waits for the running jobs.
func (s *Scheduler) drain() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.jobs.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(drainLimit):
	}
	var names []string
	for _, t := range s.ticks {
		t.mu.Lock()
		if t.running {
			names = append(names, t.Name)
		}
		t.mu.Unlock()
	}
	return fmt.Errorf("stop schedules: still running after %v: %s", drainLimit, strings.Join(names, ", "))
}

// shifted moves a schedule. Moments of a cron expression all come later by the
// same time. A duration counts from the moment before, so only its first is
// moved, and the rest follow.
type shifted struct {
	schedule schedule.Schedule
	by       time.Duration
	moved    bool // the first moment of a duration has been given
}

// Next implements cron.Schedule. Only one goroutine may call it.
func (s *shifted) Next(t time.Time) time.Time {
	if s.schedule.Every() == 0 {
		next := s.schedule.Next(t.Add(-s.by))
		if next.IsZero() {
			return next
		}
		return next.Add(s.by)
	}
	next := s.schedule.Next(t)
	if !s.moved {
		s.moved = true
		next = next.Add(s.by)
	}
	return next
}

// quiet passes on what cron says without the values of panics.
type quiet struct{ log *slog.Logger }

func (q quiet) Info(msg string, _ ...any) {
	if msg == "skip" {
		q.log.Debug("run skipped, the one before is still going")
	}
}

func (q quiet) Error(err error, msg string, _ ...any) {
	q.log.Error("schedule failed", "what", msg, "error_type", fmt.Sprintf("%T", err))
}
