package schema

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"

	"strait/model/value"
)

// TextCheck tells of a table's documents by their text that they fit, without
// decoding them: most do, and decoding is most of the work. It never says so of
// a document that FitsDocument refuses or value.DecodeExport cannot read, and
// leaves what is rare to those two. It belongs to one goroutine.
type TextCheck struct {
	root textNode
	ids  Tables

	text []byte
	pos  int
	left int // bytes that may still be read: members of unions read the same again
}

// textNode is a validator whose fields are sorted by name, as texts have them.
type textNode struct {
	*Validator // nil accepts everything
	fields     []textField
	members    []textNode
	element    *textNode
	key        *textNode
}

type textField struct {
	name     string
	optional bool
	node     textNode
}

// NewTextCheck prepares the check of a table's documents.
func NewTextCheck(t *Table, ids Tables) *TextCheck {
	return &TextCheck{root: newTextNode(t.Document), ids: ids}
}

func newTextNode(v *Validator) textNode {
	n := textNode{Validator: v}
	if v == nil {
		return n
	}
	for _, f := range v.SortedFields() {
		n.fields = append(n.fields, textField{f.Name, f.Optional, newTextNode(f.Type)})
	}
	for _, m := range v.Members {
		n.members = append(n.members, newTextNode(m))
	}
	if v.Kind == Array || v.Kind == Record {
		e := newTextNode(v.Element)
		n.element = &e
	}
	if v.Kind == Record {
		k := newTextNode(v.Key)
		n.key = &k
	}
	return n
}

// textDepth and textAgain bound what is read here.
const (
	textDepth = 16
	textAgain = 8 // times the text
)

// Fits reports that the export JSON of a document (convex-wire.md 8.3) is one
// that fits, and Convex's size of it (8.5). false says nothing: decode it.
func (c *TextCheck) Fits(text []byte) (size int, ok bool) {
	c.text, c.pos, c.left = text, 0, textAgain*len(text)
	if c.space(); !c.at('{') {
		return 0, false
	}
	size, ok = c.document(&c.root)
	c.space()
	return size, ok && c.pos == len(text)
}

// document reads the outermost object, whose names that begin with _ belong to
// the system.
func (c *TextCheck) document(n *textNode) (int, bool) {
	if n.Validator != nil && n.Kind == Union {
		return c.union(n, c.document)
	}
	if n.Validator != nil && n.Kind != Object && n.Kind != Any {
		return 0, false
	}
	return c.object(n, 0, true)
}

func (c *TextCheck) at(b byte) bool { return c.pos < len(c.text) && c.text[c.pos] == b }

func (c *TextCheck) space() {
	for c.pos < len(c.text) {
		switch c.text[c.pos] {
		case ' ', '\t', '\n', '\r':
			c.pos++
		default:
			return
		}
	}
}

// union reads the value once for each member, until one accepts it.
func (c *TextCheck) union(n *textNode, read func(*textNode) (int, bool)) (int, bool) {
	start := c.pos
	for i := range n.members {
		c.pos = start
		if size, ok := read(&n.members[i]); ok {
			return size, true
		}
		if c.left -= c.pos - start; c.left < 0 {
			return 0, false
		}
	}
	return 0, false
}

// accepts reports whether a node accepts a scalar of a kind that is no literal
// and no id.
func (n *textNode) accepts(k Kind) bool {
	return n.Validator == nil || n.Kind == Any || n.Kind == k
}

func (c *TextCheck) value(n *textNode, depth int) (int, bool) {
	if n.Validator != nil && n.Kind == Union {
		return c.union(n, func(m *textNode) (int, bool) { return c.value(m, depth) })
	}
	if c.space(); c.pos >= len(c.text) || depth > textDepth {
		return 0, false
	}
	switch b := c.text[c.pos]; {
	case b == '"':
		return c.string(n)
	case b == '{':
		return c.inner(n, depth)
	case b == '[':
		return c.array(n, depth)
	case b == 't':
		return 1, c.word("true") && (n.accepts(Boolean) || n.Kind == Literal && n.Literal == true)
	case b == 'f':
		return 1, c.word("false") && (n.accepts(Boolean) || n.Kind == Literal && n.Literal == false)
	case b == 'n':
		return 1, c.word("null") && n.accepts(Null)
	case b == '-' || b >= '0' && b <= '9':
		return c.number(n)
	}
	return 0, false
}

func (c *TextCheck) word(w string) bool {
	if !bytes.HasPrefix(c.text[c.pos:], []byte(w)) {
		return false
	}
	c.pos += len(w)
	return true
}

// raw reads a string. Without escapes the bytes are the string; else they are
// longer by one for each.
func (c *TextCheck) raw() (raw []byte, escapes int, ok bool) {
	c.pos++
	start, ascii := c.pos, true
	for c.pos < len(c.text) {
		switch b := c.text[c.pos]; {
		case b == '"':
			raw = c.text[start:c.pos]
			c.pos++
			return raw, escapes, ascii || utf8.Valid(raw)
		case b == '\\':
			if c.pos+1 >= len(c.text) || strings.IndexByte(`"\/bfnrt`, c.text[c.pos+1]) < 0 {
				return nil, 0, false
			}
			escapes++
			c.pos += 2
			continue
		case b < 0x20:
			return nil, 0, false
		case b >= utf8.RuneSelf:
			ascii = false
		}
		c.pos++
	}
	return nil, 0, false
}

