package ui

import (
	"fmt"
	"slices"
	"strings"

	"strait/convex/fleet"
	"strait/convex/jsrun"
	"strait/plan"
)

// gridPlan is how the grid's columns share the width.
type gridPlan struct {
	title int  // of the row's title, the cursor sign included
	brief bool // what becomes of a path in one word
	cell  int
	first int // environments shown: first to last
	last  int
	words bool // three steps in words, not one
}

const (
	leastTitle, bestTitle = 22, 44
	leastCell, bestCell   = 15, 21
	wordCell              = 36
)

// wordWidths are the columns of the three steps in words.
var wordWidths = [3]int{10, 14, 10}

func (m Root) gridPlan(w int) gridPlan {
	w-- // a margin at the right
	n := max(1, len(m.snap.Envs))
	g := gridPlan{last: n}
	long, brief := leastTitle, leastTitle
	for _, r := range m.rows {
		where, rest := splitTitle(&m.snap.Plan.Rows[r])
		long = max(long, width(where)+width(rest)+3)
		brief = max(brief, width(where)+width(inBrief(rest))+3)
	}
	long, brief = min(long, bestTitle), min(brief, bestTitle)
	longest := long
	switch {
	case w >= long+n*wordCell:
		g.cell, g.words = wordCell, true
	case w >= long+n*leastCell:
		g.cell = min(bestCell, (w-long)/n)
	case w >= leastTitle+n*leastCell:
		g.brief, longest = true, brief
		g.cell = min(bestCell, max(leastCell, (w-brief)/n))
	default:
		g.brief, longest = true, brief
		fit := max(1, (w-brief)/leastCell)
		if w < brief+leastCell {
			fit = max(1, (w-leastTitle)/leastCell)
		}
		g.cell = min(bestCell, max(leastCell, (w-brief)/fit))
		at := max(0, envIndex(m.snap, m.env))
		g.first = max(0, min(at-fit/2, n-fit))
		g.last = g.first + fit
	}
	g.title = min(w-g.cell*(g.last-g.first), longest+6)
	return g
}

// inBrief is what becomes of a path in one word, for a narrow column.
func inBrief(rest string) string {
	switch rest {
	case " becomes required":
		return " required"
	case " is removed":
		return " removed"
	case " changes type":
		return " retyped"
	case " points elsewhere":
		return " repointed"
	case " was never checked":
		return " unchecked"
	}
	return rest
}

// panes are the sizes of the fleet page's panes.
func (m Root) panes(w, h int) (gridW, gridH, detailW, detailH int) {
	switch m.shape() {
	case sideBySide:
		detailW = min(max(42, w*35/100), 72)
		return w - detailW - 1, h, detailW, h
	case stacked:
		gridH = min(gridHead+max(3, len(m.rows))+1, max(gridHead+4, h*11/20))
		if h-gridH-1 < 6 {
			gridH = h
			return w, gridH, 0, 0
		}
		return w, gridH, w, h - gridH - 1
	}
	return w, h, 0, 0
}

// gridHead is the number of lines above the first row.
const gridHead = 2

// gridRows is the number of rows that the grid can show.
func (m Root) gridRows() int {
	_, h, _, _ := m.panes(m.w, m.bodyHeight())
	n := h - gridHead
	if len(m.rows) > n {
		n-- // the line that says how many more there are
	}
	return max(1, n)
}

func (m Root) fleetBody(w, h int) []string {
	gw, gh, dw, dh := m.panes(w, h)
	grid := m.gridLines(gw, gh)
	if dw == 0 {
		return grid
	}
	if m.shape() == sideBySide {
		detail := newPen(m.l, dw-1, dh)
		m.drawDetail(detail)
		lines := detail.fill()
		for i := range lines {
			lines[i] = " " + lines[i]
		}
		return beside(m.l, grid, lines)
	}
	rule := newPen(m.l, w, 1)
	rule.repeat(m.l.rule, m.l.g.rule, w).end()
	detail := newPen(m.l, dw-2, dh)
	if dh < 20 {
		m.drawShort(detail)
	} else {
		m.drawDetail(detail)
	}
	out := append(grid, rule.lines[0])
	for _, line := range detail.fill() {
		out = append(out, " "+line+" ")
	}
	return out
}

