package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"strait/convex/census"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

// migrate runs every pending migration on the copy, one after the other.
func (r *rehearsal) migrate(ctx context.Context) error {
	names := r.pending()
	code, err := r.p.Code(ctx)
	if err != nil {
		return err
	}
	order, doubts := plan.RunOrder(plan.Input{Target: r.p.Schema, Definitions: Definitions(r.p.Migrations), Code: code}, names)
	for _, d := range doubts {
		r.note("order: %s", d)
	}
	// Scheduled functions wait while batches run, so that nothing comes between.
	r.d.Hold(true)
	for _, name := range order {
		i := slices.IndexFunc(r.p.Migrations, func(m project.Migration) bool { return m.Name == name && !m.Runner })
		c := &course{r: r, m: r.p.Migrations[i]}
		run, err := c.passage(ctx)
		r.report.Migrations = append(r.report.Migrations, run)
		if err != nil {
			return err
		}
	}
	if len(order) > 0 {
		r.note("the 1 s of JavaScript that Convex gives a transaction is not in the headroom: how long the embedded interpreter takes tells nothing of it")
	}
	return nil
}

// pending are the migrations that are still to run on the copy; the others are
// reported as skipped.
func (r *rehearsal) pending() []string {
	var out []string
	begun := r.begun
	made := r.o.Export == "" && r.o.Sample <= 0 && r.o.Generate > 0
	for _, m := range r.p.Migrations {
		if m.Runner || slices.Contains(out, m.Name) {
			continue
		}
		p := r.from.progress[m.Name]
		done, known := r.kept[m.Name]
		switch {
		case made:
		case known && done:
			r.report.Skipped = append(r.report.Skipped, plan.Skipped{Name: m.Name, Why: "the export's migrations component says that it is done"})
			continue
		case !known && p.Done:
			r.report.Skipped = append(r.report.Skipped, plan.Skipped{Name: m.Name, Why: r.from.env + " says that it is done"})
			continue
		case !known && p.Processed > 0:
			begun = append(begun, m.Name)
		}
		out = append(out, m.Name)
	}
	if len(begun) > 0 {
		r.note("half done there, yet begun anew on the copy, since a cursor is bound to its deployment: %s", strings.Join(begun, ", "))
	}
	return out
}

// census counts the documents of the copy that do not fit the target.
func (r *rehearsal) census(ctx context.Context) error {
	view := r.d.View()
	o := census.Options{Target: r.p.Schema, Counts: map[string]int64{}, Now: r.now}
	var total int64
	for _, t := range view.Tables("") {
		o.Counts[t.Name] = t.Count
		if r.p.Schema.Table(t.Name) != nil {
			total += t.Count
		}
	}
	r.at("census", "", 0, total)
	o.Progress = func(p census.Progress) { r.at("census", "", p.Read, total) }
	found, err := census.Held(ctx, func(table string) iter.Seq2[value.Object, error] { return documentsOf(view, "", table) }, view.IDs(""), o)
	if err != nil {
		return err
	}
	found.Deployment = r.report.Source
	r.report.Census = found
	if !r.p.Schema.Validation && found.Offenders > 0 {
		r.note("the target has schemaValidation switched off: narrow is accepted whatever the documents hold")
	}
	return nil
}

// documentsOf decodes a table of a view.
func documentsOf(view *local.View, component, table string) iter.Seq2[value.Object, error] {
	return func(yield func(value.Object, error) bool) {
		for d := range view.Scan(component, table, "", false) {
			v, err := value.Decode([]byte(d.JSON))
			doc, _ := v.(value.Object)
			if !yield(doc, err) || err != nil {
				return
			}
		}
	}
}

// course is one migration on the copy.
type course struct {
	r       *rehearsal
	m       project.Migration
	run     plan.RehearsedRun
	measure plan.Measure
	before  *local.View
	sizes   []int32 // of its documents, in their order; nil unknown
	place   int     // in sizes
	total   int64   // documents that it will take in hand, as far as that is known; -1
	driver  batcher

	size    int   // of the next batch; 0 the definition's
	single  int64 // documents still to be done in small batches, after failures in one batch
	retries int   // of this batch
	aside   []setAside
	endless int // documents that ran into the time limit by themselves
	done    bool
}

