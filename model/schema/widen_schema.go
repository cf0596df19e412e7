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
// are kept. The order is the target's, then that of the active schemas. Types are
// enforced only if all enforce them, for documents of an environment that does
// not may have any shape. A nil schema has no part; nil if all are.
//
// Every index stays available under its name: one that is only staged on one
// side is enabled, filter fields are put together. Where that cannot be, the
// target's index wins (an earlier environment's over a later one's) and a Note
// says so: one name for different fields; two names for the same fields, which
// Convex refuses; a field that documents of the widened table no longer have
// at a fixed path.
func WidenAll(schemas ...*Schema) (*Schema, []Note) {
	schemas = slices.DeleteFunc(slices.Clone(schemas), func(s *Schema) bool { return s == nil })
	if len(schemas) == 0 {
		return nil, nil
	}
	last := len(schemas) - 1
	out := schemas[last]
	var notes []Note
	for _, active := range schemas[:last] {
		var more []Note
		out, more = widenSchema(active, out)
		for _, n := range more {
			if !slices.ContainsFunc(notes, n.same) {
				notes = append(notes, n)
			}
		}
	}
	return out, notes
}

func (n Note) same(other Note) bool {
	return n.Table == other.Table && n.Message == other.Message && n.Index.same(other.Index)
}

func widenSchema(active, target *Schema) (*Schema, []Note) {
	out := &Schema{Validation: active.Validation && target.Validation, Tables: make([]*Table, 0, len(target.Tables))}
	var notes []Note
	old, have := byName(active), byName(target)
	for _, t := range target.Tables {
		if before := old[t.Name]; before != nil && before != t {
			var more []Note
			t, more = widenTable(before, t, out.Validation)
			notes = append(notes, more...)
		}
		out.Tables = append(out.Tables, t)
	}
	for _, t := range active.Tables {
		if have[t.Name] == nil {
			out.Tables = append(out.Tables, t)
		}
	}
	return out, notes
}

func byName(s *Schema) map[string]*Table {
	out := make(map[string]*Table, len(s.Tables))
	for _, t := range s.Tables {
		out[t.Name] = t
	}
	return out
}

func widenTable(active, target *Table, enforced bool) (*Table, []Note) {
	out := &Table{Name: target.Name, Document: Widen(active.Document, target.Document)}
	w := indexWidening{table: out, enforced: enforced, indexes: slices.Clone(target.Indexes)}
	for _, x := range active.Indexes {
		w.add(x)
	}
	out.Indexes = w.indexes
	slices.SortStableFunc(out.Indexes, func(x, y Index) int { return x.list() - y.list() })
	return out, w.notes
}

// indexWidening adds the indexes of an active table to those of the target.
type indexWidening struct {
	table    *Table
	enforced bool
	indexes  []Index
	notes    []Note
}

func (w *indexWidening) add(x Index) {
	for i, y := range w.indexes {
		switch {
		case x.Name == y.Name:
			w.together(x, &w.indexes[i])
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
	w.indexes = append(w.indexes, x)
}

// together makes y, of the same name, serve what x serves too.
func (w *indexWidening) together(x Index, y *Index) {
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

func (w *indexWidening) note(x Index, instead, format string, args ...any) {
	w.notes = append(w.notes, Note{Table: w.table.Name, Index: x, Instead: instead, Message: fmt.Sprintf(format, args...)})
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
