package ui

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
)

// The smallest window that is drawn in full.
const minWidth, minHeight = 40, 10

// shape is how the fleet page uses the window.
type shape int

const (
	onePane shape = iota
	stacked
	sideBySide
)

func (m Root) shape() shape {
	switch {
	case m.w >= 120:
		return sideBySide
	case m.w >= 80:
		return stacked
	}
	return onePane
}

// bodyHeight is the number of lines between the header and the last two.
func (m Root) bodyHeight() int { return max(0, m.h-4) }

// View draws the screen. It is pure.
func (m Root) View() tea.View {
	v := tea.NewView(m.draw())
	v.AltScreen, v.ReportFocus = true, true
	v.WindowTitle = m.windowTitle()
	if f := m.focus(); f.row != nil && active(f.run.State) && f.run.Total > 0 {
		v.ProgressBar = tea.NewProgressBar(tea.ProgressBarDefault, int(min(99, 100*f.run.Processed/f.run.Total)))
	}
	return v
}

func (m Root) windowTitle() string {
	s := "strait"
	if n := m.snap.Project.Name; n != "" {
		s = clean(n) + " " + m.l.g.dot + " strait"
	}
	if len(m.busy.runs) > 0 {
		s = fmt.Sprintf("%d running %s %s", len(m.busy.runs), m.l.g.dot, s)
	}
	return s
}

// draw is the whole screen: exactly h lines of w cells.
func (m Root) draw() string {
	if m.w <= 0 || m.h <= 0 {
		return ""
	}
	if m.w < minWidth || m.h < minHeight {
		return strings.Join(m.tooSmall(), "\n")
	}
	lines := make([]string, 0, m.h)
	lines = append(lines, m.header()...)
	lines = append(lines, m.body(m.w, m.bodyHeight())...)
	lines = append(lines, m.footer()...)
	switch {
	case m.ask.kind != askNothing:
		lines = m.overlay(lines, m.askView())
	case m.menu.kind != noMenu:
		lines = m.overlay(lines, m.menuView())
	}
	return strings.Join(lines, "\n")
}

// overlay puts a box into the middle, a little above the centre; the toast
// stays readable.
func (m Root) overlay(lines, box []string) []string {
	box = box[:min(len(box), m.h-2)]
	w := 0
	if len(box) > 0 {
		w = min(m.w, widthOf(box[0]))
	}
	x, y := (m.w-w)/2, max(1, (m.h-len(box))/2-1)
	toast := lines[m.h-2]
	lines = over(m.l, lines, box, m.w, x, y)
	if y+len(box) <= m.h-2 {
		lines[m.h-2] = toast
	}
	return lines
}

func (m Root) tooSmall() []string {
	p := newPen(m.l, m.w, m.h)
	text := fmt.Sprintf("strait needs a window of %dx%d cells; this one has %dx%d", minWidth, minHeight, m.w, m.h)
	for p.left() > (m.h+2)/2 {
		p.blank()
	}
	p.para(m.l.text, 0, text)
	if n := len(m.busy.runs); n > 0 {
		p.para(m.l.run, 0, plural(int64(n), "migration")+" running")
	}
	return p.fill()
}

// header is line 1 and a rule: where one is, whether it can be written to,
// and how old the data is.
func (m Root) header() []string {
	l := m.l
	p := newPen(l, m.w, 2)
	i := envIndex(m.snap, m.env)
	right := m.headerRight()
	rightW := width(right)
	if m.w < 70 {
		right, rightW = "", 0
	}
	if i < 0 {
		p.put(l.badge, " strait ").put(l.text, "  ").put(l.dim, m.loadingWord())
	} else {
		m.headerEnv(p, &m.snap.Envs[i], p.w-rightW-2)
	}
	if p.room() > rightW+1 {
		p.to(p.w - rightW)
		p.put(l.dim, right)
	}
	p.end()
	p.repeat(l.rule, l.g.rule, m.w).end()
	return p.fill()
}

func (m Root) headerRight() string {
	return m.running() + m.snap.Project.Name + " "
}

// running counts what runs anywhere: what stands paused, and what others
// started, apart.
func (m Root) running() string {
	n, still, others := len(m.busy.runs), m.busy.still(), m.busy.others()
	if n == 0 {
		return ""
	}
	sign, s := m.spinner(), fmt.Sprintf("%d running", n-still)
	switch {
	case still == n:
		sign, s = m.l.g.paused, fmt.Sprintf("%d paused", still)
	case still > 0:
		s += fmt.Sprintf(", %d paused", still)
	}
	if others > 0 {
		s += fmt.Sprintf(", %d elsewhere", others)
	}
	return sign + " " + s + "  "
}

func (m Root) loadingWord() string {
	switch {
	case m.snap.Loading:
		return m.spinner() + " reading the project"
	case m.snap.Err != "":
		return "the project did not load"
	}
	return "no environment"
}

func (m Root) spinner() string {
	g := m.l.g.spin
	return g[m.spin%len(g)]
}

