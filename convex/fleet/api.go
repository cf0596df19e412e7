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
	Proofs   []plan.Proof  // of the newest proof, by row; nil never asked
	ProofRun *ProofRun     // while one is searched for
}

// ProofRun is the progress of prove.
type ProofRun struct {
	Started   time.Time
	Row       string // title of the row it is at
	Rows, Of  int
	Documents int
}

// ProjectInfo is what the screen shows of the project.
type ProjectInfo struct {
	Name, Root, Target string
	Migrations         []project.Migration
	Problems           []jsrun.Problem
	Packages           map[string]string
	LoadTime           time.Duration
	Components         []string // paths of the components that the project itself defines, with a schema, sorted
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
	Command    string // the project's own command that deploys to it; "" none, or embedded
	Protected  bool
	ArmedUntil time.Time // zero: read-only when Protected, or not reachable
	State      EnvState
	Err        string
	Opening    string // what it is doing while Opening: "generating 2,000 documents"
	Heard      time.Time
	Tables     map[string]int64
	Documents  int64
	Runs       map[string]Run // by migration name, with its component before it where that is not the project's own: "billing/migrations/own:backfill"
	DryRun     map[string]*DryRun
	Census     *plan.Census
	CensusRun  *CensusRun // while one is being taken
	// Certificate is the newest for the target; also a revoked one.
	Certificate *plan.Certificate
	Writers     *plan.Writers
	Backup      *plan.Backup // the newest verified one
	BackupRun   *BackupRun
	Rehearsal   *plan.Rehearsal // the newest
	Rehearsing  *RehearsalRun
	FreshFor    time.Duration // how long a certificate holds here
	Revealed    time.Time     // until when values of a protected environment are shown; zero masked
	SchemaHash  string
	Facts       Facts
	Validation  *Validation // a schema that is being checked against the documents; nil none
	Deploy      *DeployRun  // the newest deploy that this Strait began; nil none
}

// Facts is what a deployment tells of itself, each with its own age. Zero
// values are unknown.
type Facts struct {
	Version    string   // of the backend
	Access     *Access  // what the key may do; nil unknown
	Components []string // paths of the components below the root, sorted; nil unknown
	Migrations []ComponentFact
	Functions  int // deployed at the root; -1 unknown
	LastPush   time.Time
	Connects   int       // live connections made so far
	Connected  time.Time // since when the live connection stands; zero: it does not
	Retries    int       // attempts in a row that failed; 0 connected
	RetryAt    time.Time // when the next attempt is made; zero none waits
	Logs       LogFeed
	Traffic    Traffic
	Ages       Ages
}

// Access is what an environment's key may do (convex-wire.md 1.2).
type Access struct {
	ReadOnly bool
	Ops      []string // empty: everything
}

// ComponentFact is an installed migrations component (convex-wire.md 13.5).
type ComponentFact struct {
	Path    string // "migrations", "billing/migrations"
	Version string // as far as its functions and cursors tell: "0.3.0 or older", "0.3.1-0.3.2", "0.3.3 or newer", "0.3.5 or newer"; "" unknown
}

// Ages say as of when each fact holds; zero: never told. What is kept live
// holds as of the last word of the connection; the sizes of tables are live
// only where somebody looks or something runs (Fleet.Show).
type Ages struct{ Schema, Tables, Statuses, Functions, Push, Logs time.Time }

// LogFeed is the state of the function log's long poll.
type LogFeed struct {
	State string // "" not begun, "following", "refused" (the key may not), "failing"
	Err   string
	Gaps  int // times that entries may have been missed
}

// Traffic counts what went over the wire since the environment was opened.
type Traffic struct {
	Read, Written  int64 // bytes of bodies and messages
	ReadPerMinute  int64 // over the last minute
	WritePerMinute int64
}

// Validation is the progress of a schema check at a push (convex-wire.md 10.4).
type Validation struct {
	Component string
	Checked   int64
	Total     int64 // -1 unknown
	Since     time.Time
	Err       string // why the schema was refused
}

// DeployRun is a deploy of the widened or the target schema: in place for an
// embedded environment, by the project's own command for a real one.
type DeployRun struct {
	Action  plan.Action // ActWiden, ActNarrow
	Command string      // "" in place
	Started time.Time
	Ended   time.Time
	Output  []LogEntry // of the command, newest last, at most 500, cleaned of terminal escapes
	Err     string
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
	Component  string     // path of the component that keeps its state; "" none
	Control    *Control   // of a run that Strait supervises batch by batch; nil else
}

// Control is how a supervised run goes on: what is set, not what is asked for.
type Control struct {
	Paused   bool          // stands between two batches
	Steps    int           // batches that it goes before it pauses; -1 to the end
	Batch    int           // size of the next batch; 0 the definition's
	Throttle time.Duration // rest between two batches
	InBatch  bool          // a batch is under way
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
	Documents int64         // processed since the batch before
	Took      time.Duration // since the batch before; of one that Strait made, without the rest before it
	Failed    bool
	Usage     *Usage // from the function log; nil not told
}

