package ui

import (
	"strings"

	"strait/convex/fleet"
	"strait/plan"
)

// standing is where a row stands in an environment: the state to colour it by,
// and in a word what is next for it, or what holds it up.
type standing struct {
	state  plan.State
	word   string
	run    string // figures of the run that moves; "" when none does
	step   int    // that moves: 0 widen, 1 migrate, 2 narrow
	still  bool   // the run that moves is paused
	others bool   // this Strait did not start it
}

// standIn tells where a row stands in an environment that is looked at: what
// runs or is deployed there, else what stand tells.
func standIn(r *plan.Row, c *plan.Cell, e *fleet.EnvSnapshot) standing {
	at := stand(r, c, e.Runs)
	i := deployStep(e, c)
	if at.state != plan.Running && i < 0 && oldWrites(e, r.Table) > 0 {
		return standing{state: plan.Failed, word: "old docs"}
	}
	if at.state == plan.Running || i < 0 || [3]*plan.Step{&c.Widen, &c.Migrate, &c.Narrow}[i].State == plan.Done {
		return at
	}
	at = standing{state: plan.Running, word: "deploying", step: i}
	if checking(e) {
		at.word, at.run = "checking", checkedShare(e.Validation)
	}
	return at
}

// stand tells where a row stands: what runs, else what failed, else the first
// step that is open.
func stand(r *plan.Row, c *plan.Cell, runs map[string]fleet.Run) standing {
	for _, name := range r.Migrations {
		if run, ok := runs[name]; ok && active(run.State) {
			return standing{state: plan.Running, word: moving(run), run: runFigure(run), step: 1, still: standsStill(run), others: !run.Mine}
		}
	}
	steps := [3]*plan.Step{&c.Widen, &c.Migrate, &c.Narrow}
	for _, s := range steps {
		if s.State == plan.Failed {
			return standing{state: plan.Failed, word: "failed"}
		}
	}
	for i, s := range steps {
		switch s.State {
		case plan.Done, plan.ByHand, "":
			continue
		case plan.Todo:
			return standing{state: s.State, word: todoWord(i, s, runs)}
		case plan.Blocked:
			if s.Next == "deploy" { // not for what comes before it, but for code
				return standing{state: s.State, word: "deploy"}
			}
		}
		return standing{state: s.State, word: string(s.State)}
	}
	return standing{state: plan.Done, word: "done"}
}

// todoWord says what moves an open step: for migrate it depends on what ran.
func todoWord(step int, s *plan.Step, runs map[string]fleet.Run) string {
	if step != 1 {
		return stepNames[step]
	}
	verb, rest, _ := strings.Cut(s.Next, " ")
	name, again, _ := strings.Cut(rest, " ")
	switch {
	case verb == string(plan.ActCensus):
		return "count" // all ran, nothing is proven
	case verb == "write":
		return "write" // no migration covers it
	case again != "":
		return "rerun" // it ended, and documents are left
	}
	if r := runs[name]; r.State == "canceled" || stateOf(r) == stoppedState {
		return "resume"
	}
	return stepNames[step]
}

// text is the standing with the figures of its run.
func (s standing) text() string {
	if s.run != "" {
		return s.word + " " + s.run
	}
	return s.word
}

// brief is the standing in few cells: the figures alone, since the glyph says
// that it runs.
func (s standing) brief() string {
	if s.run != "" {
		return s.run
	}
	return s.word
}

// ink is the colour of a standing's word.
func (l *look) ink(s standing) ink {
	if s.still {
		return l.warn
	}
	_, _, k := l.state(s.state)
	return k
}

// moving is the word for a run that moves, or could.
func moving(r fleet.Run) string {
	switch {
	case r.State == "starting":
		return "starts"
	case r.State == "canceling":
		return "stops"
	case standsStill(r):
		return "paused"
	}
	return "running"
}

// runFigure is how far a run is; "" before it is known.
func runFigure(r fleet.Run) string {
	switch {
	case r.State == "starting":
		return ""
	case r.Total > 0 && !r.Range:
		return percent(r.Processed, r.Total)
	}
	return count(r.Processed)
}

// drawCell writes the three steps' glyphs and where the row stands; where
// there is room, every step with its own word.
func (m Root) drawCell(p *pen, c *plan.Cell, at standing, g gridPlan) {
	l := m.l
	open := false // a step before this one is open: what waits for it is quiet
	for i, s := range []*plan.Step{&c.Widen, &c.Migrate, &c.Narrow} {
		glyph, word, k := l.state(s.State)
		switch {
		case i == at.step && at.state == plan.Running && at.still:
			glyph, word, k = l.g.paused, at.brief(), l.warn
		case i == at.step && at.state == plan.Running:
			glyph, word, k = l.g.running, at.brief(), l.run
			if at.others {
				glyph = l.g.others
			}
		case open && (s.State == plan.Blocked || s.State == plan.Todo):
			k = l.faint
		case i == 1 && s.State == plan.Todo && at.word != stepNames[i]:
			word = at.word
		}
		open = open || s.State != plan.Done && s.State != plan.ByHand
		if g.words {
			p.col(k, glyph+" "+word, wordWidths[i])
		} else {
			p.put(k, glyph).put(l.text, " ")
		}
	}
	if g.words {
		return
	}
	word := at.text()
	if width(word) > g.cell-8 {
		word = at.brief()
	}
	p.putMax(l.ink(at), word, g.cell-8)
}
