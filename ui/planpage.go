package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// planHead is the number of lines above the Plan page's text.
const planHead = 4

type planSection int

const (
	overviewSection planSection = iota
	changeSection
	hazardSection
	orderSection
	widenedSection
	planSections
)

var planSectionNames = [planSections]string{"Overview", "This change", "Hazards", "Order", "Widened"}

// book is what the Plan page holds. It is made in the background: a review
// reads the project's code, and rendering takes tens of milliseconds.
type book struct {
	section planSection
	doc     *planDoc // nil until the first answer
	err     string
	seq     uint64 // of the snapshot that doc was made at
	at      time.Time
	asked   int // request on its way; 0 none
	req     int
	lines   []string
	shown   sheet // what lines show
}

// sheet names one rendering.
type sheet struct {
	section planSection
	row     rowKey
	w       int
	dark    bool
	doc     *planDoc
}

// reviewed is the answer to a request for a review.
type reviewed struct {
	req  int
	seq  uint64
	at   time.Time
	doc  *planDoc
	err  error
	page sheet
	text []string
}

// restReview is how long a review rests before it is made anew while things
// move.
const restReview = 2 * time.Second

func (m Root) openPlan() (Root, tea.Cmd) {
	if m.page == planPage {
		return m.goBack()
	}
	return m.visit(planPage).review(true)
}

// review asks for what the Plan page lacks: with fresh a new review, else a
// rendering of the one there is.
func (m Root) review(fresh bool) (Root, tea.Cmd) {
	if m.book.asked != 0 {
		return m, nil
	}
	if m.book.doc == nil {
		fresh = true
	}
	m.book.req++
	m.book.asked = m.book.req
	req, seq, doc := m.book.req, m.snap.Seq, m.book.doc
	page := m.sheet()
	ctx, e, ascii := m.d.ctx, m.d.engine, m.d.ascii
	base := planDoc{project: m.snap.Project.Name, target: m.snap.Project.Target, verb: m.d.verb, runs: runsIn(m.snap), signs: &m.l.g}
	now := m.now
	return m, func() tea.Msg {
		out := reviewed{req: req, seq: seq, at: now, page: page}
		if fresh {
			made, review, err := e.Review(ctx)
			if err != nil {
				out.err = err
				return out
			}
			base.plan, base.review = made, review
			doc = &base
		}
		out.doc, out.page.doc = doc, doc
		out.text, out.err = rendered(doc.section(page.section, page.row), page.w, page.dark, ascii)
		return out
	}
}

// sheet is what the Plan page should show now.
func (m Root) sheet() sheet {
	s := sheet{section: m.book.section, w: m.w, dark: m.d.dark, doc: m.book.doc}
	if s.section == changeSection {
		s.row = m.cur
	}
	return s
}

// reviewed takes an answer, and asks again when it is not what is wanted by now.
func (m Root) reviewed(msg reviewed) (Root, tea.Cmd) {
	if msg.req != m.book.asked {
		return m, nil
	}
	m.book.asked = 0
	if msg.err != nil {
		m.book.err = msg.err.Error()
		return m, nil
	}
	if msg.doc != m.book.doc {
		m.book.doc, m.book.seq, m.book.at = msg.doc, msg.seq, msg.at
	}
	m.book.err, m.book.lines, m.book.shown = "", msg.text, msg.page
	m.roll = min(m.roll, m.rollEnd())
	return m.freshen()
}

// freshen asks for another rendering or review when the page is open and what
// it shows is not what it should.
func (m Root) freshen() (Root, tea.Cmd) {
	switch {
	case m.page != planPage || m.book.asked != 0 || m.book.err != "" && m.book.seq == m.snap.Seq:
		return m, nil
	case m.book.doc == nil || m.book.seq != m.snap.Seq && m.now.Sub(m.book.at) >= restReview:
		return m.review(true)
	case m.book.shown != m.sheet():
		return m.review(false)
	}
	return m, nil
}

// turnTo shows another section of the Plan page.
func (m Root) turnTo(n int) (Root, tea.Cmd) {
	m.book.section = planSection(min(max(0, int(m.book.section)+n), int(planSections)-1))
	m.roll = 0
	return m.freshen()
}

// nextChange shows the next change of the Plan page.
func (m Root) nextChange(n int) (Root, tea.Cmd) {
	if m.book.doc == nil || len(m.book.doc.review.Changes) == 0 {
		return m.tell(toastInfo, "there is no change to go to")
	}
	changes := m.book.doc.review.Changes
	at := slices.IndexFunc(changes, func(a plan.Advice) bool { return adviceKey(&a) == m.cur })
	switch {
	case at < 0 && n < 0:
		at = 0
	case at < 0:
		at = -1
	}
	at = (at + n + len(changes)) % len(changes)
	m.cur, m.mig = adviceKey(&changes[at]), ""
	m.book.section, m.roll = changeSection, 0
	return m.reveal().freshen()
}

func adviceKey(a *plan.Advice) rowKey { return rowKey{a.Table, a.Path, a.Title} }

