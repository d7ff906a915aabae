//go:build unix

package endtoend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"callsyncd/simulator"
	"callsyncd/store"
)

// onMachine is what other users and programs of this machine may do.
var onMachine = []abuse{
	{53, "things in place of ours", thingsInPlace},
	{54, "temporary names taken before", namesTaken},
	{55, "second daemon", secondDaemon},
	{56, "token for all to read", looseToken},
	{57, "secrets seen from outside", secretsOutside},
	{58, "no umask", noUmask},
	{59, "configurations", strangeConfigs},
	{60, "stopped and continued", stopAndContinue},
}

// TestLocalAbuse attacks the program as it is installed, in processes of its own.
func TestLocalAbuse(t *testing.T) {
	t.Parallel()
	program(t)
	filledCopy(t)
	for _, a := range onMachine {
		t.Run(fmt.Sprintf("%d %s", a.number, a.name), func(t *testing.T) {
			t.Parallel()
			a.run(t, nil)
		})
	}
}

func makeLeftBehind() (string, error) {
	dir, err := os.MkdirTemp("", "callsyncd-abuse-")
	leftBehind = append(leftBehind, dir)
	return dir, err
}

var buildProgram = sync.OnceValues(func() (string, error) {
	// go test must know that its result depends on these.
	sources, err := filepath.Glob(filepath.Join("..", "..", "cmd", "callsyncd", "*.go"))
	for _, source := range sources {
		_, statErr := os.Stat(source)
		err = errors.Join(err, statErr)
	}
	if err != nil {
		return "", err
	}
	dir, err := makeLeftBehind()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "callsyncd")
	out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "callsyncd/cmd/callsyncd").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return path, err
})

// program is the path of the program, built once.
func program(t testing.TB) string {
	t.Helper()
	path, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ended is how a process ended.
type ended struct {
	code           int
	stdout, stderr string
	took           time.Duration
}

// run runs the program to its end, which must come within two minutes.
func (b *bed) run(t testing.TB, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program(t), append(args, "--config", b.config)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited || ctx.Err() != nil {
		t.Fatalf("%v: %v\n%s", args, err, stderr.String())
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), time.Since(begin)}
}

// process is a daemon in a process of its own.
type process struct {
	*exec.Cmd
	log  *lines
	done chan struct{} // closed when it has ended
}

// start runs the daemon until the test ends.
func (b *bed) start(t testing.TB, env ...string) *process {
	t.Helper()
	p := &process{exec.Command(program(t), "run", "--config", b.config), &lines{}, make(chan struct{})}
	p.Stderr, p.Stdout, p.Env = p.log, p.log, append(os.Environ(), env...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Wait(); close(p.done) }() // how it ended is seen in its state
	t.Cleanup(func() {
		_ = p.Process.Signal(syscall.SIGCONT)
		_ = p.Process.Signal(syscall.SIGTERM) // both fail for one that has ended
		<-p.done
	})
	await(t, "the daemon", func() bool {
		select {
		case <-p.done:
			t.Fatalf("the daemon ended: %s", p.log.from(0))
		default:
		}
		return strings.Contains(p.log.from(0), `"msg":"ready"`)
	})
	return p
}

// filled is a bed whose archive holds a few calls.
func filled(t testing.TB, o simulator.Options) *bed {
	t.Helper()
	b := newBed(t, o)
	if e := b.run(t, "sync"); e.code != 0 {
		t.Fatalf("sync ended with %d: %s", e.code, e.stderr)
	}
	return b
}

// must fails the test for what only prepares it.
func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// victim is a folder outside the archive that nobody may touch.
func victim(t testing.TB) (dir string, untouched func()) {
	t.Helper()
	dir = t.TempDir()
	file := filepath.Join(dir, "precious")
	must(t, os.WriteFile(file, []byte("precious"), 0o644))
	return dir, func() {
		t.Helper()
		entries, err := os.ReadDir(dir)
		content, readErr := os.ReadFile(file)
		info, statErr := os.Stat(dir)
		must(t, err, readErr, statErr)
		if len(entries) != 1 || string(content) != "precious" || info.Mode().Perm() != 0o755 {
			t.Errorf("outside the archive: %v, %q, mode %v", entries, content, info.Mode())
		}
	}
}

// asRoot skips what only root can prepare.
func asRoot(t testing.TB, path string) error {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	return os.Chown(path, 65534, 65534)
}

