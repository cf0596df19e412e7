package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strait/model/value"
)

// markedLine is a line of a document with the sign that sets it apart.
type markedLine struct {
	k    ink
	sign string // " ": none
	line bits
	deep int  // cells that it is indented by
	bad  bool // it is a place that offends, or its first line
}

// marking writes a document over several lines. What differs from another
// document has a sign, and so have the places that offend; what is far from
// both is folded where the lines would not fit.
type marking struct {
	l     *look
	w     int         // cells of a line
	limit int         // lines at most, as far as folding helps; 0 folds nothing
	other value.Value // the document beside it; nil: it differs from none
	sign  string      // of what differs
	k     ink
	ways  [][]string // to the places that offend, step by step
	masks bool       // strings that are masks are written as such

	near int // fields or elements that stay beside what is marked; -1: all
	most int // lines after which nothing more is written
	out  []markedLine
	end  int // of out: the last line of the first place that offends
}

// lines writes doc. end is the last line of the first place that offends; -1
// there is none.
func (g marking) lines(doc value.Object) (lines []markedLine, end int) {
	ways := make([][]string, 0, len(g.ways))
	for _, way := range g.ways {
		ways = append(ways, wayIn(doc, way))
	}
	for _, near := range []int{-1, 12, 8, 5, 3, 2, 1, 0} {
		g.near, g.most, g.out, g.end = near, tallest, nil, -1
		if g.limit > 0 && near != 0 {
			g.most = g.limit + 1 // enough to see that it does not fit
		}
		g.walk(nil, doc, g.other, spot{ways: ways})
		if g.limit <= 0 || len(g.out) <= g.limit {
			break
		}
	}
	return g.out, g.end
}

// wayIn is a way as far as the document goes: it ends at a field that is not
// there only where that is its last step.
func wayIn(v value.Value, way []string) []string {
	for i, step := range way {
		next, ok := stepInto(v, step)
		if !ok {
			if _, object := v.(value.Object); object && i == len(way)-1 {
				return way
			}
			return way[:i]
		}
		v = next
	}
	return way
}

// stepInto is the field, entry or element of a value.
func stepInto(v value.Value, step string) (value.Value, bool) {
	switch v := v.(type) {
	case value.Object:
		return v.Get(step)
	case value.Array:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(v) {
			return v[i], true
		}
	}
	return nil, false
}

// wayOf is the way to a place in Convex's words (".tags[3]") in a document, as
// far as it goes: which entry of a record is meant these do not tell.
func wayOf(doc value.Value, place string) (way []string) {
	v, rest := doc, place
	if rest != "" && rest[0] != '.' && rest[0] != '[' {
		rest = "." + rest
	}
	for rest != "" {
		switch x := v.(type) {
		case value.Object:
			name := strings.TrimPrefix(rest, ".")
			if name == rest || name == "values()" || name == "keys()" {
				return way
			}
			f, n, ok := longestField(x, name)
			if !ok {
				if strings.ContainsAny(name, ".[") { // something is there that the document shown is not
					return way
				}
				return append(way, name)
			}
			way, v, rest = append(way, f.Name), f.Value, name[n:]
		case value.Array:
			end := strings.IndexByte(rest, ']')
			if rest[0] != '[' || end < 0 {
				return way
			}
			next, ok := stepInto(x, rest[1:end])
			if !ok {
				return way
			}
			way, v, rest = append(way, rest[1:end]), next, rest[end+1:]
		default:
			return way
		}
	}
	return way
}

// longestField is the field whose name the rest of a place begins with: names
// of a record may hold dots and brackets.
func longestField(o value.Object, rest string) (found value.Field, n int, ok bool) {
	for _, f := range o {
		if !strings.HasPrefix(rest, f.Name) || ok && len(f.Name) < n {
			continue
		}
		if end := rest[len(f.Name):]; end == "" || end[0] == '.' || end[0] == '[' {
			found, n, ok = f, len(f.Name), true
		}
	}
	return found, n, ok
}

// spot is where in a document a value is written.
type spot struct {
	depth int
	tail  string
	ways  [][]string // that lead here, the steps that are left of them
	whole bool       // what it is in differs as a whole
}

// here reports whether the value offends itself.
func (s spot) here() bool {
	return slices.ContainsFunc(s.ways, func(w []string) bool { return len(w) == 0 })
}

// into are the ways that lead on by a step.
func (s spot) into(step string) (ways [][]string) {
	for _, w := range s.ways {
		if len(w) > 0 && w[0] == step {
			ways = append(ways, w[1:])
		}
	}
	return ways
}

func (g *marking) add(s spot, line bits, sign bool) {
	if len(g.out) >= g.most {
		return
	}
	x := markedLine{k: g.l.text, sign: " ", line: line, deep: 2 * s.depth}
	switch {
	case sign && s.here():
		x.k, x.sign, x.bad = g.l.bad, g.l.g.failed, true
	case s.whole:
		x.k, x.sign = g.k, g.sign
	}
	g.out = append(g.out, x)
	if x.bad && g.end < 0 {
		g.end = len(g.out) - 1
	}
}

