package plan

import (
	"time"

	"strait/model/schema"
	"strait/model/source"
)

// Review is the plan as people discuss it before anybody touches prod: what
// each change needs, what can go wrong, what to do in which order, and whether
// the target may be merged. Unlike Plan it is made when asked for.
type Review struct {
	Changes []Advice `json:"changes"` // one a row that holds changes, rows' order
	Hazards []Hazard `json:"hazards"` // worst first
	Order   []Stage  `json:"order"`
	Merge   Merge    `json:"merge"`
	// Widened accepts what any environment has deployed and what the target
	// accepts: the one schema to deploy everywhere. Nil when nothing is known.
	Widened *schema.Schema `json:"-"`
}

// Strategy says how code lives with two shapes.
type Strategy string

// The strategies.
const (
	DualWrite Strategy = "dual write" // write both shapes, read the old one until the migration is done
	DualRead  Strategy = "dual read"  // write the new shape, read both
	NoDual    Strategy = "none"       // code needs no second shape
)

// Advice is how to carry out one change.
type Advice struct {
	Title      string    `json:"title"` // as Row.Title
	Table      string    `json:"table,omitempty"`
	Path       string    `json:"path,omitempty"`
	Kinds      []string  `json:"kinds"` // of Change
	Class      Class     `json:"class"`
	Why        string    `json:"why"`
	Push       string    `json:"push"`
	Migrations []string  `json:"migrations"` // definitions that cover it
	Strategy   Strategy  `json:"strategy"`
	Because    string    `json:"because"`            // why this strategy
	Widened    string    `json:"widened,omitempty"`  // the table's defineTable({...}) to deploy first, TypeScript
	Deploys    []Deploy  `json:"deploys"`            // in order
	Scaffold   *Snippet  `json:"scaffold,omitempty"` // nil when a definition covers it, or no document needs it
	Snippets   []Snippet `json:"snippets,omitempty"` // dual-write, dual-read code
	Witness    string    `json:"witness,omitempty"`  // JSON of a document that fits today and not the target
	Changes    []Change  `json:"-"`
}

// Deploy is one step of a change's life, and how to come back from it.
type Deploy struct {
	Title    string `json:"title"`
	Does     string `json:"does"`
	RollBack string `json:"rollBack"` // what undoes it, or why nothing does
}

// Snippet is code for a person to put into the project.
type Snippet struct {
	Title string   `json:"title"`
	File  string   `json:"file"`           // where it belongs, relative to the project's root
	Code  string   `json:"code"`           // TypeScript
	Todo  []string `json:"todo,omitempty"` // what only a person can choose; each stands as TODO in Code
}

// Severity says how bad a hazard is.
type Severity string

// The severities, worst first.
const (
	Danger  Severity = "danger"  // documents or access are lost, or the push is refused
	Warning Severity = "warning" // the migration may fail, stall or have to run again
	Notice  Severity = "notice"  // worth knowing
)

// Hazard is one rule's finding.
type Hazard struct {
	Code      string       `json:"code"` // SW101
	Rule      string       `json:"rule"` // required-before-migrated
	Severity  Severity     `json:"severity"`
	Table     string       `json:"table,omitempty"`
	Path      string       `json:"path,omitempty"`
	Migration string       `json:"migration,omitempty"`
	Env       string       `json:"env,omitempty"` // "" everywhere
	Site      *source.Site `json:"site,omitempty"`
	What      string       `json:"what"` // this case, one line
	Why       string       `json:"why"`
	Safe      string       `json:"safe"`             // the safe way
	Waived    string       `json:"waived,omitempty"` // the waiver's reason
}

// Waiver takes note of a hazard that the team accepts. An empty scope field
// means any; a waiver needs a code and a reason, and ends by itself.
type Waiver struct {
	Code      string
	Table     string
	Path      string
	Migration string
	Env       string
	File      string
	Reason    string
	Until     time.Time // zero: for good
}

// Doing is what a stage does.
type Doing string

// The stages' doings, in the order of a change's life.
const (
	DeployWidened Doing = "deploy-widened"
	Migrate       Doing = "migrate"
	CountAll      Doing = "count"
	DeployTarget  Doing = "deploy-target"
)

// Stage is one step of the whole fleet's plan. What stands in one stage of one
// environment can run together.
type Stage struct {
	Number int        `json:"number"` // from 1
	Env    string     `json:"env"`
	Doing  Doing      `json:"doing"`
	Title  string     `json:"title"`
	State  State      `json:"state"`
	Why    string     `json:"why,omitempty"`
	Groups [][]string `json:"groups,omitempty"` // migrations: one group after the other, those in a group together
	After  []int      `json:"after,omitempty"`  // numbers of the stages that must be done first
	Next   string     `json:"next,omitempty"`   // the command that does it
}

// Merge is the fleet gate: whether the narrow schema may go into the main
// branch.
type Merge struct {
	Allowed bool   `json:"allowed"`
	Missing []Lack `json:"missing"` // empty when allowed
}

// Lack is one thing that keeps the target from being merged.
type Lack struct {
	Env string `json:"env,omitempty"`
	Refusal
}

// NewReview makes the review of a plan that Make made of the same input.
func NewReview(in Input, p Plan) Review {
	in = in.compared()
	r := Review{Changes: advise(in, p), Merge: GateMerge(in)}
	r.Widened = widenedEverywhere(in)
	r.Order = order(in, p)
	r.Hazards = hazards(in, p)
	return r
}
