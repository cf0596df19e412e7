package plan

import (
	"slices"

	"strait/model/schema"
)

// misfit is true for a value e of from that does not fit to: exactly, for
// documents that fit must stay untouched. TypeScript narrows e by it.
func (c *coder) misfit(e string, from, to *schema.Validator) cond {
	if accepts(to, from) {
		return cond{}
	}
	ms := kindsOf(from)
	var parts []cond
	for _, m := range ms {
		if accepts(to, m) {
			continue
		}
		is, ok := c.is(e, m, ms)
		inner, ok2 := c.memberMisfit(e, m, to)
		if !ok || !ok2 {
			return isTrue(c.fits(to) + "(" + e + ")").not()
		}
		parts = append(parts, all(is, inner))
	}
	return some(parts...)
}

// kindsOf are the members of what is to be converted. Several arrays are one, of
// all their elements: it is the elements that are looked at.
func kindsOf(from *schema.Validator) []*schema.Validator {
	ms := members(from)
	arrays := ofKind(ms, schema.Array)
	if len(arrays) < 2 {
		return ms
	}
	element := &schema.Validator{Kind: schema.Union}
	for _, a := range arrays {
		for _, m := range members(a.Element) {
			if !slices.ContainsFunc(element.Members, func(x *schema.Validator) bool { return same(x, m) }) {
				element.Members = append(element.Members, m)
			}
		}
	}
	out := slices.DeleteFunc(slices.Clone(ms), func(m *schema.Validator) bool { return m.Kind == schema.Array })
	return append(out, &schema.Validator{Kind: schema.Array, Element: element})
}

// is tells a member of a union from the others at run time.
func (c *coder) is(e string, m *schema.Validator, ms []*schema.Validator) (cond, bool) {
	others := slices.DeleteFunc(slices.Clone(ms), func(x *schema.Validator) bool { return x == m })
	if len(others) == 0 {
		return cond{kind: always}, true
	}
	if m.Kind != schema.Null && len(ofKind(others, schema.Null)) == len(others) {
		return isUnequal(e, "null"), true
	}
	switch m.Kind {
	case schema.Null:
		return isEqual(e, "null"), true
	case schema.Literal:
		return isEqual(e, literalCode(m)), true
	case schema.ID:
		if hasKind(others, schema.ID) {
			found := isUnequal("ctx.db.normalizeId("+quoted(m.Table)+", "+e+")", "null")
			if len(ofKind(others, schema.ID)) < len(others) {
				found = all(isEqual("typeof "+e, `"string"`), found)
			}
			return found, true
		}
		return c.text(e, others)
	case schema.String:
		return c.text(e, others)
	case schema.Number:
		return c.ofType(e, schema.Number, others)
	case schema.Boolean:
		return c.ofType(e, schema.Boolean, others)
	case schema.Bigint, schema.CommitTs:
		return c.ofType(e, schema.Bigint, others)
	case schema.Bytes:
		return isTrue(e + " instanceof ArrayBuffer"), true
	case schema.Array:
		return isTrue("Array.isArray(" + e + ")"), !hasKind(others, schema.Array)
	case schema.Record:
		return c.plainObject(e, others), !hasKind(others, schema.Record) && !hasKind(others, schema.Object)
	case schema.Object:
		return c.isObject(e, m, others)
	}
	return cond{}, false
}

// text is a string that is not one of the literals among the others.
func (c *coder) text(e string, others []*schema.Validator) (cond, bool) {
	if hasKind(others, schema.String) || hasKind(others, schema.ID) {
		return cond{}, false
	}
	return c.ofType(e, schema.String, others)
}

// ofType is a scalar type, less the literals of it that stand beside it.
func (c *coder) ofType(e string, kind schema.Kind, others []*schema.Validator) (cond, bool) {
	parts := []cond{isEqual("typeof "+e, quoted(string(kind)))}
	for _, o := range others {
		if o.Kind == schema.Literal && sort(o) == kind {
			parts = append(parts, isUnequal(e, literalCode(o)))
		}
	}
	return all(parts...), true
}

