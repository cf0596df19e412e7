package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// pendingSchema is a submitted schema while existing documents are checked
// against it (convex-wire.md 10.4).
type pendingSchema struct {
	component string
	target    *schema.Schema
	byName    map[string]*schema.Table // of target, when it is to be enforced
	validated atomic.Int64
	total     int64
	failed    *PushError // guarded by Deployment.mu
}

// maxRebuilds is how often indexes are built beside running writers before
// the writers are made to wait.
const maxRebuilds = 3

// errNoApp is what a push of nothing gets.
var errNoApp = errors.New("push: there is no app to push")

// Push deploys code and schemas: existing documents are checked while writers
// go on, indexes are built, and then all becomes active in one commit. A
// *PushError says which document does not fit; then nothing has changed.
func (d *Deployment) Push(ctx context.Context, p Push) error {
	if p.App == nil {
		return errNoApp
	}
	targets := map[string]*schema.Schema{}
	for _, c := range p.App.Components {
		targets[c.Path] = c.Schema
	}
	if p.Schema != nil {
		targets[""] = p.Schema
	}
	return d.push(ctx, p.App, targets)
}

// PushSchema deploys a schema of the root component and leaves the code.
func (d *Deployment) PushSchema(ctx context.Context, s *schema.Schema) error {
	return d.push(ctx, nil, map[string]*schema.Schema{"": s})
}

func (d *Deployment) push(ctx context.Context, app *jsrun.App, targets map[string]*schema.Schema) error {
	ctx, leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	d.pushing.Lock()
	defer d.pushing.Unlock()
	paths := slices.Sorted(maps.Keys(targets))
	for _, path := range paths {
		if err := checkDefinition(path, targets[path]); err != nil {
			return err
		}
	}
	d.submit(targets)
	err = d.validate(ctx, paths)
	if err == nil {
		err = d.activate(app, targets)
	}
	if err != nil {
		d.withdraw(paths)
		return err
	}
	if app != nil {
		d.pool.retain(app)
	}
	return nil
}

// submit makes the schemas pending, so that writes are checked from here on.
func (d *Deployment) submit(targets map[string]*schema.Schema) {
	d.mu.Lock()
	defer d.mu.Unlock()
	latest := d.latest.Load()
	touched := map[string]struct{}{}
	for path, s := range targets {
		if s == nil {
			continue
		}
		p := &pendingSchema{component: path, target: s, byName: newSchemaVersion(s).byName}
		if sp := latest.space(path); sp != nil {
			for _, t := range sp.toCheck(s) {
				p.total += int64(t.byID.Len())
			}
		}
		d.pending[path] = p
		touched[path] = struct{}{}
	}
	d.tellSchemas(touched)
}

// tellSchemas wakes who watches schemas or their progress; d.mu is held.
func (d *Deployment) tellSchemas(components map[string]struct{}) {
	latest := d.latest.Load()
	d.publish(&snapshot{code: latest.code, spaces: latest.spaces}, &commit{source: "push", schemas: components}, 0)
}

func (d *Deployment) withdraw(paths []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	touched := map[string]struct{}{}
	for _, path := range paths {
		delete(d.pending, path)
		touched[path] = struct{}{}
	}
	d.tellSchemas(touched)
}

// toCheck lists the tables of which documents may not fit the new schema: not
// those whose new validator accepts all that the enforced one accepts.
func (s *space) toCheck(target *schema.Schema) []*table {
	if !target.Validation {
		return nil
	}
	var out []*table
	for _, def := range target.Tables {
		t := s.table(def.Name)
		if t == nil || def.Document == nil || def.Document.Kind == schema.Any || t.byID.Len() == 0 {
			continue
		}
		if old := s.schema.byName[def.Name]; old != nil && old.Document != nil && s.sameTables(def.Document) {
			if ok, _, err := schema.Accepts(def.Document, old.Document); ok && err == nil {
				continue
			}
		}
		out = append(out, t)
	}
	return out
}

