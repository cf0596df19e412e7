package plan

import (
	"fmt"
	"slices"
	"strings"

	"strait/model/schema"
)

// A new field may hold what fields that go held before: one of them under
// another name, a part of an object that is taken apart, or several put
// together. It is offered in the code, where a reviewer sees it.

// given are the sources of a document's new required fields, by name.
func (a *adviser) given(s *situation) map[string]given {
	out := map[string]given{}
	doc := orAny(s.target.Document)
	if s.from.Kind != schema.Object || doc.Kind != schema.Object {
		return out
	}
	for _, g := range doc.Fields {
		f := s.from.Field(g.Name)
		if g.Optional || f == nil || !f.Optional {
			continue // not new, or free to be absent
		}
		if from := fromObject(s.from, doc, g); len(from) > 0 {
			out[g.Name] = given{from: from, part: true}
		} else if from := fromFields(s.from, doc, g); len(from) > 0 {
			out[g.Name] = given{from: from}
		}
	}
	return out
}

// given is where a new field's value comes from.
type given struct {
	from []string // fields of the document that go
	part bool     // the field of the same name of the object from[0]
}

// fromObject finds the object that goes and has the field as its own.
func fromObject(before, after *schema.Validator, g schema.Field) []string {
	for _, f := range before.Fields {
		if after.Field(f.Name) != nil || f.Type.Kind != schema.Object {
			continue
		}
		if part := f.Type.Field(g.Name); part != nil && accepts(g.Type, part.Type) {
			return []string{f.Name}
		}
	}
	return nil
}

// fromFields finds the fields that go and are those of the new object: all
// that it requires, and two at least.
func fromFields(before, after *schema.Validator, g schema.Field) []string {
	if g.Type.Kind != schema.Object {
		return nil
	}
	var out []string
	for _, part := range g.Type.Fields {
		f := before.Field(part.Name)
		if f != nil && after.Field(part.Name) == nil && accepts(part.Type, f.Type) {
			out = append(out, part.Name)
		} else if !part.Optional {
			return nil
		}
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// value is the code of a given field.
func (c *coder) value(e string, g given, m *schema.Validator, to *schema.Validator, place string) string {
	if g.part {
		object := m.Field(g.from[0])
		ref, part := access(e, object.Name), object.Type.Field(lastName(place))
		if object.Optional {
			ref += "?"
		}
		ref = access(ref, part.Name)
		if !object.Optional && !part.Optional {
			return ref
		}
		return orInstead(ref, part.Type, ref, c.absent(to, place, nil))
	}
	var sets []string
	for _, part := range to.Fields {
		f := m.Field(part.Name)
		if f == nil || !slices.Contains(g.from, part.Name) {
			continue
		}
		ref := access(e, f.Name)
		if f.Optional && !part.Optional {
			ref = orInstead(ref, f.Type, ref, c.absent(part.Type, place+"."+part.Name, nil))
		}
		sets = append(sets, property(part.Name)+": "+ref)
	}
	return block(sets, 60)
}

// copiedFirst keeps a field from being unset before the fields that take its
// place hold what it held.
func (a *adviser) copiedFirst(s *situation) string {
	field := topField(s.row.Table, s.row.Path)
	if s.main.Kind != FieldRemoved || s.row.Path != s.row.Table+"."+field {
		return ""
	}
	var into []string
	if f := s.from.Field(s.main.Rename); f != nil && f.Optional {
		into = append(into, f.Name)
	}
	for name, g := range a.given(s) {
		if slices.Contains(g.from, field) && !slices.Contains(into, name) {
			into = append(into, name)
		}
	}
	if len(into) == 0 {
		return ""
	}
	slices.Sort(into)
	var parts []cond
	for _, name := range into {
		parts = append(parts, isEqual(access("doc", name), "undefined"))
	}
	names := strings.Join(into, ", ")
	return fmt.Sprintf("// What it held belongs into %s: do not lose it.\n", comment(names)) +
		some(parts...).statement("throw new Error("+quoted("fill "+names+" from "+field+" first")+");")
}
