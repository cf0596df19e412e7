package ui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// pen writes the lines of one pane, each exactly w cells wide. All text goes
// through put, which cleans and clips it: nothing reaches the terminal that
// is not clean, and no line is wider than its pane.
type pen struct {
	l     *look
	w, h  int
	lines []string
	buf   []byte
	used  int
	sel   bool // the line is the cursor's row
}

func newPen(l *look, w, h int) *pen {
	return &pen{l: l, w: max(0, w), h: max(0, h), lines: make([]string, 0, min(max(0, h), 256)), buf: make([]byte, 0, 512)}
}

// left is the number of free lines.
func (p *pen) left() int { return p.h - len(p.lines) }

// room is the number of free cells on the line.
func (p *pen) room() int { return p.w - p.used }

// put writes text in an ink and returns the pen.
func (p *pen) put(k ink, text string) *pen {
	return p.putMax(k, text, p.room())
}

// putMax writes text in at most n cells; what is cut ends with an ellipsis.
func (p *pen) putMax(k ink, text string, n int) *pen {
	n = min(n, p.room())
	if n <= 0 || text == "" {
		return p
	}
	text = clean(text)
	w := width(text)
	if w > n {
		text = ansi.Truncate(text, n, p.l.g.ellipsis)
		w = width(text)
		if w > n {
			return p
		}
	}
	sgr := k.sgr
	if p.sel {
		sgr = k.sel
	}
	if sgr == "" {
		p.buf = append(p.buf, text...)
	} else {
		p.buf = append(p.buf, sgr...)
		p.buf = append(p.buf, text...)
		p.buf = append(p.buf, ansi.ResetStyle...)
	}
	p.used += w
	return p
}

// col writes text in exactly n cells.
func (p *pen) col(k ink, text string, n int) *pen {
	to := p.used + n
	p.putMax(k, text, n)
	return p.to(to)
}

// colRight writes text in exactly n cells, at their right.
func (p *pen) colRight(k ink, text string, n int) *pen {
	text = clean(text)
	return p.to(p.used+max(0, n-width(text))).putMax(k, text, n)
}

const blanks = "                                                                                                    "

// to fills the line with blanks up to a column.
func (p *pen) to(column int) *pen {
	n := min(column, p.w) - p.used
	if n <= 0 {
		return p
	}
	if p.sel {
		p.buf = append(p.buf, p.l.text.sel...)
	}
	for k := n; k > 0; k -= len(blanks) {
		p.buf = append(p.buf, blanks[:min(k, len(blanks))]...)
	}
	if p.sel {
		p.buf = append(p.buf, ansi.ResetStyle...)
	}
	p.used += n
	return p
}

// repeat writes a one-cell sign n times.
func (p *pen) repeat(k ink, sign string, n int) *pen {
	n = min(n, p.room())
	if n <= 0 {
		return p
	}
	sgr := k.sgr
	if p.sel {
		sgr = k.sel
	}
	p.buf = append(p.buf, sgr...)
	for range n {
		p.buf = append(p.buf, sign...)
	}
	if sgr != "" {
		p.buf = append(p.buf, ansi.ResetStyle...)
	}
	p.used += n
	return p
}

// end closes the line.
func (p *pen) end() *pen {
	p.to(p.w)
	if len(p.lines) < p.h {
		p.lines = append(p.lines, string(p.buf))
	}
	p.buf, p.used, p.sel = p.buf[:0], 0, false
	return p
}

// blank leaves a line empty, unless the pane is full or just begun.
func (p *pen) blank() *pen { return p.end() }

// head writes a section's heading.
func (p *pen) head(text string) *pen {
	return p.put(p.l.head, text).end()
}

// para writes text over as many lines as it needs, after an indent.
func (p *pen) para(k ink, indent int, text string) *pen {
	if text == "" {
		return p
	}
	for _, line := range wrap(clean(text), p.w-indent) {
		p.to(indent).put(k, line).end()
	}
	return p
}

// styled takes a finished line, styles and all, of at most the pane's width.
func (p *pen) styled(line string) *pen {
	p.buf = append(p.buf, line...)
	p.used += widthOf(line)
	return p.end()
}

// fill ends the pane with empty lines.
func (p *pen) fill() []string {
	for len(p.lines) < p.h {
		p.end()
	}
	return p.lines
}

// beside joins panes of the same height with a rule between them.
func beside(l *look, a, b []string) []string {
	out := make([]string, len(a))
	sep := l.rule.sgr + l.g.boxV + ansi.ResetStyle
	for i := range a {
		out[i] = a[i] + sep + b[i]
	}
	return out
}

// over lays box onto lines with its top left cell at x, y, and veils the rest.
func over(l *look, lines, box []string, w, x, y int) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		text := ansi.Strip(line)
		if i < y || i >= y+len(box) {
			out[i] = l.veil.sgr + text + ansi.ResetStyle
			continue
		}
		mid := box[i-y]
		end := x + ansi.StringWidth(mid)
		var b strings.Builder
		b.WriteString(l.veil.sgr)
		head := ansi.Cut(text, 0, x)
		if ansi.StringWidth(head) > x {
			head = ""
		}
		b.WriteString(head)
		for n := ansi.StringWidth(head); n < x; n++ {
			b.WriteByte(' ')
		}
		b.WriteString(ansi.ResetStyle)
		b.WriteString(mid)
		if end < w {
			tail := ansi.Cut(text, end, w)
			if ansi.StringWidth(tail) > w-end { // a wide sign stands on the edge
				tail = ""
			}
			b.WriteString(l.veil.sgr)
			for n := ansi.StringWidth(tail); n < w-end; n++ {
				b.WriteByte(' ')
			}
			b.WriteString(tail)
			b.WriteString(ansi.ResetStyle)
		}
		out[i] = b.String()
	}
	return out
}

// boxed draws a frame with a title around lines of width w.
func boxed(l *look, title string, k ink, lines []string, w int) []string {
	p := newPen(l, w+4, len(lines)+2)
	p.put(k, l.g.boxTL+l.g.boxH+" ").putMax(l.strong, title, w-2).put(k, " ")
	p.repeat(k, l.g.boxH, p.room()-1).put(k, l.g.boxTR).end()
	out := p.lines
	side := k.sgr + l.g.boxV + ansi.ResetStyle
	for _, line := range lines {
		out = append(out, side+" "+line+" "+side)
	}
	p.put(k, l.g.boxBL).repeat(k, l.g.boxH, p.room()-1).put(k, l.g.boxBR)
	return append(out, string(p.buf))
}

// widthOf is the width of a finished, styled line.
func widthOf(line string) int { return ansi.StringWidth(line) }
