package schema

import (
	"encoding/json"
	"fmt"
	"strings"

	"strait/model/value"
)

// Parse reads a schema's JSON, as exported (convex-wire.md 7.1) or stored
// (7.2). It is tolerant of versions: unknown keys are passed over, staged
// arrays may be absent, a missing schemaValidation is false. System fields
// declared at the top of a document are dropped, as the server drops them.
// Errors name the place in the JSON.
func Parse(text []byte) (*Schema, error) {
	s, err := parseSchema(text)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	return s, nil
}

func parseSchema(text []byte) (*Schema, error) {
	root, err := parseTree(text)
	if err != nil {
		return nil, err
	}
	list, err := root.member("tables")
	if err != nil {
		return nil, err
	}
	tables, err := list.array()
	if err != nil {
		return nil, err
	}
	s := &Schema{}
	if n := root.get("schemaValidation"); n != nil {
		if s.Validation, err = n.bool(); err != nil {
			return nil, err
		}
	}
	seen := map[string]bool{}
	for _, n := range tables {
		t, err := parseTable(n)
		if err != nil {
			return nil, err
		}
		if seen[t.Name] {
			return nil, n.fail("it is declared twice")
		}
		seen[t.Name] = true
		s.Tables = append(s.Tables, t)
	}
	return s, nil
}

func parseTable(n *node) (*Table, error) {
	name, err := n.stringMember("tableName")
	if err != nil {
		return nil, err
	}
	t := &Table{Name: name}
	for _, list := range indexLists {
		indexes, err := parseIndexes(n, list)
		if err != nil {
			return nil, err
		}
		t.Indexes = append(t.Indexes, indexes...)
	}
	if doc := n.get("documentType"); doc != nil {
		if t.Document, err = parseValidator(doc); err != nil {
			return nil, err
		}
		t.Document = withoutSystemFields(t.Document)
	}
	return t, nil
}

// indexList is one of the six lists of indexes of a table's JSON.
type indexList struct {
	key    string
	kind   IndexKind
	staged bool
}

var indexLists = []indexList{
	{"indexes", DatabaseIndex, false},
	{"stagedDbIndexes", DatabaseIndex, true},
	{"searchIndexes", SearchIndex, false},
	{"stagedSearchIndexes", SearchIndex, true},
	{"vectorIndexes", VectorIndex, false},
	{"stagedVectorIndexes", VectorIndex, true},
}

