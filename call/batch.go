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
	// Checkpoint replaces the stored one; nil leaves it alone.
	Checkpoint *Checkpoint
	// Budget returns what replaces the stored budget, nil to leave it alone. It is
	// called within the transaction, perhaps more than once, so that of several
	// writers the one that commits last stores the latest state. nil is allowed.
	Budget func() json.RawMessage
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
