package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
	LiteralsChanged    = "literals-changed" // some came, some went
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
	return compareTables(active, target).changes
}

// difference is what Diff finds, and what that says of each table of the
// target, so that nobody has to compare them again.
type difference struct {
	changes []Change
	// verdicts are by table; those of tables that were not compared, or not
	// for certain, are missing.
	verdicts map[string]verdict
}

func compareTables(active, target *schema.Schema) difference {
	d := difference{verdicts: map[string]verdict{}}
	if target == nil {
		return d
	}
	if active != nil && active.Validation != target.Validation {
		d.changes = append(d.changes, validationChange(target))
	}
	checked := active != nil && active.Validation && target.Validation
	names := tableRenames(active, target)
	moved := names.surely()
	before := byName(active)
	for _, t := range target.Tables {
		a := before[t.Name]
		if a == nil {
			d.changes = append(d.changes, tableAdded(active, target, t, names.from[t.Name]))
			continue
		}
		walk := newDiffer(a, t, target.Validation)
		walk.tables = moved
		walk.run()
		if checked && !walk.unsure {
			d.verdicts[t.Name] = verdict{widened: walk.loosens == 0, enforced: walk.breaks == 0}
		}
		d.changes = append(append(d.changes, walk.changes...), indexChanges(a, t)...)
		delete(before, t.Name)
	}
	for _, a := range before {
		d.changes = append(d.changes, tableRemoved(target, a, names.to[a.Name]))
	}
	slices.SortStableFunc(d.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return d
}

func byName(s *schema.Schema) map[string]*schema.Table {
	out := map[string]*schema.Table{}
	if s != nil {
		for _, t := range s.Tables {
			out[t.Name] = t
		}
	}
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

func validationChange(target *schema.Schema) Change {
	if !target.Validation {
		return Change{
			Kind: ValidationOff, Class: Safe, Before: "schemaValidation: true", After: "schemaValidation: false",
			Message: "schemaValidation is switched off",
			Why:     "Convex will no longer check any document, neither at a push nor on a write: old shapes can come back unseen",
			Push:    "Convex accepts it without looking at documents",
		}
	}
	c := Change{
		Kind: ValidationOn, Class: Breaking, Before: "schemaValidation: false", After: "schemaValidation: true",
		Message: "schemaValidation is switched on",
		Push:    "Convex checks every document of every table and refuses the push at the first that does not fit",
	}
	for _, t := range target.Tables {
		if doc := orAny(t.Document); doc.Kind != schema.Any {
			c.Why = "nothing was enforced so far: documents of any shape may be stored in every table, in " + t.Name + " for one"
			return c
		}
	}
	c.Class = Safe
	c.Why, c.Push = "no table has a validator yet", "Convex accepts it: there is nothing to check"
	return c
}

func tableAdded(active, target *schema.Schema, t *schema.Table, renamed offer) Change {
	c := Change{
		Table: t.Name, Kind: TableAdded, Class: Safe, After: code(t.Document), Rename: renamed.sure(),
		Message: fmt.Sprintf("table %s is new", t.Name),
		Why:     "nothing is stored in a table that does not exist yet",
		Push:    "Convex creates the table; documents that are already in a table of this name are checked",
	}
	if active == nil {
		c.Why = "no schema was ever pushed there; a table of this name may hold documents of any shape"
	}
	if !target.Validation {
		c.Push = "Convex creates the table; schemaValidation is off, nothing is checked"
	}
	if renamed.any() {
		c.Message += renamed.text("from")
		c.Why = "Convex does not rename tables: this one begins empty, and a migration must copy what " + renamed.choice() + " holds"
	}
	return c
}

func tableRemoved(target *schema.Schema, a *schema.Table, renamed offer) Change {
	c := Change{
		Table: a.Name, Kind: TableRemoved, Class: Destructive, Before: code(a.Document), Rename: renamed.sure(),
		Message: fmt.Sprintf("table %s is gone from the schema", a.Name),
		Why:     "typed code loses access to the table; its documents stay stored, unchecked, until somebody deletes them",
		Push:    "Convex accepts it, drops the table's indexes and leaves the documents where they are",
	}
	if renamed.any() {
		c.Message += renamed.text("to")
		c.Why += "; Convex does not move them"
	}
	if users := pointingTo(target, a.Name); len(users) > 0 {
		c.Message += ", but " + fewNames(users) + verb(users, " still points to it", " still point to it")
		c.Why += "; the ids stay valid, and Convex refuses to delete the table while the schema names it"
	}
	return c
}

// pointingTo lists the places of a schema that hold ids of a table, by path,
// sorted.
func pointingTo(s *schema.Schema, table string) []string {
	var out []string
	for _, t := range s.Tables {
		eachID(t.Document, t.Name, func(path, to string) {
			if to == table && !slices.Contains(out, path) {
				out = append(out, path)
			}
		})
	}
	slices.Sort(out)
	return out
}

// fewNames lists three names at most.
func fewNames(names []string) string {
	if n := len(names) - 2; n > 1 {
		return fmt.Sprintf("%s, %s and %d more", names[0], names[1], n)
	}
	return strings.Join(names, " and ")
}

func verb(names []string, one, many string) string {
	if len(names) == 1 {
		return one
	}
	return many
}
