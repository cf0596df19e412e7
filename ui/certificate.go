package ui

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"strait/convex/fleet"
	"strait/plan"
)

// sortedTables are the names of tables, in order.
func sortedTables[V any](tables map[string]V) []string {
	return slices.Sorted(maps.Keys(tables))
}

// shortHash is as much of a schema's hash as tells it from another.
func shortHash(hash string) string {
	return hash[:min(len(hash), 8)]
}

// documentsOf is how many documents a census speaks for: those of its tables,
// where they are known, else those that it read.
func documentsOf(c *plan.Census) (n int64) {
	for _, t := range c.Counts {
		n += max(t.Documents, t.Read, 0)
	}
	return max(n, c.Read)
}

// mostOf is how many offenders a sampled census leaves possible.
func mostOf(c *plan.Census) (n int64) {
	for _, t := range c.Counts {
		n += max(t.Most, t.Offenders)
	}
	return max(n, c.Offenders)
}

// freshUntil is when a certificate that holds for so long stops to be fresh.
func freshUntil(c *plan.Certificate, fresh time.Duration) time.Time {
	return c.Ended.Add(cmp.Or(fresh, plan.CertifiedFor))
}

// untilWord is a moment to come: the time, and the day where that is another.
func untilWord(now, at time.Time) string {
	now, at = now.Local(), at.Local()
	switch days := at.YearDay() - now.YearDay(); {
	case days == 0 && at.Year() == now.Year():
		return at.Format("15:04")
	case days == 1 && at.Year() == now.Year():
		return "tomorrow " + at.Format("15:04")
	}
	return at.Format("2 Jan 15:04")
}

// oldWrites counts the documents of the old shape that were written after a
// census, in a table or, with "", in all.
func oldWrites(e *fleet.EnvSnapshot, table string) (n int64) {
	if e.Writers == nil {
		return 0
	}
	for name, k := range e.Writers.Offenders {
		if table == "" || name == table {
			n += k
		}
	}
	return n
}

// censusWord is in a line how an environment stands towards the target.
func (m Root) censusWord(e *fleet.EnvSnapshot) (sign, text string, k ink) {
	if n := oldWrites(e, ""); n > 0 {
		return m.l.g.failed, documents(n) + " of the old shape written in " + e.Name + " since " + momentWord(m.now, e.Writers.First), m.l.bad
	}
	return m.countedWord(e)
}

// countedWord is in a line what the newest census found.
func (m Root) countedWord(e *fleet.EnvSnapshot) (sign, text string, k ink) {
	l, c := m.l, e.Census
	cert := e.Certificate
	switch {
	case c == nil && e.CensusRun != nil:
		return m.spinner(), "counting in " + e.Name, l.run
	case c == nil:
		return l.g.todo, "nothing is counted in " + e.Name + " yet", l.dim
	case c.Stopped != "":
		return l.g.blocked, fmt.Sprintf("%s of %s read so far %s the target", count(c.Offenders), count(c.Read), notFit(c.Offenders)), l.warn
	case c.Full && c.Offenders == 0 && cert != nil && !cert.Revoked.IsZero():
		return l.g.blocked, "all " + documents(documentsOf(c)) + " fitted the target; the certificate was revoked", l.warn
	case c.Full && c.Offenders == 0 && cert != nil:
		return l.g.done, "certified: all " + documents(documentsOf(c)) + " fit the target", l.ok
	case c.Full && c.Offenders == 0:
		return l.g.done, "all " + documents(documentsOf(c)) + " fit the target", l.ok
	case c.Full:
		return l.g.blocked, documents(c.Offenders) + " of " + count(documentsOf(c)) + " " + notFit(c.Offenders) + " the target", l.warn
	case c.Offenders == 0:
		return l.g.todo, fmt.Sprintf("sampled: at most %s of %s misfit, 95 %%", count(mostOf(c)), count(documentsOf(c))), l.text
	}
	return l.g.blocked, fmt.Sprintf("%s of %s sampled %s; at most %s of %s, 95 %%", count(c.Offenders), count(c.Read), notFit(c.Offenders), count(mostOf(c)), count(documentsOf(c))), l.warn
}

