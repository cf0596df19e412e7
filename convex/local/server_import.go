package local

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"strait/model/value"
)

// Snapshot import (convex-wire.md 11.3): a file comes in parts, is read once
// to say what it would change, and once more, when that was confirmed, to do
// it. Imports run one after the other.

const (
	importsTable  = "_snapshot_imports"
	importsNumber = 531
	maxImports    = 20 // remembered, as :list shows them
)

// States of an import.
const (
	importUploaded   = "uploaded"
	importWaiting    = "waiting_for_confirmation"
	importInProgress = "in_progress"
	importCompleted  = "completed"
	importFailed     = "failed"
)

// imports are those that a deployment was asked for, the newest last.
type imports struct {
	uploads uploads
	running sync.Mutex // held by the one that runs
	mu      sync.Mutex
	rows    []*importJob
}

// importJob is one row of _snapshot_imports; imports.mu guards what changes.
type importJob struct {
	id                       string
	created                  float64
	mode                     ImportMode
	format, component, table string
	file                     *scratch
	size                     int64
	source                   *importSource // read from file
	ctx                      context.Context
	cancel                   context.CancelFunc
	state, message           string // message: to confirm, progress, or why it failed
	ask                      bool   // something is deleted: a person must confirm
	checkpoints              []string
	changes                  []tableChange
	written                  int64
	ended                    uint64 // of a completed one
}

func (j *importJob) over() bool { return j.state == importCompleted || j.state == importFailed }

// stateValue is the state as queryImport tells it.
func (j *importJob) stateValue() value.Object {
	fields := []value.Field{{Name: "state", Value: j.state}}
	add := func(name string, v value.Value) { fields = append(fields, value.Field{Name: name, Value: v}) }
	switch j.state {
	case importWaiting:
		add("message_to_confirm", j.message)
		add("require_manual_confirmation", j.ask)
	case importInProgress:
		add("progress_message", j.message)
		said := value.Array{}
		for _, text := range j.checkpoints {
			said = append(said, text)
		}
		add("checkpoint_messages", said)
	case importCompleted:
		add("num_rows_written", j.written)
		add("timestamp", int64(j.ended))
	case importFailed:
		add("error_message", j.message)
	}
	return value.NewObject(fields...)
}

func (j *importJob) row() value.Object {
	format := value.NewObject(value.Field{Name: "format", Value: formatNames[j.format]})
	if j.table != "" {
		format = format.With("table", j.table)
	}
	checkpoints := value.Array{}
	for _, c := range j.changes {
		checkpoints = append(checkpoints, c.row())
	}
	return value.NewObject(
		value.Field{Name: "_id", Value: j.id}, value.Field{Name: "_creationTime", Value: j.created}, value.Field{Name: "state", Value: j.stateValue()},
		value.Field{Name: "format", Value: format}, value.Field{Name: "mode", Value: string(j.mode)},
		value.Field{Name: "component_path", Value: j.component}, value.Field{Name: "member_id", Value: nil},
		value.Field{Name: "requestor", Value: value.NewObject(value.Field{Name: "type", Value: "snapshotImport"})},
		value.Field{Name: "checkpoints", Value: checkpoints},
	)
}

// formatNames are the formats as rows name them.
var formatNames = map[string]string{"zip": "zip", "csv": "csv", "jsonLines": "jsonl", "jsonArray": "json_array"}

func (x *imports) find(id string) (*importJob, error) {
	for _, j := range x.rows {
		if j.id == id {
			return j, nil
		}
	}
	return nil, &httpError{http.StatusNotFound, "ImportNotFound", fmt.Sprintf("import %s not found", id)}
}

func (x *imports) close() {
	x.uploads.close()
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, j := range x.rows {
		j.file.close()
	}
	x.rows = nil
}

// oneImport is one import, or null.
func oneImport(c *systemCall) (any, error) {
	id, err := c.text("importId")
	if err != nil {
		return nil, err
	}
	c.reads.Add(ReadTable("", importsTable))
	x := &c.d.serving().imports
	x.mu.Lock()
	defer x.mu.Unlock()
	j, err := x.find(id)
	if err != nil {
		return nil, nil
	}
	return encoded{j.row()}, nil
}

