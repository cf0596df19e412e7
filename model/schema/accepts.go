package schema

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"strait/model/value"
)

// ErrTooWide is returned by Accepts when unions of objects leave more
// combinations open than its bound.
var ErrTooWide = errors.New("unions too wide to compare")

// maxSteps bounds the search of Accepts: every look at a pair of validators is
// a step. Schemas of a hundred tables need some thousands in all; only
// unions of many objects that differ in many optional fields come near.
const maxSteps = 500_000

// Accepts reports whether a accepts every value that b accepts. When it does
// not, witness is a value that b accepts and a refuses; ids in it are those of
// TablesOf(a, b). nil accepts everything. The answer is exact: unions of
// objects, optional fields, records and literals are compared by the values
// that they admit, not by their form; Convex's limits on size and nesting are
// left aside. The error is ErrTooWide, wrapped, when more than maxSteps steps
// would be needed.
//
// The method: look for a value of b outside every member of a. For an object
// that means to choose, for each object of a, one field at which the value
// leaves it, and to find at each field one value that leaves all the objects
// which chose it.
func Accepts(a, b *Validator) (ok bool, witness value.Value, err error) {
	return accepts(orAny(a), orAny(b))
}

// AcceptsDocuments is Accepts for the documents of a table: b's values are
// objects without system fields, also where b is nil or any.
func AcceptsDocuments(a, b *Validator) (ok bool, witness value.Object, err error) {
	b = orAny(b)
	if b.Kind == Any {
		b = &Validator{Kind: Record, Key: stringValidator, Element: anyValidator}
	}
	ok, w, err := accepts(orAny(a), b)
	witness, _ = w.(value.Object)
	return ok, witness, err
}

var (
	anyValidator    = &Validator{Kind: Any}
	stringValidator = &Validator{Kind: String}
	nothing         = &Validator{Kind: Union} // accepts no value
	// kinds is any, taken apart.
	kinds = []*Validator{
		{Kind: Null}, {Kind: Boolean}, {Kind: Number}, {Kind: Bigint}, {Kind: String}, {Kind: Bytes},
		{Kind: Array, Element: anyValidator},
		{Kind: Record, Key: stringValidator, Element: anyValidator},
	}
)

func orAny(v *Validator) *Validator {
	if v == nil {
		return anyValidator
	}
	return v
}

func accepts(a, b *Validator) (bool, value.Value, error) {
	s := &search{a: a, b: b}
	w, found := s.escape(b, []*Validator{a})
	switch {
	case !found && s.steps > maxSteps:
		return false, nil, fmt.Errorf("compare %s and %s: %w: more than %d steps", brief(a), brief(b), ErrTooWide, maxSteps)
	case !found:
		return true, nil, nil
	case !b.Fits(w, s) || a.Fits(w, s):
		// Unreachable unless the search is wrong; then say nothing false.
		return false, nil, fmt.Errorf("compare %s and %s: the witness does not hold; please report this", brief(a), brief(b))
	}
	return false, w, nil
}

// brief names a validator in an error.
func brief(v *Validator) string {
	const most = 60
	if runes := []rune(v.String()); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return v.String()
}

// NumberedTables numbers tables by their place: the first is firstTable.
type NumberedTables []string

// firstTable is the first number that Convex gives to a user's table.
const firstTable = 10001

// TableName implements Tables.
func (t NumberedTables) TableName(number uint32) (string, bool) {
	if number < firstTable || number-firstTable >= uint32(len(t)) {
		return "", false
	}
	return t[number-firstTable], true
}

// Number returns the number of the table called name, 0 if there is none.
func (t NumberedTables) Number(name string) uint32 {
	if i := slices.Index(t, name); i >= 0 {
		return firstTable + uint32(i)
	}
	return 0
}

// TablesOf numbers the tables whose ids the validators name, by name.
func TablesOf(vs ...*Validator) NumberedTables {
	names := map[string]bool{}
	for _, v := range vs {
		v.walk(func(v *Validator) {
			if v.Kind == ID {
				names[v.Table] = true
			}
		})
	}
	return slices.Sorted(maps.Keys(names))
}

