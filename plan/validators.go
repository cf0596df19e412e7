package plan

import (
	"slices"
	"strconv"
	"strings"

	"strait/model/schema"
	"strait/model/value"
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

// show prints a validator as Convex does in its errors.
func show(v *schema.Validator) string {
	if v == nil {
		return "v.any()"
	}
	return v.String()
}

// code prints a validator as it stands in a schema, on one line.
func code(v *schema.Validator) string { return orAny(v).Line() }

// phrase prints a validator for a sentence, in few words: literals as their
// values, objects by the names of their fields.
func phrase(v *schema.Validator) string {
	const most = 72
	var b strings.Builder
	writePhrase(&b, v, 0)
	if s := []rune(b.String()); len(s) > most {
		return string(s[:most-1]) + "…"
	}
	return b.String()
}

func writePhrase(b *strings.Builder, v *schema.Validator, depth int) {
	if b.Len() > 400 || depth > 20 {
		b.WriteString("…")
		return
	}
	switch v.Kind {
	case schema.Number:
		b.WriteString("v.number()") // as people write it
	case schema.Bigint:
		b.WriteString("v.int64()")
	case schema.Literal:
		switch l := v.Literal.(type) {
		case float64:
			b.Write(value.AppendClean(nil, l)) // 3, and not 3.0
		case int64:
			b.WriteString(strconv.FormatInt(l, 10) + "n")
		default:
			b.WriteString(value.Display(l))
		}
	case schema.Array:
		b.WriteString("v.array(")
		writePhrase(b, v.Element, depth+1)
		b.WriteByte(')')
	case schema.Record:
		b.WriteString("v.record(")
		writePhrase(b, v.Key, depth+1)
		b.WriteString(", ")
		writePhrase(b, v.Element, depth+1)
		b.WriteByte(')')
	case schema.Union:
		b.WriteString("v.union(")
		for i, m := range v.Members {
			if i > 0 {
				b.WriteString(", ")
			}
			writePhrase(b, m, depth+1)
		}
		b.WriteByte(')')
	case schema.Object:
		b.WriteString("{")
		for i, f := range v.Fields {
			if i > 0 {
				b.WriteString(", ")
			}
			if i == 5 && len(v.Fields) > 6 {
				b.WriteString("…")
				break
			}
			b.WriteString(f.Name)
			if f.Optional {
				b.WriteByte('?')
			}
		}
		b.WriteString("}")
	default:
		b.WriteString(v.String())
	}
}

// inhabited reports whether every part of a validator accepts something: it
// holds no empty union.
func inhabited(v *schema.Validator) bool {
	switch v.Kind {
	case schema.Array:
		return inhabited(v.Element)
	case schema.Record:
		return inhabited(v.Key) && inhabited(v.Element)
	case schema.Object:
		return !slices.ContainsFunc(v.Fields, func(f schema.Field) bool { return !inhabited(f.Type) })
	case schema.Union:
		return len(v.Members) > 0 && !slices.ContainsFunc(v.Members, func(m *schema.Validator) bool { return !inhabited(m) })
	}
	return true
}

func accepts(a, b *schema.Validator) bool {
	ok, err := schema.Includes(a, b)
	return err == nil && ok
}
