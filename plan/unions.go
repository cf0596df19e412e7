package plan

import (
	"fmt"
	"slices"
	"strings"

	"strait/model/schema"
)

// unions compares two validators of which one at least is a union. The sum of
// what it finds must be what is known of the whole; where members overlap it
// may not be, and then the whole is the change.
func (d *differ) unions(at *spot, a, t *schema.Validator, up, down bool) {
	m := d.mark()
	d.unionMembers(at, a, t)
	if !d.says(m, up, down) {
		d.back(m)
		d.typeChange(at, a, t, up, down)
	}
}

// unionMembers sets aside the members of the same meaning, compares those that
// are one thing before and after in depth, and tells which of the rest came
// and went.
func (d *differ) unionMembers(at *spot, a, t *schema.Validator) {
	all, now := members(a), members(t)
	am, tm := setAside(all, now)
	tag := tagOf(all, now)
	for _, p := range pairs(&am, &tm, tag) {
		d.compare(at.inMember(a, p[0], memberNote(all, p[0], tag), len(now) > 1), p[0], p[1])
	}
	gone := slices.DeleteFunc(am, func(m *schema.Validator) bool { return accepts(t, m) })
	came := slices.DeleteFunc(tm, func(m *schema.Validator) bool { return accepts(a, m) })
	literals := anyLiteral(all) && anyLiteral(now) && onlyLiterals(gone) && onlyLiterals(came)
	switch {
	case len(gone) == 0 && len(came) == 0:
	case len(gone) == 0 && t.Kind != schema.Union && !literals, len(came) == 0 && a.Kind != schema.Union && !literals:
		d.typeChange(at, a, t, len(gone) == 0, len(came) == 0)
	case len(gone) == 1 && len(came) == 1 && gone[0].Kind == schema.ID && came[0].Kind == schema.ID:
		in := at.inMember(a, gone[0], "", len(now) > 1)
		d.idChange(in, gone[0].Table, came[0].Table, came[0])
	default:
		d.cameAndWent(at, a, t, gone, came, literals, tag)
	}
}

func (d *differ) cameAndWent(at *spot, a, t *schema.Validator, gone, came []*schema.Validator, literals bool, tag string) {
	c := Change{Before: code(a), After: code(t), Class: Breaking}
	pick := func(members, ofLiterals string) string {
		if literals {
			return ofLiterals
		}
		return members
	}
	e := exchanges
	switch {
	case len(gone) == 0:
		c.Kind, c.Class = pick(UnionGrown, LiteralsGrown), Safe
		c.Message = fmt.Sprintf("%s also takes %s", d.name(at), list(came, tag))
		c.Why = "documents as they are still fit; code must expect the new values"
		c.Push = "Convex accepts it"
		d.add(at, c, loosens, nil, substitute{})
		return
	case len(came) == 0:
		e = breaks
		c.Kind = pick(UnionShrunk, LiteralsShrunk)
		c.Message = fmt.Sprintf("%s no longer takes %s", d.name(at), list(gone, tag))
	default:
		c.Kind = pick(TypeChanged, LiteralsChanged)
		c.Message = fmt.Sprintf("%s takes %s instead of %s", d.name(at), list(came, tag), list(gone, tag))
	}
	c.Why = "documents that hold " + list(gone, tag) + " there do not fit"
	c.Push = "Convex refuses it while such a document is stored: Value does not match validator."
	if now := members(t); len(now) == 1 {
		c.Push = "Convex refuses it while such a document is stored: " + at.refusal(refusalText(now[0]))
	}
	d.add(at, c, e, at, as(exchanged(a, gone, came)))
}

// exchanged is a union without the members that are gone and with those that
// came.
func exchanged(u *schema.Validator, gone, came []*schema.Validator) *schema.Validator {
	rest := slices.DeleteFunc(slices.Clone(members(u)), func(m *schema.Validator) bool { return slices.Contains(gone, m) })
	return &schema.Validator{Kind: schema.Union, Members: append(rest, came...)}
}

// members are the members of a union, nested ones flattened; of another
// validator, itself. They are not to be changed: they may be the union's own.
func members(v *schema.Validator) []*schema.Validator {
	if v.Kind != schema.Union {
		return []*schema.Validator{v}
	}
	if !slices.ContainsFunc(v.Members, func(m *schema.Validator) bool { return m.Kind == schema.Union }) {
		return v.Members
	}
	var out []*schema.Validator
	for _, m := range v.Members {
		out = append(out, members(m)...)
	}
	return out
}

// setAside drops the members that both sides have in the same meaning.
func setAside(a, t []*schema.Validator) (aRest, tRest []*schema.Validator) {
	drop := func(equal func(m, x *schema.Validator) bool) {
		in := func(list []*schema.Validator) func(*schema.Validator) bool {
			return func(m *schema.Validator) bool {
				return slices.ContainsFunc(list, func(x *schema.Validator) bool { return equal(m, x) })
			}
		}
		aNext := slices.DeleteFunc(slices.Clone(a), in(t))
		t = slices.DeleteFunc(slices.Clone(t), in(a))
		a = aNext
	}
	drop(same)
	drop(func(m, x *schema.Validator) bool {
		return m.Kind == x.Kind && nests(m.Kind) && accepts(m, x) && accepts(x, m)
	})
	return a, t
}

