package value

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Script is v as a person writes it in TypeScript, {a: 1, b: [2n, "three"]},
// cut to at most so many characters at a cost that does not grow with v. A text
// that is cut ends in "…". Bytes, for which TypeScript has no literal, are
// b"base64".
func Script(v Value, most int) string {
	text := string(script(nil, v, 4*most))
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:max(most-1, 0)]) + "…"
}

// script appends v. Beyond most bytes it stops at the next value.
func script(b []byte, v Value, most int) []byte {
	room := max(most-len(b), 0)
	switch v := v.(type) {
	case float64:
		return append(b, scriptNumber(v)...)
	case int64:
		return append(strconv.AppendInt(b, v, 10), 'n')
	case string:
		if len(v) > room {
			v = strings.ToValidUTF8(v[:room], "")
		}
		return appendString(b, v)
	case Bytes:
		b = append(b, `b"`...)
		return append(base64.StdEncoding.AppendEncode(b, v[:min(len(v), room)]), '"')
	case Array:
		b = append(b, '[')
		for i, e := range v {
			if len(b) > most {
				return b
			}
			if i > 0 {
				b = append(b, ", "...)
			}
			b = script(b, e, most)
		}
		return append(b, ']')
	case Object:
		b = append(b, '{')
		for i, f := range v {
			if len(b) > most {
				return b
			}
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(scriptName(b, f.Name), ": "...)
			b = script(b, f.Value, most)
		}
		return append(b, '}')
	case Undefined:
		return append(b, "undefined"...)
	}
	return Append(b, v) // null and booleans are the same in JSON
}

func scriptNumber(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case f == 0 && math.Signbit(f):
		return "-0"
	}
	return string(AppendClean(nil, f))
}

// scriptName quotes a name that is no identifier: a record's keys may be any
// text.
func scriptName(b []byte, name string) []byte {
	other := func(r rune) bool {
		return r != '_' && r != '$' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if name == "" || name[0] >= '0' && name[0] <= '9' || strings.ContainsFunc(name, other) {
		return appendString(b, name)
	}
	return append(b, name...)
}
