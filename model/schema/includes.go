package schema

import "strait/model/value"

// leaves reports whether b accepts a value that a refuses. It is escape
// without the value: where the form of the two tells, none is made.
func (s *search) leaves(b, a *Validator) bool {
	if s.steps++; s.steps > maxSteps {
		return false
	}
	a, b = orAny(a), orAny(b)
	switch {
	case a == b || a.Kind == Any:
		return false
	case b.Kind == Union:
		for _, m := range b.Members {
			if s.leaves(m, a) {
				return true
			}
		}
		return false
	case b.Kind == Literal:
		return !s.holds(a, b.Literal) && !a.Fits(b.Literal, s)
	case a.Kind == Union:
		return s.leavesUnion(b, a)
	case a.Kind == Object && b.Kind == Object:
		return s.leavesObject(b, a)
	case a.Kind == Array && b.Kind == Array:
		return s.leaves(b.Element, a.Element)
	case coversScalar(a, b):
		return false
	}
	_, found := s.escape(b, []*Validator{a})
	return found
}

// scalar reports whether v has no parts.
func (v *Validator) scalar() bool {
	switch v.Kind {
	case Any, Array, Record, Object, Union:
		return false
	}
	return true
}

// coversScalar reports whether a, which has no parts, accepts all that b does.
func coversScalar(a, b *Validator) bool {
	switch a.Kind {
	case Null, Number, Boolean, Bytes:
		return a.Kind == b.Kind
	case String:
		return b.Kind == String || b.Kind == ID
	case Bigint, CommitTs:
		return b.Kind == Bigint || b.Kind == CommitTs
	case ID:
		return b.Kind == ID && a.Table == b.Table
	}
	return false
}

// leavesUnion is leaves out of a union for what is neither union nor literal.
func (s *search) leavesUnion(b, a *Validator) bool {
	members := flat(a)
	var only *Validator // the one member that is not plainly of another kind
	for _, m := range members {
		switch {
		case m.Kind == Any || coversScalar(m, b) || s.same(m, b):
			return false
		case b.Kind != Any && m.Kind != Literal && family(m) != family(b):
		case only != nil:
			_, found := s.escape(b, members)
			return found
		default:
			only = m
		}
	}
	if only == nil {
		return s.inhabited(b, nil)
	}
	return s.leaves(b, only)
}

// holds reports whether a union of many members has the literal as one of
// them; false of other validators, whose members are looked at one by one.
func (s *search) holds(union *Validator, literal value.Value) bool {
	if union.Kind != Union || len(union.Members) < manyNames {
		return false
	}
	set, ok := s.sets[union]
	if !ok {
		set = s.literals(union)
	}
	return set[literalKey(literal)]
}

func (s *search) literals(union *Validator) map[string]bool {
	set := map[string]bool{}
	for _, m := range flat(union) {
		if m.Kind == Literal {
			set[literalKey(m.Literal)] = true
		}
	}
	if s.sets == nil {
		s.sets = map[*Validator]map[string]bool{}
	}
	s.sets[union] = set
	return set
}

func literalKey(v value.Value) string { return string(value.AppendKey(nil, v)) }

// leavesObject is leaves for two objects: one field must differ.
func (s *search) leavesObject(b, a *Validator) bool {
	for i := range a.Fields {
		f := &a.Fields[i]
		if other := b.near(f.Name, i); !f.Optional && (other == nil || other.Optional) {
			return s.inhabited(b, nil)
		}
	}
	for i := range b.Fields {
		f, left := &b.Fields[i], nothing
		if other := a.near(f.Name, i); other != nil {
			left = other.Type
		}
		if s.leaves(f.Type, left) {
			return s.inhabited(b, f)
		}
	}
	return false
}

// near is Field, looking at the i-th place first: two versions of an object
// have most fields in one order.
func (v *Validator) near(name string, i int) *Field {
	if i < len(v.Fields) && v.Fields[i].Name == name {
		return &v.Fields[i]
	}
	return v.Field(name)
}

// inhabited reports whether v accepts any value at all; but is a field of v
// that is known to.
func (s *search) inhabited(v *Validator, but *Field) bool {
	if s.steps++; s.steps > maxSteps {
		return false
	}
	switch v = orAny(v); v.Kind {
	case Union:
		for _, m := range v.Members {
			if s.inhabited(m, nil) {
				return true
			}
		}
		return false
	case Object:
		for i := range v.Fields {
			if f := &v.Fields[i]; f != but && !f.Optional && !s.inhabited(f.Type, nil) {
				return false
			}
		}
		return true
	case ID:
		return v.Table != ""
	case Null, Number, Bigint, Boolean, String, Bytes, Any, CommitTs, Literal, Array, Record:
		return true
	}
	return false
}