// same reports whether two validators are written alike.
func same(a, b *Validator) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.Kind != b.Kind || a.Table != b.Table || len(a.Fields) != len(b.Fields) || len(a.Members) != len(b.Members) {
		return false
	}
	for i, f := range a.Fields {
		if g := &b.Fields[i]; f.Name != g.Name || f.Optional != g.Optional || !same(f.Type, g.Type) {
			return false
		}
	}
	for i, m := range a.Members {
		if !same(m, b.Members[i]) {
			return false
		}
	}
	return same(a.Key, b.Key) && same(a.Element, b.Element) && (a.Kind != Literal || value.Equal(a.Literal, b.Literal))
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

// search looks for values. When it runs out of steps it finds nothing more,
// so that what it does find is always true.
type search struct {
	a, b   *Validator
	steps  int
	tables NumberedTables // TablesOf(a, b), when asked for
	listed bool
}

func (s *search) numbered() NumberedTables {
	if !s.listed {
		s.tables, s.listed = TablesOf(s.a, s.b), true
	}
	return s.tables
}

// TableName implements Tables.
func (s *search) TableName(number uint32) (string, bool) { return s.numbered().TableName(number) }

// escape finds a value that b accepts and none of as does.
func (s *search) escape(b *Validator, as []*Validator) (value.Value, bool) {
	if s.steps++; s.steps > maxSteps {
		return nil, false
	}
	flat := as
	if slices.ContainsFunc(as, func(a *Validator) bool { return a.Kind == Union }) {
		flat = nil
		for _, a := range as {
			flat = flatten(flat, a)
		}
	}
	for _, a := range flat {
		if a.Kind == Any || same(a, b) {
			return nil, false
		}
	}
	switch b.Kind {
	case Union:
		return s.first(b.Members, flat)
	case Any:
		return s.first(kinds, flat)
	case Array:
		return s.escapeArray(b.Element, flat)
	case Object, Record:
		return s.escapeObject(b, flat)
	}
	return s.escapeScalar(b, flat)
}

func (s *search) first(members, as []*Validator) (value.Value, bool) {
	for _, m := range members {
		if w, found := s.escape(m, as); found {
			return w, true
		}
	}
	return nil, false
}

// escapeScalar tries values of b: each literal of as can refuse only one.
func (s *search) escapeScalar(b *Validator, as []*Validator) (value.Value, bool) {
	for _, a := range as {
		if a.Kind == b.Kind && a.Kind != Literal && a.Kind != ID || integer(a) && integer(b) || a.Kind == String && b.Kind == ID {
			return nil, false
		}
	}
	for i := 0; i <= len(as); i++ {
		w, ok := s.sample(b, i)
		if !ok {
			return nil, false
		}
		if !slices.ContainsFunc(as, func(a *Validator) bool { return a.Fits(w, s) }) {
			return w, true
		}
	}
	return nil, false
}

func integer(v *Validator) bool { return v.Kind == Bigint || v.Kind == CommitTs }

// sample is the i-th value of a scalar validator, all different.
func (s *search) sample(v *Validator, i int) (value.Value, bool) {
	switch v.Kind {
	case Null:
		return nil, i == 0
	case Boolean:
		return i == 1, i < 2
	case Literal:
		return v.Literal, i == 0
	case Number:
		return float64(i), true
	case Bigint, CommitTs:
		return int64(i), true
	case String:
		return numbered("text", i), true
	case Bytes:
		return value.Bytes(strings.Repeat("\x00", i)), true
	case ID:
		return s.id(v.Table, i), true
	}
	return nil, false
}

func numbered(word string, i int) string {
	if i == 0 {
		return word
	}
	return word + strconv.Itoa(i+1)
}

func (s *search) id(table string, i int) string {
	return value.NewID(s.numbered().Number(table), [14]byte{12: byte(i >> 8), 13: byte(i)}, 0).String()
}

// escapeArray needs one element outside each of the arrays of as; the elements
// do not depend on each other.
func (s *search) escapeArray(element *Validator, as []*Validator) (value.Value, bool) {
	out := value.Array{}
	for _, a := range as {
		if a.Kind != Array || slices.ContainsFunc(out, func(e value.Value) bool { return !a.Element.Fits(e, s) }) {
			continue
		}
		e, found := s.escape(element, []*Validator{a.Element})
		if !found {
			return nil, false
		}
		out = append(out, e)
	}
	return out, true
}
