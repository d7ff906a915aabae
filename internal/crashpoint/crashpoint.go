// Package crashpoint names the moments between two steps of a write, so that a
// test can end the process at exactly such a moment and look at what a restart
// makes of the files it left.
//
// The program marks the moments and does nothing else with them: only a test
// may set a hook, which internal/arch sees to, and without one Reach is a
// comparison with nil. Nothing outside the process can set it.
package crashpoint

// Point is one moment, named by what has just been done.
type Point string

// The points, by what is being written.
const (
	// A new archive.
	ArchiveWritten     Point = "archive written under its temporary name"
	ArchiveSynced      Point = "archive durable under its temporary name"
	ArchiveRenamed     Point = "archive renamed, its folder not durable"
	MigrationApplied   Point = "migration applied, not committed"
	MigrationCommitted Point = "migration committed"

	// Every write to the archive.
	CommitPending Point = "transaction written, not committed"
	CommitDone    Point = "transaction committed, not acknowledged"
	CheckCopied   Point = "archive copied to be checked"

	// A recording.
	RecordingCreated Point = "recording's temporary file created"
	RecordingReading Point = "recording read in part"
	RecordingSealed  Point = "recording durable under its temporary name"
	RecordingRenamed Point = "recording renamed, its folder not durable"
	RecordingDurable Point = "recording durable, the archive not told"
	RecordingKeeping Point = "recording about to be acknowledged"
	RecordingAside   Point = "damaged recording set aside, the archive not told"

	// The index.
	IndexCreated   Point = "index folder with a stamp only"
	IndexBatching  Point = "index batch collected"
	IndexBatched   Point = "index batch written"
	IndexFilling   Point = "index rebuilt in part"
	IndexSynced    Point = "rebuilt index durable under its temporary name"
	IndexRenamed   Point = "rebuilt index renamed, not named in CURRENT"
	IndexNaming    Point = "CURRENT written under its temporary name"
	IndexNamed     Point = "CURRENT renamed, its folder not durable"
	IndexReplacing Point = "rebuilt index in service, the old one not removed"
	IndexAside     Point = "CURRENT removed, the damaged index not set aside"

	// Small files.
	LockWritten  Point = "lock file written under its temporary name"
	LockRenamed  Point = "lock file renamed"
	TokenWritten Point = "API token written under its temporary name"
	TokenRenamed Point = "API token renamed"
	FileWritten  Point = "exported file written under its temporary name"
	FileRenamed  Point = "exported file renamed"
)

// All lists every point, in the order above.
var All = []Point{
	ArchiveWritten, ArchiveSynced, ArchiveRenamed, MigrationApplied, MigrationCommitted,
	CommitPending, CommitDone, CheckCopied,
	RecordingCreated, RecordingReading, RecordingSealed, RecordingRenamed, RecordingDurable, RecordingKeeping, RecordingAside,
	IndexCreated, IndexBatching, IndexBatched, IndexFilling, IndexSynced, IndexRenamed, IndexNaming, IndexNamed, IndexReplacing, IndexAside,
	LockWritten, LockRenamed, TokenWritten, TokenRenamed, FileWritten, FileRenamed,
}

var hook func(Point)

// OnReach calls f at every point from now on, in the goroutine that comes to
// it. It is for tests, and must be called before anything else runs.
func OnReach(f func(Point)) { hook = f }

// Reach marks that the program has come to a point.
func Reach(p Point) {
	if hook != nil {
		hook(p)
	}
}
