package ui

import (
	"fmt"
	"strconv"
	"strings"

	"strait/model/value"
)

// locatedLine is one line of a document that is shown with a place in it marked.
type locatedLine struct {
	line bits
	mark bool // it is the place
	deep int  // cells that it is indented by
}

// at is one step into a value: a field's name, or an index of an array.
type at struct {
	name  string
	index int // -1: name
}

// pathIn follows a place as a census names it (".tags[3]", ".scores.values()")
// into a document, as far as the document goes. absent is the name of a field
// that is not there, where the place ends with one.
func pathIn(doc value.Value, place string) (path []at, absent string) {
	v, rest := doc, place
	for rest != "" {
		switch x := v.(type) {
		case value.Object:
			name := strings.TrimPrefix(rest, ".")
			if name == rest || name == "values()" || name == "keys()" {
				return path, ""
			}
			f, n, ok := longestField(x, name)
			if !ok {
				if strings.ContainsAny(name, ".[") { // something is there that the document shown is not
					return path, ""
				}
				return path, name
			}
			path, v, rest = append(path, at{f.Name, -1}), f.Value, name[n:]
		case value.Array:
			end := strings.IndexByte(rest, ']')
			if rest[0] != '[' || end < 0 {
				return path, ""
			}
			i, err := strconv.Atoi(rest[1:end])
			if err != nil || i < 0 || i >= len(x) {
				return path, ""
			}
			path, v, rest = append(path, at{"", i}), x[i], rest[end+1:]
		default:
			return path, ""
		}
	}
	return path, ""
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

// locator writes a document over several lines, one place in it marked. What
// lies beside the way to the place takes one line each, and what is further
// than near fields or elements from it is folded.
type locator struct {
	l      *look
	w      int
	near   int // -1: nothing is folded
	absent string
	out    []locatedLine
	end    int // of out: the last line of what is marked; -1 nothing is
}

// located is a document with a place marked, in at most about limit lines, the
// rest folded; limit 0 folds nothing. end is the last line of what is marked.
func located(l *look, doc value.Value, place string, w, limit int) (lines []locatedLine, end int) {
	path, absent := pathIn(doc, place)
	for _, near := range []int{-1, 12, 8, 5, 3, 2, 1, 0} {
		m := locator{l: l, w: w, near: near, absent: absent, end: -1}
		m.walk(nil, doc, 0, "", path, true)
		if limit <= 0 || len(m.out) <= limit || near == 0 {
			return m.out, m.end
		}
	}
	return nil, -1
}

func (m *locator) add(line bits, depth int, mark bool) {
	if len(m.out) < tallest {
		m.out = append(m.out, locatedLine{line, mark, 2 * depth})
	}
	if mark {
		m.end = len(m.out) - 1
	}
}

// walk writes a value. path leads on to the place; on says that the value is
// on the way.
func (m *locator) walk(prefix bits, v value.Value, depth int, tail string, path []at, on bool) {
	here := on && len(path) == 0 && m.absent == "" // the place itself
	one := inline(m.l, v, m.w)
	_, leaf := scalar(m.l, v)
	through := on && (len(path) > 0 || m.absent != "") // the way goes on below
	short := bitsWidth(prefix)+bitsWidth(one)+width(tail) <= m.w
	if !through && (leaf || depth > 0 && (short || !on && m.near >= 0)) {
		m.add(append(append(prefix, one...), bit{m.l.dim, tail}), depth, here)
		return
	}
	open, end := "{", "}"
	if _, ok := v.(value.Array); ok {
		open, end = "[", "]"
	}
	m.add(append(prefix, bit{m.l.dim, open}), depth, here)
	m.children(v, depth+1, path, through)
	m.add(bits{{m.l.dim, strings.Repeat("  ", depth)}, {m.l.dim, end + tail}}, depth, false)
	if here {
		m.end = len(m.out) - 1
	}
}

// children writes the parts of a value, those far from the way folded.
func (m *locator) children(v value.Value, depth int, path []at, through bool) {
	pad := bit{m.l.dim, strings.Repeat("  ", depth)}
	step := func(name string, i int) (rest []at, on bool) {
		if !through || len(path) == 0 || path[0].index >= 0 && path[0].index != i || path[0].index < 0 && path[0].name != name {
			return nil, false
		}
		return path[1:], true
	}
	ghost := through && len(path) == 0 // the absent field belongs here
	switch v := v.(type) {
	case value.Array:
		on := -1
		if through && len(path) > 0 {
			on = path[0].index
		}
		m.each(len(v), on, depth, "element", func(i int) {
			rest, on := step("", i)
			m.walk(bits{pad}, v[i], depth, ",", rest, on)
		})
	case value.Object:
		on, into := -1, -1
		for i, f := range v {
			if _, yes := step(f.Name, -1); yes {
				on = i
			}
			if ghost && into < 0 && f.Name > m.absent {
				into = i
			}
		}
		if ghost && into < 0 {
			into = len(v)
		}
		put := func() {
			m.add(bits{pad, {m.l.bad, fieldName(m.absent)}, {m.l.dim, ": "}, {m.l.bad, "missing"}}, depth, true)
		}
		middle := on
		if ghost {
			middle = min(into, len(v)-1)
		}
		m.each(len(v), middle, depth, "field", func(i int) {
			if i == into {
				put()
			}
			f := v[i]
			rest, on := step(f.Name, -1)
			name := m.l.name
			if on && len(rest) == 0 && m.absent == "" {
				name = m.l.bad
			}
			m.walk(bits{pad, {name, fieldName(f.Name)}, {m.l.dim, ": "}}, f.Value, depth, ",", rest, on)
		})
		if into == len(v) {
			put()
		}
	}
}

// each calls write for the parts from 0 to n, those far from the part on folded
// into a line.
func (m *locator) each(n, on, depth int, noun string, write func(i int)) {
	from, to := 0, n
	if m.near >= 0 {
		mid := max(0, on)
		from, to = max(0, mid-m.near), min(n, mid+m.near+1)
		if from == 1 {
			from = 0 // a folded line is no shorter
		}
		if to == n-1 {
			to = n
		}
	}
	fold := func(k int) {
		if k > 0 {
			m.add(bits{{m.l.dim, strings.Repeat("  ", depth)}, {m.l.faint, fmt.Sprintf("%s %s", m.l.g.ellipsis, plural(int64(k), "more "+noun))}}, depth, false)
		}
	}
	fold(from)
	for i := from; i < to; i++ {
		write(i)
	}
	fold(n - to)
}
