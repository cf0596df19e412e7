package ui

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"strait/model/value"
)

// bit is a piece of a line in one ink.
type bit struct {
	k    ink
	text string
}

// bits is one line.
type bits []bit

// put writes the pieces of a line.
func (p *pen) bits(line bits) *pen {
	for _, b := range line {
		p.put(b.k, b.text)
	}
	return p
}

// quote writes a string as JavaScript would, what cannot be seen escaped.
func quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r) && !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// scalar writes a value that has no parts; ok is false for the others.
func scalar(l *look, v value.Value) (b bit, ok bool) {
	switch v := v.(type) {
	case nil:
		return bit{l.num, "null"}, true
	case bool:
		return bit{l.num, strconv.FormatBool(v)}, true
	case int64:
		return bit{l.num, strconv.FormatInt(v, 10) + "n"}, true
	case float64:
		return bit{l.num, number(v)}, true
	case string:
		return bit{l.str, quote(v)}, true
	case masked:
		return bit{l.dim, string(v)}, true
	case value.Bytes:
		return bit{l.num, fmt.Sprintf("bytes(%d)", len(v))}, true
	case value.Undefined:
		return bit{l.dim, "absent"}, true
	case value.Array:
		return bit{l.dim, "[]"}, len(v) == 0
	case value.Object:
		return bit{l.dim, "{}"}, len(v) == 0
	}
	return bit{l.dim, fmt.Sprintf("%T", v)}, true
}

func number(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0 && math.Signbit(f):
		return "-0"
	case f == 0 || math.Abs(f) < 1e15 && math.Abs(f) >= 1e-6:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// inline writes a value in one line, its ends cut after about max cells.
func inline(l *look, v value.Value, max int) bits {
	var out bits
	used := 0
	add := func(k ink, s string) bool {
		if used >= max {
			return false
		}
		out, used = append(out, bit{k, s}), used+width(s)
		return true
	}
	var walk func(v value.Value) bool
	walk = func(v value.Value) bool {
		if b, ok := scalar(l, v); ok {
			return add(b.k, b.text)
		}
		switch v := v.(type) {
		case value.Array:
			add(l.dim, "[")
			for i, e := range v {
				if i > 0 {
					add(l.dim, ", ")
				}
				if !walk(e) {
					return false
				}
			}
			return add(l.dim, "]")
		case value.Object:
			add(l.dim, "{ ")
			for i, f := range v {
				if i > 0 {
					add(l.dim, ", ")
				}
				add(l.name, fieldName(f.Name))
				add(l.dim, ": ")
				if !walk(f.Value) {
					return false
				}
			}
			return add(l.dim, " }")
		}
		return true
	}
	if !walk(v) {
		out = append(out, bit{l.dim, l.g.ellipsis})
	}
	return out
}

// fieldName quotes a name that is no identifier.
func fieldName(s string) string {
	for i, r := range s {
		if r != '_' && r != '$' && !(r < 128 && unicode.IsLetter(r)) && !(i > 0 && r < 128 && unicode.IsDigit(r)) {
			return quote(s)
		}
	}
	if s == "" {
		return `""`
	}
	return s
}

// pretty writes a document over several lines, at most limit of them. What
// fits into w cells stays in one line.
func pretty(l *look, doc value.Value, w, limit int) []bits {
	g := marking{l: l, w: w, near: -1, most: limit + 1, end: -1}
	g.walk(nil, doc, nil, spot{})
	out := make([]bits, 0, len(g.out))
	for _, line := range g.out {
		out = append(out, line.line)
	}
	if len(out) > limit {
		out = append(out[:limit-1:limit-1], bits{{l.dim, l.g.ellipsis}})
	}
	return out
}

func bitsWidth(line bits) int {
	n := 0
	for _, b := range line {
		n += width(b.text)
	}
	return n
}

// fieldChange is one path at which two documents differ.
type fieldChange struct {
	path          string
	before, after value.Value // Undefined: absent there
}

// diffDocuments lists the paths at which two values differ, and counts the
// fields of the top level that are equal. Objects are compared field by
// field, arrays of one length element by element.
func diffDocuments(before, after value.Value) (changes []fieldChange, same int) {
	var walk func(path string, a, b value.Value)
	walk = func(path string, a, b value.Value) {
		if sameValue(a, b) {
			if path != "" && !strings.ContainsAny(path, ".[") {
				same++
			}
			return
		}
		ao, aok := a.(value.Object)
		bo, bok := b.(value.Object)
		if aok && bok {
			for _, name := range unionNames(ao, bo) {
				walk(joinPath(path, name), field(ao, name), field(bo, name))
			}
			return
		}
		aa, aok := a.(value.Array)
		ba, bok := b.(value.Array)
		if aok && bok && len(aa) == len(ba) {
			for i := range aa {
				walk(fmt.Sprintf("%s[%d]", path, i), aa[i], ba[i])
			}
			return
		}
		changes = append(changes, fieldChange{path, a, b})
	}
	walk("", before, after)
	return changes, same
}

func joinPath(path, name string) string {
	name = fieldName(name)
	if path == "" {
		return name
	}
	return path + "." + name
}

func field(o value.Object, name string) value.Value {
	if v, ok := o.Get(name); ok {
		return v
	}
	return value.Undefined{}
}

// unionNames merges the sorted names of two objects.
func unionNames(a, b value.Object) []string {
	var out []string
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Name < b[0].Name:
			out, a = append(out, a[0].Name), a[1:]
		case len(a) == 0 || b[0].Name < a[0].Name:
			out, b = append(out, b[0].Name), b[1:]
		default:
			out, a, b = append(out, a[0].Name), a[1:], b[1:]
		}
	}
	return out
}

func sameValue(a, b value.Value) bool {
	_, ua := a.(value.Undefined)
	_, ub := b.(value.Undefined)
	if ua || ub {
		return ua && ub
	}
	return value.Equal(a, b)
}
