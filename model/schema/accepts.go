package schema

import (
	"errors"
	"fmt"
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
// which chose it. Where that tries too many choices, the object of b is taken
// apart at a field, and each part looked at alone.
func Accepts(a, b *Validator) (ok bool, witness value.Value, err error) {
	return accepts(orAny(a), orAny(b))
}

// AcceptsDocuments is Accepts for the documents of a table: b's values are
// objects without system fields, also where b is nil or any.
func AcceptsDocuments(a, b *Validator) (ok bool, witness value.Object, err error) {
	ok, w, err := accepts(orAny(a), documents(b))
	witness, _ = w.(value.Object)
	return ok, witness, err
}

// Includes is Accepts without the witness, at a fraction of the cost.
func Includes(a, b *Validator) (bool, error) {
	return newSearch(orAny(a), orAny(b)).includes()
}

// IncludesDocuments is AcceptsDocuments without the witness.
func IncludesDocuments(a, b *Validator) (bool, error) {
	return newSearch(orAny(a), documents(b)).includes()
}

// documents is v without the values that are no objects.
func documents(v *Validator) *Validator {
	switch v = orAny(v); v.Kind {
	case Any:
		return anyObject
	case Object, Record:
		return v
	}
	out := &Validator{Kind: Union}
	for _, m := range flatten(nil, v) {
		if m.Kind == Any {
			return anyObject
		}
		if m.Kind == Object || m.Kind == Record {
			out.Members = append(out.Members, m)
		}
	}
	return out
}

var (
	anyValidator    = &Validator{Kind: Any}
	stringValidator = &Validator{Kind: String}
	anyObject       = &Validator{Kind: Record, Key: stringValidator, Element: anyValidator}
	nothing         = &Validator{Kind: Union} // accepts no value
	// kinds is any, taken apart.
	kinds = []*Validator{
		{Kind: Null}, {Kind: Boolean}, {Kind: Number}, {Kind: Bigint}, {Kind: String}, {Kind: Bytes},
		{Kind: Array, Element: anyValidator},
		anyObject,
	}
)

func orAny(v *Validator) *Validator {
	if v == nil {
		return anyValidator
	}
	return v
}

func accepts(a, b *Validator) (bool, value.Value, error) {
	return newSearch(a, b).accepts()
}

func (s *search) accepts() (bool, value.Value, error) {
	a, b := s.a, s.b
	if ok, err := s.includes(); ok || err != nil {
		return ok, nil, err
	}
	s.steps = 0
	b = s.member(b)
	w, found := s.escape(b, []*Validator{a})
	switch {
	case !found && s.steps > maxSteps:
		return false, nil, s.tooWide()
	case !found, !b.Fits(w, s), a.Fits(w, s):
		// Unreachable unless the search is wrong; then say nothing false.
		return false, nil, fmt.Errorf("compare %s and %s: the witness does not hold; please report this", brief(a), brief(b))
	}
	return false, w, nil
}

// member is b, or the first member of the union b by which it leaves a.
func (s *search) member(b *Validator) *Validator {
	if b.Kind == Union {
		for _, m := range b.Members {
			if s.leaves(m, s.a) {
				return s.member(orAny(m))
			}
		}
	}
	return b
}

func (s *search) includes() (bool, error) {
	leaves := s.leaves(s.b, s.a)
	if !leaves && s.steps > maxSteps {
		return false, s.tooWide()
	}
	return !leaves, nil
}

func (s *search) tooWide() error {
	return fmt.Errorf("compare %s and %s: %w: more than %d steps", brief(s.a), brief(s.b), ErrTooWide, maxSteps)
}

// brief names a validator in an error.
func brief(v *Validator) string {
	const most = 60
	text := v.String()
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

// maxSame bounds how many validators same looks at: it is a short cut, and
// where validators are deep it would cost more than it saves.
const maxSame = 1024

// same reports whether two validators are written alike, as far as that is
// soon seen.
func same(a, b *Validator) bool {
	left := maxSame
	return alike(a, b, &left)
}

func alike(a, b *Validator, left *int) bool {
	if a == b {
		return true
	}
	if *left--; *left < 0 {
		return false
	}
	if a == nil || b == nil || a.Kind != b.Kind || a.Table != b.Table || len(a.Fields) != len(b.Fields) || len(a.Members) != len(b.Members) {
		return false
	}
	for i := range a.Fields {
		if f, g := &a.Fields[i], &b.Fields[i]; f.Name != g.Name || f.Optional != g.Optional || !alike(f.Type, g.Type, left) {
			return false
		}
	}
	for i, m := range a.Members {
		if !alike(m, b.Members[i], left) {
			return false
		}
	}
	return alike(a.Key, b.Key, left) && alike(a.Element, b.Element, left) && (a.Kind != Literal || value.Equal(a.Literal, b.Literal))
}

// patience of searches: most take some dozens of steps.
const patience = 4000

func newSearch(a, b *Validator) *search { return &search{a: a, b: b, patience: patience} }

// search looks for values. When it runs out of steps it finds nothing more,
// so that what it does find is always true.
type search struct {
	a, b  *Validator
	steps int
	// patience is how many steps are given to choosing fields before an object
	// is taken apart.
	patience int
	tables   NumberedTables // TablesOf(a, b), when asked for
	listed   bool
	ids      map[string]string // of s.id, the first of each table
	known    map[string]found  // of s.leave
	number   map[*Validator]uint32
	sets     map[*Validator]map[string]bool // of s.literals
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
	b = orAny(b)
	flat := as
	if slices.ContainsFunc(as, func(a *Validator) bool { return a == nil || a.Kind == Union }) {
		flat = nil
		for _, a := range as {
			flat = flatten(flat, a)
		}
	}
	alone := len(flat) == 1 && b.Kind == Object // compared field by field at once
	for _, a := range flat {
		if a.Kind == Any || !alone && s.same(a, b) {
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

// same costs steps, for what it looks at may be large.
func (s *search) same(a, b *Validator) bool {
	left := maxSame
	is := alike(a, b, &left)
	s.steps += (maxSame - left) / 16
	return is
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
		if coversScalar(a, b) {
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
		text := s.id(v.Table, i)
		return text, text != ""
	}
	return nil, false
}

func numbered(word string, i int) string {
	if i == 0 {
		return word
	}
	return word + strconv.Itoa(i+1)
}

// id is the i-th id of a table, "" if the table has no number.
func (s *search) id(table string, i int) string {
	if text, ok := s.ids[table]; ok && i == 0 {
		return text
	}
	number := s.numbered().Number(table)
	if number == 0 {
		return ""
	}
	text := value.NewID(number, [14]byte{12: byte(i >> 8), 13: byte(i)}, 0).String()
	if i == 0 {
		if s.ids == nil {
			s.ids = map[string]string{}
		}
		s.ids[table] = text
	}
	return text
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
