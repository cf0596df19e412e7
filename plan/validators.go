package plan

import (
	"slices"

	"strait/model/schema"
)

var anything = &schema.Validator{Kind: schema.Any}

// orAny is v, or v.any() for a table declared without a validator.
func orAny(v *schema.Validator) *schema.Validator {
	if v == nil {
		return anything
	}
	return v
}

// same reports whether two validators are written alike but for the order of
// fields. It is only a quick yes: validators that differ may mean the same.
func same(a, b *schema.Validator) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.Kind != b.Kind {
		return false
	}
	switch a.Kind {
	case schema.Literal:
		return a.Literal == b.Literal
	case schema.ID:
		return a.Table == b.Table
	case schema.Array:
		return same(a.Element, b.Element)
	case schema.Record:
		return same(a.Key, b.Key) && same(a.Element, b.Element)
	case schema.Object:
		if len(a.Fields) != len(b.Fields) {
			return false
		}
		for i, f := range a.Fields {
			g := &b.Fields[i]
			if g.Name != f.Name {
				g = b.Field(f.Name)
			}
			if g == nil || g.Optional != f.Optional || !same(f.Type, g.Type) {
				return false
			}
		}
		return true
	case schema.Union:
		return slices.EqualFunc(a.Members, b.Members, same)
	}
	return true
}

// members are the members of a union, nested ones flattened; of another
// validator, itself.
func members(v *schema.Validator) []*schema.Validator {
	if v.Kind != schema.Union {
		return []*schema.Validator{v}
	}
	var out []*schema.Validator
	for _, m := range v.Members {
		out = append(out, members(m)...)
	}
	return out
}

// setAside drops the members that both sides have in the same meaning.
func setAside(a, t []*schema.Validator) (aRest, tRest []*schema.Validator) {
	tRest = slices.Clone(t)
	for _, m := range a {
		hit := func(x *schema.Validator) bool {
			return same(m, x) || m.Kind == x.Kind && accepts(m, x) && accepts(x, m)
		}
		if i := slices.IndexFunc(tRest, hit); i >= 0 {
			tRest = slices.Delete(tRest, i, i+1)
		} else if slices.IndexFunc(t, hit) < 0 {
			aRest = append(aRest, m)
		}
	}
	return aRest, tRest
}

// pairs takes out of a and t the members that are one thing before and after:
// objects with the same discriminating literal, and the only object, array or
// record left on each side.
func pairs(a, t *[]*schema.Validator) [][2]*schema.Validator {
	var out [][2]*schema.Validator
	take := func(m, x *schema.Validator) {
		out = append(out, [2]*schema.Validator{m, x})
		is := func(y *schema.Validator) func(*schema.Validator) bool {
			return func(v *schema.Validator) bool { return v == y }
		}
		*a, *t = slices.DeleteFunc(slices.Clone(*a), is(m)), slices.DeleteFunc(slices.Clone(*t), is(x))
	}
	for _, m := range *a {
		for _, x := range *t {
			if discriminator(m, x) {
				take(m, x)
				break
			}
		}
	}
	for _, k := range []schema.Kind{schema.Object, schema.Array, schema.Record} {
		as, ts := ofKind(*a, k), ofKind(*t, k)
		if len(as) == 1 && len(ts) == 1 {
			take(as[0], ts[0])
		}
	}
	return out
}

// discriminator reports whether two objects require the same literal string in
// a field of the same name.
func discriminator(a, t *schema.Validator) bool {
	if a.Kind != schema.Object || t.Kind != schema.Object {
		return false
	}
	for _, f := range a.Fields {
		if f.Optional || f.Type.Kind != schema.Literal {
			continue
		}
		g := t.Field(f.Name)
		if _, text := f.Type.Literal.(string); text && g != nil && !g.Optional && g.Type.Kind == schema.Literal && g.Type.Literal == f.Type.Literal {
			return true
		}
	}
	return false
}

func ofKind(vs []*schema.Validator, k schema.Kind) []*schema.Validator {
	var out []*schema.Validator
	for _, v := range vs {
		if v.Kind == k {
			out = append(out, v)
		}
	}
	return out
}

func onlyLiterals(v *schema.Validator) bool {
	for _, m := range members(v) {
		if m.Kind != schema.Literal {
			return false
		}
	}
	return true
}

// withField is the object with its field number i replaced, or appended.
func withField(o *schema.Validator, i int, f schema.Field) *schema.Validator {
	fields := append(slices.Clone(o.Fields[:i]), f)
	if i < len(o.Fields) {
		fields = append(fields, o.Fields[i+1:]...)
	}
	return &schema.Validator{Kind: schema.Object, Fields: fields}
}

func withoutField(o *schema.Validator, i int) *schema.Validator {
	return &schema.Validator{Kind: schema.Object, Fields: slices.Delete(slices.Clone(o.Fields), i, i+1)}
}

// replaceMember is the union with one member (found by identity) replaced.
func replaceMember(u, old, v *schema.Validator) *schema.Validator {
	if u == old {
		return v
	}
	ms := slices.Clone(members(u))
	for i, m := range ms {
		if m == old {
			ms[i] = v
		}
	}
	return &schema.Validator{Kind: schema.Union, Members: ms}
}

func show(v *schema.Validator) string {
	if v == nil {
		return "v.any()"
	}
	return v.String()
}

func showField(f schema.Field) string {
	if f.Optional {
		return "v.optional(" + show(f.Type) + ")"
	}
	return show(f.Type)
}

// short prints a validator for a sentence: objects and long unions are cut.
func short(v *schema.Validator) string {
	s := []rune(show(v))
	if len(s) <= 60 {
		return string(s)
	}
	return string(s[:59]) + "…"
}
