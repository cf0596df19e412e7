package value

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// Display prints v as Convex prints values in its error texts (convex-wire.md
// 7.4): {a: 1.0, b: [2, "three"]}. It is the text of the whole value, however
// long.
func Display(v Value) string {
	var b strings.Builder
	display(&b, v)
	return b.String()
}

func display(b *strings.Builder, v Value) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case float64:
		b.WriteString(displayFloat(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case string:
		displayString(b, v)
	case Bytes:
		b.WriteString(`b"` + base64.StdEncoding.EncodeToString(v) + `"`)
	case Array:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			display(b, e)
		}
		b.WriteByte(']')
	case Object:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(f.Name + ": ")
			display(b, f.Value)
		}
		b.WriteByte('}')
	case Undefined:
		b.WriteString("undefined")
	default:
		panic(notValue(v))
	}
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
func displayString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"':
			b.WriteString(`\"`)
		case r == '\'':
			b.WriteByte('\'')
		default:
			b.WriteString(escapeRune(r))
		}
	}
	b.WriteByte('"')
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
	if !unicode.IsPrint(r) || unicode.In(r, unicode.Mn, unicode.Me, unicode.Other_Grapheme_Extend) {
		return fmt.Sprintf(`\u{%x}`, r)
	}
	return string(r)
}