// sameTables reports whether every table that the validator's ids name is
// there; an id into a table that was deleted fails the check.
func (s *space) sameTables(v *schema.Validator) bool {
	if v == nil {
		return true
	}
	if v.Kind == schema.ID && s.table(v.Table) == nil {
		return false
	}
	for _, f := range v.Fields {
		if !s.sameTables(f.Type) {
			return false
		}
	}
	for _, m := range v.Members {
		if !s.sameTables(m) {
			return false
		}
	}
	return s.sameTables(v.Element) && s.sameTables(v.Key)
}

// validate checks the existing documents of a snapshot taken after submit;
// later writes are checked as they commit.
func (d *Deployment) validate(ctx context.Context, paths []string) error {
	snap := d.latest.Load()
	for _, path := range paths {
		d.mu.Lock()
		p := d.pending[path]
		d.mu.Unlock()
		sp := snap.space(path)
		if p == nil || sp == nil {
			continue
		}
		for _, t := range sp.toCheck(p.target) {
			if err := d.validateTable(ctx, p, sp, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Deployment) validateTable(ctx context.Context, p *pendingSchema, sp *space, t *table) error {
	def := p.byName[t.name]
	every := max(min(500, p.total/20), 1)
	var failed error
	t.byTime.Scan(func(doc *document) bool {
		o, err := decodeDocument(doc)
		if err != nil {
			failed = fmt.Errorf("check document %s: %w", t.idOf(doc), err)
			return false
		}
		if fields := withoutSystem(o); !def.Document.Fits(fields, sp) {
			if bad := def.CheckDocument(fields, sp); len(bad) > 0 {
				failed = &PushError{
					Component: p.component, Table: t.name, Document: t.idOf(doc),
					Message: fmt.Sprintf("Document with ID %q in table %q does not match the schema: %s", t.idOf(doc), t.name, bad[0].Message),
				}
				return false
			}
		}
		if n := p.validated.Add(1); n%every == 0 {
			if failed = ctx.Err(); failed != nil {
				return false
			}
			d.mu.Lock()
			d.tellSchemas(map[string]struct{}{p.component: {}})
			d.mu.Unlock()
		}
		return true
	})
	return failed
}

// checkPending checks what a commit writes against pending schemas: a write
// that does not fit is allowed and fails the push. d.mu is held.
func (d *Deployment) checkPending(tx *transaction, next *snapshot, c *commit) {
	if len(d.pending) == 0 {
		return
	}
	for _, w := range tx.writes {
		p := d.pending[w.ref.component]
		if w.new == nil || p == nil || p.failed != nil {
			continue
		}
		def := p.byName[w.ref.table]
		if def == nil || def.Document == nil {
			continue
		}
		sp := next.spaces[w.ref.component]
		doc, err := decodeDocument(w.new)
		if err != nil || def.Document.Fits(withoutSystem(doc), sp) {
			continue
		}
		if bad := def.CheckDocument(withoutSystem(doc), sp); len(bad) > 0 {
			p.failed = &PushError{
				Component: p.component, Table: w.ref.table, Document: sp.table(w.ref.table).idOf(w.new),
				Message: fmt.Sprintf("New document in table %q does not match the schema: %s", w.ref.table, bad[0].Message),
			}
			c.schemas[p.component] = struct{}{}
		}
	}
}

// activate makes tables and indexes and puts schemas and code in force.
func (d *Deployment) activate(app *jsrun.App, targets map[string]*schema.Schema) error {
	for n := 0; ; n++ {
		base := d.latest.Load()
		next, err := d.prepare(base, app, targets)
		if err != nil {
			return err
		}
		done, err := d.install(base, next, targets, n >= maxRebuilds, func(latest *snapshot) (*snapshot, error) {
			return d.prepare(latest, app, targets)
		})
		if done || err != nil {
			return err
		}
	}
}

// install publishes next when nothing was committed since base. With force
// it prepares again while writers wait.
func (d *Deployment) install(base, next *snapshot, targets map[string]*schema.Schema, force bool, again func(*snapshot) (*snapshot, error)) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, errClosed
	}
	for path := range targets {
		if p := d.pending[path]; p != nil && p.failed != nil {
			return false, p.failed
		}
	}
	if latest := d.latest.Load(); latest != base {
		if !force {
			return false, nil
		}
		var err error
		if next, err = again(latest); err != nil {
			return false, err
		}
	}
	c := &commit{source: "push", epoch: true, schemas: map[string]struct{}{}}
	for path := range targets {
		c.schemas[path] = struct{}{}
		delete(d.pending, path)
	}
	d.publish(next, c, 0)
	return true, nil
}

// prepare is base with new tables, indexes, schemas and code.
func (d *Deployment) prepare(base *snapshot, app *jsrun.App, targets map[string]*schema.Schema) (*snapshot, error) {
	next := &snapshot{code: base.code, spaces: maps.Clone(base.spaces)}
	if app != nil {
		next.code = newCode(base.code.epoch+1, app)
	}
	frame := d.frames.Add(1)
	for path, target := range targets {
		s := next.spaces[path]
		if s == nil {
			s = newSpace(path)
		}
		own := s.copy(frame)
		own.schema = newSchemaVersion(target)
		if err := own.shape(target, frame); err != nil {
			return nil, err
		}
		next.spaces[path] = own
	}
	return next, nil
}

// shape makes the tables of a schema and gives all tables its indexes;
// tables that it does not name stay, without indexes.
func (s *space) shape(target *schema.Schema, frame uint64) error {
	if target != nil {
		for _, def := range target.Tables {
			if s.table(def.Name) == nil {
				t := newTable(def.Name, s.freeNumber())
				t.frame = frame
				s.add(t)
			}
		}
	}
	for _, t := range s.userTables() {
		var want []schema.Index
		var search []schema.Index
		if def := target.Table(t.name); def != nil {
			want = indexDefs(def, schema.DatabaseIndex)
			search = append(indexDefs(def, schema.SearchIndex), indexDefs(def, schema.VectorIndex)...)
		}
		if err := s.reindex(t.name, want, search, frame); err != nil {
			return err
		}
	}
	return nil
}

// reindex gives a table the indexes wanted: those with the same name and
// fields keep their entries.
func (s *space) reindex(name string, want, search []schema.Index, frame uint64) error {
	t := s.writable(name, frame)
	t.search = search
	old := t.indexes
	t.indexes = nil
	for _, def := range want {
		ix := newIndex(def)
		i := slices.IndexFunc(old, func(o *index) bool {
			return o.def.Name == def.Name && slices.Equal(o.def.Fields, def.Fields)
		})
		if i >= 0 {
			ix.tree = old[i].tree
		} else if err := ix.build(t); err != nil {
			return fmt.Errorf("build index %s.%s: %w", name, def.Name, err)
		}
		t.indexes = append(t.indexes, ix)
	}
	return nil
}

// SchemaState is the schema of a component, with validation progress.
func (d *Deployment) SchemaState(component string) SchemaState {
	d.mu.Lock()
	defer d.mu.Unlock()
	var st SchemaState
	if s := d.latest.Load().space(component); s != nil {
		st.Active = s.schema.active
	}
	if p := d.pending[component]; p != nil && p.failed == nil {
		st.InProgress, st.Validated, st.Total = p.target, p.validated.Load(), p.total
	}
	return st
}

// checkDefinition refuses a schema that breaks one of Convex's rules
// (convex-wire.md 7.5), in its words.
func checkDefinition(component string, s *schema.Schema) error {
	if s == nil {
		return nil
	}
	if found := s.Problems(); len(found) > 0 {
		return &PushError{
			Component: component, Table: found[0].Table,
			Message: "Hit an error while evaluating your schema:\n" + found[0].Message,
		}
	}
	return nil
}
