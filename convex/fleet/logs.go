package fleet

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// logEntry reads a log line of an answer, "[LEVEL] text" (convex-wire.md 2.3).
func logEntry(at time.Time, line string) LogEntry {
	if rest, ok := strings.CutPrefix(line, "["); ok {
		if level, text, ok := strings.Cut(rest, "] "); ok && len(level) <= 5 {
			return LogEntry{At: at, Level: level, Text: text, Printed: true}
		}
	}
	return LogEntry{At: at, Level: "LOG", Text: line, Printed: true}
}

func logEntries(at time.Time, lines []string) []LogEntry {
	out := make([]LogEntry, 0, len(lines))
	for _, l := range lines {
		out = append(out, logEntry(at, l))
	}
	return out
}

// failedDocument is how the migrations component names the document on which
// a batch failed; the name is an inspected string, so it may be quoted.
var failedDocument = regexp.MustCompile(`Document failed: ['"]?([0-9a-z]{31,37})\b`)

// anyID is what looks like a document id inside a text that quotes one.
var anyID = regexp.MustCompile(`(?:ID |Id\(|_id: )["'` + "`" + `]([0-9a-z]{31,37})["'` + "`" + `]`)

// failedIn finds the id of the document on which a batch failed.
func failedIn(lines []string, text string) string {
	for _, l := range lines {
		if m := failedDocument.FindStringSubmatch(l); m != nil {
			return m[1]
		}
	}
	for _, re := range []*regexp.Regexp{failedDocument, anyID} {
		if m := re.FindStringSubmatch(text); m != nil {
			return m[1]
		}
	}
	return ""
}

var (
	frame     = regexp.MustCompile(`(?m)^\s+at .*?\(?((?:\.\./)?[^()\s]+\.(?:ts|js|tsx|mts|mjs)):(\d+)(?::\d+)?\)?\s*$`)
	requestID = regexp.MustCompile(`^\[Request ID: [^\]]*\] `)
)

// newFailure reads an error text of a function (convex-wire.md 9.6).
func newFailure(text string) *Failure {
	f := &Failure{Text: strings.TrimSpace(text)}
	lines := strings.Split(f.Text, "\n")
	for _, l := range lines {
		l = strings.TrimSpace(requestID.ReplaceAllString(l, ""))
		if l == "" || l == "Server Error" || strings.HasPrefix(l, "at ") {
			continue
		}
		for {
			short := strings.TrimPrefix(strings.TrimPrefix(l, "Uncaught "), "Error: ")
			if short == l {
				break
			}
			l = short
		}
		f.Summary = cut(l, 300)
		break
	}
	if f.Summary == "" {
		f.Summary = cut(firstLine(f.Text), 300)
	}
	for _, m := range frame.FindAllStringSubmatch(f.Text, -1) {
		if strings.Contains(m[1], "node_modules/") || strings.HasPrefix(m[1], "prelude:") {
			continue // not the project's own
		}
		f.Frame = strings.TrimPrefix(m[1], "../") + ":" + m[2]
		break
	}
	return f
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(line)
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// thousands prints 12,345.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
