package plan

import (
	"fmt"
	"slices"
	"strings"

	"strait/model/schema"
)

// indexChanges compares the indexes of one table by name, as Convex does: of
// whatever kind, an index of the same name is the same one, and one that covers
// something else is dropped and built anew (convex-wire.md 10.6). Which are
// staged is a state of an index, and no other index.
func indexChanges(a, t *schema.Table) []Change {
	if slices.EqualFunc(a.Indexes, t.Indexes, func(x, y schema.Index) bool { return sameIndex(x, y) && x.Name == y.Name && x.Staged == y.Staged }) {
		return nil
	}
	var out []Change
	renamed := indexRenames(a, t)
	for _, x := range t.Indexes {
		old := indexCalled(a, x.Name)
		switch {
		case old == nil:
			out = append(out, indexAdded(t.Name, x, renamed.from[x.Name].sure()))
		case !sameIndex(*old, x):
			out = append(out, indexChanged(t.Name, *old, x))
		case old.Staged != x.Staged:
			out = append(out, indexStaging(t.Name, *old, x))
		}
	}
	for _, x := range a.Indexes {
		if indexCalled(t, x.Name) == nil {
			out = append(out, indexRemoved(t.Name, x, renamed.to[x.Name].sure()))
		}
	}
	return out
}

func indexCalled(t *schema.Table, name string) *schema.Index {
	for i := range t.Indexes {
		if t.Indexes[i].Name == name {
			return &t.Indexes[i]
		}
	}
	return nil
}

// indexRenames pairs indexes that cover the same under another name.
func indexRenames(a, t *schema.Table) renames {
	var cs []candidate
	for _, x := range a.Indexes {
		if indexCalled(t, x.Name) != nil {
			continue
		}
		for _, y := range t.Indexes {
			if indexCalled(a, y.Name) == nil && sameIndex(x, y) {
				cs = append(cs, candidate{rename{x.Name, y.Name}, 1 + likeness(x.Name, y.Name)})
			}
		}
	}
	return settle(cs, 1)
}

// indexMoves are the fields, by their paths, that took each other's place in an
// index, of the same name or not.
func indexMoves(a, t *schema.Table) map[rename]bool {
	out := map[rename]bool{}
	for _, x := range a.Indexes {
		now := indexCalled(t, x.Name)
		if now != nil && sameIndex(x, *now) {
			continue
		}
		for _, y := range t.Indexes {
			was := indexCalled(a, y.Name)
			if (now == nil) != (was == nil) || now != nil && y.Name != x.Name || x.Kind != y.Kind {
				continue
			}
			for i := range min(len(x.Fields), len(y.Fields)) {
				if len(x.Fields) == len(y.Fields) {
					out[rename{x.Fields[i], y.Fields[i]}] = true
				}
			}
			out[rename{x.SearchField, y.SearchField}] = true
			out[rename{x.VectorField, y.VectorField}] = true
			for _, f := range x.FilterFields {
				for _, g := range y.FilterFields {
					out[rename{f, g}] = true // of these only a field that went and one that came matter
				}
			}
		}
	}
	return out
}

func indexChange(table string, x schema.Index, kind, message string) Change {
	return Change{Table: table, Path: table + "." + x.Name, Kind: kind, Class: IndexOnly, Message: indexNoun(table, x) + " " + message}
}

// waits is what a push does for an index that it must fill.
const waits = "the push waits until the index is filled; on a large table stage it first"

// asks is what the CLI does before an index of many documents goes.
const asks = "the CLI asks first when the table has 100,000 documents or more"

func indexAdded(table string, x schema.Index, renamed string) Change {
	c := indexChange(table, x, IndexAdded, "is new, on "+covers(x))
	c.After, c.Rename = x.Line(), renamed
	c.Why, c.Push = "every document of the table is indexed once", waits
	if x.Staged {
		c.Message = indexNoun(table, x) + " is new and staged, on " + covers(x)
		c.Why = "it is filled in the background; queries cannot use it until it is no longer staged"
		c.Push = "Convex begins to fill it; the push does not wait"
	}
	if renamed != "" {
		c.Message += ": renamed from " + renamed
		c.Why = "Convex knows an index by its name: the new one is built from nothing"
	}
	return c
}

