package syntax

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// tokenKind is the kind of a token; punctuation is tPunct with its text.
type tokenKind uint8

const (
	tEOF tokenKind = iota
	tName
	tPrivate // #name
	tString
	tNumber
	tBigInt
	tTemplate // ` only: the parser reads on
	tPunct
)

// token is the current token. text is the name, the punctuation, or the value
// of a string.
type token struct {
	kind       tokenKind
	start, end int
	text       string
	newline    bool // a line ends before it
	escaped    bool // a name written with escapes is no keyword
}

// lexer reads one token at a time; a copy of it is a place to come back to.
type lexer struct {
	text string
	tok  token
}

// syntaxError ends parsing; run catches it.
type syntaxError struct {
	at   int
	text string
}

func (l *lexer) fail(at int, text string) { panic(&syntaxError{at, text}) }

// punctuators, longest first by their first byte. A > stands alone: types end
// with it, and the parser joins >=, >> and the like.
var punctuators = [128][]string{
	'{': {"{"}, '}': {"}"}, '(': {"("}, ')': {")"}, '[': {"["}, ']': {"]"}, ';': {";"}, ',': {","}, ':': {":"}, '~': {"~"}, '@': {"@"}, '>': {">"},
	'.': {"...", "."}, '?': {"??=", "??", "?.", "?"}, '<': {"<<=", "<<", "<=", "<"}, '=': {"===", "==", "=>", "="},
	'!': {"!==", "!=", "!"}, '+': {"++", "+=", "+"}, '-': {"--", "-=", "-"}, '*': {"**=", "**", "*=", "*"}, '/': {"/=", "/"},
	'%': {"%=", "%"}, '&': {"&&=", "&&", "&=", "&"}, '|': {"||=", "||", "|=", "|"}, '^': {"^=", "^"},
}

// advance reads the next token from offset at.
func (l *lexer) advance(at int) {
	at, newline := l.space(at)
	l.tok = token{start: at, end: at, newline: newline}
	if at >= len(l.text) {
		return
	}
	c := l.text[at]
	switch {
	case c == '"' || c == '\'':
		l.string(at)
	case c == '`':
		l.tok.kind, l.tok.end = tTemplate, at+1
	case c >= '0' && c <= '9', c == '.' && at+1 < len(l.text) && isDigit(l.text[at+1]):
		l.number(at)
	case c == '#':
		end, text, _ := l.name(at + 1)
		if text == "" {
			l.fail(at, "unexpected #")
		}
		l.tok.kind, l.tok.text, l.tok.end = tPrivate, l.text[at:end], end
	case c < 128 && punctuators[c] != nil:
		l.punct(at, c)
	default:
		end, text, escaped := l.name(at)
		if text == "" {
			l.fail(at, "unexpected character")
		}
		l.tok.kind, l.tok.text, l.tok.end, l.tok.escaped = tName, text, end, escaped
	}
}

func (l *lexer) punct(at int, c byte) {
	for _, p := range punctuators[c] {
		if strings.HasPrefix(l.text[at:], p) {
			if p == "?." && at+2 < len(l.text) && isDigit(l.text[at+2]) {
				continue // a ? .5 : 1
			}
			l.tok.kind, l.tok.text, l.tok.end = tPunct, p, at+len(p)
			return
		}
	}
}

// space skips white space and comments.
func (l *lexer) space(at int) (end int, newline bool) {
	for at < len(l.text) {
		switch c := l.text[at]; {
		case c == '\n' || c == '\r':
			newline = true
			at++
		case c == ' ' || c == '\t' || c == '\v' || c == '\f':
			at++
		case c == '/' && strings.HasPrefix(l.text[at:], "//"), c == '#' && at == 0 && strings.HasPrefix(l.text, "#!"):
			at = l.lineEnd(at)
		case c == '/' && strings.HasPrefix(l.text[at:], "/*"):
			length := strings.Index(l.text[at+2:], "*/")
			if length < 0 {
				l.fail(at, "a comment that does not end")
			}
			newline = newline || strings.ContainsAny(l.text[at:at+2+length], "\n\u2028\u2029")
			at += length + 4
		case c < utf8.RuneSelf:
			return at, newline
		default:
			r, size := utf8.DecodeRuneInString(l.text[at:])
			if r == '\u2028' || r == '\u2029' {
				newline = true
			} else if r != '\ufeff' && !unicode.Is(unicode.Zs, r) {
				return at, newline
			}
			at += size
		}
	}
	return at, newline
}

func (l *lexer) lineEnd(at int) int {
	if i := strings.IndexByte(l.text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(l.text)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isNamePart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || isDigit(c)
}

// name reads an identifier; text is "" when there is none at at.
func (l *lexer) name(at int) (end int, text string, escaped bool) {
	start := at
	var b strings.Builder
	for at < len(l.text) {
		c := l.text[at]
		if c < utf8.RuneSelf && c != '\\' {
			if !isNamePart(c) || at == start && isDigit(c) {
				break
			}
			if escaped {
				b.WriteByte(c)
			}
			at++
			continue
		}
		if c == '\\' {
			r, next := l.escapedRune(at + 1)
			if next < 0 {
				break
			}
			if !escaped {
				escaped = true
				b.WriteString(l.text[start:at])
			}
			b.WriteRune(r)
			at = next
			continue
		}
		r, size := utf8.DecodeRuneInString(l.text[at:])
		if !unicode.IsLetter(r) && !(at > start && (unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r) || unicode.Is(unicode.Pc, r) || r == '\u200c' || r == '\u200d')) && !unicode.Is(unicode.Nl, r) {
			break
		}
		if escaped {
			b.WriteRune(r)
		}
		at += size
	}
	if escaped {
		return at, b.String(), true
	}
	return at, l.text[start:at], false
}

