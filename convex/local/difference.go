package local

import (
	"maps"
	"slices"
)

// Difference is what became of one user table's documents between two views.
type Difference struct {
	Component, Table           string
	Inserted, Changed, Deleted int64
}

// Since compares all user tables with those of an earlier view of the same
// deployment, by component and table; tables without a difference are left out.
// A document that was written again with the same content has not changed. A
// table that nobody wrote to costs nothing, any other one a walk over it.
func (v *View) Since(before *View) []Difference {
	var out []Difference
	paths := append(v.Components(), before.Components()...)
	slices.Sort(paths)
	for _, path := range slices.Compact(paths) {
		now, old := v.tables(path), before.tables(path)
		names := maps.Clone(old)
		maps.Copy(names, now)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			d := Difference{Component: path, Table: name}
			d.compare(old[name], now[name])
			if d.Inserted+d.Changed+d.Deleted > 0 {
				out = append(out, d)
			}
		}
	}
	return out
}

func (v *View) tables(component string) map[string]*table {
	out := map[string]*table{}
	if s := v.snapshot.space(component); s != nil {
		for _, t := range s.userTables() {
			out[t.name] = t
		}
	}
	return out
}

// compare walks both tables by id, side by side.
func (d *Difference) compare(old, now *table) {
	switch {
	case old == now:
		return
	case old == nil:
		d.Inserted = int64(now.byID.Len())
		return
	case now == nil:
		d.Deleted = int64(old.byID.Len())
		return
	}
	was, is := old.byID.Iter(), now.byID.Iter()
	defer was.Release()
	defer is.Release()
	more, some := was.First(), is.First()
	for more || some {
		switch {
		case !some || more && lessID(was.Item(), is.Item()):
			d.Deleted++
			more = was.Next()
		case !more || lessID(is.Item(), was.Item()):
			d.Inserted++
			some = is.Next()
		default:
			if a, b := was.Item(), is.Item(); a != b && a.json != b.json {
				d.Changed++
			}
			more, some = was.Next(), is.Next()
		}
	}
}

// Sizes are those of a table's documents as Convex counts them (8.5), by
// creation time.
func (v *View) Sizes(component, table string) []int32 {
	s := v.snapshot.space(component)
	if s == nil || s.table(table) == nil {
		return nil
	}
	t := s.table(table)
	out := make([]int32, 0, t.byTime.Len())
	t.byTime.Scan(func(d *document) bool {
		out = append(out, int32(d.size))
		return true
	})
	return out
}