func thingsInPlace(t *testing.T, _ *inbound) {
	move := func(b *bed, name, to string) error { return os.Rename(filepath.Join(b.dir, name), to) }
	for name, c := range map[string]struct {
		prepare func(t *testing.T, b *bed, outside string) error
		want    string
	}{
		"data folder is a link": {func(_ *testing.T, b *bed, outside string) error {
			return errors.Join(os.Rename(b.dir, b.dir+".real"), os.Symlink(b.dir+".real", b.dir))
		}, "is a symbolic link"},
		"data folder for all to change": {func(_ *testing.T, b *bed, _ string) error { return os.Chmod(b.dir, 0o777) }, "(mode 0777); run: chmod 700 "},
		"data folder of somebody else":  {func(t *testing.T, b *bed, _ string) error { return asRoot(t, b.dir) }, "belongs to the user with id 65534"},
		"archive is a link": {func(_ *testing.T, b *bed, _ string) error {
			return errors.Join(move(b, "archive.db", b.dir+".db"), os.Symlink(b.dir+".db", filepath.Join(b.dir, "archive.db")))
		}, "archive.db is not a regular file"},
		"archive is a link to nothing": {func(_ *testing.T, b *bed, outside string) error {
			return errors.Join(move(b, "archive.db", b.dir+".db"), os.Symlink(filepath.Join(outside, "new"), filepath.Join(b.dir, "archive.db")))
		}, "archive.db is not a regular file"},
		"archive is a pipe": {func(_ *testing.T, b *bed, _ string) error {
			return errors.Join(move(b, "archive.db", b.dir+".db"), syscall.Mkfifo(filepath.Join(b.dir, "archive.db"), 0o600))
		}, "archive.db is not a regular file"},
		"archive is a folder": {func(_ *testing.T, b *bed, _ string) error {
			return errors.Join(move(b, "archive.db", b.dir+".db"), os.Mkdir(filepath.Join(b.dir, "archive.db"), 0o700))
		}, "archive.db is not a regular file"},
		"archive for all to change": {func(_ *testing.T, b *bed, _ string) error { return os.Chmod(filepath.Join(b.dir, "archive.db"), 0o666) }, "(mode 0666); run: chmod 600 "},
		"archive for all to read":   {func(_ *testing.T, b *bed, _ string) error { return os.Chmod(filepath.Join(b.dir, "archive.db"), 0o644) }, "(mode 0644); run: chmod 600 "},
		"archive of somebody else":  {func(t *testing.T, b *bed, _ string) error { return asRoot(t, filepath.Join(b.dir, "archive.db")) }, "belongs to the user with id 65534"},
		"recordings is a link": {func(_ *testing.T, b *bed, outside string) error {
			return errors.Join(move(b, "recordings", b.dir+".recordings"), os.Symlink(outside, filepath.Join(b.dir, "recordings")))
		}, "escapes from parent"},
		"lock is a pipe": {func(_ *testing.T, b *bed, _ string) error {
			return syscall.Mkfifo(filepath.Join(b.dir, "callsyncd.lock"), 0o600)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			outside, untouched := victim(t)
			b := filledCopy(t)
			must(t, c.prepare(t, b, outside))
			for _, command := range []string{"run", "calls"} {
				if c.want == "" && command == "run" {
					continue // nothing keeps it from running
				}
				e := b.run(t, command)
				if c.want == "" && e.code == 0 {
					continue
				}
				_, said, _ := strings.Cut(e.stderr, "callsyncd: ") // after what run logs
				if e.code != 1 || !strings.Contains(said, c.want) || strings.Count(said, "\n") > 2 {
					t.Errorf("%s: %d after %s: %s", command, e.code, e.took, e.stderr)
				}
			}
			untouched()
		})
	}
	t.Run("recordings of a source are a link", func(t *testing.T) {
		outside, untouched := victim(t)
		b := filled(t, simulator.Options{Seed: 33, Calls: 2})
		folder := filepath.Join(b.dir, "recordings", "suresend")
		must(t, os.Rename(folder, b.dir+".suresend"), os.Symlink(outside, folder))
		b.sim.AddCall("suresend")
		e := b.run(t, "sync")
		if e.code != 3 {
			t.Errorf("sync: %d: %s", e.code, e.stderr)
		}
		e = b.run(t, "verify")
		if e.code == 0 {
			t.Errorf("verify finds nothing: %s", e.stdout)
		}
		untouched()
	})
}

var filledOnce sync.Once
var filledBed *bed

