package schema

import (
	"slices"

	"strait/model/value"
)

// Widen is the smallest readable validator that accepts what a and b accept.
// When one of the two accepts the other, it is that one, as written. Otherwise
// fields of one side become optional, differing types become a flat union
// without members that another member covers, and two arrays or records become
// one. Objects of unions are merged where one on each side differs from all of
// the other, or where a literal field tells which belong together; other
// objects stay members of their own. b's order comes first. nil accepts everything.
func Widen(a, b *Validator) *Validator {
	if a == nil || b == nil {
		return nil
	}
	if same(a, b) {
		return b
	}
	if ok, _, err := accepts(b, a); err == nil && ok {
		return b
	}
	if ok, _, err := accepts(a, b); err == nil && ok {
		return a
	}
	return unionOf(mergeMembers(flatten(nil, b), flatten(nil, a)))
}

func unionOf(members []*Validator) *Validator {
	members = uncovered(members)
	if len(members) == 1 {
		return members[0]
	}
	return &Validator{Kind: Union, Members: members}
}

// uncovered drops each member that another one accepts; of equals the first
// stays.
func uncovered(members []*Validator) []*Validator {
	gone := make([]bool, len(members))
	for i, m := range members {
		for j, other := range members {
			if i == j || gone[j] {
				continue
			}
			if covers(other, m) && (j < i || !covers(m, other)) {
				gone[i] = true
				break
			}
		}
	}
	var out []*Validator
	for i, m := range members {
		if !gone[i] {
			out = append(out, m)
		}
	}
	return out
}

// covers is accepts between members of unions, without a search where the
// kinds tell.
func covers(a, m *Validator) bool {
	switch {
	case m.Kind == Literal:
		return a.Fits(m.Literal, NumberedTables(nil))
	case m.Kind != Any && m.Kind != Object && (a.Kind == Literal || a.Kind != Any && family(a) != family(m)):
		return false // an object may accept nothing, which everything covers
	}
	ok, _, err := accepts(a, m)
	return err == nil && ok
}

// mergeMembers joins the members of two unions, first's order before second's.
func mergeMembers(first, second []*Validator) []*Validator {
	pair := pairing(first, second)
	used := map[*Validator]bool{}
	var out []*Validator
	for _, m := range first {
		other := pair(m)
		if other == nil {
			out = append(out, m)
			continue
		}
		used[other] = true
		out = append(out, merge(m, other))
	}
	for _, m := range second {
		if !used[m] {
			out = append(out, m)
		}
	}
	return out
}

// merge joins two validators of one kind.
func merge(first, second *Validator) *Validator {
	switch first.Kind {
	case Array:
		return &Validator{Kind: Array, Element: Widen(second.Element, first.Element)}
	case Record:
		return &Validator{Kind: Record, Key: Widen(second.Key, first.Key), Element: Widen(second.Element, first.Element)}
	}
	out := &Validator{Kind: Object}
	for _, f := range first.Fields {
		if other := second.Field(f.Name); other != nil {
			f.Type, f.Optional = Widen(other.Type, f.Type), f.Optional || other.Optional
		} else {
			f.Optional = true
		}
		out.Fields = append(out.Fields, f)
	}
	for _, f := range second.Fields {
		if first.Field(f.Name) == nil {
			f.Optional = true
			out.Fields = append(out.Fields, f)
		}
	}
	return out
}

// pairing tells which member of second a member of first is merged with.
func pairing(first, second []*Validator) func(*Validator) *Validator {
	return func(m *Validator) *Validator {
		if m.Kind != Array && m.Kind != Record && m.Kind != Object {
			return nil
		}
		mine, others := ofKind(first, m.Kind), ofKind(second, m.Kind)
		if len(others) == 0 {
			return nil
		}
		if tag := discriminator(mine, others); len(mine)+len(others) > 2 && tag != "" {
			return tagged(others, tag, m.Field(tag).Type.Literal)
		}
		if len(mine)+len(others) > 2 {
			mine, others = unmatched(mine, others), unmatched(others, mine)
		}
		if len(mine) == 1 && len(others) == 1 && mine[0] == m {
			return others[0]
		}
		return nil
	}
}

// tagged finds the object whose field tag is the literal.
func tagged(objects []*Validator, tag string, literal value.Value) *Validator {
	for _, o := range objects {
		if value.Equal(o.Field(tag).Type.Literal, literal) {
			return o
		}
	}
	return nil
}

// unmatched lists the members that the other side does not have as well.
func unmatched(members, others []*Validator) []*Validator {
	return slices.DeleteFunc(slices.Clone(members), func(m *Validator) bool {
		return slices.ContainsFunc(others, func(other *Validator) bool { return same(canonical(m), canonical(other)) })
	})
}

func ofKind(members []*Validator, kind Kind) []*Validator {
	var out []*Validator
	for _, m := range members {
		if m.Kind == kind {
			out = append(out, m)
		}
	}
	return out
}

// discriminator is the field, first by name, that is a required literal in
// every object of both sides, no two alike within a side; "" if there is none.
func discriminator(first, second []*Validator) string {
	if first[0].Kind != Object {
		return ""
	}
	for _, f := range first[0].sortedFields() {
		if tells(first, f.Name) && tells(second, f.Name) {
			return f.Name
		}
	}
	return ""
}

func tells(objects []*Validator, name string) bool {
	var seen []value.Value
	for _, o := range objects {
		f := o.Field(name)
		if f == nil || f.Optional || f.Type.Kind != Literal {
			return false
		}
		if slices.ContainsFunc(seen, func(v value.Value) bool { return value.Equal(v, f.Type.Literal) }) {
			return false
		}
		seen = append(seen, f.Type.Literal)
	}
	return true
}

// WidenSchemas widens table by table: tables of one side are kept, target's
// indexes win, indexes only of active are kept. An index that target has under
// another name is not: Convex takes no two indexes of the same fields. The
// order is target's. Types are enforced only if both sides enforce them, for documents of an
// environment that does not may have any shape. A nil schema has no tables.
func WidenSchemas(active, target *Schema) *Schema {
	if active == nil || target == nil {
		if target == nil {
			return active
		}
		return target
	}
	out := &Schema{Validation: active.Validation && target.Validation}
	for _, t := range target.Tables {
		if old := active.Table(t.Name); old != nil {
			t = &Table{Name: t.Name, Document: Widen(old.Document, t.Document), Indexes: widenIndexes(old.Indexes, t.Indexes)}
		}
		out.Tables = append(out.Tables, t)
	}
	for _, t := range active.Tables {
		if target.Table(t.Name) == nil {
			out.Tables = append(out.Tables, t)
		}
	}
	return out
}

func widenIndexes(active, target []Index) []Index {
	out := slices.Clone(target)
	for _, x := range active {
		if !slices.ContainsFunc(target, func(y Index) bool { return x.Name == y.Name || x.twin(y) }) {
			out = append(out, x)
		}
	}
	slices.SortStableFunc(out, func(x, y Index) int { return x.list() - y.list() })
	return out
}

// list is the place of the index's list in a table's JSON.
func (x Index) list() int {
	return slices.IndexFunc(indexLists, func(l indexList) bool { return l.kind == x.Kind && l.staged == x.Staged })
}
