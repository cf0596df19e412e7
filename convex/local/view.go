package local

import (
	"errors"
	"iter"

	"strait/model/schema"
	"strait/model/value"
)

// View is a consistent read-only copy of a deployment's data.
type View struct{ snapshot *snapshot }

// View returns a consistent read-only copy, O(1).
func (d *Deployment) View() *View { return &View{d.latest.Load()} }

// Reset puts every document of every component back as the view shows it, so
// that one deployment serves many trials. Code and schemas must be those that
// were in force when the view was taken.
func (d *Deployment) Reset(v *View) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	latest := d.latest.Load()
	switch {
	case d.closed:
		return errClosed
	case v.snapshot.code != latest.code:
		return errors.New("reset the documents: code or schemas were pushed since the view was taken; take another one")
	}
	d.publish(&snapshot{code: latest.code, spaces: v.snapshot.spaces}, &commit{source: "reset", epoch: true, unseen: true}, maxOldBytes)
	return nil
}

// Timestamp is the commit that the view shows, in nanoseconds.
func (v *View) Timestamp() uint64 { return v.snapshot.ts }

// Components lists the paths of all components that have data or code, the
// root "" among them, in no order.
func (v *View) Components() []string {
	var out []string
	for path := range v.snapshot.spaces {
		out = append(out, path)
	}
	return out
}

// Tables lists the user tables of a component by name.
func (v *View) Tables(component string) []TableInfo {
	s := v.snapshot.space(component)
	if s == nil {
		return nil
	}
	var out []TableInfo
	for _, t := range s.userTables() {
		out = append(out, TableInfo{t.name, t.number, int64(t.byID.Len()), t.bytes})
	}
	return out
}

// SameTable reports whether nothing was written to a table between the two
// views. It costs nothing, and may say no where a write left all as it was.
func (v *View) SameTable(w *View, component, table string) bool {
	a, b := v.snapshot.space(component), w.snapshot.space(component)
	return a == b || a != nil && b != nil && a.table(table) == b.table(table)
}

// Scan yields a table's documents by creation time, after the document with
// id from ("" from the start); a virtual system table may be named. When there
// is no document with that id, nothing is yielded.
func (v *View) Scan(component, table, from string, desc bool) iter.Seq[Document] {
	return func(yield func(Document) bool) {
		s := v.snapshot.space(component)
		if s == nil {
			return
		}
		t := s.table(table)
		if t == nil {
			return
		}
		visit := func(d *document) bool { return yield(t.shown(d)) }
		if from != "" {
			id, err := value.ParseID(from)
			start := t.get(id.Internal)
			if err != nil || id.Table != t.number || start == nil {
				return
			}
			inner := visit
			visit = func(d *document) bool { return d == start || inner(d) }
			if desc {
				t.byTime.Descend(start, visit)
			} else {
				t.byTime.Ascend(start, visit)
			}
			return
		}
		if desc {
			t.byTime.Reverse(visit)
		} else {
			t.byTime.Scan(visit)
		}
	}
}

// shown is a stored document as people and functions see it.
func (t *table) shown(d *document) Document {
	text := d.json
	if t.number == scheduledNumber {
		text = virtualText(d)
	}
	return Document{ID: t.idOf(d), JSON: text}
}

// Get finds a document by id.
func (v *View) Get(component, id string) (Document, bool) {
	s := v.snapshot.space(component)
	parsed, err := value.ParseID(id)
	if s == nil || err != nil {
		return Document{}, false
	}
	t := s.tableByNumber(parsed.Table)
	if t == nil {
		return Document{}, false
	}
	d := t.get(parsed.Internal)
	if d == nil {
		return Document{}, false
	}
	return t.shown(d), true
}

// TableNumber is the number of a table and whether there is one.
func (v *View) TableNumber(component, table string) (uint32, bool) {
	if s := v.snapshot.space(component); s != nil {
		if t := s.table(table); t != nil {
			return t.number, true
		}
	}
	return 0, false
}

// IDs tells tables by their number, system tables included.
func (v *View) IDs(component string) schema.Tables {
	if s := v.snapshot.space(component); s != nil {
		return s
	}
	return newSpace(component)
}

// IndexInfo is one index of a table. A listed index is complete: the embedded
// deployment builds indexes within the push that adds them.
type IndexInfo struct{ schema.Index }

// Indexes lists the declared indexes of a table.
func (v *View) Indexes(component, table string) []IndexInfo {
	s := v.snapshot.space(component)
	if s == nil {
		return nil
	}
	t := s.table(table)
	if t == nil {
		return nil
	}
	var out []IndexInfo
	for _, ix := range t.indexes {
		if !ix.hidden {
			out = append(out, IndexInfo{ix.def})
		}
	}
	for _, x := range t.search {
		out = append(out, IndexInfo{x})
	}
	return out
}

// Schema is the active schema at the view's time; nil without one.
func (v *View) Schema(component string) *schema.Schema {
	if s := v.snapshot.space(component); s != nil {
		return s.schema.active
	}
	return nil
}
