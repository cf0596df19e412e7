package schema

import (
	"encoding/binary"
	"slices"

	"strait/model/value"
)

// slot is what an object or record validator admits at one name: no field,
// values of a type, or either.
type slot struct {
	absent bool
	typ    *Validator
}

func (s *search) slot(v *Validator, name string) slot {
	if v.Kind == Record {
		if v.Key.Fits(name, s) {
			return slot{true, orAny(v.Element)}
		}
		return slot{true, nothing}
	}
	if f := v.Field(name); f != nil {
		return slot{f.Optional, orAny(f.Type)}
	}
	return slot{true, nothing}
}

// objects is one search for an object of b outside all of as. At every name,
// left holds the slots that the value there has to leave, and at the value
// that does so at the moment (Undefined: no field).
type objects struct {
	*search
	b     *Validator
	as    []*Validator
	names []string
	left  map[string][]slot
	at    map[string]value.Value
	extra []value.Field // fields of fresh names, one for each record left there
	limit int           // of steps: beyond it the search gives up
}

func (s *search) escapeObject(b *Validator, flat []*Validator) (value.Value, bool) {
	if len(flat) == 1 && flat[0].Kind == Object && b.Kind == Object {
		return s.escapeOne(b, flat[0])
	}
	var as []*Validator
	for _, a := range flat {
		if (a.Kind == Object || a.Kind == Record) && !s.disjoint(a, b) {
			as = append(as, a)
		}
	}
	if len(as) == 0 && b.Kind == Object {
		return s.plain(b, nil)
	}
	if len(as) == 1 && as[0].Kind == Object && b.Kind == Object {
		return s.escapeOne(b, as[0])
	}
	o := &objects{search: s, b: b, as: as, left: map[string][]slot{}, at: map[string]value.Value{}}
	o.collectNames()
	for _, name := range o.names {
		w, found := o.leave(name, nil)
		if !found {
			return nil, false // b itself accepts nothing
		}
		o.at[name] = w
	}
	if !o.order() {
		return nil, false
	}
	before := slices.Clone(as)
	if o.limit = min(s.steps+s.patience, maxSteps); !o.solve(0) {
		if s.steps <= o.limit || s.steps > maxSteps {
			return nil, false
		}
		return s.escapeSplit(b, before)
	}
	fields := slices.Clone(o.extra)
	for _, name := range o.names {
		if _, absent := o.at[name].(value.Undefined); !absent {
			fields = append(fields, value.Field{Name: name, Value: o.at[name]})
		}
	}
	return value.NewObject(fields...), true
}

// escapeOne is escapeObject for two objects, the common case: one field must
// differ.
func (s *search) escapeOne(b, a *Validator) (value.Value, bool) {
	for i := range a.Fields {
		f := &a.Fields[i]
		if other := b.near(f.Name, i); !f.Optional && (other == nil || other.Optional) {
			return s.plain(b, &value.Field{Name: f.Name, Value: value.Undefined{}})
		}
	}
	for i := range b.Fields {
		f, left := &b.Fields[i], nothing
		if other := a.near(f.Name, i); other != nil {
			left = other.Type
		}
		if w, found := s.escape(f.Type, []*Validator{left}); found {
			return s.plain(b, &value.Field{Name: f.Name, Value: w})
		}
	}
	return nil, false
}

// plain makes an object of b with the fields that it requires and the one
// given, if any; Undefined gives no field.
func (s *search) plain(b *Validator, given *value.Field) (value.Value, bool) {
	fields := make([]value.Field, 0, len(b.Fields)+1)
	for _, f := range b.Fields {
		if given != nil && f.Name == given.Name {
			if _, absent := given.Value.(value.Undefined); !absent {
				fields = append(fields, *given)
			}
			continue
		}
		if f.Optional {
			continue
		}
		w, found := s.escape(f.Type, nil)
		if !found {
			return nil, false // b itself accepts nothing
		}
		fields = append(fields, value.Field{Name: f.Name, Value: w})
	}
	return value.NewObject(fields...), true
}

