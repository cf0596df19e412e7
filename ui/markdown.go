package ui

import (
	"fmt"
	"strings"
)

// mdWriter writes Markdown as GitHub reads it. What comes from a project or a
// deployment goes through text or code, so that it stays what it is: no
// formatting, no HTML, no link.
type mdWriter struct{ strings.Builder }

func (w *mdWriter) head(level int, title string) {
	fmt.Fprintf(w, "%s %s\n\n", strings.Repeat("#", level), title)
}

func (w *mdWriter) para(format string, args ...any) {
	fmt.Fprintf(w, format+"\n\n", args...)
}

func (w *mdWriter) item(format string, args ...any) {
	fmt.Fprintf(w, "- "+format+"\n", args...)
}

// gap ends a list.
func (w *mdWriter) gap() { w.WriteByte('\n') }

// table writes rows, the first of which is the head. Cells are Markdown.
func (w *mdWriter) table(rows [][]string) {
	for i, r := range rows {
		cells := make([]string, len(r))
		for j, c := range r {
			cells[j] = strings.ReplaceAll(c, "|", `\|`)
		}
		w.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		if i == 0 {
			w.WriteString(strings.Repeat("|---", len(r)) + "|\n")
		}
	}
	w.gap()
}

// block writes code between fences that no line of it can close.
func (w *mdWriter) block(language, code string) {
	fence := "```"
	for strings.Contains(code, fence) {
		fence += "`"
	}
	w.WriteString(fence + language + "\n")
	for _, line := range cleanLines(strings.ReplaceAll(code, "\t", "  ")) {
		w.WriteString(line + "\n")
	}
	w.WriteString(fence + "\n\n")
}

// mdSigns are the signs that mean something in a line of Markdown. Those that
// not every reader takes behind a backslash become entities.
const mdSigns = "\\`*_{}[]#"

var mdEntities = map[rune]string{'&': "&amp;", '<': "&lt;", '>': "&gt;", '~': "&#126;", '|': "&#124;"}

// mdText is foreign text as Markdown. Pairs of backticks, with which Convex's
// texts and ours set names apart, stay code.
func mdText(s string) string {
	parts := strings.Split(clean(s), "`")
	var b strings.Builder
	for i, p := range parts {
		switch {
		case i%2 == 1 && i < len(parts)-1 && strings.TrimSpace(p) != "":
			b.WriteString(mdCode(p))
			continue
		case i%2 == 1:
			b.WriteString("\\`")
		case i > 1 && strings.TrimSpace(parts[i-1]) == "":
			b.WriteString("\\`")
		}
		for _, r := range p {
			if e, ok := mdEntities[r]; ok {
				b.WriteString(e)
				continue
			}
			if strings.ContainsRune(mdSigns, r) {
				b.WriteByte('\\')
			}
			b.WriteRune(r)
		}
	}
	return b.String()
}

// mdCode is foreign text as code in a line.
func mdCode(s string) string {
	s = strings.TrimSpace(clean(s))
	if s == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}
