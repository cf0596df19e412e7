package ui

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
