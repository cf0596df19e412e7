package schema

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

func TestWidenCases(t *testing.T) {
	str, num := of(String), of(Number)
	for _, c := range []struct {
		name   string
		active *Validator
		target *Validator
		want   string
	}{
		{"a required field added", object(req("a", str)), object(req("a", str), req("b", num)), "v.object({ a: v.string(), b: v.optional(v.number()) })"},
		{"a field removed", object(req("a", str), req("old", num)), object(req("a", str)), "v.object({ a: v.string(), old: v.optional(v.number()) })"},
		{"the target's order", object(req("b", str), req("a", str)), object(req("z", str), req("a", str), req("b", str)), "v.object({ z: v.optional(v.string()), a: v.string(), b: v.string() })"},
		{"a type changed", object(req("a", of(Boolean))), object(req("a", union(lit("on"), lit("off")))), `v.object({ a: v.union(v.literal("on"), v.literal("off"), v.boolean()) })`},
		{"a type narrowed", object(req("a", union(str, num))), object(req("a", str)), "v.object({ a: v.union(v.string(), v.number()) })"},
		{"literals into a string", object(req("a", lit("x")), req("o", num)), object(req("a", str)), "v.object({ a: v.string(), o: v.optional(v.number()) })"},
		{"the same", object(req("a", str)), object(req("a", str)), "v.object({ a: v.string() })"},
		{"elements of arrays", array(object(req("a", str))), array(object(req("b", str))), "v.array(v.object({ b: v.optional(v.string()), a: v.optional(v.string()) }))"},
		{"values of records", record(id("users"), num), record(str, str), "v.record(v.string(), v.union(v.string(), v.number()))"},
		{"a nullable object", union(object(req("a", str)), of(Null)), object(req("a", num)), "v.union(v.object({ a: v.union(v.number(), v.string()) }), v.null())"},
		{"a discriminated union", union(object(req("kind", lit("x")), req("n", num)), object(req("kind", lit("y")))), union(object(req("kind", lit("x")), req("n", str)), object(req("kind", lit("z")))),
			`v.union( v.object({ kind: v.literal("x"), n: v.union(v.string(), v.number()) }), v.object({ kind: v.literal("z") }), v.object({ kind: v.literal("y") }), )`},
		{"one member of a union changed", union(object(req("a", str)), object(req("b", str)), of(Null)), union(object(req("b", str)), object(req("a", str), req("c", num))),
			"v.union( v.object({ b: v.string() }), v.object({ a: v.string(), c: v.optional(v.number()) }), v.null(), )"},
		{"an object split into two", object(req("a", str), req("b", str)), union(object(req("kind", lit("x")), req("a", str)), object(req("kind", lit("y")), req("b", str))),
			`v.union( v.object({ kind: v.literal("x"), a: v.string() }), v.object({ kind: v.literal("y"), b: v.string() }), v.object({ a: v.string(), b: v.string() }), )`},
		{"a tag of one object only", object(req("version", lit(1.0)), req("a", str)), object(req("version", lit(2.0)), req("a", str)), "v.object({ version: v.union(v.literal(2), v.literal(1)), a: v.string() })"},
		{"another tag came for the one that went", union(object(req("kind", lit("x")), req("n", num)), object(req("kind", lit("y")))), union(object(req("kind", lit("y"))), object(req("kind", lit("z")), req("n", num))),
			`v.union( v.object({ kind: v.literal("y") }), v.object({ kind: v.literal("z"), n: v.number() }), v.object({ kind: v.literal("x"), n: v.number() }), )`},
		{"and beside a member without tag", union(object(req("kind", lit("x"))), object(req("free", str))), union(object(req("free", str)), object(req("kind", lit("y")))),
			`v.union( v.object({ free: v.string() }), v.object({ kind: v.literal("y") }), v.object({ kind: v.literal("x") }), )`},
		{"a tag of several literals", union(object(req("kind", union(lit("x"), lit("y"))), req("n", num)), object(req("kind", lit("z")))), union(object(req("kind", union(lit("y"), lit("x"))), req("n", str)), object(req("kind", lit("w")))),
			`v.union( v.object({ kind: v.union(v.literal("y"), v.literal("x")), n: v.union(v.string(), v.number()) }), v.object({ kind: v.literal("w") }), v.object({ kind: v.literal("z") }), )`},
		{"two literal fields, one of which tells", union(object(req("a", lit(1.0)), req("kind", lit("x")), req("n", num)), object(req("a", lit(2.0)), req("kind", lit("y")))), union(object(req("a", lit(3.0)), req("kind", lit("x")), req("n", str)), object(req("a", lit(4.0)), req("kind", lit("y")))),
			`v.union( v.object({ a: v.union(v.literal(3), v.literal(1)), kind: v.literal("x"), n: v.union(v.string(), v.number()), }), v.object({ a: v.union(v.literal(4), v.literal(2)), kind: v.literal("y") }), )`},
		{"nested unions", union(union(lit("a"), of(Null)), num), union(lit("b"), union(of(Boolean), str)), "v.union(v.boolean(), v.string(), v.null(), v.number())"},
		{"nothing", union(), object(req("a", str)), "v.object({ a: v.string() })"},
		{"an object that accepts nothing", object(req("x", union())), object(req("a", str)), "v.object({ a: v.string() })"},
		{"a vector", array(str), array(num), "v.union(v.array(v.number()), v.array(v.string()))"},
		{"arrays", array(of(Null)), array(str), "v.array(v.union(v.string(), v.null()))"},
		{"an object and a record", object(req("a", str)), record(str, num), "v.union(v.record(v.string(), v.number()), v.object({ a: v.string() }))"},
		{"an id that became text", id("users"), str, "v.string()"},
		{"two ids", id("users"), id("teams"), `v.union(v.id("teams"), v.id("users"))`},
		{"any", of(Any), str, "v.any()"},
	} {
		got := squeeze(Widen(c.active, c.target).TypeScript())
		if got != c.want {
			t.Errorf("%s: widened is\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
	if Widen(nil, str) != nil {
		t.Error("nil widened is not nil")
	}
}

func squeeze(s string) string {
	var out []rune
	for _, r := range s {
		if r == '\n' {
			r = ' '
		}
		if r == ' ' && len(out) > 0 && out[len(out)-1] == ' ' {
			continue
		}
		out = append(out, r)
	}
	return string(out)
}

func TestWidenSchemas(t *testing.T) {
	index := func(name string, staged bool, fields ...string) Index {
		return Index{Kind: DatabaseIndex, Name: name, Staged: staged, Fields: fields}
	}
	active := &Schema{Validation: true, Tables: []*Table{
		{Name: "old", Document: object()},
		{Name: "both", Document: object(req("a", of(String))), Indexes: []Index{index("by_a", false, "a"), index("gone", false, "a"), {Kind: SearchIndex, Name: "s", SearchField: "a"}}},
	}}
	target := &Schema{Validation: true, Tables: []*Table{
		{Name: "both", Document: object(req("a", of(Number))), Indexes: []Index{index("by_a", false, "a", "b"), index("new", true, "b")}},
		{Name: "new", Document: object()},
	}}
	w := WidenSchemas(active, target)
	want := `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema({
  both: defineTable({
    a: v.union(v.number(), v.string()),
  })
    .index("by_a", ["a", "b"])
    .index("gone", ["a"])
    .index("new", { fields: ["b"], staged: true })
    .searchIndex("s", { searchField: "a" }),
  new: defineTable({}),
  old: defineTable({}),
});
`
	if got := w.TypeScript(); got != want {
		t.Errorf("widened is\n%s", got)
	}
	if active.Validation = false; WidenSchemas(active, target).Validation {
		t.Error("types are enforced where the active schema lets any document in")
	}
	if WidenSchemas(nil, target) != target || WidenSchemas(active, nil) != active {
		t.Error("a missing schema is not left out")
	}
}

func TestWideningKeepsIndexesOrSaysSo(t *testing.T) {
	db := func(name string, fields ...string) Index {
		return Index{Kind: DatabaseIndex, Name: name, Fields: fields}
	}
	search := func(name string, filters ...string) Index {
		return Index{Kind: SearchIndex, Name: name, SearchField: "a", FilterFields: filters}
	}
	vector := func(name string, dimensions int) Index {
		return Index{Kind: VectorIndex, Name: name, VectorField: "v", Dimensions: dimensions}
	}
	staged := func(x Index) Index {
		x.Staged = true
		return x
	}
	many := make([]string, 10)
	for i := range many {
		many[i] = fmt.Sprint("m", i)
	}
	doc := object(req("a", of(String)), opt("b", of(String)), opt("m", object(req("x", of(String)))), opt("v", array(of(Number))))
	target := object(req("a", of(String)), opt("m", record(of(String), of(String))), opt("v", array(of(String))))
	for _, c := range []struct {
		name           string
		active, target []Index
		want           string // of the widened table
		note, instead  string
	}{
		{"one of the active schema only", []Index{db("by_a", "a")}, nil, `.index("by_a", ["a"])`, "", ""},
		{"the same", []Index{db("by_a", "a")}, []Index{db("by_a", "a")}, `.index("by_a", ["a"])`, "", ""},
		{"one name, other fields", []Index{db("by_a", "a")}, []Index{db("by_a", "a", "b")}, `.index("by_a", ["a", "b"])`, "indexes something else", "by_a"},
		{"one name, another kind", []Index{db("by_a", "a")}, []Index{search("by_a")}, `.searchIndex("by_a", { searchField: "a" })`, "indexes something else", "by_a"},
		{"another name, the same fields", []Index{db("old", "a")}, []Index{db("new", "a")}, `.index("new", ["a"])`, `the target has it as "new"`, "new"},
		{"staged to be enabled", []Index{staged(db("by_a", "a"))}, []Index{db("by_a", "a")}, `.index("by_a", ["a"])`, "", ""},
		{"enabled to be staged", []Index{db("by_a", "a")}, []Index{staged(db("by_a", "a"))}, `.index("by_a", ["a"])`, "", ""},
		{"staged on both sides", []Index{staged(db("by_a", "a"))}, []Index{staged(db("by_a", "a"))}, `.index("by_a", { fields: ["a"], staged: true })`, "", ""},
		{"other filter fields", []Index{search("s", "b")}, []Index{search("s", "m")}, `.searchIndex("s", { searchField: "a", filterFields: ["m", "b"] })`, "", ""},
		{"too many filter fields", []Index{search("s", append(slices.Clone(many), "x0", "x1", "x2", "x3")...)}, []Index{search("s", "y0", "y1", "y2")}, `.searchIndex("s", { searchField: "a", filterFields: ["y0", "y1", "y2"] })`, "loses filter fields", "s"},
		{"other dimensions", []Index{vector("v", 3)}, []Index{vector("v", 4)}, `.vectorIndex("v", { vectorField: "v", dimensions: 4 })`, "indexes something else", "v"},
		{"inside what became a record", []Index{db("by_x", "m.x")}, nil, "", `no field "m.x"`, ""},
		{"a vector whose field became something else", []Index{vector("v", 3)}, nil, `.vectorIndex("v", { vectorField: "v", dimensions: 3 })`, "", ""},
	} {
		active := &Schema{Validation: true, Tables: []*Table{{Name: "t", Document: doc, Indexes: c.active}}}
		widened, notes := WidenAll(active, nil, active, &Schema{Validation: true, Tables: []*Table{{Name: "t", Document: target, Indexes: c.target}}})
		_, indexes, _ := strings.Cut(squeeze(widened.Tables[0].TypeScript()), "})")
		if got := strings.TrimSpace(indexes); got != c.want {
			t.Errorf("%s: indexes are %s, want %s", c.name, got, c.want)
		}
		switch {
		case c.note == "" && len(notes) > 0, c.note != "" && len(notes) != 1:
			t.Errorf("%s: notes are %+v", c.name, notes)
		case c.note != "" && (!strings.Contains(notes[0].Message, c.note) || notes[0].Instead != c.instead || notes[0].Index.Name != c.active[0].Name || notes[0].Table != "t"):
			t.Errorf("%s: note is %+v", c.name, notes[0])
		}
		if c.name != "too many filter fields" && c.name != "other filter fields" {
			for _, p := range widened.Problems() {
				t.Errorf("%s: Convex refuses the widened schema: %s", c.name, p.Message)
			}
		}
	}
}

// However many schemas there are, the widened one accepts what each accepts,
// and every index is there or noted.
func TestWidenAllAcceptsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schemas := rapid.SliceOfN(genSchema(), 1, 4).Draw(t, "schemas")
		for _, s := range schemas {
			for _, table := range s.Tables {
				names := map[string]bool{} // Convex takes a name once
				table.Indexes = slices.DeleteFunc(table.Indexes, func(x Index) bool {
					before := names[x.Name]
					names[x.Name] = true
					return before
				})
			}
		}
		w, notes := WidenAll(schemas...)
		for _, s := range schemas {
			for _, table := range s.Tables {
				in := w.Table(table.Name)
				if in == nil || !mustAccept(t, in.Document, table.Document) {
					t.Fatalf("%s is widened to %v, which refuses some of %v", table.Name, in, table.Document)
				}
				for _, x := range table.Indexes {
					kept := slices.ContainsFunc(in.Indexes, func(y Index) bool {
						return x.Kind == y.Kind && x.Name == y.Name && slices.Equal(x.Fields, y.Fields) && x.SearchField == y.SearchField && (!y.Staged || x.Staged)
					})
					noted := slices.ContainsFunc(notes, func(n Note) bool { return n.Table == table.Name && n.Index.Name == x.Name })
					if !kept && !noted && s != schemas[len(schemas)-1] {
						t.Fatalf("index %+v of %s is lost without a note", x, table.Name)
					}
				}
			}
			if w.Validation && !s.Validation {
				t.Fatal("types are enforced where one schema lets any document in")
			}
		}
		if again, _ := WidenAll(schemas[0], w); again.Hash() != w.Hash() {
			t.Fatalf("widened once more,\n%s\nbecomes\n%s", w.TypeScript(), again.TypeScript())
		}
	})
	if s, _ := WidenAll(); s != nil {
		t.Error("no schema widens to one")
	}
}

// Which table an id-shaped literal points to is known to a deployment only.
func TestAnIDInALiteral(t *testing.T) {
	text := value.NewID(firstTable, [14]byte{1}, 0).String()
	for _, c := range []struct {
		a, b *Validator
		ok   bool
	}{
		{id("users"), lit(text), false}, {of(String), lit(text), true}, {union(id("users"), lit(text)), lit(text), true},
		{record(id("users"), of(Any)), object(req(text, of(Any))), false},
		{object(req("a", union(lit(text), id("users")))), object(req("a", id("users"))), true},
	} {
		if ok, w, err := Accepts(c.a, c.b); ok != c.ok || err != nil {
			t.Errorf("Accepts(%v, %v) is %v, %s, %v", c.a, c.b, ok, value.Display(w), err)
		}
	}
}
