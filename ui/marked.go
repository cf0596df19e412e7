package ui

import (
	"fmt"
	"strings"

	"strait/model/value"
)

// markedLine is a line of a document with the sign that sets it apart.
type markedLine struct {
	k    ink
	sign string
	line bits
}

// marking writes a document beside another one: what differs has a sign, and so
// has the place that offends.
type marking struct {
	l        *look
	sign     string // of what differs
	k        ink
	place    string // in Convex's words: ".profile.zip", ".tags[3]", ".scores.values()"; "" none
	masks    bool   // strings that are masks are written as such
	w, limit int    // cells of a line, lines at most
	out      []markedLine
}

// lines writes doc. Where other differs it has the sign, at the place the sign of
// what failed; other nil differs nowhere.
func (g marking) lines(doc, other value.Object) []markedLine {
	var beside value.Value = other
	if other == nil {
		beside = doc
	}
	g.walk(nil, doc, beside, "", "", 0, "")
	if len(g.out) > g.limit {
		g.out = append(g.out[:g.limit-1:g.limit-1], markedLine{line: bits{{g.l.dim, g.l.g.ellipsis}}})
	}
	return g.out
}

// shown is a value as it is written.
func (g *marking) shown(v value.Value) value.Value {
	if g.masks {
		return withMasks(v)
	}
	return v
}

// walk writes a value that is at a place, or by another name at also.
func (g *marking) walk(prefix bits, v, other value.Value, at, also string, depth int, tail string) {
	if len(g.out) > g.limit {
		return
	}
	bad := g.place != "" && (at == g.place || also == g.place && also != "")
	same := sameValue(v, other)
	if !bad && (!same || g.below(at) || g.below(also)) && g.opens(v, other, at, also) {
		g.open(prefix, v, other, at, depth, tail)
		return
	}
	k, sign := g.l.text, " "
	switch {
	case bad:
		k, sign = g.l.bad, g.l.g.failed
	case !same:
		k, sign = g.k, g.sign
	}
	shown := g.shown(v)
	one := inline(g.l, shown, g.w)
	if _, leaf := scalar(g.l, shown); leaf || depth > 0 && bitsWidth(prefix)+bitsWidth(one)+len(tail) <= g.w {
		g.add(k, sign, append(append(prefix, one...), bit{g.l.dim, tail}))
		return
	}
	pad := bits{{g.l.dim, strings.Repeat("  ", depth)}}
	for i, line := range pretty(g.l, shown, g.w-2*depth, g.limit) {
		if i == 0 {
			line = append(prefix[:len(prefix):len(prefix)], line...)
		} else {
			line = append(pad[:1:1], line...)
		}
		g.add(k, sign, line)
	}
}

func (g *marking) add(k ink, sign string, line bits) {
	g.out = append(g.out, markedLine{k, sign, line})
}

// below reports whether the place that offends is inside of at.
func (g *marking) below(at string) bool {
	rest, ok := strings.CutPrefix(g.place, at)
	return g.place != "" && ok && (at != "" || g.place != "") && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}

// opens reports whether a value is written part by part: two objects or two
// lists of one length are, and what the place leads into.
func (g *marking) opens(v, other value.Value, at, also string) bool {
	switch v := v.(type) {
	case value.Object:
		_, ok := other.(value.Object)
		return ok || g.below(at) || g.below(also)
	case value.Array:
		o, ok := other.(value.Array)
		return len(v) > 0 && (ok && len(o) == len(v) || g.below(at) || g.below(also))
	}
	return false
}

func (g *marking) open(prefix bits, v, other value.Value, at string, depth int, tail string) {
	l := g.l
	pad := strings.Repeat("  ", depth+1)
	first, last := "{", "}"
	if _, ok := v.(value.Array); ok {
		first, last = "[", "]"
	}
	g.add(l.text, " ", append(prefix, bit{l.dim, first}))
	switch v := v.(type) {
	case value.Object:
		o, _ := other.(value.Object)
		for _, f := range v {
			name := bits{{l.dim, pad}, {l.name, fieldName(f.Name)}, {l.dim, ": "}}
			g.walk(name, f.Value, field(o, f.Name), at+"."+f.Name, at+".values()", depth+1, ",")
		}
		if name, ok := strings.CutPrefix(g.place, at+"."); ok && name != "" && !strings.ContainsAny(name, ".[") && name != "values()" && name != "keys()" {
			if _, there := v.Get(name); !there {
				g.add(l.bad, l.g.failed, bits{{l.dim, pad}, {l.bad, fieldName(name)}, {l.dim, ": "}, {l.bad, "missing"}})
			}
		}
	case value.Array:
		o, _ := other.(value.Array)
		for i, e := range v {
			var beside value.Value = value.Undefined{}
			if i < len(o) {
				beside = o[i]
			}
			g.walk(bits{{l.dim, pad}}, e, beside, fmt.Sprintf("%s[%d]", at, i), "", depth+1, ",")
		}
	}
	g.add(l.text, " ", bits{{l.dim, strings.Repeat("  ", depth) + last + tail}})
}

// column is one of several documents that are shown side by side.
type column struct {
	title string
	note  string
	lines []markedLine
	text  []string // in place of a document
}

// columns draws documents side by side, or below each other where each would
// have less than least cells.
func (m Root) columns(p *pen, indent int, cols []column, least int) {
	n := len(cols)
	w := (p.w - indent - 3*(n-1)) / max(1, n)
	if w < least {
		for i, c := range cols {
			if i > 0 {
				p.blank()
			}
			m.column(p, indent, c)
		}
		return
	}
	var drawn [][]string
	high := 0
	for _, c := range cols {
		q := newPen(m.l, w, tallest)
		m.column(q, 0, c)
		drawn, high = append(drawn, q.lines), max(high, len(q.lines))
	}
	for i := range high {
		p.to(indent)
		for j, lines := range drawn {
			if j > 0 {
				p.put(m.l.rule, " "+m.l.g.boxV+" ")
			}
			at := p.used
			if i < len(lines) {
				p.buf = append(p.buf, lines[i]...)
				p.used += w
			}
			p.to(at + w)
		}
		p.end()
	}
}

func (m Root) column(p *pen, indent int, c column) {
	l := m.l
	p.to(indent).put(l.head, c.title).put(l.faint, after("  ", c.note)).end()
	for _, line := range c.lines {
		p.to(indent).put(line.k, line.sign+" ").bits(line.line).end()
	}
	for _, line := range c.text {
		p.para(l.text, indent+2, line)
	}
}

// columnRoom is the width of a document in each of n columns of a pane.
func columnRoom(w, indent, n, least int) int {
	if each := (w - indent - 3*(n-1)) / max(1, n); each >= least {
		return each
	}
	return w - indent
}