// escapedRune reads uXXXX or u{X}; next is -1 when it is none.
func (l *lexer) escapedRune(at int) (r rune, next int) {
	if at >= len(l.text) || l.text[at] != 'u' {
		return 0, -1
	}
	at++
	if at < len(l.text) && l.text[at] == '{' {
		end := strings.IndexByte(l.text[at:min(len(l.text), at+10)], '}')
		if end < 2 {
			return 0, -1
		}
		if r = hex(l.text[at+1 : at+end]); r < 0 {
			return 0, -1
		}
		return r, at + end + 1
	}
	if at+4 > len(l.text) {
		return 0, -1
	}
	if r = hex(l.text[at : at+4]); r < 0 {
		return 0, -1
	}
	return r, at + 4
}

// hex reads hexadecimal digits; -1 when they are not.
func hex(digits string) rune {
	var r rune
	for i := 0; i < len(digits); i++ {
		c := digits[i] | 0x20
		switch {
		case isDigit(digits[i]):
			r = r<<4 | rune(digits[i]-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		default:
			return -1
		}
		if r > unicode.MaxRune {
			return -1
		}
	}
	return r
}

func (l *lexer) number(at int) {
	start := at
	hexadecimal := strings.HasPrefix(l.text[at:], "0x") || strings.HasPrefix(l.text[at:], "0X")
	for at < len(l.text) && (isNamePart(l.text[at]) || l.text[at] == '.' ||
		(l.text[at] == '+' || l.text[at] == '-') && (l.text[at-1]|0x20) == 'e' && !hexadecimal) {
		if l.text[at] == '.' && strings.IndexByte(l.text[start:at], '.') >= 0 {
			break // 1..toString()
		}
		at++
	}
	text := l.text[start:at]
	l.tok.kind, l.tok.end = tNumber, at
	if digits, ok := strings.CutSuffix(text, "n"); ok {
		l.tok.kind, text = tBigInt, digits
	}
	l.tok.text = strings.ReplaceAll(text, "_", "")
}

// string reads a string in quotes.
func (l *lexer) string(at int) {
	quote, start := l.text[at], at
	at++
	plain := at
	var b *strings.Builder
	for at < len(l.text) {
		switch c := l.text[at]; c {
		case quote:
			l.tok.kind, l.tok.end = tString, at+1
			if b == nil {
				l.tok.text = l.text[plain:at]
			} else {
				b.WriteString(l.text[plain:at])
				l.tok.text = b.String()
			}
			return
		case '\n', '\r':
			l.fail(start, "a string that does not end")
		case '\\':
			if b == nil {
				b = &strings.Builder{}
			}
			b.WriteString(l.text[plain:at])
			at = l.escape(at+1, b)
			plain = at
		default:
			at++
		}
	}
	l.fail(start, "a string that does not end")
}

var simpleEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', 'v': '\v', '0': 0}

// escape reads what follows a backslash at at and returns the offset after it.
func (l *lexer) escape(at int, b *strings.Builder) int {
	if at >= len(l.text) {
		return at
	}
	c := l.text[at]
	if out, ok := simpleEscapes[c]; ok {
		b.WriteByte(out)
		return at + 1
	}
	switch c {
	case 'x':
		if at+3 <= len(l.text) {
			if r := hex(l.text[at+1 : at+3]); r >= 0 {
				b.WriteRune(r)
				return at + 3
			}
		}
	case 'u':
		if r, next := l.escapedRune(at); next >= 0 {
			b.WriteRune(r)
			return next
		}
	case '\r':
		if at+1 < len(l.text) && l.text[at+1] == '\n' {
			return at + 2
		}
		return at + 1
	case '\n':
		return at + 1
	}
	b.WriteByte(c)
	return at + 1
}

// regex reads a regular expression that begins at at, in place of the / that
// is the current token, and returns the offset after it.
func (l *lexer) regex(at int) int {
	class := false
	for i := at + 1; i < len(l.text); i++ {
		switch l.text[i] {
		case '\\':
			i++
		case '[':
			class = true
		case ']':
			class = false
		case '\n':
			l.fail(at, "a regular expression that does not end")
		case '/':
			if !class {
				for i++; i < len(l.text) && isNamePart(l.text[i]); i++ {
				}
				return i
			}
		}
	}
	l.fail(at, "a regular expression that does not end")
	return 0
}

// templateChunk reads text of a template from at up to its end or to an
// expression; next is the offset after ` or ${.
func (l *lexer) templateChunk(at int) (text string, next int, done bool) {
	start, plain := at, at
	var b strings.Builder
	for at < len(l.text) {
		switch c := l.text[at]; {
		case c == '`':
			b.WriteString(l.text[plain:at])
			return b.String(), at + 1, true
		case c == '$' && at+1 < len(l.text) && l.text[at+1] == '{':
			b.WriteString(l.text[plain:at])
			return b.String(), at + 2, false
		case c == '\\':
			b.WriteString(l.text[plain:at])
			at = l.escape(at+1, &b)
			plain = at
		default:
			at++
		}
	}
	l.fail(start, "a template that does not end")
	return "", 0, true
}