func (m Root) headerEnv(p *pen, e *fleet.EnvSnapshot, w int) {
	l := m.l
	k, name := l.badge, e.Name
	if e.Protected {
		k, name = l.badgeProd, strings.ToUpper(name)
	}
	p.put(k, " "+name+" ").put(l.text, "  ")
	lock, lockInk := m.lock(e)
	age, ageInk := m.dataAge(e)
	rest := width(age) + 3
	if lock != "" {
		rest += width(lock) + 3
	}
	if n := w - p.used - rest; n > 8 {
		dep := e.Deployment
		if dep == "" {
			dep = e.URL
		}
		if e.Embedded {
			dep = strings.TrimSpace(dep + " (embedded)")
		}
		p.putMax(l.text, dep, n)
		p.put(l.faint, " "+l.g.dot+" ")
	}
	if lock != "" {
		p.put(lockInk, lock).put(l.faint, " "+l.g.dot+" ")
	}
	p.put(ageInk, age)
	if word := deployWord(e); word != "" {
		p.put(l.faint, " "+l.g.dot+" ").put(l.run, m.spinner()+" "+word)
	}
}

// lock says whether the environment can be written to; nothing where it is not
// connected.
func (m Root) lock(e *fleet.EnvSnapshot) (string, ink) {
	switch a := e.Facts.Access; {
	case e.State != fleet.Ready:
		return "", m.l.dim
	case a != nil && a.ReadOnly:
		return "read-only key", m.l.warn
	case noKeyFor(e, "RunInternalMutations") != "":
		return "limited key", m.l.warn
	case !e.Protected:
		return "writable", m.l.dim
	case e.ArmedUntil.After(m.now):
		return "armed " + clock(e.ArmedUntil.Sub(m.now)), m.l.warn
	}
	return "read-only", m.l.ok
}

func (m Root) dataAge(e *fleet.EnvSnapshot) (string, ink) {
	switch e.State {
	case fleet.Opening:
		return m.spinner() + " opening", m.l.run
	case fleet.Broken:
		return m.l.g.failed + " unreachable" + after(", ", m.nextTry(e)), m.l.bad
	case fleet.Lost:
		return m.l.g.blocked + " connection lost, data " + age(m.now, e.Heard) + after(", ", m.nextTry(e)), m.l.warn
	}
	if e.Heard.IsZero() {
		return "no data yet", m.l.dim
	}
	if d := m.now.Sub(e.Heard); d > 30*time.Second {
		return "data " + age(m.now, e.Heard), m.l.warn
	}
	return "data " + age(m.now, e.Heard), m.l.dim
}

func (m Root) body(w, h int) []string {
	switch {
	case m.snap.Err != "":
		return m.brokenProject(w, h)
	case m.page == messagesPage:
		return m.messagesBody(w, h)
	case m.page == runPage:
		return m.runBody(w, h)
	case m.page == detailPage:
		return m.rolled(w, h, m.drawDetail)
	case m.page == planPage:
		return m.planBody(w, h)
	case m.page == envPage:
		return m.envBody(w, h)
	case m.page == provePage || m.page == rehearsalPage:
		return m.reportBody(w, h, m.report())
	case m.page == journalPage:
		return m.journalBody(w, h)
	case m.page == offendersPage:
		return m.offendersBody(w, h)
	}
	return m.fleetBody(w, h)
}

// rolled draws a pane that may be longer than it is high, from line roll on.
func (m Root) rolled(w, h int, draw func(p *pen)) []string {
	p := newPen(m.l, w, tallest)
	draw(p)
	return m.window(p.lines, w, h)
}

// window shows h of the lines of a pane, from line roll on.
func (m Root) window(lines []string, w, h int) []string {
	end := max(0, len(lines)-h)
	from := min(m.roll, end)
	out := append(make([]string, 0, h), lines[from:min(len(lines), from+h)]...)
	if from < end && len(out) > 0 {
		q := newPen(m.l, w, 1)
		out[len(out)-1] = q.put(m.l.faint, fmt.Sprintf(" %s more lines below", count(int64(end-from+1)))).end().lines[0]
	}
	rest := newPen(m.l, w, h-len(out))
	return append(out, rest.fill()...)
}

// tallest bounds the length of a pane that rolls.
const tallest = 2000

// rollEnd is how far the page's body can be rolled.
func (m Root) rollEnd() int {
	var draw func(p *pen)
	switch m.page {
	case detailPage:
		draw = m.drawDetail
	case messagesPage:
		draw = m.drawMessages
	case runPage:
		draw = m.drawRunView
	case envPage:
		draw = m.drawEnvPage
	case provePage, rehearsalPage:
		return m.reportEnd()
	case journalPage:
		draw = m.drawJournal
	case planPage:
		return max(0, len(m.book.lines)-(m.bodyHeight()-planHead))
	default:
		return 0
	}
	w, h := m.w, m.bodyHeight()
	switch m.page {
	case runPage:
		h -= runHead
	case envPage, journalPage:
		h -= envHead
	}
	p := newPen(m.l, w, tallest)
	draw(p)
	return max(0, len(p.lines)-h)
}

