package ui

import (
	"strconv"

	"strait/convex/fleet"
	"strait/plan"
)

// deploying reports whether a deploy that this Strait began is under way.
func deploying(e *fleet.EnvSnapshot) bool { return e.Deploy != nil && e.Deploy.Ended.IsZero() }

// checking reports whether a schema is being checked against the documents,
// whoever pushed it.
func checking(e *fleet.EnvSnapshot) bool { return e.Validation != nil && e.Validation.Err == "" }

// deployWord is what goes on with an environment's schema in a few cells; ""
// when nothing does.
func deployWord(e *fleet.EnvSnapshot) string {
	switch {
	case checking(e):
		return "checking" + after(" ", checkedShare(e.Validation))
	case deploying(e):
		return "deploying"
	}
	return ""
}

func checkedShare(v *fleet.Validation) string {
	if v.Total <= 0 {
		return ""
	}
	return percent(min(v.Checked, v.Total), v.Total)
}

// deployStep is the step that a deploy or a check under way is about: 0 widen,
// 2 narrow; -1 none. Of a push from elsewhere it is the next that is open.
func deployStep(e *fleet.EnvSnapshot, c *plan.Cell) int {
	switch {
	case e == nil || !deploying(e) && !checking(e):
		return -1
	case deploying(e) && e.Deploy.Action == plan.ActWiden, !deploying(e) && c.Widen.State != plan.Done:
		return 0
	}
	return 2
}

// drawValidation is how far the check of a pushed schema is.
func (m Root) drawValidation(p *pen, f focus) {
	l, v := m.l, f.env.Validation
	if v == nil {
		return
	}
	note := ""
	if v.Component != "" {
		note = "component " + v.Component
	}
	m.section(p, "SCHEMA CHECK", note)
	if v.Err != "" {
		p.to(2).put(l.bad, l.g.failed+" the schema did not become active").end()
		for _, line := range cleanLines(v.Err) {
			p.para(l.text, 4, line)
		}
		p.to(2).put(l.key, "v").put(l.dim, " counts all documents that do not fit").end()
		p.blank()
		return
	}
	p.to(2).put(l.run, m.spinner()+" ").put(l.strong, count(v.Checked))
	if v.Total > 0 {
		p.put(l.text, " of "+documents(v.Total))
	} else {
		p.put(l.text, " documents")
	}
	p.put(l.text, " checked").put(l.dim, after("  since ", clockSince(m, v)))
	p.end()
	if v.Total > 0 {
		m.bar(p, l.run, min(v.Checked, v.Total), v.Total, checkedShare(v))
	}
	p.blank()
}

func clockSince(m Root, v *fleet.Validation) string {
	if v.Since.IsZero() {
		return ""
	}
	return clock(m.now.Sub(v.Since))
}

// shownOutput is how many lines of a deploy's output are shown while it goes
// well.
const shownOutput = 10

// drawDeploy is the newest deploy that Strait began: its command, what it
// wrote, how it ended, and whether the schema is active.
func (m Root) drawDeploy(p *pen, f focus) {
	l, d := m.l, f.env.Deploy
	if d == nil {
		return
	}
	what := "the widened schema"
	step := (*plan.Step)(nil)
	if f.envPlan != nil {
		step = &f.envPlan.Widen
	}
	if d.Action == plan.ActNarrow {
		what = "the target schema"
		if f.envPlan != nil {
			step = &f.envPlan.Narrow
		}
	}
	m.section(p, "DEPLOY", what)
	p.to(2)
	switch {
	case deploying(f.env):
		p.put(l.run, m.spinner()+" under way").put(l.dim, ", started "+age(m.now, d.Started)).end()
	case d.Err != "":
		p.put(l.bad, l.g.failed+" failed").put(l.dim, " "+age(m.now, d.Ended)).end()
	default:
		p.put(l.ok, l.g.done+" ended well").put(l.dim, " "+age(m.now, d.Ended)+", took "+span(d.Ended.Sub(d.Started))).end()
	}
	if d.Command != "" {
		p.to(2).put(l.faint, "$ ").put(l.accent, d.Command).end()
	}
	n := shownOutput
	if d.Err != "" {
		n = 4 * shownOutput
	}
	if len(d.Output) > n {
		p.to(4).put(l.faint, strconv.Itoa(len(d.Output)-n)+" earlier lines").end()
	}
	for _, e := range d.Output[max(0, len(d.Output)-n):] {
		k, _ := l.levels(e.Level)
		p.para(k, 4, e.Text)
	}
	for _, line := range cleanLines(d.Err) {
		p.para(l.bad, 2, line)
	}
	switch {
	case deploying(f.env) || d.Err != "":
	case step != nil && step.State == plan.Done:
		p.to(2).put(l.ok, l.g.done+" "+what+" is active").end()
	default:
		p.to(2).put(l.dim, "waiting until "+f.env.Name+" says that "+what+" is active").end()
	}
	if d.Err != "" {
		key := "w"
		if d.Action == plan.ActNarrow {
			key = "n"
		}
		p.to(2).put(l.key, key).put(l.dim, " deploys again").end()
	}
	p.blank()
}

// watchDeploy opens the page that shows what a deploy's command writes.
func (m Root) watchDeploy(cmd fleet.Command) Root {
	if f, ok := m.focusOf(cmd); !ok || f.env.Command == "" || m.page == envPage {
		return m
	}
	m.env = cmd.Env
	return m.visit(envPage)
}
