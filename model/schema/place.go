package schema

import (
	"slices"
	"strconv"
)

// known names the table, and the index or the field, of the JSON that a node
// is in: table "users", vector index "by_embedding". "" outside of any table.
// Exported JSON lists them by number, by which nobody knows them.
func (n *node) known() string {
	var steps []*node // from the root, without it
	for ; n != nil && n.up != nil; n = n.up {
		steps = append([]*node{n}, steps...)
	}
	if len(steps) < 2 || steps[0].key() != "tables" || steps[0].kind != '[' {
		return ""
	}
	table := steps[1]
	name, ok := table.called("tableName")
	if !ok {
		return ""
	}
	text := "table " + strconv.Quote(name)
	if len(steps) < 3 {
		return text
	}
	part := steps[2].key()
	for _, list := range indexLists {
		if list.key != part || len(steps) < 4 {
			continue
		}
		name, ok := steps[3].called("indexDescriptor")
		if !ok {
			return text
		}
		return text + ", " + list.noun() + " " + strconv.Quote(name)
	}
	if part == "documentType" {
		if field := fieldPath(steps[2], steps[3:]); field != "" {
			return text + ", field " + strconv.Quote(field)
		}
	}
	return text
}

func (l indexList) noun() string {
	if l.kind == DatabaseIndex {
		return "index"
	}
	return string(l.kind) + " index"
}

// fieldPath is the field that the steps below a validator lead to, as people
// write it: profile.tags[].
func fieldPath(validator *node, steps []*node) string {
	path := ""
	for len(steps) > 0 {
		kind, _ := validator.called("type")
		switch inner := steps[0]; {
		case kind == string(Object) && inner.key() == "value" && len(steps) > 1:
			if path != "" {
				path += "."
			}
			path += steps[1].key()
			steps = steps[1:]
		case kind == string(Array) && inner.key() == "value":
			path, validator, steps = path+"[]", inner, steps[1:]
			continue
		case kind == string(Union) && inner.key() == "value" && len(steps) > 1:
			validator, steps = steps[1], steps[2:]
			continue
		case kind == string(Record) && inner.key() == "values":
			path += "{}"
		default:
			return path
		}
		// A field, or the values of a record: the validator is one step below.
		if len(steps) < 2 || steps[1].key() != "fieldType" {
			return path
		}
		validator, steps = steps[1], steps[2:]
	}
	return path
}

// key is the name under which an object holds the node; "" in an array.
func (n *node) key() string {
	if n.up.kind != '{' || n.at >= len(n.up.names) {
		return ""
	}
	return n.up.names[n.at]
}

// called is a member that is a string, also of a node that is still being read:
// its last name may not have a value yet.
func (n *node) called(name string) (string, bool) {
	i := slices.Index(n.names, name)
	if i < 0 || i >= len(n.items) {
		return "", false
	}
	s, ok := n.items[i].scalar.(string)
	return s, ok
}
