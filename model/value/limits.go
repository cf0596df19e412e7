package value

import (
	"fmt"
	"strings"
)

// Convex's limits on values and documents (convex-wire.md 8.5).
const (
	MaxNameLength      = 1024
	MaxFields          = 1024
	MaxElements        = 8192
	MaxNesting         = 64
	MaxDocumentNesting = 16
	MaxValueSize       = 32 << 20
	MaxDocumentSize    = 1 << 20
)

// LimitError is a limit of Convex that a value breaks.
type LimitError struct {
	Code    string // Convex's short name: "ArrayTooLong", "ValueTooLargeError" ...
	Message string // Convex's text (convex-wire.md 9.4)
}

func (e *LimitError) Error() string { return e.Message }

func limit(code, format string, args ...any) *LimitError {
	return &LimitError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Size is Convex's size of v in bytes (8.5).
func Size(v Value) int {
	switch v := v.(type) {
	case nil, bool:
		return 1
	case int64, float64:
		return 9
	case string:
		return 2 + len(v)
	case Bytes:
		return 2 + len(v)
	case Array:
		size := 2
		for _, e := range v {
			size += Size(e)
		}
		return size
	case Object:
		size := 2
		for _, f := range v {
			size += len(f.Name) + 1 + Size(f.Value)
		}
		return size
	case Undefined:
		return 0
	}
	panic(notValue(v))
}

// CheckValue reports the first limit that v breaks as an argument or a result
// of a function, innermost first, in Convex's words. The error is a
// *LimitError.
func CheckValue(v Value) error {
	if _, err := checkValue(v); err != nil {
		return err
	}
	return nil
}

// CheckLimits reports the first limit that doc breaks as a document (names,
// counts, nesting, system fields, total size), in Convex's words (9.4). The
// error is a *LimitError.
func CheckLimits(doc Object) error {
	nesting, err := checkValue(doc)
	if err != nil {
		return err
	}
	if nesting > MaxDocumentNesting {
		return limit("InvalidDocumentError", "Document is too nested (nested %d levels deep > maximum nesting %d)", nesting, MaxDocumentNesting)
	}
	for _, f := range doc {
		if strings.HasPrefix(f.Name, "_") && f.Name != "_id" && f.Name != "_creationTime" {
			return limit("InvalidDocumentError", "Field '%s' starts with an underscore, which is only allowed for system fields like '_id'", f.Name)
		}
	}
	if size := Size(doc); size > MaxDocumentSize {
		return tooLarge(size, MaxDocumentSize)
	}
	return nil
}

// checkValue returns how deep v is nested; scalars are 0 deep.
func checkValue(v Value) (int, *LimitError) {
	nesting, err := checkParts(v)
	if err != nil {
		return 0, err
	}
	if nesting > MaxNesting {
		return 0, limit("TooNestedError", "Value is too nested (nested %d levels deep > maximum nesting %d)", nesting, MaxNesting)
	}
	if size := Size(v); size > MaxValueSize {
		return 0, tooLarge(size, MaxValueSize)
	}
	return nesting, nil
}

func checkParts(v Value) (nesting int, err *LimitError) {
	switch v := v.(type) {
	case Array:
		for _, e := range v {
			n, err := checkParts(e)
			if err != nil {
				return 0, err
			}
			nesting = max(nesting, n)
		}
		if len(v) > MaxElements {
			return 0, limit("ArrayTooLong", "Array length is too long (%d > maximum length %d)", len(v), MaxElements)
		}
		return nesting + 1, nil
	case Object:
		for _, f := range v {
			if reason := badName(f.Name); reason != "" {
				return 0, limit("InvalidFieldName", "%s", reason)
			}
			n, err := checkParts(f.Value)
			if err != nil {
				return 0, err
			}
			nesting = max(nesting, n)
		}
		if len(v) > MaxFields {
			return 0, limit("TooManyFieldsError", "Object has too many fields (%d > maximum number %d)", len(v), MaxFields)
		}
		return nesting + 1, nil
	}
	return 0, nil
}

// badName says in Convex's words what is wrong with a field name; "" is
// nothing.
func badName[T string | []byte](name T) string {
	if len(name) > 0 && name[0] == '$' {
		return fmt.Sprintf("Field name %s starts with '$', which is reserved.", string(name))
	}
	for i := range len(name) {
		if c := name[i]; c < 0x20 || c >= 0x7f {
			return badCharacter(string(name))
		}
	}
	if len(name) > MaxNameLength {
		return fmt.Sprintf("Field name is too long (%d > maximum %d)", len(name), MaxNameLength)
	}
	return ""
}

func badCharacter(name string) string {
	for _, r := range name {
		if r < 0x20 || r >= 0x7f {
			return fmt.Sprintf("Field name %s has invalid character %s: Field names can only contain non-control ASCII characters", name, "'"+escapeRune(r)+"'")
		}
	}
	return ""
}

func tooLarge(size, most int) *LimitError {
	return limit("ValueTooLargeError", "Value is too large (%s > maximum size %s)", binarySize(size), binarySize(most))
}

// binarySize prints 1048576 as "1 MiB" and 1300000 as "1.24 MiB".
func binarySize(n int) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	if f == float64(int64(f)) {
		return fmt.Sprintf("%.0f %s", f, unit)
	}
	return fmt.Sprintf("%.2f %s", f, unit)
}