func (m Root) gridLines(w, h int) []string {
	l := m.l
	p := newPen(l, w, h)
	g := m.gridPlan(w)
	m.gridHeading(p, g)
	if m.snap.Loading {
		m.skeleton(p)
		return p.fill()
	}
	n := m.gridRows()
	rows := m.rows[min(m.top, len(m.rows)):]
	rows = rows[:min(n, len(rows), p.left())]
	for _, r := range rows {
		m.gridRow(p, g, &m.snap.Plan.Rows[r])
	}
	if len(m.rows) == 0 {
		m.noRows(p)
	}
	if hidden := len(m.rows) - len(rows); hidden > 0 && p.left() > 0 {
		p.put(l.faint, fmt.Sprintf("  rows %s to %s of %s", count(int64(m.top+1)), count(int64(m.top+len(rows))), count(int64(len(m.rows))))).end()
	}
	m.gridFoot(p)
	return p.fill()
}

// gridHeading names the environments, and the steps below each.
func (m Root) gridHeading(p *pen, g gridPlan) {
	l := m.l
	hidden := len(m.snap.Envs) - (g.last - g.first)
	if hidden > 0 {
		p.to(2).put(l.head, "CHANGE").put(l.faint, fmt.Sprintf("  env %d of %d", envIndex(m.snap, m.env)+1, len(m.snap.Envs)))
		p.to(g.title)
	} else {
		p.to(2).col(l.head, "CHANGE OR MIGRATION", g.title-2)
	}
	for i := g.first; i < g.last && i < len(m.snap.Envs); i++ {
		e := &m.snap.Envs[i]
		k, name := l.dim, e.Name
		if e.Protected {
			name = strings.ToUpper(name)
		}
		mark := "  "
		if e.Name == m.env {
			k, mark = l.tab, l.g.cursor+" "
		}
		at := p.used
		p.put(l.cursor, mark).putMax(k, name, g.cell-4)
		p.to(at + g.cell)
	}
	p.end()
	p.to(2).col(l.faint, "", g.title-2)
	for i := g.first; i < g.last && i < len(m.snap.Envs); i++ {
		e := &m.snap.Envs[i]
		at := p.used
		p.to(at + 2)
		switch {
		case e.State == fleet.Opening:
			p.putMax(l.run, m.spinner()+" opening", g.cell-3)
		case e.State == fleet.Lost:
			p.putMax(l.warn, l.g.blocked+" lost", g.cell-3)
		case e.State == fleet.Broken:
			p.putMax(l.bad, l.g.failed+" offline", g.cell-3)
		case deployWord(e) != "":
			p.putMax(l.run, m.spinner()+" "+strings.Fields(deployWord(e))[0], g.cell-3)
		case g.words:
			for s, name := range stepNames {
				p.col(l.faint, name, wordWidths[s])
			}
		default:
			p.put(l.faint, "W M N")
		}
		p.to(at + g.cell)
	}
	p.end()
}

func (m Root) gridRow(p *pen, g gridPlan, r *plan.Row) {
	l := m.l
	here := rowID(r) == m.cur
	p.sel = here
	if here {
		p.put(l.cursor, l.g.cursor+" ")
	} else {
		p.to(2)
	}
	where, rest := splitTitle(r)
	if g.brief {
		rest = inBrief(rest)
	}
	at := p.used
	k := l.text
	if here {
		k = l.strong
	}
	p.putMax(k, where, g.title-3).putMax(l.dim, rest, at+g.title-3-p.used)
	p.to(at + g.title - 2)
	for i := g.first; i < g.last; i++ {
		at := p.used
		if i < len(r.Cells) && i < len(m.snap.Envs) {
			e := &m.snap.Envs[i]
			if here && e.Name == m.env {
				p.put(l.cursor, l.g.cursor+" ")
			} else {
				p.to(at + 2)
			}
			m.drawCell(p, &r.Cells[i], standIn(r, &r.Cells[i], e), g)
		}
		p.to(at + g.cell)
	}
	p.end()
}

// splitTitle parts the path, which one looks for, from what becomes of it.
func splitTitle(r *plan.Row) (where, rest string) {
	for _, head := range []string{r.Path, r.Table} {
		if n := len(head); n > 0 && len(r.Title) > n && r.Title[:n] == head && r.Title[n] == ' ' {
			return head, r.Title[n:]
		}
	}
	return r.Title, ""
}

