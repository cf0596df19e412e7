package schema

import (
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

// agrees checks that what a text is said to be is what decoding it tells; it
// reports whether something was said.
func agrees(t interface{ Fatalf(string, ...any) }, v *Validator, text []byte) bool {
	table := &Table{Name: "x", Document: v}
	size, ok := NewTextCheck(table, testTables).Fits(text)
	if !ok {
		return false
	}
	decoded, err := value.DecodeExport(text)
	doc, isObject := decoded.(value.Object)
	switch {
	case err != nil || !isObject:
		t.Fatalf("%s: it fits %v, and cannot be read: %v", text, v, err)
	case !table.FitsDocument(doc, testTables):
		t.Fatalf("%s: it does not fit %v: %v", text, v, table.CheckDocument(doc, testTables))
	case size != value.Size(doc):
		t.Fatalf("%s: size %d, want %d", text, size, value.Size(doc))
	}
	return true
}

// The text of a document tells nothing that the document does not.
func TestTextCheckAgreesWithFits(t *testing.T) {
	said, all := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		v := genObject(2).Draw(rt, "validator")
		if rapid.Bool().Draw(rt, "union") {
			v = &Validator{Kind: Union, Members: []*Validator{v, genObject(2).Draw(rt, "other")}}
		}
		of := v
		if rapid.Bool().Draw(rt, "another's") {
			of = genObject(2).Draw(rt, "of")
		}
		x, ok := draw(rt, of)
		doc, isObject := x.(value.Object)
		if !ok || !isObject {
			return
		}
		doc = doc.With("_id", "x").With("_creationTime", 1.5)
		if agrees(rt, v, value.AppendExport(nil, doc)) {
			said++
		} else if (&Table{Document: v}).FitsDocument(doc, testTables) {
			all++
		}
	})
	if said == 0 || said < all {
		t.Errorf("of %d documents that fit it was told by their text, of %d it was not", said, all)
	}
}

// What Convex writes of plain documents is told by the text alone.
func TestTextCheckKnowsPlainDocuments(t *testing.T) {
	v := object(req("Zip", of(String)), req("a", of(Number)), opt("b", of(Bigint)), req("c", union(lit("x"), lit("y"), of(Null))),
		req("d", array(of(Boolean))), req("e", record(of(String), of(Number))), opt("f", of(Any)), req("g", union(object(req("k", lit("l")), req("v", of(String))), object(req("k", lit("m"))))))
	for text, want := range map[string]bool{
		`{"Zip":"é\n","_creationTime":1.0,"_id":"x","a":1.5,"c":"y","d":[true,false],"e":{"k":2.0},"f":[{"q":null}],"g":{"k":"m"}}`: true,
		`{ "Zip" : "" , "a":-0.0,"b":-12,"c":null,"d":[ ],"e":{ },"g":{"k":"l","v":"w"}}`:                                           true,
		`{"Zip":"","a":1,"c":null,"d":[],"e":{},"g":{"k":"m"}}`:                                                                     false, // int64
		`{"Zip":"","a":1.0,"c":null,"d":[],"e":{},"g":{"k":"m"},"z":1}`:                                                             false, // extra
		`{"Zip":"","a":1.0,"c":null,"d":[],"e":{},"g":{"k":"l"}}`:                                                                   false,
		`{"Zip":"","a":1.0,"c":null,"d":[],"e":{}}`:                                                                                 false,
		`{"Zip":"","a":1.0,"c":null,"d":[],"e":{},"g":{"k":"m"}} 1`:                                                                 false,
		`{"Zip":"","a":1.0,"a":1.0,"c":null,"d":[],"e":{},"g":{"k":"m"}}`:                                                           false,
	} {
		if got := agrees(t, v, []byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func FuzzTextCheck(f *testing.F) {
	for _, text := range []string{`{"_id":"x","a":"text"}`, `{"a":1,"b":[1.5,null,{"q":-0.0}],"key":{"k":"\u0041"}}`, `{"a":{"$integer":"AAAAAAAAAAA="}}`, `{"a":"\ud800"}`, `{"a":1e999}`, `{"a":[[[[[]]]]]}`} {
		f.Add([]byte(text))
	}
	of := func(kind Kind) *Validator { return &Validator{Kind: kind} }
	all := []*Validator{
		nil, of(Any), object(opt("a", of(String)), opt("b", of(Any)), opt("key", of(Any))), object(opt("a", of(Number)), opt("b", array(of(Number)))),
		object(opt("a", union(lit("text"), lit(1.0), lit(int64(1)), lit(true), id("users"))), opt("key", record(of(String), of(Bigint)))),
		union(object(req("a", of(Null))), object(req("a", of(Boolean)))),
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, v := range all {
			agrees(t, v, text)
		}
	})
}

func BenchmarkTextCheck(b *testing.B) {
	v := object(req("age", of(Number)), req("name", of(String)), req("role", union(lit("admin"), lit("guest"))), req("tags", array(of(String))))
	c := NewTextCheck(&Table{Name: "x", Document: v}, testTables)
	text := []byte(`{"_creationTime":1.5,"_id":"x","age":36.5,"name":"Ada Lovelace","role":"guest","tags":["admin","early"]}`)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.Fits(text); !ok {
			b.Fatal("it fits")
		}
	}
}
