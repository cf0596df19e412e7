package schema

import (
	"errors"
	"fmt"
	"testing"

	"strait/model/value"
)

// The cases by which a comparison of form, not of values, goes wrong.
func TestAcceptsCases(t *testing.T) {
	str, num, boolean := of(String), of(Number), of(Boolean)
	tagged := func(kind string, fields ...Field) *Validator {
		return object(append([]Field{req("kind", lit(kind))}, fields...)...)
	}
	for _, c := range []struct {
		name    string
		a, b    *Validator
		witness string // displayed; "" when a accepts b
	}{
		{"nil is any", nil, object(), ""},
		{"any is more than a string", str, nil, "null"},
		{"an id is a string", str, id("teams"), ""},
		{"ids of two tables", id("teams"), id("users"), `"j9700000000000000000000000001r3j"`},
		{"a string is no id", id("teams"), str, `"text"`},
		{"a literal of the string", str, lit("a"), ""},
		{"a string beyond the literals", union(lit("text"), lit("text2")), str, `"text3"`},
		{"both booleans", union(lit(true), lit(false)), boolean, ""},
		{"one boolean", lit(true), boolean, "false"},
		{"a bigint is no number", num, of(Bigint), "0"},
		{"commitTs is a bigint", of(Bigint), of(CommitTs), ""},
		{"-0 is another literal", lit(0.0), num, "1.0"},
		{"a field became required", object(req("a", str)), object(opt("a", str)), "{}"},
		{"a field became optional", object(opt("a", str)), object(req("a", str)), ""},
		{"null is not absent", object(opt("a", str)), object(req("a", union(str, of(Null)))), "{a: null}"},
		{"a field was removed", object(), object(req("a", str)), `{a: "text"}`},
		{"an optional field was removed", object(), object(opt("a", str)), `{a: "text"}`},
		{"a required field was added", object(req("a", str), req("b", num)), object(req("a", str)), `{a: "text"}`},
		{"a union of objects, split by field", union(object(req("a", str)), object(req("a", num))), object(req("a", union(str, num))), ""},
		{"a union of objects, split by presence", union(object(), object(req("a", str))), object(opt("a", str)), ""},
		{"two fields split at once need four objects", union(
			object(req("a", lit(true)), req("b", boolean)), object(req("a", boolean), req("b", lit(true)))),
			object(req("a", boolean), req("b", boolean)), "{a: false, b: false}"},
		{"and four suffice", union(
			object(req("a", lit(true)), req("b", lit(true))), object(req("a", lit(true)), req("b", lit(false))), object(req("a", lit(false)), req("b", boolean))),
			object(req("a", boolean), req("b", boolean)), ""},
		{"a discriminated union", union(tagged("x", req("n", num)), tagged("y")), union(tagged("y"), tagged("x", req("n", lit(1.0)))), ""},
		{"a new member", union(tagged("x"), tagged("y")), union(tagged("x"), tagged("y"), tagged("z")), `{kind: "z"}`},
		{"an array of a union is more than a union of arrays", union(array(str), array(num)), array(union(str, num)), `[0.0, "text"]`},
		{"a union of arrays in an array of a union", array(union(str, num)), union(array(str), array(num)), ""},
		{"empty arrays are in all", array(num), array(union()), ""},
		{"no arrays", str, array(num), "[]"},
		{"a record takes objects of its values", record(str, num), object(req("a", num), opt("b", lit(1.0))), ""},
		{"but not of others", record(str, num), object(req("a", str)), `{a: "text"}`},
		{"an object takes no record", object(opt("a", num)), record(str, num), "{key: 0.0}"},
		{"records by key", record(id("teams"), num), record(str, num), "{key: 0.0}"},
		{"records of ids", record(str, num), record(id("teams"), num), ""},
		{"records of two unions", union(record(str, num), record(str, str)), record(str, union(num, str)), `{key: "text", key2: 0.0}`},
		{"a record with an object beside", union(record(str, num), object(opt("a", str))), record(str, num), ""},
		{"an object that accepts nothing", object(), object(req("a", union())), ""},
		{"any taken apart", union(of(Null), boolean, num, of(Bigint), str, of(Bytes), array(of(Any)), record(str, of(Any))), of(Any), ""},
		{"any but bytes", union(of(Null), boolean, num, of(Bigint), str, array(of(Any)), record(str, of(Any))), of(Any), `b""`},
		{"deep", object(req("a", array(object(req("b", record(str, object(req("c", num)))))))), object(req("a", array(object(req("b", record(str, object(req("c", num), opt("d", num)))))))),
			"{a: [{b: {key: {c: 0.0, d: 0.0}}}]}"},
	} {
		ok, w, err := Accepts(c.a, c.b)
		switch {
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case ok != (c.witness == ""):
			t.Errorf("%s: Accepts is %v, witness %s", c.name, ok, value.Display(w))
		case !ok && value.Display(w) != c.witness:
			t.Errorf("%s: witness is %s, want %s", c.name, value.Display(w), c.witness)
		}
	}
}

