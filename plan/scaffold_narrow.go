package plan

import (
	"slices"
	"strings"

	"strait/model/schema"
)

// narrowAt is w with what t has at one place, and nothing else of t. The place
// is a change's path below the table: .profile.zip, .tags[], .scores{}. Where
// unions do not tell which of their members are meant it is all of t there.
func narrowAt(w, t *schema.Validator, rest string) *schema.Validator {
	switch {
	case rest == "":
		return t
	case w.Kind == schema.Union || t.Kind == schema.Union:
		return narrowMember(w, t, rest)
	case w.Kind != t.Kind:
		return t
	}
	switch w.Kind {
	case schema.Object:
		return narrowField(w, t, rest)
	case schema.Array:
		if rest, ok := strings.CutPrefix(rest, "[]"); ok {
			return &schema.Validator{Kind: schema.Array, Element: narrowAt(w.Element, t.Element, rest)}
		}
	case schema.Record:
		if rest, ok := strings.CutPrefix(rest, "{}"); ok {
			return &schema.Validator{Kind: schema.Record, Key: w.Key, Element: narrowAt(w.Element, t.Element, rest)}
		}
		if rest, ok := strings.CutPrefix(rest, ".keys()"); ok {
			return &schema.Validator{Kind: schema.Record, Key: narrowAt(w.Key, t.Key, rest), Element: w.Element}
		}
	}
	return t
}

// narrowField follows a path into a field. Names may hold dots, so it is the
// validators that tell where a name ends.
func narrowField(w, t *schema.Validator, rest string) *schema.Validator {
	for i, f := range w.Fields {
		below, ok := cutField(rest, f.Name)
		if !ok {
			continue
		}
		switch g := t.Field(f.Name); {
		case g == nil:
			return withoutField(w, i)
		case below == "":
			return withField(w, i, *g)
		default:
			f.Type = narrowAt(f.Type, g.Type, below)
			return withField(w, i, f)
		}
	}
	return t
}

// narrowMember narrows the one member of a union that has a partner in the
// target; the others stay.
func narrowMember(w, t *schema.Validator, rest string) *schema.Validator {
	ws, ts := members(w), members(t)
	var out []*schema.Validator
	changed := false
	for _, m := range ws {
		if partner := partnerOf(m, ts); partner != nil && reaches(m, rest) {
			m, changed = narrowAt(m, partner, rest), true
		}
		if !slices.ContainsFunc(out, func(x *schema.Validator) bool { return same(x, m) }) {
			out = append(out, m)
		}
	}
	if !changed {
		return t
	}
	return unionOf(out)
}

// partnerOf is the member of the target that m is to become.
func partnerOf(m *schema.Validator, ts []*schema.Validator) *schema.Validator {
	switch m.Kind {
	case schema.Object:
		t, _ := counterpart(m, ts)
		return t
	case schema.Array, schema.Record:
		if same := ofKind(ts, m.Kind); len(same) == 1 {
			return same[0]
		}
	}
	return nil
}

// reaches reports whether a path begins with a part of v.
func reaches(v *schema.Validator, rest string) bool {
	switch v.Kind {
	case schema.Array:
		return strings.HasPrefix(rest, "[]")
	case schema.Record:
		return strings.HasPrefix(rest, "{}") || strings.HasPrefix(rest, ".keys()")
	}
	return slices.ContainsFunc(v.Fields, func(f schema.Field) bool {
		_, ok := cutField(rest, f.Name)
		return ok
	})
}

// cutField cuts a field's name off a path below it; the signs of elements and
// members tell where the name ends.
func cutField(rest, name string) (below string, ok bool) {
	below, ok = strings.CutPrefix(rest, "."+name)
	return below, ok && (below == "" || strings.ContainsRune(".[{", rune(below[0])))
}
