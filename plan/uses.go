package plan

import (
	"fmt"
	"regexp"
	"slices"

	"strait/model/schema"
)

var (
	// usedTable is a table that a source names where ctx.db or an ents table
	// is asked for it: query("orders"), insert('orders', …).
	usedTable = regexp.MustCompile("\\.\\s*(?:query|insert|get|patch|replace|delete|normalizeId|table)\\s*\\(\\s*[\"'`](\\w+)[\"'`]")
	usedIndex = regexp.MustCompile("\\bwith(?:Search)?Index\\s*\\(\\s*[\"'`](\\w+)[\"'`]")
)

// uses are the tables that a migration names in its source besides its own, and
// the indexes by table. An index belongs to the table that was asked for last
// before it, and to the migration's own where none was, as in customRange. What
// a component defines uses none of the root's.
func (d Definition) uses() (tables []string, indexes map[string][]string) {
	if d.Component != "" {
		return nil, nil
	}
	type mark struct {
		at   int
		name string
	}
	var asked []mark
	for _, m := range usedTable.FindAllStringSubmatchIndex(d.Source, -1) {
		name := d.Source[m[2]:m[3]]
		asked = append(asked, mark{m[0], name})
		if !slices.Contains(tables, name) {
			tables = append(tables, name)
		}
	}
	indexes = map[string][]string{}
	for _, m := range usedIndex.FindAllStringSubmatchIndex(d.Source, -1) {
		table := d.Table
		for _, a := range asked {
			if a.at < m[0] {
				table = a.name
			}
		}
		if name := d.Source[m[2]:m[3]]; table != "" && !slices.Contains(indexes[table], name) {
			indexes[table] = append(indexes[table], name)
		}
	}
	return tables, indexes
}

// lacking lists what the target declares and migrations use, and the active
// schema does not have yet: tables, tables that refuse the new shape, indexes.
// widen says nothing of it, since Convex takes any document into a table that
// it does not know.
func (s *stand) lacking(names []string) []string {
	var out []string
	add := func(text string) {
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, name := range names {
		d := s.definition(name)
		tables, indexes := d.uses()
		for _, t := range tables {
			switch {
			case s.target.Table(t) == nil:
			case s.Active.Table(t) == nil:
				add(fmt.Sprintf("the active schema has no table %s, which %s uses", t, name))
			case !s.tables[t].widened && t != d.Table:
				add(fmt.Sprintf("the active schema refuses documents of the new shape in %s, which %s uses", t, name))
			}
		}
		for t, list := range indexes {
			for _, x := range list {
				if has(s.target, t, x) && s.Active.Table(t) != nil && !has(s.Active, t, x) {
					add(fmt.Sprintf("the active schema has no index %s.%s, which %s uses", t, x, name))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// has reports whether queries may use an index of a table.
func has(s *schema.Schema, table, name string) bool {
	t := s.Table(table)
	return t != nil && slices.ContainsFunc(t.Indexes, func(x schema.Index) bool { return x.Name == name && !x.Staged })
}

// undeclared lists the tables and indexes of the target that a deployment of
// the widened schema would bring.
func (s *stand) undeclared() []string {
	var out []string
	for _, t := range s.target.Tables {
		if s.Active.Table(t.Name) == nil {
			out = append(out, t.Name)
			continue
		}
		for _, x := range t.Indexes {
			if !x.Staged && !has(s.Active, t.Name, x.Name) {
				out = append(out, t.Name+"."+x.Name)
			}
		}
	}
	return out
}
