package service

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	ossvc "github.com/kardianos/service"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestDryRun(t *testing.T) {
	t.Setenv("HOME", "/home/pat")
	system := ServiceOptions{OS: "linux", Executable: "/usr/bin/callsyncd", Config: "/etc/callsyncd/config.yaml", DataDir: "/var/lib/callsyncd"}
	with := func(change func(*ServiceOptions)) ServiceOptions { o := system; change(&o); return o }
	for name, c := range map[string]struct {
		o    ServiceOptions
		path string
	}{
		"systemd-system": {system, "/etc/systemd/system/callsyncd.service"},
		"systemd-own-folders": {with(func(o *ServiceOptions) {
			o.Executable, o.Config, o.DataDir = "/opt/call sync/callsyncd", `/home/pat/100%/it's $HOME.yaml`, "/srv/call archive"
			o.Account, o.Credentials = "archive", []string{"crm-token", "phones"}
		}), "/etc/systemd/system/callsyncd.service"},
		"systemd-user": {with(func(o *ServiceOptions) { o.User = true }), "/home/pat/.config/systemd/user/callsyncd.service"},
		"launchd-system": {with(func(o *ServiceOptions) {
			o.OS, o.Account, o.Config = "darwin", "_callsyncd", "/Library/<&> 'callsyncd'/config.yaml"
		}),
			"/Library/LaunchDaemons/callsyncd.plist"},
		"launchd-user": {with(func(o *ServiceOptions) { o.OS, o.User = "darwin", true }), "/home/pat/Library/LaunchAgents/callsyncd.plist"},
		"windows": {ServiceOptions{OS: "windows", Executable: `C:\Program Files\callsyncd\callsyncd.exe`,
			Config: `C:\ProgramData\callsyncd\config.yaml`, DataDir: `D:\archive`}, `HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\callsyncd`},
	} {
		t.Run(name, func(t *testing.T) {
			path, text, err := DryRun(c.o)
			if err != nil || path != c.path {
				t.Fatalf("got %s, %v", path, err)
			}
			golden := filepath.Join("testdata", "osservice", name)
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if text != string(want) {
				t.Errorf("differs from %s (renew with -update):\n%s", golden, text)
			}
		})
	}
}

func TestDoubts(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("accounts and modes are looked at on Linux")
	}
	system := ServiceOptions{OS: "linux", Executable: "/usr/bin/callsyncd", Config: "/etc/callsyncd/config.yaml", DataDir: "/var/lib/callsyncd", Account: "callsyncd-test-nobody"}
	for name, c := range map[string]struct {
		change  func(*ServiceOptions)
		secrets []string
		want    []string // parts of the doubts, in order
	}{
		"none":             {func(*ServiceOptions) {}, []string{"/etc/passwd"}, nil},
		"data in a home":   {func(o *ServiceOptions) { o.DataDir = "/home/pat/calls" }, nil, []string{"data_dir /home/pat/calls: home folders"}},
		"data in root's":   {func(o *ServiceOptions) { o.DataDir = "/root/calls" }, nil, []string{"ProtectHome"}},
		"data in /tmp":     {func(o *ServiceOptions) { o.DataDir = "/tmp/calls" }, nil, []string{"PrivateTmp"}},
		"no home":          {func(o *ServiceOptions) { o.DataDir = "/homes/pat" }, nil, nil},
		"own session":      {func(o *ServiceOptions) { o.DataDir, o.User, o.Account = "/home/pat/calls", true, "" }, []string{"/tmp/token"}, nil},
		"another system":   {func(o *ServiceOptions) { o.OS, o.DataDir = "darwin", "/tmp/calls" }, []string{"/tmp/token"}, nil},
		"hidden secrets":   {func(*ServiceOptions) {}, []string{"/home/pat/token", "/tmp/token"}, []string{"file:/home/pat/token: the service sees no home", "file:/tmp/token: the service has a temp"}},
		"missing secret":   {func(*ServiceOptions) {}, []string{"/etc/no-such-token"}, []string{"there is no such file"}},
		"secret of others": {func(*ServiceOptions) {}, []string{"/etc/shadow"}, []string{"account callsyncd-test-nobody may not read it (/etc/shadow"}},
		"read by root":     {func(o *ServiceOptions) { o.Account = "root" }, []string{"/etc/shadow"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := system
			c.change(&o)
			got := Doubts(o, c.secrets)
			if len(got) != len(c.want) {
				t.Fatalf("%q, want %q", got, c.want)
			}
			for i := range got {
				if !strings.Contains(got[i], c.want[i]) {
					t.Errorf("%q, want %q", got[i], c.want[i])
				}
			}
		})
	}
}

func TestAccountMay(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes are those of Unix")
	}
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	uid, gid := strconv.Itoa(os.Getuid()+1), strconv.Itoa(os.Getgid())
	for _, c := range []struct {
		mode os.FileMode
		who  account
		want bool
	}{
		{0o600, account{strconv.Itoa(max(os.Getuid(), 0)), nil}, true},
		{0o600, account{uid, []string{gid}}, false},
		{0o640, account{uid, []string{gid}}, true},
		{0o640, account{uid, nil}, false},
		{0o604, account{uid, nil}, true},
		{0o604, account{uid, []string{gid}}, false},
		{0o640, account{}, false},
	} {
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.who.may(info, 0o4); got != c.want {
			t.Errorf("%04o for %+v: %v", c.mode, c.who, got)
		}
	}
}