// plainObject is an object or record among others that are none.
func (c *coder) plainObject(e string, others []*schema.Validator) cond {
	parts := []cond{isEqual("typeof "+e, `"object"`)}
	if hasKind(others, schema.Null) {
		parts = append(parts, isUnequal(e, "null"))
	}
	if hasKind(others, schema.Array) {
		parts = append(parts, isTrue("Array.isArray("+e+")").not())
	}
	if hasKind(others, schema.Bytes) {
		parts = append(parts, isTrue(e+" instanceof ArrayBuffer").not())
	}
	return all(parts...)
}

// isObject tells an object by its literal field from other objects.
func (c *coder) isObject(e string, m *schema.Validator, others []*schema.Validator) (cond, bool) {
	if hasKind(others, schema.Record) || hasKind(others, schema.Any) {
		return cond{}, false
	}
	objects := ofKind(others, schema.Object)
	plain := cond{kind: always}
	if len(objects) < len(others) {
		plain = c.plainObject(e, others)
	}
	if len(objects) == 0 {
		return plain, true
	}
	tag := tagBeside(m, objects)
	if tag == "" {
		return cond{}, false
	}
	return all(plain, isEqual(access(e, tag), literalCode(m.Field(tag).Type))), true
}

// tagBeside is a field that is a required literal in m and a required literal of
// the same type and another value in every other object; "" when there is none.
func tagBeside(m *schema.Validator, others []*schema.Validator) string {
	for _, f := range m.Fields {
		if f.Optional || f.Type.Kind != schema.Literal {
			continue
		}
		if !slices.ContainsFunc(others, func(o *schema.Validator) bool {
			g := o.Field(f.Name)
			return g == nil || g.Optional || g.Type.Kind != schema.Literal || g.Type.Literal == f.Type.Literal ||
				sort(g.Type) != sort(f.Type)
		}) {
			return f.Name
		}
	}
	return ""
}

// memberMisfit is misfit for a value that is known to be of the member m.
func (c *coder) memberMisfit(e string, m, to *schema.Validator) (cond, bool) {
	ts := members(to)
	switch m.Kind {
	case schema.Any:
		return cond{}, false
	case schema.Object:
		if hasKind(ts, schema.Record) {
			return cond{}, false
		}
		t, ok := counterpart(m, ts)
		if t == nil {
			return cond{kind: always}, ok
		}
		return c.objectMisfit(e, m, t), ok
	case schema.Array, schema.Record:
		same := ofKind(ts, m.Kind)
		if m.Kind == schema.Record && hasKind(ts, schema.Object) || len(same) > 1 {
			return cond{}, false
		}
		if len(same) == 0 {
			return cond{kind: always}, true
		}
		return c.elementMisfit(e, m, same[0]), true
	case schema.String, schema.Number, schema.Bigint, schema.Boolean, schema.ID:
		return c.scalarMisfit(e, m, ts), true
	}
	return cond{kind: always}, true
}

// scalarMisfit is true for what is none of the literals and ids that remain.
func (c *coder) scalarMisfit(e string, m *schema.Validator, ts []*schema.Validator) cond {
	parts := []cond{{kind: always}}
	for _, t := range ts {
		switch {
		case t.Kind == schema.Literal && m.Kind != schema.ID && accepts(m, t):
			parts = append(parts, isUnequal(e, literalCode(t)))
		case t.Kind == schema.ID && m.Kind == schema.String:
			parts = append(parts, isEqual("ctx.db.normalizeId("+quoted(t.Table)+", "+e+")", "null"))
		}
	}
	return all(parts...)
}

