package local

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	archive "strait/convex/snapshot"
	"strait/model/value"
)

// An import fills hidden tables, which no transaction sees, and puts all of
// them in the place of the old ones in one commit. What fails before leaves
// everything as it was.

// ImportOptions of Deployment.Import.
type ImportOptions struct {
	Mode      ImportMode
	Component string                      // stands for the archive's root; "" the root
	Only      func(component string) bool // which components are imported; nil all
	Progress  func(text string)           // what is done now; nil nobody asks
}

// Import loads an archive, all of it or nothing: ids, creation times and table
// numbers survive, the active schema is enforced. It answers how many
// documents it wrote.
func (d *Deployment) Import(ctx context.Context, a *archive.Archive, o ImportOptions) (int64, error) {
	ctx, leave, err := d.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	source := archiveSource(a, o.Component)
	if o.Only != nil {
		kept := source.tables[:0]
		for _, t := range source.tables {
			if o.Only(t.component) {
				kept = append(kept, t)
			}
		}
		source.tables = kept
	}
	p, err := planImport(d.latest.Load(), source, o.Mode)
	if err != nil {
		return 0, err
	}
	r := &importRun{d: d, ctx: ctx, plan: p, say: o.Progress, imported: func(tableRef, int64) {}, decide: func() error { return nil }}
	if r.say == nil {
		r.say = func(string) {}
	}
	return r.run()
}

// importRun carries a plan out.
type importRun struct {
	d        *Deployment
	ctx      context.Context
	plan     *importPlan
	say      func(text string)
	imported func(t tableRef, rows int64) // a table is filled
	decide   func() error                 // the last word before the commit; Deployment.mu is held
	also     []tableRef                   // what else the commit changes
	last     uint64                       // creation time given out, sortable
	spoke    time.Time
}

func (r *importRun) run() (int64, error) {
	var total int64
	for i := range r.plan.source.tables {
		n, err := r.fill(&r.plan.source.tables[i])
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, r.activate()
}

// fill reads the documents of one table into its hidden one.
func (r *importRun) fill(t *sourceTable) (int64, error) {
	s := r.plan.spaces[t.component]
	h := s.hidden[t.name]
	def := s.schema.byName[t.name]
	r.say("Importing " + t.ref().title())
	var n int64
	for doc, err := range t.documents {
		if err != nil {
			return n, err
		}
		n++
		id, stored, full, err := r.d.loaded(h.table, doc, r.nextTime)
		if err != nil {
			return n, importErrorf("Row %d of table %s: %v", n, t.ref().title(), err)
		}
		if h.get(id.Internal) != nil {
			return n, importErrorf("Objects in table %q have duplicate _id fields", t.name)
		}
		if def != nil && !def.FitsDocument(full, s) {
			if err := misfit(def, full, s); err != nil {
				return n, err
			}
		}
		h.change(nil, stored, h.keysFor(nil, stored, nil, full))
		if n%1024 == 0 {
			if err := r.ctx.Err(); err != nil {
				return n, err
			}
			if time.Since(r.spoke) > progressInterval {
				r.spoke = time.Now()
				r.say(fmt.Sprintf("Importing %s (%s documents)", t.ref().title(), separated(n)))
			}
		}
	}
	r.imported(t.ref(), n)
	return n, nil
}

// nextTime is the creation time of a document that brings none.
func (r *importRun) nextTime() float64 {
	now := float64(r.d.now().UnixMicro()) / 1000
	r.last = max(sortable(now), r.d.newest.Load()+1, r.last+1)
	r.d.sawTime(r.last)
	return unsortable(r.last)
}

// activate puts the hidden tables in their places, in one commit. Documents
// that are appended are laid over a table beside running writers, and again
// while they wait when they were faster too often.
func (r *importRun) activate() error {
	for n := 0; ; n++ {
		merged, err := r.merge(r.d.latest.Load())
		if err != nil {
			return err
		}
		done, err := r.install(merged, n >= maxRebuilds)
		if done || err != nil {
			return err
		}
		if err := r.ctx.Err(); err != nil {
			return err
		}
	}
}

// mergedTable is a table with the documents appended to it.
type mergedTable struct{ from, table *table }

func (r *importRun) merge(base *snapshot) (map[tableRef]mergedTable, error) {
	out := map[tableRef]mergedTable{}
	for component, s := range r.plan.spaces {
		for name, h := range s.hidden {
			if !h.appended {
				continue
			}
			m, err := h.over(base.space(component))
			if err != nil {
				return nil, err
			}
			out[tableRef{component, name}] = m
		}
	}
	return out, nil
}

// over lays the new documents over the table as it is.
func (h *hiddenTable) over(s *space) (mergedTable, error) {
	old := s.table(h.name)
	if old == nil || old.number != h.number {
		return mergedTable{}, importErrorf("Table %s was deleted while the import ran", h.name)
	}
	m := mergedTable{old, old.clone(old.frame)}
	var failed error
	h.byID.Scan(func(doc *document) bool {
		if old.get(doc.id) != nil {
			failed = importErrorf("Document %s is in table %s already: import with replace, or leave out the _id", h.idOf(doc), h.name)
			return false
		}
		var fields value.Object
		if len(old.indexes) > 0 {
			if fields, failed = decodeDocument(doc); failed != nil {
				return false
			}
		}
		m.table.change(nil, doc, m.table.keysFor(nil, doc, nil, fields))
		return true
	})
	return m, failed
}

// install publishes the tables. It reports false when a table that is appended
// to has changed; with force it lays the documents over it again.
func (r *importRun) install(merged map[tableRef]mergedTable, force bool) (bool, error) {
	d := r.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false, errClosed
	}
	latest := d.latest.Load()
	for at, m := range merged {
		if latest.space(at.component).table(at.table) == m.from {
			continue
		}
		if !force {
			return false, nil
		}
		var err error
		if merged, err = r.merge(latest); err != nil {
			return false, err
		}
		break
	}
	if err := r.plan.stands(latest, func(component string) bool { return d.pending[component] != nil }); err != nil {
		return false, err
	}
	next, c, old, err := r.next(latest, merged)
	if err != nil {
		return false, err
	}
	if err := r.decide(); err != nil {
		return false, err
	}
	d.publish(next, c, old)
	return true, nil
}

