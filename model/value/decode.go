package value

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// DecodeError says where a value's JSON is wrong.
type DecodeError struct {
	Offset int    // byte offset in the text
	Path   string // ".a[0].b", or "" at the top
	Reason string
}

func (e *DecodeError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("decode value: %s (at byte %d)", e.Reason, e.Offset)
	}
	return fmt.Sprintf("decode value at %s: %s (at byte %d)", e.Path, e.Reason, e.Offset)
}

// within adds the step that led to the place of the error.
func (e *DecodeError) within(step string) *DecodeError {
	e.Path = step + e.Path
	return e
}

// Decode reads convex_encoded_json (convex-wire.md 8.1). Field names and
// nesting are held to Convex's rules; the other limits are CheckValue's and
// CheckLimits' business.
func Decode(text []byte) (Value, error) { return decode(text, encoded, false) }

// DecodePatch is Decode for patches, filter literals and index ranges, where
// {"$undefined":null} stands for Undefined: as the whole value, or as a field
// of the outermost object.
func DecodePatch(text []byte) (Value, error) { return decode(text, encoded, true) }

// DecodeExport reads one export JSON value with the uniform marker (8.3): an
// integer literal is an int64, a number with fraction or exponent a float64.
// An integer beyond int64 is a float64, as Convex reads it.
func DecodeExport(text []byte) (Value, error) { return decode(text, export, false) }

// format is one of the two JSON encodings that can be read back.
type format int

const (
	encoded format = iota
	export
)

