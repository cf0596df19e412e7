package jsrun

import (
	"context"
	"encoding/json"
	"time"
)

// This file holds the signatures that the other rooms build against while the
// bodies are being written; it disappears file by file.

// Options says what to bundle: one component's code.
type Options struct {
	Root    string            // project root, absolute; paths in problems are relative to it
	Dir     string            // functions folder of the component, absolute
	Modules []string          // files relative to Dir with slashes: "schema.ts", "a/b.ts"
	Env     map[string]string // process.env at bundle and run time
	// Component is the component's path, "" for the root; a child's modules
	// see their own _generated files and components.
	Component string
}

// Program is bundled, compiled code. It is immutable and safe for use by many
// goroutines.
type Program struct{}

// Bundle bundles and compiles. A module that cannot be bundled is reported in
// problems and left out; err is for what stops everything.
func Bundle(ctx context.Context, o Options) (p *Program, problems []Problem, err error) {
	panic("being written")
}

// Definition is one observed migrations.define(...).
type Definition struct {
	Module, Export string
	Table          string
	BatchSize      int // 0: not given there
	DefaultBatch   int // of the Migrations instance; 0: not given
	CustomRange    bool
	Parallelize    bool
	Prefix         string // migrationsLocationPrefix of the instance
	File           string
	Line           int
	Source         string // text of migrateOne, for people
}

// Runner is one observed runner(): Series is nil for a general one.
type Runner struct {
	Module, Export string
	Series         []string // function names in order
	File           string
	Line           int
}

// Analysis is what evaluating a program's modules showed.
type Analysis struct {
	Schema      json.RawMessage // schema.export() of the module "schema", nil without
	SchemaFile  string
	Functions   []Function
	Definitions []Definition
	Runners     []Runner
	Exports     map[string]map[string]string // module -> export -> typeof, with function source for what look like migrations
	AppConfig   json.RawMessage              // export() of convex.config, nil without
	Problems    []Problem
}

// Analyze evaluates every module once, each on its own, within the limits of
// analysis (4 s), in a VM of its own.
func (p *Program) Analyze(ctx context.Context) (*Analysis, error) { panic("being written") }

// VM is one engine with the program loaded. Not safe for concurrent use.
type VM struct{}

// Open opens a VM: a fresh global scope with the program loaded, its modules
// not yet evaluated.
func (p *Program) Open(ctx context.Context) (*VM, error) { panic("being written") }

// Call runs a function to its end and returns the JSON text of its result.
// The error is an *Error for everything JavaScript did. After an error whose
// Kind is not "" the VM must not be used again; Dirty says so.
func (vm *VM) Call(ctx context.Context, c Call, h Host) (result string, err error) {
	panic("being written")
}

// JSTime is how long JavaScript ran in the last Call, syscalls not counted.
func (vm *VM) JSTime() time.Duration { panic("being written") }

// Dirty reports whether the VM must be discarded (after an interrupt).
func (vm *VM) Dirty() bool { panic("being written") }

// Close frees the engine's memory. Always call it.
func (vm *VM) Close() { panic("being written") }
