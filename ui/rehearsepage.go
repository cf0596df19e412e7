package ui

import (
	"cmp"
	"fmt"
	"strings"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

// The lines of a rehearsal's report that are no migrations.
const (
	widenLine   = "\x00widen"
	countLine   = "\x00census"
	skippedLine = "\x00skipped"
	notesLine   = "\x00notes"
	narrowLine  = "\x00narrow"
)

func batchOf(d *project.Migration) int {
	if d == nil {
		return 0
	}
	return d.BatchSize
}

// rehearsedRun is the migration of the rehearsal that the cursor is on.
func (m Root) rehearsedRun() *plan.RehearsedRun {
	e := m.focus().env
	if e == nil || e.Rehearsal == nil {
		return nil
	}
	r := m.rehearsalReport()
	if r.at < 0 || r.at >= len(r.lines) {
		return nil
	}
	for i := range e.Rehearsal.Migrations {
		if e.Rehearsal.Migrations[i].Name == r.lines[r.at].id {
			return &e.Rehearsal.Migrations[i]
		}
	}
	return nil
}

func (m Root) rehearsalReport() report {
	r := report{head: m.drawRehearsalHead, empty: m.drawNoRehearsal, at: -1}
	e := m.focus().env
	if e == nil || e.Rehearsal == nil {
		return r
	}
	x, asks := e.Rehearsal, 0
	var details []func(p *pen)
	add := func(id string, draw, detail func(p *pen)) {
		r.lines, details = append(r.lines, reportLine{id, draw}), append(details, detail)
	}
	nameW := 20
	for i := range x.Migrations {
		nameW = max(nameW, width(clean(short(x.Migrations[i].Name)))+2)
	}
	nameW = min(nameW, max(20, m.w*3/10))
	add(widenLine, func(p *pen) { m.passageLine(p, "widen", x.Widen, "", nameW) }, func(p *pen) { m.drawPassage(p, "widen", x.Widen, "") })
	for i := range x.Migrations {
		run := &x.Migrations[i]
		if asks == 0 && (run.State == "failed" || run.Failed > 0) {
			asks = len(r.lines)
		}
		add(run.Name, func(p *pen) { m.rehearsedLine(p, run, nameW) }, func(p *pen) { m.drawRehearsed(p, e, run) })
	}
	if len(x.Skipped) > 0 {
		add(skippedLine, func(p *pen) { m.skippedLine(p, x, nameW) }, func(p *pen) { m.drawSkipped(p, x) })
	}
	if x.Census != nil {
		add(countLine, func(p *pen) { m.rehearsedCensusLine(p, x.Census, nameW) }, func(p *pen) { m.drawRehearsedCensus(p, x.Census) })
	}
	add(narrowLine, func(p *pen) { m.passageLine(p, "narrow", x.Narrow, x.Stopped, nameW) }, func(p *pen) { m.drawPassage(p, "narrow", x.Narrow, x.Stopped) })
	narrowAt := len(r.lines) - 1
	if len(x.Notes) > 0 {
		add(notesLine, func(p *pen) { m.notesLine(p, x, nameW) }, func(p *pen) { m.drawCopyNotes(p, x) })
	}
	if asks == 0 && !x.Accepted() {
		asks = narrowAt
	}
	if asks == 0 && len(x.Migrations) > 0 {
		asks = 1
	}
	r.settle(m.rehearsal, asks)
	r.detail = details[r.at]
	return r
}

// failedIn counts the migrations of a rehearsal that failed.
func failedIn(x *plan.Rehearsal) (n int) {
	for i := range x.Migrations {
		if x.Migrations[i].State == "failed" || x.Migrations[i].Failed > 0 {
			n++
		}
	}
	return n
}

// rehearsalWord says in a few words what a rehearsal came to.
func rehearsalWord(x *plan.Rehearsal) string {
	failed := ""
	if n := failedIn(x); n > 0 {
		failed = ", " + plural(int64(n), "migration") + " failed"
	}
	switch {
	case x.Widen != "":
		return "widen would be refused" + failed
	case x.Stopped != "":
		return "stopped" + failed
	case x.Narrow != "":
		return "narrow would be refused" + failed
	}
	return "narrow would be accepted" + failed
}

func (m Root) drawRehearsalHead(p *pen) {
	l, f := m.l, m.focus()
	p.put(l.strong, " Rehearsal")
	if f.env == nil {
		p.end()
		return
	}
	p.put(l.dim, " of ").put(l.text, f.env.Name).put(l.dim, "  ")
	if run := f.env.Rehearsing; run != nil {
		p.put(l.run, m.spinner()+" "+cmp.Or(run.Stage, "beginning"))
		m.drawTabs(p)
		p.end().to(1)
		if run.Of > 0 {
			p.put(l.strong, count(run.Done)).put(l.dim, " of "+documents(run.Of))
		} else if run.Done > 0 {
			p.put(l.strong, count(run.Done)).put(l.dim, docsWord(run.Done))
		}
		p.put(l.dim, fmt.Sprintf("  %s %s", l.g.dot, clock(m.now.Sub(run.Started)))).put(l.text, "   ").put(l.key, "c").put(l.dim, " stops").end()
		if run.Of > 0 {
			m.bar(p, l.run, run.Done, run.Of, percent(run.Done, run.Of))
		}
		return
	}
	x := f.env.Rehearsal
	if x == nil {
		p.put(l.dim, "the whole passage, on a copy in memory")
		m.drawTabs(p)
		p.end()
		return
	}
	k, sign := l.ok, l.g.done
	if !x.Accepted() {
		k, sign = l.bad, l.g.failed
	}
	p.put(k, sign+" "+rehearsalWord(x))
	m.drawTabs(p)
	p.end()
	p.para(l.dim, 1, rehearsedOn(x, f.env.Documents)+fmt.Sprintf(" %s took %s %s %s", l.g.dot, span(x.Took), l.g.dot, age(m.now, x.At)))
}

// rehearsedOn says what a rehearsal worked on, and how much that is of the real
// documents; 0 where nobody knows how many there are.
func rehearsedOn(x *plan.Rehearsal, real int64) string {
	s := x.Source + ": " + documents(x.Documents)
	switch {
	case x.Whole:
		s += ", all that there are"
	case real > x.Documents && strings.Contains(x.Source, "made-up"):
		s += fmt.Sprintf("; %s has %s", cmp.Or(x.Env, "the deployment"), count(real))
	case real > x.Documents:
		s += ", " + share(x.Documents, real) + " of the real ones"
	}
	return s
}

// share is a part of a whole in per cent, never rounded to nothing.
func share(n, of int64) string {
	switch p := 100 * float64(n) / float64(max(1, of)); {
	case p == 0 || p >= 10:
		return fmt.Sprintf("%.0f %%", p)
	case p >= 0.1:
		return fmt.Sprintf("%.1f %%", p)
	}
	return "<0.1 %"
}

func (m Root) drawNoRehearsal(p *pen) {
	l, e := m.l, m.focus().env
	p.blank()
	if e == nil {
		p.put(l.dim, " "+noEnv(m)).end()
		return
	}
	if e.Rehearsing != nil {
		p.para(l.dim, 3, "What every migration does, how near its batches come to Convex's limits, and whether the target is accepted in the end is shown here.")
		return
	}
	p.put(l.dim, " "+l.g.todo+" no rehearsal of ").put(l.text, e.Name).put(l.dim, " yet").end()
	p.blank()
	p.to(3).put(l.key, "R")
	for _, line := range wrap("fills a deployment in memory with a copy of "+e.Name+" (an export, a sample, or made-up documents), deploys the widened schema, runs every migration that is still to run, counts what does not fit, and deploys the target.", max(1, p.w-6)) {
		p.to(5).put(l.text, line).end()
	}
	p.blank()
	p.para(l.dim, 5, "The report says what each migration changes and fails on, how large its batches may be, and what it will take there. Nothing leaves this machine.")
	if !e.Embedded {
		p.blank()
		p.to(3).put(l.key, "b").put(l.text, " takes a backup, which is an export to rehearse on").end()
	}
}

// passageLine is widen or narrow in the list.
func (m Root) passageLine(p *pen, step, refused, stopped string, nameW int) {
	l := m.l
	nameW = min(nameW, max(12, p.room()-24))
	switch {
	case refused != "":
		p.put(l.bad, l.g.failed+" ").col(l.text, step, nameW).put(l.bad, "refused").put(l.dim, after("  ", firstLine(refused)))
	case stopped != "":
		p.put(l.warn, l.g.blocked+" ").col(l.text, step, nameW).put(l.dim, "not tried  "+firstLine(stopped))
	default:
		p.put(l.ok, l.g.done+" ").col(l.text, step, nameW).put(l.dim, "accepted")
	}
}

func (m Root) skippedLine(p *pen, x *plan.Rehearsal, nameW int) {
	p.put(m.l.dim, m.l.g.dot+" ").col(m.l.text, "not run", min(nameW, max(12, p.room()-24))).put(m.l.dim, plural(int64(len(x.Skipped)), "migration"))
}

func (m Root) drawSkipped(p *pen, x *plan.Rehearsal) {
	p.to(1).put(m.l.strong, plural(int64(len(x.Skipped)), "migration")+" did not run").end()
	for _, s := range x.Skipped {
		p.to(3).put(m.l.accent, short(s.Name)).put(m.l.text, "  ")
		for _, line := range wrap(clean(s.Why), max(8, p.room()-1)) {
			p.to(5).put(m.l.dim, line).end()
		}
	}
}

func (m Root) notesLine(p *pen, x *plan.Rehearsal, nameW int) {
	p.put(m.l.warn, m.l.g.blocked+" ").col(m.l.text, "the copy", min(nameW, max(12, p.room()-24))).put(m.l.dim, firstLine(x.Notes[0]))
}

func (m Root) drawCopyNotes(p *pen, x *plan.Rehearsal) {
	p.to(1).put(m.l.strong, "what the copy could not take over").end()
	for _, n := range x.Notes {
		p.para(m.l.text, 3, n)
	}
}

func (m Root) drawPassage(p *pen, step, refused, stopped string) {
	l := m.l
	what := "the widened schema"
	if step == "narrow" {
		what = "the target"
	}
	switch {
	case refused != "":
		p.to(1).put(l.bad, l.g.failed+" "+what+" would be refused").put(l.dim, ", in Convex's words").end()
		p.blank()
		for _, line := range cleanLines(refused) {
			p.para(l.text, 3, line)
		}
	case stopped != "":
		p.to(1).put(l.warn, l.g.blocked+" it was not tried").end()
		for _, line := range cleanLines(stopped) {
			p.para(l.text, 3, line)
		}
	default:
		p.to(1).put(l.ok, l.g.done+" "+what+" would be accepted").end()
	}
}

// rehearsedLine is one migration in the list.
func (m Root) rehearsedLine(p *pen, x *plan.RehearsedRun, nameW int) {
	l := m.l
	glyph, word, k := m.runGlyph(x.State)
	if x.Failed > 0 {
		glyph, word, k = l.g.failed, "failed", l.bad
	}
	p.put(k, glyph+" ").col(l.text, short(x.Name), min(nameW, max(12, p.room()-24)))
	if p.w >= 110 {
		p.col(l.dim, x.Table, 14)
	}
	p.colRight(l.text, count(x.Documents), 9).put(l.dim, docsWord(x.Documents))
	if p.w >= 90 {
		n, word := x.Changed, " changed"
		if n == 0 && x.Deleted > 0 {
			n, word = x.Deleted, " deleted"
		}
		p.put(l.dim, "  ").colRight(l.text, count(n), 8).put(l.dim, word)
	}
	switch {
	case x.Failed > 0:
		p.put(k, "  "+count(x.Failed)+" failed")
	case x.State != "success":
		p.put(k, "  "+word)
	case len(x.Headroom) > 0 && p.room() > 12:
		h := x.Headroom[0]
		p.put(l.dim, fmt.Sprintf("  at most %s of %s", share(int64(h.Share*10000), 10000), h.Limit))
	}
}

// drawRehearsed is all that is known of one migration's rehearsal.
func (m Root) drawRehearsed(p *pen, e *fleet.EnvSnapshot, x *plan.RehearsedRun) {
	l := m.l
	p.to(1).put(l.strong, x.Name).put(l.dim, after("  ", x.Table))
	if x.BatchSize > 0 {
		p.put(l.dim, ", batches of "+count(int64(x.BatchSize)))
	}
	p.end()
	p.to(1)
	figure := func(k ink, n int64, word string) {
		if p.used > 1 {
			p.put(l.faint, "  "+l.g.dot+"  ")
		}
		p.put(k, count(n)).put(l.dim, " "+word)
	}
	figure(l.strong, x.Changed, "changed")
	figure(l.text, x.Unchanged, "as they were")
	if x.Deleted > 0 {
		figure(l.warn, x.Deleted, "deleted")
	}
	if x.Inserted > 0 {
		figure(l.text, x.Inserted, "inserted")
	}
	if x.Failed > 0 {
		figure(l.bad, x.Failed, "failed")
	}
	p.put(l.faint, "  "+l.g.dot+"  ").put(l.dim, batches(int(x.Batches))).end()
	for _, w := range x.Elsewhere {
		p.para(l.dim, 1, "also wrote "+elsewhere(w))
	}
	for _, n := range x.Notes {
		p.para(l.dim, 1, n)
	}
	p.blank()
	m.drawRehearsedFailures(p, x)
	m.drawHeadroom(p, x)
	m.drawEstimate(p, e, x)
}

// elsewhere says what a migration wrote in another table.
func elsewhere(w plan.Written) string {
	out := counted(figure{w.Inserted, "inserted"}, figure{w.Changed, "changed"}, figure{w.Deleted, "deleted"})
	return w.Table + after(" in ", w.Component) + ": " + strings.Join(out, ", ")
}

// drawHeadroom shows how near the fullest batch came to each limit.
func (m Root) drawHeadroom(p *pen, x *plan.RehearsedRun) {
	l := m.l
	if len(x.Headroom) == 0 {
		return
	}
	m.section(p, "HEADROOM", "the fullest batch against the limits of a transaction")
	nameW := 20
	for _, h := range x.Headroom {
		nameW = max(nameW, width(clean(h.Limit))+2)
	}
	n := max(8, min(40, p.w-min(nameW, 28)-44))
	for i, h := range x.Headroom {
		k := l.ok
		switch {
		case h.Share >= 0.8:
			k = l.bad
		case h.Share >= 0.5:
			k = l.warn
		}
		cells := min(n, max(0, int(h.Share*float64(n)+0.5)))
		if h.Share > 0 {
			cells = max(1, cells)
		}
		p.to(2).col(l.text, h.Limit, min(nameW, 28)).repeat(k, l.g.bar, cells).repeat(l.rule, l.g.barEmpty, n-cells)
		p.colRight(k, share(int64(h.Share*100000), 100000), 8)
		p.put(l.dim, "  "+amount(h.Limit, h.Used)+" of "+amount(h.Limit, h.Max))
		if i == 0 && len(x.Headroom) > 1 {
			p.put(l.text, "  binds")
		}
		p.end()
	}
	p.blank()
}

// amount writes what a limit counts, in its unit.
func amount(limit string, n int64) string {
	switch {
	case strings.Contains(limit, "byte"), strings.Contains(limit, "size"):
		return bytesWord(n)
	case strings.Contains(limit, "time"):
		return fmt.Sprintf("%d ms", n)
	}
	return count(n)
}

func (m Root) drawEstimate(p *pen, e *fleet.EnvSnapshot, x *plan.RehearsedRun) {
	l := m.l
	if x.Recommended > 0 {
		m.section(p, "BATCH SIZE", "")
		p.to(2).put(l.strong, count(int64(x.Recommended))).put(l.text, " a batch is recommended")
		switch {
		case x.BatchSize == x.Recommended:
			p.put(l.dim, ", as it is now")
		case x.BatchSize > 0:
			p.put(l.dim, ", "+count(int64(x.BatchSize))+" is set")
		}
		p.put(l.dim, ": the fullest stays below half of every limit").end()
		if !blockedEver(m, x) {
			p.to(2).put(l.key, "r").put(l.dim, " asks to run it in "+e.Name+" with that").end()
		}
		p.blank()
	}
	s := x.Estimate
	if s == (plan.Spend{}) {
		return
	}
	m.section(p, "ESTIMATE", "of a run in "+e.Name)
	p.to(2).put(l.strong, plural(s.Calls, "call")).put(l.dim, " of functions  "+l.g.dot+"  ").put(l.text, bytesWord(s.ReadBytes)).put(l.dim, " read, ").put(l.text, bytesWord(s.WrittenBytes)).put(l.dim, " written")
	if s.Time > 0 {
		p.put(l.dim, "  "+l.g.dot+"  ").put(l.text, timeWord(s))
	}
	p.end()
	p.para(l.dim, 2, s.Why)
	p.blank()
}

// timeWord is the time that a run is estimated to take.
func timeWord(s plan.Spend) string {
	if s.Bound {
		return "at least " + span(s.Time)
	}
	return "~" + span(s.Time)
}

// blockedEver reports whether a run of it cannot be asked for at all.
func blockedEver(m Root, x *plan.RehearsedRun) bool { return m.definition(x.Name) == nil }

func (m Root) drawRehearsedFailures(p *pen, x *plan.RehearsedRun) {
	l := m.l
	if x.Failed == 0 && len(x.Failures) == 0 && x.Error == "" {
		return
	}
	note := ""
	if x.Failed > 0 {
		note = documents(x.Failed)
	}
	m.section(p, "FAILURES", note)
	if x.Error != "" && len(x.Failures) == 0 {
		p.to(2).put(l.bad, l.g.failed+" ").put(l.text, firstLine(x.Error)).end()
	}
	whole := m.rehearsal.whole
	for i, f := range x.Failures {
		p.to(2).put(l.bad, l.g.failed+" ").put(l.text, cmp.Or(f.Summary, firstLine(f.Text))).put(l.dim, after("  at ", f.Frame)).end()
		what := x.Table + " " + f.Document
		if f.Document == "" {
			what = "a whole batch"
		}
		p.to(4).put(l.accent, what)
		if f.Masked {
			p.put(l.faint, "  values masked, u shows them")
		}
		p.end()
		if f.Body != nil && (whole || i == 0) {
			var body value.Value = f.Body.Without("_id")
			if f.Masked {
				body = withMasks(body)
			}
			for _, line := range pretty(l, body, p.w-6, 40) {
				p.to(4).bits(line).end()
			}
		}
	}
	switch hidden := x.Failed - int64(len(x.Failures)); {
	case hidden > 0:
		p.to(2).put(l.faint, "and "+plural(hidden, "other document")).end()
	case !whole && len(x.Failures) > 1:
		p.to(2).put(l.key, "enter").put(l.dim, " shows every document").end()
	}
	p.blank()
}

func (m Root) rehearsedCensusLine(p *pen, c *plan.Census, nameW int) {
	l := m.l
	nameW = min(nameW, max(12, p.room()-24))
	if c.Offenders == 0 {
		p.put(l.ok, l.g.done+" ").col(l.text, "census", nameW).put(l.dim, "all "+documents(c.Read)+" fit the target")
		return
	}
	p.put(l.warn, l.g.blocked+" ").col(l.text, "census", nameW).put(l.warn, censusWords(c))
}

func (m Root) drawRehearsedCensus(p *pen, c *plan.Census) {
	l := m.l
	if c.Offenders == 0 {
		p.to(1).put(l.ok, l.g.done+" every document of the copy fits the target").end()
		return
	}
	p.to(1).put(l.warn, l.g.blocked+" "+censusWords(c)+" after all migrations").end()
	for _, g := range c.Groups {
		p.blank()
		m.censusGroup(p, g)
	}
}