func (m Root) noRows(p *pen) {
	l := m.l
	p.blank()
	switch {
	case m.entry.text != "":
		p.put(l.dim, "  no row holds these words; esc clears the filter").end()
	case len(m.snap.Envs) == 0:
		p.put(l.text, "  no environment yet").end()
		p.para(l.dim, 2, "strait.toml at the project's root lists them, in promotion order; without it Strait looks where the Convex CLI looks: .env.local and CONVEX_* variables.")
	case m.unloaded():
		p.put(l.bad, "  "+l.g.failed).put(l.text, " not all of the project did load, so what has to be migrated is not known").end()
		p.blank()
		m.drawProblems(p, 4)
	case !m.everywhere(plan.Done, plan.Todo, plan.Blocked):
		p.put(l.dim, "  "+l.g.unknown).put(l.text, " nothing is known to migrate").end()
		p.para(l.dim, 4, "not every environment tells what is deployed there; tab goes to it, ctrl+r tries again.")
	case !m.everywhere(plan.Done):
		p.put(l.ok, "  "+l.g.done).put(l.text, " no document has to be migrated").end()
		p.para(l.dim, 4, "what differs is safe: deploying the target is enough.")
	default:
		p.put(l.ok, "  "+l.g.done).put(l.text, " nothing to migrate").end()
		p.para(l.dim, 4, "every environment fits the target.")
		p.blank()
		p.para(l.dim, 4, "Change the target, "+m.schemaFile()+", or name another in strait.toml, and start again: what has to be widened, migrated and narrowed shows up here. "+m.d.verb+" demo shows a whole passage.")
	}
}

// unloaded reports whether a part of the project did not load.
func (m Root) unloaded() bool {
	return slices.ContainsFunc(m.snap.Project.Problems, func(p jsrun.Problem) bool { return !p.Warning })
}

// everywhere reports whether narrow is in one of these states in every environment.
func (m Root) everywhere(states ...plan.State) bool {
	return !slices.ContainsFunc(m.snap.Plan.Envs, func(e plan.EnvPlan) bool { return !slices.Contains(states, e.Narrow.State) })
}

// skeleton stands where the rows will be while the project loads.
func (m Root) skeleton(p *pen) {
	l := m.l
	p.blank()
	p.put(l.run, "  "+m.spinner()+" ").put(l.text, "reading the project").put(l.dim, after(" ", m.snap.Project.Root)).end()
	p.put(l.dim, "    schema, migrations and environments show up here").end()
	p.blank()
	m.drawEnvironments(p)
}

// gridFoot uses what is left below the rows: the environments and the legend.
func (m Root) gridFoot(p *pen) {
	if p.left() >= len(m.snap.Envs)+3 && len(m.snap.Envs) > 0 {
		p.blank()
		m.drawEnvironments(p)
	}
	l := m.l
	if n := len(m.snap.Project.Problems); n > 0 && len(m.rows) > 0 && p.left() >= 3 {
		p.blank()
		pr := m.snap.Project.Problems[0]
		k, sign := l.warn, l.g.blocked
		if !pr.Warning {
			k, sign = l.bad, l.g.failed
		}
		p.put(k, "  "+sign+" "+plural(int64(n), "problem")+" while loading: ").put(l.text, pr.Error()).end()
		p.put(l.key, "    m").put(l.dim, " shows them").end()
	}
	m.drawLately(p)
	if p.left() >= 4 {
		for p.left() > 2 {
			p.blank()
		}
		m.legend(p)
	}
}

// drawLately is the newest of what was said, where there is room for it.
func (m Root) drawLately(p *pen) {
	l := m.l
	all := m.latest(min(5, p.left()-5))
	if len(all) == 0 {
		return
	}
	p.blank()
	p.put(l.head, "  LATELY").put(l.faint, "  m shows all").end()
	for _, msg := range all {
		k, sign := l.dim, l.g.dot
		switch msg.Level {
		case toastWarn:
			k, sign = l.warn, l.g.blocked
		case toastBad:
			k, sign = l.bad, l.g.failed
		}
		p.to(2).put(k, sign).put(l.faint, " "+msg.At.Format("15:04:05")+"  ")
		if msg.Env != "" {
			p.put(l.text, msg.Env+"  ")
		}
		p.put(l.dim, firstLine(unnamed(msg))).end()
	}
}

// unnamed is the text of a message whose environment is named before it.
func unnamed(msg fleet.Message) string {
	if msg.Env == "" {
		return msg.Text
	}
	return strings.TrimPrefix(msg.Text, "environment "+msg.Env+" ")
}

func (m Root) legend(p *pen) {
	p.to(2).put(m.l.faint, "W widen  M migrate  N narrow").end().to(2)
	for _, s := range []plan.State{plan.Done, plan.Running, plan.Todo, plan.Blocked, plan.Failed, plan.Unknown} {
		glyph, word, k := m.l.state(s)
		p.put(k, glyph).put(m.l.faint, " "+word+"  ")
	}
	if m.busy.others() > 0 {
		p.put(m.l.run, m.l.g.others).put(m.l.faint, " elsewhere  ")
	}
	if m.busy.still() > 0 {
		p.put(m.l.warn, m.l.g.paused).put(m.l.faint, " paused  ")
	}
	p.end()
}

