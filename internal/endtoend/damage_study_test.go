package endtoend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/simulator"
)

// examined is what a process finds out about an archive that was damaged.
type examined struct {
	Refused  string   // why it could not be opened
	Crashed  string   // how the process ended
	Problems []string // what verify said
	// Hashes of all calls with their versions and documents, of what is known of
	// their lives, of the completeness statements, and of an answer to a search.
	Calls, Lives, Statements, Search string
	// Before is the hash of all calls before verify looked at anything; empty when
	// something told of a damage then: a red status, an error, an open part, a
	// version marked as damaged, fewer calls than are counted.
	Before string
}

func init() {
	works["examine"] = func(ctx context.Context, a *service.Archive) error {
		tell(message{Examined: examine(ctx, a)})
		return nil
	}
}

func examine(ctx context.Context, a *service.Archive) *examined {
	e := &examined{Before: unsuspecting(ctx, a)}
	report, err := a.Verify(ctx)
	if err != nil {
		e.Problems = []string{err.Error()}
		return e
	}
	for _, p := range report.Problems {
		e.Problems = append(e.Problems, p.Kind)
	}
	reader := client.New(inProcess, a.Token(), client.InProcess(a.Handler()))
	calls, lives := make(map[string]string), make(map[string]string)
	err = reader.AllCalls(ctx, client.ListOptions{ListQuery: call.ListQuery{Limit: 200}, Show: whole}, func(c client.Call) error {
		history, err := reader.History(ctx, c.Key)
		if err != nil {
			return err
		}
		// That a call was brought back under its own key is told in its life.
		life := slices.DeleteFunc(history.Value.Data, func(e call.Event) bool { return e.Kind == call.EventDamaged })
		calls[c.Key.String()], lives[c.Key.String()] = digest(c), digest(life)
		return nil
	})
	if err != nil {
		e.Problems = append(e.Problems, err.Error())
	}
	statements, err := reader.Statements(ctx, nil, 0)
	if err != nil {
		e.Problems = append(e.Problems, err.Error())
	}
	found, err := reader.Search(ctx, client.SearchOptions{SearchQuery: call.SearchQuery{Text: "you", Limit: 200}})
	if err != nil {
		e.Problems = append(e.Problems, err.Error())
	}
	var keys []string
	for _, hit := range found.Value.Data {
		keys = append(keys, hit.Call.Key.String())
	}
	slices.Sort(keys)
	e.Calls, e.Lives, e.Statements, e.Search = digest(calls), digest(lives), digest(statements.Value), digest(keys)
	return e
}

func unsuspecting(ctx context.Context, a *service.Archive) string {
	reader := client.New(inProcess, a.Token(), client.InProcess(a.Handler()))
	status, err := reader.Status(ctx)
	if err != nil {
		return ""
	}
	held, open := 0, 0
	for _, s := range status.Value.Sources {
		held, open = held+s.Counts.Calls, open+s.Counts.Open()
	}
	calls := make(map[string]string)
	err = reader.AllCalls(ctx, client.ListOptions{ListQuery: call.ListQuery{Limit: 200}, Show: whole}, func(c client.Call) error {
		if damaged := func(v call.Version) bool { return v.Damaged }; !c.Settled || slices.ContainsFunc(c.Versions, damaged) {
			open++
		}
		calls[c.Key.String()] = digest(c)
		return nil
	})
	if err != nil || open > 0 || held != len(calls) || !status.Value.Green {
		return ""
	}
	return digest(calls)
}

// damages are the ways to spoil a file. older is the same file, or one of its
// kind, as it was before.
var damages = map[string]func(r *rand.Rand, path, older string) error{
	"bit flip": func(r *rand.Rand, path, _ string) error {
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		at := r.IntN(len(body))
		for tries := 0; body[at] == 0 && tries < 1000; tries++ { // an empty stretch says nothing
			at = r.IntN(len(body))
		}
		body[at] ^= 1 << r.IntN(8)
		return rewrite(path, body)
	},
	"truncation": func(r *rand.Rand, path, _ string) error {
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return rewrite(path, body[:r.IntN(len(bytes.TrimRight(body, "\x00")))])
	},
	"deletion": func(_ *rand.Rand, path, _ string) error { return os.Remove(path) },
	"older copy": func(_ *rand.Rand, path, older string) error {
		body, err := os.ReadFile(older)
		if err != nil {
			return err
		}
		return rewrite(path, body)
	},
	"open to all": func(_ *rand.Rand, path, _ string) error { return os.Chmod(path, 0o666) },
}

func rewrite(path string, body []byte) error {
	return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, body, 0o600))
}

// spoiled are the kinds of files, as patterns below the data folder.
var spoiled = []struct{ kind, pattern string }{
	{"archive", "archive.db"}, {"recording", "recordings/*/*/*/*/*"}, {"index segment", "index/gen-*/data/*.zap"},
	{"index root", "index/gen-*/data/root.bolt"}, {"index stamp", "index/gen-*/stamp.json"}, {"CURRENT", "index/CURRENT"},
	{"lock file", "callsyncd.lock"}, {"API token", "api-token"},
}

// study is an archive in two states, to be copied and damaged.
type study struct {
	*campaign
	before, after string // folders
	sound         examined
}

