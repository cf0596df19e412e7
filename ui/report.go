package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// report is a page of lines to choose from, and below them what is known of
// the one that is chosen. The Proof and the Rehearsal page are reports.
type report struct {
	head   func(p *pen)
	lines  []reportLine
	at     int          // place of the chosen line; -1 without any
	detail func(p *pen) // of the chosen line
	empty  func(p *pen) // in their place, when there is no line
}

type reportLine struct {
	id   string
	draw func(p *pen)
}

// reportAt is where one stands in a report. The cursor follows an id.
type reportAt struct {
	id    string // "" the line that asks for it most
	whole bool   // what is known of the line fills the page
}

// settle puts the cursor on the line that where names, else on the one that
// asks for it.
func (r *report) settle(where reportAt, asks int) {
	r.at = slices.IndexFunc(r.lines, func(x reportLine) bool { return x.id == where.id })
	if r.at < 0 && len(r.lines) > 0 {
		r.at = max(0, asks)
	}
}

// report is that of the page that is shown.
func (m Root) report() report {
	if m.page == provePage {
		return m.proofReport()
	}
	return m.rehearsalReport()
}

// stands is where one stands in the report that is shown.
func (m Root) stands() reportAt {
	if m.page == provePage {
		return m.proof
	}
	return m.rehearsal
}

func (m Root) standAt(at reportAt) Root {
	if m.page == provePage {
		m.proof = at
	} else {
		m.rehearsal = at
	}
	return m
}

// reportSizes share h lines between the list and what is below it; one of them
// is 0 where there is room for one only.
func reportSizes(r report, w, h int, whole bool) (list, detail int) {
	switch {
	case whole:
		return 0, h
	case w < 60 || h < 12:
		return h, 0
	}
	list = min(len(r.lines), max(3, h*2/5))
	return list, h - list - 1
}

// reportBody draws a report.
func (m Root) reportBody(w, h int, r report) []string {
	head := newPen(m.l, w, h/2)
	r.head(head)
	head.repeat(m.l.rule, m.l.g.rule, w).end()
	out := head.lines
	h -= len(out)
	if len(r.lines) == 0 {
		return append(out, m.rolled(w, h, r.empty)...)
	}
	list, detail := reportSizes(r, w, h, m.stands().whole)
	if list > 0 {
		out = append(out, m.reportList(w, list, r)...)
	}
	if list > 0 && detail > 0 {
		rule := newPen(m.l, w, 1)
		rule.repeat(m.l.rule, m.l.g.rule, w).end()
		out = append(out, rule.lines...)
	}
	if detail > 0 {
		out = append(out, m.rolled(w, detail, r.detail)...)
	}
	return out
}

// reportList draws the lines around the chosen one.
func (m Root) reportList(w, h int, r report) []string {
	p := newPen(m.l, w, h)
	n := h
	if len(r.lines) > h && h > 1 {
		n-- // the line that counts the others
	}
	top := max(0, min(r.at-n/2, len(r.lines)-n))
	for i := top; i < len(r.lines) && i < top+n; i++ {
		if p.sel = i == r.at; p.sel {
			p.put(m.l.cursor, m.l.g.cursor+" ")
		} else {
			p.to(2)
		}
		r.lines[i].draw(p)
		p.end()
	}
	if n < h {
		p.to(2).put(m.l.faint, count(int64(top+1))+" to "+count(int64(min(top+n, len(r.lines))))+" of "+count(int64(len(r.lines)))).end()
	}
	return p.fill()
}

// moveReport moves the cursor by a line, or to an end; what is longer rolls what
// is known of the line, and so does a line where that fills the page.
func (m Root) moveReport(n int) Root {
	r, at := m.report(), m.stands()
	far := n <= -1<<29 || n >= 1<<29
	if at.whole || n != 1 && n != -1 && !far {
		m.roll = min(max(0, m.roll+n), m.reportEnd())
		return m
	}
	if len(r.lines) > 0 {
		at.id = r.lines[min(max(0, r.at+n), len(r.lines)-1)].id
		m.roll = 0
	}
	return m.standAt(at)
}

// reportEnd is how far what is known of the line can be rolled.
func (m Root) reportEnd() int {
	r, w, h := m.report(), m.w, m.bodyHeight()
	head := newPen(m.l, w, h/2)
	r.head(head)
	h -= len(head.lines) + 1
	p := newPen(m.l, w, tallest)
	if len(r.lines) == 0 {
		r.empty(p)
		return max(0, len(p.lines)-h)
	}
	_, detail := reportSizes(r, w, h, m.stands().whole)
	if detail == 0 {
		return 0
	}
	r.detail(p)
	return max(0, len(p.lines)-detail)
}

// openLine lets what is known of the line fill the page.
func (m Root) openLine() Root {
	r, at := m.report(), m.stands()
	if r.at < 0 || len(r.lines) == 0 {
		return m
	}
	at.id, at.whole = r.lines[r.at].id, true
	m.roll = 0
	return m.standAt(at)
}

func noLine(m Root) string {
	if len(m.report().lines) == 0 {
		return "there is no line to open yet"
	}
	return ""
}

// copyReport copies the command that makes what is shown.
func (m Root) copyReport() (Root, tea.Cmd) {
	cmd := fleet.Command{Action: plan.ActProve, Env: m.proved.Env, Prove: &m.proved}
	if r := m.report(); m.page == provePage && r.at >= 0 && r.at < len(m.snap.Proofs) {
		cmd = m.proofAgain(&m.snap.Proofs[r.at])
	}
	if m.page == rehearsalPage {
		cmd = fleet.Command{Action: plan.ActRehearse, Env: m.env, Rehearse: m.rehearsed[m.env]}
	}
	return m.copyLine(m.shell(cmd))
}