// filledCopy copies one archive for many tests that spoil it. Its vendors stay
// for all of them.
func filledCopy(t testing.TB) *bed {
	t.Helper()
	filledOnce.Do(func() {
		keep := &keeper{TB: t}
		filledBed = filled(keep, simulator.Options{Seed: 34, Calls: 1})
	})
	if filledBed == nil {
		t.Fatal("there is no archive to copy")
	}
	b := *filledBed
	b.dir = filepath.Join(t.TempDir(), "data")
	must(t, os.CopyFS(b.dir, os.DirFS(filledBed.dir)), os.Chmod(b.dir, 0o700))
	for _, name := range []string{"archive.db", "api-token"} {
		must(t, os.Chmod(filepath.Join(b.dir, name), 0o600))
	}
	text, err := os.ReadFile(filledBed.config)
	b.config = filepath.Join(t.TempDir(), "config.yaml")
	must(t, err, os.WriteFile(b.config, bytes.Replace(text, []byte(filledBed.dir), []byte(b.dir), 1), 0o600))
	return &b
}

// keeper lets what a test made live until the process ends.
type keeper struct{ testing.TB }

func (*keeper) Cleanup(func()) {}

func (k *keeper) TempDir() string {
	dir, err := makeLeftBehind()
	must(k.TB, err)
	return dir
}

func namesTaken(t *testing.T, _ *inbound) {
	outside, untouched := victim(t)
	precious := filepath.Join(outside, "precious")
	// Links in the names we write to lead nowhere.
	b := filledCopy(t)
	for _, name := range []string{"callsyncd.lock", "callsyncd.lock.new", "archive.db.check", "archive.db.new"} {
		must(t, os.Symlink(precious, filepath.Join(b.dir, name)))
	}
	for _, command := range []string{"sync", "verify", "calls"} {
		if e := b.run(t, command); e.code != 0 {
			t.Errorf("%s: %d: %s", command, e.code, e.stderr)
		}
	}
	// A new archive is not made through one.
	b = filledCopy(t)
	must(t, os.RemoveAll(b.dir), os.Mkdir(b.dir, 0o700), os.Symlink(precious, filepath.Join(b.dir, "archive.db.new")))
	if e := b.run(t, "sync"); e.code != 1 || !strings.Contains(e.stderr, "archive.db.new is not a regular file") {
		t.Errorf("%d: %s", e.code, e.stderr)
	}
	// Nor does a link become the token, or the folder of unfinished recordings.
	b = filledCopy(t)
	must(t, os.Remove(filepath.Join(b.dir, "api-token")), os.Symlink(precious, filepath.Join(b.dir, "api-token")))
	if e := b.run(t, "run"); e.code != 1 || !strings.Contains(e.stderr, "api-token is not a plain file") {
		t.Errorf("%d: %s", e.code, e.stderr)
	}
	b = filledCopy(t)
	tmp := filepath.Join(b.dir, "recordings", ".tmp")
	must(t, os.RemoveAll(tmp), os.Symlink(outside, tmp))
	if e := b.run(t, "run"); e.code != 1 {
		t.Errorf("%d: %s", e.code, e.stderr)
	}
	untouched()
}

func secondDaemon(t *testing.T, _ *inbound) {
	b := filledCopy(t)
	first := b.start(t)
	e := b.run(t, "run")
	if e.code != 75 || !strings.Contains(e.stderr, fmt.Sprintf("process %d holds the archive", first.Process.Pid)) {
		t.Errorf("%d: %s", e.code, e.stderr)
	}
	if pid, address, held := store.Holder(b.dir); pid != first.Process.Pid || address == "" || !held {
		t.Errorf("held by %d at %s", pid, address)
	}
}

func looseToken(t *testing.T, _ *inbound) {
	b := filledCopy(t)
	token := filepath.Join(b.dir, "api-token")
	for _, mode := range []fs.FileMode{0o644, 0o602} {
		must(t, os.Chmod(token, mode))
		for _, command := range []string{"run", "calls"} {
			if e := b.run(t, command); e.code != 1 || !strings.Contains(e.stderr, "run: chmod 600 "+token) {
				t.Errorf("%o %s: %d: %s", mode, command, e.code, e.stderr)
			}
		}
	}
	must(t, os.Chmod(token, 0o600))
	if e := b.run(t, "calls"); e.code != 0 {
		t.Errorf("after chmod 600: %d: %s", e.code, e.stderr)
	}
}
