package plan

import (
	"cmp"
	"fmt"
	"slices"

	"strait/model/schema"
)

// The kinds of change. A kind never changes its spelling: plans are read by
// other programs.
const (
	TableAdded         = "table-added"
	TableRemoved       = "table-removed"
	FieldAdded         = "field-added" // optional
	RequiredFieldAdded = "required-field-added"
	FieldRemoved       = "field-removed"
	OptionalToRequired = "optional-to-required"
	RequiredToOptional = "required-to-optional"
	TypeWidened        = "type-widened"
	TypeNarrowed       = "type-narrowed"
	TypeChanged        = "type-changed"
	UnionGrown         = "union-grown"
	UnionShrunk        = "union-shrunk"
	LiteralsGrown      = "literals-grown"
	LiteralsShrunk     = "literals-shrunk"
	IDTargetChanged    = "id-target-changed"
	IndexAdded         = "index-added"
	IndexRemoved       = "index-removed"
	IndexChanged       = "index-changed"
	IndexStaged        = "index-staged"
	IndexUnstaged      = "index-unstaged"
	ValidationOn       = "schema-validation-on"
	ValidationOff      = "schema-validation-off"
)

// Diff lists the changes active -> target by path, sorted by table, path and
// kind. A nil active is a deployment that never got a schema. What means the
// same gives no change: order of tables, fields, members and indexes, nested
// or repeated union members.
func Diff(active, target *schema.Schema) []Change {
	if target == nil {
		return nil
	}
	var out []Change
	if active != nil && active.Validation != target.Validation {
		out = append(out, validationChange(target.Validation))
	}
	for _, t := range target.Tables {
		a := active.Table(t.Name)
		if a == nil {
			out = append(out, tableAdded(active, t))
			continue
		}
		d := newDiffer(a, t, target.Validation)
		d.compare(d.root(), d.active, d.target)
		out = append(out, d.finish()...)
		out = append(out, indexChanges(a, t)...)
	}
	if active != nil {
		for _, a := range active.Tables {
			if target.Table(a.Name) == nil {
				out = append(out, tableRemoved(a))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return out
}

// NeedsMigration reports whether documents may have to be rewritten before
// Convex takes the target with this change.
func (c Change) NeedsMigration() bool {
	return (c.Class == Breaking || c.Class == Destructive || c.Class == UnknownKind) && c.Kind != TableRemoved
}

// worst is the class of the worst change; Safe without any.
func worst(changes []Change) Class {
	order := []Class{Safe, IndexOnly, Breaking, Destructive, UnknownKind}
	w := 0
	for _, c := range changes {
		w = max(w, slices.Index(order, c.Class))
	}
	return order[w]
}

func validationChange(on bool) Change {
	if on {
		return Change{
			Kind: ValidationOn, Class: Breaking, Before: "off", After: "on",
			Message: "schemaValidation is switched on",
			Why:     "nothing was enforced so far: documents of any shape may be stored in every table",
			Push:    "Convex checks every document of every table and refuses the push at the first that does not fit",
		}
	}
	return Change{
		Kind: ValidationOff, Class: Safe, Before: "on", After: "off",
		Message: "schemaValidation is switched off",
		Why:     "Convex will no longer check any document, neither at a push nor on a write: old shapes can come back unseen",
		Push:    "Convex accepts it without looking at documents",
	}
}

func tableAdded(active *schema.Schema, t *schema.Table) Change {
	c := Change{
		Table: t.Name, Kind: TableAdded, Class: Safe, After: show(t.Document),
		Message: fmt.Sprintf("table %s is new", t.Name),
		Why:     "nothing is stored in a table that does not exist yet",
		Push:    "Convex creates the table; documents that are already in a table of this name are checked",
	}
	if active == nil {
		c.Why = "no schema was ever pushed there; a table of this name may hold documents of any shape"
	}
	return c
}

func tableRemoved(a *schema.Table) Change {
	return Change{
		Table: a.Name, Kind: TableRemoved, Class: Destructive, Before: show(a.Document),
		Message: fmt.Sprintf("table %s is gone from the schema", a.Name),
		Why:     "typed code loses access to the table; its documents stay stored, unchecked, until somebody deletes them",
		Push:    "Convex accepts it, drops the table's indexes and leaves the documents where they are",
	}
}

// indexChanges compares the indexes of one table by kind and name.
func indexChanges(a, t *schema.Table) []Change {
	find := func(list []schema.Index, x schema.Index) *schema.Index {
		for i := range list {
			if list[i].Kind == x.Kind && list[i].Name == x.Name {
				return &list[i]
			}
		}
		return nil
	}
	var out []Change
	add := func(kind string, x schema.Index, message, why, push, before, after string) {
		out = append(out, Change{
			Table: t.Name, Path: t.Name + "." + x.Name, Kind: kind, Class: IndexOnly,
			Message: message, Why: why, Push: push, Before: before, After: after,
		})
	}
	for _, x := range t.Indexes {
		name := fmt.Sprintf("%s index %s.%s", x.Kind, t.Name, x.Name)
		old := find(a.Indexes, x)
		switch {
		case old == nil && x.Staged:
			add(IndexAdded, x, name+" is new, staged", "queries cannot use it until it is no longer staged",
				"Convex begins to fill it; the push does not wait", "", showIndex(x))
		case old == nil:
			add(IndexAdded, x, name+" is new", "every document of the table is indexed once",
				"the push waits until it is filled; stage it first on a large table", "", showIndex(x))
		case !sameIndex(*old, x):
			add(IndexChanged, x, name+" is changed", "Convex removes the old index and builds a new one of the same name",
				"the push waits until it is filled; until then queries use the old one", showIndex(*old), showIndex(x))
		case old.Staged && !x.Staged:
			add(IndexUnstaged, x, name+" is no longer staged", "queries may use it from now on",
				"the push waits until it is filled", showIndex(*old), showIndex(x))
		case !old.Staged && x.Staged:
			add(IndexStaged, x, name+" is staged again", "queries that use it will fail",
				"Convex switches it off and keeps it filled", showIndex(*old), showIndex(x))
		}
	}
	for _, x := range a.Indexes {
		if find(t.Indexes, x) == nil {
			add(IndexRemoved, x, fmt.Sprintf("%s index %s.%s is gone", x.Kind, t.Name, x.Name),
				"queries that use it will fail; building it again takes a while on a large table",
				"Convex drops it; the CLI asks first when the table has 100,000 documents or more", showIndex(x), "")
		}
	}
	return out
}

// sameIndex compares what an index covers, not whether it is staged. The order
// of filter fields means nothing.
func sameIndex(a, b schema.Index) bool {
	return slices.Equal(a.Fields, b.Fields) && a.SearchField == b.SearchField && a.VectorField == b.VectorField &&
		a.Dimensions == b.Dimensions && slices.Equal(sorted(a.FilterFields), sorted(b.FilterFields))
}

func sorted(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

func showIndex(x schema.Index) string {
	var s string
	switch x.Kind {
	case schema.SearchIndex:
		s = fmt.Sprintf("%s filter %v", x.SearchField, x.FilterFields)
	case schema.VectorIndex:
		s = fmt.Sprintf("%s %d dimensions filter %v", x.VectorField, x.Dimensions, x.FilterFields)
	default:
		s = fmt.Sprint(x.Fields)
	}
	if x.Staged {
		s += " staged"
	}
	return s
}
