package schema

import (
	"fmt"
	"slices"
)

// Note is an index that widening could not keep as the active schema has it:
// functions that were written for the active schema lose it when the widened
// schema is pushed.
type Note struct {
	Table   string
	Index   Index  // as the active schema has it
	Instead string // the name of the target's index that stands in its place; "" if none does
	Message string // what happens and why, one sentence
}

// WidenSchemas is WidenAll of two schemas, without the notes.
func WidenSchemas(active, target *Schema) *Schema {
	s, _ := WidenAll(active, target)
	return s
}

// WidenAll widens the schemas table by table; the target is the last, the
// others are the active ones of the environments. Tables of one schema only
// are kept. The order is the target's, then that of the active schemas. Types
// are enforced only if all enforce them, for documents of an environment that
// does not may have any shape. A nil schema has no part; the result is nil if
// all are, and the one schema if there is one.
//
// Every index stays available under its name: one that is only staged on one
// side is enabled, filter fields are put together. Where that cannot be, the
// target's index wins (an earlier environment's over a later one's) and a Note
// says so: one name for different fields; two names for the same fields, which
// Convex refuses; a field that documents of the widened table no longer have
// at a fixed path.
func WidenAll(schemas ...*Schema) (*Schema, []Note) {
	schemas = slices.DeleteFunc(slices.Clone(schemas), func(s *Schema) bool { return s == nil })
	switch len(schemas) {
	case 0:
		return nil, nil
	case 1:
		return schemas[0], nil
	}
	last := len(schemas) - 1
	schemas = slices.Concat(schemas[last:], schemas[:last])
	out := &Schema{Validation: true}
	parts := map[string][]*Table{}
	for _, s := range schemas {
		out.Validation = out.Validation && s.Validation
		for _, t := range s.Tables {
			if parts[t.Name] == nil {
				out.Tables = append(out.Tables, t)
			}
			if !slices.Contains(parts[t.Name], t) {
				parts[t.Name] = append(parts[t.Name], t)
			}
		}
	}
	var notes []Note
	for i, t := range out.Tables {
		if same := parts[t.Name]; len(same) > 1 {
			w := widenTables(same, out.Validation)
			out.Tables[i] = w.table
			notes = append(notes, w.notes...)
		}
	}
	return out, notes
}

func (n Note) same(other Note) bool {
	return n.Message == other.Message && n.Index.same(other.Index)
}

// widenTables widens tables of one name, the target's first.
func widenTables(tables []*Table, enforced bool) *tableWidening {
	target := tables[0]
	w := &tableWidening{table: &Table{Name: target.Name, Document: target.Document, Indexes: slices.Clone(target.Indexes)}, enforced: enforced}
	for _, active := range tables[1:] {
		w.table.Document = Widen(active.Document, w.table.Document)
	}
	for _, active := range tables[1:] {
		for _, x := range active.Indexes {
			w.add(x)
		}
	}
	slices.SortStableFunc(w.table.Indexes, func(x, y Index) int { return x.list() - y.list() })
	return w
}

// tableWidening is a table being widened.
type tableWidening struct {
	table    *Table
	enforced bool
	notes    []Note
}

// add adds an index of an active table.
func (w *tableWidening) add(x Index) {
	for i, y := range w.table.Indexes {
		switch {
		case x.Name == y.Name:
			w.together(x, &w.table.Indexes[i])
			return
		case x.twin(y):
			w.note(x, y.Name, "index %q of table %q is not kept: the target has it as %q, and Convex refuses two indexes of the same fields", x.Name, w.table.Name, y.Name)
			return
		}
	}
	for _, path := range x.paths() {
		if w.enforced && w.table.Document != nil && !w.table.Document.canIndex(x, path) {
			w.note(x, "", "index %q of table %q is not kept: the widened documents have no field %q that it could index", x.Name, w.table.Name, path)
			return
		}
	}
	w.table.Indexes = append(w.table.Indexes, x)
}

// together makes y, of the same name, serve what x serves too.
func (w *tableWidening) together(x Index, y *Index) {
	if x.Kind != y.Kind || x.SearchField != y.SearchField || x.VectorField != y.VectorField || x.Dimensions != y.Dimensions || !slices.Equal(x.Fields, y.Fields) {
		w.note(x, y.Name, "index %q of table %q indexes something else in the target: the target's is taken, and code that relies on the old one fails", x.Name, w.table.Name)
		return
	}
	filters := slices.Clone(y.FilterFields)
	for _, f := range x.FilterFields {
		if !slices.Contains(filters, f) {
			filters = append(filters, f)
		}
	}
	if len(filters) > MaxFilterFields {
		w.note(x, y.Name, "index %q of table %q loses filter fields: with the target's it would have more than Convex's %d", x.Name, w.table.Name, MaxFilterFields)
		filters = y.FilterFields
	}
	y.FilterFields, y.Staged = filters, x.Staged && y.Staged
}

func (w *tableWidening) note(x Index, instead, format string, args ...any) {
	n := Note{Table: w.table.Name, Index: x, Instead: instead, Message: fmt.Sprintf(format, args...)}
	if !slices.ContainsFunc(w.notes, n.same) {
		w.notes = append(w.notes, n)
	}
}

// canIndex reports whether Convex takes the index's field at the path.
func (v *Validator) canIndex(x Index, path string) bool {
	return v.canContain(path) && (x.Kind != VectorIndex || path != x.VectorField || v.canHoldVector(path))
}

// same reports whether two indexes are written alike.
func (x Index) same(y Index) bool {
	return x.Kind == y.Kind && x.Staged == y.Staged && string(x.appendJSON(nil)) == string(y.appendJSON(nil))
}

// list is the place of the index's list in a table's JSON.
func (x Index) list() int {
	return slices.IndexFunc(indexLists, func(l indexList) bool { return l.kind == x.Kind && l.staged == x.Staged })
}
