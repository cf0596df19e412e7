package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// count prints a number with its thousands set apart: 12,345.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

func documents(n int64) string {
	if n == 1 {
		return "1 document"
	}
	return count(n) + " documents"
}

func notFit(n int64) string {
	if n == 1 {
		return "does not fit"
	}
	return "do not fit"
}

// ago is the age of at, in one unit.
func ago(now, at time.Time) string {
	d := now.Sub(at)
	switch {
	case at.IsZero():
		return "at an unknown time"
	case d < 2*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}

func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "[Request ID:") {
			return line
		}
	}
	return "no text was kept"
}

// Word is the state as people read it.
func (s State) Word() string {
	if s == Todo {
		return "to do"
	}
	return string(s)
}
