package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
)

func TestOpenCreates(t *testing.T) {
	dir := filepath.Join(tempDir(t), "deeper")
	s := openTest(t, dir)
	id := s.ArchiveID()
	save(t, s, write(record("crm", "1", 0)))
	if runtime.GOOS != "windows" {
		for name, want := range map[string]fs.FileMode{".": 0o700, fileName: 0o600, lockName: 0o600} {
			info, err := os.Stat(filepath.Join(dir, name))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %v, %v", name, info.Mode(), err)
			}
		}
	}
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{newFileName, lockName} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	again := openTest(t, dir)
	if again.ArchiveID() != id || id == "" {
		t.Errorf("archive id %q became %q", id, again.ArchiveID())
	}
	load(t, again, call.Key{Source: "crm", ID: "1"})
}

func TestOpenRefuses(t *testing.T) {
	tests := map[string]struct {
		prepare func(t *testing.T, dir string)
		want    string
	}{
		"empty file": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, fileName), "") }, "damaged: it is empty"},
		"empty file beside recordings": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, fileName), "")
			put(t, filepath.Join(dir, recordings, "crm", "a.mp3"), "audio")
		}, "damaged: it is empty"},
		"no header": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, fileName), strings.Repeat("\x00", 1<<16))
		}, "damaged: it has no valid header"},
		"text": {func(t *testing.T, dir string) { put(t, filepath.Join(dir, fileName), "hello") }, "damaged: it has no valid header"},
		"missing beside recordings": {func(t *testing.T, dir string) {
			put(t, filepath.Join(dir, recordings, "crm", "a.mp3"), "audio")
		}, "archive.db is missing although"},
		"cut off": {func(t *testing.T, dir string) {
			fillArchive(t, dir)
			if err := os.Truncate(filepath.Join(dir, fileName), 3*int64(os.Getpagesize())); err != nil {
				t.Fatal(err)
			}
		}, "it was cut off"},
		"folder": {func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, fileName), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "not a regular file"},
		"symbolic link": {func(t *testing.T, dir string) {
			other := filepath.Join(t.TempDir(), "other.db")
			put(t, other, "")
			link(t, other, filepath.Join(dir, fileName))
		}, "not a regular file"},
		"other database": {func(t *testing.T, dir string) {
			db, err := bolt.Open(filepath.Join(dir, fileName), 0o600, boltOptions())
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("other")); return err })
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}
		}, "not an archive of callsyncd"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			test.prepare(t, dir)
			before, _ := os.ReadFile(filepath.Join(dir, fileName))
			s, err := Open(dir, Options{})
			if err == nil {
				s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if after, _ := os.ReadFile(filepath.Join(dir, fileName)); string(after) != string(before) {
				t.Error("the file was changed")
			}
		})
	}
}

// A flipped bit in the name of a bucket hides all of it.
func TestOpenRefusesAMissingBucket(t *testing.T) {
	for _, name := range buckets {
		dir := tempDir(t)
		path := sixCalls(t, dir)
		db, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(name) }), db.Close()); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if !errors.Is(err, call.ErrCorrupt) {
			t.Errorf("without %s: %v", name, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

func TestOpenRefusesLinkedFolder(t *testing.T) {
	dir := t.TempDir()
	linked := filepath.Join(t.TempDir(), "linked")
	link(t, dir, linked)
	for _, path := range []string{linked, linked + string(filepath.Separator)} {
		if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), "symbolic link") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A first header page that was torn is what the second one is for.
func TestOpenWithOneHeader(t *testing.T) {
	dir := t.TempDir()
	fillArchive(t, dir)
	file, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = file.WriteAt(make([]byte, 64), 16) // of the page, after its own header
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	openTest(t, dir)
}

func TestOpenAfterUnfinishedCreation(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, recordings, recordingTmp), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, recordings, recordingTmp, "half"), "aud")
	put(t, filepath.Join(dir, newFileName), "half a header")
	openTest(t, dir)
}

