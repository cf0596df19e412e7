package schema

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"strait/model/value"
)

func nested(levels int, wrap func(*Validator) *Validator, v *Validator) *Validator {
	for range levels {
		v = wrap(v)
	}
	return v
}

// strangeValidators are such as no schema.ts makes: parts are missing, kinds
// unknown, unions huge.
func strangeValidators() []*Validator {
	literals, objects := union(), union()
	for i := range 500 {
		literals.Members = append(literals.Members, lit(fmt.Sprint("literal", i)))
	}
	for i := range 100 {
		objects.Members = append(objects.Members, object(req("type", lit(fmt.Sprint("t", i))), opt("n", of(Number))))
	}
	inTwo := func(v *Validator) *Validator {
		return union(object(req("a", v)), object(req("a", v), opt("b", of(Null))))
	}
	return append(deepValidators(200), nested(8, inTwo, of(String)), nested(8, inTwo, union(of(String), of(Null))), nil, &Validator{}, of("unknown"), of(Array), of(Record), record(of(String), nil), of(Literal), of(ID), union(nil),
		object(Field{}, opt("a", nil), req("b", nil)), lit(value.Undefined{}), literals, objects)
}

func deepValidators(levels int) []*Validator {
	inField := func(v *Validator) *Validator { return object(req("a", v)) }
	inUnion := func(v *Validator) *Validator { return union(v, of(Null)) }
	inBoth := func(v *Validator) *Validator { return object(opt("a", union(v, of(Null))), opt("b", of(String))) }
	return []*Validator{nested(levels, inField, of(String)), nested(levels, inField, of(Null)), nested(levels, array, of(String)), nested(levels, inUnion, of(String)),
		nested(levels, inBoth, of(String)), nested(levels, inBoth, of(Number))}
}

// compareStrange asks for answers that need not be useful, but never wrong.
func compareStrange(t *testing.T, a, b *Validator) {
	ok, w, err := Accepts(a, b)
	if err != nil && !errors.Is(err, ErrTooWide) {
		t.Error(err)
	}
	if tables := TablesOf(a, b); err == nil && !ok && (!b.Fits(w, tables) || a.Fits(w, tables)) {
		t.Errorf("Accepts(%s, %s): the witness %s does not hold", brief(a), brief(b), value.Brief(w, 100))
	}
	if only, err2 := Includes(a, b); err == nil && err2 == nil && only != ok {
		t.Errorf("Includes(%s, %s) is %v", brief(a), brief(b), only)
	}
	w2 := Widen(a, b)
	for _, v := range []*Validator{a, b} {
		if ok, err := Includes(w2, v); err == nil && !ok {
			t.Errorf("Widen(%s, %s) refuses one of them", brief(a), brief(b))
		}
	}
}

func TestNothingPanics(t *testing.T) {
	all := strangeValidators()
	for _, v := range all {
		_, _ = v.Fits(value.Object{}, nil), v.Check(value.Object{}, nil)
		_, _ = Edge(v, rand.New(rand.NewPCG(1, 1)), nil)
		table := &Table{Name: "t", Document: v, Indexes: []Index{{}, {Kind: VectorIndex, VectorField: "a"}}}
		s := &Schema{Tables: []*Table{table, {}}, Validation: true}
		_, _, _, _ = s.Hash(), s.JSON(), s.TypeScript(), s.Problems()
		_, _ = NewSampler(1, nil).Document(table)
		WidenSchemas(s, s)
		for _, other := range all {
			compareStrange(t, v, other)
		}
	}
	var none *Schema
	_, _, _, _, _ = none.Table("x"), none.Hash(), none.JSON(), none.TypeScript(), none.Problems()
	if WidenSchemas(none, none) != nil {
		t.Error("no schema widens to one")
	}
}

func TestTenThousandLevels(t *testing.T) {
	all := deepValidators(10_000)
	for i, v := range all {
		_, _, _ = v.Fits(value.Object{}, nil), v.Check(value.Object{}, nil), v.JSON()
		_, _ = Edge(v, rand.New(rand.NewPCG(1, 1)), nil)
		if i%2 == 1 {
			compareStrange(t, v, all[i-1])
		}
	}
}

// FuzzAlgebra compares and widens whatever two validators parse.
func FuzzAlgebra(f *testing.F) {
	f.Add([]byte(`{"type":"union","value":[{"type":"object","value":{"k":{"fieldType":{"type":"literal","value":"a"},"optional":false}}},{"type":"null"}]}`),
		[]byte(`{"type":"record","keys":{"type":"id","tableName":"t"},"values":{"fieldType":{"type":"array","value":{"type":"any"}},"optional":false}}`))
	f.Add([]byte(`{"type":"literal","value":{"$integer":"AgAAAAAAAAA="}}`), []byte(`{"type":"commitTs"}`))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, err := ParseValidator(x)
		if err != nil {
			return
		}
		b, err := ParseValidator(y)
		if err != nil {
			return
		}
		compareStrange(t, a, b)
		compareStrange(t, b, a)
		if back, err := ParseValidator(a.JSON()); err != nil || !same(a, back) {
			t.Fatalf("%s comes back as %s, %v", a.JSON(), back.JSON(), err)
		}
		_ = a.TypeScript()
	})
}