// Usage is what one batch cost its deployment (convex-wire.md 5.2).
type Usage struct {
	Execution               time.Duration
	ReadDocuments           int64
	WrittenDocuments        int64
	ReadBytes, WrittenBytes int64
	Conflicts               int // times that it was run again after a write conflict
}

// Failure is why a run stopped, with the document when it is known.
type Failure struct {
	Text     string // full, may be several lines
	Summary  string // one line
	Table    string
	Document string // id; "" unknown
	Body     value.Object
	Frame    string // "convex/migrations.ts:41"
	// Misfits are the places at which Body does not fit the target of its
	// component; empty when it fits, or neither is known.
	Misfits []plan.Sample
}

// LogEntry is one line that a migration or Strait logged.
type LogEntry struct {
	At    time.Time
	Level string
	Text  string
	// Printed says that the words are a function's, so that they may hold
	// values of documents; else they are Strait's own, or a command's.
	Printed bool
}

// DryRun is the answer of a dry run.
type DryRun struct {
	Migration string
	At        time.Time
	Took      time.Duration
	Running   bool
	Err       *Failure
	Processed int64
	More      bool   // the first page is not all, or more examples than shown
	Cursor    string // where the next page begins, for Command.Cursor; "" at the end, or not told
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
	Since   time.Time // of one that was resumed, when it was begun first
	Read    int64
	Total   int64
	Bytes   int64
	Table   string
	Found   int64
	Page    int           // documents a page, as it is now
	Budget  CensusBudget  // which it never passes
	ETA     time.Duration // 0 unknown
	Resumed bool          // from the place where an earlier one stopped
}

// CensusBudget bounds what a census reads; 0 no bound.
type CensusBudget struct{ Documents, Bytes int64 }

// CensusOptions say how a census is taken. The zero value is a full one without
// bounds.
type CensusOptions struct {
	Sample    int64        // documents a table; 0 every one
	Budget    CensusBudget // 0 what strait.toml says
	Rate      float64      // documents a second; 0 the environment's usual one, below 0 no limit
	Resume    bool         // go on where the last one stopped
	Tables    []string     // nil all of the target
	Component string       // path of a component that the project defines; "" the root
}

// BackupRun is the progress of a backup.
type BackupRun struct {
	Started time.Time
	Stage   string // "requested", "exporting", "downloading", "verifying"
	Detail  string // what the deployment says of it
	Bytes   int64  // downloaded
	Size    int64  // 0 not told
	Read    int64  // documents verified
}

// RehearseOptions say which copy a rehearsal works on; the first that is given.
type RehearseOptions struct {
	Export string // file of an export
	Sample int    // documents a table, read from the deployment
	// Generate is how many documents a table to make up, by the shape that is
	// deployed there.
	Generate int
	Seed     uint64
}

// RehearsalRun is the progress of a rehearsal.
type RehearsalRun struct {
	Started   time.Time
	Stage     string // "reading 3 tables", "widen", "migrations:setTeamPlan", "census", "narrow"
	Migration string // that runs; "" none
	Done, Of  int64  // documents of the stage; Of -1 unknown
}

// ProveOptions say how long prove searches.
type ProveOptions struct {
	Documents int      // a row; 0 is 2,000
	Seed      uint64   // 0 is 1: the same documents every time
	Rows      []string // titles or tables; nil all
	// From is the schema that documents follow before the migrations: a file, or
	// git:REF. "" is the active schema of Env, or the widest of all that are
	// known, or what strait.toml names.
	From string
	// Env is the environment whose documents and active schema are taken; "" none.
	Env    string
	Export string // file of an export whose documents are taken in place of Env's; "" none
	// Reveal leaves the values of an export's documents as they are. Those of an
	// environment go by Command.Reveal and its own rules.
	Reveal bool
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
	Cursor    *string // where to begin; nil where it stopped, or at the beginning
	// Supervised runs batch by batch under this Strait, so that it can be
	// paused; else the component schedules itself and goes on without Strait.
	Supervised bool
	Steps      int           // of a supervised run: pause after so many batches; 0 never
	Throttle   time.Duration // of a supervised run: rest between two batches
	Typed      string
	Override   string // reason for acting before the environment ahead is clean
	By         string // "screen", "cli"
	// Reveal leaves the values of a protected environment's documents in the
	// command's own events and outcome; it is recorded.
	Reveal   bool
	Census   *CensusOptions // nil: a full one
	Rehearse *RehearseOptions
	Prove    *ProveOptions
	BackupTo string // file; "" below .strait/backups
}

// Tuning changes a supervised run between two batches; nil leaves a thing as
// it is. Typed is the environment's name as a person typed it, needed for what
// lets more be written to a protected environment that is read-only again.
type Tuning struct {
	Paused   *bool
	Steps    *int // go so many batches, then pause
	Batch    *int
	Throttle *time.Duration
	Typed    string
	By       string // as of Command
}
