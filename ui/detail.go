package ui

import (
	"fmt"
	"strings"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// drawDetail is the selected row in the selected environment: what changes,
// the checklist with its evidence, and the migrations.
func (m Root) drawDetail(p *pen) {
	l, f := m.l, m.focus()
	if f.row == nil {
		m.drawEnvDetail(p, f)
		return
	}
	where, rest := splitTitle(f.row)
	for i, line := range wrap(clean(where+rest), p.w) {
		if i == 0 && strings.HasPrefix(line, where) {
			p.put(l.strong, where).put(l.text, line[len(where):]).end()
			continue
		}
		p.put(l.text, line).end()
	}
	p.put(l.dim, "in ").put(l.text, f.env.Name)
	if n, ok := f.env.Tables[f.row.Table]; ok {
		p.put(l.dim, " "+l.g.dot+" ").put(l.text, documents(n)).put(l.dim, " in "+f.row.Table)
	}
	p.end()
	p.blank()
	m.drawTrouble(p, f.env)
	m.drawChanges(p, f)
	m.drawChecklist(p, f)
	m.drawStanding(p, f)
	p.blank()
	m.drawMigrations(p, f)
}

// drawShort is the same in few, long lines: for the pane below the grid.
func (m Root) drawShort(p *pen) {
	l, f := m.l, m.focus()
	if f.row == nil || f.cell == nil {
		m.drawEnvDetail(p, f)
		return
	}
	where, rest := splitTitle(f.row)
	p.put(l.strong, where).put(l.text, rest).put(l.dim, " in ").put(l.text, f.env.Name)
	if n, ok := f.env.Tables[f.row.Table]; ok {
		p.put(l.dim, " "+l.g.dot+" "+documents(n))
	}
	p.end()
	next := ""
	for i, s := range []*plan.Step{&f.cell.Widen, &f.cell.Migrate, &f.cell.Narrow} {
		glyph, word, k := l.state(s.State)
		if next != "" && (s.State == plan.Blocked || s.State == plan.Todo) {
			k = l.dim // it waits for the step before it
		}
		text, a := s.Why, ""
		if text == "" {
			text = s.Evidence
		}
		if !s.At.IsZero() {
			a = age(m.now, s.At)
		}
		p.put(k, glyph+" ").col(l.strong, stepNames[i], 9).col(k, word, 9).putMax(l.dim, text, p.room()-width(a)-1)
		p.to(p.w-width(a)).put(l.faint, a).end()
		if next == "" && s.State != plan.Done && s.State != plan.ByHand {
			next = m.nextKey(s, f)
		}
	}
	if next != "" {
		p.to(2).put(l.accent, "next  ").put(l.text, next).end()
	}
	if p.left() > 4 {
		p.blank()
	}
	names := m.choices(f.row)
	for _, name := range names {
		word, wk := m.runState(f.env, name)
		mark := "  "
		if name == f.mig {
			mark = l.g.cursor + " "
		}
		p.put(l.cursor, mark).put(l.text, short(name))
		if name == f.mig {
			p.putMax(l.dim, "  "+definition(f.def), p.room()-width(word)-1)
		}
		p.to(p.w-width(word)).put(wk, word).end()
		if name == f.mig && f.run.Failure != nil && f.run.State == "failed" {
			p.to(2).put(l.bad, f.run.Failure.Summary).end()
		}
	}
	if len(names) == 0 {
		p.to(2).put(l.warn, "no migration covers this change yet").end()
	}
}

var stepNames = [3]string{"widen", "migrate", "narrow"}

// drawTrouble says why an environment tells nothing, or nothing new.
func (m Root) drawTrouble(p *pen, e *fleet.EnvSnapshot) {
	l := m.l
	switch e.State {
	case fleet.Broken:
		p.para(l.bad, 0, l.g.failed+" "+e.Name+" cannot be reached")
	case fleet.Lost:
		p.para(l.warn, 0, l.g.blocked+" the connection to "+e.Name+" is lost; Strait keeps trying")
	default:
		return
	}
	for _, line := range cleanLines(e.Err) {
		p.para(l.text, 2, line)
	}
	p.to(2).put(l.key, "ctrl+r").put(l.dim, " tries again").end()
	p.blank()
}

// changesHere are the row's changes as this environment has them before it.
func changesHere(f focus) (changes []plan.Change, pending bool) {
	if f.envPlan != nil {
		for _, c := range f.envPlan.Changes {
			if c.Table == f.row.Table && c.Path == f.row.Path {
				changes = append(changes, c)
			}
		}
	}
	if len(changes) > 0 {
		return changes, true
	}
	return f.row.Changes[:min(1, len(f.row.Changes))], false
}

func (m Root) drawChanges(p *pen, f focus) {
	l := m.l
	changes, pending := changesHere(f)
	if len(changes) == 0 {
		if len(f.row.Changes) == 0 && len(f.row.Migrations) > 0 {
			p.para(l.dim, 0, "a migration without a visible change of the schema: its driver's word is all that shows how far it is")
			p.blank()
		}
		return
	}
	p.head("CHANGE")
	for i, c := range changes {
		if i == 3 {
			p.put(l.faint, plural(int64(len(changes)-3), "more change")).end()
			break
		}
		if c.Before != "" {
			m.signed(p, l.del, "- ", c.Before)
		}
		if c.After != "" {
			m.signed(p, l.add, "+ ", c.After)
		}
		if c.Before == "" && c.After == "" {
			p.para(l.text, 0, c.Message)
		}
		if !pending {
			continue
		}
		if c.Why != "" {
			p.para(l.dim, 0, c.Why)
		}
	}
	if !pending && f.env.State == fleet.Ready {
		p.para(l.dim, 0, "already deployed here; other environments still have it before them")
	}
	p.blank()
}

// signed writes a validator after its sign, in at most four lines.
func (m Root) signed(p *pen, k ink, sign, text string) {
	lines := wrap(clean(text), p.w-2)
	for i, line := range lines {
		if i == 4 {
			p.to(2).put(k, m.l.g.ellipsis).end()
			return
		}
		if i == 0 {
			p.put(k, sign)
		}
		p.to(2).put(k, line).end()
	}
}

func (m Root) drawChecklist(p *pen, f focus) {
	if f.cell == nil {
		return
	}
	p.head("CHECKLIST")
	next, open := "", false
	said := f.env.Err // not repeated step by step
	for i, s := range []*plan.Step{&f.cell.Widen, &f.cell.Migrate, &f.cell.Narrow} {
		step := *s
		if step.Why == said {
			step.Why = ""
		} else if step.Why != "" {
			said = step.Why
		}
		m.drawStep(p, stepNames[i], &step, open)
		open = open || s.State != plan.Done && s.State != plan.ByHand
		if next == "" && s.State != plan.Done && s.State != plan.ByHand {
			next = m.nextKey(s, f)
		}
	}
	if next != "" {
		for i, line := range wrap(clean(next), max(1, p.w-8)) {
			if i == 0 {
				p.put(m.l.accent, "  next")
			}
			p.to(8).put(m.l.text, line).end()
		}
	}
}

// nextKey says which key takes the step that the plan names.
func (m Root) nextKey(s *plan.Step, f focus) string {
	verb, _, _ := strings.Cut(s.Next, " ")
	say := map[string]string{
		string(plan.ActWiden):  "w deploys the widened schema",
		string(plan.ActNarrow): "n deploys the target schema",
		string(plan.ActCensus): "v counts what does not fit",
		string(plan.ActRun):    "r runs " + short(f.mig),
		string(plan.ActDryRun): "d makes a dry run",
		string(plan.ActCancel): "c cancels it",
	}[verb]
	switch {
	case s.State == plan.Failed:
		say = "enter shows where, then r resumes"
	case verb == string(plan.ActRun) && f.dry == nil && f.def != nil && f.run.State == "canceled":
		say = "d tries it dry, then r resumes it"
	case verb == string(plan.ActRun) && f.dry == nil:
		say = "d tries it dry, then r runs it"
	}
	if say == "" {
		return s.Next
	}
	return say
}

// drawStep is a step's line, and below it why or by what evidence. A step that
// only waits for the one before it is quiet.
func (m Root) drawStep(p *pen, name string, s *plan.Step, waits bool) {
	l := m.l
	glyph, word, k := l.state(s.State)
	waits = waits && (s.State == plan.Blocked || s.State == plan.Todo)
	if waits {
		k = l.dim
	}
	p.put(k, glyph+" ").col(l.strong, name, 9).put(k, word)
	if !s.At.IsZero() {
		a := age(m.now, s.At)
		if p.room() > width(a)+1 {
			p.to(p.w-width(a)).put(l.faint, a)
		}
	}
	p.end()
	for _, text := range []string{s.Why, s.Evidence} {
		if text == "" || p.left() < 1 {
			continue
		}
		k := l.dim
		if text == s.Why && !waits && (s.State == plan.Failed || s.State == plan.Blocked) {
			k = l.text
		}
		lines := wrap(clean(text), p.w-2)
		for i, line := range lines {
			if i == 3 {
				break
			}
			if i == 2 && len(lines) > 3 {
				line += l.g.ellipsis
			}
			p.to(2).put(k, line).end()
		}
	}
}

func (m Root) drawMigrations(p *pen, f focus) {
	l := m.l
	names := m.choices(f.row)
	if len(names) == 0 {
		p.head("MIGRATION")
		p.para(l.warn, 0, "none covers this change yet")
		p.para(l.dim, 0, "write one with migrations.define and it shows up here")
		return
	}
	head := "MIGRATION"
	if len(names) > 1 {
		head = fmt.Sprintf("MIGRATIONS  %d, [ and ] pick", len(names))
	}
	p.head(head)
	indent := 2 * min(1, len(names)-1)
	for _, name := range names {
		mark := "  "
		k := l.text
		if name == f.mig {
			mark, k = l.g.cursor+" ", l.strong
		}
		if len(names) == 1 {
			mark = ""
		}
		p.put(l.cursor, mark)
		word, wk := m.runState(f.env, name)
		p.putMax(k, short(name), p.room()-width(word)-2)
		p.to(p.w-width(word)).put(wk, word).end()
		if name == f.mig {
			p.para(l.dim, indent, definition(f.def))
			if f.run.Failure != nil && f.run.State == "failed" {
				m.drawFailed(p, indent, f)
			}
		}
	}
}

// drawFailed is in few lines why the run failed; the checklist above may have
// said the reason already.
func (m Root) drawFailed(p *pen, indent int, f focus) {
	l, x := m.l, f.run.Failure
	if f.cell == nil || !strings.Contains(f.cell.Migrate.Why, x.Summary) {
		p.para(l.bad, indent, x.Summary)
	}
	if x.Frame != "" {
		p.to(indent).put(l.dim, "at ").put(l.accent, x.Frame).end()
	}
	if x.Document != "" {
		p.to(indent).put(l.dim, "on ").put(l.accent, x.Document).end()
	}
}

// definition is a migration's definition in a line.
func definition(d *project.Migration) string {
	if d == nil {
		return "not defined in this working tree"
	}
	var out []string
	switch {
	case len(d.Series) > 0:
		out = append(out, fmt.Sprintf("series of %d", len(d.Series)))
	default:
		out = append(out, string(d.Driver))
	}
	if d.Table != "" {
		out = append(out, d.Table)
	}
	if d.BatchSize > 0 {
		out = append(out, "batch "+count(int64(d.BatchSize)))
	}
	if d.CustomRange {
		out = append(out, "own range")
	}
	if d.Parallelize {
		out = append(out, "parallel")
	}
	if d.File != "" {
		out = append(out, fmt.Sprintf("%s:%d", d.File, d.Line))
	}
	return strings.Join(out, ", ")
}

// runState is a migration's state in an environment as a glyph and a word.
func (m Root) runState(e *fleet.EnvSnapshot, name string) (string, ink) {
	r := e.Runs[name]
	switch {
	case r.State == "" && e.State != fleet.Ready:
		return m.runWords("unknown")
	case r.State == "" && byHand(m.definition(name)):
		return m.l.g.unknown + " no record", m.l.dim
	}
	glyph, word, k := m.runGlyph(stateOf(r))
	switch {
	case standsStill(r):
		glyph, word, k = m.l.g.paused, "paused", m.l.warn
		if r.Total > 0 {
			word += ", " + percent(r.Processed, r.Total)
		}
	case active(r.State) && r.Total > 0:
		word = percent(r.Processed, r.Total)
		if !r.Mine {
			glyph = m.l.g.others
		}
	case r.State == "success" || r.State == "failed" || r.State == "canceled" || stateOf(r) == stoppedState:
		word += ", " + count(r.Processed)
	}
	return glyph + " " + word, k
}

// byHand reports whether a migration is a function without a package, which
// leaves no record in its deployment: only what this Strait runs is known.
func byHand(d *project.Migration) bool {
	return d != nil && !d.Runner && (d.Driver == project.PagedDriver || d.Driver == project.OneshotDriver)
}

// stoppedState is shown of a run that made progress and that no worker of the
// component runs: the component has no word for it (convex-wire.md 13.1).
const stoppedState = "stopped"

func stateOf(r fleet.Run) string {
	if r.State == "unknown" && r.Processed > 0 {
		return stoppedState
	}
	return r.State
}

// runWords is a run's state in glyph and word, without figures.
func (m Root) runWords(state string) (string, ink) {
	glyph, word, k := m.runGlyph(state)
	return glyph + " " + word, k
}

func (m Root) runGlyph(state string) (glyph, word string, k ink) {
	l := m.l
	switch state {
	case "":
		return l.g.todo, "never run", l.dim
	case "starting":
		return l.g.running, "starting", l.run
	case "inProgress":
		return l.g.running, "running", l.run
	case "canceling":
		return l.g.running, "cancelling", l.warn
	case "success":
		return l.g.done, "success", l.ok
	case "failed":
		return l.g.failed, "failed", l.bad
	case "canceled":
		return l.g.blocked, "canceled", l.warn
	case stoppedState:
		return l.g.blocked, "stopped", l.warn
	}
	return l.g.unknown, "unknown", l.dim
}

// drawEnvDetail is the environment itself, when no row is selected.
func (m Root) drawEnvDetail(p *pen, f focus) {
	l := m.l
	if f.env == nil {
		return
	}
	p.put(l.strong, f.env.Name).put(l.dim, after("  ", f.env.Deployment)).end()
	p.blank()
	m.drawTrouble(p, f.env)
	if f.envPlan == nil {
		return
	}
	p.head("CHECKLIST")
	m.drawSteps(p, f.envPlan)
}

// drawSteps is the checklist of a whole environment.
func (m Root) drawSteps(p *pen, e *plan.EnvPlan) {
	m.drawStep(p, "widen", &e.Widen, false)
	m.drawStep(p, "migrate", &e.Migrate, e.Widen.State != plan.Done)
	m.drawStep(p, "narrow", &e.Narrow, e.Migrate.State != plan.Done)
}
