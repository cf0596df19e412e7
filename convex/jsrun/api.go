// Package jsrun bundles TypeScript with esbuild and runs it in the embedded
// JavaScript engine, sandboxed: no file, network or environment but what its
// caller hands in, a time and a memory limit, and errors with TypeScript
// positions.
//
// A Program is compiled once and never changes; any number of VMs can be
// opened on it. A VM serves one call at a time. The engine hides behind this
// package: nobody else imports it.
//
// How it is laid out:
//   - bundle.go, plugins.go, splice.go: from files to one script, each module of
//     which is evaluated on its own, when it is first asked for. faults.go: what
//     does not bundle is reported and throws where it stands; nothing is stubbed.
//   - runtime/*.js: the JavaScript under every program: the globals that Convex
//     offers, one call's state, and what analysis records. prelude/: stands in
//     for npm packages that a project has not installed.
//   - vm.go, run.go, host.go, rejections.go: one VM, one call, its limits.
//   - pushed*.go: the same for what the official CLI has bundled and pushed.
//   - analyze.go, records.go: what a program's modules export and define.
//   - sourcemap.go, stack.go, wording.go: errors in source positions and in the
//     words of Convex's engine.
package jsrun

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"strait/model/schema"
)

// Problem is something wrong with a project that a person can mend.
type Problem struct {
	File    string `json:"file"` // relative to the project's root
	Line    int    `json:"line"` // 1-based; 0 unknown
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what would help
	Import  string `json:"import,omitempty"`
	Warning bool   `json:"warning,omitempty"` // the module still loaded
}

func (p Problem) Error() string {
	where := p.File
	if p.Line > 0 {
		where = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return strings.TrimPrefix(where+": "+p.Message, ": ")
}

// App is a project's code as a deployment runs it: the root component first,
// then its children, each after its parent.
type App struct {
	Components []*Component
}

// Component is one component of an app; Path "" is the root.
type Component struct {
	Path      string // names joined by "/"
	Name      string // last name of Path
	Program   *Program
	Schema    *schema.Schema    // nil without a schema
	Functions []Function        // sorted by path
	Children  map[string]string // child's name -> its path
	Args      map[string]json.RawMessage
	Env       map[string]string // process.env inside
}

// FunctionType is the type of a Convex function, in Convex's words.
type FunctionType string

// The types of function.
const (
	Query      FunctionType = "Query"
	Mutation   FunctionType = "Mutation"
	Action     FunctionType = "Action"
	HTTPAction FunctionType = "HttpAction"
)

// Function is one registered function.
type Function struct {
	Module string // "dir/mod", without extension
	Export string // "default" for a default export
	Type   FunctionType
	Public bool
	Args   *schema.Validator // {"type":"any"} without one
	Return *schema.Validator // nil without one
	File   string            // relative to the project's root
	Line   int               // 1-based; 0 unknown
	Node   bool              // of a "use node" file: known, and cannot run here
}

// Path is "dir/mod:export".
func (f Function) Path() string { return f.Module + ":" + f.Export }

// Component returns the component at path, or nil.
func (a *App) Component(path string) *Component {
	for _, c := range a.Components {
		if c.Path == path {
			return c
		}
	}
	return nil
}

// Function finds a function by "mod:export"; "mod" alone is its default export.
func (c *Component) Function(path string) (Function, bool) {
	if !strings.Contains(path, ":") {
		path += ":default"
	}
	path = strings.Replace(path, ".js:", ":", 1)
	for _, f := range c.Functions {
		if f.Path() == path {
			return f, true
		}
	}
	return Function{}, false
}

// Host answers the syscalls of convex-wire.md 12.3 and 12.4 and takes what
// the function logs. Its methods are called one at a time and only while
// VM.Call runs, from a goroutine of the VM; what they panic with goes on in the
// caller of VM.Call.
type Host interface {
	// Syscall answers Convex.syscall. args and the answer are JSON text.
	Syscall(op, args string) (string, error)
	// AsyncSyscall answers Convex.asyncSyscall. It may block; the promise is
	// settled when it returns. A *SyscallError sets what JavaScript catches.
	// Calls arrive in the order in which JavaScript began them, whenever it has
	// nothing else left to do; those still waiting when the function returns
	// are never made, as on Convex, and a warning is logged.
	AsyncSyscall(ctx context.Context, op, args string) (string, error)
	// Log takes one console line.
	Log(LogLine)
}

// SyscallError rejects a syscall's promise: JavaScript sees an Error with
// Message, or a ConvexError when Data is not nil.
type SyscallError struct {
	Message string
	Data    json.RawMessage // convex_encoded_json of a ConvexError's data
	// Fatal ends the whole function at once, uncatchable (a transaction limit).
	Fatal bool
}

func (e *SyscallError) Error() string { return e.Message }

// LogLine is one console call.
type LogLine struct {
	Level    string   // DEBUG INFO LOG WARN ERROR
	Messages []string // object-inspect texts, one an argument (5.3)
	Time     time.Time
}

// Call is one invocation of a registered function.
type Call struct {
	Module, Export string
	Type           FunctionType
	Args           string    // JSON text of [<enc object>]
	Now            time.Time // what Date.now() says, frozen in queries and mutations
	Seed           uint64    // of Math.random and crypto
	// Timeout bounds the JavaScript time, syscalls not counted: 1 s for
	// queries and mutations on Convex. Time in which the machine did not let
	// the process run does not count, up to 20 times the limit.
	Timeout   time.Duration
	RequestID string // handed to actions
}

// Error is an exception that a function or a module threw.
type Error struct {
	Name    string          // "Error", "ConvexError", "TypeError" …
	Message string          // without name
	Data    json.RawMessage // a ConvexError's data as convex_encoded_json; else nil
	Frames  []Frame         // innermost first, mapped to sources
	// Kind tells failures of the run from those the code threw: "" thrown,
	// "timeout", "memory", "deadlock" (a promise that never settles), "stack".
	Kind string

	problem *Problem // of the bundle, when that is what was thrown
}

// Problem is the problem of the bundle that the error comes from: a package
// that is not installed, a file that does not parse; nil for other errors.
func (e *Error) Problem() *Problem { return e.problem }

// Frame is one stack frame, mapped to a source file.
type Frame struct {
	Function string
	File     string // as Convex prints it: "../convex/migrations.ts", "../node_modules/…"
	Line     int
	Column   int
}

// Error is the text Convex stores and sends (convex-wire.md 9.6):
// "Uncaught Error: boom\n    at handler (../convex/m.ts:3:9)\n".
func (e *Error) Error() string {
	var b strings.Builder
	if e.Name == "" { // the run failed, nothing was thrown
		b.WriteString(e.Message)
	} else {
		b.WriteString("Uncaught ")
		b.WriteString(e.Name)
		if e.Message != "" {
			b.WriteString(": ")
			b.WriteString(e.Message)
		}
	}
	for _, f := range e.Frames {
		fn := f.Function
		if fn == "" {
			fn = "<anonymous>"
		}
		fmt.Fprintf(&b, "\n    at %s (%s:%d:%d)", fn, f.File, f.Line, f.Column)
	}
	b.WriteString("\n")
	return b.String()
}