// setAside is a document that waits outside of its table.
type setAside struct {
	table string
	doc   value.Object
}

// tries is how many documents of a batch are set aside before the rest of it
// is gone through document by document.
const tries = 3

// passage runs the migration to its end. An error is of the copy, or of ctx.
func (c *course) passage(ctx context.Context) (plan.RehearsedRun, error) {
	r, began := c.r, c.r.now()
	c.before = r.d.View()
	c.run = plan.RehearsedRun{Name: c.m.Name, Table: c.m.Table, Component: c.m.Owner, Driver: string(c.m.Driver), State: "success", Headroom: []plan.Headroom{}}
	c.total = -1
	if c.m.Table != "" {
		for _, t := range c.before.Tables(c.m.Owner) {
			if t.Name == c.m.Table {
				c.total = t.Count
			}
		}
		c.total = max(c.total, 0)
		if !c.m.CustomRange && (c.m.Driver == project.ComponentDriver || c.m.Driver == project.HelpersDriver) {
			c.sizes = c.before.Sizes(c.m.Owner, c.m.Table)
		}
	}
	r.at("migrating", c.m.Name, 0, c.total)
	err := c.batches(ctx)
	if err == nil {
		err = c.putBack(ctx)
	}
	if err == nil {
		err = c.settle(ctx)
	}
	c.compare()
	c.reckon()
	c.run.Took = r.now().Sub(began)
	if err != nil && ctx.Err() != nil {
		c.run.State = "canceled"
	}
	return c.run, err
}