// next is latest with the tables of the import.
func (r *importRun) next(latest *snapshot, merged map[tableRef]mergedTable) (*snapshot, *commit, int, error) {
	next := &snapshot{code: latest.code, spaces: maps.Clone(latest.spaces)}
	c := &commit{source: "import", epoch: true, unseen: true, whole: map[tableRef]struct{}{}, schemas: map[string]struct{}{}}
	frame, old := r.d.frames.Add(1), 0
	for _, at := range r.also {
		c.whole[at] = struct{}{}
	}
	for component, s := range r.plan.spaces {
		if len(s.hidden) == 0 && len(s.dropped) == 0 {
			continue
		}
		own := next.spaces[component]
		if own == nil {
			own = newSpace(component)
		}
		own = own.copy(frame)
		c.schemas[component] = struct{}{}
		gone := func(name string) {
			if t := own.table(name); t != nil {
				old += int(t.bytes)
				own.drop(name)
			}
			c.whole[tableRef{component, name}] = struct{}{}
		}
		for name := range s.dropped {
			gone(name)
		}
		names := slices.Sorted(maps.Keys(s.hidden))
		for _, name := range names {
			gone(name)
		}
		for _, name := range names {
			t := s.hidden[name].table
			if s.hidden[name].appended {
				t = merged[tableRef{component, name}].table
			}
			if other := own.tableByNumber(t.number); other != nil {
				return nil, nil, 0, importErrorf("New table `%s`%s has IDs that conflict with existing table `%s`", name, inComponent(component), other.name)
			}
			t.frame = frame
			own.add(t)
		}
		next.spaces[component] = own
	}
	return next, c, old, nil
}

// importFailure is what a person reads of a failed import.
func importFailure(err error) string {
	if errors.Is(err, context.Canceled) {
		return "Import was canceled"
	}
	var shown *userError
	if errors.As(err, &shown) {
		err = shown
	}
	return "Hit an error while importing:\n" + err.Error()
}