// nests reports whether validators of the kind have parts, so that two may mean
// the same without being written alike.
func nests(k schema.Kind) bool {
	return k == schema.Object || k == schema.Array || k == schema.Record
}

// pairs takes out of a and t the members that are one thing before and after:
// objects whose tags have a literal in common, and the only object, array or
// record left on each side.
func pairs(a, t *[]*schema.Validator, tag string) [][2]*schema.Validator {
	var out [][2]*schema.Validator
	take := func(m, x *schema.Validator) {
		out = append(out, [2]*schema.Validator{m, x})
		is := func(y *schema.Validator) func(*schema.Validator) bool {
			return func(v *schema.Validator) bool { return v == y }
		}
		*a, *t = slices.DeleteFunc(slices.Clone(*a), is(m)), slices.DeleteFunc(slices.Clone(*t), is(x))
	}
	if tag != "" {
		for _, m := range ofKind(*a, schema.Object) {
			for _, x := range ofKind(*t, schema.Object) {
				if common(literalsAt(m, tag), literalsAt(x, tag)) {
					take(m, x)
					break
				}
			}
		}
	}
	for _, k := range []schema.Kind{schema.Object, schema.Array, schema.Record} {
		as, ts := ofKind(*a, k), ofKind(*t, k)
		if len(as) == 1 && len(ts) == 1 && (k != schema.Object || tag == "") {
			take(as[0], ts[0])
		}
	}
	return out
}

// tagOf is the field that tells the objects of a union apart: required in all
// of them on both sides, and taking only literals that differ from those of
// the side's others. "" without one, or with one object on each side only.
func tagOf(a, t []*schema.Validator) string {
	a, t = ofKind(a, schema.Object), ofKind(t, schema.Object)
	if len(a) == 0 || len(t) == 0 || len(a)+len(t) < 3 {
		return ""
	}
	for _, f := range a[0].Fields {
		if tells(a, f.Name) && tells(t, f.Name) {
			return f.Name
		}
	}
	return ""
}

func tells(objects []*schema.Validator, name string) bool {
	var seen []*schema.Validator
	for _, o := range objects {
		literals := literalsAt(o, name)
		if len(literals) == 0 || common(seen, literals) {
			return false
		}
		seen = append(seen, literals...)
	}
	return true
}

// literalsAt are the literals that an object requires one of at a field; none
// when it takes anything else there.
func literalsAt(o *schema.Validator, name string) []*schema.Validator {
	f := o.Field(name)
	if f == nil || f.Optional {
		return nil
	}
	if f.Type.Kind == schema.Literal {
		return []*schema.Validator{f.Type}
	}
	if ms := members(f.Type); onlyLiterals(ms) {
		return ms
	}
	return nil
}

func common(a, b []*schema.Validator) bool {
	return slices.ContainsFunc(a, func(x *schema.Validator) bool {
		return slices.ContainsFunc(b, func(y *schema.Validator) bool { return same(x, y) })
	})
}

// memberNote names a member of a union in a place's name: by its tag, or by
// its number where it is one object of several without; "" when the place
// itself is clear.
func memberNote(all []*schema.Validator, m *schema.Validator, tag string) string {
	objects := ofKind(all, schema.Object)
	switch {
	case m.Kind != schema.Object || tag == "" && len(objects) < 2:
		return ""
	case tag != "":
		return tagged(m, tag)
	}
	return fmt.Sprintf("object %d", slices.Index(objects, m)+1)
}

// tagged writes the tag of an object: kind="paid".
func tagged(o *schema.Validator, tag string) string {
	var values []string
	for _, l := range literalsAt(o, tag) {
		values = append(values, phrase(l))
	}
	return tag + "=" + strings.Join(values, "|")
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

func isLiteral(v *schema.Validator) bool { return v.Kind == schema.Literal }

func anyLiteral(vs []*schema.Validator) bool { return slices.ContainsFunc(vs, isLiteral) }

func onlyLiterals(vs []*schema.Validator) bool {
	return !slices.ContainsFunc(vs, func(v *schema.Validator) bool { return !isLiteral(v) })
}

// list names members in a sentence.
func list(vs []*schema.Validator, tag string) string {
	s := make([]string, 0, len(vs))
	for i, v := range vs {
		if i == 4 && len(vs) > 5 {
			return strings.Join(s, ", ") + fmt.Sprintf(" and %d more", len(vs)-i)
		}
		if tag != "" && v.Kind == schema.Object {
			s = append(s, tagged(v, tag))
			continue
		}
		s = append(s, phrase(v))
	}
	return strings.Join(s, ", ")
}
