// Package plan is the thinking: what changed between the active and the
// target schema, what that means, and where each environment stands. It reads
// evidence and gives plans; it does no I/O and knows no clock.
package plan

import (
	"time"

	"strait/model/schema"
	"strait/model/source"
)

// Class says what a change asks for.
type Class string

// The classes, mildest first.
const (
	Safe        Class = "safe"
	IndexOnly   Class = "index"
	Breaking    Class = "widen-migrate-narrow"
	Destructive Class = "destructive"
	UnknownKind Class = "unknown"
)

// Change is one difference active -> target at a path.
type Change struct {
	Table string `json:"table"`
	Path  string `json:"path"` // "" the table itself; else "users.profile.zip", "users.tags[]"
	// Member tells which members of unions the path leads through, outermost
	// first, where it would not be clear: kind="left".
	Member  string `json:"member,omitempty"`
	Kind    string `json:"kind"` // field-added, field-removed, optional-to-required, type-narrowed, type-widened, type-changed, table-added, …
	Class   Class  `json:"class"`
	Message string `json:"message"` // one line for people
	Why     string `json:"why"`
	Push    string `json:"push"` // what Convex will do at push
	// Before and After are TypeScript on one line: the validator of a field, of a
	// table, or the call that declares an index.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
	// Rename is the name that the field, table or index likely had before (an
	// added one) or has now (a removed one). It is offered, nothing rests on it;
	// "" also where several names are as likely, which Message then names.
	Rename string `json:"rename,omitempty"`

	proof *proof // of Witness; nil without
}

// State is the state of a step (design.md section 3).
type State string

// The states of a step.
const (
	Done    State = "done"
	Todo    State = "todo"
	Running State = "running"
	Blocked State = "blocked"
	Failed  State = "failed"
	Unknown State = "unknown"
	ByHand  State = "by hand"
)

// Step is one line of a checklist.
type Step struct {
	State    State     `json:"state"`
	Why      string    `json:"why,omitempty"`      // for blocked, failed, unknown
	Evidence string    `json:"evidence,omitempty"` // what the state rests on
	At       time.Time `json:"at,omitzero"`        // when the evidence was gathered
	Next     string    `json:"next,omitempty"`     // the action that would move it
}

// Definition is what the plan knows of a migration definition.
type Definition struct {
	Name  string
	Table string // "" unknown
	// Component is the path of the component that defines it: its tables are that
	// component's, of which the target says nothing. "" the root.
	Component string
	Driver    string
	Runner    bool
	Series    []string
	Source    string // text of the function; tells which fields it touches
	File      string // relative to the project's root; "" unknown
	Line      int
	// BatchSize is what is in effect when none is given at the start; 0 unknown.
	BatchSize   int
	Parallelize bool
	CustomRange bool
	Public      bool // anybody may call it
	Action      bool // no transaction as a whole
	// NoDryRun says that it cannot be tried without writing, so the gate does
	// not ask for it.
	NoDryRun bool
	// OwnDryRun says that its dry run is an argument that its author reads:
	// nothing else keeps it from writing.
	OwnDryRun bool
}

// Progress is a migration's state in one environment, as its driver tells it.
type Progress struct {
	State     string // inProgress success failed canceled unknown; "" never started
	Processed int64
	Done      bool
	Error     string
	Started   time.Time
	Ended     time.Time
	Deployed  bool // the function exists there
	// Doubt says of an earlier call whose answer nobody got that it may have
	// run; "" when there is none, and for a driver that tells by its status.
	Doubt string
}

