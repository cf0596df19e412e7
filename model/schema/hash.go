package schema

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// Hash is a short stable hash of what the schema means: sixteen hexadecimal
// digits, the same whatever the order of tables, indexes, fields and union
// members, and whether a union is nested, repeats a member or has only one.
func (s *Schema) Hash() string {
	s = orEmpty(s)
	tables := make([]string, len(s.Tables))
	for i, t := range s.Tables {
		tables[i] = t.canonical()
	}
	slices.Sort(tables)
	text := strings.Join(tables, "\n")
	if s.Validation {
		text += "\nvalidated"
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func (t *Table) canonical() string {
	indexes := make([]string, len(t.Indexes))
	for i, x := range t.Indexes {
		x.FilterFields = slices.Sorted(slices.Values(x.FilterFields))
		text := x.appendJSON([]byte(x.Kind))
		if x.Staged {
			text = append(text, " staged"...)
		}
		indexes[i] = string(text)
	}
	slices.Sort(indexes)
	doc := &Validator{Kind: Any}
	if t.Document != nil {
		doc = canonical(t.Document)
	}
	return string((&Table{Name: t.Name, Document: doc}).appendJSON(nil)) + strings.Join(indexes, ",")
}

// canonical returns the validator with fields and members in a fixed order,
// unions flat and without repetition.
func canonical(v *Validator) *Validator {
	v = orAny(v)
	out := *v
	switch v.Kind {
	case Array:
		out.Element = canonical(v.Element)
	case Record:
		out.Key, out.Element = canonical(v.Key), canonical(v.Element)
	case Object:
		out.Fields = slices.Clone(v.Fields)
		for i := range out.Fields {
			out.Fields[i].Type = canonical(out.Fields[i].Type)
		}
		slices.SortFunc(out.Fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	case Union:
		byText := map[string]*Validator{}
		for _, m := range flatten(nil, v) {
			m = canonical(m)
			byText[string(m.JSON())] = m
		}
		out.Members = nil
		for _, text := range slices.Sorted(maps.Keys(byText)) {
			out.Members = append(out.Members, byText[text])
		}
		if len(out.Members) == 1 {
			return out.Members[0]
		}
	}
	return &out
}

// flatten appends the members of v that are not unions themselves; v alone
// when it is not a union.
func flatten(dst []*Validator, v *Validator) []*Validator {
	if v = orAny(v); v.Kind != Union {
		return append(dst, v)
	}
	for _, m := range v.Members {
		dst = flatten(dst, m)
	}
	return dst
}

// flat is flatten where there may be nothing to do.
func flat(v *Validator) []*Validator {
	if v.Kind == Union && !slices.ContainsFunc(v.Members, func(m *Validator) bool { return m == nil || m.Kind == Union }) {
		return v.Members
	}
	return flatten(nil, v)
}
