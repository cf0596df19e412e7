package schema

import (
	"maps"
	"slices"

	"strait/model/value"
)

// Widen is the smallest readable validator that accepts what a and b accept.
// When one of the two accepts the other, it is that one, as written. Otherwise
// fields of one side become optional, differing types become a flat union
// without members that another member covers, and two arrays or records become
// one. Of unions, the objects with the same literal in the field that tells
// them apart are merged, those with different ones stay apart; without such a
// field, an object is merged where one on each side differs from all of the
// other, and else stays a member of its own. b's order comes first. nil accepts
// everything.
//
// The result accepts both whatever happens: where two members are too wide to
// compare (ErrTooWide), both are kept.
func Widen(a, b *Validator) *Validator {
	if a == nil || b == nil {
		return nil
	}
	return widening{steps: new(int)}.widen(a, b)
}

// maxWidenDepth is where Widen stops to merge what is inside of one another
// and puts it side by side: Convex's values are nested 64 deep at the most.
const maxWidenDepth = 100

// widening is the merging of what stands at one depth of two validators.
type widening struct {
	depth int
	steps *int // taken by all comparisons together; beyond maxSteps none is made
}

func (w widening) widen(a, b *Validator) *Validator {
	a, b = orAny(a), orAny(b)
	switch {
	case a == b || b.Kind == Any || coversScalar(b, a):
		return b
	case a.Kind == Any || coversScalar(a, b):
		return a
	case w.depth > maxWidenDepth:
		return &Validator{Kind: Union, Members: []*Validator{b, a}}
	case a.Kind == Object && b.Kind == Object:
		return w.objects(a, b)
	case a.Kind == Array && b.Kind == Array && !vector(a, b):
		return w.arrays(a, b)
	case same(a, b) || w.includes(b, a):
		return b
	case w.includes(a, b):
		return a
	}
	return w.union(w.members(flat(b), flat(a)))
}

// includes is Includes where "too wide" means no.
func (w widening) includes(a, b *Validator) bool {
	if *w.steps > maxSteps {
		return false
	}
	s := newSearch(a, b)
	s.steps = *w.steps
	leaves := s.leaves(b, a)
	*w.steps = s.steps
	return !leaves && s.steps <= maxSteps
}

// inhabited reports whether v accepts anything; what is too large to tell does.
func inhabited(v *Validator) bool {
	s := &search{}
	return s.inhabited(v, nil) || s.steps > maxSteps
}

// objects merges two objects; it is one of them when that accepts both.
func (w widening) objects(a, b *Validator) *Validator {
	if !inhabited(a) {
		return b
	}
	if !inhabited(b) {
		return a
	}
	asA, asB := true, true // the result is a, b
	fields := make([]Field, 0, max(len(a.Fields), len(b.Fields)))
	for i, f := range b.Fields {
		if other := a.near(f.Name, i); other != nil {
			typ, optional := w.inside().widen(other.Type, f.Type), f.Optional || other.Optional
			asB = asB && typ == orAny(f.Type) && optional == f.Optional
			asA = asA && typ == orAny(other.Type) && optional == other.Optional
			f.Type, f.Optional = typ, optional
		} else {
			asA, asB = false, asB && f.Optional
			f.Optional = true
		}
		fields = append(fields, f)
	}
	for i, f := range a.Fields {
		if b.near(f.Name, i) == nil {
			asA, asB = asA && f.Optional, false
			f.Optional = true
			fields = append(fields, f)
		}
	}
	switch {
	case asB:
		return b
	case asA:
		return a
	}
	return &Validator{Kind: Object, Fields: fields}
}

func (w widening) arrays(a, b *Validator) *Validator {
	switch element := w.inside().widen(a.Element, b.Element); element {
	case orAny(b.Element):
		return b
	case orAny(a.Element):
		return a
	default:
		return &Validator{Kind: Array, Element: element}
	}
}

func (w widening) inside() widening { return widening{w.depth + 1, w.steps} }

