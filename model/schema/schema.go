// Package schema holds Convex schemas and validators: their JSON, the check of
// a value, inclusion with witnesses, widening, generation and printing.
//
// Rules of the package. Schemas and validators are never changed once built,
// and share parts. A nil validator accepts everything, as v.any() does. Two
// things are compared by the values that they accept, never by how they are
// written; what is written keeps its order, for people read it. Fits is the
// one definition of what a validator accepts: Check, Accepts, Edge and the
// Sampler are tested against it. Texts that Convex would write are its own,
// word for word; the server's source is named in the tests that hold them.
// No function panics on any schema or value, however strange.
package schema

import "strait/model/value"

// Schema is a whole schema, tables in the order of their JSON.
type Schema struct {
	Tables []*Table
	// Validation is schemaValidation: whether Convex enforces the documents'
	// types at push and on write.
	Validation bool
}

// Table is one table of a schema.
type Table struct {
	Name string
	// Document is the validator of the documents without system fields; nil
	// when the table is declared without one, which accepts everything.
	Document *Validator
	Indexes  []Index // all kinds, in declared order within a kind: database, search, vector; staged after enabled
}

// IndexKind is the kind of an index.
type IndexKind string

// The kinds of index.
const (
	DatabaseIndex IndexKind = "database"
	SearchIndex   IndexKind = "search"
	VectorIndex   IndexKind = "vector"
)

// Index is one index of a table. Fields that its kind does not use are zero.
type Index struct {
	Kind         IndexKind
	Name         string
	Staged       bool
	Fields       []string // database
	SearchField  string   // search
	VectorField  string   // vector
	Dimensions   int      // vector
	FilterFields []string // search, vector
}

// Kind is the kind of a validator, in the words of its JSON.
type Kind string

// The kinds of validator (convex-wire.md 7.3).
const (
	Null     Kind = "null"
	Number   Kind = "number"
	Bigint   Kind = "bigint"
	Boolean  Kind = "boolean"
	String   Kind = "string"
	Bytes    Kind = "bytes"
	Any      Kind = "any"
	CommitTs Kind = "commitTs"
	Literal  Kind = "literal"
	ID       Kind = "id"
	Array    Kind = "array"
	Record   Kind = "record"
	Object   Kind = "object"
	Union    Kind = "union"
)

// Validator is one validator. It is never changed once built.
type Validator struct {
	Kind    Kind
	Literal value.Value  // literal: bool, float64, int64 or string
	Table   string       // id
	Element *Validator   // array: the elements; record: the values
	Key     *Validator   // record: the keys
	Fields  []Field      // object, in declared order
	Members []*Validator // union, in declared order
}

// Field is one field of an object validator.
type Field struct {
	Name     string
	Type     *Validator
	Optional bool
}

// orEmpty makes no schema one without tables.
func orEmpty(s *Schema) *Schema {
	if s == nil {
		return &Schema{}
	}
	return s
}

// Table returns the table called name, or nil.
func (s *Schema) Table(name string) *Table {
	if s == nil {
		return nil
	}
	for _, t := range s.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// Field returns the field called name of an object validator, or nil.
func (v *Validator) Field(name string) *Field {
	for i := range v.Fields {
		if v.Fields[i].Name == name {
			return &v.Fields[i]
		}
	}
	return nil
}