// batches makes batch after batch.
func (c *course) batches(ctx context.Context) error {
	var err error
	if c.driver, err = c.drive(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.run.State, c.run.Notes = "failed", append(c.run.Notes, "it did not run: "+err.Error())
		return nil
	}
	for !c.done {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		b := c.driver.next(ctx, c.size)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if b.failed != "" {
			if err := c.failedOn(ctx, b); err != nil {
				return err
			}
			continue
		}
		if err := c.took(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// took takes a batch that was committed.
func (c *course) took(ctx context.Context, b batch) error {
	var bytes int64
	for end := min(len(c.sizes), c.place+int(b.documents)); c.place < end; c.place++ {
		bytes += int64(c.sizes[c.place])
	}
	c.run.Documents += b.documents
	c.measure.Add(plan.Batch{Documents: b.documents, Load: b.load, Next: b.next}, bytes)
	c.retries = 0
	c.done = b.done
	// Until as many are through as a batch holds, those that were set aside may
	// lie ahead.
	if c.single > 0 {
		if c.single -= max(1, b.documents); c.single <= 0 {
			c.single, c.size = 0, 0
		}
	}
	if c.single == 0 {
		if err := c.putBack(ctx); err != nil {
			return err
		}
	}
	c.r.at("migrating", c.m.Name, c.run.Documents+c.run.Failed, c.total)
	return nil
}

// failedOn goes past what a batch failed on: the document that it names is set
// aside until the batch is through; a batch that breaks a limit is tried with
// fewer documents.
func (c *course) failedOn(ctx context.Context, b batch) error {
	c.run.State = "failed"
	id := failedIn(b.lines, b.failed)
	if id == "" && c.size == 1 {
		id = c.driver.ahead()
	}
	limit := overLimit(b.failed)
	small := c.size == 1 || !c.driver.sized()
	switch {
	case limit && !small:
		if c.single == 0 {
			c.keep(plan.RehearsedFailure{Text: b.failed}, nil)
			c.single = int64(c.inForce())
		}
		c.size = max(1, cmp.Or(c.size, c.inForce())/2)
		if timedOut(b.failed) { // each further try may take as long
			c.size = 1
		}
		return nil
	case id != "":
		table, doc, found, err := c.find(id)
		if err != nil {
			return err
		}
		if found {
			if timedOut(b.failed) {
				c.endless++
			}
			err := c.setAside(ctx, b, id, table, doc)
			if c.endless == endlessDocuments {
				c.fail(fmt.Sprintf("it does not come to an end on %d documents, each tried by itself: %s; what comes after them was not tried", c.endless, b.failed))
			}
			return err
		}
	case !small && !strings.Contains(b.failed, "ArgumentValidationError"): // which document it is shows when they go one by one
		c.single, c.size = int64(c.inForce()), 1
		return nil
	}
	c.fail(b.failed)
	return nil
}

// inForce is the size of the batches when nothing is said.
func (c *course) inForce() int {
	return cmp.Or(c.m.BatchSize, defaultPage)
}

// fail ends the migration for a reason that no document can be blamed for.
func (c *course) fail(text string) {
	c.run.State, c.run.Error, c.done = "failed", text, true
}

// find finds a document of the copy that the migration may have failed on.
func (c *course) find(id string) (table string, doc value.Object, found bool, err error) {
	view := c.r.d.View()
	parsed, err := value.ParseID(id)
	if err != nil {
		return "", nil, false, nil
	}
	table, _ = view.IDs(c.m.Owner).TableName(parsed.Table)
	d, found := view.Get(c.m.Owner, id)
	if !found || c.m.Table != "" && table != c.m.Table {
		return "", nil, false, nil
	}
	v, err := value.Decode([]byte(d.JSON))
	doc, _ = v.(value.Object)
	return table, doc, true, err
}

// setAside takes a failing document out of its table, so that its batch can go
// on without it.
func (c *course) setAside(ctx context.Context, b batch, id, table string, doc value.Object) error {
	c.run.Failed++
	c.keep(plan.RehearsedFailure{Document: id, Text: b.failed}, doc)
	if _, err := c.r.d.Update(ctx, c.m.Owner, func(w *local.Writer) error { return w.Delete(id) }); err != nil {
		return fmt.Errorf("set document %s aside: %w", id, err)
	}
	c.aside = append(c.aside, setAside{table, doc})
	if c.retries++; c.retries > tries && c.single == 0 && c.driver.sized() {
		c.single, c.size = int64(c.inForce()), 1
	}
	return nil
}

// keep keeps a failure, as long as there is room.
func (c *course) keep(f plan.RehearsedFailure, doc value.Object) {
	if len(c.run.Failures) >= keptFailures {
		return
	}
	read := newFailure(f.Text)
	f.Summary, f.Frame, f.Body = read.Summary, read.Frame, doc
	c.run.Failures = append(c.run.Failures, f)
}

// putBack puts the documents that were set aside back where they were: the
// batch is past them, and the census has to find them.
func (c *course) putBack(ctx context.Context) error {
	for _, x := range c.aside {
		if _, err := c.r.d.Insert(ctx, c.m.Owner, x.table, []value.Object{x.doc}); err != nil {
			return fmt.Errorf("put a document back: %w", err)
		}
	}
	c.place = min(len(c.sizes), c.place+len(c.aside))
	c.aside = nil
	return nil
}

// overLimit reports whether a text is of a limit of the transaction, for which
// the document at hand is not to blame.
func overLimit(text string) bool {
	return slices.ContainsFunc([]string{
		"Too many documents read", "Too many bytes read", "Too many reads in", "Too many writes in", "Too many bytes written",
		"Too many functions scheduled", "Too large total size", outOfTime, "ran out of memory", "are too large (actual", "is too large (actual",
	}, func(words string) bool { return strings.Contains(text, words) })
}

const outOfTime = "Function execution timed out"

func timedOut(text string) bool { return strings.Contains(text, outOfTime) }

// settle lets run what the migration scheduled, which belongs to it.
func (c *course) settle(ctx context.Context) error {
	d := c.r.d
	if c.driver == nil {
		return nil
	}
	c.driver.end(ctx)
	due := func() (n, later int) {
		view := d.View()
		for _, component := range view.Components() {
			for _, j := range view.Jobs(component) {
				if j.At.After(c.r.now()) {
					later++
				} else {
					n++
				}
			}
		}
		return n, later
	}
	n, later := due()
	if n > 0 {
		c.r.at("running what it scheduled", c.m.Name, 0, int64(n))
		d.Hold(false)
		defer d.Hold(true)
		for left := c.r.chain + 4*n; n > 0; left-- {
			view := d.View()
			if n, later = due(); n == 0 {
				break
			}
			if left == 0 {
				d.Hold(true)
				return c.cutOff()
			}
			if _, err := d.Wait(ctx, view.Timestamp()); err != nil {
				return err
			}
		}
	}
	if later > 0 {
		c.run.Notes = append(c.run.Notes, fmt.Sprintf("it schedules %s functions for later, which the rehearsal does not wait for", thousands(int64(later))))
	}
	return nil
}

// cutOff ends what schedules itself anew without end.
func (c *course) cutOff() error {
	d, functions := c.r.d, map[string]bool{}
	view := d.View()
	for _, component := range view.Components() {
		for _, j := range view.Jobs(component) {
			functions[j.Path] = true
			if err := d.CancelJob(component, j.ID); err != nil {
				return fmt.Errorf("cancel %s: %w", j.Path, err)
			}
		}
	}
	c.run.Notes = append(c.run.Notes, fmt.Sprintf("what it schedules goes on scheduling: the rehearsal left it, with %s waiting",
		strings.Join(slices.Sorted(maps.Keys(functions)), ", ")))
	return nil
}

// compare counts what became of the documents.
func (c *course) compare() {
	for _, d := range c.r.d.View().Since(c.before) {
		switch {
		case c.r.keeps(d.Component):
		case d.Component == c.m.Owner && d.Table == c.m.Table:
			c.run.Changed, c.run.Deleted, c.run.Inserted = d.Changed, d.Deleted, d.Inserted
		default:
			c.run.Elsewhere = append(c.run.Elsewhere, plan.Written{Component: d.Component, Table: d.Table, Inserted: d.Inserted, Changed: d.Changed, Deleted: d.Deleted})
		}
	}
	if c.run.Documents < 0 {
		c.run.Documents = 0
	}
	c.run.Documents += c.run.Failed
	c.run.Unchanged = max(0, c.run.Documents-c.run.Changed-c.run.Deleted)
}

// batcher makes the batches of one migration by its driver.
type batcher interface {
	// next makes a batch of so many documents; 0 the definition's number.
	next(ctx context.Context, size int) batch
	// sized reports whether the size of its batches can be chosen.
	sized() bool
	// ahead is the document that comes next, as far as that is known; else "".
	ahead() string
	// end is called once, after the last batch.
	end(ctx context.Context)
}

// batch is what became of one.
type batch struct {
	documents int64
	load      plan.Load
	done      bool
	next      bool   // it scheduled the next one
	failed    string // why it failed; "" it did not
	lines     []string
}

// call runs a function of the copy as its owner.
func (c *course) call(ctx context.Context, component, path string, args value.Object) (value.Value, batch) {
	res := c.r.d.Run(ctx, local.Request{Component: component, Path: path, Args: string(value.Append(nil, args)), Admin: true, Caller: "HttpApi"})
	b := batch{load: loadOf(res.Usage)}
	for _, l := range res.Log {
		b.lines = append(b.lines, strings.Join(l.Messages, " "))
	}
	if res.Err != nil {
		b.failed = res.Err.Message
		return nil, b
	}
	v, err := value.Decode(json.RawMessage(res.Value))
	if err != nil {
		b.failed = err.Error()
	}
	return v, b
}

func loadOf(u local.Usage) plan.Load {
	return plan.Load{int64(u.DocumentsRead), int64(u.BytesRead), int64(u.IndexRanges), int64(u.DocumentsWritten), int64(u.BytesWritten), int64(u.FunctionsScheduled)}
}