// planBody is the Plan page: the sections to choose from, the section.
func (m Root) planBody(w, h int) []string {
	p := newPen(m.l, w, planHead)
	m.drawPlanHead(p)
	if b := m.book; b.err == "" && b.lines != nil && b.shown.section == b.section && b.shown.w == w {
		q := newPen(m.l, w, h-planHead)
		for _, line := range m.window(b.lines, w, h-planHead) {
			q.styled(line)
		}
		return append(p.fill(), q.fill()...)
	}
	return append(p.fill(), m.rolled(w, h-planHead, m.drawNoPlan)...)
}

func (m Root) drawPlanHead(p *pen) {
	l := m.l
	p.put(l.strong, " Plan").put(l.dim, "  to ").put(l.text, m.snap.Project.Target)
	switch b := m.book; {
	case b.asked != 0 && b.doc == nil:
		p.put(l.run, "  "+m.spinner()+" reading the project's code")
	case b.doc != nil && b.doc.review.Merge.Allowed:
		p.put(l.ok, "  "+l.g.done+" may be merged")
	case b.doc != nil:
		p.put(l.warn, "  "+l.g.blocked+" may not be merged yet: "+missing(len(b.doc.review.Merge.Missing)))
	}
	if b := m.book; b.doc != nil && p.room() > 20 {
		p.put(l.faint, "  "+l.g.dot+" reviewed "+age(m.now, b.at))
	}
	p.end()
	p.put(l.text, " ")
	for s := range planSections {
		k, mark := l.dim, " "
		if s == m.book.section {
			k, mark = l.tab, l.g.cursor
		}
		p.put(l.cursor, mark).put(k, planSectionNames[s])
		if n := m.hazardCount(); s == hazardSection && n > 0 {
			p.put(l.warn, fmt.Sprintf(" %d", n))
		}
		p.put(l.text, "  ")
	}
	p.end()
	p.repeat(l.rule, l.g.rule, p.w).end()
}

// hazardCount counts the hazards that nobody waived.
func (m Root) hazardCount() (n int) {
	if m.book.doc == nil {
		return 0
	}
	for _, h := range m.book.doc.review.Hazards {
		if h.Waived == "" {
			n++
		}
	}
	return n
}

// drawNoPlan stands in until there is something to show.
func (m Root) drawNoPlan(p *pen) {
	p.blank()
	if m.book.err == "" {
		p.put(m.l.dim, "  "+m.spinner()+" one moment").end()
		return
	}
	p.put(m.l.bad, "  "+m.l.g.failed+" the plan could not be reviewed").end()
	for _, line := range cleanLines(m.book.err) {
		p.para(m.l.text, 4, line)
	}
}

// section is one section's Markdown. row is the change of changeSection.
func (d *planDoc) section(s planSection, row rowKey) string {
	var w mdWriter
	switch s {
	case overviewSection:
		d.overview(&w)
	case hazardSection:
		d.hazards(&w)
	case orderSection:
		d.order(&w)
	case widenedSection:
		d.widened(&w)
	case changeSection:
		a := d.advice(row)
		if a == nil {
			w.para("No change of schema: nothing has to be widened or narrowed for this row.")
			break
		}
		w.head(1, mdText(a.Title))
		d.change(&w, a, false, nil)
	}
	return w.String()
}

// advice is that of a row; nil for a row without a change.
func (d *planDoc) advice(row rowKey) *plan.Advice {
	for i := range d.review.Changes {
		if adviceKey(&d.review.Changes[i]) == row {
			return &d.review.Changes[i]
		}
	}
	return nil
}

// copyPlan copies what the section is about: code where it offers some, else
// its Markdown.
func (m Root) copyPlan() (Root, tea.Cmd) {
	d := m.book.doc
	if d == nil {
		return m.tell(toastWarn, "there is no plan to copy yet")
	}
	what, text := "the section as Markdown", d.section(m.book.section, m.cur)
	switch m.book.section {
	case changeSection:
		if a := d.advice(m.cur); a != nil && a.Scaffold != nil {
			what, text = "the drafted migration, for "+cmp.Or(a.Scaffold.File, "the project"), a.Scaffold.Code
		} else if a != nil && a.Widened != "" {
			what, text = "the widened table "+a.Table, a.Widened
		}
	case widenedSection:
		if d.review.Widened != nil {
			what, text = "the widened schema", d.review.Widened.TypeScript()
		}
	}
	m, hush := m.tell(toastInfo, "copied "+what)
	return m, tea.Batch(hush, tea.SetClipboard(strings.TrimRight(text, "\n")+"\n"))
}

func noPlan(m Root) string {
	switch {
	case m.snap.Loading:
		return "the project is still being loaded"
	case m.snap.Err != "":
		return "the project did not load"
	case len(m.snap.Envs) == 0:
		return "there is no environment to plan for: strait.toml lists them"
	}
	for _, e := range m.snap.Envs {
		if e.State != fleet.Opening {
			return ""
		}
	}
	return "the environments are still being opened"
}
