package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Convex's limits on schemas (convex-wire.md 7.5).
const (
	MaxIndexes      = 64
	MaxIndexFields  = 16
	MaxFilterFields = 16
	MinDimensions   = 2
	MaxDimensions   = 4096
	maxIdentifier   = 64
)

// Problem is a rule of Convex that a schema breaks, so that a push of it is
// refused.
type Problem struct {
	Code    string // Convex's short name: "IndexNamesNotUnique" ...; "" where it has none
	Table   string
	Message string // Convex's text
}

func (p Problem) Error() string { return p.Message }

// Problems lists the rules that the schema breaks, first the one that Convex
// would name. It reads the tables one by one, then looks for reserved names
// in indexes, and last, only where types are enforced, whether the fields of
// indexes exist.
func (s *Schema) Problems() []Problem {
	s = orEmpty(s)
	var out []Problem
	for _, t := range s.Tables {
		r := &rules{table: t}
		r.document()
		r.tableName()
		r.indexes()
		out = append(out, r.found...)
	}
	sorted := slices.SortedFunc(slices.Values(s.Tables), func(a, b *Table) int { return cmp.Compare(a.Name, b.Name) })
	for _, check := range []func(*rules){(*rules).reservedFields, (*rules).indexFields} {
		for _, t := range sorted {
			r := &rules{table: t, validation: s.Validation}
			check(r)
			out = append(out, r.found...)
		}
	}
	return out
}

type rules struct {
	table      *Table
	validation bool
	found      []Problem
}

func (r *rules) add(code, format string, args ...any) {
	r.found = append(r.found, Problem{Code: code, Table: r.table.Name, Message: fmt.Sprintf(format, args...)})
}

func (r *rules) document() {
	doc := r.table.Document
	if doc == nil {
		return
	}
	before := len(r.found)
	r.validator(doc, "")
	if len(r.found) > before || doc.Kind == Any || doc.Kind == Object {
		return
	}
	const docs = "To learn more, see the schema documentation at https://docs.convex.dev/database/schemas."
	const text = "The document validator in a schema must be an object, a union of objects, or `v.any()`. Found %v. " + docs
	if doc.Kind != Union {
		r.add("InvalidTopLevelTypeInSchemaError", text, doc)
		return
	}
	for _, m := range doc.Members {
		if orAny(m).Kind != Object {
			r.add("InvalidTopLevelTypeInSchemaError", text, m)
		}
	}
}

// validator checks names, literals and record keys inside v. prefix names the
// fields around.
func (r *rules) validator(v *Validator, prefix string) {
	switch v = orAny(v); v.Kind {
	case ID:
		if reason := badIdentifier(v.Table); reason != "" {
			r.add("", "%s%s", prefix, reason)
		}
	case Literal:
		if f, ok := v.Literal.(float64); ok && f-f != 0 {
			r.add("UnsupportedFloatLiteral", "%sInfinite or NaN values are not supported in literal validators.", prefix)
		}
	case Array:
		r.validator(v.Element, prefix)
	case Record:
		r.record(v, prefix)
	case Object:
		for _, f := range v.SortedFields() {
			if reason := badIdentifier(f.Name); reason != "" {
				r.add("", "%s%s", prefix, reason)
			}
			r.validator(f.Type, prefix+"Invalid validator for key `"+f.Name+"`: ")
		}
	case Union:
		for _, m := range v.Members {
			r.validator(m, prefix)
		}
	}
}

func (r *rules) record(v *Validator, prefix string) {
	r.validator(v.Key, prefix)
	if ok, err := Includes(stringValidator, v.Key); err == nil && !ok {
		r.add("InvalidRecordType", "%sRecords can only have string keys. Your validator contains a record with key typed as `%v`, which is not a subtype of `v.string()`", prefix, v.Key)
	}
	literal := false
	v.Key.walk(func(k *Validator) { literal = literal || k.Kind == Literal && kindOf(k.Literal) == String })
	if literal {
		r.add("InvalidRecordType", "%sRecords cannot have string literal keys", prefix)
	}
	r.validator(v.Element, prefix)
}

func (r *rules) tableName() {
	name := r.table.Name
	switch {
	case badIdentifier(name) != "":
		r.add("InvalidTableName", "Invalid table name: \"%s\". Identifiers must start with a letter and can only contain letters, digits, and underscores.", name)
	case strings.HasPrefix(name, "_"):
		r.add("TableNameReserved", "%s is a reserved table name.", name)
	}
}

