package plan

import (
	"cmp"
	"slices"
	"strings"
)

// rows are the union over the environments of what must be migrated, each with
// its definitions, then the definitions that belong to no visible change.
func rows(in Input, envs []EnvPlan) []Row {
	var out []Row
	at := map[[2]string]int{}
	for _, e := range furthestFirst(envs) {
		for _, c := range e.Changes {
			if !c.NeedsMigration() {
				continue
			}
			key := [2]string{c.Table, c.Path}
			i, seen := at[key]
			if !seen {
				i = len(out)
				at[key] = i
				out = append(out, Row{Title: title(c), Table: c.Table, Path: c.Path, Class: c.Class, Migrations: []string{}})
			}
			r := &out[i]
			if seen && c.Member != r.Changes[0].Member {
				whole := r.Changes[0]
				whole.Member = "" // the row is of several members
				r.Title = title(whole)
			}
			if !slices.ContainsFunc(r.Changes, func(x Change) bool { return x.Kind == c.Kind && x.Member == c.Member }) {
				r.Changes = append(r.Changes, c)
				r.Class = worst(r.Changes)
			}
		}
	}
	for _, d := range in.Definitions {
		if d.Runner {
			continue
		}
		if d.Component != "" {
			out = append(out, Row{Title: shortName(d.Name) + " of component " + d.Component, Component: d.Component, Migrations: []string{d.Name}})
			continue
		}
		if !attach(out, d, in.Definitions, in.Code) {
			out = append(out, Row{Title: shortName(d.Name), Table: d.Table, Migrations: []string{d.Name}})
		}
	}
	slices.SortStableFunc(out, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Component, b.Component), cmp.Compare(a.Table, b.Table), cmpBool(len(a.Changes) == 0, len(b.Changes) == 0),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Title, b.Title))
	})
	return out
}

// title is the same before and after the widening.
func title(c Change) string {
	where := c.Path
	if where == "" {
		where = c.Table
	}
	if c.Member != "" {
		where += " (" + c.Member + ")"
	}
	switch c.Kind {
	case RequiredFieldAdded, OptionalToRequired:
		return where + " becomes required"
	case FieldRemoved:
		return where + " is removed"
	case IDTargetChanged:
		return where + " points elsewhere"
	case TableAdded:
		return where + " was never checked"
	case ValidationOn:
		return "schemaValidation is switched on"
	}
	return where + " changes type"
}

// furthestFirst puts the environments that are not widened yet in front: they
// still have the old shape, which tells a change best.
func furthestFirst(envs []EnvPlan) []EnvPlan {
	out := slices.Clone(envs)
	slices.SortStableFunc(out, func(a, b EnvPlan) int {
		return cmpBool(a.Widen.State != Todo, b.Widen.State != Todo)
	})
	return out
}

// shortName is a definition's name without its module when that is long.
func shortName(name string) string {
	if i := strings.LastIndexByte(name, ':'); i >= 0 && name[i+1:] != "default" {
		return name[i+1:]
	}
	return name
}

func cmpBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
