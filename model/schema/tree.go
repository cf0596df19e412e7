package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxDepth bounds how deep the JSON of a schema may be nested. Real schemas
// stay below 40 (two JSON levels a validator); a value has at most 64 levels.
const maxDepth = 400

// node is one JSON value with the order of object keys kept: the order in
// which fields were declared is the order in which people read them.
type node struct {
	path   *path
	scalar any  // nil, bool, string or json.Number
	kind   byte // '{', '[' or 0
	names  []string
	items  []*node
}

// path is where a node stands, printed only when something is wrong there.
type path struct {
	up   *path
	step string
}

func (p *path) String() string {
	var steps []string
	for ; p != nil; p = p.up {
		steps = append(steps, p.step)
	}
	var b strings.Builder
	for i := len(steps) - 1; i >= 0; i-- {
		b.WriteString(steps[i])
	}
	return strings.TrimPrefix(b.String(), ".")
}

// parseTree reads one JSON text.
func parseTree(text []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := readNode(d, nil, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("more text after the JSON (at byte %d)", d.InputOffset())
	}
	return n, nil
}

func readNode(d *json.Decoder, at *path, depth int) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: nested more than %d levels deep", at, maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, jsonError(d, at, err)
	}
	n := &node{path: at}
	delim, ok := token.(json.Delim)
	if !ok {
		n.scalar = token
		return n, nil
	}
	n.kind = byte(delim)
	seen := map[string]int{}
	for d.More() {
		step := "[" + strconv.Itoa(len(n.items)) + "]"
		name := ""
		if n.kind == '{' {
			if token, err = d.Token(); err != nil {
				return nil, jsonError(d, at, err)
			}
			name, _ = token.(string)
			step = "." + name
		}
		item, err := readNode(d, &path{at, step}, depth+1)
		if err != nil {
			return nil, err
		}
		if i, twice := seen[name]; twice && n.kind == '{' {
			n.items[i] = item
			continue
		}
		if n.kind == '{' {
			seen[name] = len(n.items)
			n.names = append(n.names, name)
		}
		n.items = append(n.items, item)
	}
	if _, err := d.Token(); err != nil {
		return nil, jsonError(d, at, err)
	}
	return n, nil
}

func jsonError(d *json.Decoder, at *path, err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if at == nil {
		return fmt.Errorf("not JSON: %w (at byte %d)", err, d.InputOffset())
	}
	return fmt.Errorf("%s: not JSON: %w (at byte %d)", at, err, d.InputOffset())
}

func (n *node) fail(format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if at := n.path.String(); at != "" {
		return fmt.Errorf("%s: %s", at, message)
	}
	return errors.New(message)
}

// get returns the member called name; nil when it is absent or null.
func (n *node) get(name string) *node {
	for i, have := range n.names {
		if have == name {
			if item := n.items[i]; item.kind != 0 || item.scalar != nil {
				return item
			}
			return nil
		}
	}
	return nil
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
