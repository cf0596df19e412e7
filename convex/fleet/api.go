// Package fleet holds the environments of one project: it connects, watches,
// gathers evidence and carries out actions. It publishes whole snapshots,
// newest wins; nothing that reads them can hold it up.
package fleet

import (
	"time"

	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

// Snapshot is the whole fleet at one moment. It is never changed once
// published, so any number of readers may keep it.
type Snapshot struct {
	Seq      uint64
	At       time.Time
	Project  ProjectInfo
	Loading  bool // the project is being loaded; the rest is empty
	Err      string
	Plan     plan.Plan
	Envs     []EnvSnapshot // in promotion order, same indexes as Plan.Envs and Row.Cells
	Messages []Message     // newest last, at most 200
}

// ProjectInfo is what the screen shows of the project.
type ProjectInfo struct {
	Name, Root, Target string
	Migrations         []project.Migration
	Problems           []jsrun.Problem
	Packages           map[string]string
	LoadTime           time.Duration
}

// EnvState says whether an environment can be talked to.
type EnvState string

// The states of an environment's connection.
const (
	Opening EnvState = "opening"
	Ready   EnvState = "ready"
	Lost    EnvState = "lost" // was ready; reconnecting
	Broken  EnvState = "broken"
)

// EnvSnapshot is one environment.
type EnvSnapshot struct {
	Name       string
	Deployment string
	URL        string
	Embedded   bool
	Protected  bool
	ArmedUntil time.Time // zero: read-only when Protected
	State      EnvState
	Err        string
	Opening    string // what it is doing while Opening: "generating 2,000 documents"
	Heard      time.Time
	Tables     map[string]int64
	Documents  int64
	Runs       map[string]Run // by migration name: what is known of its newest run
	DryRun     map[string]*DryRun
	Census     *plan.Census
	CensusRun  *CensusRun // while one is being taken
	SchemaHash string
}

// Run is one migration in one environment.
type Run struct {
	Migration  string
	State      string // "" never, "starting", inProgress, success, failed, canceled, canceling, unknown
	Mine       bool   // started by this Strait
	Processed  int64
	Total      int64 // -1 unknown; an upper bound when Range
	Range      bool  // the migration has a customRange: Total is the whole table
	BatchSize  int
	Batches    []Batch // newest last, at most 240
	BatchCount int
	Rate       float64       // documents a second over the last batches; 0 unknown
	ETA        time.Duration // 0 unknown
	Started    time.Time
	Ended      time.Time
	Resumed    time.Time // when it was last seen to go on after it had stopped; zero: never
	Before     int64     // Processed when it was resumed
	Heard      time.Time // when the status last changed
	Series     []string  // what follows it
	Failure    *Failure
	Log        []LogEntry // newest last, at most 500
}

// Since is when it last began to run: resumed, or else started.
func (r Run) Since() time.Time {
	if r.Resumed.After(r.Started) {
		return r.Resumed
	}
	return r.Started
}

// Batch is one committed batch as it was observed.
type Batch struct {
	At        time.Time
	Documents int64 // processed since the batch before
	Took      time.Duration
	Failed    bool
}

// Failure is why a run stopped, with the document when it is known.
type Failure struct {
	Text     string // full, may be several lines
	Summary  string // one line
	Table    string
	Document string // id; "" unknown
	Body     value.Object
	Frame    string // "convex/migrations.ts:41"
}

// LogEntry is one line that a migration or Strait logged.
type LogEntry struct {
	At    time.Time
	Level string
	Text  string
}

// DryRun is the answer of a dry run.
type DryRun struct {
	Migration string
	At        time.Time
	Took      time.Duration
	Running   bool
	Err       *Failure
	Processed int64
	More      bool // the first page is not all, or more examples than shown
	Examples  []Example
	Log       []LogEntry
}

// Example is one document before and after.
type Example struct {
	ID     string
	Before value.Value
	After  value.Value // nil: deleted
	Text   string      // the log's own text when it could not be read
}

// CensusRun is the progress of a census.
type CensusRun struct {
	Started time.Time
	Read    int64
	Total   int64
	Table   string
	Found   int64
}

// Message is something that happened, for the toast line and the messages page.
type Message struct {
	ID    uint64
	At    time.Time
	Level string // info, warn, error
	Env   string
	Text  string
}

// Command asks for an action. Typed is the environment's name as a person
// typed it, needed to write to a protected environment that is not armed.
type Command struct {
	Action    plan.Action
	Env       string
	Migration string
	BatchSize int
	Reset     bool
	Typed     string
	Override  string // reason for acting before the environment ahead is clean
	By        string // "screen", "cli"
}
