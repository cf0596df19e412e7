package plan

import (
	"time"

	"strait/model/value"
)

// Rehearsal is the report of a whole passage on a copy in memory: widen, every
// pending migration, census, narrow.
type Rehearsal struct {
	Env        string         `json:"env"`
	Deployment string         `json:"deployment,omitempty"`
	Source     string         `json:"source"` // "export prod-2026-11-22.zip", "500 documents a table", "generated"
	Whole      bool           `json:"whole"`  // the copy holds every document
	Documents  int64          `json:"documents"`
	At         time.Time      `json:"at"`
	Took       time.Duration  `json:"took"`
	Widen      string         `json:"widen,omitempty"` // why it was refused; "" accepted, or not needed
	Migrations []RehearsedRun `json:"migrations"`
	Census     *Census        `json:"census,omitempty"`
	Narrow     string         `json:"narrow,omitempty"` // why the target was refused; "" it was accepted
	Stopped    string         `json:"stopped,omitempty"`
}

// RehearsedRun is one migration of a rehearsal.
type RehearsedRun struct {
	Name      string             `json:"name"`
	Table     string             `json:"table,omitempty"`
	State     string             `json:"state"` // as Progress.State
	Documents int64              `json:"documents"`
	Changed   int64              `json:"changed"`
	Unchanged int64              `json:"unchanged"`
	Deleted   int64              `json:"deleted"`
	Failures  []RehearsedFailure `json:"failures,omitempty"`
	Failed    int64              `json:"failed"` // documents, those beyond Failures as well
	Batches   int64              `json:"batches"`
	BatchSize int                `json:"batchSize"`
	Took      time.Duration      `json:"took"`     // here, which tells nothing of there
	Headroom  []Headroom         `json:"headroom"` // the fullest first: the first one binds
	// Recommended is the batch size that keeps the fullest batch below half of
	// every limit; 0 nothing to recommend.
	Recommended int   `json:"recommended"`
	Estimate    Spend `json:"estimate"` // on the real deployment, with the definition's batch size
}

// RehearsedFailure is a document that a migration failed on.
type RehearsedFailure struct {
	Document string       `json:"document"`
	Text     string       `json:"text"`
	Body     value.Object `json:"-"`
}

// Headroom is how near the fullest batch came to one limit of a transaction
// (convex-wire.md 9.1).
type Headroom struct {
	Limit string  `json:"limit"` // "documents read", "bytes written", …
	Used  int64   `json:"used"`
	Max   int64   `json:"max"`
	Share float64 `json:"share"`
}

// Spend is what a migration is estimated to take on its deployment.
type Spend struct {
	Calls        int64         `json:"calls"` // of functions
	ReadBytes    int64         `json:"readBytes"`
	WrittenBytes int64         `json:"writtenBytes"`
	Time         time.Duration `json:"time"`          // a lower bound where Why says so
	Why          string        `json:"why,omitempty"` // what the time rests on
}
