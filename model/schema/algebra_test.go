package schema

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

// testTables are the tables that generated validators name.
var testTables = NumberedTables{"teams", "users"}

func testIDs(table string) (string, bool) {
	return value.ID{Table: testTables.Number(table), Internal: [16]byte{1}}.String(), true
}

// genValidator draws validators from a small world of names and literals, so
// that two of them meet often.
func genValidator(depth int) *rapid.Generator[*Validator] {
	return rapid.Custom(func(t *rapid.T) *Validator {
		most := 13
		if depth == 0 {
			most = 8
		}
		switch rapid.IntRange(0, most).Draw(t, "kind") {
		case 0:
			return &Validator{Kind: String}
		case 1:
			return &Validator{Kind: Number}
		case 2:
			return rapid.SampledFrom([]*Validator{{Kind: Bigint}, {Kind: CommitTs}, {Kind: Bytes}, {Kind: Null}, {Kind: Boolean}}).Draw(t, "scalar")
		case 3, 4, 5:
			lit := rapid.SampledFrom([]value.Value{"a", "b", "text", true, false, 0.0, 1.0, int64(0), int64(1)}).Draw(t, "literal")
			return &Validator{Kind: Literal, Literal: lit}
		case 6:
			return &Validator{Kind: ID, Table: rapid.SampledFrom([]string{"teams", "users"}).Draw(t, "table")}
		case 7:
			return &Validator{Kind: Boolean}
		case 8:
			if rapid.IntRange(0, 4).Draw(t, "any") == 0 {
				return &Validator{Kind: Any}
			}
			return &Validator{Kind: String}
		case 9:
			return &Validator{Kind: Array, Element: genValidator(depth-1).Draw(t, "element")}
		case 10:
			return &Validator{Kind: Record, Key: genKey().Draw(t, "key"), Element: genValidator(depth-1).Draw(t, "value")}
		case 11, 12:
			return genObject(depth-1).Draw(t, "object")
		}
		return &Validator{Kind: Union, Members: rapid.SliceOfN(genValidator(depth-1), 0, 4).Draw(t, "members")}
	})
}

func genKey() *rapid.Generator[*Validator] {
	return rapid.SampledFrom([]*Validator{
		{Kind: String}, {Kind: ID, Table: "teams"}, {Kind: ID, Table: "users"},
		{Kind: Union, Members: []*Validator{{Kind: ID, Table: "teams"}, {Kind: ID, Table: "users"}}},
		{Kind: Literal, Literal: "a"},
		{Kind: Union, Members: []*Validator{{Kind: Literal, Literal: "a"}, {Kind: ID, Table: "teams"}}},
	})
}

func genObject(depth int) *rapid.Generator[*Validator] {
	return rapid.Custom(func(t *rapid.T) *Validator {
		v := &Validator{Kind: Object}
		for _, name := range []string{"b", "a", "key"} {
			switch rapid.IntRange(0, 2).Draw(t, name) {
			case 1:
				v.Fields = append(v.Fields, Field{name, genValidator(depth).Draw(t, "field"), false})
			case 2:
				v.Fields = append(v.Fields, Field{name, genValidator(depth).Draw(t, "field"), true})
			}
		}
		return v
	})
}

func mustAccept(t *rapid.T, a, b *Validator) bool {
	ok, w, err := Accepts(a, b)
	if err != nil {
		t.Fatalf("Accepts(%v, %v): %v", a, b, err)
	}
	tables := TablesOf(a, b)
	if !ok && !b.Fits(w, tables) {
		t.Fatalf("Accepts(%v, %v): b refuses the witness %s", a, b, value.Display(w))
	}
	if !ok && a.Fits(w, tables) {
		t.Fatalf("Accepts(%v, %v): a accepts the witness %s", a, b, value.Display(w))
	}
	return ok
}

func draw(t *rapid.T, v *Validator) (value.Value, bool) {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	return Edge(v, r, testIDs)
}

