package wire

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"strait/model/value"
)

// ParseInspect reads the text of one console argument (5.3) back into a
// value: object-inspect's output, on one line or indented over several.
//
// What such a text leaves out cannot be read back: a truncated line, a nested
// object printed as "[Object]", bytes. That is an error which names it and the
// place. A field that is undefined is absent, as in a document.
func ParseInspect(text string) (value.Value, error) {
	p := &inspectParser{text: text}
	p.space()
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.text) {
		return nil, p.fail("expected the end")
	}
	return v, nil
}

const maxInspectDepth = 100

type inspectParser struct {
	text string
	at   int
}

func (p *inspectParser) fail(format string, args ...any) error {
	line := 1 + strings.Count(p.text[:p.at], "\n")
	column := 1 + p.at - (strings.LastIndexByte(p.text[:p.at], '\n') + 1)
	return fmt.Errorf("read logged value, line %d column %d: %s", line, column, fmt.Sprintf(format, args...))
}

func (p *inspectParser) space() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

// eat takes s if it comes next.
func (p *inspectParser) eat(s string) bool {
	if strings.HasPrefix(p.text[p.at:], s) {
		p.at += len(s)
		return true
	}
	return false
}

func (p *inspectParser) value(depth int) (value.Value, error) {
	if depth > maxInspectDepth {
		return nil, p.fail("nested too deep")
	}
	if p.at >= len(p.text) {
		return nil, p.fail("the text ends here: it was cut")
	}
	switch c := p.text[p.at]; {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '\'' || c == '"':
		return p.quoted(c)
	case c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9':
		return p.number()
	}
	return p.word(depth)
}

// word reads a bare word, or an object with its class in front of it.
func (p *inspectParser) word(depth int) (value.Value, error) {
	start := p.at
	word := p.identifier()
	switch word {
	case "":
		return nil, p.fail("unexpected %q", firstRune(p.text[p.at:]))
	case "null":
		return nil, nil
	case "undefined":
		return value.Undefined{}, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "NaN":
		return math.NaN(), nil
	case "Infinity":
		return math.Inf(1), nil
	}
	p.space()
	if p.at < len(p.text) && p.text[p.at] == '{' && !opaque[word] {
		return p.object(depth) // an instance of a class: its fields are what a document would hold
	}
	p.at = start
	return nil, p.fail("%s is printed without its contents", word)
}

// opaque classes print no fields of their own.
var opaque = map[string]bool{"ArrayBuffer": true, "Map": true, "Set": true, "WeakMap": true, "WeakSet": true, "Promise": true}

func (p *inspectParser) identifier() string {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c == '_' || c == '$' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || p.at > start && c >= '0' && c <= '9' {
			p.at++
			continue
		}
		break
	}
	return p.text[start:p.at]
}

func firstRune(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return s[:n]
}

func (p *inspectParser) object(depth int) (value.Value, error) {
	p.at++ // {
	var fields []value.Field
	for {
		p.space()
		if p.eat("}") {
			return value.NewObject(fields...), nil
		}
		if p.at >= len(p.text) {
			return nil, p.fail("the text ends inside an object: it was cut")
		}
		name, err := p.key()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.eat(":") {
			return nil, p.expected(`":" after the field's name`)
		}
		p.space()
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if _, absent := v.(value.Undefined); !absent {
			fields = append(fields, value.Field{Name: name, Value: v})
		}
		if err := p.separator("}"); err != nil {
			return nil, err
		}
	}
}

func (p *inspectParser) expected(what string) error {
	if p.at >= len(p.text) {
		return p.fail("expected %s: the text was cut", what)
	}
	return p.fail("expected %s, got %q", what, firstRune(p.text[p.at:]))
}

// separator takes a comma, or leaves the closing bracket for its reader.
func (p *inspectParser) separator(closing string) error {
	p.space()
	if p.eat(",") || strings.HasPrefix(p.text[p.at:], closing) {
		return nil
	}
	return p.expected(`"," or "` + closing + `"`)
}

func (p *inspectParser) key() (string, error) {
	if c := p.text[p.at]; c == '\'' || c == '"' {
		return p.quoted(c)
	}
	start := p.at
	// Unquoted names are word characters only, digits first included.
	for p.at < len(p.text) {
		c := p.text[p.at]
		if c != '_' && c != '$' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			break
		}
		p.at++
	}
	if p.at == start {
		return "", p.expected("a field's name")
	}
	return p.text[start:p.at], nil
}

func (p *inspectParser) array(depth int) (value.Value, error) {
	for _, hidden := range []string{"[Object", "[Array", "[Circular", "[Function", "[Symbol", "[Getter", "[Setter"} {
		rest := p.text[p.at:]
		if strings.HasPrefix(rest, hidden) {
			word, _, _ := strings.Cut(rest, "]")
			return nil, p.fail("%s] is printed without its contents", word)
		}
	}
	p.at++ // [
	out := value.Array{}
	for {
		p.space()
		if p.eat("]") {
			return out, nil
		}
		if p.at >= len(p.text) {
			return nil, p.fail("the text ends inside an array: it was cut")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if err := p.separator("]"); err != nil {
			return nil, err
		}
	}
}

func (p *inspectParser) quoted(quote byte) (string, error) {
	p.at++
	var b strings.Builder
	for p.at < len(p.text) {
		c := p.text[p.at]
		switch c {
		case quote:
			p.at++
			if p.eat("...") {
				return "", p.fail("the string was cut")
			}
			return strings.ToValidUTF8(b.String(), "\uFFFD"), nil
		case '\\':
			if err := p.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
			p.at++
		}
	}
	return "", p.fail("the text ends inside a string: it was cut")
}

func (p *inspectParser) escape(b *strings.Builder) error {
	p.at++ // backslash
	if p.at >= len(p.text) {
		return p.fail("the text ends inside a string: it was cut")
	}
	c := p.text[p.at]
	p.at++
	switch c {
	case 'n':
		b.WriteByte('\n')
	case 't':
		b.WriteByte('\t')
	case 'r':
		b.WriteByte('\r')
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'v':
		b.WriteByte('\v')
	case 'x':
		n, err := p.hex(2)
		if err != nil {
			return err
		}
		b.WriteRune(n)
	case 'u':
		n, err := p.hex(4)
		if err != nil {
			return err
		}
		if utf16.IsSurrogate(n) && p.eat(`\u`) {
			low, err := p.hex(4)
			if err != nil {
				return err
			}
			n = utf16.DecodeRune(n, low)
		}
		b.WriteRune(n)
	default:
		b.WriteByte(c)
	}
	return nil
}

func (p *inspectParser) hex(digits int) (rune, error) {
	if p.at+digits > len(p.text) {
		return 0, p.fail("the text ends inside an escape: it was cut")
	}
	n, err := strconv.ParseUint(p.text[p.at:p.at+digits], 16, 32)
	if err != nil {
		return 0, p.fail("escape %q", p.text[p.at:p.at+digits])
	}
	p.at += digits
	return rune(n), nil
}

func (p *inspectParser) number() (value.Value, error) {
	start := p.at
	for p.at < len(p.text) && strings.IndexByte("+-.0123456789eE", p.text[p.at]) >= 0 {
		p.at++
	}
	text := p.text[start:p.at]
	if (text == "-" || text == "+") && p.eat("Infinity") {
		return math.Inf(map[string]int{"-": -1, "+": 1}[text]), nil
	}
	if p.eat("n") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			p.at = start
			return nil, p.fail("%sn is no 64-bit integer", text)
		}
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.at = start
		return nil, p.fail("%q is no number", text)
	}
	return f, nil
}