// decoder is one pass over a text. The scratch slices hold what belongs to
// containers not yet closed, so that each container is allocated once, in its
// right size.
type decoder struct {
	text      []byte
	pos       int
	depth     int
	format    format
	patch     bool
	outermost byte // first byte of the outermost value
	fields    []Field
	values    []Value
	buf       []byte
	names     [256]string // field names seen lately, by hash: most documents repeat them
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func decode(text []byte, f format, patch bool) (Value, error) {
	d := decoders.Get().(*decoder)
	d.text, d.pos, d.depth, d.format, d.patch = text, 0, 0, f, patch
	v, err := d.document()
	d.release(err != nil)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// release gives the decoder back without keeping values or huge buffers alive.
// Closing a container clears what it used; an error leaves some open.
func (d *decoder) release(failed bool) {
	d.text = nil
	if failed {
		clear(d.fields[:cap(d.fields)])
		clear(d.values[:cap(d.values)])
	}
	d.fields, d.values, d.buf = d.fields[:0], d.values[:0], d.buf[:0]
	if cap(d.fields) > 1<<10 || cap(d.values) > 1<<10 || cap(d.buf) > 1<<16 {
		d.fields, d.values, d.buf = nil, nil, nil
	}
	decoders.Put(d)
}

// document reads one value and nothing after it. The result is of type error,
// never a typed nil.
func (d *decoder) document() (Value, error) {
	v, err := d.value()
	if err != nil {
		return nil, err
	}
	d.space()
	if d.pos < len(d.text) {
		return nil, d.fail("more text after the value")
	}
	return v, nil
}

func (d *decoder) fail(format string, args ...any) *DecodeError {
	return &DecodeError{Offset: d.pos, Reason: fmt.Sprintf(format, args...)}
}

func (d *decoder) space() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

func (d *decoder) value() (Value, *DecodeError) {
	d.space()
	if d.pos >= len(d.text) {
		return nil, d.fail("unexpected end of JSON")
	}
	if d.depth == 0 {
		d.outermost = d.text[d.pos]
	}
	switch c := d.text[d.pos]; {
	case c == '"':
		raw, err := d.str()
		if err != nil {
			return nil, err
		}
		return string(raw), nil
	case c == '{':
		return d.object()
	case c == '[':
		return d.array()
	case c == 't':
		return true, d.word("true")
	case c == 'f':
		return false, d.word("false")
	case c == 'n':
		return nil, d.word("null")
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	default:
		return nil, d.fail("unexpected character %q", rune(c))
	}
}

func (d *decoder) word(w string) *DecodeError {
	if len(d.text)-d.pos < len(w) || string(d.text[d.pos:d.pos+len(w)]) != w {
		return d.fail("expected %s", w)
	}
	d.pos += len(w)
	return nil
}

// nested holds the containers around the place to Convex's limit. An object
// that turns out to be a packed scalar does not count.
func (d *decoder) nested() *DecodeError {
	if d.depth > MaxNesting {
		return d.fail("Value is too nested (nested %d levels deep > maximum nesting %d)", d.depth, MaxNesting)
	}
	return nil
}

func (d *decoder) array() (Value, *DecodeError) {
	d.depth++
	if err := d.nested(); err != nil {
		return nil, err
	}
	d.pos++
	base := len(d.values)
	for d.space(); ; d.space() {
		if d.pos >= len(d.text) {
			return nil, d.fail("array is not closed")
		}
		n := len(d.values) - base
		if d.text[d.pos] == ']' && n == 0 {
			break
		}
		v, err := d.value()
		if err != nil {
			return nil, err.within("[" + strconv.Itoa(n) + "]")
		}
		d.values = append(d.values, v)
		if d.space(); d.pos >= len(d.text) {
			return nil, d.fail("array is not closed")
		}
		if d.text[d.pos] == ']' {
			break
		}
		if d.text[d.pos] != ',' {
			return nil, d.fail("expected , or ] in an array")
		}
		d.pos++
	}
	d.pos++
	d.depth--
	out := make(Array, len(d.values)-base)
	copy(out, d.values[base:])
	clear(d.values[base:])
	d.values = d.values[:base]
	return out, nil
}

func (d *decoder) object() (Value, *DecodeError) {
	start := d.pos
	d.pos++
	d.depth++
	base, sorted := len(d.fields), true
	for {
		if d.space(); d.pos >= len(d.text) {
			return nil, d.fail("object is not closed")
		}
		n := len(d.fields) - base
		if d.text[d.pos] == '}' && n == 0 {
			if err := d.nested(); err != nil {
				return nil, err
			}
			break
		}
		name, special, err := d.name()
		if err != nil {
			return nil, err
		}
		if special != "" {
			if n > 0 {
				d.pos = start
				return nil, d.fail("Field name %s starts with '$', which is reserved.", special)
			}
			return d.special(special, start)
		}
		if err := d.nested(); err != nil {
			return nil, err
		}
		v, err := d.value()
		if err != nil {
			return nil, err.within("." + name)
		}
		if n > 0 && d.fields[len(d.fields)-1].Name >= name {
			sorted = false
		}
		d.fields = append(d.fields, Field{name, v})
		if d.space(); d.pos >= len(d.text) {
			return nil, d.fail("object is not closed")
		}
		if d.text[d.pos] == '}' {
			break
		}
		if d.text[d.pos] != ',' {
			return nil, d.fail("expected , or } in an object")
		}
		d.pos++
	}
	d.pos++
	d.depth--
	return d.closeObject(base, sorted), nil
}

func (d *decoder) closeObject(base int, sorted bool) Object {
	all := d.fields[base:]
	own := all
	if !sorted {
		own = sortFields(own)
	}
	out := make(Object, len(own))
	copy(out, own)
	clear(all)
	d.fields = d.fields[:base]
	return out
}

// name reads a field name and its colon. A name beginning with $ comes back
// as special instead.
func (d *decoder) name() (name, special string, err *DecodeError) {
	at := d.pos
	if d.text[at] != '"' {
		return "", "", d.fail("expected a field name")
	}
	raw, err := d.str()
	if err != nil {
		return "", "", err
	}
	if len(raw) > 0 && raw[0] == '$' {
		special = string(raw)
	} else if reason := badName(raw); reason != "" {
		d.pos = at
		return "", "", d.fail("%s", reason)
	} else {
		name = d.intern(raw)
	}
	if d.space(); d.pos >= len(d.text) || d.text[d.pos] != ':' {
		return "", "", d.fail("expected : after a field name")
	}
	d.pos++
	return name, special, nil
}

func (d *decoder) intern(raw []byte) string {
	if len(raw) > 64 {
		return string(raw)
	}
	h := uint32(2166136261)
	for _, c := range raw {
		h = (h ^ uint32(c)) * 16777619
	}
	slot := &d.names[(h^h>>8)&255]
	if *slot != string(raw) {
		*slot = string(raw)
	}
	return *slot
}

// special reads what follows {"$name": and closes the object.
func (d *decoder) special(name string, start int) (Value, *DecodeError) {
	at := d.pos
	if d.depth > MaxNesting+1 {
		return nil, d.nested()
	}
	inner, err := d.value()
	if err != nil {
		return nil, err.within("." + name)
	}
	if d.space(); d.pos >= len(d.text) {
		return nil, d.fail("object is not closed")
	}
	alone := d.text[d.pos] == '}'
	end := d.pos + 1
	d.pos = at
	d.depth--
	var v Value
	switch {
	case !alone:
		d.pos = start
		return nil, d.fail("Field name %s starts with '$', which is reserved.", name)
	case name == "$undefined" && d.patch && inner == nil && (d.depth == 0 || d.depth == 1 && d.outermost == '{'):
		v = Undefined{}
	case name == "$integer" || name == "$float" || name == "$bytes":
		if v, err = d.packed(name, inner); err != nil {
			return nil, err
		}
	case name == "$commitTs":
		return nil, d.fail("an unresolved commit timestamp ($commitTs) stands only inside a mutation")
	case name == "$undefined":
		return nil, d.fail("undefined is not a valid Convex value here")
	default:
		return nil, d.fail("Field name %s starts with '$', which is reserved.", name)
	}
	d.pos = end
	return v, nil
}

// packed is the value of {"$integer": …}, {"$float": …} or {"$bytes": …}.
func (d *decoder) packed(name string, inner Value) (Value, *DecodeError) {
	text, ok := inner.(string)
	if !ok {
		return nil, d.fail("%s must hold a base64 string", name)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, d.fail("%s is not base64", name)
	}
	if name == "$bytes" {
		return Bytes(raw), nil
	}
	if len(raw) != 8 {
		return nil, d.fail("Received %d bytes, expected 8 for %s", len(raw), name)
	}
	bits := binary.LittleEndian.Uint64(raw)
	if name == "$integer" {
		return int64(bits), nil
	}
	f := math.Float64frombits(bits)
	if f != 0 && !special(f) {
		return nil, d.fail("Float64 %v should be encoded as a number", f)
	}
	return f, nil
}

// str reads a JSON string. The bytes are valid until the next call.
func (d *decoder) str() ([]byte, *DecodeError) {
	d.pos++
	start := d.pos
	for d.pos < len(d.text) {
		c := d.text[d.pos]
		switch {
		case c == '"':
			d.pos++
			return d.text[start : d.pos-1], nil
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			return nil, d.fail("control character in a string")
		case c < utf8.RuneSelf:
			d.pos++
		default:
			if err := d.rune(); err != nil {
				return nil, err
			}
		}
	}
	return nil, d.fail("string is not closed")
}

// rune steps over one character beyond ASCII.
func (d *decoder) rune() *DecodeError {
	r, n := utf8.DecodeRune(d.text[d.pos:])
	if r == utf8.RuneError && n == 1 {
		return d.fail("text is not UTF-8")
	}
	d.pos += n
	return nil
}

// escaped goes on with a string from its first backslash.
func (d *decoder) escaped(start int) ([]byte, *DecodeError) {
	d.buf = append(d.buf[:0], d.text[start:d.pos]...)
	for d.pos < len(d.text) {
		c := d.text[d.pos]
		switch {
		case c == '"':
			d.pos++
			return d.buf, nil
		case c == '\\':
			if err := d.escape(); err != nil {
				return nil, err
			}
		case c < 0x20:
			return nil, d.fail("control character in a string")
		default:
			from := d.pos
			if err := d.rune(); err != nil {
				return nil, err
			}
			d.buf = append(d.buf, d.text[from:d.pos]...)
		}
	}
	return nil, d.fail("string is not closed")
}

var escapes = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (d *decoder) escape() *DecodeError {
	if d.pos+1 >= len(d.text) {
		return d.fail("string is not closed")
	}
	c := d.text[d.pos+1]
	if c == 'u' {
		r, ok := d.hex(d.pos)
		if !ok {
			return d.fail("bad \\u escape")
		}
		d.pos += 6
		if utf16.IsSurrogate(r) {
			// A lone surrogate has no UTF-8; it becomes U+FFFD, as in Convex.
			low, ok := d.hex(d.pos)
			if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
				d.pos += 6
			}
		}
		d.buf = utf8.AppendRune(d.buf, r)
		return nil
	}
	if escapes[c] == 0 {
		return d.fail("bad escape \\%c", rune(c))
	}
	d.buf = append(d.buf, escapes[c])
	d.pos += 2
	return nil
}

// hex reads the \uXXXX at pos.
func (d *decoder) hex(pos int) (rune, bool) {
	if len(d.text)-pos < 6 || d.text[pos] != '\\' || d.text[pos+1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range d.text[pos+2 : pos+6] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return 0, false
		}
	}
	return r, true
}

