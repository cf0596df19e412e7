package fleet

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"strait/convex/wire"
)

// maxLine bounds a line of a command's output, in bytes.
const maxLine = 1000

// lines turns what a command writes into clean lines, one call of emit each. A
// carriage return ends a line as well: progress is drawn over and over.
type lines struct {
	secrets []string
	emit    func(string)
	protect bool // documents that a refused push prints are masked

	mu     sync.Mutex
	rest   []byte
	inside bool     // of a document that is printed over several lines
	said   []string // newest last, at most a few
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range p {
		switch {
		case c == '\n' || c == '\r':
			l.end()
		case len(l.rest) < 16*maxLine: // the rest of an endless line is dropped
			l.rest = append(l.rest, c)
		}
	}
	return len(p), nil
}

func (l *lines) flush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end()
}

// end tells the line that is open; empty ones and repeated ones say nothing.
func (l *lines) end() {
	text := cleanLine(string(l.rest), l.secrets)
	if l.protect {
		if l.inside && !afterDocument.MatchString(text) {
			text = ""
		}
		l.inside = text == "" && l.inside
		if at := printedDocument.FindStringIndex(text); at != nil {
			text, l.inside = text[:at[1]]+"<masked>", true
		} else if strings.Contains(text, "does not match") {
			text = withoutValues(text)
		}
	}
	l.rest = l.rest[:0]
	if text == "" || len(l.said) > 0 && l.said[len(l.said)-1] == text {
		return
	}
	l.said = keepLast(append(l.said, text), 8)
	l.emit(text)
}

// A push that is refused prints the document or the value, and then the
// validator or the path that it does not fit (convex-wire.md 7.4, 9.2).
var (
	printedDocument = regexp.MustCompile(`(?:^|\W)(?:Object|Value):(?: |$)`)
	afterDocument   = regexp.MustCompile(`^\W*(?:Validator|Path):(?: |$)`)
)

// last are the last n lines, as one text.
func (l *lines) last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(lastOf(l.said, n), " / ")
}

// keys are what looks like a deploy key, whosever it is.
var keys = regexp.MustCompile(`\b((?:prod|dev|preview|project|custom):[A-Za-z0-9:_.-]+)\|[^\s'"]+`)

// cleanLine takes terminal escapes, control characters and secrets out of a
// line, and cuts it.
func cleanLine(text string, secrets []string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, wire.CleanText(text))
	for _, s := range secrets {
		text = strings.ReplaceAll(text, s, "…")
	}
	text = keys.ReplaceAllString(text, "$1|…")
	return cut(strings.TrimRight(text, " "), maxLine)
}

// secretsOf are the texts that must not be shown of a key, the longest first.
func secretsOf(key string) []string {
	out := []string{key}
	if _, secret, ok := strings.Cut(key, "|"); ok && len(secret) >= 8 {
		out = append(out, secret)
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}