func TestAcceptsIsReflexive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := genValidator(3).Draw(t, "v")
		copied, err := ParseValidator(v.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if !mustAccept(t, v, v) || !mustAccept(t, v, copied) || !mustAccept(t, canonical(v), v) || !mustAccept(t, v, canonical(v)) {
			t.Fatalf("%v does not accept itself", v)
		}
	})
}

func TestAcceptsIsTransitive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := genValidator(2).Draw(t, "a"), genValidator(2).Draw(t, "b"), genValidator(2).Draw(t, "c")
		// Unions make chains likely.
		b = &Validator{Kind: Union, Members: []*Validator{b, c}}
		if rapid.Bool().Draw(t, "chain") {
			a = &Validator{Kind: Union, Members: []*Validator{a, b}}
		}
		if mustAccept(t, a, b) && mustAccept(t, b, c) && !mustAccept(t, a, c) {
			t.Fatalf("%v accepts %v, which accepts %v, but not that", a, b, c)
		}
	})
}

// A value that b accepts and a refuses means that a does not accept b.
func TestAcceptsAgreesWithFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genValidator(3).Draw(t, "a"), genValidator(3).Draw(t, "b")
		ok := mustAccept(t, a, b)
		for range 20 {
			v, made := draw(t, b)
			if !made {
				break
			}
			if !b.Fits(v, testTables) {
				t.Fatalf("%v refuses %s, made for it", b, value.Display(v))
			}
			if ok && !a.Fits(v, testTables) {
				t.Fatalf("Accepts(%v, %v), but not %s", a, b, value.Display(v))
			}
		}
	})
}

// Splitting b's fields into the members of a union is where a structural
// comparison goes wrong.
func TestAcceptsSeesThroughSplitUnions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := genObject(1).Draw(t, "o")
		i := rapid.IntRange(0, 2).Draw(t, "field")
		if i >= len(o.Fields) {
			return
		}
		f := o.Fields[i]
		var split []*Validator
		replace := func(typ *Validator, optional bool) {
			c := &Validator{Kind: Object, Fields: append([]Field(nil), o.Fields...)}
			c.Fields[i] = Field{f.Name, typ, optional}
			split = append(split, c)
		}
		members := flatten(nil, f.Type)
		if f.Type.Kind == Boolean {
			members = []*Validator{{Kind: Literal, Literal: true}, {Kind: Literal, Literal: false}}
		}
		for _, m := range members {
			replace(m, false)
		}
		if f.Optional {
			replace(nothing, true)
		}
		union := &Validator{Kind: Union, Members: split}
		if !mustAccept(t, union, o) || !mustAccept(t, o, union) {
			t.Fatalf("%v and %v differ", o, union)
		}
	})
}

func TestWidenAcceptsBoth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genValidator(3).Draw(t, "a"), genValidator(3).Draw(t, "b")
		w := Widen(a, b)
		if !mustAccept(t, w, a) || !mustAccept(t, w, b) {
			t.Fatalf("Widen(%v, %v) = %v refuses one of them", a, b, w)
		}
		if again := Widen(w, a); !mustAccept(t, w, again) || !mustAccept(t, again, w) {
			t.Fatalf("Widen(%v, %v) = %v is not idempotent: %v", a, b, w, again)
		}
		other := Widen(b, a)
		if !mustAccept(t, w, other) || !mustAccept(t, other, w) {
			t.Fatalf("Widen(%v, %v) = %v, but the other way round %v", a, b, w, other)
		}
		if w.Kind == Union && w != a && w != b {
			for i, m := range w.Members {
				for j, n := range w.Members {
					if ok, _, _ := Accepts(m, n); i != j && ok {
						t.Fatalf("Widen(%v, %v) = %v: member %v covers %v", a, b, w, m, n)
					}
				}
			}
		}
	})
}

func TestCheckAgreesWithFits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := genValidator(3).Draw(t, "a"), genValidator(3).Draw(t, "b")
		if v, ok := draw(t, b); ok && a.Fits(v, testTables) != (len(a.Check(v, testTables)) == 0) {
			t.Fatalf("Fits and Check of %v differ on %s", a, value.Display(v))
		}
	})
}
