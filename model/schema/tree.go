package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxDepth bounds how deep the JSON of a schema may be nested. Real schemas
// stay below 40 (two JSON levels a validator); a value has at most 64 levels.
const maxDepth = 400

// node is one JSON value with the order of object keys kept: the order in
// which fields were declared is the order in which people read them.
type node struct {
	up     *node
	at     int  // among up's items
	scalar any  // nil, bool, string or json.Number
	kind   byte // '{', '[' or 0
	names  []string
	items  []*node
	places map[string]int // of names, once there are many
}

// place is where the node stands, in the words of a schema as far as there are
// any, and as a path of the JSON: table "users", field "profile.zip"
// (tables[1].documentType.value.profile…).
func (n *node) place() string {
	path := n.path()
	if known := n.known(); known != "" {
		return known + " (" + path + ")"
	}
	return path
}

// path is where the node stands in the JSON: tables[1].documentType.
func (n *node) path() string {
	if n == nil || n.up == nil {
		return ""
	}
	up := n.up.path()
	switch {
	case n.up.kind == '[':
		return up + "[" + strconv.Itoa(n.at) + "]"
	case n.at >= len(n.up.names):
		return up
	case up == "":
		return n.up.names[n.at]
	}
	return up + "." + n.up.names[n.at]
}

// parseTree reads one JSON text.
func parseTree(text []byte) (*node, error) {
	r := &reader{text: text}
	n, err := r.node(nil, 0)
	if err != nil {
		return nil, err
	}
	if r.space(); r.pos < len(text) {
		return nil, fmt.Errorf("more text after the JSON (at byte %d)", r.pos)
	}
	return n, nil
}

// reader is one pass over a JSON text. encoding/json would do, but its tokens
// cost ten times as much, and a schema is read at every start.
type reader struct {
	text []byte
	pos  int
}

func (r *reader) fail(at *node, reason string) error {
	if place := at.place(); place != "" {
		return fmt.Errorf("%s: not JSON: %s (at byte %d)", place, reason, r.pos)
	}
	return fmt.Errorf("not JSON: %s (at byte %d)", reason, r.pos)
}

func (r *reader) space() {
	for r.pos < len(r.text) && strings.IndexByte(" \t\n\r", r.text[r.pos]) >= 0 {
		r.pos++
	}
}

// peek is the next byte that is not space, 0 at the end.
func (r *reader) peek() byte {
	if r.space(); r.pos < len(r.text) {
		return r.text[r.pos]
	}
	return 0
}

func (r *reader) node(up *node, depth int) (*node, error) {
	n := &node{up: up}
	if up != nil {
		n.at = len(up.items)
	}
	if depth > maxDepth {
		return nil, n.fail("nested more than %d levels deep", maxDepth)
	}
	switch c := r.peek(); {
	case c == 0 && r.pos >= len(r.text):
		return nil, r.fail(up, "unexpected end")
	case c == '{' || c == '[':
		n.kind = c
		return n, r.items(n, depth)
	case c == '"':
		s, err := r.string(up)
		n.scalar = s
		return n, err
	}
	start := r.pos
	for r.pos < len(r.text) && strings.IndexByte(",]} \t\n\r", r.text[r.pos]) < 0 {
		r.pos++
	}
	var err error
	if n.scalar, err = word(r.text[start:r.pos]); err != nil {
		r.pos = start
		return nil, r.fail(up, err.Error())
	}
	return n, nil
}

// word reads true, false, null or a number.
func word(text []byte) (any, error) {
	switch string(text) {
	case "null":
		return nil, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("unexpected %.20q", text)
	}
	return json.Number(text), nil
}

// items reads what stands between the brackets of n.
func (r *reader) items(n *node, depth int) error {
	closing := n.kind + 2 // as [ ] and { } stand in ASCII
	r.pos++
	if r.peek() == closing {
		r.pos++
		return nil
	}
	for {
		twice, err := r.name(n)
		if err != nil {
			return err
		}
		item, err := r.node(n, depth+1)
		if err != nil {
			return err
		}
		if twice >= 0 {
			item.at, n.items[twice] = twice, item
		} else {
			n.items = append(n.items, item)
		}
		switch r.peek() {
		case closing:
			r.pos++
			return nil
		case ',':
			r.pos++
		default:
			return r.fail(n, "expected , or "+string(rune(closing)))
		}
	}
}

