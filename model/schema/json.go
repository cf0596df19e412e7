package schema

import (
	"strconv"

	"strait/model/value"
)

// JSON is the schema in the form of schema.export() (convex-wire.md 7.1), keys
// in its order.
func (s *Schema) JSON() []byte {
	s = orEmpty(s)
	b := []byte(`{"tables":[`)
	for i, t := range s.Tables {
		if i > 0 {
			b = append(b, ',')
		}
		b = t.appendJSON(b)
	}
	b = append(b, `],"schemaValidation":`...)
	b = strconv.AppendBool(b, s.Validation)
	return append(b, '}')
}

func (t *Table) appendJSON(b []byte) []byte {
	b = append(b, `{"tableName":`...)
	b = value.Append(b, t.Name)
	for _, list := range indexLists {
		b = append(append(append(b, `,"`...), list.key...), `":[`...)
		first := true
		for _, x := range t.Indexes {
			if x.Kind != list.kind || x.Staged != list.staged {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = x.appendJSON(b)
		}
		b = append(b, ']')
	}
	b = append(b, `,"documentType":`...)
	if t.Document == nil {
		b = append(b, "null"...)
	} else {
		b = t.Document.appendJSON(b)
	}
	return append(b, '}')
}

func (x Index) appendJSON(b []byte) []byte {
	b = append(b, `{"indexDescriptor":`...)
	b = value.Append(b, x.Name)
	switch x.Kind {
	case DatabaseIndex:
		b = appendNames(append(b, `,"fields":`...), x.Fields)
		return append(b, '}')
	case SearchIndex:
		b = value.Append(append(b, `,"searchField":`...), x.SearchField)
	case VectorIndex:
		b = value.Append(append(b, `,"vectorField":`...), x.VectorField)
		b = strconv.AppendInt(append(b, `,"dimensions":`...), int64(x.Dimensions), 10)
	}
	b = appendNames(append(b, `,"filterFields":`...), x.FilterFields)
	return append(b, '}')
}

func appendNames(b []byte, names []string) []byte {
	b = append(b, '[')
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = value.Append(b, name)
	}
	return append(b, ']')
}

// JSON is the validator's JSON (convex-wire.md 7.3).
func (v *Validator) JSON() []byte { return v.appendJSON(nil) }

func (v *Validator) appendJSON(b []byte) []byte {
	v = orAny(v)
	b = append(append(append(b, `{"type":"`...), v.Kind...), '"')
	switch v.Kind {
	case Literal:
		b = value.Append(append(b, `,"value":`...), v.Literal)
	case ID:
		b = value.Append(append(b, `,"tableName":`...), v.Table)
	case Array:
		b = v.Element.appendJSON(append(b, `,"value":`...))
	case Record:
		b = v.Key.appendJSON(append(b, `,"keys":`...))
		b = v.Element.appendJSON(append(b, `,"values":{"fieldType":`...))
		b = append(b, `,"optional":false}`...)
	case Object:
		b = append(b, `,"value":{`...)
		for i, f := range v.Fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = value.Append(b, f.Name)
			b = f.Type.appendJSON(append(b, `:{"fieldType":`...))
			b = strconv.AppendBool(append(b, `,"optional":`...), f.Optional)
			b = append(b, '}')
		}
		b = append(b, '}')
	case Union:
		b = append(b, `,"value":[`...)
		for i, m := range v.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = m.appendJSON(b)
		}
		b = append(b, ']')
	}
	return append(b, '}')
}
