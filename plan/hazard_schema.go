package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"strait/model/source"
)

// largeTable is from how many documents on the Convex CLI asks before it
// deletes an index (convex-wire.md 10.1).
const largeTable = 100_000

var schemaRules = []Rule{
	{Code: "SW101", Name: "required-before-migrated", Severity: Danger, find: requiredBeforeMigrated,
		Why:  "Convex checks every stored document when a schema is pushed and refuses it at the first that does not fit. A deploy of the target as it stands would fail.",
		Safe: "Deploy the widened schema first, migrate and count; deploy the target last."},
	{Code: "SW102", Name: "type-changed-in-place", Severity: Warning, find: typeChangedInPlace,
		Why:  "Between the widening and the end of the migration one field holds values of two types. Code that knows one of them misreads the other, and a roll-back meets values that it never saw.",
		Safe: "Add a new field for the new type, write both, move the readers, and remove the old field later; or let every reader take both types first."},
	{Code: "SW103", Name: "field-deleted", Severity: Danger, find: fieldDeleted,
		Why:  "What is stored in the field is lost once it is removed, and while code still has to write it, it comes back.",
		Safe: "Make the field optional and stop writing it, deploy that everywhere, back up, then unset it with a migration; remove it from the schema last."},
	{Code: "SW104", Name: "table-removed-with-documents", Severity: Warning, find: tableRemovedWithDocuments,
		Why:  "Convex keeps the documents of a table that leaves the schema: unchecked, without indexes, still paid for. Code loses typed access to them.",
		Safe: "Export what is worth keeping, delete or move the documents with a migration, then remove the table from the schema."},
	{Code: "SW105", Name: "id-target-changed", Severity: Warning, find: idTargetChanged,
		Why:  "An id names its table, so that every stored id is wrong at once, and a document behind it is one of the old table until it is rewritten.",
		Safe: "Add a new field for the new id, fill it from a mapping kept while documents are moved, and remove the old field last."},
	{Code: "SW106", Name: "dangling-id", Severity: Warning, find: danglingID,
		Why:  "Convex lets a field name a table that the schema does not have. Ids stay stored that lead to documents nobody can read with types.",
		Safe: "Migrate or remove the field in the same change as the table."},
	{Code: "SW107", Name: "schema-validation-off", Severity: Danger, find: validationOff,
		Why:  "With schemaValidation off Convex checks no document, neither at a push nor on a write: old shapes come back unseen, and no step of this plan is proved.",
		Safe: "Switch it on with the widened schema, which accepts what is stored, and leave it on."},
	{Code: "SW108", Name: "index-on-large-table", Severity: Notice, find: indexOnLargeTable,
		Why:  "A push waits until every document is indexed, so that the deploy is held up for that long.",
		Safe: "Deploy the index with staged: true first, wait until it is filled, then deploy it without staged."},
	{Code: "SW109", Name: "large-index-deleted", Severity: Warning, find: largeIndexDeleted,
		Why:  "From 100,000 documents on `npx convex deploy` asks before it deletes an index, so that a deploy which nobody attends stops there. Building the index again takes a while.",
		Safe: "Make sure that no deployed code uses the index, then deploy it by hand or with --allow-deleting-large-indexes. To change its fields, add one under a new name and remove the old one later."},
	{Code: "SW110", Name: "no-migration", Severity: Warning, find: noMigration,
		Why:  "The target is refused while such documents are stored, and nothing in the project changes them.",
		Safe: "Write a migration; strait plan prints one to begin with."},
}

// requiredBeforeMigrated gives one finding for all environments that lack the
// same: one deploy mends it. Where everything is widened the next step is to
// migrate, and the gate keeps the target back.
func requiredBeforeMigrated(s *scene) []Hazard {
	var out []Hazard
	same := map[string]concern{}
	var keys []string
	for _, st := range s.where(func(st *stand) bool { return st.widen(st.targetTables()).State == Todo }) {
		key := strings.Join(titles(concern{st}.changes(st.refused)), "\x00")
		if key != "" && same[key] == nil {
			keys = append(keys, key)
		}
		same[key] = append(same[key], st)
	}
	for _, key := range keys {
		c := same[key]
		changes := c.changes(c[0].refused)
		var tables []string
		for _, x := range changes {
			if !slices.Contains(tables, x.Table) {
				tables = append(tables, x.Table)
			}
		}
		names := titles(changes)
		h := Hazard{
			Severity: c.severity(Warning, Danger), Env: c.env(),
			What: fmt.Sprintf("%s would refuse the target: %s, with %s not migrated", c.names(), few(names), c.among(tables)),
		}
		if len(tables) == 1 {
			h.Table = tables[0]
		}
		if len(names) == 1 {
			h.Path = changes[0].Path
		}
		if e := c.env(); e != "" {
			h.Safe = fmt.Sprintf("Deploy the widened schema first (strait plan --widened --env %s), migrate and count; deploy the target last.", e)
		}
		out = append(out, h)
	}
	return out
}

// refused reports whether a change alone may make Convex refuse the target.
func (s *stand) refused(c Change) bool {
	return c.Table != "" && c.NeedsMigration() && c.Kind != TableAdded && s.mayMisfit(c.Table) && s.misfitAt(c)
}

