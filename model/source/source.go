// Package source holds what Strait reads in a project's own functions: which
// documents they write and read, what runs them, and what each migration does
// to a document. The facts say what the text says and no more: what cannot be
// told from it is marked open or any, so that nobody warns of a guess.
package source

import "strait/model/schema"

// Facts are all that was read. The zero value says nothing of anything.
type Facts struct {
	Writes     []Write          // of all functions and their helpers; migrations apart
	Reads      []Read           // likewise
	Jobs       []Job            // what crons and schedulers call, migrations too
	Migrations map[string]*Body // by name of the definition: "migrations:setPlan"
	// Unread are the files that could not be read, each with why. Facts about
	// them are missing.
	Unread []Unread
}

// Site is a place in the project's code.
type Site struct {
	File string `json:"file"` // relative to the project's root, with slashes
	Line int    `json:"line"` // 1-based
}

// Op is what a write does.
type Op string

// The writes of ctx.db.
const (
	Insert  Op = "insert"
	Patch   Op = "patch"
	Replace Op = "replace"
	Delete  Op = "delete"
)

// Write is one call that writes a document, or the patch that a migration
// returns.
type Write struct {
	Site
	Function string // "orders:create"; "" in a helper
	Op       Op
	Table    string  // "" when the text does not tell
	Fields   []Field // in order
	Open     bool    // may set further fields: a spread, a computed key, a variable
	Guarded  bool    // below a condition, or after one that returns early
	Returned bool    // the patch that a migration returns
}

// Field is one top-level field that a write sets.
type Field struct {
	Name string
	// Value is what the text tells of the value: a literal, v.string() of a
	// template, an object's fields, an argument's validator; v.any() where it
	// tells nothing, or code around it may narrow what it tells. What comes may
	// still be less than v.string() says: warn only where nothing of it fits.
	Value *schema.Validator
	Unset bool // written as undefined
	Maybe bool // present under a condition only
	// From are the top-level fields of the document at hand that the value is
	// computed from: price in {total: doc.price * 2}. Sorted.
	From []string
}

// Read is one query or get.
type Read struct {
	Site
	Function string // "orders:list"; "" in a helper
	Table    string // "" when the text does not tell
	Index    string // "" for the whole table
	Bounded  bool   // the index range has at least one condition
	End      string // collect, take, first, unique, paginate, each (for await), count, get; "" when the text does not tell
}

// Job is a call that the deployment makes by itself.
type Job struct {
	Site
	Cron     string // the cron's name; "" for a scheduler call
	Function string // that schedules: "orders:backfill"; "" in crons.ts
	Calls    string // "migrations:run"; a component's function begins with its reference as written: "components.migrations.lib.migrate"
}

// Body is what one migration does.
type Body struct {
	Site
	Table  string
	Writes []Write // in order, the returned patch too
	Reads  []Read  // beside the document at hand; the walk of a hand-written one, too
	// RangeIndex is the index that customRange walks; "" without one.
	RangeIndex string
	Schedules  bool // ctx.scheduler
	Clock      bool // Date.now, new Date(), Math.random, crypto
	Open       bool // calls code that was not read, with ctx in hand
}

// Unread is a file that could not be read.
type Unread struct {
	File, Why string
}