func (r *rules) indexes() {
	t := r.table
	if len(t.Indexes) > MaxIndexes {
		r.add("TooManyIndexes", "Table \"%s\" cannot have more than %d indexes.", t.Name, MaxIndexes)
	}
	seen := map[string]bool{}
	for i, x := range t.Indexes {
		r.index(x)
		for _, other := range t.Indexes[:i] {
			r.twins(other, x)
		}
		switch {
		case badIdentifier(x.Name) != "":
			r.add("InvalidIndexName", "In table \"%s\": Invalid index name: \"%s\". Identifiers must be %d characters or less, start with a letter, and only contain letters, digits, underscores.", t.Name, x.Name, maxIdentifier)
		case strings.HasPrefix(x.Name, "_") && !strings.HasPrefix(x.Name, "_fivetran") || x.Name == "by_id" || x.Name == "by_creation_time":
			r.add("IndexNameReserved", "In table \"%s\" cannot name an index \"%s\" because the name is reserved. Indexes may not start with an underscore or be named \"by_id\" or \"by_creation_time\".", t.Name, x.Name)
		case seen[x.Name]:
			r.add("IndexNamesNotUnique", "Table \"%s\" has two or more definitions of index \"%s\".", t.Name, x.Name)
		}
		seen[x.Name] = true
	}
}

func (r *rules) index(x Index) {
	in := func(code, format string, args ...any) {
		r.add(code, "In table \"%s\": In index \"%s\": %s", r.table.Name, x.Name, fmt.Sprintf(format, args...))
	}
	for _, path := range x.paths() {
		for _, part := range strings.Split(path, ".") {
			if badIdentifier(part) != "" {
				in("InvalidIndexField", "Invalid index field: \"%s\"", path)
				break
			}
		}
	}
	switch {
	case x.Kind == DatabaseIndex:
		r.databaseIndex(x, in)
	case len(x.FilterFields) > MaxFilterFields:
		r.add("IndexTooManyFilterFields", "In table \"%s\": Search indexes may have up to %d filter fields.", r.table.Name, MaxFilterFields)
	}
	if x.Kind == VectorIndex && (x.Dimensions < MinDimensions || x.Dimensions > MaxDimensions) {
		r.add("InvalidVectorDimensionError", "In table \"%s\": Dimensions %d must be between %d and %d.", r.table.Name, x.Dimensions, MinDimensions, MaxDimensions)
	}
}

func (r *rules) databaseIndex(x Index, in func(code, format string, args ...any)) {
	switch {
	case len(x.Fields) == 0:
		staged := ""
		if x.Staged {
			staged = "staged "
		}
		r.add("EmptyIndex", "In table \"%s\" %sindex \"%s\" must have at least one field.", r.table.Name, staged, x.Name)
	case len(x.Fields) > MaxIndexFields:
		in("IndexTooManyFields", "Indexes may have up to %d fields.", MaxIndexFields)
	case slices.Contains(x.Fields, "_id"):
		in("IndexFieldsContainId", "`_id` is not a valid index field. To load documents by ID, use `db.get(id)`.")
	}
	for i, field := range x.Fields {
		if slices.Contains(x.Fields[:i], field) {
			in("FieldsNotUniqueWithinIndex", "Duplicate field %s. Index fields must be unique within an index.", field)
			break
		}
	}
}

// twins reports two indexes that index the same.
func (r *rules) twins(a, b Index) {
	if !a.twin(b) {
		return
	}
	const advice = "You should combine the\n             indexes with the same `%[4]s` into one index containing all `filterField`s and then use different subsets of the `filterField`s at query time."
	switch a.Kind {
	case DatabaseIndex:
		r.add("IndexNotUnique", "In table \"%s\" index \"%s\" and index \"%s\" have the same fields. Indexes must be unique within a table.", r.table.Name, b.Name, a.Name)
	case SearchIndex:
		r.add("SearchIndexFieldNotUnique", "In table \"%s\" search index \"%s\" and search index \"%s\" have the same `%s`. Search index fields must be unique within a table. "+advice, r.table.Name, b.Name, a.Name, "searchField")
	case VectorIndex:
		r.add("VectorIndexFieldNotUnique", "In table \"%s\" vector index \"%s\" and vector index \"%s\" have the same `%s`. Vector index fields must be unique within a table. "+advice, r.table.Name, b.Name, a.Name, "vectorField")
	}
}

