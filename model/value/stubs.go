package value

// This file holds the signatures that the other rooms build against while the
// bodies are being written; it disappears file by file.

// Decode reads convex_encoded_json (convex-wire.md 8.1).
func Decode(text []byte) (Value, error) { panic("value.Decode: being written") }

// DecodePatch is Decode for patches, filter literals and index ranges, where
// {"$undefined":null} stands for Undefined.
func DecodePatch(text []byte) (Value, error) { panic("being written") }

// Append appends v as convex_encoded_json, fields sorted by name.
func Append(dst []byte, v Value) []byte { panic("being written") }

// AppendClean appends v as clean JSON (8.2), which loses the difference
// between some types.
func AppendClean(dst []byte, v Value) []byte { panic("being written") }

// AppendExport appends v as export JSON (8.3).
func AppendExport(dst []byte, v Value) []byte { panic("being written") }

// DecodeExport reads one export JSON value with the uniform marker (8.3): an
// integer literal is an int64, a number with fraction or exponent a float64.
func DecodeExport(text []byte) (Value, error) { panic("being written") }

// Compare orders two values as Convex does (8.4); Undefined comes first.
func Compare(a, b Value) int { panic("being written") }

// AppendKey appends bytes whose order under bytes.Compare is Compare's order,
// and no key is a prefix of another, so that keys of several fields can be
// joined.
func AppendKey(dst []byte, v Value) []byte { panic("being written") }

// Size is Convex's size of v in bytes (8.5).
func Size(v Value) int { panic("being written") }

// Equal reports whether a and b are the same value (NaN equals NaN, -0 is not 0).
func Equal(a, b Value) bool { panic("being written") }

// Display prints v as Convex prints values in its error texts (7.4).
func Display(v Value) string { panic("being written") }

// CheckLimits reports the first limit of 8.5 that v breaks as a document
// (names, counts, nesting, total size), in Convex's words (9.4).
func CheckLimits(doc Object) error { panic("being written") }

// Lookup returns the value at a dotted field path ("a.b"), Undefined if absent.
func Lookup(v Value, path string) Value { panic("being written") }

// ID is a decoded document id (8.6).
type ID struct {
	Table    uint32
	Internal [16]byte
}

// String is the id's text.
func (id ID) String() string { panic("being written") }

// ParseID decodes an id's text; only canonical text is accepted.
func ParseID(text string) (ID, error) { panic("being written") }