func (c *TextCheck) string(n *textNode) (int, bool) {
	raw, escapes, ok := c.raw()
	if !ok {
		return 0, false
	}
	size := 2 + len(raw) - escapes
	switch {
	case n.accepts(String):
		return size, true
	case escapes > 0:
		return 0, false
	case n.Kind == ID:
		return size, idFits(n.Table, string(raw), c.ids)
	case n.Kind == Literal:
		want, ok := n.Literal.(string)
		return size, ok && want == string(raw)
	}
	return 0, false
}

func (c *TextCheck) digits() int {
	start := c.pos
	for c.pos < len(c.text) && c.text[c.pos]-'0' < 10 {
		c.pos++
	}
	return c.pos - start
}

func (c *TextCheck) number(n *textNode) (int, bool) {
	const size = 9
	start := c.pos
	if c.text[c.pos] == '-' {
		c.pos++
	}
	whole := c.digits()
	if whole == 0 || whole > 1 && c.text[c.pos-whole] == '0' || c.at('e') || c.at('E') {
		return 0, false
	}
	if !c.at('.') {
		// Short of the ends of int64; "-0" is a float.
		if whole > 18 || c.text[start] == '-' && c.text[start+1] == '0' {
			return 0, false
		}
		if n.accepts(Bigint) || n.Kind == CommitTs {
			return size, true
		}
		want, ok := literalOf[int64](n)
		got, err := strconv.ParseInt(string(c.text[start:c.pos]), 10, 64)
		return size, ok && err == nil && got == want
	}
	c.pos++
	if part := c.digits(); part == 0 || whole+part > 300 || c.at('e') || c.at('E') {
		return 0, false
	}
	if n.accepts(Number) {
		return size, true
	}
	want, ok := literalOf[float64](n)
	got, err := strconv.ParseFloat(string(c.text[start:c.pos]), 64)
	return size, ok && err == nil && value.Equal(got, want)
}

func literalOf[T any](n *textNode) (T, bool) {
	if n.Validator == nil || n.Kind != Literal {
		var none T
		return none, false
	}
	want, ok := n.Literal.(T)
	return want, ok
}

var anything textNode

func (c *TextCheck) array(n *textNode, depth int) (int, bool) {
	element := &anything
	switch {
	case n.Validator != nil && n.Kind == Array:
		element = n.element
	case !n.accepts(Any):
		return 0, false
	}
	c.pos++
	size := 2
	if c.space(); c.at(']') {
		c.pos++
		return size, true
	}
	for {
		part, ok := c.value(element, depth+1)
		if !ok {
			return 0, false
		}
		size += part
		c.space()
		switch {
		case c.at(']'):
			c.pos++
			return size, true
		case !c.at(','):
			return 0, false
		}
		c.pos++
	}
}

// inner reads an object within a document.
func (c *TextCheck) inner(n *textNode, depth int) (int, bool) {
	if n.Validator != nil && n.Kind != Object && n.Kind != Record && n.Kind != Any {
		return 0, false
	}
	return c.object(n, depth, false)
}

// object reads an object whose names ascend, as Convex writes them.
func (c *TextCheck) object(n *textNode, depth int, outermost bool) (int, bool) {
	c.pos++
	size, next, last := 2, 0, []byte(nil)
	declared := n.Validator != nil && n.Kind == Object
	for first := true; ; first = false {
		c.space()
		if first && c.at('}') {
			break
		}
		if !c.at('"') {
			return 0, false
		}
		name, escapes, ok := c.raw()
		if !ok || escapes > 0 || !plainName(name) || string(name) <= string(last) {
			return 0, false
		}
		last = name
		if c.space(); !c.at(':') {
			return 0, false
		}
		c.pos++
		node := &anything
		switch {
		case outermost && name[0] == '_':
		case declared:
			if node = n.field(&next, name); node == nil {
				return 0, false
			}
		case n.Validator != nil && n.Kind == Record:
			if node = n.element; !n.key.accepts(String) && !n.key.Fits(string(name), c.ids) {
				return 0, false
			}
		}
		part, ok := c.value(node, depth+1)
		if !ok {
			return 0, false
		}
		size += len(name) + 1 + part
		if c.space(); c.at('}') {
			break
		}
		if !c.at(',') {
			return 0, false
		}
		c.pos++
	}
	c.pos++
	if declared {
		for ; next < len(n.fields); next++ {
			if !n.fields[next].optional {
				return 0, false
			}
		}
	}
	return size, true
}

// field is the node of a declared field that may come next; nil when it is not
// declared, or one that must come before it was left out.
func (n *textNode) field(next *int, name []byte) *textNode {
	for ; *next < len(n.fields); *next++ {
		f := &n.fields[*next]
		switch {
		case f.name == string(name):
			*next++
			return &f.node
		case f.name > string(name) || !f.optional:
			return nil
		}
	}
	return nil
}

// plainName reports whether a name is surely one that Convex takes (8.5).
func plainName(name []byte) bool {
	if len(name) == 0 || len(name) > 64 || name[0] == '$' {
		return false
	}
	for _, b := range name {
		if b < 0x20 || b > 0x7e {
			return false
		}
	}
	return true
}
