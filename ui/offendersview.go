package ui

import (
	"fmt"
	"slices"
	"strings"

	"strait/convex/fleet"
	"strait/plan"
)

// offendersHead is the number of lines above the page's panes.
const offendersHead = 3

// offendersPanes says how the page uses its window: the width and height of the
// list, and of the document. Where only one has room, both are the whole of it.
func offendersPanes(all []offenderEntry, w, h int) (listW, listH, docW, docH int, shape shape) {
	switch {
	case w >= 100:
		listW = min(max(46, columnsOf(all).all()), w*11/20)
		return listW, h, w - listW - 1, h, sideBySide
	case w >= 64 && h >= 15:
		listH = min(max(3, len(all)+1), h/3+1)
		return w, listH, w, h - listH - 1, stacked
	}
	return w, h, w, h, onePane
}

// censusLines is how many lines the progress of a census takes.
func (m Root) censusLines(w int) []string {
	e := m.focus().env
	if e == nil || e.CensusRun == nil {
		return nil
	}
	p := newPen(m.l, w, 8)
	m.drawCounting(p, e)
	return p.lines
}

// samplePane is the size of the pane that shows the document.
func (m Root) samplePane(all []offenderEntry) (w, h int) {
	rows := m.bodyHeight() - offendersHead - len(m.censusLines(m.w))
	_, _, w, h, _ = offendersPanes(all, m.w, max(0, rows))
	return w, max(0, h-sampleHead)
}

// offendersBody is the page of offenders: what the census says, its groups, and
// a document of the one that is selected.
func (m Root) offendersBody(w, h int) []string {
	p, l, f := newPen(m.l, w, offendersHead), m.l, m.focus()
	if f.env == nil {
		p.put(l.dim, " "+noEnv(m)).end()
		return append(p.fill(), newPen(l, w, h-offendersHead).fill()...)
	}
	m.drawOffendersHead(p, f.env)
	out := append(p.fill(), m.censusLines(w)...)
	h -= len(out)
	if h <= 0 {
		return out[:len(out)+h]
	}
	all := m.offenders()
	x, at := m.offender(all)
	if x == nil {
		q := newPen(l, w, tallest)
		m.drawNoOffender(q, f.env)
		return append(out, m.window(q.lines, w, h)...)
	}
	listW, listH, docW, docH, shape := offendersPanes(all, w, h)
	switch shape {
	case sideBySide:
		list, doc := m.listPane(all, at, listW, listH), m.docPane(x, docW, docH)
		return append(out, beside(l, list, doc)...)
	case stacked:
		out = append(out, m.listPane(all, at, listW, listH)...)
		rule := newPen(l, w, 1)
		out = append(out, rule.repeat(l.rule, l.g.rule, w).end().lines...)
		return append(out, m.docPane(x, docW, docH)...)
	}
	if m.off.inside {
		return append(out, m.docPane(x, docW, docH)...)
	}
	return append(out, m.listPane(all, at, listW, listH)...)
}

// drawOffendersHead says in two lines what is known of the environment.
func (m Root) drawOffendersHead(p *pen, e *fleet.EnvSnapshot) {
	l := m.l
	sign, text, k := m.censusWord(e)
	right, rk := m.revealWord(e)
	if p.w < 60 {
		right = ""
	}
	p.put(k, " "+sign+" ").putMax(k, text, p.room()-width(right)-2)
	if right != "" {
		p.to(p.w-width(right)-1).put(rk, right)
	}
	p.end()
	p.to(3)
	switch c := e.Census; {
	case c == nil && e.CensusRun == nil:
		p.put(l.key, "v").put(l.dim, " counts them: it reads, and writes nothing")
	case c == nil:
		p.put(l.dim, "the first census of "+e.Name)
	default:
		m.drawCensusFacts(p, e, c)
	}
	m.drawTabs(p)
	p.end()
	p.repeat(l.rule, l.g.rule, p.w).end()
}

// listColumns are the widths of the list's columns.
type listColumns struct{ count, path, reason int }

// shareWidth is the column of the shares: " 100 %".
const shareWidth = 7