// vector reports whether of two arrays just one is of float64. They are not
// made one, for a vector index asks for an array of nothing else.
func vector(a, b *Validator) bool {
	return a.Kind == Array && b.Kind == Array && (orAny(a.Element).Kind == Number) != (orAny(b.Element).Kind == Number)
}

// merge joins two validators of one kind.
func (w widening) merge(first, second *Validator) *Validator {
	switch first.Kind {
	case Array:
		return w.arrays(second, first)
	case Record:
		return &Validator{Kind: Record, Key: w.inside().widen(second.Key, first.Key), Element: w.inside().widen(second.Element, first.Element)}
	}
	return w.objects(second, first)
}

// members joins the members of two unions, first's order before second's.
func (w widening) members(first, second []*Validator) []*Validator {
	partner := map[*Validator]*Validator{}
	for _, kind := range []Kind{Array, Record, Object} {
		pair(partner, ofKind(first, kind), ofKind(second, kind))
	}
	taken := map[*Validator]bool{}
	out := make([]*Validator, 0, len(first)+len(second))
	for _, m := range first {
		if other := partner[m]; other != nil {
			taken[other] = true
			m = w.merge(m, other)
		}
		out = append(out, m)
	}
	for _, m := range second {
		if !taken[m] {
			out = append(out, m)
		}
	}
	return out
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

// pair notes which of second each of first is merged with.
func pair(partner map[*Validator]*Validator, first, second []*Validator) {
	if len(first) == 0 || len(second) == 0 {
		return
	}
	alone := len(first) == 1 && len(second) == 1
	if !alone {
		if tagged := pairTagged(first, second); tagged != nil {
			maps.Copy(partner, tagged)
			return
		}
		first, second = unmatched(first, second)
	}
	if len(first) == 1 && len(second) == 1 && !vector(first[0], second[0]) && (alone || !apartByTag(first[0], second[0])) {
		partner[first[0]] = second[0]
	}
}

// unmatched lists the members that the other side does not have as well.
func unmatched(first, second []*Validator) (onlyFirst, onlySecond []*Validator) {
	sides := map[string]int{} // 1: in first, 2: in second
	texts := map[*Validator]string{}
	for i, list := range [][]*Validator{first, second} {
		for _, m := range list {
			texts[m] = string(canonical(m).JSON())
			sides[texts[m]] |= 1 << i
		}
	}
	both := func(m *Validator) bool { return sides[texts[m]] == 3 }
	return slices.DeleteFunc(slices.Clone(first), both), slices.DeleteFunc(slices.Clone(second), both)
}

func (w widening) union(members []*Validator) *Validator {
	members = w.uncovered(members)
	if len(members) == 1 {
		return members[0]
	}
	return &Validator{Kind: Union, Members: members}
}

// uncovered drops each member that another one accepts; of equals the first
// stays. Members without parts are looked up, only the others compared.
func (w widening) uncovered(members []*Validator) []*Validator {
	members = once(members)
	var scalars, parts []*Validator
	literals := map[string]bool{}
	for _, m := range members {
		switch {
		case m.Kind == Any:
			return []*Validator{m}
		case !m.scalar():
			parts = append(parts, m)
		case m.Kind != Literal:
			scalars = append(scalars, m)
		}
	}
	gone := w.coveredParts(parts)
	covered := func(m *Validator) bool {
		if m.Kind == Literal {
			key := literalKey(m.Literal)
			before := literals[key]
			literals[key] = true
			return before || slices.ContainsFunc(scalars, func(s *Validator) bool { return s.Fits(m.Literal, NumberedTables(nil)) })
		}
		return gone[m] || coveredScalar(scalars, m)
	}
	out := make([]*Validator, 0, len(members))
	for _, m := range members {
		if !covered(m) {
			out = append(out, m)
		}
	}
	if len(out) == 0 {
		return members[:1] // none accepts anything
	}
	return out
}

// once drops what stands there already: two schemas may share their parts.
func once(members []*Validator) []*Validator {
	seen := make(map[*Validator]bool, len(members))
	return slices.DeleteFunc(slices.Clone(members), func(m *Validator) bool {
		before := seen[m]
		seen[m] = true
		return before
	})
}

// coveredScalar reports whether another of the scalars accepts m, or one
// before it the same.
func coveredScalar(scalars []*Validator, m *Validator) bool {
	before := true
	for _, s := range scalars {
		if s == m {
			before = false
		} else if coversScalar(s, m) && (before || !coversScalar(m, s)) {
			return true
		}
	}
	return false
}

// coveredParts is which of the arrays, records and objects others accept, or
// accept nothing.
func (w widening) coveredParts(parts []*Validator) map[*Validator]bool {
	gone := map[*Validator]bool{}
	for i, m := range parts {
		if !inhabited(m) {
			gone[m] = true
			continue
		}
		for j, other := range parts {
			if i == j || gone[other] || family(other) != family(m) || apartByTag(other, m) {
				continue
			}
			if w.includes(other, m) && (j < i || !w.includes(m, other)) {
				gone[m] = true
				break
			}
		}
	}
	return gone
}

// literalsOf is the literals that a field demands; none when it is optional or
// takes anything else.
func literalsOf(f *Field) []value.Value {
	if f == nil || f.Optional || f.Type == nil || f.Type.Kind != Literal && f.Type.Kind != Union {
		return nil
	}
	var out []value.Value
	for _, m := range flat(f.Type) {
		if m.Kind != Literal {
			return nil
		}
		out = append(out, m.Literal)
	}
	return out
}

func overlap(x, y []value.Value) bool {
	return slices.ContainsFunc(x, func(v value.Value) bool {
		return slices.ContainsFunc(y, func(w value.Value) bool { return value.Equal(v, w) })
	})
}

// apartByTag reports whether two objects demand different literals in a field.
func apartByTag(a, b *Validator) bool {
	for i := range a.Fields {
		if x := literalsOf(&a.Fields[i]); x != nil {
			if y := literalsOf(b.near(a.Fields[i].Name, i)); y != nil && !overlap(x, y) {
				return true
			}
		}
	}
	return false
}

// pairTagged pairs objects by the field that demands literals in every object of
// both sides, no two alike within a side; of several by the one that pairs most,
// then the first by name. nil if there is none.
func pairTagged(first, second []*Validator) map[*Validator]*Validator {
	var best map[*Validator]*Validator
	for _, f := range first[0].SortedFields() {
		if !tells(first, f.Name) || !tells(second, f.Name) {
			continue
		}
		if partner := pairByTag(first, second, f.Name); best == nil || len(partner) > len(best) {
			best = partner
		}
	}
	return best
}

func tells(objects []*Validator, name string) bool {
	seen := map[string]bool{}
	for _, o := range objects {
		literals := literalsOf(o.Field(name))
		if literals == nil {
			return false
		}
		for _, l := range literals {
			key := literalKey(l)
			if seen[key] {
				return false
			}
			seen[key] = true
		}
	}
	return true
}

// pairByTag pairs the objects that share a literal of the field tag, unless
// one of them shares some with others too.
func pairByTag(first, second []*Validator, tag string) map[*Validator]*Validator {
	meets := func(from, to []*Validator) map[*Validator]*Validator {
		byLiteral := map[string]*Validator{}
		for _, m := range to {
			for _, l := range literalsOf(m.Field(tag)) {
				byLiteral[literalKey(l)] = m
			}
		}
		out := map[*Validator]*Validator{}
		for _, m := range from {
			for _, l := range literalsOf(m.Field(tag)) {
				other := byLiteral[literalKey(l)]
				if before, ok := out[m]; ok && other != nil && other != before {
					out[m] = nil // more than one
					break
				}
				if other != nil {
					out[m] = other
				}
			}
		}
		return out
	}
	partner := map[*Validator]*Validator{}
	back := meets(second, first)
	for m, other := range meets(first, second) {
		if other != nil && back[other] == m {
			partner[m] = other
		}
	}
	return partner
}
