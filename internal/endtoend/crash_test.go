package endtoend

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"callsyncd/call"
	"callsyncd/internal/crashpoint"
)

// target is a point at which a campaign kills.
type target struct {
	point crashpoint.Point
	work  string
	// hits is how far into the work the point may be met.
	hits int
	// prepare brings the archive into the state in which the point is met; nil
	// does nothing.
	prepare func(*campaign)
	// tolerated are the findings of verify that prepare has caused.
	tolerated []string
}

// targets are all points a service comes to. Those of an export are met by a
// test of the command line.
var targets = []target{
	{crashpoint.ArchiveWritten, "sync", 1, (*campaign).anew, nil},
	{crashpoint.MigrationApplied, "sync", 4, (*campaign).anew, nil},
	{crashpoint.MigrationCommitted, "sync", 4, (*campaign).anew, nil},
	{crashpoint.ArchiveSynced, "sync", 1, (*campaign).anew, nil},
	{crashpoint.ArchiveRenamed, "sync", 1, (*campaign).anew, nil},
	{crashpoint.TokenWritten, "sync", 1, (*campaign).anew, nil},
	{crashpoint.TokenRenamed, "sync", 1, (*campaign).anew, nil},
	{crashpoint.IndexCreated, "sync", 1, (*campaign).anew, nil},
	{crashpoint.IndexSynced, "sync", 1, (*campaign).anew, nil},
	{crashpoint.IndexRenamed, "sync", 1, (*campaign).anew, nil},
	{crashpoint.IndexNaming, "sync", 1, (*campaign).anew, nil},
	{crashpoint.IndexNamed, "sync", 1, (*campaign).anew, nil},
	{crashpoint.RecordingCreated, "sync", 12, (*campaign).anew, nil},
	{crashpoint.RecordingReading, "sync", 40, (*campaign).anew, nil},
	{crashpoint.RecordingSealed, "sync", 12, (*campaign).anew, nil},
	{crashpoint.RecordingRenamed, "sync", 12, (*campaign).anew, nil},
	{crashpoint.RecordingDurable, "sync", 12, (*campaign).anew, nil},
	{crashpoint.RecordingKeeping, "sync", 12, (*campaign).anew, nil},
	{crashpoint.CommitPending, "sync", 25, (*campaign).anew, nil},
	{crashpoint.CommitDone, "sync", 25, (*campaign).anew, nil},
	{crashpoint.IndexBatching, "sync", 1, (*campaign).callComes, nil},
	{crashpoint.IndexBatched, "sync", 1, (*campaign).callComes, nil},
	{crashpoint.LockWritten, "daemon", 2, nil, nil},
	{crashpoint.LockRenamed, "daemon", 2, nil, nil},
	{crashpoint.CheckCopied, "verify", 1, nil, nil},
	{crashpoint.IndexFilling, "reindex", 1, nil, nil},
	{crashpoint.IndexReplacing, "reindex", 1, nil, nil},
	{crashpoint.IndexCreated, "reindex", 1, nil, nil},
	{crashpoint.IndexSynced, "reindex", 1, nil, nil},
	{crashpoint.IndexRenamed, "reindex", 1, nil, nil},
	{crashpoint.IndexNaming, "reindex", 1, nil, nil},
	{crashpoint.IndexNamed, "reindex", 1, nil, nil},
	{crashpoint.IndexAside, "sync", 1, (*campaign).breakIndex, nil},
	{crashpoint.MigrationApplied, "sync", 1, (*campaign).ageSchema, nil},
	{crashpoint.MigrationCommitted, "sync", 1, (*campaign).ageSchema, nil},
	{crashpoint.RecordingAside, "verify", 1, (*campaign).damageRecording, []string{"missing_file"}},
	{crashpoint.CommitPending, "sync", 6, (*campaign).callComes, nil},
	{crashpoint.CommitDone, "sync", 6, (*campaign).callComes, nil},
}

// commandLine are the points that only the command line comes to.
var commandLine = map[crashpoint.Point]bool{crashpoint.FileWritten: true, crashpoint.FileRenamed: true}

