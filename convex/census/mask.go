package census

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// Masks stand for values that are not to be shown: <string, 12> for a string of
// 12 characters, <bytes, 5>, <number>, <bigint>, <boolean>, and <id, table 10002>
// for a string that is an id. They are ASCII, and strings wherever a value may
// stand, so that a masked document is a document. null tells nothing but its
// type, and stays.

// Mask is a document of a table in which nothing is left of the content but its
// structure: arrays, objects and the names of fields. _id and _creationTime
// stay, as the document could not be found without them. A name that is data is
// masked as well, to <key 1, 5>: every key of a record, and, where the validator
// does not say what the names are, those that do not look like a field's. A nil
// table says nothing of its documents.
func Mask(t *schema.Table, doc value.Object) value.Object {
	v := meant(t)
	out := make([]value.Field, 0, len(doc))
	for _, f := range maskObject(v, doc) {
		if f.Name != "_id" && f.Name != "_creationTime" {
			out = append(out, f)
		}
	}
	for _, name := range []string{"_id", "_creationTime"} {
		if x, ok := doc.Get(name); ok {
			out = append(out, value.Field{Name: name, Value: x})
		}
	}
	return value.NewObject(out...)
}

// meant are the validators that a table's documents may be meant for.
func meant(t *schema.Table) []*schema.Validator {
	if t == nil || t.Document == nil {
		return nil
	}
	return members(nil, t.Document)
}

// members are the validators that a value may be meant for.
func members(out []*schema.Validator, v *schema.Validator) []*schema.Validator {
	if v == nil || v.Kind != schema.Union {
		return append(out, v)
	}
	for _, m := range v.Members {
		out = members(out, m)
	}
	return out
}

// elements are the validators that the elements of an array may be meant for.
func elements(of []*schema.Validator) (inside []*schema.Validator) {
	for _, m := range of {
		if m != nil && m.Kind == schema.Array {
			inside = members(inside, m.Element)
		}
	}
	return inside
}

func mask(of []*schema.Validator, v value.Value) value.Value {
	switch v := v.(type) {
	case value.Array:
		inside := elements(of)
		out := make(value.Array, len(v))
		for i, e := range v {
			out[i] = mask(inside, e)
		}
		return out
	case value.Object:
		return value.NewObject(maskObject(of, v)...)
	}
	return maskScalar(v)
}

func maskScalar(v value.Value) value.Value {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		if id, err := value.ParseID(v); err == nil {
			return fmt.Sprintf("<id, table %d>", id.Table)
		}
		return fmt.Sprintf("<string, %d>", utf8.RuneCountInString(v))
	case value.Bytes:
		return fmt.Sprintf("<bytes, %d>", len(v))
	case float64:
		return "<number>"
	case int64:
		return "<bigint>"
	case bool:
		return "<boolean>"
	}
	return "<value>"
}

// maskObject masks the fields of an object, which come in the order of their
// own names: masked names are numbered in it.
func maskObject(of []*schema.Validator, o value.Object) []value.Field {
	out := make([]value.Field, 0, len(o))
	eachField(of, o, func(i int, name string, inside []*schema.Validator) bool {
		out = append(out, value.Field{Name: name, Value: mask(inside, o[i].Value)})
		return true
	})
	return out
}

// eachField gives the fields of an object, by what name they are shown and what
// their values may be meant for, until each returns false.
func eachField(of []*schema.Validator, o value.Object, each func(i int, name string, inside []*schema.Validator) bool) {
	var declared, records []*schema.Validator
	for _, m := range of {
		switch {
		case m == nil:
		case m.Kind == schema.Object:
			declared = append(declared, m)
		case m.Kind == schema.Record:
			records = append(records, m)
		}
	}
	masked := 0
	for i, f := range o {
		name := f.Name
		inside, known := fieldOf(declared, name)
		if !known {
			for _, r := range records {
				inside = members(inside, r.Element)
			}
			if len(records) > 0 || len(declared) == 0 && !fieldName(name) {
				masked++
				name = fmt.Sprintf("<key %d, %d>", masked, len(f.Name))
			}
		}
		if !each(i, name, inside) {
			return
		}
	}
}

// maskWay is the way to a place in a value as it is in the masked value.
func maskWay(of []*schema.Validator, v value.Value, way []string) []string {
	var out []string
	for _, step := range way {
		switch x := v.(type) {
		case value.Array:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return out
			}
			of, v = elements(of), x[i]
		case value.Object:
			name, found := step, false
			eachField(of, x, func(i int, shown string, inside []*schema.Validator) bool {
				if x[i].Name == step {
					of, v, name, found = inside, x[i].Value, shown, true
				}
				return !found
			})
			if !found { // a field that is missing; declared, or it would not be missed
				return append(out, step)
			}
			step = name
		default:
			return out
		}
		out = append(out, step)
	}
	return out
}

