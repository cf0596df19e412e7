package schema

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"strait/model/value"
)

// printWidth is where printed TypeScript is wrapped.
const printWidth = 100

// TypeScript prints the schema as a whole schema.ts. Evaluated, it exports
// what the schema exports (JSON), but for tables declared without a validator,
// which print as v.any().
func (s *Schema) TypeScript() string {
	s = orEmpty(s)
	tables := layout{head: "defineSchema({", tail: "})", broken: len(s.Tables) > 0}
	if !s.Validation {
		tables.head, tables.tail = "{", "}"
	}
	for _, t := range s.Tables {
		tables.items = append(tables.items, t.layout().after(property(t.Name)))
	}
	if !s.Validation {
		tables = layout{head: "defineSchema(", tail: ")", broken: true, items: []layout{tables, {head: "{ schemaValidation: false }"}}}
	}
	var b strings.Builder
	b.WriteString("import { defineSchema, defineTable } from \"convex/server\";\n")
	if len(s.Tables) > 0 {
		b.WriteString("import { v } from \"convex/values\";\n")
	}
	b.WriteByte('\n')
	tables.after("export default ").write(&b, 0, 0, 1)
	b.WriteString(";\n")
	return b.String()
}

// TypeScript prints the table as an expression: defineTable({…}).index(…).
func (t *Table) TypeScript() string { return t.layout().print() }

// TypeScript prints the validator as an expression.
func (v *Validator) TypeScript() string { return v.layout().print() }

// Line is TypeScript on one line, however long.
func (v *Validator) Line() string { return v.layout().line() }

// Line prints the validator of the field, v.optional(…) where it is, on one line.
func (f Field) Line() string { return f.layout().line() }

// Line prints the call that declares the index, .index("by_a", ["a"]), on one
// line.
func (x Index) Line() string { return x.layout().line() }

// layout is an expression that stands on one line if it fits, and otherwise
// has each item on a line of its own between head and tail.
type layout struct {
	head, tail string
	items      []layout
	padded     bool     // spaces inside head and tail on one line
	broken     bool     // never on one line
	chain      []layout // method calls; two and more have lines of their own
}

func (l layout) after(prefix string) layout {
	l.head = prefix + l.head
	return l
}

// inside makes the expression the last argument of a call. Object and array
// literals keep their indentation there, as prettier has it.
func (l layout) inside(head, tail string) layout {
	if len(l.items) > 0 && l.head != "{" && l.head != "[" {
		return layout{head: head, tail: tail, items: []layout{l}}
	}
	l.head = head + l.head
	l.tail += tail
	return l
}

func (l layout) print() string {
	var b strings.Builder
	l.write(&b, 0, 0, 0)
	return b.String()
}

func (l layout) breaks() bool {
	if l.broken || len(l.chain) > 0 {
		return true
	}
	for _, item := range l.items {
		if item.breaks() {
			return true
		}
	}
	return false
}

func (l layout) line() string { return string(l.flat(nil, math.MaxInt)) }

// flat appends the one-line form; it gives up beyond most bytes.
func (l layout) flat(dst []byte, most int) []byte {
	dst = append(dst, l.head...)
	pad := l.padded && len(l.items) > 0
	if pad {
		dst = append(dst, ' ')
	}
	for i, item := range l.items {
		if len(dst) > most {
			return dst
		}
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = item.flat(dst, most)
	}
	if pad {
		dst = append(dst, ' ')
	}
	return append(dst, l.tail...)
}

// write prints from column on; after columns follow on the same line.
func (l layout) write(b *strings.Builder, indent, column, after int) {
	if !l.breaks() {
		if line := l.flat(nil, 4*printWidth); len(l.items) == 0 || column+utf8.RuneCount(line)+after <= printWidth {
			b.Write(line)
			return
		}
	}
	b.WriteString(l.head)
	if len(l.items) > 0 {
		for _, item := range l.items {
			newLine(b, indent+2)
			item.write(b, indent+2, indent+2, 1)
			b.WriteByte(',')
		}
		newLine(b, indent)
	}
	b.WriteString(l.tail)
	if len(l.chain) == 1 && len(l.items) > 0 {
		l.chain[0].write(b, indent, indent+len(l.tail), after)
		return
	}
	for _, call := range l.chain {
		newLine(b, indent+2)
		call.write(b, indent+2, indent+2, after)
	}
}

