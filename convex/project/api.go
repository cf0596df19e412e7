// Package project finds and loads a Convex project: convex.json, schema.ts,
// migration definitions, strait.toml.
package project

import (
	"time"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// Project is a loaded project. Problems never hide what did load.
type Project struct {
	Root         string // absolute; holds package.json, convex.json or strait.toml
	Name         string // of package.json, else the folder's
	FunctionsDir string // absolute
	SchemaFile   string // relative to Root; "" without a schema
	Schema       *schema.Schema
	SchemaJSON   []byte // as exported
	Migrations   []Migration
	App          *jsrun.App
	Problems     []jsrun.Problem
	Config       Config
	Packages     map[string]string // version of "convex", "@convex-dev/migrations" … in use; "built-in" for the prelude
	LoadTime     time.Duration

	code codeRead
}

// Driver is how a migration is driven (design.md section 3).
type Driver string

// The drivers.
const (
	ComponentDriver Driver = "component" // @convex-dev/migrations
	HelpersDriver   Driver = "helpers"   // convex-helpers/server/migrations
	PagedDriver     Driver = "paged"     // hand-written, takes a cursor
	OneshotDriver   Driver = "oneshot"   // hand-written, one call
)

// Migration is one definition found in the project.
type Migration struct {
	// Name is "migrations:setDefaultPlan"; of one that a component defines, with
	// the component's path in front: "billing:migrations:setDefaultPlan".
	Name        string   `json:"name"`
	Table       string   `json:"table,omitempty"`
	Driver      Driver   `json:"driver"`
	BatchSize   int      `json:"batchSize"` // in effect when none is given at the start; 0: unknown
	CustomRange bool     `json:"customRange,omitempty"`
	Parallelize bool     `json:"parallelize,omitempty"`
	Series      []string `json:"series"` // for a runner of several: their names in order; for a definition: the runners that hold it are in InSeries
	InSeries    []string `json:"inSeries,omitempty"`
	Runner      bool     `json:"runner,omitempty"`    // a runner(), not a definition
	CursorArg   string   `json:"cursorArg,omitempty"` // paged: name of its cursor argument, "paginationOpts" for a whole one
	SizeArg     string   `json:"sizeArg,omitempty"`   // paged: name of its batch size argument
	DryRunArg   string   `json:"dryRunArg,omitempty"` // name of its own dry run argument
	// Continues says that a hand-written one schedules its own next batch: one
	// call starts it, and it goes on by itself.
	Continues bool `json:"continues,omitempty"`
	// Action says that it is an action, so nothing rolls back as a whole.
	Action bool `json:"action,omitempty"`
	Public bool `json:"public,omitempty"`
	// Owner is the path of the component that defines it, whose table Table is;
	// "" the root.
	Owner string `json:"owner,omitempty"`
	// Component is the path of the migrations component that keeps its state, as
	// its Migrations instance was given; "" unknown, or none.
	Component string `json:"component,omitempty"`
	// Package is the version of @convex-dev/migrations that a component imports
	// for it; "" in the root, and where it is not known.
	Package string `json:"package,omitempty"`
	File    string `json:"file"` // relative to Root
	Line    int    `json:"line"`
	Source  string `json:"-"` // text of the function, for people and for advice
}

// GoesOn reports whether the deployment drives the migration once it is
// started, so that it goes on without Strait.
func (m *Migration) GoesOn() bool {
	return m.Runner || m.Continues || m.Driver == ComponentDriver || m.Driver == HelpersDriver
}

// Config is strait.toml.
type Config struct {
	Path   string // absolute; "" when there is none
	Target string `toml:"target"`
	// Functions is the functions folder, when convex.json does not say it.
	Functions string `toml:"functions"`
	// Variables are what process.env holds where Strait evaluates and rehearses
	// the project's code.
	Variables map[string]string `toml:"variables"`
	Envs      []Env             `toml:"env"`
	Waive     []Waiver          `toml:"waive"`
	Census    Census            `toml:"census"`
	FromFile  bool              `toml:"-"`
}

// Census is [census] of strait.toml: how documents are counted in real
// deployments, and how long a count of zero holds.
type Census struct {
	Rate            float64 `toml:"rate"`             // documents a second; 0 Strait's own
	BudgetDocuments int64   `toml:"budget_documents"` // that one census reads; 0 no bound
	BudgetBytes     int64   `toml:"budget_bytes"`
	Fresh           string  `toml:"fresh"` // how long a certificate holds, "24h"; "" Strait's own
}

// FreshFor is Fresh as a duration; 0 when it is not said.
func (c Census) FreshFor() time.Duration {
	d, err := time.ParseDuration(c.Fresh)
	if err != nil {
		return 0 // readConfig refused it
	}
	return d
}

// Waiver is one [[waive]] of strait.toml: a hazard that the team accepts, as
// narrowly as its scope says.
type Waiver struct {
	Code      string    `toml:"code"`   // SW104
	Reason    string    `toml:"reason"` // needed
	Table     string    `toml:"table"`
	Path      string    `toml:"path"`
	Migration string    `toml:"migration"`
	Env       string    `toml:"env"`
	File      string    `toml:"file"`
	Until     time.Time `toml:"until"` // a date; zero: for good
}

// Env is one environment of strait.toml, in promotion order. URL, Deployment or
// both name a deployment; else Snapshot or Generate says which documents Strait
// keeps itself.
type Env struct {
	Name string `toml:"name"`
	URL  string `toml:"url"`
	// Deployment is the deployment's name, "happy-otter-123". strait.toml may give
	// its type as well: "prod:happy-otter-123" becomes Deployment and Type.
	Deployment string `toml:"deployment"`
	KeyEnv     string `toml:"key_env"`
	KeyCommand string `toml:"key_command"`
	// EnvFile is a file of CLI variables, as npx convex --env-file takes it: the
	// key is looked up in it alone, and so is the deployment when nothing else
	// names one.
	EnvFile   string         `toml:"env_file"`
	Snapshot  string         `toml:"snapshot"`
	Generate  map[string]int `toml:"generate"` // table -> number of documents
	Seed      uint64         `toml:"seed"`
	Documents string         `toml:"documents"` // schema that generated documents, or those of the snapshot, follow (the old shape); default: Schema
	Schema    string         `toml:"schema"`    // what is deployed: a file, git:REF, "target", "widened"; default "widened" when it can be, else target
	Ran       []string       `toml:"ran"`       // embedded: migrations run before it opens, in order; an entry "name@3" stops after 3 batches and cancels
	Overlay   string         `toml:"overlay"`   // embedded: JSON lines {"table","document"} put in after generating (odd documents)
	Protected bool           `toml:"protected"`
	Deploy    string         `toml:"deploy"`    // the project's own command that pushes the working tree: "npx convex deploy"; a real environment only
	Component string         `toml:"component"` // component path of the migrations component; default: where the app has it, else "migrations"
	Region    string         `toml:"-"`
	Type      string         `toml:"-"` // dev, prod, preview, custom, local, anonymous; "" not said
	Found     string         `toml:"-"` // where it was found without strait.toml: "CONVEX_DEPLOYMENT in .env.local"

	// These tell ResolveKey and ResolveURL where to look. They hold no key.
	root    string    // of the project
	dir     string    // where the Convex CLI would run
	lookup  lookupEnv // os.LookupEnv when nil
	keyFile string    // the CLI's config.json of a deployment on this machine
	varFile string    // the one env file whose variables count; "" all
}

// Embedded reports whether the environment lives in Strait's memory: nothing
// says how to reach a deployment.
func (e *Env) Embedded() bool {
	return e.URL == "" && e.Deployment == "" && e.KeyEnv == "" && e.KeyCommand == "" && e.EnvFile == "" && e.keyFile == ""
}

// onDisk reports whether the Convex CLI keeps the deployment, with its address
// and its key, on this machine.
func (e *Env) onDisk() bool { return e.Type == "local" || e.Type == "anonymous" }

// Options of Load.
type Options struct {
	// Dir is where to look from; "" is the working folder.
	Dir string
	// Functions names the functions folder, relative to Dir, when neither
	// convex.json nor strait.toml does.
	Functions string
	// Lookup reads the environment; os.LookupEnv when nil.
	Lookup func(string) (string, bool)
}
