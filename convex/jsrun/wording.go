package jsrun

import (
	"regexp"
	"strings"
)

// The engine words its own errors differently from Convex's. People search for
// the words they know, and two rehearsed messages are compared with what
// production says, so the frequent ones are put into V8's words.
var wordings = []struct {
	pattern *regexp.Regexp
	words   string
}{
	{regexp.MustCompile(`^cannot read property 'Symbol\.iterator' of (undefined|null)$`), "$1 is not iterable (cannot read property Symbol(Symbol.iterator))"},
	{regexp.MustCompile(`^cannot read property '(.*)' of (undefined|null)$`), "Cannot read properties of $2 (reading '$1')"},
	{regexp.MustCompile(`^cannot set property '(.*)' of (undefined|null)$`), "Cannot set properties of $2 (setting '$1')"},
	{regexp.MustCompile(`^'(.*)' is not defined$`), "$1 is not defined"},
	{regexp.MustCompile(`^'?(\S+?)'? is not initialized$`), "Cannot access '$1' before initialization"},
	{regexp.MustCompile(`^'(.*)' is read-only$`), "Cannot assign to read only property '$1' of object"},
	{regexp.MustCompile(`^circular reference$`), "Converting circular structure to JSON"},
	{regexp.MustCompile(`^cannot convert bigint to number$`), "Cannot mix BigInt and other types, use explicit conversions"},
	{regexp.MustCompile(`^cannot convert symbol to string$`), "Cannot convert a Symbol value to a string"},
	{regexp.MustCompile(`^invalid array length$`), "Invalid array length"},
	{regexp.MustCompile(`^invalid repeat count$`), "Invalid count value"},
	{regexp.MustCompile(`^value is not iterable$`), "object is not iterable (cannot read property Symbol(Symbol.iterator))"},
	{regexp.MustCompile(`^object is not extensible$`), "Cannot add property, object is not extensible"},
}

// reword puts an error's message into V8's words. stack is the engine's text,
// for the name of what was called.
func (p *Program) reword(e *Error, stack string) {
	switch e.Name {
	case "TypeError", "RangeError", "ReferenceError":
	default:
		return
	}
	if e.Message == "not a function" {
		if frames := parseStack(stack); len(frames) > 0 {
			e.Message = p.callee(frames[0])
		}
		return
	}
	for _, w := range wordings {
		if w.pattern.MatchString(e.Message) {
			e.Message = w.pattern.ReplaceAllString(e.Message, w.words)
			return
		}
	}
}

// callee names what was called at a frame of the bundle and is no function.
func (p *Program) callee(f rawFrame) string {
	const plain = "not a function"
	line := p.line(f.line - bundleLine)
	if f.column < 1 || f.column > len(line) {
		return plain
	}
	begin, end := f.column-1, f.column-1
	for begin > 0 && (identifier(line[begin-1]) || line[begin-1] == '.') {
		begin--
	}
	for end < len(line) && identifier(line[end]) {
		end++
	}
	name := strings.Trim(line[begin:end], ".")
	switch {
	case name == "" || name == "await" || name == "return":
		return plain
	case strings.HasSuffix(line[:begin], "new "):
		return name + " is not a constructor"
	case begin > 0 && (line[begin-1] == ')' || line[begin-1] == ']'):
		name = "(intermediate value)." + name
	}
	return name + " is not a function"
}

func identifier(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// line is a line of the bundle, 1-based.
func (p *Program) line(n int) string {
	if n < 1 {
		return ""
	}
	rest := p.text
	for ; n > 1; n-- {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return ""
		}
		rest = after
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