// number reads a JSON number.
func (d *decoder) number() (Value, *DecodeError) {
	start := d.pos
	if d.text[d.pos] == '-' {
		d.pos++
	}
	whole := d.digits()
	if whole == 0 || whole > 1 && d.text[d.pos-whole] == '0' {
		d.pos = start
		return nil, d.fail("bad number")
	}
	integer := true
	if d.at('.') {
		integer = false
		if d.pos++; d.digits() == 0 {
			return nil, d.fail("bad number")
		}
	}
	if d.at('e') || d.at('E') {
		integer = false
		d.pos++
		if d.at('+') || d.at('-') {
			d.pos++
		}
		if d.digits() == 0 {
			return nil, d.fail("bad number")
		}
	}
	raw := d.text[start:d.pos]
	if integer {
		if v, ok := d.integer(raw, whole); ok {
			return v, nil
		}
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		d.pos = start
		return nil, d.fail("number %s is out of range", raw)
	}
	return f, nil
}

// integer reads a literal without fraction where that needs no float parser;
// ok is false when it does, as for -0.
func (d *decoder) integer(raw []byte, digits int) (v Value, ok bool) {
	if d.format == export {
		i, err := strconv.ParseInt(string(raw), 10, 64)
		return i, err == nil && string(raw) != "-0"
	}
	if digits > 15 {
		return nil, false
	}
	var n int64
	for _, c := range raw[len(raw)-digits:] {
		n = n*10 + int64(c-'0')
	}
	switch {
	case raw[0] == '-':
		return float64(-n), n != 0
	case n < int64(len(smallNumbers)):
		return smallNumbers[n], true
	}
	return float64(n), true
}

// smallNumbers are the counts, flags and ages of most documents, made once.
var smallNumbers = func() (list [256]Value) {
	for i := range list {
		list[i] = float64(i)
	}
	return list
}()

func (d *decoder) at(c byte) bool { return d.pos < len(d.text) && d.text[d.pos] == c }

func (d *decoder) digits() int {
	start := d.pos
	for d.pos < len(d.text) && d.text[d.pos]-'0' < 10 {
		d.pos++
	}
	return d.pos - start
}
