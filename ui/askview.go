package ui

import "slices"

// askView draws the open question as lines of its box.
func (m Root) askView() []string {
	l, a := m.l, m.ask
	w := min(m.w-8, 72)
	p := newPen(l, w, tallest)
	p.blank()
	labelW := 10
	for _, f := range a.facts {
		labelW = min(max(labelW, width(f[0])+2), 16)
	}
	for _, f := range a.facts {
		for i, line := range wrap(clean(f[1]), max(1, w-labelW)) {
			label := f[0]
			if i > 0 {
				label = ""
			}
			p.col(l.dim, label, labelW).put(l.text, line).end()
		}
	}
	if len(a.form.choices) > 0 {
		m.drawForm(p, labelW)
	}
	if len(a.notes) > 0 {
		p.blank()
	}
	for _, n := range a.notes {
		if len(n) > 2 && n[:2] == "  " {
			p.blank()
			p.para(l.accent, 2, n[2:])
			p.blank()
			continue
		}
		p.para(l.text, 0, n)
	}
	m.drawHow(p, labelW)
	m.drawCensusWays(p, labelW)
	if a.shell != "" && a.kind == askAction && m.h >= 20 {
		for i, line := range wrap(clean(a.shell), max(1, w-labelW)) {
			label := "same as"
			if i > 0 {
				label = ""
			}
			p.col(l.dim, label, labelW).put(l.accent, line).end()
		}
	}
	all := append(slices.Clone(a.refused), a.warned...)
	for i, r := range all {
		k, sign := l.warn, l.g.blocked
		if i < len(a.refused) {
			k, sign = l.bad, l.g.failed
		}
		if i == 0 || all[i-1].Hint != r.Hint {
			p.blank()
		}
		for j, line := range wrap(clean(r.Why), max(1, w-2)) {
			if j == 0 {
				p.put(k, sign)
			}
			p.to(2).put(l.text, line).end()
		}
		if i+1 == len(all) || all[i+1].Hint != r.Hint { // once for all that it helps
			p.para(l.dim, 2, r.Hint)
		}
	}
	answers := len(p.lines) // from here on: how to answer
	p.blank()
	if out := m.wayOut(); out.key != "" {
		p.put(l.key, out.key).put(l.text, " "+out.label+"   ")
	}
	switch {
	case a.kind == askFile:
		p.put(l.text, "file: ").put(l.strong, tail(a.typed, p.room()-2)).put(l.cursor, l.g.caret).end()
		p.put(l.key, "enter").put(l.text, " write it   ").put(l.key, "esc").put(l.dim, " go back").end()
	case a.kind == askReplace:
		p.put(l.key, "y").put(l.text, " replace it   ").put(l.key, "n").put(l.dim, " another name   ").put(l.key, "esc").put(l.dim, " go back").end()
	case a.kind == askExport:
		p.put(l.text, "file: ").put(l.strong, tail(a.typed, p.room()-2)).put(l.cursor, l.g.caret).end()
		p.put(l.key, "enter").put(l.dim, " goes back to the question with it   ").put(l.key, "esc").put(l.dim, " go back").end()
	case a.kind == askCursor:
		p.put(l.text, "cursor: ").put(l.strong, tail(a.typed, p.room()-2)).put(l.cursor, l.g.caret).end()
		p.put(l.key, "enter").put(l.dim, " goes on to the question   ").put(l.key, "esc").put(l.dim, " go back").end()
	case a.reasoning:
		p.put(l.warn, "reason to go on anyway: ").put(l.strong, a.reason).put(l.cursor, l.g.caret).end()
		p.put(l.dim, "the journal keeps it   ").put(l.key, "enter").put(l.dim, " goes on   ").put(l.key, "esc").put(l.dim, " go back").end()
	case a.overridable() && a.kind != askHow:
		p.put(l.key, "o").put(l.text, " override with a reason   ").put(l.key, "esc").put(l.dim, " go back").end()
	case len(a.refused) > 0 && a.kind != askHow:
		p.put(l.key, "esc").put(l.dim, " go back").end()
	case a.kind == askHow:
		p.put(l.key, "y").put(l.text, " copy the command   ").put(l.key, "esc").put(l.dim, " close").end()
	case a.word != "":
		k := l.warn
		if a.prod {
			k = l.bad
		}
		p.put(k, "type "+a.word+" to "+a.yes+": ").put(l.strong, a.typed).put(l.cursor, l.g.caret)
		if a.typed == a.word {
			p.put(l.dim, "  enter to "+a.yes)
		}
		p.end()
		p.put(l.key, "esc").put(l.dim, " go back")
		m.drawChoices(p)
	case a.cmd.Census != nil:
		p.put(l.key, "enter").put(l.text, " "+a.yes+"   ").put(l.key, "esc").put(l.dim, " go back")
		m.drawChoices(p)
	default:
		p.put(l.key, "y").put(l.text, " "+a.yes+"   ").put(l.key, "n").put(l.dim, " go back")
		m.drawChoices(p)
	}
	p.blank()
	k := l.frame
	if a.prod {
		k = l.bad
	}
	return boxed(l, a.title, k, fitted(l, p.lines, answers, max(3, m.h-4), w), w)
}

// fitted cuts lines down to h. What is before the line tail goes first: a
// question without its answers is of no use.
func fitted(l *look, lines []string, tail, h, w int) []string {
	if len(lines) <= h {
		return lines
	}
	keep := max(0, h-(len(lines)-tail)-1)
	more := newPen(l, w, 1)
	more.put(l.faint, l.g.ellipsis+" a higher window shows the rest").end()
	out := append(append(lines[:keep:keep], more.lines...), lines[tail:]...)
	return out[:min(len(out), h)]
}
