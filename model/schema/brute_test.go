package schema

import (
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

// universe is every value that small validators tell apart: scalars, arrays of
// up to two of them, objects over three names, and both inside each other.
var universe = func() []value.Value {
	team, _ := testIDs("teams")
	user, _ := testIDs("users")
	scalars := []value.Value{nil, true, false, 0.0, 1.0, 7.0, int64(0), int64(1), int64(7), "a", "b", "text", "other", team, user, value.Bytes{}}
	few := []value.Value{nil, true, false, 1.0, "a", "other", team}
	small := append(few, arraysOf(few[:3])...)
	small = append(small, objectsOf([]string{"a", "b"}, few[:3])...)
	out := append(scalars, arraysOf(scalars)...)
	out = append(out, arraysOf(small)...)
	out = append(out, objectsOf([]string{"a", "key"}, scalars)...)
	out = append(out, objectsOf([]string{"a", "b"}, small)...)
	out = append(out, objectsOf([]string{"a", "b", "key"}, few)...)
	out = append(out, objectsOf([]string{team, "a", "other"}, few)...)
	return append(out, objectsOf([]string{team, user}, few)...)
}()

func arraysOf(from []value.Value) []value.Value {
	out := []value.Value{value.Array{}}
	for i, x := range from {
		out = append(out, value.Array{x})
		for _, y := range from[i+1:] {
			out = append(out, value.Array{x, y})
		}
	}
	return out
}

func objectsOf(names []string, from []value.Value) []value.Value {
	out := []value.Value{value.Object{}}
	for _, name := range names {
		for _, o := range slices.Clone(out) {
			for _, x := range from {
				out = append(out, o.(value.Object).With(name, x))
			}
		}
	}
	return out
}

// extent is the part of the universe that a validator accepts, a bit a value.
func extent(v *Validator) *big.Int {
	bits := new(big.Int)
	for i, x := range universe {
		if v.Fits(x, testTables) {
			bits.SetBit(bits, i, 1)
		}
	}
	return bits
}

// impatient is Accepts by taking objects apart wherever there is a choice.
func impatient(a, b *Validator) bool {
	s := newSearch(orAny(a), orAny(b))
	s.patience = 0
	ok, _, err := s.accepts()
	return ok && err == nil
}

func within(b, a *big.Int) bool { return new(big.Int).AndNot(b, a).Sign() == 0 }

// Every pair of the small validators is compared, and each answer held against
// the values themselves. A false answer proves itself by its witness.
func TestAcceptsOfAllSmallValidators(t *testing.T) {
	all := smallValidators()
	extents := make([]*big.Int, len(all))
	for i, v := range all {
		extents[i] = extent(v)
	}
	for i, a := range all {
		for j, b := range all {
			ok, w, err := Accepts(a, b)
			switch {
			case err != nil:
				t.Fatalf("Accepts(%v, %v): %v", a, b, err)
			case ok != impatient(a, b):
				t.Fatalf("Accepts(%v, %v) is %v, but not when objects are taken apart at once", a, b, ok)
			case ok && !within(extents[j], extents[i]):
				x, _ := firstOutside(b, a)
				t.Fatalf("Accepts(%v, %v), but not %s", a, b, value.Display(x))
			case !ok && (!b.Fits(w, TablesOf(a, b)) || a.Fits(w, TablesOf(a, b))):
				t.Fatalf("Accepts(%v, %v) is false, but its witness is %s", a, b, value.Display(w))
			}
		}
	}
}

// firstOutside finds a value of the universe that b accepts and a refuses.
func firstOutside(b, a *Validator) (x value.Value, found bool) {
	for _, x := range universe {
		if b.Fits(x, testTables) && !a.Fits(x, testTables) {
			return x, true
		}
	}
	return nil, false
}

// smallValidators is a few hundred validators: scalars, containers of them,
// and unions of two.
func smallValidators() []*Validator {
	team := id("teams")
	scalars := []*Validator{of(Null), of(Boolean), of(String), lit(true), lit("a"), team}
	records := []*Validator{record(of(String), lit(true)), record(team, of(Boolean)), record(of(String), of(Any)), record(lit("a"), of(Null)),
		record(union(team, id("users")), of(Boolean)), record(union(), of(Any))}
	var objects []*Validator
	for _, typ := range []*Validator{of(Boolean), lit(true), of(Any), union()} {
		objects = append(objects, object(req("a", typ)), object(opt("a", typ)), object(req("a", typ), req("b", typ)),
			object(opt("a", typ), opt("b", of(Boolean))), object(req("a", of(Boolean)), opt("b", typ)))
	}
	arrays := []*Validator{array(of(Boolean)), array(lit(true)), array(union(lit(true), of(Null))), array(union()), array(objects[0])}
	single := slices.Concat(scalars, records, objects, arrays, []*Validator{of(Any), union(), object(), array(records[1]), object(opt("a", objects[1]))})
	out := single
	for i, a := range single {
		for k := 1; k <= 6; k++ { // not all pairs: some thousands would take minutes
			out = append(out, union(a, single[(i*7+k*k)%len(single)]))
		}
	}
	return out
}

// genSplit draws unions of objects over the same few fields, which together
// may cover what none of them does.
func genSplit() *rapid.Generator[*Validator] {
	typ := rapid.SampledFrom([]*Validator{of(Boolean), lit(true), lit(false), lit("a"), lit("b"), of(String), of(Null), of(Any), union(lit(true), of(Null)), id("teams"), union(),
		array(of(Boolean)), array(lit(true)), object(opt("a", of(Boolean))), object(req("a", lit(true))), record(of(String), of(Boolean))})
	member := rapid.Custom(func(t *rapid.T) *Validator {
		if rapid.IntRange(0, 5).Draw(t, "record") == 0 {
			return record(genKey().Draw(t, "key"), typ.Draw(t, "value"))
		}
		v := object()
		for _, name := range []string{"a", "b", "key"} {
			if n := rapid.IntRange(0, 3).Draw(t, name); n > 0 {
				v.Fields = append(v.Fields, Field{name, typ.Draw(t, "type"), n == 1})
			}
		}
		return v
	})
	return rapid.Map(rapid.SliceOfN(member, 1, 5), func(ms []*Validator) *Validator { return union(ms...) })
}

func TestAcceptsAgreesWithTheUniverse(t *testing.T) {
	pair := func(t *rapid.T) (a, b *Validator) {
		gen := rapid.OneOf(genSplit(), genValidator(2), rapid.Map(genSplit(), func(v *Validator) *Validator { return object(req("a", v), opt("b", of(Null))) }))
		return gen.Draw(t, "a"), gen.Draw(t, "b")
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := pair(t)
		ok := mustAccept(t, a, b)
		if ok != impatient(a, b) {
			t.Fatalf("Accepts(%v, %v) is %v, but not when objects are taken apart at once", a, b, ok)
		}
		if ok {
			if x, found := firstOutside(b, a); found {
				t.Fatalf("Accepts(%v, %v), but not %s", a, b, value.Display(x))
			}
		}
		if rapid.Bool().Draw(t, "shared") { // as when widened with one after the other
			m := flatten(nil, b)
			a = union(append(flatten(nil, a), m[:min(1, len(m))]...)...)
		}
		w := Widen(a, b)
		for _, v := range []*Validator{a, b} {
			if x, found := firstOutside(v, w); found {
				t.Fatalf("Widen(%v, %v) = %v refuses %s", a, b, w, value.Display(x))
			}
		}
	})
}
