package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"strait/model/schema"
	"strait/model/source"
)

var codeRules = []Rule{
	{Code: "SW301", Name: "old-shape-writer", Severity: Danger, find: oldShapeWriter,
		Why:  "While the schema is widened Convex takes such documents, so that new offenders appear behind the migration. Once the target is deployed, the call fails.",
		Safe: "Make the code write the new shape and deploy it with the widened schema, before the migration starts."},
	{Code: "SW302", Name: "removed-index-reader", Severity: Danger, find: removedIndexReader,
		Why:  "A query through an index that is gone or staged fails: Index … not found.",
		Safe: "Move the query to another index and deploy that first; remove the index in a later deploy."},
	{Code: "SW303", Name: "removed-table-user", Severity: Warning, find: removedTableUser,
		Why:  "Convex goes on storing what code writes into a table without a schema: unchecked, and without the indexes that its queries used.",
		Safe: "Remove the code that uses the table, deploy that, then remove the table from the schema."},
}

// oldShapeWriter looks for application code whose documents the target refuses
// for certain, because of a change that is not finished yet.
func oldShapeWriter(s *scene) []Hazard {
	if s.in.Target == nil || !s.in.Target.Validation {
		return nil
	}
	var out []Hazard
	for _, x := range s.code.Writes {
		t := s.in.Target.Table(x.Table)
		if t == nil || t.Document == nil || x.Op == source.Delete {
			continue
		}
		m := &misfits{changed: s.changedFields(x.Table)}
		if len(m.changed) == 0 {
			continue
		}
		field, what := m.write(x, t.Document)
		if what == "" {
			continue
		}
		where := s.changing(func(c Change) bool {
			return c.Table == x.Table && c.NeedsMigration() && (field == "" || topField(c.Table, c.Path) == field || topField(c.Table, c.Path) == "")
		})
		h := Hazard{Severity: where.severity(Warning, Danger), Table: x.Table, Env: where.env(), Site: &x.Site,
			What: fmt.Sprintf("%s %s %s%s", who(&x), does[x.Op], x.Table, what)}
		if field != "" {
			h.Path = x.Table + "." + field
		}
		out = append(out, h)
	}
	return out
}

var does = map[source.Op]string{source.Insert: "inserts into", source.Patch: "patches", source.Replace: "replaces documents of"}

// changedFields are the top-level fields of a table that have changes pending;
// "" stands for the whole document.
func (s *scene) changedFields(table string) map[string]bool {
	out := map[string]bool{}
	for _, c := range s.known().changes(func(c Change) bool { return c.Table == table && c.NeedsMigration() }) {
		out[topField(c.Table, c.Path)] = true
	}
	return out
}

// misfits says why the documents of a write do not fit.
type misfits struct {
	changed map[string]bool // only these fields are looked at; nil all
}

func (m *misfits) looks(field string) bool {
	return m.changed == nil || m.changed[field] || m.changed[""]
}

// write gives the field and the end of a sentence; "" when the write may fit.
func (m *misfits) write(x source.Write, doc *schema.Validator) (field, what string) {
	switch doc.Kind {
	case schema.Object:
		return m.object(x, doc)
	case schema.Union:
		if x.Op == source.Patch || x.Open || len(doc.Members) == 0 {
			return "", ""
		}
		all := &misfits{}
		for _, member := range doc.Members {
			if member.Kind != schema.Object {
				return "", ""
			}
			if _, what := all.object(x, member); what == "" {
				return "", ""
			}
		}
		return "", " a document that fits none of its shapes"
	}
	return "", ""
}

func (m *misfits) object(x source.Write, doc *schema.Validator) (field, what string) {
	for _, f := range x.Fields {
		if strings.HasPrefix(f.Name, "_") || !m.looks(f.Name) {
			continue
		}
		switch to := doc.Field(f.Name); {
		case to == nil && !f.Unset:
			return f.Name, fmt.Sprintf(" with %s, which the target has no longer", f.Name)
		case to != nil && f.Unset && x.Op == source.Patch && !to.Optional:
			return f.Name, fmt.Sprintf(" and unsets %s, which the target requires", f.Name)
		case to != nil && !f.Unset && disjoint(f.Value, to.Type):
			return f.Name, fmt.Sprintf(" with %s: %s, where the target wants %s", f.Name, shown(f.Value), shown(to.Type))
		}
	}
	if x.Op == source.Patch || x.Open {
		return "", ""
	}
	for _, to := range doc.Fields {
		if !to.Optional && !sets(x, to.Name) && m.looks(to.Name) {
			return to.Name, fmt.Sprintf(" without %s, which the target requires", to.Name)
		}
	}
	return "", ""
}

// removedIndexReader looks for application queries through indexes that are
// deployed and that the target has not.
func removedIndexReader(s *scene) []Hazard {
	var out []Hazard
	for _, r := range s.code.Reads {
		if r.Index == "" || s.in.Target.Table(r.Table) == nil || has(s.in.Target, r.Table, r.Index) {
			continue
		}
		c := s.where(func(st *stand) bool { return has(st.Active, r.Table, r.Index) })
		if len(c) == 0 {
			continue
		}
		is := "the target removes"
		if stagedIndex(s.in.Target, r.Table, r.Index) {
			is = "the target stages"
		}
		out = append(out, Hazard{Severity: c.severity(Warning, Danger), Table: r.Table, Path: r.Table + "." + r.Index, Env: c.env(), Site: &r.Site,
			What: fmt.Sprintf("%s queries %s through %s, which %s", cmp.Or(r.Function, "a helper"), r.Table, r.Index, is)})
	}
	return out
}

// removedTableUser gives one finding a table, at the first place that uses it.
func removedTableUser(s *scene) []Hazard {
	var out []Hazard
	for _, table := range s.removedTables() {
		var users []string
		var first *source.Site
		writes := 0
		use := func(site source.Site, function string) {
			if first == nil {
				first = &site
			}
			if name := cmp.Or(function, site.File); !slices.Contains(users, name) {
				users = append(users, name)
			}
		}
		for _, x := range s.code.Writes {
			if x.Table == table {
				use(x.Site, x.Function)
				writes++
			}
		}
		for _, r := range s.code.Reads {
			if r.Table == table {
				use(r.Site, r.Function)
			}
		}
		if len(users) == 0 {
			continue
		}
		how := "reads"
		if writes > 0 {
			how = "uses"
		}
		c := s.removing(table)
		out = append(out, Hazard{Table: table, Env: c.env(), Site: first,
			What: fmt.Sprintf("table %s leaves the schema, and %s still %s it", table, few(users), oneOrMany(len(users), how, strings.TrimSuffix(how, "s")))})
	}
	return out
}

// shown prints a validator for a sentence: long ones are cut.
func shown(v *schema.Validator) string {
	s := []rune(show(v))
	if len(s) <= 60 {
		return string(s)
	}
	return string(s[:59]) + "…"
}
