package schema

import (
	"math"
	"slices"
	"strings"

	"strait/model/value"
)

// String prints the validator as Convex prints it in its error texts:
// v.object({a: v.optional(v.string())}), fields sorted by name.
func (v *Validator) String() string {
	var b strings.Builder
	v.write(&b)
	return b.String()
}

func (v *Validator) write(b *strings.Builder) {
	switch v = orAny(v); v.Kind {
	case Number:
		b.WriteString("v.float64()")
	case Bigint:
		b.WriteString("v.int64()")
	case ID:
		b.WriteString(`v.id("` + v.Table + `")`)
	case Literal:
		b.WriteString("v.literal(" + displayLiteral(v.Literal) + ")")
	case Array:
		b.WriteString("v.array(")
		v.Element.write(b)
		b.WriteByte(')')
	case Record:
		b.WriteString("v.record(")
		v.Key.write(b)
		b.WriteString(", ")
		v.Element.write(b)
		b.WriteByte(')')
	case Object:
		b.WriteString("v.object({")
		for i, f := range v.SortedFields() {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.Name + ": ")
			f.write(b)
		}
		b.WriteString("})")
	case Union:
		b.WriteString("v.union(")
		for i, m := range v.Members {
			if i > 0 {
				b.WriteString(", ")
			}
			m.write(b)
		}
		b.WriteByte(')')
	default:
		b.WriteString("v." + string(v.Kind) + "()")
	}
}

func (f Field) write(b *strings.Builder) {
	if !f.Optional {
		f.Type.write(b)
		return
	}
	b.WriteString("v.optional(")
	f.Type.write(b)
	b.WriteByte(')')
}

// SortedFields returns the fields in the order in which Convex keeps them.
func (v *Validator) SortedFields() []Field {
	byName := func(a, b Field) int { return strings.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(v.Fields, byName) {
		return v.Fields
	}
	return slices.SortedFunc(slices.Values(v.Fields), byName)
}

// displayLiteral prints as Convex's server does: bigints are not shown.
func displayLiteral(v value.Value) string {
	switch v := v.(type) {
	case int64:
		return "<bigint>"
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return "<number>"
		}
		return string(value.AppendExport(nil, v))
	}
	return string(value.Append(nil, v))
}