func newLine(b *strings.Builder, indent int) {
	b.WriteByte('\n')
	for range indent {
		b.WriteByte(' ')
	}
}

func (t *Table) layout() layout {
	doc := orAny(t.Document)
	var l layout
	if doc.Kind == Object {
		l = doc.fieldsLayout().inside("defineTable(", ")")
		l.broken = len(l.items) > 0
	} else {
		l = doc.layout().inside("defineTable(", ")")
	}
	for _, list := range indexLists {
		for _, x := range t.Indexes {
			if x.Kind == list.kind && x.Staged == list.staged {
				l.chain = append(l.chain, x.layout())
			}
		}
	}
	return l
}

func (x Index) layout() layout {
	var options []layout
	method := ".index("
	switch x.Kind {
	case DatabaseIndex:
		if !x.Staged {
			return names(x.Fields).inside(method+quote(x.Name)+", ", ")")
		}
		options = append(options, names(x.Fields).after("fields: "))
	case SearchIndex:
		method = ".searchIndex("
		options = append(options, layout{head: "searchField: " + quote(x.SearchField)})
	case VectorIndex:
		method = ".vectorIndex("
		options = append(options, layout{head: "vectorField: " + quote(x.VectorField)}, layout{head: "dimensions: " + strconv.Itoa(x.Dimensions)})
	}
	if len(x.FilterFields) > 0 {
		options = append(options, names(x.FilterFields).after("filterFields: "))
	}
	if x.Staged {
		options = append(options, layout{head: "staged: true"})
	}
	return layout{head: method + quote(x.Name) + ", {", tail: "})", items: options, padded: true}
}

func names(list []string) layout {
	l := layout{head: "[", tail: "]"}
	for _, name := range list {
		l.items = append(l.items, layout{head: quote(name)})
	}
	return l
}

func (v *Validator) layout() layout {
	switch v = orAny(v); v.Kind {
	case Number:
		return layout{head: "v.number()"}
	case Bigint:
		return layout{head: "v.int64()"}
	case ID:
		return layout{head: "v.id(" + quote(v.Table) + ")"}
	case Literal:
		return layout{head: "v.literal(" + literal(v.Literal) + ")"}
	case Array:
		return v.Element.layout().inside("v.array(", ")")
	case Record:
		return v.recordLayout()
	case Object:
		return v.fieldsLayout().inside("v.object(", ")")
	case Union:
		l := layout{head: "v.union(", tail: ")"}
		for _, m := range v.Members {
			l.items = append(l.items, m.layout())
		}
		return l
	}
	return layout{head: "v." + string(v.Kind) + "()"}
}

func (v *Validator) recordLayout() layout {
	return layout{head: "v.record(", tail: ")", items: []layout{v.Key.layout(), v.Element.layout()}}
}

// fieldsLayout is the object literal of the fields, without v.object.
func (v *Validator) fieldsLayout() layout {
	l := layout{head: "{", tail: "}", padded: true}
	for _, f := range v.Fields {
		l.items = append(l.items, f.layout().after(property(f.Name)))
	}
	return l
}

// layout is the validator of the field, without its name.
func (f Field) layout() layout {
	if f.Optional {
		return f.Type.layout().inside("v.optional(", ")")
	}
	return f.Type.layout()
}

var identifier = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_$]*$`)

// property is a key of an object literal with its colon.
func property(name string) string {
	switch {
	case name == "__proto__":
		return `["__proto__"]: ` // a plain key would set the prototype
	case identifier.MatchString(name):
		return name + ": "
	}
	return quote(name) + ": "
}

func quote(s string) string { return string(value.Append(nil, s)) }

// literal is a literal of TypeScript.
func literal(v value.Value) string {
	switch v := v.(type) {
	case int64:
		return strconv.FormatInt(v, 10) + "n"
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 0):
			if v > 0 {
				return "Infinity"
			}
			return "-Infinity"
		}
		return string(value.AppendClean(nil, v))
	}
	return string(value.Append(nil, v))
}