// footer is the toast line and the key line.
func (m Root) footer() []string {
	p := newPen(m.l, m.w, 2)
	m.drawToast(p)
	m.drawKeys(p)
	return p.fill()
}

func (m Root) drawToast(p *pen) {
	l := m.l
	switch {
	case m.sieve().on:
		p.put(l.key, " / ").put(l.strong, m.sieve().text).put(l.cursor, l.g.caret).put(l.faint, "  enter keeps it, esc clears it")
	case m.toast.text != "":
		k, sign := l.accent, l.g.dot
		switch m.toast.level {
		case toastWarn:
			k, sign = l.warn, l.g.blocked
		case toastBad:
			k, sign = l.bad, l.g.failed
		}
		p.put(k, " "+sign+" ").put(k, m.toast.text)
	case m.sieve().text != "":
		kept, all, how := len(m.rows), len(m.snap.Plan.Rows), "esc clears it"
		if m.page == journalPage {
			kept, all, how = len(m.deeds()), len(m.record.deeds), "/ changes it"
		}
		if m.page == offendersPage {
			kept, all = len(m.offenders()), m.allOffenders()
		}
		p.put(l.dim, " filter ").put(l.strong, m.sieve().text).put(l.dim, fmt.Sprintf("  %d of %d, %s", kept, all, how))
	}
	p.end()
}

// drawKeys writes what the keys do here; what is blocked is dim. When the
// line is short, the least needed go first.
func (m Root) drawKeys(p *pen) {
	l := m.l
	type hintKey struct {
		a         *action
		w         int
		off, show bool
	}
	var keys []hintKey
	total, gap := 1, "   "
	if p.w < 100 {
		gap = "  "
	}
	for i := range m.acts {
		a := &m.acts[i]
		if a.foot == 0 || !a.on(m.page) {
			continue
		}
		off := a.stopped(m) != ""
		if off && a.shy {
			continue
		}
		w := width(a.keys[0]) + 1 + width(a.label) + len(gap)
		keys = append(keys, hintKey{a, w, off, true})
		total += w
	}
	for total-len(gap) > p.w {
		worst := -1
		for i, k := range keys {
			if k.show && (worst < 0 || k.a.foot >= keys[worst].a.foot) {
				worst = i
			}
		}
		if worst < 0 {
			break
		}
		keys[worst].show = false
		total -= keys[worst].w
	}
	for _, k := range keys {
		if !k.show {
			continue
		}
		if p.used == 0 {
			p.to(1)
		} else {
			p.put(l.text, gap)
		}
		ki, li := l.key, l.dim
		if k.off {
			ki, li = l.keyOff, l.keyOff
		}
		p.put(ki, k.a.keys[0]).put(li, " "+k.a.label)
	}
	p.end()
}

func (m Root) brokenProject(w, h int) []string {
	l := m.l
	return m.rolled(w, h, func(p *pen) {
		p.blank()
		p.put(l.bad, "  "+l.g.failed+" the project did not load").end()
		p.blank()
		for _, line := range cleanLines(m.snap.Err) {
			p.para(l.text, 4, line)
		}
		p.blank()
		m.drawProblems(p, 4)
		p.para(l.dim, 2, "Mend it and start Strait again; strait inspect prints the same.")
	})
}

// drawProblems lists what did not load, each with its way out.
func (m Root) drawProblems(p *pen, indent int) {
	l := m.l
	for _, pr := range m.snap.Project.Problems {
		k, sign := l.bad, l.g.failed
		if pr.Warning {
			k, sign = l.warn, l.g.blocked
		}
		where := pr.File
		if pr.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, pr.Line)
		}
		p.to(indent-2).put(k, sign+" ").put(l.accent, where).end()
		for _, line := range cleanLines(pr.Message) {
			p.para(l.text, indent, line)
		}
		if pr.Hint != "" {
			p.para(l.dim, indent, pr.Hint)
		}
	}
}

func (m Root) messagesBody(w, h int) []string {
	head := newPen(m.l, w, 2)
	head.put(m.l.strong, " Messages").put(m.l.faint, "  newest first").end()
	return append(head.fill(), m.rolled(w, h-2, m.drawMessages)...)
}

func (m Root) drawMessages(p *pen) {
	l := m.l
	if len(m.snap.Project.Problems) > 0 {
		p.put(l.head, " PROBLEMS WHILE LOADING").end()
		m.drawProblems(p, 3)
		p.blank()
		p.put(l.head, " MESSAGES").end()
	}
	all := m.said()
	if len(all) == 0 {
		p.put(l.dim, "  nothing was said yet").end()
	}
	for _, msg := range all {
		k := l.text
		switch msg.Level {
		case toastWarn:
			k = l.warn
		case toastBad:
			k = l.bad
		}
		p.to(1).put(l.faint, msg.At.Format("15:04:05")).put(l.dim, "  ")
		p.col(l.accent, msg.Env, 10)
		at := p.used
		for i, line := range wrap(clean(unnamed(msg)), p.w-at) {
			if i > 0 {
				p.to(at)
			}
			p.put(k, line).end()
		}
	}
}
