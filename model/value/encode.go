package value

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"
)

// Append appends v as convex_encoded_json (convex-wire.md 8.1), fields sorted
// by name. Undefined is written as {"$undefined":null}, which only patches,
// filter literals and index ranges may hold.
func Append(dst []byte, v Value) []byte { return appendJSON(dst, v, appendEncodedScalar) }

// AppendClean appends v as clean JSON (8.2), which loses the difference
// between some types.
func AppendClean(dst []byte, v Value) []byte { return appendJSON(dst, v, appendCleanScalar) }

// AppendExport appends v as export JSON (8.3): float64 always with a fraction
// or an exponent, int64 as a bare integer.
func AppendExport(dst []byte, v Value) []byte { return appendJSON(dst, v, appendExportScalar) }

// appendJSON writes what the three encodings share; scalar writes the rest.
func appendJSON(dst []byte, v Value, scalar func([]byte, Value) []byte) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case string:
		return appendString(dst, v)
	case Array:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendJSON(dst, e, scalar)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, f := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, f.Name), ':')
			dst = appendJSON(dst, f.Value, scalar)
		}
		return append(dst, '}')
	default:
		return scalar(dst, v)
	}
}

func appendEncodedScalar(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case float64:
		if special(v) {
			return appendWord(dst, "$float", math.Float64bits(v))
		}
		return appendNumber(dst, v)
	case int64:
		return appendWord(dst, "$integer", uint64(v))
	case Bytes:
		return appendBytes(dst, v)
	case Undefined:
		return append(dst, `{"$undefined":null}`...)
	}
	panic(notValue(v))
}

func appendCleanScalar(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case float64:
		switch {
		case math.IsNaN(v):
			return append(dst, `"NaN"`...)
		case math.IsInf(v, 1):
			return append(dst, `"Infinity"`...)
		case math.IsInf(v, -1):
			return append(dst, `"-Infinity"`...)
		}
		return appendNumber(dst, v)
	case int64:
		dst = append(dst, '"')
		return append(strconv.AppendInt(dst, v, 10), '"')
	case Bytes:
		dst = append(dst, '"')
		return append(base64.StdEncoding.AppendEncode(dst, v), '"')
	case Undefined:
		return append(dst, "null"...)
	}
	panic(notValue(v))
}

func appendExportScalar(dst []byte, v Value) []byte {
	switch v := v.(type) {
	case float64:
		// Convex writes -0 as -0.0 here, which reads back as -0.
		if v-v != 0 {
			return appendWord(dst, "$float", math.Float64bits(v))
		}
		return appendDotted(dst, v)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	default:
		return appendEncodedScalar(dst, v)
	}
}

// special reports whether plain JSON numbers cannot carry f.
func special(f float64) bool { return f-f != 0 || f == 0 && math.Signbit(f) }

// appendNumber writes a finite float64 as JSON.stringify does, but for -0,
// which JSON.parse reads back.
func appendNumber(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs < 1<<53 && f == math.Trunc(f) && !(f == 0 && math.Signbit(f)) {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	switch {
	case abs >= 1e21:
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	case abs < 1e-6 && f != 0:
		return appendExponent(dst, f)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, 64)
}

// appendDotted writes a finite float64 as Rust's serde_json does: 1.0, 0.00001,
// 1e16.
func appendDotted(dst []byte, f float64) []byte {
	if abs := math.Abs(f); abs >= 1e16 || abs < 1e-5 && f != 0 {
		return appendExponent(dst, f)
	}
	return appendDecimal(dst, f)
}

// appendDecimal writes f without exponent and with a fraction.
func appendDecimal(dst []byte, f float64) []byte {
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if f == math.Trunc(f) {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendExponent writes f as 1.5e-7 or 1e21: no plus sign, no zero padding.
func appendExponent(dst []byte, f float64) []byte {
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	e := from
	for dst[e] != 'e' {
		e++
	}
	exponent, _ := strconv.Atoi(string(dst[e+1:]))
	return strconv.AppendInt(dst[:e+1], int64(exponent), 10)
}

func appendWord(dst []byte, key string, bits uint64) []byte {
	var raw [8]byte
	binary.LittleEndian.PutUint64(raw[:], bits)
	dst = append(append(append(dst, `{"`...), key...), `":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, raw[:]), `"}`...)
}

func appendBytes(dst []byte, b Bytes) []byte {
	dst = append(dst, `{"$bytes":"`...)
	return append(base64.StdEncoding.AppendEncode(dst, b), `"}`...)
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string as JSON.stringify does. Bytes that are not
// UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		dst = appendEscape(append(dst, s[from:i]...), c)
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
