package ui

import (
	"fmt"
	"time"

	"strait/convex/fleet"
)

// runHead is the number of lines above the run page's view.
const runHead = 4

// runBody is the run page: what it is about, the views to choose from, the view.
func (m Root) runBody(w, h int) []string {
	p := newPen(m.l, w, runHead)
	m.drawRunHead(p)
	if m.view == logView {
		return append(p.fill(), m.logBody(w, h-runHead)...)
	}
	return append(p.fill(), m.rolled(w, h-runHead, m.drawRunView)...)
}

func (m Root) drawRunHead(p *pen) {
	l, f := m.l, m.focus()
	name := f.mig
	if name == "" {
		name = "no migration selected"
		if f.row != nil {
			name = f.row.Title
		}
	}
	p.put(l.strong, " "+name)
	if f.mig != "" {
		p.put(l.dim, "  "+definition(f.def))
	}
	p.end()
	p.put(l.text, " ")
	for v := range runViews {
		k := l.dim
		if v == m.view {
			k = l.tab
		}
		if v == m.view {
			p.put(l.cursor, l.g.cursor)
		} else {
			p.put(l.text, " ")
		}
		p.put(k, runViewNames[v]).put(l.text, "   ")
	}
	p.end()
	p.repeat(l.rule, l.g.rule, p.w).end()
}

func (m Root) drawRunView(p *pen) {
	switch m.view {
	case dryRunView:
		m.drawDryRun(p)
	default:
		m.drawProgress(p)
	}
}

// drawProgress is the state of the newest run.
func (m Root) drawProgress(p *pen) {
	l, f := m.l, m.focus()
	if f.mig == "" {
		p.para(l.dim, 2, "no migration covers this change yet: write one with migrations.define and it shows up here")
		return
	}
	r := f.run
	m.drawTrouble(p, f.env)
	if r.State == "" && f.env.State != fleet.Ready {
		return // what ran there is not known
	}
	glyph, word, k := m.runGlyph(stateOf(r))
	unrecorded := r.State == "" && byHand(f.def)
	switch {
	case standsStill(r):
		glyph, word, k = l.g.paused, "paused", l.warn
	case active(r.State):
		glyph = m.spinner()
	case unrecorded:
		glyph, word, k = l.g.unknown, "no record of a run", l.dim
	}
	p.put(k, " "+glyph+" "+word).put(l.dim, " in ").put(l.text, f.env.Name)
	m.drawWhen(p, r, f.def != nil && f.def.Runner)
	p.end()
	m.drawMode(p, f)
	if r.State == "" {
		p.blank()
		if unrecorded {
			p.para(l.dim, 3, "a function written by hand leaves no record in its deployment: Strait knows of the runs that it drives itself, and a census tells what is left to do")
			p.blank()
		}
		p.para(l.text, 3, m.estimateLine(f))
		p.para(l.dim, 3, "dry run: "+dryRunAge(m.now, f))
		p.blank()
		m.drawSeries(p, f)
		return
	}
	p.blank()
	m.drawBar(p, r)
	m.drawFigures(p, r)
	if r.Failure != nil && r.State == "failed" {
		p.blank()
		m.drawFailure(p, r.Failure, "FAILURE")
	}
	p.blank()
	m.drawSeries(p, f)
	m.drawBatchesAndLog(p, r)
}

// drawSeries lists the members of a series, in order.
func (m Root) drawSeries(p *pen, f focus) {
	if f.def == nil || len(f.def.Series) == 0 {
		return
	}
	l := m.l
	p.to(1).put(l.head, "SERIES").put(l.faint, "  in order").end()
	for _, name := range f.def.Series {
		word, k := m.runState(f.env, name)
		p.to(1).col(k, word, 22).put(l.text, name).end()
	}
	p.blank()
}

func (m Root) estimateLine(f focus) string {
	return "a run writes " + m.estimate(f)
}

// drawWhen says since when, or when it ended.
func (m Root) drawWhen(p *pen, r fleet.Run, runner bool) {
	l := m.l
	sep := " " + l.g.dot + " "
	switch {
	case active(r.State) && !r.Started.IsZero():
		begun := "started "
		if !r.Resumed.IsZero() {
			begun = "resumed "
		}
		p.put(l.dim, sep+begun+age(m.now, r.Since()))
	case !r.Ended.IsZero():
		p.put(l.dim, sep+"ended "+age(m.now, r.Ended))
	}
	if r.State == "canceling" {
		p.put(l.warn, sep+"after this batch")
	}
	if len(r.Series) > 0 && !runner { // a runner lists its series below
		p.put(l.dim, sep+"then ").put(l.text, short(r.Series[0]))
		if n := len(r.Series) - 1; n > 0 {
			p.put(l.dim, fmt.Sprintf(" and %d more", n))
		}
	}
}

