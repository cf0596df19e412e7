package value

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Display prints v as Convex prints values in its error texts (convex-wire.md
// 7.4): {a: 1.0, b: [2, "three"]}. It is the text of the whole value, however
// long.
func Display(v Value) string {
	return string(display(nil, v, math.MaxInt))
}

// Brief is Display cut to at most so many characters, at a cost that does not
// grow with v. A text that is cut ends in "…".
func Brief(v Value, most int) string {
	text := string(display(nil, v, 4*most))
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:max(most-1, 0)]) + "…"
}

// display appends v. Beyond most bytes it stops at the next value.
func display(b []byte, v Value, most int) []byte {
	if len(b) > most {
		return b
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return append(b, displayFloat(v)...)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case string:
		return displayString(b, v, most)
	case Bytes:
		if room := max(most-len(b), 0); len(v) > room {
			v = v[:room]
		}
		b = append(b, `b"`...)
		return append(base64.StdEncoding.AppendEncode(b, v), '"')
	case Array:
		b = append(b, '[')
		for i, e := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			if b = display(b, e, most); len(b) > most {
				return b
			}
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		for i, f := range v {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(append(b, f.Name...), ": "...)
			if b = display(b, f.Value, most); len(b) > most {
				return b
			}
		}
		return append(b, '}')
	case Undefined:
		return append(b, "undefined"...)
	}
	panic(notValue(v))
}

// displayFloat prints as Rust's {:?} does.
func displayFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if abs := math.Abs(f); abs >= 1e16 || abs < 1e-4 && f != 0 {
		return string(appendExponent(nil, f))
	}
	return string(appendDecimal(nil, f))
}

// displayString quotes as Rust's {:?} does.
func displayString(b []byte, s string, most int) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case len(b) > most:
			return b
		case r == '"':
			b = append(b, `\"`...)
		case r != '\\' && plain(r):
			b = utf8.AppendRune(b, r)
		default:
			b = append(b, escapeRune(r)...)
		}
	}
	return append(b, '"')
}

// escapeRune is one character as Rust's {:?} prints it between single quotes.
func escapeRune(r rune) string {
	switch r {
	case 0:
		return `\0`
	case '\t':
		return `\t`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\\':
		return `\\`
	case '\'':
		return `\'`
	}
	if plain(r) {
		return string(r)
	}
	return fmt.Sprintf(`\u{%x}`, r)
}

// plain reports whether Rust prints the character as it is: not when it is
// invisible or joins the one before it.
func plain(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= ' ' && r < 0x7f
	}
	return unicode.IsPrint(r) && !unicode.In(r, unicode.Mn, unicode.Me, unicode.Other_Grapheme_Extend)
}