// twin reports whether Convex refuses the two indexes beside each other, for
// they index the same.
func (x Index) twin(y Index) bool {
	switch {
	case x.Kind != y.Kind:
		return false
	case x.Kind == SearchIndex:
		return x.SearchField == y.SearchField && slices.Equal(sorted(x.FilterFields), sorted(y.FilterFields))
	case x.Kind == VectorIndex:
		return x.VectorField == y.VectorField && x.Dimensions == y.Dimensions
	}
	return slices.Equal(x.Fields, y.Fields) && len(x.Fields) > 0
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// reservedFields looks for system fields in database indexes.
func (r *rules) reservedFields() {
	for _, x := range r.table.Indexes {
		system := func(path string) bool {
			return slices.ContainsFunc(strings.Split(path, "."), func(part string) bool { return strings.HasPrefix(part, "_") })
		}
		switch {
		case x.Kind != DatabaseIndex || slices.Contains(x.Fields, "_id"):
		case slices.Contains(x.Fields, "_creationTime"):
			r.add("IndexFieldsContainCreationTime", "`_creationTime` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details.")
		case slices.ContainsFunc(x.Fields, system):
			r.add("IndexFieldNameReserved", "Reserved fields (starting with `_`) are not allowed in indexes.")
		}
	}
}

// indexFields checks that documents can have the fields that indexes name.
func (r *rules) indexFields() {
	doc := r.table.Document
	if doc == nil || !r.validation {
		return
	}
	for _, x := range r.table.Indexes {
		for _, path := range x.paths() {
			if strings.HasPrefix(path, "_") && !strings.Contains(path, ".") {
				continue // a system field
			}
			if !doc.canContain(path) {
				r.add("SchemaDefinitionError", "In table \"%s\" the index \"%s\" is invalid because it references the field %s that does not exist.", r.table.Name, x.Name, path)
			} else if x.Kind == VectorIndex && path == x.VectorField && !doc.canHoldVector(path) {
				r.add("SchemaDefinitionError", "In table \"%s\" the vector index \"%s\" is invalid because it references the field %s that is neither an array of float64 or optional array of float64.", r.table.Name, x.Name, path)
			}
		}
	}
}

// paths lists the fields that the index names.
func (x Index) paths() []string {
	switch x.Kind {
	case SearchIndex:
		return append([]string{x.SearchField}, x.FilterFields...)
	case VectorIndex:
		return append([]string{x.VectorField}, x.FilterFields...)
	}
	return x.Fields
}

// canContain reports whether a value of v can have a field at the dotted path.
func (v *Validator) canContain(path string) bool {
	switch v = orAny(v); {
	case v.Kind == Union:
		return path == "" || slices.ContainsFunc(v.Members, func(m *Validator) bool { return m.canContain(path) })
	case path == "" || v.Kind == Any:
		return true
	case v.Kind != Object:
		return false
	}
	name, rest, _ := strings.Cut(path, ".")
	field := v.Field(name)
	return field != nil && field.Type.canContain(rest)
}

// canHoldVector reports whether an array of float64 can stand at the path, or
// an object of a union lacks it: Convex takes that too.
func (v *Validator) canHoldVector(path string) bool {
	switch v = orAny(v); {
	case v.Kind == Union:
		return slices.ContainsFunc(v.Members, func(m *Validator) bool { return m.canHoldVector(path) })
	case v.Kind == Any:
		return true
	case path == "":
		return v.Kind == Array && (orAny(v.Element).Kind == Number || orAny(v.Element).Kind == Any)
	case v.Kind != Object:
		return false
	}
	name, rest, _ := strings.Cut(path, ".")
	field := v.Field(name)
	return field == nil || field.Type.canHoldVector(rest)
}

// badIdentifier says in Convex's words what is wrong with the name of a table,
// an index or a declared field; "" is nothing.
func badIdentifier(s string) string {
	if s == "" {
		return "Identifier cannot be empty"
	}
	for i, r := range s {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z' || r == '_'
		switch {
		case i == 0 && !letter:
			return fmt.Sprintf("Invalid first character '%c' in %s: Identifiers must start with an alphabetic character or underscore", r, s)
		case !letter && (r < '0' || r > '9'):
			return fmt.Sprintf("Identifier %s has invalid character '%c': Identifiers can only contain alphanumeric characters or underscores", s, r)
		}
	}
	switch {
	case len(s) > maxIdentifier:
		return fmt.Sprintf("Identifier is too long (%d > maximum %d)", len(s), maxIdentifier)
	case strings.Trim(s, "_") == "":
		return fmt.Sprintf("Identifier %s cannot have exclusively underscores", s)
	}
	return ""
}