// drawBar is the progress bar; without a total there is none.
func (m Root) drawBar(p *pen, r fleet.Run) {
	l := m.l
	if r.Total <= 0 || r.Range && r.State == "success" {
		return
	}
	k := l.run
	switch r.State {
	case "success":
		k = l.ok
	case "failed":
		k = l.bad
	case "canceled", "canceling":
		k = l.warn
	}
	done := r.Processed
	word := percent(done, r.Total)
	if r.State == "success" {
		done, word = r.Total, "100 %"
	}
	m.bar(p, k, done, r.Total, word)
}

// bar draws done of total with a word at its right, half cells counted.
func (m Root) bar(p *pen, k ink, done, total int64, word string) {
	l := m.l
	n := min(p.w-12, 96)
	halves := 0
	if total > 0 {
		halves = int(min(int64(2*n), max(0, done)*int64(2*n)/total))
	}
	p.to(1).repeat(k, l.g.bar, halves/2)
	if halves%2 == 1 {
		p.put(k, l.g.barHalf)
	}
	p.repeat(l.rule, l.g.barEmpty, n-(halves+1)/2)
	p.put(k, "  "+word).end()
}

// stale is how long without news makes a running migration doubtful.
const stale = 6 * time.Second

// drawFigures is the line of numbers below the bar.
func (m Root) drawFigures(p *pen, r fleet.Run) {
	l := m.l
	label := func(name, text string, k ink) {
		if text == "" {
			return
		}
		switch n := width(text) + width(name); {
		case p.used > 1 && n+5 > p.room():
			p.end().to(1)
		case p.used > 1:
			p.put(l.faint, "  "+l.g.dot+"  ")
		}
		p.put(k, text).put(l.dim, name)
	}
	p.to(1)
	switch {
	case r.Total > 0 && r.Processed > r.Total:
		label("", count(r.Processed)+" documents, past the "+count(r.Total)+" that the table had", l.warn)
	case r.Total > 0 && r.Range && r.State != "success":
		label(" of at most "+count(r.Total)+" documents (own range)", count(r.Processed), l.strong)
	case r.Total > 0 && r.State != "success":
		label(" of "+count(r.Total)+" documents", count(r.Processed), l.strong)
	default:
		label(" documents", count(r.Processed), l.strong)
	}
	if r.BatchCount > 0 {
		label("", batches(r.BatchCount), l.dim)
	}
	if active(r.State) {
		if !standsStill(r) {
			label("", rate(r.Rate), l.text)
		}
		if !r.Started.IsZero() {
			label(" elapsed", clock(m.now.Sub(r.Since())), l.text)
		}
		if r.ETA > 0 {
			label(" left", "~"+clock(max(time.Second, r.ETA)), l.text)
		}
		m.lastNews(r, label)
	} else if !r.Started.IsZero() && !r.Ended.IsZero() {
		took := r.Ended.Sub(r.Since())
		if took >= 100*time.Microsecond { // less, as of an empty table, would be 0.0ms
			label("", "took "+span(took), l.dim)
		}
		if n := r.Processed - r.Before; took > 100*time.Millisecond && n > 0 {
			label(" on average", rate(float64(n)/took.Seconds()), l.dim)
		}
	}
	p.end()
	m.drawLimits(p, r)
	if !steered(r) || m.bodyHeight() > 24 { // the batches are worth more there
		m.drawSpark(p, r)
	}
}

func (m Root) lastNews(r fleet.Run, label func(name, text string, k ink)) {
	last := r.Heard
	if n := len(r.Batches); n > 0 && r.Batches[n-1].At.After(last) {
		last = r.Batches[n-1].At
	}
	if last.IsZero() {
		return
	}
	if quiet := m.now.Sub(last); quiet > stale {
		label("", "no news for "+clock(quiet), m.l.warn)
		return
	}
	label("", "last batch "+age(m.now, last), m.l.text)
}

// drawFailure is why a run stopped, with the document.
func (m Root) drawFailure(p *pen, f *fleet.Failure, head string) {
	l := m.l
	p.to(1).put(l.head, head).end()
	p.para(l.bad, 3, f.Summary)
	if f.Frame != "" {
		p.to(3).put(l.dim, "at ").put(l.accent, f.Frame).end()
	}
	if f.Document != "" || len(f.Body) > 0 {
		p.blank()
		p.to(1).put(l.head, "DOCUMENT").put(l.dim, "  ").put(l.text, f.Table).put(l.dim, " ").put(l.accent, f.Document)
		if m.view == progressView && len(f.Body) > 0 {
			p.put(l.faint, "  "+l.g.dot+" ").put(l.key, "enter").put(l.dim, " marks the place")
		}
		p.end()
		if len(f.Body) > 0 {
			for _, line := range pretty(l, f.Body, p.w-6, 60) {
				p.to(3).bits(line).end()
			}
		}
	}
	if m.view == progressView {
		p.blank()
		p.to(3).put(l.accent, "next ").put(l.text, "mend the migration or the document; r resumes where it stopped").end()
	}
	lines := cleanLines(f.Text)
	if len(lines) > 0 && (len(lines) > 1 || lines[0] != clean(f.Summary)) {
		p.blank()
		p.to(1).put(l.head, "FULL TEXT").end()
		for _, line := range lines {
			p.para(l.dim, 3, line)
		}
	}
}
