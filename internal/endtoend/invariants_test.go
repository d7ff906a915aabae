package endtoend

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"callsyncd/api/client"
	"callsyncd/call"
	"callsyncd/service"
	"callsyncd/store"
)

// restartLimit is how long an archive of this size may take to be ready.
const restartLimit = 10 * time.Second

func sortedKeys[V any](m map[call.Key]V) []call.Key {
	return slices.SortedFunc(maps.Keys(m), func(a, b call.Key) int { return cmp.Compare(a.String(), b.String()) })
}

// restart opens the archive as the next process does.
func (c *campaign) restart() *service.Archive {
	c.t.Helper()
	start := time.Now()
	a, err := service.Open(context.Background(), c.options(c.t))
	if err != nil {
		c.t.Fatalf("after a kill: %v", err)
	}
	took := time.Since(start)
	if c.tally.SlowestRestart = max(c.tally.SlowestRestart, took); took > restartLimit {
		c.t.Errorf("the restart took %v", took)
	}
	return a
}

func (c *campaign) stop(a *service.Archive) {
	if err := a.Close(); err != nil {
		c.t.Error(err)
	}
}

// look restarts the archive after a kill and checks what must hold at any
// moment. A third of the times it also verifies everything; findings of the
// tolerated kinds are then what a test has done on purpose.
func (c *campaign) look(always bool, tolerated ...string) {
	c.t.Helper()
	c.tally.Looks++
	c.checkBackfill()
	a := c.restart()
	defer c.stop(a)
	held := c.read(a)
	c.checkFiles()
	c.checkAcks(held)
	c.checkWalks(a, held)
	if always || c.random.IntN(3) == 0 {
		c.verifyNow(a, tolerated)
	}
	c.kills = 0
}

// read reads every call through the API.
func (c *campaign) read(a *service.Archive) map[call.Key]client.Call {
	c.t.Helper()
	return c.readFrom(client.New(inProcess, a.Token(), client.InProcess(a.Handler())))
}

func (c *campaign) readFrom(reader *client.Client) map[call.Key]client.Call {
	c.t.Helper()
	held := make(map[call.Key]client.Call)
	err := reader.AllCalls(context.Background(), client.ListOptions{ListQuery: call.ListQuery{Limit: 200}, Show: whole}, func(got client.Call) error {
		held[got.Key] = got
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return held
}

// checkAcks looks for everything that somebody was told: the call, the version
// as it was then, and the recording. Unless the call has changed since, all of
// it must be the same to the byte.
func (c *campaign) checkAcks(held map[call.Key]client.Call) {
	c.t.Helper()
	for key, told := range c.acks {
		got, ok := held[key]
		now := ackOf(got)
		switch {
		case !ok:
			c.lost("%s was acknowledged and is not there", key)
		case now.Version < told.Version:
			c.lost("%s has version %d, %d was acknowledged", key, now.Version, told.Version)
		case told.Print != versionPrint(got.Versions, told.Version):
			c.lost("%s: version %d is not what was acknowledged", key, told.Version)
		case now.Version == told.Version && now.Raw != told.Raw:
			c.lost("%s: the documents of version %d are not those that were acknowledged", key, told.Version)
		case now.ChangedAt.Before(told.ChangedAt):
			c.lost("%s: its last change is gone", key)
		case now.ChangedAt.Equal(told.ChangedAt) && now.Parts == told.Parts && len(differing(told.Content, now.Content)) > 0:
			c.lost("%s reads otherwise than it did in %v", key, differing(told.Content, now.Content))
		case now.Version == told.Version && now.Names < told.Names:
			c.lost("%s: %d of %d names are gone", key, told.Names-now.Names, told.Names)
		case told.File != "" && (now.File != told.File || now.SHA256 != told.SHA256):
			c.lost("%s: its recording was acknowledged and is not that any more", key)
		}
	}
}

func (c *campaign) lost(format string, args ...any) {
	c.t.Helper()
	c.tally.Lost++
	c.t.Errorf(format, args...)
}

// known are the files an archive consists of.
var known = regexp.MustCompile(`^(archive\.db|api-token|callsyncd\.lock|index/CURRENT|index/(gen-\d+|bad-[^/]+)/.+|recordings/\.damaged/.+|recordings/[a-z]+/\d{4}/\d\d/\d\d/[^/]+\.(mp3|wav))$`)

// checkFiles looks for what a crash left over, while the archive is open.
func (c *campaign) checkFiles() {
	c.t.Helper()
	err := filepath.WalkDir(c.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(c.dir, path)
		if name = filepath.ToSlash(name); !known.MatchString(name) {
			c.t.Errorf("a stray file: %s", name)
		}
		return err
	})
	if err != nil {
		c.t.Error(err)
	}
}

// checkBackfill asks the database itself: a walk that is to be continued may
// not have seen more calls than are stored.
func (c *campaign) checkBackfill() {
	c.t.Helper()
	st, err := store.Open(c.dir, store.Options{})
	if err != nil {
		c.t.Fatalf("after a kill: %v", err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			c.t.Error(err)
		}
	}()
	if last := st.LastSeq(); last < c.lastSeq {
		c.lost("the change feed ends at %d, %d was acknowledged", last, c.lastSeq)
	}
	for _, v := range c.sim.Vendors() {
		source := call.SourceID(v.Name)
		checkpoint, err := st.Checkpoint(context.Background(), source)
		counts, countErr := st.Counts(context.Background(), source)
		if err != nil || countErr != nil {
			c.t.Fatal(err, countErr)
		}
		if b := checkpoint.Backfill; b != nil && b.Seen > counts.Calls {
			c.t.Errorf("%s: the backfill goes on after %d calls, %d are stored", source, b.Seen, counts.Calls)
		}
	}
}

// checkWalks asserts that no checkpoint claims more than is stored: every call
// that was listed before a clean walk began is there.
func (c *campaign) checkWalks(a *service.Archive, held map[call.Key]client.Call) {
	c.t.Helper()
	status, err := a.Status(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, s := range status.Sources {
		for _, w := range []*call.Walk{s.LastHead, s.LastTrailing, s.LastSweep} {
			if w == nil || !w.Clean {
				continue
			}
			for key, since := range c.added {
				if _, ok := held[key]; !ok && key.Source == s.Name && since.Before(w.StartedAt) {
					c.lost("%s was listed before a walk that ended clean, and is not stored", key)
				}
			}
		}
	}
}

// verifyNow proves the archive. Before the next round a recording may lie
// there that the database was not told of any more.
func (c *campaign) verifyNow(a *service.Archive, tolerated []string) {
	c.t.Helper()
	report, err := a.Verify(context.Background())
	if err != nil {
		c.t.Errorf("verify: %v", err)
	}
	c.tally.Verified++
	c.tally.Recordings += report.Recordings
	for _, p := range report.Problems {
		if p.Kind == "hash_mismatch" && !slices.Contains(tolerated, p.Kind) {
			c.tally.WrongHashes++
		}
		if p.Kind != "stray_file" && !slices.Contains(tolerated, p.Kind) {
			c.t.Errorf("verify: %s", toJSON(c.t, p))
		}
	}
}

// differing names the fields that are not the same to the byte.
func differing(told, now map[string]json.RawMessage) (fields []string) {
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if !bytes.Equal(told[name], now[name]) {
			fields = append(fields, name)
		}
	}
	return fields
}