// listImports are the last imports, the newest first.
func listImports(c *systemCall) (any, error) {
	c.reads.Add(ReadTable("", importsTable))
	x := &c.d.serving().imports
	x.mu.Lock()
	defer x.mu.Unlock()
	rows := []encoded{}
	for _, j := range slices.Backward(x.rows) {
		rows = append(rows, encoded{j.row()})
	}
	return rows, nil
}

func (d *Deployment) importRoutes(mux *http.ServeMux) {
	const op = "ImportBackups"
	mux.HandleFunc("POST /api/import/start_upload", d.permitted(op, d.startUpload))
	mux.HandleFunc("POST /api/import/upload_part", d.permitted(op, d.uploadPart))
	mux.HandleFunc("POST /api/import/finish_upload", d.permitted(op, d.finishUpload))
	mux.HandleFunc("POST /api/perform_import", d.permitted(op, d.performImport))
	mux.HandleFunc("POST /api/cancel_import", d.permitted(op, d.cancelImport))
}

// importArgs is what is to be done with an uploaded file.
type importArgs struct {
	TableName     *string    `json:"tableName"`
	ComponentPath *string    `json:"componentPath"`
	Mode          ImportMode `json:"mode"`
	Format        string     `json:"format"`
}

// job checks the arguments.
func (a *importArgs) job() (*importJob, error) {
	j := &importJob{mode: cmp.Or(a.Mode, RequireEmpty), format: a.Format, state: importUploaded}
	if a.ComponentPath != nil {
		j.component = *a.ComponentPath
	}
	if a.TableName != nil {
		j.table = *a.TableName
	}
	switch {
	case !slices.Contains([]ImportMode{RequireEmpty, Append, Replace, ReplaceAll}, j.mode):
		return nil, badRequest("BadJsonBody", "mode %q is none of requireEmpty, append, replace, replaceAll", j.mode)
	case formatNames[j.format] == "":
		return nil, badRequest("BadJsonBody", "format %q is none of csv, jsonLines, jsonArray, zip", j.format)
	case j.format == "zip" && j.table != "":
		return nil, badRequest("InvalidName", "ZIP import cannot have table name")
	case j.format != "zip" && j.table == "":
		return nil, badRequest("InvalidName", "%s import requires table name", strings.ToUpper(formatNames[j.format]))
	}
	if j.table != "" {
		if err := checkTableName(j.table); err != nil {
			return nil, badRequest("ImportInvalidName", "invalid table name %s: %v", j.table, err)
		}
	}
	if j.component != "" {
		for _, name := range strings.Split(j.component, "/") {
			if checkTableName(name) != nil {
				return nil, badRequest("InvalidComponentName", "component name '%s' invalid", name)
			}
		}
	}
	return j, nil
}

