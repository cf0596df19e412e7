package ui

import (
	"fmt"
	"strings"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

// drawDryRun is the answer of a dry run: every changed document, before and after.
func (m Root) drawDryRun(p *pen) {
	l, f := m.l, m.focus()
	if f.mig == "" {
		p.para(l.dim, 2, "no migration covers this change yet: write one with migrations.define and it shows up here")
		return
	}
	d := f.dry
	switch {
	case d == nil:
		p.put(l.dim, " "+l.g.todo+" no dry run of ").put(l.text, short(f.mig)).put(l.dim, " in ").put(l.text, f.env.Name).put(l.dim, " yet").end()
		p.blank()
		p.put(l.key, "   d").put(l.text, " runs one batch and rolls it back; the documents that would change are shown here").end()
		return
	case d.Running:
		p.put(l.run, " "+m.spinner()+" dry run on its way").put(l.dim, " in ").put(l.text, f.env.Name)
		if !d.At.IsZero() {
			p.put(l.dim, " "+l.g.dot+" "+clock(m.now.Sub(d.At)))
		}
		p.end()
		return
	case d.Err != nil:
		p.put(l.bad, " "+l.g.failed+" the dry run failed").put(l.dim, " in ").put(l.text, f.env.Name).put(l.dim, " "+l.g.dot+" "+age(m.now, d.At)+" "+l.g.dot+" nothing was written").end()
		p.blank()
		m.drawFailure(p, d.Err, "FAILURE")
		m.drawDryLog(p, d)
		return
	}
	p.put(l.ok, " "+l.g.done+" dry run done").put(l.dim, " in ").put(l.text, f.env.Name)
	p.put(l.dim, fmt.Sprintf(" %s %s read %s took %s %s %s %s nothing was written", l.g.dot, documents(d.Processed), l.g.dot, span(d.Took), l.g.dot, age(m.now, d.At), l.g.dot)).end()
	p.blank()
	m.drawExamples(p, d)
	m.drawDryLog(p, d)
}

func (m Root) drawExamples(p *pen, d *fleet.DryRun) {
	l := m.l
	if len(d.Examples) == 0 {
		p.put(l.text, "   no document of this batch would change").end()
		return
	}
	head := plural(int64(len(d.Examples)), "CHANGED DOCUMENT")
	if d.More {
		head = "FIRST " + head
	}
	p.to(1).put(l.head, strings.ToUpper(head)).end()
	nameW, long := 8, false
	for _, ex := range d.Examples {
		long = long || ex.Before == nil || ex.After == nil
		if ex.Before != nil && ex.After != nil {
			changes, _ := diffDocuments(ex.Before, ex.After)
			long = long || len(changes) > 1
			for _, c := range changes {
				nameW = min(28, max(nameW, width(c.path)+2))
			}
		}
	}
	for _, ex := range d.Examples {
		m.drawExample(p, ex, nameW)
		if long {
			p.blank()
		}
	}
	if d.More {
		p.to(1).put(l.faint, "more documents change than are shown").end()
	}
}

// drawExample is one document as a field-level diff.
func (m Root) drawExample(p *pen, ex fleet.Example, nameW int) {
	l := m.l
	if ex.Before == nil && ex.After == nil && ex.Text != "" {
		for _, line := range cleanLines(ex.Text) {
			p.para(l.text, 3, line)
		}
		return
	}
	p.to(1).put(l.accent, ex.ID)
	if ex.After == nil {
		p.put(l.bad, "  deleted").end()
		for _, line := range pretty(l, ex.Before, p.w-8, 20) {
			p.to(3).put(l.del, "- ").bits(line).end()
		}
		return
	}
	before := ex.Before
	if before == nil {
		p.put(l.ok, "  new").end()
		for _, line := range pretty(l, ex.After, p.w-8, 20) {
			p.to(3).put(l.add, "+ ").bits(line).end()
		}
		return
	}
	changes, same := diffDocuments(before, ex.After)
	p.put(l.dim, "  "+plural(int64(len(changes)), "field")+" changed, "+count(int64(same))+" as before").end()
	for _, c := range changes {
		m.diffSide(p, l.del, "- ", c.path, nameW, c.before)
		m.diffSide(p, l.add, "+ ", c.path, nameW, c.after)
	}
}

// diffSide is one side of a field's change; an absent side is not written.
func (m Root) diffSide(p *pen, k ink, sign, path string, nameW int, v value.Value) {
	l := m.l
	if _, gone := v.(value.Undefined); gone {
		return
	}
	p.to(3).put(k, sign).col(l.name, path, nameW)
	at := p.used
	one := inline(l, v, p.room())
	if bitsWidth(one) <= p.room() {
		p.bits(one).end()
		return
	}
	for i, line := range pretty(l, v, p.w-at-1, 12) {
		if i > 0 {
			p.to(3).put(k, sign).to(at)
		}
		p.bits(line).end()
	}
}

// drawDryLog is what was logged, without the component's own text of the
// changes that are shown above it.
func (m Root) drawDryLog(p *pen, d *fleet.DryRun) {
	var log []fleet.LogEntry
	for _, e := range d.Log {
		told := strings.Contains(e.Text, "DRY RUN: Example change") || d.More && strings.Contains(e.Text, "DRY RUN: More than")
		if len(d.Examples) == 0 || !told {
			log = append(log, e)
		}
	}
	if len(log) == 0 {
		return
	}
	p.blank()
	q := newPen(m.l, p.w, len(log)+1)
	m.drawLog(q, log)
	p.lines = append(p.lines, q.lines...)
}

// censusGroup is one path and reason, with its samples.
func (m Root) censusGroup(p *pen, g plan.Group) {
	l := m.l
	p.to(1).put(l.warn, count(g.Count)).put(l.strong, "  "+groupName(g)).put(l.dim, "  "+reasonWord(g.Reason)).end()
	if len(g.Samples) == 0 {
		return
	}
	if first := cleanLines(g.Samples[0].Message); len(first) > 0 {
		p.para(l.dim, 3, first[0])
	}
	if e := g.Samples[0].Expected; e != "" && g.Reason != "missing" && g.Reason != "extra" {
		p.para(l.dim, 3, "expected "+e)
	}
	for i, s := range g.Samples {
		if i == 3 {
			p.to(3).put(l.faint, plural(int64(len(g.Samples)-3), "more sample")).end()
			break
		}
		p.to(3).put(l.accent, s.ID).put(l.text, "  ")
		switch v, found := fieldAt(s.Document, g); {
		case s.Got != "" && g.Reason != "extra":
			p.put(l.dim, "got ").put(l.text, s.Got)
		case found:
			p.put(l.dim, "holds ").bits(inline(l, v, p.room()))
		default:
			p.bits(inline(l, s.Document.Without("_id").Without("_creationTime"), p.room()))
		}
		p.end()
	}
}

// fieldAt is what a document holds at a group's path, where that is a plain one.
func fieldAt(doc value.Object, g plan.Group) (value.Value, bool) {
	path, ok := strings.CutPrefix(groupName(g), g.Table+".")
	if !ok {
		return nil, false
	}
	var v value.Value = doc
	for name := range strings.SplitSeq(path, ".") {
		o, ok := v.(value.Object)
		if !ok {
			return nil, false
		}
		if v, ok = o.Get(name); !ok {
			return nil, false
		}
	}
	return v, true
}