func indexRemoved(table string, x schema.Index, renamed string) Change {
	c := indexChange(table, x, IndexRemoved, "is gone")
	c.Before, c.Rename = x.Line(), renamed
	c.Why = "queries that use it will fail; building it again takes a while on a large table"
	c.Push = "Convex drops it at the end of the push; " + asks
	if renamed != "" {
		c.Message += ": renamed to " + renamed
		c.Why = "queries that use the old name will fail"
	}
	return c
}

func indexChanged(table string, old, x schema.Index) Change {
	c := indexChange(table, x, IndexChanged, differences(old, x))
	c.Before, c.After = old.Line(), x.Line()
	c.Why = "Convex builds another index under the same name and drops the old one"
	switch {
	case x.Staged && old.Staged:
		c.Push = "Convex begins to fill the new one; the push does not wait, and no query could use the old one"
	case x.Staged:
		c.Why += "; the new one is staged, so that queries that use it will fail"
		c.Push = "Convex begins to fill the new one and drops the old one at the end of the push; " + asks
	default:
		c.Push = waits + ", under another name; queries use the old one until the end of the push; " + asks
	}
	return c
}

func indexStaging(table string, old, x schema.Index) Change {
	c := indexChange(table, x, IndexUnstaged, "is no longer staged")
	c.Before, c.After = old.Line(), x.Line()
	c.Why = "queries may use it from now on"
	c.Push = "the push waits until it is filled, which takes no time if it is already"
	if x.Staged {
		c.Kind, c.Message = IndexStaged, indexNoun(table, x)+" becomes staged"
		c.Why = "queries that use it will fail"
		c.Push = "Convex switches it off at the end of the push and keeps it filled"
	}
	return c
}

// sameIndex compares what an index covers. The order of filter fields means
// nothing.
func sameIndex(a, b schema.Index) bool {
	return a.Kind == b.Kind && slices.Equal(a.Fields, b.Fields) && a.SearchField == b.SearchField && a.VectorField == b.VectorField &&
		a.Dimensions == b.Dimensions && sameFilters(a, b)
}

func sameFilters(a, b schema.Index) bool {
	return slices.Equal(a.FilterFields, b.FilterFields) || slices.Equal(sortedNames(a.FilterFields), sortedNames(b.FilterFields))
}

func sortedNames(s []string) []string {
	s = slices.Clone(s)
	slices.Sort(s)
	return s
}

// indexNoun is an index as a sentence begins with it.
func indexNoun(table string, x schema.Index) string {
	noun := "index "
	if x.Kind != schema.DatabaseIndex {
		noun = string(x.Kind) + " index "
	}
	return noun + table + "." + x.Name
}

// differences tells how an index became another.
func differences(old, x schema.Index) string {
	if old.Kind != x.Kind {
		kinds := map[schema.IndexKind]string{schema.DatabaseIndex: "a database index", schema.SearchIndex: "a search index", schema.VectorIndex: "a vector index"}
		return fmt.Sprintf("takes the name of %s, on %s", kinds[old.Kind], covers(old))
	}
	var parts []string
	add := func(differ bool, format string, args ...any) {
		if differ {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(!slices.Equal(old.Fields, x.Fields), "covers %s instead of %s", fieldList(x.Fields), fieldList(old.Fields))
	add(old.SearchField != x.SearchField, "searches %s instead of %s", x.SearchField, old.SearchField)
	add(old.VectorField != x.VectorField, "covers %s instead of %s", x.VectorField, old.VectorField)
	add(old.Dimensions != x.Dimensions, "has %d dimensions instead of %d", x.Dimensions, old.Dimensions)
	add(!sameFilters(old, x), "filters by %s instead of %s", fieldList(x.FilterFields), fieldList(old.FilterFields))
	return strings.Join(parts, " and ")
}

// covers is what an index covers.
func covers(x schema.Index) string {
	switch x.Kind {
	case schema.SearchIndex:
		return x.SearchField
	case schema.VectorIndex:
		return fmt.Sprintf("%s of %d dimensions", x.VectorField, x.Dimensions)
	}
	return fieldList(x.Fields)
}

func fieldList(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}
