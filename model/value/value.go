// Package value holds Convex values: their encodings, order, sizes and ids.
//
// A value is never changed once it is built, so that documents, transactions
// and pages may share parts; With and Without copy. Decoders accept what Convex
// accepts and say where they refuse; limits are checked apart, since patches
// and results have other limits than documents.
//
// A value is one of the Go types listed at Value. Objects keep their fields
// sorted by name, as Convex stores and prints them, so that encoding a value
// twice gives the same bytes and comparing two needs no look-up.
package value

import (
	"fmt"
	"slices"
	"strings"
)

// Value is a Convex value: nil (null), bool, float64, int64, string, Bytes,
// Array or Object. Undefined stands for an absent field where the wire allows
// one: in patches, filter literals and index ranges. Anything else, an int for
// instance, is a mistake of the program: the functions of this package panic on
// it rather than lose data.
type Value any

func notValue(v any) string { return fmt.Sprintf("value: a Go %T is not a Convex value", v) }

// Bytes is a Convex bytes value (ArrayBuffer).
type Bytes []byte

// Array is a Convex array.
type Array []Value

// Object is a Convex object, its fields sorted by name, each name once.
type Object []Field

// Field is one field of an Object.
type Field struct {
	Name  string
	Value Value
}

// Undefined marks a field that is absent. It sorts before every other value.
type Undefined struct{}

// NewObject sorts fields by name into an Object. When a name comes twice, the
// last one counts, as in JavaScript.
func NewObject(fields ...Field) Object {
	o := make(Object, len(fields))
	copy(o, fields)
	return sortFields(o)
}

// sortFields sorts in place, by name, and keeps the last field of each name.
func sortFields(fields []Field) []Field {
	ascending := true
	for i := 1; i < len(fields) && ascending; i++ {
		ascending = fields[i-1].Name < fields[i].Name
	}
	if ascending {
		return fields
	}
	slices.SortStableFunc(fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return lastOfEach(fields)
}

// lastOfEach keeps, in place, the last of each run of fields of one name.
func lastOfEach(sorted []Field) []Field {
	out := sorted[:0]
	for i, f := range sorted {
		if i+1 < len(sorted) && sorted[i+1].Name == f.Name {
			continue
		}
		out = append(out, f)
	}
	return out
}

// Get returns the field called name and whether the object has it.
func (o Object) Get(name string) (Value, bool) {
	i, ok := o.find(name)
	if !ok {
		return nil, false
	}
	return o[i].Value, true
}

// find returns where the field called name is, or would be.
func (o Object) find(name string) (int, bool) {
	low, high := 0, len(o)
	for low < high {
		if middle := (low + high) / 2; o[middle].Name < name {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, low < len(o) && o[low].Name == name
}

// With returns a copy of the object in which name is v; an Undefined v
// removes the field.
func (o Object) With(name string, v Value) Object {
	if _, gone := v.(Undefined); gone {
		return o.Without(name)
	}
	i, ok := o.find(name)
	out := make(Object, 0, len(o)+1)
	out = append(out, o[:i]...)
	out = append(out, Field{name, v})
	if ok {
		i++
	}
	return append(out, o[i:]...)
}

// Without returns the object without the field called name.
func (o Object) Without(name string) Object {
	i, ok := o.find(name)
	if !ok {
		return o
	}
	out := make(Object, 0, len(o)-1)
	out = append(out, o[:i]...)
	return append(out, o[i+1:]...)
}

// Lookup returns the value at a dotted field path ("a.b"), Undefined if absent.
// The empty path is v itself.
func Lookup(v Value, path string) Value {
	for path != "" {
		o, ok := v.(Object)
		if !ok {
			return Undefined{}
		}
		name, rest, _ := strings.Cut(path, ".")
		if v, ok = o.Get(name); !ok {
			return Undefined{}
		}
		path = rest
	}
	return v
}
