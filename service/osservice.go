package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"runtime"
	"time"

	ossvc "github.com/kardianos/service"
)

const (
	serviceName = "callsyncd"
	// osStopLimit is how long the daemon may take to end when the operating
	// system's service manager asks for it.
	osStopLimit = 10 * time.Second
	// commandLimit bounds what the service manager may take; on Windows the
	// library would wait for ever.
	commandLimit = 60 * time.Second
)

// ErrNotInstalled says that the service manager does not know the service.
var ErrNotInstalled = errors.New("the service is not installed; run `callsyncd service install`")

// Install makes the daemon a service that starts with the machine, or with the
// user's login. It returns the path of what was written. It does not start it.
func Install(o ServiceOptions) (path string, err error) {
	o.OS = runtime.GOOS
	u, err := newUnit(o)
	if err != nil {
		return "", err
	}
	if err := u.ready(); err != nil {
		return "", fmt.Errorf("install service: %w", err)
	}
	s, err := u.service()
	if err != nil {
		return "", fmt.Errorf("install service: %w", err)
	}
	if err := command(s.Install); err != nil {
		return "", fmt.Errorf("install service: %w", err)
	}
	if err := restartAfterErrors(serviceName); err != nil {
		return "", fmt.Errorf("install service: restart after failures: %w", err)
	}
	return u.path, nil
}

// ready checks what only matters when the service is really to run here.
func (u *unit) ready() error {
	for _, path := range []string{u.Executable, u.Config} {
		if info, err := os.Stat(path); err != nil {
			return err
		} else if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a file", path)
		}
	}
	if runtime.GOOS == "windows" {
		return nil // the library asks the service manager
	}
	if _, err := os.Lstat(u.path); err == nil {
		return fmt.Errorf("%s exists already; run `callsyncd service uninstall` first", u.path)
	}
	if u.Account == "" || u.User {
		return nil
	}
	if _, err := user.Lookup(u.Account); err != nil {
		return fmt.Errorf("there is no account %q here; make it with: useradd --system --home-dir /var/lib/callsyncd --shell /usr/sbin/nologin %s", u.Account, u.Account)
	}
	return nil
}

// Uninstall stops the service and removes it. Configuration and archive stay.
func Uninstall(o ServiceOptions) error {
	s, err := installed(o)
	if err != nil {
		return fmt.Errorf("uninstall service: %w", err)
	}
	_ = command(s.Stop) // it may not be running
	if err := command(s.Uninstall); err != nil {
		return fmt.Errorf("uninstall service: %w", err)
	}
	return nil
}

// StartService starts the installed service; ErrNotInstalled when there is none.
func StartService(o ServiceOptions) error { return control(o, "start", ossvc.Service.Start) }

// StopService stops the installed service.
func StopService(o ServiceOptions) error { return control(o, "stop", ossvc.Service.Stop) }

// RestartService stops and starts the installed service.
func RestartService(o ServiceOptions) error { return control(o, "restart", ossvc.Service.Restart) }

// ServiceStatus is what the service manager says.
type ServiceStatus struct {
	State string // running, stopped, failed or not installed
	Path  string // of the unit file or its like
}

// StatusOfService asks the service manager.
func StatusOfService(o ServiceOptions) (ServiceStatus, error) {
	o.OS = runtime.GOOS
	u, err := place(o)
	if err != nil {
		return ServiceStatus{}, fmt.Errorf("service status: %w", err)
	}
	status := ServiceStatus{State: "not installed", Path: u.path}
	s, err := u.service()
	if err != nil {
		return status, fmt.Errorf("service status: %w", err)
	}
	state, err := s.Status()
	switch {
	case errors.Is(err, ossvc.ErrNotInstalled):
	case err == nil && state == ossvc.StatusRunning:
		status.State = "running"
	case err == nil && state == ossvc.StatusStopped:
		status.State = "stopped"
	case err != nil && err.Error() == "service in failed state": // the library has no value for it
		status.State = "failed"
	default:
		return status, fmt.Errorf("service status: %w", err)
	}
	return status, nil
}

// installed returns the service, or ErrNotInstalled.
func installed(o ServiceOptions) (ossvc.Service, error) {
	o.OS = runtime.GOOS
	u, err := place(o)
	if err != nil {
		return nil, err
	}
	s, err := u.service()
	if err != nil {
		return nil, err
	}
	if _, err := s.Status(); errors.Is(err, ossvc.ErrNotInstalled) {
		return nil, ErrNotInstalled
	}
	return s, nil
}

