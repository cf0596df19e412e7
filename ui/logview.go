package ui

import (
	"fmt"
	"strings"
	"time"

	"strait/convex/fleet"
)

// logMark is the line that the log view's window begins with while one has
// scrolled up; zero follows the newest. It names an entry, not a place, since
// old entries go as new ones come.
type logMark struct {
	at   time.Time
	text string
	line int // of the entry
}

func (k logMark) follows() bool { return k == logMark{} }

// logLines are the lines of a log in a width, and the entry of each.
func (m Root) logLines(log []fleet.LogEntry, w int) (lines []string, from []int) {
	p := newPen(m.l, w, 1<<20)
	for i, e := range log {
		m.drawEntry(p, e)
		for len(from) < len(p.lines) {
			from = append(from, i)
		}
	}
	return p.lines, from
}

// drawEntry writes one entry of a log, on as many lines as it needs.
func (m Root) drawEntry(p *pen, e fleet.LogEntry) {
	l := m.l
	k, word := l.levels(e.Level)
	p.to(1).put(l.faint, e.At.Format("15:04:05")).to(11).col(k, word, 6)
	at, text := p.used, l.text
	if k != l.dim {
		text = k
	}
	lines := cleanLines(unquoted(e.Text))
	if len(lines) == 0 {
		p.end()
	}
	for _, line := range lines {
		for _, part := range wrap(line, max(8, p.w-at-1)) {
			p.to(at).put(text, part).end()
		}
	}
}

// levels is the ink and the word of a log level.
func (l *look) levels(level string) (ink, string) {
	word := strings.ToLower(level)
	switch word {
	case "warn":
		return l.warn, word
	case "error":
		return l.bad, word
	case "debug":
		return l.faint, word
	}
	return l.dim, word
}

// logWindow is where the log view stands in a log: its lines, the first one shown, and
// the last place it can be rolled to.
func (m Root) logWindow(log []fleet.LogEntry, w, h int) (lines []string, from []int, top, end int) {
	lines, from = m.logLines(log, w)
	end = max(0, len(lines)-max(1, h))
	top = end
	if m.mark.follows() {
		return lines, from, top, end
	}
	entry := 0
	for i, e := range log {
		if !e.At.Before(m.mark.at) {
			entry = i
			if e.At.Equal(m.mark.at) && e.Text == m.mark.text || e.At.After(m.mark.at) {
				break
			}
		}
	}
	for i, x := range from {
		if x >= entry {
			return lines, from, min(i+m.mark.line, end), end
		}
	}
	return lines, from, end, end
}

// moveLog rolls the log view; at its end it follows the newest line.
func (m Root) moveLog(n int) Root {
	log := m.focus().run.Log
	lines, from, top, end := m.logWindow(log, m.w, m.logHeight())
	top = min(max(0, top+n), end)
	if top >= end || len(lines) == 0 {
		m.mark = logMark{}
		return m
	}
	e := log[from[top]]
	m.mark = logMark{at: e.At, text: e.Text}
	for i := top; i > 0 && from[i-1] == from[top]; i-- {
		m.mark.line++
	}
	return m
}

// logHeight is the number of lines of log that the log view shows.
func (m Root) logHeight() int { return max(1, m.bodyHeight()-runHead-1) }

// logBody is the log view: a line of where it stands, then the log.
func (m Root) logBody(w, h int) []string {
	l, log := m.l, m.focus().run.Log
	seen := log
	if m.mark.follows() {
		seen = log[max(0, len(log)-h):] // an entry takes a line at least
	}
	lines, _, top, end := m.logWindow(seen, w, h-1)
	p := newPen(l, w, h)
	switch below := len(lines) - top - (h - 1); {
	case len(log) == 0:
		p.put(l.dim, " nothing was logged").end()
	case top >= end:
		p.put(l.dim, " "+plural(int64(len(log)), "entry", "entries")).put(l.faint, ", the newest last; it follows").end()
	default:
		p.put(l.warn, " held").put(l.dim, fmt.Sprintf(", %s below; ", plural(int64(below), "line"))).put(l.key, "G").put(l.dim, " follows the newest").end()
	}
	if len(lines) > 0 {
		p.lines = append(p.lines, lines[top:min(len(lines), top+h-1)]...)
	}
	return p.fill()
}

// drawLog shows the newest lines of a log in a pane, the newest last.
func (m Root) drawLog(p *pen, log []fleet.LogEntry) {
	l := m.l
	p.to(1).put(l.head, "LOG").end()
	if len(log) == 0 {
		p.put(l.dim, "   nothing was logged").end()
	}
	for _, e := range log[max(0, len(log)-p.left()):] {
		k, _ := l.levels(e.Level)
		if k == l.dim {
			k = l.text
		}
		p.to(1).put(l.faint, e.At.Format("15:04:05")).put(k, "  "+unquoted(e.Text)).end()
	}
}

// unquoted is a log line without the quotes and escapes that Convex puts
// around a text, where it is all there is.
func unquoted(line string) string {
	n := len(line)
	if n <= 2 || line[0] != '\'' || line[n-1] != '\'' || strings.Contains(line, "' '") {
		return line
	}
	return unescape.Replace(line[1 : n-1])
}

var unescape = strings.NewReplacer(`\\`, `\`, `\'`, "'", `\n`, "\n", `\t`, "\t")