func TestDryRunRefuses(t *testing.T) {
	good := ServiceOptions{OS: "linux", Executable: "/usr/bin/callsyncd", Config: "/etc/callsyncd/config.yaml", DataDir: "/var/lib/callsyncd"}
	for want, change := range map[string]func(*ServiceOptions){
		"the path of the configuration must be absolute":   func(o *ServiceOptions) { o.Config = "config.yaml" },
		"the path of the data folder must be absolute":     func(o *ServiceOptions) { o.DataDir = "" },
		"the path of the program must be absolute":         func(o *ServiceOptions) { o.OS = "windows" },
		"service definitions cannot hold":                  func(o *ServiceOptions) { o.Config = "/etc/a\nExecStart=/bin/sh" },
		"configuration has characters":                     func(o *ServiceOptions) { o.Config = "/etc/{{Path}}" },
		"data folder has characters":                       func(o *ServiceOptions) { o.DataDir = `/srv/"` },
		"not plan9":                                        func(o *ServiceOptions) { o.OS = "plan9" },
		"no program whose path has quotes":                 func(o *ServiceOptions) { o.Executable = "/opt/it's" },
		"no services of a single user":                     func(o *ServiceOptions) { o.OS, o.User = "windows", true },
		"runs as that user":                                func(o *ServiceOptions) { o.User, o.Account = true, "other" },
		"\"a\\nUser=root\" is not an account":              func(o *ServiceOptions) { o.Account = "a\nUser=root" },
		"the path of the data folder must be absolute, no": func(o *ServiceOptions) { o.DataDir = "~/archive" },
	} {
		o := good
		change(&o)
		if _, _, err := DryRun(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// systemd itself finds nothing wrong with the units.
func TestSystemdVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	odd := filepath.Join(t.TempDir(), "100% odd")
	if err := os.Mkdir(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(odd, "callsyncd")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, o := range []ServiceOptions{
		{DataDir: stateFolder}, {DataDir: "/srv/call archive", Credentials: []string{"crm"}}, {DataDir: stateFolder, User: true},
	} {
		o.OS, o.Executable, o.Config = "linux", program, filepath.Join(odd, `it's \ $HOME;.yaml`)
		_, text, err := DryRun(o)
		if err != nil {
			t.Fatal(err)
		}
		unit := filepath.Join(t.TempDir(), "callsyncd.service")
		if err := os.WriteFile(unit, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		manager := "--system"
		if o.User {
			manager = "--user"
			t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
		}
		out, err := exec.Command(analyze, manager, "--man=no", "--recursive-errors=no", "verify", unit).CombinedOutput()
		if err != nil || strings.Contains(string(out), "callsyncd.service") {
			t.Errorf("%+v: %v\n%s", o, err, out)
		}
	}
}

// fakeSystem stands for the operating system's service manager.
type fakeSystem struct {
	done   []string
	config *ossvc.Config
	state  ossvc.Status
	err    error // of Status
	fail   error // of everything else
	run    func(i ossvc.Interface, c *ossvc.Config) error
}

func (f *fakeSystem) String() string    { return "linux-systemd" }
func (f *fakeSystem) Detect() bool      { return true }
func (f *fakeSystem) Interactive() bool { return f.run == nil }
func (f *fakeSystem) New(i ossvc.Interface, c *ossvc.Config) (ossvc.Service, error) {
	f.config = c
	return &fakeService{system: f, i: i}, nil
}

type fakeService struct {
	ossvc.Service // what the adapter does not use
	system        *fakeSystem
	i             ossvc.Interface
}

func (f *fakeService) do(what string) error {
	f.system.done = append(f.system.done, what)
	return f.system.fail
}
func (f *fakeService) Install() error                { return f.do("install") }
func (f *fakeService) Uninstall() error              { return f.do("uninstall") }
func (f *fakeService) Start() error                  { return f.do("start") }
func (f *fakeService) Stop() error                   { return f.do("stop") }
func (f *fakeService) Restart() error                { return f.do("restart") }
func (f *fakeService) Status() (ossvc.Status, error) { return f.system.state, f.system.err }
func (f *fakeService) Run() error                    { return f.system.run(f.i, f.system.config) }

func useSystem(t *testing.T, f *fakeSystem) {
	before := ossvc.AvailableSystems()
	ossvc.ChooseSystem(f)
	t.Cleanup(func() { ossvc.ChooseSystem(before...) })
}

func TestManage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("paths and accounts of Linux")
	}
	f := &fakeSystem{state: ossvc.StatusRunning}
	useSystem(t, f)
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	config := filepath.Join(dir, "config.yaml")
	o := ServiceOptions{User: true, Config: config, DataDir: dir}
	if _, err := Install(o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("install without configuration: %v", err)
	}
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := Install(o)
	if err != nil || path != filepath.Join(dir, ".config/systemd/user/callsyncd.service") {
		t.Fatalf("install: %s, %v", path, err)
	}
	_, text, err := DryRun(o)
	if err != nil || f.config.Option["SystemdScript"] != text || f.config.Option["UserService"] != true {
		t.Errorf("the library was told %+v, %v", f.config, err)
	}
	if _, err := Install(ServiceOptions{Config: config, DataDir: dir, Account: "no-such-account"}); err == nil || !strings.Contains(err.Error(), "useradd --system") {
		t.Errorf("install without account: %v", err)
	}
	if err := errors.Join(StartService(o), RestartService(o), StopService(o), Uninstall(ServiceOptions{User: true})); err != nil {
		t.Error(err)
	}
	if got := strings.Join(f.done, " "); got != "install start restart stop stop uninstall" {
		t.Errorf("the service manager was asked to: %s", got)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(o); err == nil || !strings.Contains(err.Error(), "exists already; run `callsyncd service uninstall` first") {
		t.Errorf("install twice: %v", err)
	}
	f.fail = errors.New("no bus")
	if err := StartService(o); err == nil || err.Error() != "start service: no bus" {
		t.Errorf("start: %v", err)
	}
}

func TestStatusOfService(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the fake is systemd")
	}
	f := &fakeSystem{}
	useSystem(t, f)
	for want, c := range map[string]struct {
		state ossvc.Status
		err   error
	}{
		"running": {ossvc.StatusRunning, nil}, "stopped": {ossvc.StatusStopped, nil},
		"failed": {ossvc.StatusUnknown, errors.New("service in failed state")}, "not installed": {ossvc.StatusUnknown, ossvc.ErrNotInstalled},
	} {
		f.state, f.err = c.state, c.err
		got, err := StatusOfService(ServiceOptions{})
		if err != nil || got != (ServiceStatus{State: want, Path: "/etc/systemd/system/callsyncd.service"}) {
			t.Errorf("%s: got %+v, %v", want, got, err)
		}
	}
	f.err = ossvc.ErrNotInstalled
	if err := StopService(ServiceOptions{}); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("stop: %v", err)
	}
	f.err = errors.New("no bus")
	if _, err := StatusOfService(ServiceOptions{}); err == nil || !strings.Contains(err.Error(), "no bus") {
		t.Errorf("status: %v", err)
	}
}

func TestRunInteractive(t *testing.T) {
	useSystem(t, &fakeSystem{})
	failed := errors.New("failed")
	if err := RunAsService(t.Context(), silent(), func(context.Context) error { return failed }); err != failed {
		t.Errorf("got %v", err)
	}
}

// asUnix does what the library does on Linux and macOS.
func asUnix(i ossvc.Interface, c *ossvc.Config) error {
	if err := i.Start(nil); err != nil {
		return err
	}
	c.Option["RunWait"].(func())()
	return i.Stop(nil)
}

func TestRunUnderServiceManager(t *testing.T) {
	failed := errors.New("failed")
	for name, c := range map[string]struct {
		run  func(ctx context.Context) error
		want string // part of the error; empty means none
		took time.Duration
	}{
		"asked to stop":       {func(ctx context.Context) error { <-ctx.Done(); time.Sleep(9 * time.Second); return nil }, "", 69 * time.Second},
		"stops with an error": {func(ctx context.Context) error { <-ctx.Done(); return failed }, "failed", time.Minute},
		"ends with an error":  {func(ctx context.Context) error { return failed }, "failed", 0},
		"ends by itself":      {func(ctx context.Context) error { return nil }, "although nobody asked", 0},
		"does not stop":       {func(ctx context.Context) error { time.Sleep(time.Hour); return nil }, "has not ended 10s after", 70 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				useSystem(t, &fakeSystem{run: asUnix})
				var logged bytes.Buffer
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // stands for SIGTERM
				defer cancel()
				begin := time.Now()
				err := RunAsService(ctx, slog.New(slog.NewTextHandler(&logged, nil)), c.run)
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %v, want %s", err, c.want)
				}
				if took := time.Since(begin); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				if ended := strings.HasPrefix(name, "ends"); strings.Contains(logged.String(), "daemon ended") != ended {
					t.Errorf("logged: %s", &logged)
				}
				time.Sleep(2 * time.Hour)
			})
		})
	}
}

// Stop may come twice, as a signal and from the service manager.
func TestStopTwice(t *testing.T) {
	p := newProgram(t.Context(), silent(), func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
	if err := p.Start(nil); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Stop(nil); err != nil {
			t.Error(err)
		}
	}
}

// On Windows an unexpected end must be made visible.
func TestUnexpectedEndIsTold(t *testing.T) {
	told := make(chan error, 1)
	p := newProgram(t.Context(), silent(), func(context.Context) error { return nil })
	p.ended = func(err error) { told <- err }
	if err := p.Start(nil); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err == nil {
		t.Error("told no error")
	}
	<-p.done
}