// fieldOf are the validators of a field, and whether any of the objects
// declares it.
func fieldOf(objects []*schema.Validator, name string) (inside []*schema.Validator, known bool) {
	for _, m := range objects {
		if f := m.Field(name); f != nil {
			inside, known = members(inside, f.Type), true
		}
	}
	return inside, known
}

// fieldName reports whether a name looks like a field's, rather than like a
// key that is data: an address, an id, a number.
func fieldName(name string) bool {
	if len(name) == 0 || len(name) > 40 || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	for _, c := range []byte(name) {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	_, err := value.ParseID(name)
	return err != nil
}

// MaskSample is a sample of a table's offenders of which nothing is left but
// where it is wrong, what type is there and what the validator wants: Document
// is masked, Got is a type, and Message is Convex's without the values. What a
// field is called that is not declared stays, for the group is named by it.
func MaskSample(t *schema.Table, s plan.Sample) plan.Sample {
	if s.Masked {
		return s
	}
	s.Masked = true
	s.Message = maskMessage(s)
	s.Got = maskGot(s.Got)
	if s.Closest != nil {
		near := *s.Closest
		way := maskWay(meant(t), s.Document, append(slices.Clone(s.Way), near.Way...))
		near.Way, near.Got = way[min(len(s.Way), len(way)):], maskGot(near.Got)
		s.Closest = &near
	}
	s.Way = maskWay(meant(t), s.Document, s.Way)
	if s.Document != nil {
		s.Document = Mask(t, s.Document)
	}
	return s
}

// Masked is a census whose samples are masked. The census itself stays as it
// is.
func Masked(c *plan.Census, target *schema.Schema) *plan.Census {
	if c == nil {
		return nil
	}
	out := *c
	out.Groups = slices.Clone(c.Groups)
	for i := range out.Groups {
		g := &out.Groups[i]
		var t *schema.Table
		if target != nil {
			t = target.Table(g.Table)
		}
		g.Samples = slices.Clone(g.Samples)
		for j := range g.Samples {
			g.Samples[j] = MaskSample(t, g.Samples[j])
		}
	}
	return &out
}

// kinds are what Violation.Got calls the types.
var kinds = []string{"undefined", "null", "boolean", "number", "bigint", "string", "bytes", "array", "object", ""}

// maskGot is a type in place of the scalar that a Got may be. Types are words;
// a string that is printed stands in quotes.
func maskGot(got string) string {
	switch {
	case slices.Contains(kinds, got):
		return got
	case strings.HasPrefix(got, `"`):
		return "string"
	case strings.HasPrefix(got, `b"`):
		return "bytes"
	case got == "true" || got == "false":
		return "boolean"
	}
	if _, err := strconv.ParseInt(strings.TrimSuffix(got, "…"), 10, 64); err == nil {
		return "bigint"
	}
	return "number"
}

// The beginnings of Convex's texts of a violation (convex-wire.md 7.4) whose
// first line holds no value.
var valueless = []string{"Value does not match validator.", "Object is missing the required field `", "Object contains extra field `"}

// maskMessage is Convex's text without values. Only what is known to hold none
// is taken over; a value that is printed has no line breaks.
func maskMessage(s plan.Sample) string {
	lines := strings.Split(s.Message, "\n")
	path := ""
	if s.Place != "" {
		path = "Path: " + s.Place
	}
	for _, known := range valueless {
		if !strings.HasPrefix(lines[0], known) {
			continue
		}
		out := []string{lines[0], path}
		if len(lines) >= 4 {
			label, _, _ := strings.Cut(lines[2], ":")
			out = append(out, label+": <masked>")
			out = append(out, lines[3:]...)
		}
		return strings.Join(out, "\n")
	}
	const literal = "` does not match literal validator `"
	switch {
	case strings.HasPrefix(s.Message, "`") && strings.Contains(s.Message, literal):
		return "`<" + maskGot(s.Got) + ">" + literal + s.Expected + "`." + path
	case strings.HasPrefix(s.Message, `Found ID "`):
		if _, rest, ok := strings.Cut(s.Message[len(`Found ID "`):], `"`); ok {
			return `Found ID "<id>"` + rest
		}
	}
	return "It does not fit the validator. " + path
}
