package ui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"strait/convex/fleet"
	"strait/plan"
)

// askRun fills the question before a run: what it writes, from where on, how
// it is driven.
func (m Root) askRun(a *ask, f focus, add func(k, v string)) {
	e, cmd, name := f.env, &a.cmd, short(f.mig)
	a.title, a.yes = "Run "+name+" in "+e.Name+"?", "run"
	switch {
	case cmd.Cursor != nil:
		a.title = "Run " + name + " in " + e.Name + " from a cursor?"
		add("begins", "at cursor "+*cmd.Cursor)
	case cmd.Reset && f.run.Processed > 0:
		a.title = "Run " + name + " in " + e.Name + " again?"
		add("so far", f.run.State+", "+documents(f.run.Processed)+"; it begins again at the first")
	case f.run.State == "success":
		a.title = "Run " + name + " in " + e.Name + " again?"
		cmd.Reset = true
		add("so far", "success, "+documents(f.run.Processed)+"; it begins again at the first")
	case f.run.State == "failed" || f.run.State == "canceled":
		a.title = "Resume " + name + " in " + e.Name + "?"
		add("so far", documents(f.run.Processed)+", "+f.run.State)
	}
	if cmd.Steps == 1 {
		a.title, a.yes = "Run one batch of "+name+" in "+e.Name+"?", "run one batch"
	}
	add("writes", m.estimate(f))
	if f.def != nil && len(f.def.Series) > 0 {
		add("series", fmt.Sprintf("%d migrations in order", len(f.def.Series)))
	}
	add("dry run", dryRunAge(m.now, f))
	a.size = f.def != nil && len(f.def.Series) == 0 && (f.def.BatchSize > 0 || hasBatches(f.def))
	if a.size && cmd.BatchSize > 0 {
		add("batch", documents(int64(cmd.BatchSize)))
	}
	a.how = choosesHow(f.def) && cmd.Steps == 0
	switch {
	case a.how:
	case cmd.Steps == 1:
		add("how", "supervised: one batch, then it stands paused; s runs the next, p goes on")
	case stopsWithStrait(f.run, f.def, false):
		add("how", "driven by Strait, page by page: it stops when Strait quits")
	}
	if e.Protected {
		a.word = e.Name
	}
}

// drawHow offers the two ways to run.
func (m Root) drawHow(p *pen, labelW int) {
	l, a := m.l, m.ask
	if !a.how {
		return
	}
	if m.h < 20 { // the one that is chosen
		name, what := "in the background", "goes on without Strait"
		switch f, ok := m.focusOf(a.cmd); {
		case a.cmd.Supervised:
			name, what = "supervised", "stops when Strait quits"
		case ok && f.env.Embedded:
			what = "ends with Strait"
		}
		p.col(l.dim, "how", labelW).put(l.strong, name).put(l.dim, ", "+what).end()
		return
	}
	for i, way := range [2]struct{ name, what string }{
		{"in the background", "goes on when Strait quits; c cancels it"},
		{"supervised", "batch by batch from here: pause, step, slow down; stops when Strait quits"},
	} {
		label, mark, k, chosen := "", "  ", l.dim, a.cmd.Supervised == (i == 1)
		if i == 0 {
			label = "how"
			if f, ok := m.focusOf(a.cmd); ok && f.env.Embedded {
				way.what = "the environment drives it; it ends with Strait, as all that is embedded"
			}
		}
		if chosen {
			mark, k = l.g.cursor+" ", l.strong
		}
		p.col(l.dim, label, labelW).put(l.cursor, mark).col(k, way.name, 19)
		at := p.used
		for _, line := range wrap(way.what, max(1, p.w-at)) {
			p.to(at).put(l.dim, line).end()
		}
	}
}