func control(o ServiceOptions, what string, action func(ossvc.Service) error) error {
	s, err := installed(o)
	if err == nil {
		err = command(func() error { return action(s) })
	}
	if err != nil {
		return fmt.Errorf("%s service: %w", what, err)
	}
	return nil
}

// command carries out what the library does without a limit of its own.
func command(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(commandLimit):
		return fmt.Errorf("no answer from the service manager after %v", commandLimit)
	}
}

// service is the library's view of u, for managing it.
func (u *unit) service() (ossvc.Service, error) {
	if runtime.GOOS == "linux" && ossvc.Platform() != "linux-systemd" {
		return nil, errors.New("there is no systemd here; let your own service manager start `callsyncd run`")
	}
	return ossvc.New(nil, u.libraryConfig())
}

// libraryConfig passes our finished texts to the library, which has templates
// of its own otherwise.
func (u *unit) libraryConfig() *ossvc.Config {
	return &ossvc.Config{
		Name: serviceName, DisplayName: "callsyncd call archive",
		Description: "Keeps calls, transcripts and recordings of call platforms on this machine.",
		UserName:    u.Account, Executable: u.Executable, Arguments: []string{"run", "--config", u.Config},
		Option: ossvc.KeyValue{
			"UserService": u.User, "SystemdScript": u.text, "LaunchdConfig": u.text,
			"DelayedAutoStart": true, "OnFailure": "restart", "OnFailureDelayDuration": "5s", "OnFailureResetPeriod": 86400,
		},
	}
}

// RunAsService runs the daemon until ctx ends or the service manager asks for
// its end, and returns what run returned. In a terminal, or a container, that is
// all. Under a service manager, a run that ends although nobody asked is an
// error, and one that does not end within 10 s when asked to is left behind.
func RunAsService(ctx context.Context, log *slog.Logger, run func(ctx context.Context) error) error {
	if ossvc.Interactive() {
		return run(ctx)
	}
	p := newProgram(ctx, log, run)
	s, err := ossvc.New(p, &ossvc.Config{Name: serviceName, Option: ossvc.KeyValue{"RunWait": p.wait}})
	if err != nil {
		return fmt.Errorf("run as service: %w", err)
	}
	return s.Run()
}

// program is the daemon as the service manager sees it.
type program struct {
	log    *slog.Logger
	run    func(ctx context.Context) error
	ctx    context.Context // of the daemon
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the daemon has ended
	err    error         // why it ended; read after done
	ended  func(err error)
}

var errStopAsked = errors.New("the service manager asked to stop")

func newProgram(ctx context.Context, log *slog.Logger, run func(context.Context) error) *program {
	p := &program{log: log, run: run, done: make(chan struct{}), ended: exitOnWindows}
	p.ctx, p.cancel = context.WithCancelCause(ctx)
	return p
}

// Start returns at once; the daemon opens its files afterwards.
func (p *program) Start(ossvc.Service) error {
	go func() {
		defer close(p.done)
		p.err = p.run(p.ctx)
		if p.ctx.Err() != nil {
			return
		}
		if p.err == nil {
			p.err = errors.New("the daemon ended although nobody asked")
		}
		p.log.Error("daemon ended", "err", p.err)
		p.ended(p.err)
	}()
	return nil
}

// Stop ends the daemon and waits for it. It may be called again.
func (p *program) Stop(ossvc.Service) error {
	p.cancel(errStopAsked)
	select {
	case <-p.done:
		if errors.Is(p.err, errStopAsked) {
			return nil
		}
		return p.err
	case <-time.After(osStopLimit):
		return fmt.Errorf("the daemon has not ended %v after it was asked to", osStopLimit)
	}
}

// wait returns when the daemon has ended or is asked to. The signals of the
// service manager arrive through the context.
func (p *program) wait() {
	select {
	case <-p.done:
	case <-p.ctx.Done():
	}
}

// exitOnWindows makes an unexpected end visible to the service manager of
// Windows, which does not notice one; others see the program exit by itself.
func exitOnWindows(error) {
	if runtime.GOOS == "windows" {
		os.Exit(1)
	}
}