// Of several processes that create one archive, one gets it.
func TestOpenAtOnce(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	type opened struct {
		s   *Store
		err error
	}
	results := make(chan opened)
	for range 4 {
		go func() {
			s, err := Open(dir, Options{})
			results <- opened{s, err}
		}()
	}
	var all []*Store
	for range 4 {
		switch r := <-results; {
		case r.err == nil:
			all = append(all, r.s)
		case !errors.Is(r.err, call.ErrLocked):
			t.Error(r.err)
		}
	}
	if len(all) != 1 {
		t.Fatalf("%d of them got the archive", len(all))
	}
	checkClean(t, all[0])
	if err := all[0].Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	if _, _, ok := Holder(dir); ok {
		t.Error("held before it exists")
	}
	s := openTest(t, dir)
	if err := s.SetAddress("127.0.0.1:7411"); err != nil {
		t.Fatal(err)
	}
	if pid, address, ok := Holder(dir); pid != os.Getpid() || address != "127.0.0.1:7411" || !ok {
		t.Errorf("holder %d at %q, %v", pid, address, ok)
	}
	started := time.Now()
	_, err := Open(dir, Options{})
	if hold, ok := errors.AsType[*call.HoldError](err); !ok || hold.PID != os.Getpid() || !errors.Is(err, call.ErrLocked) {
		t.Errorf("second open: %v", err)
	}
	if took := time.Since(started); took > 30*time.Second {
		t.Errorf("second open took %s", took)
	}
	var info struct {
		PID       int       `json:"pid"`
		StartedAt time.Time `json:"started_at"`
		Address   string    `json:"address"`
	}
	body, err := os.ReadFile(filepath.Join(dir, lockName))
	if err := errors.Join(err, json.Unmarshal(body, &info)); err != nil || info.PID != os.Getpid() || info.StartedAt.IsZero() {
		t.Errorf("lock file %s: %v", body, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, lockName), string(body))
	if _, _, ok := Holder(dir); ok {
		t.Error("held after Close")
	}
}

func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	db, err := bolt.Open(filepath.Join(dir, fileName), 0o600, boltOptions())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var done []string
	step := func(name string, err error) migration {
		return func(tx *bolt.Tx) error {
			done = append(done, name)
			return errors.Join(tx.Bucket(bucketMeta).Put([]byte(name), []byte{1}), err)
		}
	}
	check := func(want, wantErr string, wantVersion int, steps ...migration) {
		t.Helper()
		done = nil
		err := migrate(db, steps)
		if wantErr == "" && err != nil || wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)) {
			t.Errorf("got %v, want %q", err, wantErr)
		}
		if got := strings.Join(done, " "); got != want {
			t.Errorf("ran %q, want %q", got, want)
		}
		if version, err := schemaVersion(db); err != nil || version != wantVersion {
			t.Errorf("version %d, %v, want %d", version, err, wantVersion)
		}
	}
	check("one", "", 1, step("one", nil))
	check("", "", 1, step("one", nil))
	check("two three", "to schema version 3: torn", 2, step("one", nil), step("two", nil), step("three", errors.New("torn")))
	check("three", "", 3, step("one", nil), step("two", nil), step("three", nil))
	check("", "use a newer callsyncd", 3, step("one", nil))
	_ = db.View(func(tx *bolt.Tx) error {
		for _, name := range []string{"one", "two", "three"} {
			if tx.Bucket(bucketMeta).Get([]byte(name)) == nil {
				t.Errorf("%s left no trace", name)
			}
		}
		return nil
	})
}