// collectNames lists the names at which the validators may differ: b's fields
// first, then the others by name. All further names are alike.
func (o *objects) collectNames() {
	seen := map[string]bool{}
	add := func(name string) {
		if !seen[name] {
			seen[name] = true
			o.names = append(o.names, name)
		}
	}
	own := 0
	for _, v := range append([]*Validator{o.b}, o.as...) {
		for _, f := range v.Fields {
			add(f.Name)
		}
		if v.Kind == Record {
			v.Key.walk(func(k *Validator) {
				if name, ok := k.Literal.(string); ok && k.Kind == Literal {
					add(name)
				}
			})
		}
		if v == o.b {
			own = len(o.names)
		}
	}
	slices.Sort(o.names[own:])
}

// leave finds what b admits at name outside all the slots; no field is
// preferred, as it makes the smallest witness.
func (o *objects) leave(name string, slots []slot) (value.Value, bool) {
	own := o.slot(o.b, name)
	if own.absent && !slices.ContainsFunc(slots, func(s slot) bool { return s.absent }) {
		return value.Undefined{}, true
	}
	types := make([]*Validator, len(slots))
	for i, s := range slots {
		types[i] = s.typ
	}
	return o.escapeOnce(own.typ, types)
}

// found is what escape once answered.
type found struct {
	value value.Value
	ok    bool
}

// escapeOnce is escape that remembers. The search for an object asks for the
// same value again and again; deep inside others, that would double the work
// at every level.
func (s *search) escapeOnce(b *Validator, as []*Validator) (value.Value, bool) {
	if orAny(b).scalar() {
		return s.escape(b, as)
	}
	key := s.keyOf(b, as)
	if f, ok := s.known[key]; ok {
		return f.value, f.ok
	}
	w, ok := s.escape(b, as)
	if ok || s.steps <= maxSteps {
		if s.known == nil {
			s.known = map[string]found{}
		}
		s.known[key] = found{w, ok}
	}
	return w, ok
}

// keyOf names validators by their place in memory, in order of appearance.
func (s *search) keyOf(b *Validator, as []*Validator) string {
	if s.number == nil {
		s.number = map[*Validator]uint32{}
	}
	var key []byte
	for _, v := range append([]*Validator{b}, as...) {
		n, ok := s.number[v]
		if !ok {
			n = uint32(len(s.number))
			s.number[v] = n
		}
		key = binary.LittleEndian.AppendUint32(key, n)
	}
	return string(key)
}

func (o *objects) inside(s slot, w value.Value) bool {
	if _, absent := w.(value.Undefined); absent {
		return s.absent
	}
	return s.typ.Fits(w, o)
}

// order puts the objects that are hardest to leave first. It is false when one
// of them cannot be left at all: then it covers b.
func (o *objects) order() bool {
	ways := map[*Validator]int{}
	for _, a := range o.as {
		if _, found := o.fresh(a, 0); found {
			ways[a] = len(o.names) + 1
			continue
		}
		for _, name := range o.names {
			if _, found := o.leave(name, []slot{o.slot(a, name)}); found {
				ways[a]++
			}
		}
		if ways[a] == 0 {
			return false
		}
	}
	slices.SortStableFunc(o.as, func(x, y *Validator) int { return ways[x] - ways[y] })
	return true
}

// solve leaves the objects from the i-th on.
func (o *objects) solve(i int) bool {
	if i == len(o.as) {
		return true
	}
	if o.steps++; o.steps > o.limit {
		return false
	}
	a := o.as[i]
	if f, found := o.fresh(a, i); found {
		o.extra = append(o.extra, f)
		if o.solve(i + 1) {
			return true
		}
		o.extra = o.extra[:len(o.extra)-1]
		return false // a name of its own takes nothing from the others
	}
	for _, name := range o.names {
		// A slot without common values costs nothing: no need to try others.
		if s := o.slot(a, name); o.apart(o.slot(o.b, name), s) {
			return o.take(i, name, s)
		}
	}
	for _, again := range []bool{true, false} { // first where the value is outside already
		for _, name := range o.names {
			s := o.slot(a, name)
			if o.inside(s, o.at[name]) != again && o.take(i, name, s) {
				return true
			}
		}
	}
	return false
}