// drawCensusFacts is what to know of a census besides its result.
func (m Root) drawCensusFacts(p *pen, e *fleet.EnvSnapshot, c *plan.Census) {
	l := m.l
	var out []string
	switch {
	case c.Stopped != "":
		p.put(l.key, "v").put(l.warn, " goes on").put(l.dim, " "+l.g.dot+" ")
		out = append(out, "stopped: "+firstLine(c.Stopped))
	case c.Full:
		out = append(out, "full")
	default:
		out = append(out, "sampled, no certificate")
	}
	out = append(out, age(m.now, c.At), documents(c.Read)+" read")
	if c.Component != "" {
		out = append(out, "in "+c.Component)
	}
	p.put(l.dim, strings.Join(out, " "+l.g.dot+" "))
	if c.Stale && c.Stopped == "" {
		p.put(l.faint, " "+l.g.dot+" ").put(l.warn, "written to since: ").put(l.key, "v").put(l.warn, " counts again")
	}
}

// certificateWord is in a line, or two, what is certified of an environment.
func (m Root) certificateWord(e *fleet.EnvSnapshot) (sign, text string, k ink) {
	l, c := m.l, e.Certificate
	if c == nil {
		if x := e.Census; x != nil && !x.Full && x.Stopped == "" {
			return l.g.todo, "none: a sampled census gives none", l.dim
		}
		return l.g.todo, "none: it takes a full census of zero", l.dim
	}
	if !c.Revoked.IsZero() {
		return l.g.failed, "revoked " + momentWord(m.now, c.Revoked) + after(": ", firstLine(c.Why)), l.bad
	}
	var n int64
	for _, k := range c.Tables {
		n += k
	}
	what := cmp.Or(c.Deployment, e.Name) + ", schema " + shortHash(c.Schema) + ", " + documents(n) + " counted " + momentWord(m.now, c.Ended)
	if len(c.Proved) > 0 {
		what += ", " + plural(int64(len(c.Proved)), "table") + " proved without reading"
	}
	until := freshUntil(c, e.FreshFor)
	if m.now.After(until) {
		return l.g.blocked, what + "; no longer fresh since " + momentWord(m.now, until) + ": v counts again", l.warn
	}
	return l.g.done, what + "; fresh until " + untilWord(m.now, until), l.ok
}

// writersWord says how the watch for writers of the old shape stands; "" when
// nobody watches.
func (m Root) writersWord(e *fleet.EnvSnapshot, table string) (sign, text string, k ink) {
	l, w := m.l, e.Writers
	switch {
	case w == nil:
		return "", "", l.dim
	case oldWrites(e, table) > 0:
		var parts []string
		for _, name := range sortedTables(w.Offenders) {
			if n := w.Offenders[name]; n > 0 && (table == "" || table == name) {
				parts = append(parts, name+" "+count(n))
			}
		}
		return l.g.failed, "old shapes are being written since " + momentWord(m.now, w.First) + ": " + strings.Join(parts, ", "), l.bad
	}
	how := "new and changed documents"
	switch w.How {
	case plan.WatchShapes:
		how += " by the deployment's shapes"
	case plan.WatchChanges:
		how += " by the stream of changes"
	case plan.WatchRecount:
		how = "new documents at once, changed ones when their table is read again"
	}
	text = "watching " + how
	if !w.Checked.IsZero() {
		text += ", checked " + momentWord(m.now, w.Checked)
	}
	return l.g.done, text, l.dim
}

// drawEvidence is the census, the certificate and the watch of an environment,
// as facts with labels.
func (m Root) drawEvidence(p *pen, e *fleet.EnvSnapshot) {
	l := m.l
	switch c := e.Census; {
	case e.CensusRun != nil:
		r := e.CensusRun
		m.fact(p, "census", l.run, fmt.Sprintf("%s counting: %s read, %s found", m.spinner(), count(r.Read), count(r.Found)), time.Time{})
	case c == nil:
		m.fact(p, "census", l.dim, "none yet: v counts", time.Time{})
	default:
		sign, text, k := m.countedWord(e)
		m.fact(p, "census", k, sign+" "+text, c.At)
	}
	sign, text, k := m.certificateWord(e)
	m.fact(p, "certified", k, sign+" "+text, time.Time{})
	if sign, text, k := m.writersWord(e, ""); text != "" {
		m.fact(p, "writers", k, sign+" "+text, time.Time{})
	}
}

