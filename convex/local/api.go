// Package local is the embedded deployment: a small, real Convex deployment in
// Go for rehearsal, demos and tests. Real data lives in real deployments.
//
// The core (store, transactions, syscalls, scheduler, schema enforcement)
// knows nothing of HTTP; the server in front of it (server*.go, system*.go)
// reaches the core only through what this file declares.
//
// What a rehearsal shows as a real deployment would, in Convex's words:
//   - transactions with subtransactions, that conflict and run again;
//   - the limits of one transaction (convex-wire.md 9.1): documents, bytes and
//     index ranges read, documents and bytes written, functions scheduled and
//     their arguments, sizes of arguments and results, depth of calls, and the
//     warnings at four fifths of them; the limits on values and documents;
//   - the schema: its own rules, checked against stored documents by a push and
//     against new ones by every write, with arguments and results of functions;
//   - what the official CLI deploys: code and components as it bundles them, its
//     schemas checked live, dry runs, two pushes at once (server_deploy*.go);
//   - indexes, pages and their cursors, components, function handles,
//     scheduled functions and their cancellation, live queries, the function log.
//
// What it does not show:
//   - Time. JavaScript runs in an interpreter, and its limit of 1 s is stretched
//     (engineFactor), more on a busy machine: code near the limit may pass here
//     and fail there. The 15 s for system calls are not counted at all, and how
//     long something takes here tells nothing about a real deployment.
//   - Load. The 4 MiB per second that a deployment may commit are not enforced,
//     nor any other limit on rates or concurrency: a migration that runs through
//     here may meet "Too many writes per second" there, and is then run again.
//   - Memory, to the byte: 64 MiB are counted beyond what the program takes.
//   - Indexes in the making: a push builds all of them before it ends.
//   - The order of search results (search.go says how they are found).
//   - Crons, HTTP actions, files that begin with "use node", file storage,
//     fetch and users' tokens: each says so where it is asked for, except that
//     crons never run; functions of "use node" files are there only when
//     the official CLI pushed them, and say so when they are called.
//   - Rows that a failed import appended to a table: there they stay, here
//     nothing does. Stored files are in no export, and no import takes any.
//   - Durability: everything is in memory and gone with Close.
package local

import (
	"encoding/json"
	"time"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// Options of New.
type Options struct {
	Name     string           // deployment name, "/instance_name"; default "embedded"
	AdminKey string           // "name|token"; random when empty
	Now      func() time.Time // default time.Now
	Seed     uint64           // of ids and function seeds; 0: random
	Limits   *Limits          // default: Convex's numbers
}

// Limits are the transaction limits of convex-wire.md 9.1; zero stands for
// Convex's number.
type Limits struct {
	DocumentsRead, BytesRead, IndexRanges  int
	DocumentsWritten, BytesWritten         int
	FunctionsScheduled, ScheduledArgsBytes int
	ArgsBytes, ResultBytes                 int
	FunctionTime                           time.Duration // JavaScript of a query or mutation
	ActionTime                             time.Duration
	CallDepth                              int
}

// Request is one call of a function from outside.
type Request struct {
	Component string             // component path, "" root
	Path      string             // "dir/mod:export"
	Args      string             // JSON text of the args object, convex_encoded_json
	Type      jsrun.FunctionType // "" any, as /api/function does
	Admin     bool               // internal functions and other components may be reached
	Identity  json.RawMessage    // what ctx.auth.getUserIdentity answers; nil none
	Caller    string             // SyncWorker HttpApi Tester Scheduler Action (5.2)
	RequestID string             // chosen when empty
	At        uint64             // query: run at this timestamp; 0 the newest
	// Program takes the place of the component's code: run_test_function. The
	// function must be a query, its transaction is discarded.
	Program *jsrun.Program
	// Function describes the function in Program.
	Function *jsrun.Function
	// Journal is the Response.Journal of the first execution of a live query,
	// so that its page keeps its end.
	Journal string
	// Parent is the execution id of the action that calls.
	Parent string
	// Seed is of Math.random; 0: another one each time.
	Seed uint64
}

// Response is the outcome of a Request.
type Response struct {
	Value     string            // JSON text, convex_encoded_json; valid when Err is nil
	Err       *FunctionError    // why it failed, as a client sees it
	Log       []FunctionLogLine // lines of nested calls included
	Timestamp uint64            // commit's for a mutation, snapshot's for a query; nanoseconds
	Reads     *ReadSet          // of a query: what its result rests on
	Journal   string            // of a query that paginates; give it back when it runs again
	Type      jsrun.FunctionType
	RequestID string
	JSTime    time.Duration // JavaScript, syscalls not counted
	Took      time.Duration
	Usage     Usage
}

// Usage is what a transaction used of its limits.
type Usage struct {
	DocumentsRead, BytesRead, IndexRanges int
	DocumentsWritten, BytesWritten        int
	FunctionsScheduled                    int
}

// FunctionError is a failed function as a client sees it.
type FunctionError struct {
	Message string          // "Uncaught Error: boom\n    at …", without the request id line
	Data    json.RawMessage // a ConvexError's data, convex_encoded_json; nil without
	Code    string          // Convex's short name when it has one: SchemaEnforcementError, TooManyReads …
	// Frames is where it was thrown, or where a function that was stopped stood,
	// innermost first; nil where no code of the function's own is to blame.
	Frames []jsrun.Frame
}

func (e *FunctionError) Error() string { return e.Message }

// FunctionLogLine is one console line of a function or of one that it called.
type FunctionLogLine struct {
	jsrun.LogLine
	Component string // of a nested function
	UDFPath   string // "migrations.js:addField" of a nested function; "" the function itself
}

// Push is what to deploy.
type Push struct {
	App *jsrun.App
	// Schema takes the place of the root component's schema when not nil (the
	// widened one, say).
	Schema *schema.Schema
}

// PushError says why a push was refused, in Convex's words (convex-wire.md 9.2, 10.4).
type PushError struct {
	Component, Table string
	Document         string // id of the document that does not fit; "" none
	Message          string
}

func (e *PushError) Error() string { return e.Message }

// Document is one stored document.
type Document struct {
	ID   string
	JSON string // convex_encoded_json, fields sorted, _id and _creationTime included
}

// TableInfo is one user table.
type TableInfo struct {
	Name   string
	Number uint32
	Count  int64
	Bytes  int64
}

// SchemaState is the schema of one component, as getSchemas tells it.
type SchemaState struct {
	Active     *schema.Schema // nil: never pushed one
	InProgress *schema.Schema
	Validated  int64 // documents checked of the pending schema
	Total      int64
}