// name reads the name of n's next member, if n has names. A name that n has
// already comes back as its place: the last value counts, as in JavaScript.
func (r *reader) name(n *node) (twice int, err error) {
	if n.kind == '[' {
		return -1, nil
	}
	if r.peek() != '"' {
		return -1, r.fail(n, "expected a name")
	}
	name, err := r.string(n)
	if err != nil {
		return -1, err
	}
	if r.peek() != ':' {
		return -1, r.fail(n, "expected :")
	}
	r.pos++
	if i := n.index(name); i >= 0 {
		return i, nil
	}
	n.names = append(n.names, name)
	if n.places != nil {
		n.places[name] = len(n.items)
	}
	return -1, nil
}

// string reads a JSON string; the rare ones with escapes go to encoding/json.
func (r *reader) string(at *node) (string, error) {
	start := r.pos
	plain := true
	for r.pos++; r.pos < len(r.text) && r.text[r.pos] != '"'; r.pos++ {
		if c := r.text[r.pos]; c == '\\' {
			r.pos++
			plain = false
		} else if c < 0x20 || c >= 0x80 {
			plain = false
		}
	}
	if r.pos >= len(r.text) {
		return "", r.fail(at, "string is not closed")
	}
	r.pos++
	raw := r.text[start:r.pos]
	if plain {
		return string(raw[1 : len(raw)-1]), nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		r.pos = start
		return "", r.fail(at, "bad string")
	}
	return s, nil
}

// manyNames is from where on names are looked up in a map.
const manyNames = 16

// index is the place of the member called name, -1 if there is none.
func (n *node) index(name string) int {
	if n.places == nil && len(n.names) >= manyNames {
		n.places = make(map[string]int, 2*len(n.names))
		for i, have := range n.names {
			n.places[have] = i
		}
	}
	if n.places != nil {
		if i, ok := n.places[name]; ok {
			return i
		}
		return -1
	}
	return slices.Index(n.names, name)
}

func (n *node) fail(format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if at := n.place(); at != "" {
		return fmt.Errorf("%s: %s", at, message)
	}
	return errors.New(message)
}

// get returns the member called name; nil when it is absent or null.
func (n *node) get(name string) *node {
	i := n.index(name)
	if i < 0 || n.items[i].kind == 0 && n.items[i].scalar == nil {
		return nil
	}
	return n.items[i]
}

func (n *node) object() error {
	if n.kind != '{' {
		return n.fail("expected an object, found %s", n.what())
	}
	return nil
}

func (n *node) array() ([]*node, error) {
	if n.kind != '[' {
		return nil, n.fail("expected an array, found %s", n.what())
	}
	return n.items, nil
}

func (n *node) string() (string, error) {
	s, ok := n.scalar.(string)
	if !ok {
		return "", n.fail("expected a string, found %s", n.what())
	}
	return s, nil
}

func (n *node) bool() (bool, error) {
	b, ok := n.scalar.(bool)
	if !ok {
		return false, n.fail("expected true or false, found %s", n.what())
	}
	return b, nil
}

func (n *node) int() (int, error) {
	number, ok := n.scalar.(json.Number)
	if !ok {
		return 0, n.fail("expected a number, found %s", n.what())
	}
	f, err := number.Float64()
	if err != nil || f != float64(int32(f)) {
		return 0, n.fail("expected a whole number, found %s", number)
	}
	return int(f), nil
}

func (n *node) what() string {
	switch {
	case n.kind == '{':
		return "an object"
	case n.kind == '[':
		return "an array"
	}
	switch n.scalar.(type) {
	case nil:
		return "null"
	case bool:
		return "true or false"
	case string:
		return "a string"
	}
	return "a number"
}

// member returns the required member called name.
func (n *node) member(name string) (*node, error) {
	if err := n.object(); err != nil {
		return nil, err
	}
	if m := n.get(name); m != nil {
		return m, nil
	}
	return nil, n.fail("%q is missing", name)
}

func (n *node) stringMember(name string) (string, error) {
	m, err := n.member(name)
	if err != nil {
		return "", err
	}
	return m.string()
}

// strings reads the list of strings called name; none when it is absent.
func (n *node) strings(name string) ([]string, error) {
	m := n.get(name)
	if m == nil {
		return nil, nil
	}
	items, err := m.array()
	if err != nil {
		return nil, err
	}
	out := make([]string, len(items))
	for i, item := range items {
		if out[i], err = item.string(); err != nil {
			return nil, err
		}
	}
	return out, nil
}
