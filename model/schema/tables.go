package schema

import (
	"maps"
	"slices"

	"strait/model/value"
)

// NumberedTables numbers tables by their place: the first is firstTable. A
// place without a name is no table.
type NumberedTables []string

// firstTable is the first number that Convex gives to a user's table.
const firstTable = 10001

// TableName implements Tables.
func (t NumberedTables) TableName(number uint32) (string, bool) {
	if number < firstTable || number-firstTable >= uint32(len(t)) || t[number-firstTable] == "" {
		return "", false
	}
	return t[number-firstTable], true
}

// Number returns the number of the table called name, 0 if there is none.
func (t NumberedTables) Number(name string) uint32 {
	if i := slices.Index(t, name); i >= 0 && name != "" {
		return firstTable + uint32(i)
	}
	return 0
}

// TablesOf numbers the tables whose ids the validators name, by name. A
// literal or a field's name that reads as an id is an id of none of them:
// which table has that number is known to a deployment only.
func TablesOf(vs ...*Validator) NumberedTables {
	names := map[string]bool{}
	taken := map[uint32]bool{}
	take := func(text string) {
		if id, err := value.ParseID(text); err == nil {
			taken[id.Table] = true
		}
	}
	for _, v := range vs {
		v.walk(func(v *Validator) {
			if v.Kind == ID {
				names[v.Table] = true
			}
			if text, ok := v.Literal.(string); ok {
				take(text)
			}
			for i := range v.Fields {
				take(v.Fields[i].Name)
			}
		})
	}
	if len(names) == 0 {
		return nil
	}
	out := make(NumberedTables, 0, len(names))
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for taken[firstTable+uint32(len(out))] {
			out = append(out, "")
		}
		out = append(out, name)
	}
	return out
}

// walk calls f with v and every validator inside it.
func (v *Validator) walk(f func(*Validator)) {
	if v == nil {
		return
	}
	f(v)
	v.Key.walk(f)
	v.Element.walk(f)
	for _, m := range v.Members {
		m.walk(f)
	}
	for _, field := range v.Fields {
		field.Type.walk(f)
	}
}