func TestAcceptsDocuments(t *testing.T) {
	ok, w, err := AcceptsDocuments(object(req("a", of(String))), nil)
	if ok || err != nil || value.Display(w) != "{key: null}" {
		t.Errorf("witness is %s, %v, %v", value.Display(w), ok, err)
	}
	if ok, _, _ := AcceptsDocuments(record(of(String), of(Any)), of(Any)); !ok {
		t.Error("an open record does not accept all documents")
	}
}

// wide makes a union of n objects over n optional fields, each object lacking
// another field: the shape that leaves the most combinations open.
func wide(n int) (parts, whole *Validator) {
	name := func(i int) string { return fmt.Sprintf("f%02d", i) }
	whole = object()
	for i := range n {
		whole.Fields = append(whole.Fields, opt(name(i), union(lit(1.0), lit(2.0), lit(3.0))))
	}
	parts = union()
	for i := range n {
		part := object()
		for j, f := range whole.Fields {
			switch {
			case j == i:
				f.Type = union(lit(1.0), lit(2.0))
			case j == (i+1)%n:
				f.Type = union(lit(2.0), lit(3.0))
			}
			part.Fields = append(part.Fields, f)
		}
		parts.Members = append(parts.Members, part)
	}
	return parts, whole
}

func TestAcceptsIsBounded(t *testing.T) {
	parts, whole := wide(40)
	ok, w, err := Accepts(parts, whole)
	if err != nil && !errors.Is(err, ErrTooWide) {
		t.Fatal(err)
	}
	if err == nil && (ok || parts.Fits(w, nil)) {
		t.Fatalf("Accepts is %v, witness %s", ok, value.Display(w))
	}
	// Unsolvable: a pigeonhole over fields, refused rather than searched.
	holes := object()
	for i := range 9 {
		holes.Fields = append(holes.Fields, req(fmt.Sprintf("p%d", i), union(lit(0.0), lit(1.0), lit(2.0), lit(3.0), lit(4.0), lit(5.0), lit(6.0), lit(7.0))))
	}
	clash := union()
	for i := range 9 {
		for j := range i {
			for h := range 8 {
				o := object()
				for k, f := range holes.Fields {
					if k == i || k == j {
						f.Type = lit(float64(h))
					}
					o.Fields = append(o.Fields, f)
				}
				clash.Members = append(clash.Members, o)
			}
		}
	}
	if ok, w, err := Accepts(clash, holes); !errors.Is(err, ErrTooWide) && !ok {
		t.Fatalf("nine in eight holes: %v, %s, %v", ok, value.Display(w), err)
	}
	// Objects that split every field of one: 256 of them, and one that lacks.
	split, parts8 := object(), union()
	for i := range 8 {
		split.Fields = append(split.Fields, req(fmt.Sprint("f", i), union(of(String), of(Number))))
	}
	for m := range 256 {
		o := object()
		for i, f := range split.Fields {
			o.Fields = append(o.Fields, req(f.Name, f.Type.Members[m>>i&1]))
		}
		parts8.Members = append(parts8.Members, o)
	}
	if ok, _, err := Accepts(parts8, split); !ok || err != nil {
		t.Errorf("an object split into 256: %v, %v", ok, err)
	}
	if ok, _, err := Accepts(union(append(parts8.Members[:100:100], parts8.Members[101:]...)...), split); ok || err != nil {
		t.Errorf("an object split into 255 of 256: %v, %v", ok, err)
	}
	// Nesting as deep as Convex allows must be answered too.
	deep := func(v *Validator) *Validator {
		for range 60 {
			v = object(req("in", v))
		}
		return v
	}
	if ok, _, err := Accepts(deep(union(of(String), of(Null))), deep(of(String))); !ok || err != nil {
		t.Errorf("sixty levels, widened: %v, %v", ok, err)
	}
	if ok, w, err := Accepts(deep(of(String)), deep(union(of(String), of(Null)))); ok || err != nil || deep(of(String)).Fits(w, nil) {
		t.Errorf("sixty levels, narrowed: %v, %v", ok, err)
	}
	// A common size must be answered: forty kinds of events.
	events := union()
	for i := range 40 {
		events.Members = append(events.Members, object(req("type", lit(fmt.Sprint("e", i))), req("at", of(Number)), opt("note", of(String)), req(fmt.Sprint("x", i%7), of(String))))
	}
	back, _ := ParseValidator(events.JSON())
	if ok, w, err := Accepts(back, events); !ok || err != nil {
		t.Fatalf("forty events: %v, %s, %v", ok, value.Display(w), err)
	}
}