func (d *Deployment) finishUpload(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Import      importArgs `json:"import"`
		UploadToken string     `json:"uploadToken"`
		PartTokens  []string   `json:"partTokens"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	j, err := body.Import.job()
	if err != nil {
		return err
	}
	u, err := d.serving().imports.uploads.get(body.UploadToken, d.now(), true)
	if err != nil {
		return err
	}
	if j.file, j.size, err = u.finish(body.PartTokens); err != nil {
		return err
	}
	if err := d.addImport(j); err != nil {
		j.file.close()
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		ImportID string `json:"importId"`
	}{j.id})
	return nil
}

// addImport remembers an import and begins to read its file.
func (d *Deployment) addImport(j *importJob) error {
	f := d.serving()
	if !f.enter() {
		return errShuttingDown
	}
	now := d.now()
	j.id, j.created = systemID(importsNumber, now), float64(now.UnixMicro())/1000
	j.ctx, j.cancel = context.WithCancel(f.ctx)
	context.AfterFunc(j.ctx, j.file.close) // also ends the reading of lines without documents
	x := &f.imports
	x.mu.Lock()
	x.rows = append(x.rows, j)
	for i := 0; len(x.rows) > maxImports && i < len(x.rows)-1; {
		if x.rows[i].state == importInProgress {
			i++
			continue
		}
		x.rows[i].end(importFailed)
		x.rows = slices.Delete(x.rows, i, i+1)
	}
	x.mu.Unlock()
	d.tell(importsTable)
	go func() {
		defer f.conns.Done()
		d.readImport(j)
	}()
	return nil
}

// end is what the last state of an import brings with it; imports.mu is held.
func (j *importJob) end(state string) {
	j.state = state
	j.cancel()
	j.file.close() // whoever reads it stops
	j.source = nil
}

// updateImport changes an import that is in one of the states and tells who
// watches; it reports whether it was.
func (d *Deployment) updateImport(j *importJob, from string, change func()) bool {
	x := &d.serving().imports
	x.mu.Lock()
	is := j.state == from
	if is {
		change()
	}
	x.mu.Unlock()
	if is {
		d.tell(importsTable)
	}
	return is
}

func (d *Deployment) failImport(j *importJob, from string, err error) {
	d.updateImport(j, from, func() {
		j.end(importFailed)
		j.message = importFailure(err)
	})
}

// readImport reads the whole file and asks for confirmation of what it would
// change.
func (d *Deployment) readImport(j *importJob) {
	source, changes, err := d.surveyImport(j)
	if err != nil {
		d.failImport(j, importUploaded, err)
		return
	}
	d.updateImport(j, importUploaded, func() {
		j.state, j.source, j.changes = importWaiting, source, changes
		j.message = summary(changes, source.stored)
		j.ask = slices.ContainsFunc(changes, func(c tableChange) bool { return c.deleted > 0 })
	})
}

func (d *Deployment) performImport(w http.ResponseWriter, r *http.Request) error {
	f := d.serving()
	j, err := d.namedImport(r)
	if err != nil {
		return err
	}
	if !f.enter() {
		return errShuttingDown
	}
	var source *importSource
	if !d.updateImport(j, importWaiting, func() { j.state, j.message, source = importInProgress, "Importing", j.source }) {
		defer f.conns.Done()
		f.imports.mu.Lock()
		was := j.state
		f.imports.mu.Unlock()
		return badRequest("InvalidImportState", "Import %s is %s: only one that waits for confirmation can be performed", j.id, was)
	}
	go func() {
		defer f.conns.Done()
		f.imports.running.Lock()
		defer f.imports.running.Unlock()
		if err := d.runImport(j, source); err != nil {
			d.failImport(j, importInProgress, err)
		}
	}()
	w.WriteHeader(http.StatusOK)
	return nil
}

// namedImport is the import that a request's body names.
func (d *Deployment) namedImport(r *http.Request) (*importJob, error) {
	var body struct {
		ImportID string `json:"importId"`
	}
	if err := readJSON(r, &body); err != nil {
		return nil, err
	}
	if _, err := value.ParseID(body.ImportID); err != nil {
		return nil, badRequest("InvalidImport", "invalid import id %s", body.ImportID)
	}
	x := &d.serving().imports
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.find(body.ImportID)
}

func (d *Deployment) cancelImport(w http.ResponseWriter, r *http.Request) error {
	j, err := d.namedImport(r)
	if err != nil {
		return err
	}
	x := &d.serving().imports
	x.mu.Lock()
	over, was := j.over(), j.state
	if !over {
		j.end(importFailed)
		j.message = importFailure(context.Canceled)
	}
	x.mu.Unlock()
	if over {
		return badRequest("InvalidImportState", "Import %s is %s: it cannot be canceled any more", j.id, was)
	}
	d.tell(importsTable)
	w.WriteHeader(http.StatusOK)
	return nil
}

// runImport does what was confirmed. The row says so in the commit that
// brings the documents.
func (d *Deployment) runImport(j *importJob, source *importSource) error {
	if err := j.ctx.Err(); err != nil {
		return err
	}
	p, err := planImport(d.latest.Load(), source, j.mode)
	if err != nil {
		return err
	}
	x := &d.serving().imports
	var written int64
	run := &importRun{
		d: d, ctx: j.ctx, plan: p, also: []tableRef{{"", importsTable}},
		say: func(text string) { d.updateImport(j, importInProgress, func() { j.message = text }) },
		imported: func(t tableRef, rows int64) {
			written += rows
			d.updateImport(j, importInProgress, func() {
				j.checkpoints = append(j.checkpoints, fmt.Sprintf("Imported %s (%s documents)", t.title(), separated(rows)))
				for i := range j.changes {
					if j.changes[i].tableRef == t {
						j.changes[i].written = rows
					}
				}
			})
		},
		decide: func() error {
			x.mu.Lock()
			defer x.mu.Unlock()
			if j.state != importInProgress {
				return context.Canceled
			}
			j.end(importCompleted)
			j.written, j.ended = written, d.nextTimestamp()
			return nil
		},
	}
	_, err = run.run()
	return err
}

// tableChange is what an import would do to one table.
type tableChange struct {
	tableRef
	added, deleted, existing int64
	withoutIDs               bool
	written                  int64
}

func (c *tableChange) row() value.Object {
	return value.NewObject(
		value.Field{Name: "component_path", Value: c.component}, value.Field{Name: "display_table_name", Value: c.table},
		value.Field{Name: "existing_rows_in_table", Value: c.existing}, value.Field{Name: "existing_rows_to_delete", Value: c.deleted},
		value.Field{Name: "is_missing_id_field", Value: c.withoutIDs}, value.Field{Name: "num_rows_written", Value: c.written},
		value.Field{Name: "tablet_id", Value: nil}, value.Field{Name: "total_num_rows_to_write", Value: c.added},
	)
}

// surveyImport opens the file, reads all of it and compares it with the data.
func (d *Deployment) surveyImport(j *importJob) (*importSource, []tableChange, error) {
	snap := d.latest.Load()
	source, err := openSource(j.file, j.size, j.format, j.component, j.table, schemaIn(snap, j.component).active)
	if err != nil {
		return nil, nil, err
	}
	byRef := map[tableRef]tableChange{}
	for i := range source.tables {
		t := &source.tables[i]
		c := tableChange{tableRef: t.ref()}
		for doc, err := range t.documents {
			if err != nil {
				return nil, nil, err
			}
			if c.added++; c.added%1024 == 0 && j.ctx.Err() != nil {
				return nil, nil, j.ctx.Err()
			}
			if _, ok := doc.Get("_id"); !ok {
				c.withoutIDs = true
			}
		}
		byRef[c.tableRef] = c
	}
	if _, err := planImport(snap, source, j.mode); err != nil {
		return nil, nil, err
	}
	for _, s := range snap.spaces {
		for _, t := range s.userTables() {
			at := tableRef{s.path, t.name}
			c, comes := byRef[at]
			if !comes && j.mode != ReplaceAll {
				continue
			}
			c.tableRef, c.existing = at, int64(t.byID.Len())
			if j.mode == Replace || j.mode == ReplaceAll {
				c.deleted = c.existing
			}
			byRef[at] = c
		}
	}
	changes := slices.SortedFunc(maps.Values(byRef), func(a, b tableChange) int {
		return cmp.Or(cmp.Compare(a.component, b.component), cmp.Compare(a.table, b.table))
	})
	return source, changes, nil
}

// summary is what the CLI shows before it asks, in Convex's form.
func summary(changes []tableChange, stored int) string {
	var lines []string
	if len(changes) > 0 {
		lines = append(lines, "Import change summary:")
	}
	for from := 0; from < len(changes); {
		to := from
		for to < len(changes) && changes[to].component == changes[from].component {
			to++
		}
		if changes[from].component != "" {
			lines = append(lines, "Component "+changes[from].component)
		}
		lines = append(lines, changeTable(changes[from:to])...)
		from = to
	}
	if stored > 0 {
		lines = append(lines, fmt.Sprintf("%s stored files are left out: the embedded deployment keeps no files.", separated(stored)))
	}
	return strings.Join(append(lines, "Once the import has started, it will run in the background.\nInterrupting `npx convex import` will not cancel it."), "\n")
}

func changeTable(changes []tableChange) []string {
	rows := [][3]string{{"table", "create", "delete"}}
	for _, c := range changes {
		rows = append(rows, [3]string{c.table, separated(c.added), separated(c.deleted) + " of " + separated(c.existing)})
	}
	var width [3]int
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], len(cell))
		}
	}
	var lines []string
	for i, r := range rows {
		lines = append(lines, fmt.Sprintf("%-*s | %-*s | %-*s |", width[0], r[0], width[1], r[1], width[2], r[2]))
		if i == 0 {
			lines = append(lines, strings.Repeat("-", width[0]+width[1]+width[2]+8))
		}
	}
	return lines
}
