package wire

import (
	"strings"
	"unicode/utf8"
)

// CleanText takes out of foreign text what a terminal would obey: escape
// sequences go whole, other control characters become U+FFFD, a carriage
// return goes. Line breaks and tabs stay. Text that needs none of it is
// returned as it is.
func CleanText(text string) string {
	if harmless(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == 0x1b || r >= 0x80 && r < 0xa0 && n == 2:
			i += escapeLen(text[i:], r, n)
			continue
		case r == '\r':
		case control(r) || r == utf8.RuneError && n == 1:
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}

func control(r rune) bool {
	return r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0
}

func harmless(text string) bool {
	for i, r := range text {
		if control(r) {
			return false
		}
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// escapeLen is the length of the escape sequence at the start of text (ECMA-48
// 5.3 to 5.6): r is its first rune, ESC or a C1 control, n bytes long.
func escapeLen(text string, r rune, n int) int {
	kind := byte(r - 0x40) // a C1 control is ESC and the byte 0x40 below
	if r == 0x1b {
		if n == len(text) {
			return n
		}
		kind = text[n]
		if kind < 0x20 || kind > 0x7e {
			return n // ESC before what is no part of a sequence
		}
		n++
	}
	switch kind {
	case '[': // CSI: parameters, then one final byte
		for n < len(text) && text[n] >= 0x20 && text[n] <= 0x3f {
			n++
		}
		if n < len(text) && text[n] >= 0x40 && text[n] <= 0x7e {
			n++
		}
	case ']', 'P', 'X', '^', '_': // a string, up to ST, BEL or the line's end
		for n < len(text) {
			switch {
			case text[n] == '\a':
				return n + 1
			case strings.HasPrefix(text[n:], "\x1b\\"), strings.HasPrefix(text[n:], "\u009c"):
				return n + 2
			case text[n] == '\n':
				return n
			}
			n++
		}
	default: // intermediates, then one final byte
		for r == 0x1b && kind >= 0x20 && kind <= 0x2f && n < len(text) && text[n] >= 0x20 && text[n] <= 0x7e {
			kind = text[n]
			n++
		}
	}
	return n
}