// fillArchive makes an archive with some calls and closes it.
func fillArchive(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(dir, Options{Now: testClock()})
	if err != nil {
		t.Fatal(err)
	}
	save(t, s, write(record("crm", "1", 0)), write(record("crm", "2", 1)))
	save(t, s, write(record("crm", "3", 2)))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, content string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err := errors.Join(err, os.WriteFile(path, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Symlink(from, to); err != nil {
		t.Skip(err)
	}
}

// Holder is asked by every command before it opens anything.
func TestHolderWaitsForNoPipe(t *testing.T) {
	for _, name := range []string{fileName, lockName} {
		dir := t.TempDir()
		fillArchive(t, dir)
		s := openTest(t, dir)
		path := filepath.Join(dir, name)
		if name == fileName {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		makePipe(t, path)
		done := make(chan bool)
		go func() {
			pid, _, held := Holder(dir)
			done <- pid == 0 && held == (name == lockName)
		}()
		select {
		case ok := <-done:
			if !ok {
				t.Errorf("%s: a pipe was believed", name)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: waits for the other end of a pipe", name)
		}
	}
}

func TestOpenRefusesWhatIsForOthers(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing here")
	}
	for _, test := range []struct {
		name, want string
		mode       fs.FileMode
	}{{".", "run: chmod 700 ", 0o720}, {".", "run: chmod 700 ", 0o1777}, {fileName, "run: chmod 600 ", 0o640}, {fileName, "run: chmod 600 ", 0o602}, {".", "", 0o755}} {
		dir := t.TempDir()
		fillArchive(t, dir)
		if err := os.Chmod(filepath.Join(dir, test.name), test.mode); err != nil {
			t.Fatal(err)
		}
		s, err := Open(dir, Options{})
		if err == nil {
			s.Close()
		}
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s with mode %o: %v", test.name, test.mode, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	for _, name := range []string{".", fileName} {
		dir := t.TempDir()
		fillArchive(t, dir)
		if err := os.Chown(filepath.Join(dir, name), 65534, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, Options{}); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "id 65534") {
			t.Errorf("%s of somebody else: %v", name, err)
		}
	}
}

func TestLongTransactionsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		s, err := Open(tempDir(t), Options{Log: slog.New(slog.NewJSONHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		hold := func(d time.Duration) {
			t.Helper()
			err := s.view(t.Context(), func(*bolt.Tx) error { time.Sleep(d); return nil })
			if err := errors.Join(err, s.update(t.Context(), func(*writer) error { time.Sleep(d); return nil })); err != nil {
				t.Fatal(err)
			}
		}
		hold(longTransaction)
		if log.Len() > 0 {
			t.Errorf("log: %s", log.String())
		}
		hold(longTransaction + time.Millisecond)
		for _, want := range []string{`"transaction":"read","duration_ms":1001`, `"transaction":"write","duration_ms":1001`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("no %s in %s", want, log.String())
			}
		}
	})
}

// A bit that changed in the key of a checkpoint keeps nobody from saving others.
func TestCheckpointUnderADamagedKey(t *testing.T) {
	t.Parallel()
	from := tempDir(t)
	s, err := Open(from, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sources := []call.SourceID{"ant", "bee", "cat", "dog"}
	long := make([]byte, 12<<10) // one fills a page
	for i := range long {
		long[i] = 'a' + byte(i%26)
	}
	saveAll := func(s *Store, pageSize int) error {
		for _, source := range sources {
			cp := call.Checkpoint{Learned: map[string]string{"long": string(long)}, PageSize: pageSize}
			if err := s.Save(t.Context(), call.Batch{Source: source, Checkpoint: &cp}); err != nil {
				return err
			}
		}
		return nil
	}
	if err := errors.Join(saveAll(s, 1), s.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(from, fileName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		damaged := bytes.Clone([]byte(source))
		damaged[1] ^= 0x20
		row := append([]byte(source), sealed, '{')
		dir := t.TempDir()
		put(t, filepath.Join(dir, fileName), string(bytes.ReplaceAll(whole, row, append(damaged, sealed, '{'))))
		s := openTest(t, dir)
		if err := saveAll(s, 2); err != nil {
			t.Fatal(err)
		}
		for _, source := range sources {
			if cp, err := s.Checkpoint(t.Context(), source); err != nil || cp.Learned["long"] == "" {
				t.Errorf("checkpoint of %s: %v", source, err)
			}
		}
	}
}
