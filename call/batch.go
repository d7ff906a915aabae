package call

import (
	"encoding/json"
	"time"
)

// Batch is what one transaction of the store commits: a page of calls with the
// checkpoint that says so.
type Batch struct {
	Source SourceID
	Writes []Write
	// Checkpoint and Budget replace the stored ones; nil leaves them alone.
	Checkpoint *Checkpoint
	Budget     json.RawMessage
	// Statement is added to the source's statements.
	Statement *Statement
}

// Due is a pending part whose time has come.
type Due struct {
	Key      Key
	Part     PartName
	NextTry  time.Time
	Deadline time.Time
}