// all is the width that cuts nothing.
func (c listColumns) all() int { return 2 + c.count + shareWidth + 2 + c.path + 2 + c.reason + 1 }

func columnsOf(all []offenderEntry) listColumns {
	c := listColumns{count: 6, reason: len("failed run")}
	for i := range all {
		x := &all[i]
		if x.group == nil {
			continue
		}
		c.count = max(c.count, width(count(x.group.Count)))
		c.path = max(c.path, width(clean(x.name)))
		c.reason = max(c.reason, width(clean(reasonShort(x.reason))))
	}
	c.reason = min(c.reason, 20)
	return c
}

// listPane lists the entries, and below them, where there is room, what else is
// known of the one that is selected and of the tables.
func (m Root) listPane(all []offenderEntry, at, w, h int) []string {
	l, p, e := m.l, newPen(m.l, w, h), m.focus().env
	of := "OFFENDERS"
	if m.off.find.text != "" {
		of = "OFFENDERS THAT MATCH"
	}
	p.to(1).put(l.head, of).put(l.faint, fmt.Sprintf("  %d of %d", at+1, len(all))).end()
	rows, cols := max(1, h-1), columnsOf(all)
	top := max(0, min(at-rows/2, len(all)-rows))
	for i := top; i < min(len(all), top+rows); i++ {
		m.drawOffender(p, e, &all[i], i == at, cols)
	}
	if p.left() < 3 {
		return p.fill()
	}
	q := newPen(l, w, tallest)
	q.blank()
	m.drawCovering(q, &all[at])
	m.drawCounts(q, e)
	p.lines = append(p.lines, q.lines[:min(len(q.lines), p.left())]...)
	return p.fill()
}

// drawOffender is one line of the list.
func (m Root) drawOffender(p *pen, e *fleet.EnvSnapshot, x *offenderEntry, here bool, c listColumns) {
	l := m.l
	p.sel = here && !m.off.inside
	mark := "  "
	if here {
		mark = l.g.cursor + " "
	}
	p.put(l.cursor, mark)
	right := c.reason + 1
	if x.group == nil {
		p.to(2+c.count-1).put(l.bad, l.g.failed+"  ").putMax(l.strong, "stopped "+short(x.mig), p.room()-right-2)
		p.to(p.w-right).put(l.dim, "failed run").end()
		return
	}
	p.colRight(l.warn, count(x.group.Count), c.count)
	switch {
	case p.w < 44:
	case x.since:
		p.colRight(l.bad, "new", shareWidth)
	default:
		p.colRight(l.dim, shareOf(x.group.Count, e.Census.Offenders), shareWidth)
	}
	p.put(l.text, "  ").putMax(l.strong, x.name, p.room()-right-2)
	p.to(p.w-right).put(l.dim, reasonShort(x.reason)).end()
}

// drawCovering says which row of the plan an entry is about, and what is to
// bring its documents to the target.
func (m Root) drawCovering(p *pen, x *offenderEntry) {
	l, f := m.l, m.focus()
	r := m.covering(x)
	p.to(1).put(l.head, "COVERED BY").end()
	switch {
	case r == nil:
		p.para(l.dim, 2, "no change of the plan is about it: deployed and target schema agree here, so something else wrote these documents")
		p.blank()
		return
	case len(r.Migrations) == 0:
		p.para(l.warn, 2, l.g.blocked+" no migration covers "+r.Title+" yet")
	}
	for i, name := range r.Migrations {
		if i == 4 {
			p.to(2).put(l.faint, plural(int64(len(r.Migrations)-4), "more migration")).end()
			break
		}
		word, k := m.runState(f.env, name)
		p.to(2).putMax(l.text, short(name), p.room()-width(word)-2)
		p.to(p.w-width(word)-1).put(k, word).end()
	}
	p.to(2).put(l.key, "f").put(l.dim, " goes to ").putMax(l.dim, r.Title, p.room()-1).end()
	p.blank()
}