func parseIndexes(table *node, list indexList) ([]Index, error) {
	n := table.get(list.key)
	if n == nil {
		return nil, nil
	}
	items, err := n.array()
	if err != nil {
		return nil, err
	}
	out := make([]Index, len(items))
	for i, item := range items {
		if out[i], err = parseIndex(item, list); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func parseIndex(n *node, list indexList) (x Index, err error) {
	x = Index{Kind: list.kind, Staged: list.staged}
	if x.Name, err = n.stringMember("indexDescriptor"); err != nil {
		return x, err
	}
	switch list.kind {
	case DatabaseIndex:
		x.Fields, err = n.strings("fields")
		return x, err
	case SearchIndex:
		x.SearchField, err = n.stringMember("searchField")
	case VectorIndex:
		x.VectorField, err = n.stringMember("vectorField")
		if err == nil {
			x.Dimensions, err = parseDimensions(n)
		}
	}
	if err != nil {
		return x, err
	}
	x.FilterFields, err = n.strings("filterFields")
	return x, err
}

// parseDimensions also knows "dimension", the key of the alpha version.
func parseDimensions(n *node) (int, error) {
	d := n.get("dimensions")
	if d == nil {
		d = n.get("dimension")
	}
	if d == nil {
		return 0, n.fail(`"dimensions" is missing`)
	}
	return d.int()
}

// ParseValidator reads a validator's JSON (convex-wire.md 7.3).
func ParseValidator(text []byte) (*Validator, error) {
	n, err := parseTree(text)
	if err != nil {
		return nil, fmt.Errorf("read validator: %w", err)
	}
	v, err := parseValidator(n)
	if err != nil {
		return nil, fmt.Errorf("read validator: %w", err)
	}
	return v, nil
}

func parseValidator(n *node) (*Validator, error) {
	kind, err := n.stringMember("type")
	if err != nil {
		return nil, err
	}
	v := &Validator{Kind: Kind(kind)}
	switch v.Kind {
	case Null, Number, Bigint, Boolean, String, Bytes, Any, CommitTs:
		return v, nil
	case "map", "set": // names of types that Convex had once
		v.Kind = Any
		return v, nil
	case ID:
		v.Table, err = n.stringMember("tableName")
		return v, err
	case Record:
		return parseRecord(n)
	case Literal, Array, Object, Union:
		return v, parseInner(v, n)
	}
	return nil, n.fail("unknown validator type %q", kind)
}

// parseInner reads the "value" of a validator's JSON into v.
func parseInner(v *Validator, n *node) error {
	inner, err := n.member("value")
	if err != nil {
		return err
	}
	switch v.Kind {
	case Literal:
		v.Literal, err = parseLiteral(inner)
	case Array:
		v.Element, err = parseValidator(inner)
	case Object:
		v.Fields, err = parseFields(inner)
	case Union:
		v.Members, err = parseMembers(inner)
	}
	return err
}

func parseRecord(n *node) (*Validator, error) {
	keys, err := n.member("keys")
	if err != nil {
		return nil, err
	}
	values, err := n.member("values")
	if err != nil {
		return nil, err
	}
	v := &Validator{Kind: Record}
	if v.Key, err = parseValidator(keys); err != nil {
		return nil, err
	}
	field, err := parseField("", values)
	if err != nil {
		return nil, err
	}
	if field.Optional {
		return nil, values.fail("Records cannot have optional values")
	}
	v.Element = field.Type
	return v, nil
}

func parseFields(n *node) ([]Field, error) {
	if err := n.object(); err != nil {
		return nil, err
	}
	fields := make([]Field, len(n.items))
	for i, item := range n.items {
		f, err := parseField(n.names[i], item)
		if err != nil {
			return nil, err
		}
		fields[i] = f
	}
	return fields, nil
}

func parseField(name string, n *node) (Field, error) {
	inner, err := n.member("fieldType")
	if err != nil {
		return Field{}, err
	}
	f := Field{Name: name}
	if o := n.get("optional"); o != nil {
		if f.Optional, err = o.bool(); err != nil {
			return Field{}, err
		}
	}
	f.Type, err = parseValidator(inner)
	return f, err
}

func parseMembers(n *node) ([]*Validator, error) {
	items, err := n.array()
	if err != nil {
		return nil, err
	}
	members := make([]*Validator, len(items))
	for i, item := range items {
		if members[i], err = parseValidator(item); err != nil {
			return nil, err
		}
	}
	return members, nil
}

// parseLiteral reads what a literal validator holds: a boolean, a number, a
// string or a packed bigint or float.
func parseLiteral(n *node) (value.Value, error) {
	switch s := n.scalar.(type) {
	case bool:
		return s, nil
	case string:
		return s, nil
	case json.Number:
		v, err := value.Decode([]byte(s.String()))
		if err != nil {
			return nil, n.fail("bad literal %s", s)
		}
		return v, nil
	}
	if n.kind == '{' && len(n.names) == 1 {
		packed, err := n.items[0].string()
		if err != nil {
			return nil, err
		}
		text := value.Append(nil, value.Object{{Name: n.names[0], Value: packed}})
		v, err := value.Decode(text)
		if err != nil {
			return nil, n.fail("bad literal: %v", err)
		}
		switch v.(type) {
		case int64, float64:
			return v, nil
		}
	}
	return nil, n.fail("a literal is a boolean, a number, a bigint or a string; found %s", n.what())
}

// withoutSystemFields drops fields beginning with an underscore from the
// objects at the top of a document's validator.
func withoutSystemFields(v *Validator) *Validator {
	switch v.Kind {
	case Object:
		var fields []Field
		for _, f := range v.Fields {
			if !strings.HasPrefix(f.Name, "_") {
				fields = append(fields, f)
			}
		}
		if len(fields) == len(v.Fields) {
			return v
		}
		return &Validator{Kind: Object, Fields: fields}
	case Union:
		members, changed := make([]*Validator, len(v.Members)), false
		for i, m := range v.Members {
			members[i] = withoutSystemFields(m)
			changed = changed || members[i] != m
		}
		if changed {
			return &Validator{Kind: Union, Members: members}
		}
	}
	return v
}
