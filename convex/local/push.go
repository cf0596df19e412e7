package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"strait/convex/jsrun"
	"strait/model/schema"
)

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
	return d.push(ctx, &release{app: p.App, targets: targets})
}

// PushSchema deploys a schema of the root component and leaves the code.
func (d *Deployment) PushSchema(ctx context.Context, s *schema.Schema) error {
	return d.push(ctx, &release{targets: map[string]*schema.Schema{"": s}})
}

// release is what one push puts in force.
type release struct {
	app     *jsrun.App                // nil leaves the code
	targets map[string]*schema.Schema // by component; nil: none from now on
	source  *pushedSource             // what the official CLI sent; nil for a push by Strait
	message string

	subs map[string]*submission // of the targets that are not nil
}

func (d *Deployment) push(ctx context.Context, r *release) error {
	ctx, leave, err := d.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	d.pushing.Lock()
	defer d.pushing.Unlock()
	for _, path := range slices.Sorted(maps.Keys(r.targets)) {
		if err := checkDefinition(path, r.targets[path]); err != nil {
			return err
		}
	}
	r.subs = d.submit(r.targets, false)
	err = d.validate(ctx, r.subs)
	if err == nil {
		_, err = d.activate(r)
	}
	if err != nil {
		d.withdraw(r.subs)
	}
	return err
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
// later writes are checked as they commit. It ends with the first document
// that does not fit.
func (d *Deployment) validate(ctx context.Context, subs map[string]*submission) error {
	for _, path := range slices.Sorted(maps.Keys(subs)) {
		if err := d.validateOne(ctx, subs[path]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Deployment) validateOne(ctx context.Context, p *submission) error {
	if err := d.stands(p); err != nil {
		return err
	}
	if sp := d.latest.Load().space(p.component); sp != nil && d.stateOf(p) == schemaPending {
		for _, t := range sp.toCheck(p.target) {
			if err := d.validateTable(ctx, p, sp, t); err != nil {
				return d.refuse(p, err)
			}
		}
	}
	return d.settle(p)
}

func (d *Deployment) validateTable(ctx context.Context, p *submission, sp *space, t *table) error {
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
			if failed = ctx.Err(); failed == nil {
				failed = d.stands(p)
			}
			if failed != nil {
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
		if w.new == nil || p == nil {
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
			d.fail(p, &PushError{
				Component: p.component, Table: w.ref.table, Document: sp.table(w.ref.table).idOf(w.new),
				Message: fmt.Sprintf("New document in table %q does not match the schema: %s", w.ref.table, bad[0].Message),
			})
			c.schemas[p.component] = struct{}{}
		}
	}
}

// activate makes tables and indexes and puts schemas and code in force, all
// in one commit. It answers what changed. d.pushing is held.
func (d *Deployment) activate(r *release) (pushDiff, error) {
	for n := 0; ; n++ {
		base := d.latest.Load()
		next, err := d.prepare(base, r)
		if err != nil {
			return nil, err
		}
		if next, err = d.install(base, next, r, n >= maxRebuilds); err != nil {
			return nil, err
		}
		if next == nil {
			continue
		}
		if r.app != nil {
			d.pool.retain(next.snapshot.code.app)
		}
		return next.diff, nil
	}
}

// install publishes next when nothing was committed since base, else it
// answers nil. With force it prepares again while writers wait.
func (d *Deployment) install(base *snapshot, next *prepared, r *release, force bool) (*prepared, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	for _, path := range slices.Sorted(maps.Keys(r.subs)) {
		if err := r.subs[path].ready(); err != nil {
			return nil, err
		}
	}
	if latest := d.latest.Load(); latest != base {
		if !force {
			return nil, nil
		}
		var err error
		if next, err = d.prepare(latest, r); err != nil {
			return nil, err
		}
	}
	c := &commit{source: "push", epoch: true, schemas: map[string]struct{}{}}
	for path := range r.targets {
		c.schemas[path] = struct{}{}
	}
	next.snapshot.ts = d.nextTimestamp()
	if r.app != nil {
		next.snapshot.code.event = newPushEvent(d, next, r)
	}
	d.inForce(r)
	d.publish(next.snapshot, c, 0)
	return next, nil
}

// prepared is a snapshot to be published by a push.
type prepared struct {
	snapshot *snapshot
	diff     pushDiff
}

// prepare is base with new tables, indexes, schemas and code.
func (d *Deployment) prepare(base *snapshot, r *release) (*prepared, error) {
	next := &snapshot{code: base.code, spaces: maps.Clone(base.spaces)}
	if r.app != nil {
		next.code = newCode(base.code.epoch+1, withVariables(r.app, base.code.variables))
		next.code.source, next.code.variables = r.source, base.code.variables
	}
	frame := d.frames.Add(1)
	for path, target := range r.targets {
		s := next.spaces[path]
		if s == nil {
			s = newSpace(path)
		}
		own := s.copy(frame)
		own.schema = newSchemaVersion(target)
		if sub := r.subs[path]; sub != nil {
			own.schema.id = sub.id
		}
		if err := own.shape(target, frame); err != nil {
			return nil, err
		}
		next.spaces[path] = own
	}
	return &prepared{next, diffPush(base, next)}, nil
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
	if p := d.pending[component]; p != nil {
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