// drawStanding is what stands behind a row's migrate and narrow in an environment:
// the certificate, and who looks at what is written since.
func (m Root) drawStanding(p *pen, f focus) {
	l, e, c := m.l, f.env, f.env.Certificate
	switch sign, text, k := m.countedWord(f.env); {
	case c != nil && !c.Revoked.IsZero():
		m.standingLine(p, l.bad, l.g.failed, "certificate revoked "+momentWord(m.now, c.Revoked))
	case c != nil && m.now.After(freshUntil(c, e.FreshFor)):
		m.standingLine(p, l.warn, l.g.blocked, "certificate no longer fresh since "+momentWord(m.now, freshUntil(c, e.FreshFor)))
	case c != nil:
		m.standingLine(p, l.ok, l.g.done, "certificate of "+cmp.Or(c.Deployment, c.Env)+" for schema "+shortHash(c.Schema)+", fresh until "+untilWord(m.now, freshUntil(c, e.FreshFor)))
	case f.env.Census != nil && !f.env.Census.Full:
		m.standingLine(p, k, sign, text)
	}
	if sign, text, k := m.writersWord(f.env, f.row.Table); text != "" {
		m.standingLine(p, k, sign, text)
	}
}

func (m Root) standingLine(p *pen, k ink, sign, text string) {
	for i, line := range wrap(clean(text), max(8, p.w-2)) {
		if i == 0 {
			p.put(k, sign)
		}
		p.to(2).put(k, line).end()
	}
}

// drawCounting is the progress of a census: a bar, and its figures.
func (m Root) drawCounting(p *pen, e *fleet.EnvSnapshot) {
	l, c := m.l, e.CensusRun
	if c.Total > 0 {
		m.bar(p, l.run, c.Read, c.Total, percent(c.Read, c.Total))
	}
	sep, noun, misfit := "  "+l.g.dot+"  ", " documents read", " "+notFit(c.Found)
	if p.w < 80 {
		sep, noun, misfit = " "+l.g.dot+" ", " read", " misfit"
	}
	p.to(1).put(l.strong, count(c.Read))
	if c.Total > 0 {
		p.put(l.dim, " of "+count(max(c.Total, c.Read)))
	}
	p.put(l.dim, noun).put(l.faint, sep).put(l.warn, count(c.Found)).put(l.dim, misfit)
	took := m.now.Sub(c.Started)
	if c.ETA > 0 {
		p.put(l.faint, sep).put(l.text, "~"+clock(max(time.Second, c.ETA))).put(l.dim, " left")
	}
	if per := rate(float64(c.Read) / took.Seconds()); took > time.Second && !c.Resumed && p.room() > width(sep)+width(per) {
		p.put(l.faint, sep).put(l.text, per)
	}
	p.end()
	p.to(1)
	var small []string
	if c.Table != "" {
		small = append(small, "in "+c.Table)
	}
	if c.Page > 0 {
		small = append(small, "pages of "+count(int64(c.Page)))
	}
	if c.Bytes > 0 {
		small = append(small, bytesWord(c.Bytes))
	}
	if b := budgetWord(c.Budget); b != "" {
		small = append(small, "budget "+b)
	}
	if c.Resumed {
		small = append(small, "went on where the last one stopped")
	}
	small = append(small, clock(took))
	p.putMax(l.dim, strings.Join(small, " "+l.g.dot+" "), p.room()-10)
	p.put(l.key, "  c").put(l.dim, " stops").end()
	p.repeat(l.rule, l.g.rule, p.w).end()
}

// budgetWord names a budget; "" without one.
func budgetWord(b fleet.CensusBudget) string {
	var out []string
	if b.Documents > 0 {
		out = append(out, documents(b.Documents))
	}
	if b.Bytes > 0 {
		out = append(out, bytesWord(b.Bytes))
	}
	return strings.Join(out, ", ")
}