// take leaves the i-th object at name, then the rest.
func (o *objects) take(i int, name string, s slot) bool {
	before, old := o.left[name], o.at[name]
	slots := append(slices.Clone(before), s)
	w := old
	if o.inside(s, old) {
		var found bool
		if w, found = o.leave(name, slots); !found {
			return false
		}
	}
	o.left[name], o.at[name] = slots, w
	if o.solve(i + 1) {
		return true
	}
	o.left[name], o.at[name] = before, old
	return false
}

// fresh finds a field under a name that no validator mentions at which a value
// of b leaves a. There are always more such names, so that every object of as
// can have its own.
func (o *objects) fresh(a *Validator, i int) (value.Field, bool) {
	if o.b.Kind != Record {
		return value.Field{}, false
	}
	for _, name := range o.freshNames(i) {
		own := o.slot(o.b, name)
		if own.typ == nothing {
			continue
		}
		if w, found := o.escape(own.typ, []*Validator{o.slot(a, name).typ}); found {
			return value.Field{Name: name, Value: w}, true
		}
	}
	return value.Field{}, false
}

// freshNames is one unused name of each sort that keys can tell apart: plain
// ones, and the ids of each table.
func (o *objects) freshNames(i int) []string {
	n := i
	for slices.Contains(o.names, numbered("key", n)) {
		n += len(o.as) + 1
	}
	names := []string{numbered("key", n)}
	for _, table := range o.numbered() {
		if table != "" {
			names = append(names, o.id(table, i))
		}
	}
	return names
}

func (s *search) apart(x, y slot) bool {
	return !(x.absent && y.absent) && s.disjoint(x.typ, y.typ)
}

// disjoint reports whether no value fits both; false when it is not plain to
// see, or when the steps are used up.
func (s *search) disjoint(x, y *Validator) bool {
	if s.steps > maxSteps {
		return false
	}
	for _, a := range flatten(nil, x) {
		for _, b := range flatten(nil, y) {
			if !s.apartMembers(a, b) {
				return false
			}
		}
	}
	return true
}

func (s *search) apartMembers(a, b *Validator) bool {
	s.steps++
	switch {
	case a.Kind == Any || b.Kind == Any:
		return false
	case a.Kind == Literal:
		return !b.Fits(a.Literal, s)
	case b.Kind == Literal:
		return !a.Fits(b.Literal, s)
	case a.Kind == ID && b.Kind == ID:
		return a.Table != b.Table
	case family(a) != family(b):
		return true
	case a.Kind == Object && b.Kind == Object:
		return s.apartAtField(a, b)
	}
	return false
}

// apartAtField looks for a field that one of them demands and at which the
// other differs. It looks at each pair of types once: twice would double the
// work with every level of nesting.
func (s *search) apartAtField(a, b *Validator) bool {
	for _, f := range a.Fields {
		other := b.Field(f.Name)
		switch {
		case other == nil && !f.Optional:
			return true
		case other != nil && !(f.Optional && other.Optional) && s.disjoint(f.Type, other.Type):
			return true
		}
	}
	return slices.ContainsFunc(b.Fields, func(f Field) bool { return !f.Optional && a.Field(f.Name) == nil })
}

// family is the sort of values that a validator other than a literal, a union
// or any accepts.
func family(v *Validator) Kind {
	switch v.Kind {
	case ID:
		return String
	case CommitTs:
		return Bigint
	case Record:
		return Object
	}
	return v.Kind
}