// drawChoices ends the line of answers with the keys that change what the
// question would send, on a line of their own where they need one.
func (m Root) drawChoices(p *pen) {
	l := m.l
	var keys [][2]string
	if len(m.ask.form.choices) > 0 {
		keys = append(keys, [2]string{"up down", " choose"}, [2]string{"left right", " change"})
	}
	if m.ask.cmd.Action == plan.ActRehearse {
		keys = append(keys, [2]string{"f", " other file"})
	}
	if m.ask.how {
		keys = append(keys, [2]string{"tab", " how it runs"})
	}
	if m.ask.size {
		keys = append(keys, [2]string{"up down", " batch size"})
	}
	if o := m.ask.cmd.Census; o != nil {
		keys = append(keys, [2]string{"tab", " how"}, [2]string{"up down", " budget"})
		if o.Sample > 0 {
			keys[1][1] = " sample"
		}
	}
	n := 0
	for _, k := range keys {
		n += 3 + width(k[0]) + width(k[1])
	}
	if n > p.room() {
		p.end()
	}
	for _, k := range keys {
		if p.used > 0 {
			p.put(l.text, "   ")
		}
		p.put(l.key, k[0]).put(l.dim, k[1])
	}
	if p.used > 0 {
		p.end()
	}
}

// runFromStart asks before a run from the first document, whatever was done.
func (m Root) runFromStart() (Root, tea.Cmd) {
	f := m.focus()
	return m.openAsk(fleet.Command{Action: plan.ActRun, Env: m.env, Migration: f.mig, Reset: true, Supervised: m.supervise && choosesHow(f.def), By: "screen"})
}

// runFromCursor asks for a cursor, and then before the run.
func (m Root) runFromCursor() (Root, tea.Cmd) {
	f := m.focus()
	m.ask = ask{kind: askCursor, typed: dryCursor(f), title: "From which cursor is " + short(f.mig) + " to run in " + f.env.Name + "?", prod: f.env.Protected,
		cmd:   fleet.Command{Action: plan.ActRun, Env: m.env, Migration: f.mig, Supervised: m.supervise && choosesHow(f.def), By: "screen"},
		notes: []string{prefilled(f) + "The component's log and its status name cursors. Documents before it are left as they are; the count of documents begins at 0."}}
	return m, nil
}

// prefilled says where the offered cursor comes from.
func prefilled(f focus) string {
	if dryCursor(f) == "" {
		return ""
	}
	return "The cursor offered comes after the page of the dry run, which it passes over; ctrl+u clears it. "
}

// dryCursor is where the page after the one that was tried begins; "" not known.
func dryCursor(f focus) string {
	if f.dry == nil || f.dry.Running || f.dry.Err != nil {
		return ""
	}
	return bounded(f.dry.Cursor)
}

// pressCursor takes a key for the cursor that is being typed.
func (m Root) pressCursor(key, typed string) (Root, tea.Cmd) {
	m, warn, cursor := m.pressLine(key, typed, "type or paste a cursor")
	if cursor == "" {
		return m, warn
	}
	cmd := m.ask.cmd
	cmd.Cursor = &cursor
	return m.openAsk(cmd)
}

// pressLine takes a key for a line that is being typed; line is it, once it was
// entered. what says what to do where it is empty.
func (m Root) pressLine(key, typed, what string) (root Root, cmd tea.Cmd, line string) {
	if key != "enter" {
		m.ask.typed = edit(m.ask.typed, key, typed)
		return m, nil, ""
	}
	if line = strings.TrimSpace(m.ask.typed); line == "" {
		m, cmd = m.tell(toastWarn, what+", then enter; esc goes back")
	}
	return m, cmd, line
}

// runsIn names what runs in an environment.
func (m Root) runsIn(e *fleet.EnvSnapshot) string {
	var names []string
	for _, a := range m.busy.runs {
		if a.env == e.Name {
			names = append(names, short(a.mig))
		}
	}
	if len(names) == 0 {
		return "none that Strait sees; the component is asked for others"
	}
	return strings.Join(names, ", ")
}

// tail is the end of a text, in at most n cells.
func tail(s string, n int) string {
	s = clean(s)
	if w := width(s); w > n && n > 0 {
		return ansi.TruncateLeft(s, w-n, "")
	}
	return s
}