// counterpart is the object of the target that m must fit, if any. The answer
// is false when it might be one or another.
func counterpart(m *schema.Validator, ts []*schema.Validator) (*schema.Validator, bool) {
	objects := ofKind(ts, schema.Object)
	switch len(objects) {
	case 0:
		return nil, true
	case 1:
		if contradicts(m, objects[0]) {
			return nil, true
		}
		return objects[0], true
	}
	tag := tagBeside(objects[0], objects[1:])
	f := m.Field(tag)
	if tag == "" || f == nil || f.Optional || f.Type.Kind != schema.Literal {
		return nil, false
	}
	for i, o := range objects {
		if tagBeside(o, slices.Delete(slices.Clone(objects), i, i+1)) != tag {
			return nil, false
		}
	}
	for _, o := range objects {
		if o.Field(tag).Type.Literal == f.Type.Literal {
			return o, true
		}
	}
	return nil, true
}

// contradicts reports whether two objects require different texts in a field
// of the same name: then they are different things.
func contradicts(a, t *schema.Validator) bool {
	return slices.ContainsFunc(a.Fields, func(f schema.Field) bool {
		g := t.Field(f.Name)
		if g == nil || f.Optional || g.Optional || f.Type.Kind != schema.Literal || g.Type.Kind != schema.Literal {
			return false
		}
		_, text := f.Type.Literal.(string)
		return text && g.Type.Literal != f.Type.Literal
	})
}

func (c *coder) objectMisfit(e string, m, t *schema.Validator) cond {
	var parts []cond
	for _, f := range m.Fields {
		parts = append(parts, c.fieldMisfit(access(e, f.Name), f, t.Field(f.Name)))
	}
	for _, g := range t.Fields {
		if m.Field(g.Name) == nil && !g.Optional {
			return cond{kind: always}
		}
	}
	return some(parts...)
}

// fieldMisfit is misfit for a field that may be absent before, and is g
// afterwards: nil when it is gone.
func (c *coder) fieldMisfit(e string, f schema.Field, g *schema.Field) cond {
	switch {
	case g == nil && !f.Optional:
		return cond{kind: always}
	case g == nil:
		return isUnequal(e, "undefined")
	case !f.Optional:
		return c.misfit(e, f.Type, g.Type)
	case g.Optional:
		inner := c.misfit(e, f.Type, g.Type)
		if inner.tests(e) {
			return inner
		}
		return all(isUnequal(e, "undefined"), inner)
	}
	return some(isEqual(e, "undefined"), c.misfit(e, f.Type, g.Type))
}

// tests reports whether the condition is false anyway where e is undefined.
func (c cond) tests(e string) bool {
	switch c.kind {
	case never:
		return true
	case equal:
		return (c.left == "typeof "+e || c.left == e) && c.right != "undefined"
	case call:
		return c.left == "Array.isArray("+e+")" || c.left == e+" instanceof ArrayBuffer"
	case allOf:
		return c.parts[0].tests(e)
	case anyOf:
		return !slices.ContainsFunc(c.parts, func(p cond) bool { return !p.tests(e) })
	}
	return false
}

func (c *coder) elementMisfit(e string, m, t *schema.Validator) cond {
	item, done := c.local("item")
	defer done()
	inner := c.misfit(item, m.Element, t.Element)
	if m.Kind == schema.Array {
		return isTrue(e + ".some((" + item + ") => " + inner.String() + ")")
	}
	key, done := c.local("key")
	defer done()
	byKey := c.misfit(key, m.Key, t.Key)
	switch {
	case byKey.kind == never:
		return isTrue("Object.values(" + e + ").some((" + item + ") => " + inner.String() + ")")
	case inner.kind == never:
		return isTrue("Object.keys(" + e + ").some((" + key + ") => " + byKey.String() + ")")
	}
	return isTrue("Object.entries(" + e + ").some(([" + key + ", " + item + "]) => " + some(byKey, inner).String() + ")")
}

func hasKind(vs []*schema.Validator, k schema.Kind) bool {
	return slices.ContainsFunc(vs, func(v *schema.Validator) bool { return v.Kind == k })
}
