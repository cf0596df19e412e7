package ui

import (
	"slices"

	tea "charm.land/bubbletea/v2"

	"strait/plan"
)

// choice is one thing that a question lets choose.
type choice struct {
	label   string
	options []option
	at      int
}

// option is one answer to a choice, with what it means.
type option struct{ text, note string }

func (c *choice) chosen() option {
	if c.at < 0 || c.at >= len(c.options) {
		return option{}
	}
	return c.options[c.at]
}

// form is the choices of a question. It is a value: what changes is copied.
type form struct {
	choices []choice
	line    int
}

// formKeys are the keys that change a form.
var formKeys = []string{"up", "down", "tab", "left", "right"}

// turned is the form after one of formKeys.
func (f form) turned(key string) form {
	n := 0
	switch key {
	case "up":
		f.line = max(0, f.line-1)
	case "down", "tab":
		f.line = min(len(f.choices)-1, f.line+1)
	case "left":
		n = -1
	case "right":
		n = 1
	}
	f.choices = slices.Clone(f.choices)
	c := &f.choices[f.line]
	c.at = min(max(0, c.at+n), len(c.options)-1)
	return f
}

// pick is the place chosen of a choice, by its label; -1 when there is none.
func (f form) pick(label string) int {
	for _, c := range f.choices {
		if c.label == label {
			return c.at
		}
	}
	return -1
}

// drawForm writes the choices; the line that left and right change is marked.
func (m Root) drawForm(p *pen, labelW int) {
	l := m.l
	for i, c := range m.ask.form.choices {
		o, here := c.chosen(), i == m.ask.form.line
		k, mark := l.text, "  "
		if here {
			k, mark = l.strong, l.g.cursor+" "
		}
		p.col(l.dim, c.label, labelW).put(l.cursor, mark)
		at := p.used
		less, more := " ", " "
		if here && c.at > 0 {
			less = l.g.less
		}
		if here && c.at < len(c.options)-1 {
			more = l.g.more
		}
		p.put(l.key, less+" ").putMax(k, o.text, p.room()-2).put(l.key, " "+more).end()
		if o.note != "" && (here || m.h >= 30) {
			for _, line := range wrap(clean(o.note), max(1, p.w-at-2)) {
				p.to(at+2).put(l.dim, line).end()
			}
		}
	}
}

// formed changes the open question by a key for its form.
func (m Root) formed(f form) (Root, tea.Cmd) {
	m.ask.form = f
	switch m.ask.cmd.Action {
	case plan.ActProve:
		m.ask.cmd = m.proveCommand(f)
	case plan.ActRehearse:
		m.ask = m.rehearseQuestion(m.ask.cmd.Env, f)
	}
	m.ask.shell = m.shell(m.ask.cmd)
	if m.ask.cmd.Action == plan.ActProve {
		return m, nil // it is no environment's, so no gate is before it
	}
	return m.check()
}