func newStudy(t *testing.T, seed uint64) *study {
	b := newBed(t, simulator.Options{Seed: seed, Calls: 4, Span: 48 * time.Hour})
	b.logs = nil
	s := &study{campaign: &campaign{bed: b, t: t, random: rand.New(rand.NewPCG(seed, 2)), tally: newTally()}, before: t.TempDir(), after: t.TempDir()}
	a := b.open(t)
	syncAll(t, a, false)
	lock, err := os.ReadFile(filepath.Join(b.dir, "callsyncd.lock"))
	if err := errors.Join(err, a.Close(), os.CopyFS(s.before, os.DirFS(b.dir))); err != nil {
		t.Fatal(err)
	}
	for _, v := range b.sim.Vendors() {
		b.sim.AddCall(v.Name)
	}
	a = b.open(t)
	syncAll(t, a, false)
	err = errors.Join(a.Close(), os.WriteFile(filepath.Join(b.dir, "callsyncd.lock"), lock, 0o600), os.CopyFS(s.after, os.DirFS(b.dir)),
		os.WriteFile(filepath.Join(s.before, "callsyncd.lock"), lock, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	s.sound = s.examine()
	if s.sound.Refused != "" || len(s.sound.Problems) > 0 || s.sound.Before == "" {
		t.Fatalf("the sound archive: %+v", s.sound)
	}
	return s
}

// examine lets another process look at the archive.
func (s *study) examine() examined {
	s.t.Helper()
	ch := s.begin(order{Work: "examine"})
	select {
	case err := <-ch.done:
		if ch.examined != nil {
			return *ch.examined
		}
		if ch.cmd.ProcessState.ExitCode() != 1 {
			return examined{Crashed: fmt.Sprint(err)} // by a fault or a panic, which no error message explains
		}
		return examined{Refused: fmt.Sprint(err, " ", strings.Join(ch.bad, " "))}
	case <-time.After(time.Minute):
		_ = ch.cmd.Process.Kill()
		s.t.Fatal("the examination takes more than a minute")
	}
	return examined{}
}

// restore makes the archive sound again.
func (s *study) restore() {
	s.t.Helper()
	if err := errors.Join(os.RemoveAll(s.dir), os.CopyFS(s.dir, os.DirFS(s.after))); err != nil {
		s.t.Fatal(err)
	}
	err := filepath.WalkDir(s.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return os.Chmod(path, 0o700)
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// spoil damages one file of a kind and says what came of it: refused, found,
// healed, or harmless when the damage stays and nothing depends on it; missed
// and crashed is what must not be.
func (s *study) spoil(d damage) (outcome string, saw examined) {
	s.t.Helper()
	s.restore()
	path := s.pick(s.dir, d.pattern)
	if err := damages[d.how](s.random, path, s.pick(s.before, d.pattern)); err != nil {
		s.t.Fatal(err)
	}
	spoiled, _ := os.ReadFile(path)
	saw = s.examine()
	after, err := os.ReadFile(path)
	switch {
	case saw.Crashed != "":
		return "crashed", saw
	case saw.Refused != "":
		return "refused", saw
	case saw.Before != "" && saw.Before != s.sound.Before && d.how != "older copy": // a sound archive, of before
		return "missed", saw
	case len(saw.Problems) > 0 || saw.Before == "":
		return "found", saw
	case saw.Calls != s.sound.Calls || saw.Lives != s.sound.Lives || saw.Statements != s.sound.Statements || saw.Search != s.sound.Search:
		return "missed", saw
	case err == nil && bytes.Equal(after, spoiled):
		return "harmless", saw
	}
	return "healed", saw
}

// pick returns one of the files of a pattern below a folder.
func (s *study) pick(dir, pattern string) string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no %s in %s: %v", pattern, dir, err)
	}
	return files[s.random.IntN(len(files))]
}

// damage is one way to spoil one kind of file.
type damage struct{ kind, pattern, how string }

// TestDamageIsFoundOrHealed spoils one file at a time.
// CALLSYNCD_DAMAGES is how often in all, CALLSYNCD_DAMAGE_SEED chooses the same
// places again.
func TestDamageIsFoundOrHealed(t *testing.T) {
	most := number("CALLSYNCD_DAMAGES", 16)
	seed := number("CALLSYNCD_DAMAGE_SEED", int(time.Now().UnixNano()>>10))
	s, start := newStudy(t, uint64(seed)), time.Now()
	var all []damage
	for _, file := range spoiled {
		for _, how := range sortedNames(damages) {
			all = append(all, damage{file.kind, file.pattern, how})
		}
	}
	table, total := map[string]map[string]int{}, map[string]int{}
	for done := range most {
		if done%len(all) == 0 {
			s.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		d := all[done%len(all)]
		outcome, saw := s.spoil(d)
		row := d.kind + ", " + d.how
		if table[row] == nil {
			table[row] = map[string]int{}
		}
		table[row][outcome]++
		if total[outcome]++; outcome == "missed" || outcome == "crashed" {
			t.Errorf("%s: %s: %+v instead of %+v", outcome, row, saw, s.sound)
		}
	}
	for _, row := range sortedNames(table) {
		t.Logf("%-28s %v", row, table[row])
	}
	t.Logf("damage: seed %d: %d damages: %d refused at start, %d found by verify, %d healed, %d harmless, %d missed, %d crashed; %v",
		seed, most, total["refused"], total["found"], total["healed"], total["harmless"], total["missed"], total["crashed"], time.Since(start).Round(time.Second))
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