// drawCounts lists the tables of the census: what was read, and what needed no
// reading, and why.
func (m Root) drawCounts(p *pen, e *fleet.EnvSnapshot) {
	c := e.Census
	if c == nil || len(c.Counts) == 0 {
		return
	}
	l := m.l
	p.to(1).put(l.head, "TABLES").end()
	wide := 8
	for name := range c.Counts {
		wide = max(wide, width(clean(name))+2)
	}
	wide = min(wide, max(10, p.w/3))
	for _, name := range sortedTables(c.Counts) {
		word, k := m.countWord(c, c.Counts[name])
		if n := oldWrites(e, name); n > 0 {
			word, k = l.g.failed+" "+count(n)+" since "+momentWord(m.now, e.Writers.First), l.bad
		}
		p.to(2).col(l.text, name, wide)
		if n := c.Counts[name].Documents; n >= 0 {
			p.colRight(l.dim, count(n), 10)
		} else {
			p.colRight(l.faint, "?", 10)
		}
		p.put(l.text, "  ").put(k, word).end()
	}
}

// countWord says how a table stands.
func (m Root) countWord(c *plan.Census, t plan.TableCount) (string, ink) {
	l := m.l
	switch {
	case t.Failed != "":
		return l.g.failed + " not read: " + firstLine(t.Failed), l.bad
	case t.Proved == plan.ByEmpty:
		return l.g.done + " empty", l.ok
	case t.Proved == plan.BySchema:
		return l.g.done + " its schema lets none in", l.ok
	case t.Proved == plan.ByShapes:
		return l.g.done + " its shapes all fit", l.ok
	case !c.Full && t.Most > t.Offenders:
		return "at most " + count(t.Most) + " of " + count(t.Documents), l.warn
	case t.Offenders > 0:
		return l.g.blocked + " " + count(t.Offenders), l.warn
	case t.Documents > t.Read:
		return "read to " + count(t.Read), l.dim
	}
	return l.g.done + " all fit", l.ok
}

// drawNoOffender says why there is nothing to list, and what to do.
func (m Root) drawNoOffender(p *pen, e *fleet.EnvSnapshot) {
	l := m.l
	p.blank()
	switch {
	case m.off.find.text != "":
		p.put(l.dim, "   "+noSample(m)).end()
		return
	case e.Census == nil && e.CensusRun != nil:
		return
	case e.Census == nil:
		m.drawTrouble(p, e)
		p.para(l.text, 3, "A census reads the documents that may not fit the target, counts those that do not, and keeps samples of them. The component's success says that its cursor ended; only a full census of zero says that no old document is left.")
		p.blank()
		p.para(l.dim, 3, "Tables that a schema, the deployment's shapes or their emptiness prove clean are not read.")
		return
	}
	q := newPen(l, p.w-2, tallest)
	m.drawEvidence(q, e)
	for _, line := range q.lines {
		p.to(2).styled(line)
	}
	p.blank()
	m.drawCounts(p, e)
}

// sampleHead is the number of lines above the document.
const sampleHead = 2

// docPane shows a document of an entry, its place marked.
func (m Root) docPane(x *offenderEntry, w, h int) []string {
	l, p := m.l, newPen(m.l, w, h)
	if h < sampleHead+1 {
		return p.fill()
	}
	if x.samples() == 0 {
		p.to(1).put(l.strong, x.name).put(l.dim, "  "+reasonWord(x.reason)).end()
		p.to(1).put(l.dim, noSample(m)).end()
		return p.fill()
	}
	n := m.shownSample(x)
	s := m.sample(x, n)
	mark := " "
	if m.off.inside {
		mark = l.g.cursor
	}
	p.put(l.cursor, mark)
	of, noun := "", "sample"
	if x.group == nil {
		noun = "place"
	}
	if x.samples() > 1 {
		of = fmt.Sprintf("%s %d of %d", noun, n+1, x.samples())
	}
	if x.group == nil {
		p.putMax(l.bad, short(x.mig)+" stopped at this document", p.room()-width(of)-2)
		p.to(p.w-width(of)-1).put(l.dim, of).end()
	} else {
		p.putMax(l.strong, x.name, p.room()-width(of)-2).putMax(l.dim, "  "+reasonWord(x.reason), p.room()-width(of)-2)
		p.to(p.w-width(of)-1).put(l.dim, of).end()
	}
	p.to(1).put(l.dim, x.table+" ").put(l.accent, s.id)
	if s.masked {
		p.put(l.warn, "  values masked")
	}
	p.end()
	lines, start := m.sampleLines(x, w, h-sampleHead)
	q := newPen(l, w, 1)
	from := max(0, min(start+m.roll, len(lines)-(h-sampleHead)))
	to := min(len(lines), from+h-sampleHead)
	shown := append([]string(nil), lines[from:to]...)
	if to < len(lines) && len(shown) > 0 {
		shown[len(shown)-1] = q.put(l.faint, fmt.Sprintf("   %s %s below", l.g.ellipsis, plural(int64(len(lines)-to+1), "line"))).end().lines[0]
	}
	p.lines = append(p.lines, shown...)
	return p.fill()
}