// TestKilledAtEveryPoint kills a syncing process with SIGKILL at every named
// step of a write and at random moments, and checks after each kill that
// nothing that was acknowledged is lost; in the end the archive must be equal
// to what the vendors know. CALLSYNCD_CRASH_KILLS is the number of kills, and
// CALLSYNCD_CRASH_SEED makes a run choose its moments again.
func TestKilledAtEveryPoint(t *testing.T) {
	kills := number("CALLSYNCD_CRASH_KILLS", len(targets)+10)
	seed := uint64(number("CALLSYNCD_CRASH_SEED", int(time.Now().UnixNano()>>10)))
	random := rand.New(rand.NewPCG(seed, 0))
	sum := newTally()
	start := time.Now()
	for n := uint64(0); sum.Cycles < kills && !t.Failed(); n++ {
		c := newCampaign(t, seed+n, sum)
		for _, target := range targets {
			c.kill(target)
		}
		for last := min(kills, int(n+1)*100); sum.Cycles < last && !t.Failed(); {
			c.killSometime()
			if random.IntN(3) > 0 {
				c.look(false)
			}
		}
		c.calm()
	}
	fewest := int(^uint(0) >> 1)
	for _, point := range crashpoint.All {
		if hits := sum.Hits[point]; !commandLine[point] {
			if fewest = min(fewest, hits); hits == 0 {
				t.Errorf("nothing was killed at: %s", point)
			}
		}
	}
	t.Logf("crash: seed %d: %d cycles (%d ended first), %d campaigns, %d points with %d kills at least, %d acknowledged, %d lost; %d restarts looked at, %d verified, %d recordings hashed, %d wrong; %d calls in the end; slowest restart %v; %v",
		seed, sum.Cycles, sum.Ended, sum.Campaigns, len(crashpoint.All)-len(commandLine), fewest, sum.Acknowledged, sum.Lost, sum.Looks, sum.Verified, sum.Recordings, sum.WrongHashes, sum.Calls, sum.SlowestRestart.Round(time.Millisecond), time.Since(start).Round(time.Second))
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// kill prepares and kills at one point, the first time it is met if the work
// did not come to it often enough.
func (c *campaign) kill(to target) {
	for hit := 1 + c.random.IntN(to.hits); ; hit = 1 {
		if to.prepare != nil {
			to.prepare(c)
		}
		c.live()
		dead := c.killAt(to.work, to.point, hit)
		c.look(to.tolerated != nil, to.tolerated...)
		if dead || hit == 1 || c.t.Failed() {
			return
		}
	}
}

func (c *campaign) callComes() {
	v := c.sim.Vendors()[c.random.IntN(5)].Name
	c.added[call.Key{Source: call.SourceID(v), ID: c.sim.AddCall(v)}] = time.Now()
}

// breakIndex damages the index so that it cannot be opened.
func (c *campaign) breakIndex() {
	files, err := filepath.Glob(filepath.Join(c.dir, "index", "gen-*", "stamp.json"))
	if err != nil || len(files) != 1 {
		c.t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// ageSchema makes the archive one that the version before wrote.
func (c *campaign) ageSchema() {
	db, err := bolt.Open(filepath.Join(c.dir, "archive.db"), 0o600, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		version := append([]byte(nil), meta.Get([]byte("schema"))...)
		version[3]--
		return meta.Put([]byte("schema"), version)
	})
	if closeErr := db.Close(); err != nil || closeErr != nil {
		c.t.Fatal(err, closeErr)
	}
}

// damageRecording changes a byte of a recording. What was said of its call
// does not hold any more.
func (c *campaign) damageRecording() {
	a, ok := c.storedRecording()
	if !ok {
		c.t.Fatal("no recording is known")
	}
	delete(c.acks, a.Key)
	path := filepath.Join(c.dir, filepath.FromSlash(a.File))
	body, err := os.ReadFile(path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err == nil {
		body[len(body)/2] ^= 1
		err = os.WriteFile(path, body, 0o440)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}