// titles name changes, each once.
func titles(changes []Change) []string {
	var out []string
	for _, c := range changes {
		if t := title(c); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// among counts the documents of tables, or names the tables: 2,000 documents in 3
// tables.
func (c concern) among(tables []string) string {
	var n int64
	for _, s := range c {
		for _, t := range tables {
			n += s.Tables[t]
		}
	}
	if n == 0 {
		return few(tables)
	}
	if len(tables) == 1 {
		return documents(n) + " in " + tables[0]
	}
	return fmt.Sprintf("%s in %d tables", documents(n), len(tables))
}

func typeChangedInPlace(s *scene) []Hazard {
	return s.byChange(func(c Change) bool {
		return c.Kind == TypeChanged && c.Class == Breaking
	}, func(c Change, where concern) Hazard {
		return Hazard{Severity: Warning, What: fmt.Sprintf("%s in place, in %s", c.Message, where.holding(c.Table))}
	})
}

func fieldDeleted(s *scene) []Hazard {
	return s.byChange(func(c Change) bool { return c.Kind == FieldRemoved && c.NeedsMigration() }, func(c Change, where concern) Hazard {
		required := where.filter(func(st *stand) bool { return !st.optional(c) })
		if len(required) > 0 {
			return Hazard{Severity: required.severity(Warning, Danger),
				What: fmt.Sprintf("%s is removed while it is still required in %s", c.Path, required.holding(c.Table))}
		}
		if s.movesOn(c) || s.uncovered(c) {
			return Hazard{} // no-migration tells of the latter
		}
		h := Hazard{Severity: Notice, What: fmt.Sprintf("%s is removed: what %s %s in it is lost unless a migration moves it", c.Path, where.holding(c.Table), oneOrMany(len(where), "holds", "hold")),
			Why:  "Unsetting a field cannot be undone. It is optional already, so that code may stop writing it before the migration runs.",
			Safe: "Stop writing it, back up, then unset it with a migration; remove it from the schema last."}
		if c.Rename != "" {
			h.Safe = fmt.Sprintf("If %s is its new name, copy it there and unset it in one migration; else back up first. Remove it from the schema last.", c.Rename)
		}
		return h
	})
}

// movesOn reports whether a migration computes something else from a field
// that is removed, so that what it holds lives on.
func (s *scene) movesOn(c Change) bool {
	field := topField(c.Table, c.Path)
	return slices.ContainsFunc(s.defs, func(w work) bool {
		return w.table == c.Table && slices.ContainsFunc(w.body.Writes, func(x source.Write) bool {
			return slices.ContainsFunc(x.Fields, func(f source.Field) bool {
				return !f.Unset && (f.Name != field || !w.own(x)) && slices.Contains(f.From, field)
			})
		})
	})
}

// uncovered reports whether no migration works on a change.
func (s *scene) uncovered(c Change) bool {
	return slices.ContainsFunc(s.plan.Rows, func(r Row) bool {
		return r.Table == c.Table && r.Path == c.Path && len(r.Changes) > 0 && len(r.Migrations) == 0
	})
}

// optional reports whether the active schema lets a field be absent.
func (s *stand) optional(c Change) bool {
	// Before is what the comparison kept of it: v.optional(…) or the type.
	for _, x := range s.changes {
		if x.sameAs(c) {
			return strings.HasPrefix(x.Before, "v.optional(")
		}
	}
	return false
}

func tableRemovedWithDocuments(s *scene) []Hazard {
	var out []Hazard
	for _, table := range s.removedTables() {
		c := s.removing(table).filter(func(st *stand) bool { return st.Tables[table] > 0 })
		if len(c) > 0 {
			out = append(out, Hazard{Table: table, Env: c.env(),
				What: fmt.Sprintf("table %s leaves the schema with its documents: %s", table, c.holding(table))})
		}
	}
	return out
}

func idTargetChanged(s *scene) []Hazard {
	return s.byChange(func(c Change) bool { return c.Kind == IDTargetChanged && c.NeedsMigration() }, func(c Change, where concern) Hazard {
		return Hazard{What: fmt.Sprintf("%s, in %s", c.Message, where.holding(c.Table))}
	})
}

// danglingID looks for ids of a table that this very change removes.
func danglingID(s *scene) []Hazard {
	var out []Hazard
	for _, table := range s.removedTables() {
		var paths []string
		owner := ""
		for _, t := range s.in.Target.Tables {
			eachID(t.Document, t.Name, func(path, to string) {
				if to == table {
					paths, owner = append(paths, path), t.Name
				}
			})
		}
		if len(paths) == 0 {
			continue
		}
		c := s.removing(table)
		h := Hazard{Env: c.env(), What: fmt.Sprintf("table %s leaves the schema while %s still %s to it", table, few(paths), oneOrMany(len(paths), "points", "point"))}
		if len(paths) == 1 {
			h.Table, h.Path = owner, paths[0]
		}
		out = append(out, h)
	}
	return out
}

func validationOff(s *scene) []Hazard {
	if s.in.Target == nil {
		return nil
	}
	off := s.where(func(st *stand) bool { return st.Active != nil && !st.Active.Validation })
	if !s.in.Target.Validation {
		on := s.where(func(st *stand) bool { return st.Active != nil && st.Active.Validation })
		h := Hazard{Severity: Warning, What: "the target has schemaValidation switched off"}
		switch {
		case len(on) > 0:
			h.Severity, h.Env = on.severity(Warning, Danger), on.env()
			h.What = "the target switches schemaValidation off, which " + on.names() + " still " + oneOrMany(len(on), "has", "have") + " on"
		case len(off) > 0:
			h.What += ", as " + off.names() + " " + oneOrMany(len(off), "has", "have") + " it"
		}
		return []Hazard{h}
	}
	if len(off) == 0 {
		return nil
	}
	return []Hazard{{Severity: Warning, Env: off.env(),
		What: fmt.Sprintf("%s %s schemaValidation switched off: documents of any shape may be stored", off.names(), oneOrMany(len(off), "has", "have"))}}
}

func indexOnLargeTable(s *scene) []Hazard {
	return s.byChange(func(c Change) bool { return c.Kind == IndexAdded || c.Kind == IndexChanged }, func(c Change, where concern) Hazard {
		large := where.filter(func(st *stand) bool { return st.Tables[c.Table] >= largeTable })
		if len(large) == 0 || !has(s.in.Target, c.Table, strings.TrimPrefix(c.Path, c.Table+".")) {
			return Hazard{}
		}
		return Hazard{Env: large.env(), What: fmt.Sprintf("index %s is built while the deploy waits, over %s", c.Path, large.holding(c.Table))}
	})
}

func largeIndexDeleted(s *scene) []Hazard {
	return s.byChange(func(c Change) bool { return c.Kind == IndexRemoved || c.Kind == IndexChanged }, func(c Change, where concern) Hazard {
		large := where.filter(func(st *stand) bool { return st.Tables[c.Table] >= largeTable })
		if len(large) == 0 {
			return Hazard{}
		}
		does := "removed"
		if c.Kind == IndexChanged {
			does = "removed and built anew"
		}
		return Hazard{Env: large.env(), What: fmt.Sprintf("index %s is %s, over %s", c.Path, does, large.holding(c.Table))}
	})
}

func noMigration(s *scene) []Hazard {
	var out []Hazard
	for _, r := range s.plan.Rows {
		if len(r.Changes) == 0 || len(r.Migrations) > 0 || r.Table == "" {
			continue
		}
		var c concern
		for i, st := range s.stands {
			if i < len(r.Cells) && (r.Cells[i].Migrate.State == Todo || r.Cells[i].Migrate.State == Blocked) && st.known {
				c = append(c, st)
			}
		}
		if len(c) > 0 {
			out = append(out, Hazard{Table: r.Table, Path: r.Path, Env: c.env(),
				What: fmt.Sprintf("%s, and no migration works on it, in %s", r.Title, c.holding(r.Table))})
		}
	}
	return out
}

// byChange makes a finding of each change that is, for all environments that it
// is pending in. A finding without What is none.
func (s *scene) byChange(is func(Change) bool, make func(Change, concern) Hazard) []Hazard {
	var out []Hazard
	for _, c := range s.known().changes(is) {
		where := s.changing(func(x Change) bool { return is(x) && x.sameAs(c) })
		if c.NeedsMigration() {
			where = where.filter(func(st *stand) bool { return st.mayMisfit(c.Table) && st.misfitAt(c) })
		}
		if len(where) == 0 {
			continue
		}
		h := make(c, where)
		h.Table, h.Path, h.Env = c.Table, c.Path, cmp.Or(h.Env, where.env())
		out = append(out, h)
	}
	return out
}

// sameAs reports whether two environments have the same change before them.
func (c Change) sameAs(x Change) bool {
	return c.Table == x.Table && c.Path == x.Path && c.Kind == x.Kind
}

// misfitAt reports whether documents may not fit because of one change.
func (s *stand) misfitAt(c Change) bool {
	why, n := s.counted(s.open([]string{c.Table}), c.Path)
	return why != "" || n > 0
}

func (c concern) filter(is func(*stand) bool) concern {
	return slices.DeleteFunc(slices.Clone(c), func(s *stand) bool { return !is(s) })
}

// changes are the changes that is, of all environments, each once.
func (c concern) changes(is func(Change) bool) []Change {
	var out []Change
	for _, s := range c {
		for _, x := range s.changes {
			if is(x) && !slices.ContainsFunc(out, x.sameAs) {
				out = append(out, x)
			}
		}
	}
	return out
}

func (s *scene) removedTables() []string {
	var out []string
	for _, c := range s.known().changes(func(c Change) bool { return c.Kind == TableRemoved }) {
		out = append(out, c.Table)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// removing are the environments from which a table is to go.
func (s *scene) removing(table string) concern {
	return s.changing(func(c Change) bool { return c.Kind == TableRemoved && c.Table == table })
}

func oneOrMany(n int, one, more string) string {
	if n == 1 {
		return one
	}
	return more
}