// drawEnvironments is one line an environment: what it is and how it stands.
func (m Root) drawEnvironments(p *pen) {
	l := m.l
	if len(m.snap.Envs) == 0 {
		return
	}
	p.put(l.head, "  ENVIRONMENTS").end()
	nameW, depW := 8, 12
	for i := range m.snap.Envs {
		nameW = max(nameW, width(clean(m.snap.Envs[i].Name))+2)
		depW = max(depW, width(clean(deployment(&m.snap.Envs[i])))+2)
	}
	nameW, depW = min(nameW, max(16, p.w/4)), min(depW, 30)
	for i := range m.snap.Envs {
		e := &m.snap.Envs[i]
		name := e.Name
		if e.Protected {
			name = strings.ToUpper(name)
		}
		k := l.text
		if e.Name == m.env {
			k = l.strong
		}
		p.to(2)
		switch e.State {
		case fleet.Opening:
			p.put(l.run, m.spinner()+" ").putMax(k, name, nameW-1).to(4+nameW).put(l.run, "opening").put(l.dim, after(": ", e.Opening)).end()
			continue
		case fleet.Broken:
			p.put(l.bad, l.g.failed+" ").putMax(k, name, nameW-1)
			m.drawUnreachable(p, e, 4+nameW)
			continue
		case fleet.Lost:
			p.put(l.warn, l.g.blocked+" ")
		default:
			p.put(l.ok, l.g.done+" ")
		}
		p.putMax(k, name, nameW-1).to(4 + nameW)
		if p.room() > depW+40 {
			p.putMax(l.dim, deployment(e), depW-1).to(4 + nameW + depW)
		}
		p.colRight(l.text, count(e.Documents), 9).put(l.dim, docsWord(e.Documents)+"   ")
		switch word := deployWord(e); {
		case e.State == fleet.Lost:
			p.put(l.warn, "lost, data "+age(m.now, e.Heard)+after(", ", m.nextTry(e)))
		case word != "":
			p.put(l.run, m.spinner()+" "+word+" the schema")
		default:
			text, k := m.censusShort(e, i < len(m.snap.Plan.Envs) && m.snap.Plan.Envs[i].Narrow.State == plan.Done)
			p.put(k, text)
		}
		if e.Facts.Access != nil && e.Facts.Access.ReadOnly && p.room() > 16 {
			p.put(l.faint, "  "+l.g.dot+" ").put(l.warn, "read-only key")
		}
		p.end()
	}
}

// drawUnreachable says why an environment cannot be reached, from column at on,
// in two lines at most: its own page has the whole text.
func (m Root) drawUnreachable(p *pen, e *fleet.EnvSnapshot, at int) {
	why := strings.TrimPrefix(firstLine(e.Err), "environment "+e.Name+" has ")
	lines := wrap(clean("unreachable: "+why), max(1, p.w-at-1))
	for i, line := range lines {
		if i == 1 && len(lines) > 2 {
			line += m.l.g.ellipsis
		}
		if i < 2 {
			p.to(at).put(m.l.bad, line).end()
		}
	}
}

func deployment(e *fleet.EnvSnapshot) string {
	s := e.Deployment
	if e.Embedded && s == "" {
		s = "embedded"
	}
	return s
}

// censusShort is the state of an environment's census in a few words. Where
// the target is enforced, none is needed.
func (m Root) censusShort(e *fleet.EnvSnapshot, enforced bool) (string, ink) {
	l := m.l
	switch c := e.Census; {
	case e.CensusRun != nil:
		return fmt.Sprintf("%s counting, %s so far", m.spinner(), count(e.CensusRun.Found)), l.run
	case oldWrites(e, "") > 0:
		return plural(oldWrites(e, ""), "old-shape write") + " since " + momentWord(m.now, e.Writers.First), l.bad
	case enforced:
		return "target enforced", l.ok
	case c == nil:
		return "not counted yet", l.faint
	case e.Certificate != nil && !e.Certificate.Revoked.IsZero():
		return "certificate revoked", l.warn
	case e.Certificate != nil && c.Offenders == 0 && c.Full:
		return "certified, " + age(m.now, e.Certificate.Ended), l.ok
	case !c.Full && c.Stopped == "":
		return "sampled: at most " + count(mostOf(c)) + " misfit", l.dim
	case c.Stopped != "":
		return "stopped at " + count(c.Read) + ", " + count(c.Offenders) + " " + notFit(c.Offenders), l.warn
	case c.Offenders == 0 && c.Full && !c.Stale:
		return "all fit, " + age(m.now, c.At), l.ok
	case c.Stale:
		return count(c.Offenders) + " did not fit, stale", l.dim
	default:
		return count(c.Offenders) + " " + notFit(c.Offenders) + ", " + age(m.now, c.At), l.warn
	}
}
