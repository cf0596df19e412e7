package ui

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// clean makes foreign text safe for one line of a terminal: escape sequences
// go, a tab or a line break becomes a space, other controls and broken UTF-8
// become U+FFFD, and what has no width or turns the writing direction goes.
// Text that needs none of it is returned as it is.
func clean(s string) string {
	if plain(s) || sound(s) {
		return s
	}
	s = stripCSI(s)
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteRune(utf8.RuneError)
		case r == '\t':
			b.WriteString("  ")
		case r == '\n', r == '\u2028', r == '\u2029':
			b.WriteByte(' ')
		case r == '\r':
		case r < 0x20, r >= 0x7f && r < 0xa0:
			b.WriteRune(utf8.RuneError)
		case hidden(r):
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// plain reports whether s is printable ASCII.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] >= 0x7f {
			return false
		}
	}
	return true
}

// sound reports whether clean would leave s as it is.
func sound(s string) bool {
	for i, r := range s {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || hidden(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// hidden reports whether r shows nothing, or changes how its neighbours show:
// bidi controls, joiners, selectors, tags. Terminals disagree about the width
// of what they join.
func hidden(r rune) bool {
	if r < 0xad {
		return false
	}
	return unicode.Is(unicode.Cf, r) || r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef ||
		r == 0x115f || r == 0x1160 || r == 0x3164 || r == 0xffa0 || r == 0x20e3
}

// stripCSI removes whole colour and cursor sequences (ESC [ … letter). Any
// other escape is left to clean, so that an unfinished one swallows nothing.
func stripCSI(s string) string {
	if !strings.Contains(s, "\x1b[") {
		return s
	}
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		j := i + 2
		for j < len(s) && s[j] >= 0x20 && s[j] < 0x40 {
			j++
		}
		b.WriteString(s[:i])
		if j >= len(s) || s[j] < 0x40 || s[j] > 0x7e {
			b.WriteRune(utf8.RuneError)
			s = s[i+1:]
			continue
		}
		s = s[j+1:]
	}
}

// cleanLines splits foreign text into clean lines.
func cleanLines(s string) []string {
	s = strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n ")
	if s == "" {
		return nil
	}
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = clean(l)
	}
	return lines
}

// width is the number of cells that clean text takes.
func width(s string) int {
	if plain(s) {
		return len(s)
	}
	return ansi.StringWidth(s)
}

// wrap breaks clean text into lines of at most w cells: at spaces where it
// can, else in the middle of a word. An indent is kept on every line.
func wrap(s string, w int) []string {
	if w < 1 {
		return nil
	}
	if width(s) <= w {
		return []string{s}
	}
	text := strings.TrimLeft(s, " ")
	indent := s[:min(len(s)-len(text), w/2, max(0, w-2))] // a wide sign takes two columns
	var out []string
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && width(line)+1+width(word) > w {
			out, line = append(out, line), indent
		}
		if line != indent {
			line += " "
		}
		line += word
		for width(line) > w {
			head := ansi.Truncate(line, w, "")
			if len(head) <= len(indent) {
				return append(out, line) // a sign wider than the line
			}
			out, line = append(out, head), indent+line[len(head):]
		}
	}
	if line != indent {
		out = append(out, line)
	}
	return out
}

// count writes n with a comma between thousands.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	var b strings.Builder
	if n < 0 {
		b.WriteByte('-')
		s = s[1:]
	}
	head := len(s) % 3
	b.WriteString(s[:head])
	for i := head; i < len(s); i += 3 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(s[i : i+3])
	}
	return b.String()
}

func documents(n int64) string {
	return plural(n, "document")
}

// notFit is the verb of so many documents that misfit.
func notFit(n int64) string {
	if n == 1 {
		return "does not fit"
	}
	return "do not fit"
}

// plural counts a noun; many is its plural where an s does not make it.
func plural(n int64, noun string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case len(many) > 0:
		return count(n) + " " + many[0]
	}
	return count(n) + " " + noun + "s"
}

// span writes a duration in two units at most: 0.4s, 12s, 3m 05s, 2h 10m, 3d 4h.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/1e6)
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %dh", int(d.Hours())/24, int(d.Hours())%24)
}

// clock writes a duration in whole seconds, so that a running one is calm.
func clock(d time.Duration) string {
	if d < 10*time.Second {
		return strconv.Itoa(max(0, int(d.Seconds()))) + "s"
	}
	return span(d)
}

// age says how long before now something was, in one unit. After ten seconds
// it counts in fives: a screen that stands still need not be drawn.
func age(now, at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	d := now.Sub(at)
	switch {
	case d < 2*time.Second:
		return "now"
	case d < 10*time.Second:
		return strconv.Itoa(int(d.Seconds())) + "s ago"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())/5*5) + "s ago"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h ago"
	}
	return strconv.Itoa(int(d.Hours())/24) + "d ago"
}

// rate writes documents a second.
func rate(perSecond float64) string {
	switch {
	case perSecond <= 0:
		return ""
	case perSecond < 10:
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return count(int64(perSecond+0.5)) + "/s"
}

// percent never says 100 before the end.
func percent(done, total int64) string {
	if total <= 0 {
		return ""
	}
	p := int(100 * done / total)
	if done < total {
		p = min(p, 99)
	}
	return strconv.Itoa(p) + " %"
}

// shellWord quotes a word for a POSIX shell when it needs it.
func shellWord(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// firstLine is the first line of a text that may hold hints below it.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
