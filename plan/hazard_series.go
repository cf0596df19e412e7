package plan

import (
	"fmt"
	"slices"

	"strait/model/schema"
	"strait/model/source"
)

// seriesOrder compares a runner's order with what its migrations read, write
// and remove.
func seriesOrder(s *scene) []Hazard {
	var out []Hazard
	for _, runner := range s.in.Definitions {
		var list []work
		for _, name := range runner.Series {
			for _, w := range s.wanted() {
				if w.Name == name {
					list = append(list, w)
				}
			}
		}
		for i, first := range list {
			for _, later := range list[i+1:] {
				out = append(out, outOfOrder(s, runner, first, later))
			}
		}
	}
	return out
}

func outOfOrder(s *scene, runner Definition, first, later work) Hazard {
	tell := func(severity Severity, path, what, safe string) Hazard {
		h := later.hazard(s.label(runner.Name) + " runs " + what)
		h.Severity, h.Path, h.Safe = severity, path, safe
		return h
	}
	if first.Name == later.Name {
		return Hazard{}
	}
	if first.table != "" && first.table == later.table {
		for _, f := range later.readsOf() {
			path := first.table + "." + f
			if x, ok := first.removes(f); ok {
				severity := Danger
				if x.Guarded {
					severity = Warning
				}
				return tell(severity, path, fmt.Sprintf("%s, which removes %s, before %s, which reads it", first.label, path, later.label),
					fmt.Sprintf("Put %s before %s.", later.label, first.label))
			}
		}
		for _, f := range first.readsOf() {
			path := first.table + "." + f
			if later.fills(f) && !first.fills(f) && s.isNew(first.table, f) {
				return tell(Warning, path, fmt.Sprintf("%s, which reads %s, before %s, which fills it", first.label, path, later.label),
					fmt.Sprintf("Put %s before %s.", later.label, first.label))
			}
		}
	}
	for _, r := range later.body.Reads {
		if first.table != "" && r.Table == first.table && later.table != first.table && first.deletes() {
			return tell(Warning, "", fmt.Sprintf("%s, which deletes documents of %s, before %s, which reads them", first.label, r.Table, later.label),
				fmt.Sprintf("Put %s before %s, unless it needs only those that stay.", later.label, first.label))
		}
	}
	for _, r := range first.body.Reads {
		if r.Table != "" && s.isNewTable(r.Table) && later.inserts(r.Table) && !first.inserts(r.Table) {
			return tell(Warning, "", fmt.Sprintf("%s, which reads %s, before %s, which fills it", first.label, r.Table, later.label),
				fmt.Sprintf("Put %s before %s.", later.label, first.label))
		}
	}
	return Hazard{}
}

// readsOf are the fields of its document that other values are computed from.
func (w work) readsOf() []string {
	var out []string
	for _, x := range w.body.Writes {
		for _, f := range x.Fields {
			for _, from := range f.From {
				if !slices.Contains(out, from) {
					out = append(out, from)
				}
			}
		}
	}
	return out
}

// removes finds the write that unsets a field of the migration's own table.
func (w work) removes(field string) (source.Write, bool) {
	for _, x := range w.body.Writes {
		if w.own(x) && unsets(x, field) {
			return x, true
		}
	}
	return source.Write{}, false
}

func (w work) fills(field string) bool {
	return slices.ContainsFunc(w.body.Writes, func(x source.Write) bool {
		return w.own(x) && sets(x, field)
	})
}

func (w work) deletes() bool {
	return slices.ContainsFunc(w.body.Writes, func(x source.Write) bool { return x.Op == source.Delete && x.Table == w.table })
}

func (w work) inserts(table string) bool {
	return slices.ContainsFunc(w.body.Writes, func(x source.Write) bool { return x.Op == source.Insert && x.Table == table })
}

// isNew reports whether a top-level field is new in some environment's plan.
func (s *scene) isNew(table, field string) bool {
	return len(s.changing(func(c Change) bool {
		return (c.Kind == FieldAdded || c.Kind == RequiredFieldAdded || c.Kind == OptionalToRequired) && c.Path == table+"."+field
	})) > 0
}

func (s *scene) isNewTable(table string) bool {
	return len(s.changing(func(c Change) bool { return c.Kind == TableAdded && c.Table == table })) > 0
}

// indexNotUsable looks at the indexes that migrations walk and query.
func indexNotUsable(s *scene) []Hazard {
	if s.in.Target == nil {
		return nil
	}
	var out []Hazard
	for _, w := range s.wanted() {
		told := map[[2]string]bool{}
		for _, x := range w.indexes() {
			if key := [2]string{x.Table, x.Index}; !told[key] && s.in.Target.Table(x.Table) != nil {
				told[key] = true
				out = append(out, w.usesIndex(s, x))
			}
		}
	}
	return out
}

// indexes are the indexes that the migration uses, but for those that every
// table has.
func (w work) indexes() []source.Read {
	var out []source.Read
	if w.body.RangeIndex != "" {
		out = append(out, source.Read{Site: w.body.Site, Table: w.table, Index: w.body.RangeIndex})
	}
	for _, r := range w.body.Reads {
		if r.Index != "" {
			out = append(out, r)
		}
	}
	return slices.DeleteFunc(out, func(r source.Read) bool {
		return r.Table == "" || r.Index == "by_creation_time" || r.Index == "by_id"
	})
}

func (w work) usesIndex(s *scene, r source.Read) Hazard {
	name := r.Table + "." + r.Index
	h := w.hazard("")
	h.Site = &r.Site
	if h.Site.File == "" {
		h.Site = w.site()
	}
	can := w.pending.filter(func(st *stand) bool { return st.known && has(st.Active, r.Table, r.Index) })
	switch {
	case !has(s.in.Target, r.Table, r.Index):
		is := "has not"
		if stagedIndex(s.in.Target, r.Table, r.Index) {
			is = "only stages"
		}
		h.What = fmt.Sprintf("%s uses index %s, which the target %s", w.label, name, is)
		if len(can) > 0 {
			h.What += ": it fails once the target is deployed to " + can.names()
			h.Severity = can.severity(Notice, Warning)
		}
	default:
		lack := w.pending.filter(func(st *stand) bool {
			return st.known && st.Active.Table(r.Table) != nil && !has(st.Active, r.Table, r.Index)
		})
		if len(lack) == 0 {
			return Hazard{}
		}
		h.Severity, h.Env = Notice, lack.env()
		h.What = fmt.Sprintf("%s uses index %s, which is not deployed in %s", w.label, name, lack.names())
		h.Safe = "Deploy the widened schema, which has the index, before the migration runs."
	}
	return h
}

// stagedIndex reports whether an index is there, yet not to be queried.
func stagedIndex(s *schema.Schema, table, name string) bool {
	t := s.Table(table)
	return t != nil && slices.ContainsFunc(t.Indexes, func(x schema.Index) bool { return x.Name == name && x.Staged })
}