// walk writes a value that is beside another one.
func (g *marking) walk(prefix bits, v, other value.Value, s spot) {
	if len(g.out) >= g.most {
		return
	}
	differs := g.other != nil && !s.whole && !sameValue(v, other)
	if differs && !paired(v, other) {
		s.whole, differs = true, false
	}
	through := differs || slices.ContainsFunc(s.ways, func(w []string) bool { return len(w) > 0 })
	if !through {
		shown := v
		if g.masks {
			shown = withMasks(v)
		}
		one := inline(g.l, shown, g.w)
		_, leaf := scalar(g.l, shown)
		short := bitsWidth(prefix)+bitsWidth(one)+width(s.tail) <= g.w
		if leaf || s.depth > 0 && (short || g.near >= 0 && !s.here() && !s.whole) {
			g.add(s, append(prefix, append(one, bit{g.l.dim, s.tail})...), true)
			return
		}
	}
	open, end := "{", "}"
	if _, ok := v.(value.Array); ok {
		open, end = "[", "]"
	}
	g.add(s, append(prefix, bit{g.l.dim, open}), true)
	first := g.end == len(g.out)-1 // it is the place
	g.children(v, other, s)
	g.add(s, bits{{g.l.dim, strings.Repeat("  ", s.depth)}, {g.l.dim, end + s.tail}}, false)
	if first {
		g.end = len(g.out) - 1
	}
}

// paired reports whether two values that differ are compared part by part.
func paired(v, other value.Value) bool {
	switch v := v.(type) {
	case value.Object:
		_, ok := other.(value.Object)
		return ok && len(v) > 0
	case value.Array:
		o, ok := other.(value.Array)
		return ok && len(o) == len(v)
	}
	return false
}

// part is a field, an entry or an element.
type part struct {
	name   string // of a field, or an entry
	v      value.Value
	other  value.Value
	ways   [][]string
	absent bool // it is a field that should be there
}

// children writes the parts of a value, those far from what is marked folded.
func (g *marking) children(v, other value.Value, s spot) {
	var parts []part
	noun := "element"
	switch v := v.(type) {
	case value.Array:
		o, _ := other.(value.Array)
		for i, e := range v {
			p := part{v: e, other: value.Undefined{}, ways: s.into(strconv.Itoa(i))}
			if i < len(o) {
				p.other = o[i]
			}
			parts = append(parts, p)
		}
	case value.Object:
		noun = "field"
		o, _ := other.(value.Object)
		for _, f := range v {
			parts = append(parts, part{name: f.Name, v: f.Value, other: field(o, f.Name), ways: s.into(f.Name)})
		}
		for _, way := range s.ways {
			if len(way) != 1 || slices.ContainsFunc(parts, func(p part) bool { return p.name == way[0] }) {
				continue
			}
			i := slices.IndexFunc(parts, func(p part) bool { return p.name > way[0] })
			if i < 0 {
				i = len(parts)
			}
			parts = slices.Insert(parts, i, part{name: way[0], absent: true, ways: s.into(way[0])})
		}
	}
	pad := bit{g.l.dim, strings.Repeat("  ", s.depth+1)}
	from := 0
	for i, stays := range g.staying(parts, s) {
		if !stays {
			continue
		}
		g.fold(pad, i-from, noun)
		from = i + 1
		g.part(pad, parts[i], noun == "field", s)
	}
	g.fold(pad, len(parts)-from, noun)
}

func (g *marking) part(pad bit, p part, named bool, s spot) {
	inside := spot{depth: s.depth + 1, tail: ",", ways: p.ways, whole: s.whole}
	line := bits{pad}
	if named {
		name := g.l.name
		if inside.here() {
			name = g.l.bad
		}
		line = append(line, bit{name, fieldName(p.name)}, bit{g.l.dim, ": "})
	}
	if p.absent {
		g.add(inside, append(line, bit{g.l.bad, "missing"}), true)
		return
	}
	g.walk(line, p.v, p.other, inside)
}

// staying says which parts are written: those near to one that is marked, or to
// the first where none is.
func (g *marking) staying(parts []part, s spot) []bool {
	out, any := make([]bool, len(parts)), false
	keep := func(i int) {
		any = true
		for j := max(0, i-g.near); j < min(len(out), i+g.near+1); j++ {
			out[j] = true
		}
	}
	for i := range parts {
		switch p := &parts[i]; {
		case g.near < 0:
			out[i], any = true, true
		case len(p.ways) > 0, g.other != nil && !s.whole && !sameValue(p.v, p.other):
			keep(i)
		}
	}
	if !any && len(parts) > 0 {
		keep(0)
	}
	for i := range out { // a folded line is no shorter
		if !out[i] && (i == 0 || out[i-1]) && (i == len(out)-1 || out[i+1]) {
			out[i] = true
		}
	}
	return out
}

func (g *marking) fold(pad bit, n int, noun string) {
	if n > 0 {
		g.out = append(g.out, markedLine{k: g.l.text, sign: " ", line: bits{pad, {g.l.faint, fmt.Sprintf("%s %s", g.l.g.ellipsis, plural(int64(n), "more "+noun))}}})
	}
}