// Evidence is all that is known of one environment.
type Evidence struct {
	Env         string
	Now         time.Time
	Reachable   bool
	Problem     string // why it is not
	Active      *schema.Schema
	ActiveKnown bool             // Active nil and known: no schema was ever pushed
	Tables      map[string]int64 // documents by table
	Progress    map[string]Progress
	Census      *Census
	// Certificate is the newest for the target there, revoked ones as well; nil
	// there never was one.
	Certificate *Certificate
	FreshFor    time.Duration // how long a certificate holds; 0 CertifiedFor
	// Doubt says why the certificate does not count yet, though it stands: it is
	// of an earlier process or connection and is being checked again. "" none.
	Doubt   string
	Writers *Writers // who looks at documents written since the certificate; nil nobody
	// Written is the newest sign that documents of the target's tables changed,
	// as far as this process saw; zero none.
	Written   time.Time
	Backup    *Backup              // the newest verified one that Strait took; nil none
	DryRuns   map[string]time.Time // newest dry run by migration, since the last push
	Protected bool
	Embedded  bool
	Deploys   bool // strait.toml names the command that deploys the project there
	MadeUp    bool // invented for a newcomer, listed by nobody: the fleet gate looks away
	Partial   bool // not all that is watched was told yet: the fleet gate takes it for silent
	Armed     bool
	LastPush  time.Time
	Sizes     map[string]Size // of documents, by table, as far as some were read
	// Attested is what people vouch for, by step: StepWiden, StepMigrate,
	// StepNarrow. It is shown where Strait cannot see for itself.
	Attested map[string]Attestation
	Compared *Comparison // of Active and the target, when the caller keeps it; else made anew
}

// The steps of a checklist, as keys.
const (
	StepWiden   = "widen"
	StepMigrate = "migrate"
	StepNarrow  = "narrow"
)

// Attestation is a person's word that a step was done.
type Attestation struct {
	By   string
	At   time.Time
	Text string // what was done
}

// Size is how large the documents of a table are, as sampled.
type Size struct {
	Sampled int64 `json:"sampled"` // documents that were read
	Mean    int64 `json:"mean"`    // bytes, as Convex counts them
	Largest int64 `json:"largest"`
}

// Input is everything a plan is made from.
type Input struct {
	Target      *schema.Schema
	Definitions []Definition
	Envs        []Evidence // in promotion order

	// The rest is for NewReview only.
	Code      *source.Facts // nil: the code was not read
	Waivers   []Waiver
	Functions string // folder of the functions, relative to the project's root; "" is convex
}

// Row is one line of the fleet's grid: a change that must be migrated, with
// the definitions that migrate it, or a definition of no visible change. Those
// that components define come last.
type Row struct {
	Title      string   `json:"title"`
	Table      string   `json:"table,omitempty"`
	Path       string   `json:"path,omitempty"`
	Component  string   `json:"component,omitempty"` // of a migration that a component defines; its tables are others
	Class      Class    `json:"class,omitempty"`
	Changes    []Change `json:"-"`
	Migrations []string `json:"migrations"` // names, those of Table
	Cells      []Cell   `json:"cells"`      // one an environment
}

// Cell is widen / migrate / narrow of one row in one environment.
type Cell struct {
	Widen   Step `json:"widen"`
	Migrate Step `json:"migrate"`
	Narrow  Step `json:"narrow"`
}

// EnvPlan is one environment's part of the plan.
type EnvPlan struct {
	Env      string          `json:"env"`
	Changes  []Change        `json:"changes"` // active -> target there
	Class    Class           `json:"class"`
	Widen    Step            `json:"widen"`
	Migrate  Step            `json:"migrate"`
	Narrow   Step            `json:"narrow"`
	Progress map[string]Step `json:"migrations"` // by definition
	Widened  *schema.Schema  `json:"-"`          // Widen(active, target)
}

// Plan is the whole fleet's plan.
type Plan struct {
	Rows []Row     `json:"rows"`
	Envs []EnvPlan `json:"envs"`
}

// Action is something a person can ask of an environment.
type Action string

// The actions.
const (
	ActDryRun    Action = "dry-run"
	ActRun       Action = "run"
	ActCancel    Action = "cancel"
	ActCensus    Action = "census"
	ActCancelAll Action = "cancel-all" // every running migration of the component
	ActWiden     Action = "widen"      // deploy the widened schema
	ActNarrow    Action = "narrow"     // deploy the target schema
	ActBackup    Action = "backup"     // export, download and verify
	ActProve     Action = "prove"      // search for a document that the migrations do not bring to the target
	ActRehearse  Action = "rehearse"   // the whole passage on a copy in memory
	ActReveal    Action = "reveal"     // show values of a protected environment's documents
)

// Refusal is one reason why an action may not go out, and the way out.
type Refusal struct {
	Code string `json:"code"` // protected, not-widened, not-deployed, dry-run-missing, running, census-missing, offenders, …
	Why  string `json:"why"`
	Hint string `json:"hint"`
}
