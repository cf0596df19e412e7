package schema

import "strait/model/value"

// This file holds the signatures that the other rooms build against while the
// bodies are being written; it disappears file by file.

// Parse reads a schema's JSON, as exported (7.1) or stored (7.2), with tolerance for keys of newer versions.
func Parse(text []byte) (*Schema, error) { panic("being written") }

// JSON is the schema in the form of schema.export() (7.1).
func (s *Schema) JSON() []byte { panic("being written") }

// Hash is a short stable hash of what the schema means, whatever the order of tables.
func (s *Schema) Hash() string { panic("being written") }

// ParseValidator reads a validator's JSON (7.3).
func ParseValidator(text []byte) (*Validator, error) { panic("being written") }

// JSON is the validator's JSON (7.3).
func (v *Validator) JSON() []byte { panic("being written") }

// String prints the validator as Convex prints it: v.object({a: v.optional(v.string())}).
func (v *Validator) String() string { panic("being written") }

// Tables tells the name of a table by its number; nil accepts every id.
type Tables interface {
	// TableName returns the table with that number and whether there is one.
	TableName(number uint32) (string, bool)
}

// Violation is one place at which a value does not fit a validator.
type Violation struct {
	Path     string      // ".profile.zip", ".tags[0]", ".scores.values()"; "" is the document
	Field    string      // the same without indexes, as design.md writes paths: "profile.zip", "tags[]", "scores{}"
	Reason   string      // missing, extra, type, literal, id, union
	Expected string      // the validator there, printed; for an extra field ""
	Got      string      // type or short display of the value there
	Value    value.Value // what is there; Undefined for a missing field
	Message  string      // Convex's text of this violation (7.4), path included
}

// Check lists every violation of v against the validator, first the one that
// Convex would name. A nil validator accepts everything.
func (v *Validator) Check(val value.Value, ids Tables) []Violation { panic("being written") }

// Fits reports whether Check would find nothing, without building messages.
func (v *Validator) Fits(val value.Value, ids Tables) bool { panic("being written") }

// CheckDocument checks a stored document: system fields (names beginning with
// an underscore) are taken off first.
func (t *Table) CheckDocument(doc value.Object, ids Tables) []Violation { panic("being written") }

// ErrTooDeep or ErrTooWide is returned by Accepts when the question is beyond
// the bound stated there; never a wrong answer.

// Accepts reports whether a accepts every value that b accepts. When it does
// not, witness is a value that b accepts and a refuses. nil accepts everything.
func Accepts(a, b *Validator) (ok bool, witness value.Value, err error) { panic("being written") }

// Widen is the smallest readable validator that accepts what a and b accept.
func Widen(a, b *Validator) *Validator { panic("being written") }

// WidenSchemas widens table by table; tables of one side are kept, indexes of
// target win, indexes only of active are kept.
func WidenSchemas(active, target *Schema) *Schema { panic("being written") }

// Diverse? see generate.go: Generator makes realistic documents.