// sampleLines are the lines of the document that is shown, and the one to begin
// with so that the marked place is in sight.
func (m Root) sampleLines(x *offenderEntry, w, h int) (lines []string, start int) {
	if x.samples() == 0 {
		return nil, 0
	}
	s := m.sample(x, m.shownSample(x))
	l, p := m.l, newPen(m.l, w, tallest)
	if len(s.doc) == 0 {
		p.to(3).put(l.dim, "the document itself was not kept").end()
		m.drawExpected(p, s, 3)
		p.blank()
		m.drawWords(p, x, s)
		return p.lines, 0
	}
	limit := max(6, h-m.expectedLines(s, w)-1)
	if m.off.whole {
		limit = 0
	}
	at, deep := 0, 0
	doc, end := marking{l: l, w: w - 4, limit: limit, ways: s.ways(), masks: s.masked}.lines(s.doc)
	for i, line := range doc {
		if line.bad {
			at, deep = len(p.lines), line.deep
		}
		p.to(1).put(line.k, line.sign+" ").bits(line.line).end()
		if i == end {
			m.drawExpected(p, s, 3+deep)
		}
	}
	p.blank()
	m.drawWords(p, x, s)
	if len(p.lines) > h {
		start = max(0, min(at-h/3, len(p.lines)-h))
	}
	return p.lines, start
}

// expectedLines is how many lines below the marked place what the target wants
// takes.
func (m Root) expectedLines(s sampleOf, w int) int {
	p := newPen(m.l, w, tallest)
	m.drawExpected(p, s, 6)
	return len(p.lines)
}

// drawExpected is below the marked place: what the target wants there, and what
// is there.
func (m Root) drawExpected(p *pen, s sampleOf, indent int) {
	l := m.l
	indent = min(indent, max(3, p.w/3))
	for _, x := range [3]struct {
		label, text string
		k           ink
	}{{"expected", s.expected, l.ok}, {"got", s.got, l.warn}, {"closest", s.closest, l.text}} {
		if x.text == "" {
			continue
		}
		lines := wrap(clean(x.text), max(8, p.w-indent-12))
		for i, line := range lines {
			if i == 0 {
				p.to(indent).put(l.dim, l.g.boxBL+" ").col(l.dim, x.label, 9)
			}
			if i == 5 && len(lines) > 6 {
				line = l.g.ellipsis
			}
			p.to(indent+11).put(x.k, line).end()
			if i == 5 {
				break
			}
		}
	}
}

// drawWords is what Convex, or the migration, says of the document.
func (m Root) drawWords(p *pen, x *offenderEntry, s sampleOf) {
	l := m.l
	lines := cleanLines(s.message)
	head, k := "CONVEX SAYS", l.dim
	if x.group != nil { // the document is above, and so is what is expected
		lines = slices.DeleteFunc(lines, func(line string) bool {
			return strings.HasPrefix(line, "Object: ") || strings.HasPrefix(line, "Value: ") || strings.HasPrefix(line, "Validator: ")
		})
	}
	if len(lines) == 0 {
		return
	}
	if x.group == nil {
		head, k = "THE MIGRATION SAYS", l.text
		if x.fail.Frame != "" {
			lines = append(lines, "at "+x.fail.Frame)
		}
	}
	p.to(1).put(l.head, head).end()
	for i, line := range lines {
		if i == 6 {
			p.to(3).put(l.faint, l.g.ellipsis).end()
			break
		}
		p.para(k, 3, line)
	}
}
