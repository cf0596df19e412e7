package local

import (
	"context"
	"encoding/json"
	"iter"
	"time"

	"strait/convex/jsrun"
	"strait/model/schema"
	"strait/model/value"
)

// This file holds the signatures that the server builds against while the
// bodies are being written; it disappears piece by piece.

// ReadSet is what a query's result rests on: index ranges, tables, schemas.
// A nil ReadSet rests on nothing.
type ReadSet struct{}

// ReadTable is the ReadSet of something that depends on a whole table.
func ReadTable(component, table string) *ReadSet { panic("being written") }

// ReadSchema is the ReadSet of something that depends on the schema, the
// tables' names and the validation progress of a component.
func ReadSchema(component string) *ReadSet { panic("being written") }

// Add makes r rest on what other rests on as well.
func (r *ReadSet) Add(other *ReadSet) { panic("being written") }

// Deployment is one embedded deployment.
type Deployment struct{}

// New starts an empty deployment; Close ends it.
func New(Options) *Deployment { panic("being written") }

// Close ends the scheduler, every waiter and every engine.
func (d *Deployment) Close() error { panic("being written") }

// Name is the deployment's name, "/instance_name".
func (d *Deployment) Name() string { panic("being written") }

// AdminKey is "name|token".
func (d *Deployment) AdminKey() string { panic("being written") }

// App is the code deployed last; nil before the first push.
func (d *Deployment) App() *jsrun.App { panic("being written") }

// Push deploys code and schemas; *PushError when documents do not fit.
func (d *Deployment) Push(context.Context, Push) error { panic("being written") }

// PushSchema deploys a schema of the root component and leaves the code.
func (d *Deployment) PushSchema(context.Context, *schema.Schema) error { panic("being written") }

// Run runs a function: queries, mutations (retried on conflicts) and actions.
func (d *Deployment) Run(context.Context, Request) Response { panic("being written") }

// Insert loads documents from the host: it keeps given _id and _creationTime
// and creates the table. It does not enforce the schema.
func (d *Deployment) Insert(ctx context.Context, component, table string, docs []value.Object) ([]string, error) {
	panic("being written")
}

// DefineTable creates an empty table with a number of the caller's choice
// (0: the next free one), for imports, so that ids survive.
func (d *Deployment) DefineTable(component, table string, number uint32) error {
	panic("being written")
}

// DeleteTable removes a table with its documents.
func (d *Deployment) DeleteTable(component, table string) error { panic("being written") }

// Update runs fn in a transaction of the host with schema enforcement,
// retried on conflicts, and answers the commit's timestamp. It serves the
// dashboard's mutations (patchDocumentsFields and the like).
func (d *Deployment) Update(ctx context.Context, component string, fn func(*Writer) error) (uint64, error) {
	panic("being written")
}

// Writer writes documents in a transaction of Update.
type Writer struct{}

// Insert adds a document without system fields and returns its id.
func (w *Writer) Insert(table string, doc value.Object) (string, error) { panic("being written") }

// Get reads a document as the transaction sees it.
func (w *Writer) Get(id string) (value.Object, bool) { panic("being written") }

// Patch merges fields into a document; Undefined removes one.
func (w *Writer) Patch(id string, fields value.Object) error { panic("being written") }

// Replace replaces all but the system fields.
func (w *Writer) Replace(id string, doc value.Object) error { panic("being written") }

// Delete removes a document.
func (w *Writer) Delete(id string) error { panic("being written") }

// CancelJob cancels a scheduled function; finished ones stay as they are.
func (d *Deployment) CancelJob(component, id string) error { panic("being written") }

// ScheduledJob is a scheduled function that has not finished.
type ScheduledJob struct {
	ID           string
	CreationTime float64
	Component    string // where the function runs
	Path         string // "lib:migrate"
	Args         string // JSON text of [<enc object>]
	At           time.Time
	State        string // pending, inProgress
}

// View returns a consistent read-only copy, O(1).
func (d *Deployment) View() *View { panic("being written") }

// Wait waits for a commit newer than after and returns the newest timestamp.
func (d *Deployment) Wait(ctx context.Context, after uint64) (uint64, error) {
	panic("being written")
}

// Changed reports whether a commit after since touched what reads rests on.
func (d *Deployment) Changed(reads *ReadSet, since uint64) bool { panic("being written") }

// SchemaState is the schema of a component, with validation progress.
func (d *Deployment) SchemaState(component string) SchemaState { panic("being written") }

// Pause stops functions from running, or lets them run again.
func (d *Deployment) Pause(bool) { panic("being written") }

// Paused reports whether functions are stopped.
func (d *Deployment) Paused() bool { panic("being written") }

// View is a consistent read-only copy of a deployment's data.
type View struct{}

// Timestamp is the commit that the view shows.
func (v *View) Timestamp() uint64 { panic("being written") }

// Tables lists the user tables of a component by name.
func (v *View) Tables(component string) []TableInfo { panic("being written") }

// Scan yields a table's documents by creation time, after the document with
// id from ("" from the start); a virtual system table may be named.
func (v *View) Scan(component, table, from string, desc bool) iter.Seq[Document] {
	panic("being written")
}

// Get finds a document by id.
func (v *View) Get(component, id string) (Document, bool) { panic("being written") }

// IDs tells tables by their number, system tables included.
func (v *View) IDs(component string) schema.Tables { panic("being written") }

// Indexes lists the indexes of a table, built-in ones left out.
func (v *View) Indexes(component, table string) []IndexInfo { panic("being written") }

// Schema is the active schema at the view's time; nil without one.
func (v *View) Schema(component string) *schema.Schema { panic("being written") }

// Jobs lists the scheduled functions of a component that have not finished,
// by time.
func (v *View) Jobs(component string) []ScheduledJob { panic("being written") }

// IndexInfo is one index of a table. Building in the embedded deployment is
// part of a push, so a listed index is complete.
type IndexInfo struct {
	schema.Index
}

// LogEntry is one Completion or Progress of the function log (convex-wire.md 5.2).
type LogEntry struct {
	Cursor            float64 // strictly increasing milliseconds
	Kind              string  // Completion, Progress
	Component         string  // path; "" root
	Identifier        string  // "lib:migrate"
	Type              jsrun.FunctionType
	Lines             []FunctionLogLine
	Started           time.Time
	Timestamp         time.Time
	Took, JSTime      time.Duration
	Error             string // whole text; "" succeeded
	RequestID         string
	ExecutionID       string
	ParentExecutionID string
	Caller            string
	Admin             bool
	Usage             Usage
	ReturnBytes       int
	OCC               *OCCInfo
	WillRetry         bool
}

// OCCInfo says on what a mutation conflicted.
type OCCInfo struct {
	Table, Document, WriteSource, Component string
	Retry                                   int
}

// Log returns the entries after cursor; without any it waits for the next
// until ctx ends.
func (d *Deployment) Log(ctx context.Context, after float64) ([]LogEntry, error) {
	panic("being written")
}

// GenerateOptions say what to generate.
type GenerateOptions struct {
	Component string
	Schema    *schema.Schema // the shape of the documents, often the old one
	Counts    map[string]int // documents a table
	Seed      uint64
	Dangling  float64 // share of ids that point to no document; 0 none
}

// Generate fills tables with realistic documents, the same for the same seed.
func (d *Deployment) Generate(context.Context, GenerateOptions) error { panic("being written") }

var _ = json.RawMessage(nil)
